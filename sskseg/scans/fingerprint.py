"""What the result of a run depends on, in a form that can be compared."""

from __future__ import annotations

import dis
import hashlib
import json
import logging
import re
import types
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline

from ..io.scans import SECTION_SUFFIXES, ZARR_METADATA
from .plan import Plan

_IRRELEVANT = ("history_", "transduction_", "verbose", "device", "memory")  # change no prediction
_LOADS = ("LOAD_GLOBAL", "LOAD_NAME")
_PLAIN = (str, bytes, bool, int, float, complex, type(None), np.generic)


def fingerprint(plan: Plan, estimator: Pipeline) -> dict[str, str]:
    """Summarize what the result depends on.

    Parameters
    ----------
    plan : Plan
    estimator : Pipeline
        As `count_scan` was given it.

    Returns
    -------
    dict of str to str
    """
    from dask.base import tokenize

    return {
        "model": hash_of(estimator),
        "source": _hash_source(plan.scan),
        "stamps": _stamps(plan.scan),
        "block_shape": json.dumps(plan.grid.core),
        "predict_shape": predict_shape(plan),
        "halo": str(plan.grid.halo),
        "skip_below": str(plan.skip_below),
        "mask": "None" if plan.mask is None else tokenize(plan.mask),
        "keep_probabilities": str(plan.keep_probabilities),
        "intensity": str(plan.intensity),
    }


def predict_shape(plan: Plan) -> str:
    """Describe the blocks of the network, which follow from `block_shape` only if it is given."""
    return json.dumps([plan.network_grid.core, plan.network_grid.halo])


def hash_of(value: Any) -> str:
    """Compute the SHA-256 of all that a value computes with: parameters, weights, and the
    instructions of what a script or a function defines."""
    digest = _Digest()
    digest.add(value)
    return digest.sha.hexdigest()


class _Digest:
    def __init__(self):
        self.sha = hashlib.sha256()
        self.visited = {}  # with the objects themselves, so that Python reuses no id

    def put(self, kind, content):
        content = content if isinstance(content, bytes) else str(content).encode()
        self.sha.update(f"{kind}:{len(content)}:".encode() + content)

    def add(self, value):
        if isinstance(value, (np.random.Generator, np.random.RandomState)):
            return  # its state is what fitting left
        if isinstance(value, _PLAIN):
            self.put(type(value).__name__, repr(value))
        elif isinstance(value, (list, tuple)):
            self._add_all(type(value).__name__, value)
        elif isinstance(value, (set, frozenset)):
            self._add_all("set", sorted(value, key=repr))
        elif isinstance(value, dict):
            items = sorted(value.items(), key=lambda item: str(item[0]))
            self._add_all("dict", [part for key, item in items for part in (str(key), item)])
        elif id(value) in self.visited:
            self.put("again", self.visited[id(value)][0])
        else:
            self.visited[id(value)] = (len(self.visited), value)
            self._add_object(value)

    def _add_all(self, kind, items):
        self.put(kind, len(items))
        for item in items:
            self.add(item)

    def _add_object(self, value):
        if isinstance(value, types.ModuleType):
            self.put("module", value.__name__)
        elif isinstance(value, logging.Logger):
            self.put("logger", value.name)
        elif hasattr(value, "dask") and hasattr(value, "name"):
            self.put("dask", value.name)
        elif isinstance(value, types.MethodType):
            self._add_all("method", [value.__func__, value.__self__])
        elif isinstance(value, partial):
            self._add_all("partial", [value.func, value.args, value.keywords])
        elif isinstance(value, type):
            self._add_class(value)
        elif callable(value) and hasattr(value, "__qualname__"):
            self._add_function(value)
        elif hasattr(value, "state_dict"):
            self._add_all("module of torch", [type(value), value.state_dict()])
        elif hasattr(value, "detach"):
            value = value.detach().cpu()
            self.add((value.float() if value.is_floating_point() else value).numpy())
        elif isinstance(value, np.ndarray) and value.dtype != object:
            self.put("array", f"{value.dtype}{value.shape}")
            self.sha.update(np.ascontiguousarray(value).tobytes())
        elif hasattr(value, "__array__"):
            self.add(np.asarray(value).tolist())
        elif hasattr(value, "__dict__"):
            kept = {k: v for k, v in vars(value).items() if k not in _IRRELEVANT}
            self._add_all("object", [type(value), kept])
        else:  # without its address, which differs between processes
            self.put("other", re.sub(r" at 0x[0-9a-fA-F]+", "", repr(value)))

    def _add_class(self, kind):
        self.put("class", _name(kind))
        if _is_own(kind):
            parts = {name: _unwrapped(part) for name, part in vars(kind).items()}
            kept = {
                name: part
                for name, part in parts.items()
                if hasattr(part, "__code__")
                or (name[:2] != "__" and isinstance(part, (*_PLAIN, list, tuple, dict, np.ndarray)))
            }
            self._add_all("parts", [kept, list(kind.__bases__)])

    def _add_function(self, function):
        """Its name, and its instructions where the name does not define them."""
        self.put("function", _name(function))
        code = getattr(function, "__code__", None)
        if code is None or not _is_own(function):
            return
        names = {name: function.__globals__.get(name) for name in _globals(code)}
        self._add_all("instructions", [_instructions(code), _cells(function), names])
        self._add_all("defaults", [function.__defaults__, function.__kwdefaults__])


def _name(value):
    return f"{getattr(value, '__module__', '')}.{value.__qualname__}"


def _is_own(value):
    """Whether a script or the inside of a function defines something, which may change."""
    return "<" in value.__qualname__ or value.__module__ == "__main__"


def _cells(function):
    """Values of the variables of enclosing functions; None for those without one yet."""
    values = []
    for cell in function.__closure__ or ():
        try:
            values.append(cell.cell_contents)
        except ValueError:
            values.append(None)
    return values


def _unwrapped(part):
    """The function of a class method, static method or property."""
    part = getattr(part, "__func__", part)
    return part.fget if isinstance(part, property) else part


def _globals(code):
    """Global names that a function and those within it load."""
    names = {i.argval for i in dis.get_instructions(code) if i.opname in _LOADS}
    inner = [_globals(const) for const in code.co_consts if hasattr(const, "co_code")]
    return names.union(*inner)


def _instructions(code):
    inner = [_instructions(c) if hasattr(c, "co_code") else c for c in code.co_consts]
    return [code.co_code, code.co_names, inner]


def _hash_source(scan):
    """Hash of shape, type, axes and place."""
    place = scan.source
    if Path(place).exists():
        place = str(Path(place).absolute())
    summary = [scan.data.shape, str(scan.data.dtype), scan.axes, scan.spacing, scan.unit, place]
    return hashlib.sha256(json.dumps(summary).encode()).hexdigest()


def _stamps(scan):
    """Hash of the sizes and times of a scan's files: a file, the metadata of zarr, or sections.

    Chunks of zarr are left out: `check_source` compares the pixels.
    """
    path = Path(scan.source)
    if not path.exists():  # a dataset in a file
        path = Path(scan.source.rpartition(":")[0] or scan.source)
    files = [path] if path.is_file() else []
    if path.is_dir():
        metadata = [path / name for name in ZARR_METADATA if (path / name).exists()]
        files = metadata or [f for f in path.iterdir() if f.suffix.lower() in SECTION_SUFFIXES]
    stamps = sorted((f.name, f.stat().st_size, f.stat().st_mtime_ns) for f in files)
    return hashlib.sha256(json.dumps(stamps).encode()).hexdigest()
