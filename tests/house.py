"""Measure the house: modules, imports, bodies, constructors, classes, words."""

import ast
import importlib
import inspect
import re
import tomllib
from functools import cache
from pathlib import Path

import grimp
import networkx
import words

import sskseg

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "sskseg"
SHARED_PARAMETERS = {
    "width", "depth", "max_steps", "time_budget", "learning_rate", "batch_size", "patch_size",
    "device", "precision", "random_state", "warm_start", "verbose",
}  # fmt: skip
RISKY = {
    "subprocess", "socket", "multiprocessing", "urllib.request", "http.client", "requests",
    "concurrent.futures.ProcessPoolExecutor", "ctypes", "pickle", "cloudpickle", "joblib",
    "os.system", "os.popen", "eval", "exec", "compile", "__import__", "torch.load",
    "torch.compile",
}  # fmt: skip
MAX_FILE, MAX_LARGE_FILES, MAX_BODY, MAX_PARAMETERS, MAX_METHODS = 400, 4, 20, 12, 30


def module_name(path):
    """Import name of a file of the package."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def trees():
    """Syntax tree of each module, by name."""
    return {module_name(p): ast.parse(p.read_text(encoding="utf-8")) for p in _files()}


def _files():
    return sorted(PACKAGE.rglob("*.py"))


def private_modules_at_the_top():
    """Names of private modules beside ``__init__``."""
    names = [path.stem for path in PACKAGE.iterdir()]
    of_python = ("__init__", "__main__", "__pycache__")
    return sorted(name for name in names if name.startswith("_") and name not in of_python)


# Loaded here and not in a test: packages that these import draw random numbers when they load.
LOADED = {name: importlib.import_module(name) for name in trees()}


def large_files():
    """Lines of each file above the limit, by path."""
    sizes = {path.relative_to(ROOT).as_posix(): _n_lines(path) for path in _files()}
    return {path: n for path, n in sorted(sizes.items()) if n > MAX_FILE}


def _n_lines(path):
    return len(path.read_text(encoding="utf-8").splitlines())


def bodies():
    """Sorted (lines, module:line function): from the first statement after the docstring."""
    result = []
    for module, tree in trees().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                body = node.body[1:] if ast.get_docstring(node) is not None else node.body
                n = body[-1].end_lineno - body[0].lineno + 1 if body else 0
                result.append((n, f"{module}:{node.lineno} {node.name}"))
    return sorted(result)


def body_percentile(percent):
    """Body length that `percent` of the functions do not exceed."""
    lengths = [n for n, _ in bodies()]
    return lengths[min(len(lengths) - 1, len(lengths) * percent // 100)]


def import_cycles():
    """Groups of modules that import each other while they are loaded.

    Loading ``a.b`` loads ``a`` first, so an import has edges to the packages around its target.
    Imports inside functions and for type checkers only do not run then.
    """
    graph = networkx.DiGraph()
    for module, tree in trees().items():
        for target in _loaded_by(module, tree):
            parts = target.split(".")
            packages = {".".join(parts[: n + 1]) for n in range(len(parts))}
            own = {m for m in packages if module == m or module.startswith(f"{m}.")}
            graph.add_edges_from((module, m) for m in packages - own)
            if target in own and target != module:
                graph.add_edge(module, target)  # a name that the package's __init__ hands on
    return [
        sorted(group) for group in networkx.strongly_connected_components(graph) if len(group) > 1
    ]


def _loaded_by(module, tree):
    is_package = (ROOT / Path(*module.split("."))).is_dir()
    for node in _at_load(tree):
        if isinstance(node, ast.Import):
            yield from (a.name for a in node.names if a.name.split(".")[0] == "sskseg")
        elif isinstance(node, ast.ImportFrom):
            base = module.split(".")[: -node.level + is_package or None] if node.level else []
            base = ".".join([*base, *([node.module] if node.module else [])])
            if base.split(".")[0] == "sskseg":
                for alias in node.names:
                    inner = f"{base}.{alias.name}"
                    yield inner if inner in trees() else base


def _at_load(node):
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
            continue
        yield child
        yield from _at_load(child)


def risky_names():
    """Imports that open connections, start processes or execute files, and calls that evaluate
    text: (module, name). `torch.load` may read tensors alone, with ``weights_only=True``, and
    joblib may count cores."""
    found = set()
    for module, tree in trees().items():
        safe = {id(node.func) for node in ast.walk(tree) if _reads_tensors_alone(node)}
        for node in ast.walk(tree):
            if id(node) in safe:
                continue
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
                names = [] if names == ["joblib", "joblib.cpu_count"] else names
            elif isinstance(node, ast.Name):
                names = [node.id]
            elif isinstance(node, ast.Attribute):
                names = [ast.unparse(node)]
            found |= {(module, name) for name in names if name in RISKY}
    return found


def _reads_tensors_alone(node):
    if not isinstance(node, ast.Call) or ast.unparse(node.func) != "torch.load":
        return False
    return any(k.arg == "weights_only" and ast.unparse(k.value) == "True" for k in node.keywords)


def layers():
    """Sets of names at the top of the package, from the lowest layer of the contract up."""
    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contract = config["tool"]["importlinter"]["contracts"][0]
    return [{name.strip() for name in layer.split(":")} for layer in reversed(contract["layers"])]


def documented_layers():
    """The same sets from the table of ``docs/design.md``."""
    text = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| *(\d+) *\|([^|]*)\|", text, re.MULTILINE)
    return [set(re.findall(r"`([\w.]+)`", cell)) for _, cell in sorted(rows)]


def top_level_names():
    """Packages and modules at the top."""
    return {module.split(".")[1] for module in trees() if "." in module}


def upward_imports():
    """Imports, inside functions too, of a module of the same or a higher layer's other package."""
    level = {name: i for i, layer in enumerate(layers()) for name in layer}
    graph = grimp.build_graph("sskseg")
    result = []
    for importer in sorted(graph.modules - {"sskseg"}):
        for imported in sorted(graph.find_modules_directly_imported_by(importer) - {"sskseg"}):
            low, high = importer.split(".")[1], imported.split(".")[1]
            if low != high and level.get(high, 0) > level.get(low, 0):
                result.append(f"{importer} -> {imported}")
    return result


