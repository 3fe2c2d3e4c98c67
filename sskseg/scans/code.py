"""Code that may change between two runs: of scripts, notebooks and the user's own modules."""

from __future__ import annotations

import dis
import sys
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec, resolve_name
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

# Packages whose versions are recorded with each run.
VERSIONS = {
    "sskseg": "sskseg",
    "torch": "torch",
    "numpy": "numpy",
    "scipy": "scipy",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "cc3d": "connected-components-3d",
    "edt": "edt",
    "fastremap": "fastremap",
}
OTHER_VERSIONS = {*VERSIONS, *sys.stdlib_module_names}  # the instructions enter for Python's
_GLOBALS = ("LOAD_GLOBAL", "LOAD_NAME")


def is_own(value: Any) -> bool:
    """Whether something is defined in a script, inside of a function, or in a module of the
    user's own, which may change while its name stays."""
    return "<" in value.__qualname__ or is_own_module(getattr(value, "__module__", None) or "")


def is_own_module(name: str) -> bool:
    """Whether a module is the user's: neither of Python, nor installed, nor of this library."""
    if name == "__main__":
        return True
    if not name or name.partition(".")[0] in OTHER_VERSIONS:
        return False
    if name not in sys.modules:  # its code came without it
        return True
    file = getattr(sys.modules[name], "__file__", None)
    return file is not None and not _is_installed(file)


def _is_installed(file):
    return bool({"site-packages", "dist-packages"} & {*Path(file).parts})


def top_level_version(name: str) -> str:
    """Return the version that an imported package states; empty if it states none."""
    return str(getattr(sys.modules.get(name), "__version__", ""))


def referenced_names(function: FunctionType) -> dict[str, Any]:
    """Find the values of the global names that a function loads, and what it uses of modules of
    the user's own."""
    loaded, imported, attributes = _names(function.__code__)
    found = {name: function.__globals__.get(name) for name in loaded}
    modules = [value for value in found.values() if isinstance(value, ModuleType)]
    modules += [_imported(name, level, function.__globals__) for name, level in imported]
    for module in modules:
        if module is not None and is_own_module(module.__name__):
            found |= _used(module, attributes)
    return found


def _used(module, attributes):
    """Parts of a module that have one of the names of attributes, and those of its modules."""
    found = {}
    for name in sorted(attributes & {*vars(module)}):
        value = found[f"{module.__name__}.{name}"] = vars(module)[name]
        if isinstance(value, ModuleType) and value.__name__.startswith(f"{module.__name__}."):
            found |= _used(value, attributes)
    return found


def _names(code: CodeType) -> tuple[set[str], set[tuple[str, int]], set[str]]:
    """Names that a function and those within it load, import, and use as attributes."""
    loaded, attributes = set(), {*code.co_names}
    imported: set[tuple[str, int]] = set()
    constants: list[Any] = [0, 0]
    for each in dis.get_instructions(code):
        if each.opname in _GLOBALS:
            loaded.add(each.argval)
        elif each.opname == "IMPORT_NAME":  # after its level and its list of names
            imported.add((each.argval, constants[-2]))
        elif each.opname in ("LOAD_CONST", "LOAD_SMALL_INT"):
            constants.append(each.argval)
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            more = _names(inner)
            loaded, imported, attributes = (
                loaded | more[0],
                imported | more[1],
                attributes | more[2],
            )
    return loaded, imported, attributes


def _imported(name, level, names):
    """A module of the user's own that a function imports when it is called."""
    with suppress(Exception):  # the function reports it, if it ever gets there
        full = resolve_name("." * level + name, names.get("__package__") or None)
        top = full.partition(".")[0]
        spec = None if top in OTHER_VERSIONS else find_spec(top)
        if spec and spec.origin and not _is_installed(spec.origin):
            return import_module(full)
    return None


def cell_values(function: FunctionType) -> list[Any]:
    """Values of the variables of enclosing functions; None for those without one yet."""
    values = []
    for cell in function.__closure__ or ():
        try:
            values.append(cell.cell_contents)
        except ValueError:
            values.append(None)
    return values


def instructions(code: CodeType) -> list[Any]:
    """Return what a function does, without its place in a file."""
    inner = [instructions(c) if isinstance(c, CodeType) else c for c in code.co_consts]
    return [code.co_code, code.co_names, code.co_exceptiontable, inner]