def own_parameters():
    """Number of constructor parameters beside the shared ones, of each public estimator."""
    things = [getattr(sskseg, name) for name in sskseg.__all__]
    return {
        thing.__name__: len(set(inspect.signature(thing).parameters) - SHARED_PARAMETERS)
        for thing in things
        if inspect.isclass(thing) and hasattr(thing, "get_params")
    }


def methods():
    """Number of methods of each class, own and inherited from classes of this library."""
    written = {}
    for module, tree in trees().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                names = {x.name for x in node.body if isinstance(x, ast.FunctionDef)}
                written[module, node.name] = names
    result = {}
    for module, name in written:
        thing = getattr(LOADED[module], name, None)
        if inspect.isclass(thing):
            lines = [written.get((c.__module__, c.__name__), set()) for c in thing.__mro__]
            result[f"{module}.{name}"] = len(set().union(*lines))
    return result


def measurements():
    """Rows (quantity, measured, bar) of everything that is measured."""
    sizes, parameters, n_methods = large_files(), own_parameters(), methods()
    return [
        ("private modules at the top", len(private_modules_at_the_top()), 0),
        ("import cycles", len(import_cycles()), 0),
        ("upward imports", len(upward_imports()), 0),
        (f"files over {MAX_FILE} lines", len(sizes), MAX_LARGE_FILES),
        ("lines of a body, median", body_percentile(50), ""),
        ("lines of a body, 90th percentile", body_percentile(90), MAX_BODY),
        ("own parameters of an estimator, most", max(parameters.values()), MAX_PARAMETERS),
        ("methods of a class, most", max(n_methods.values()), MAX_METHODS),
        ("words of the list", len(words.hits()), 0),
        ("modules", len(trees()), ""),
        ("functions", len(bodies()), ""),
    ]


def table():
    """Format the measurements, and list what is above a bar."""
    lines = [f"{'':38}{'measured':>9}{'at most':>9}"]
    lines += [f"{what:38}{value:>9}{bar:>9}" for what, value, bar in measurements()]
    above = [
        *import_cycles(),
        *large_files().items(),
        *(item for item in own_parameters().items() if item[1] > MAX_PARAMETERS),
        *(item for item in methods().items() if item[1] > MAX_METHODS),
    ]
    return "\n".join([*lines, *map(str, above)])
