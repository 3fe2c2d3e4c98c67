"""Of all tests: as many threads as there are cores, shared by the processes of pytest-xdist."""

import gc
import os
import sys
from importlib.util import find_spec

# Workers and the processes that tests start share compiled modules, also where containers turn
# this off: each would compile torch and all else that it imports again.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

import pytest  # noqa: E402
import torch  # noqa: E402
from joblib import cpu_count  # noqa: E402

# Examples that need the extra "export".
_EXPORT = ("onnx", "onnxruntime", "onnxscript", "bioimageio")
collect_ignore = [] if all(map(find_spec, _EXPORT)) else ["sskseg/export", "docs/howto/export.md"]

if not find_spec("qtpy") or not find_spec("napari"):
    collect_ignore += ["sskseg/napari/widget.py"]  # needs a Qt binding


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Keep modules and tests out of garbage collections: they are a million objects, and stay."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.collect()
        gc.freeze()
        gc.set_threshold(100_000)  # of new objects; 700 by default


_PROCESSES = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", 1))
torch.set_num_threads(max(1, min(2, cpu_count()) // _PROCESSES))


@pytest.fixture(autouse=True)
def _methods_of_examples_are_forgotten():
    """Classes that a doctest defines are found by their name in that doctest only."""
    from sskseg.counting import INSTANCE_METHODS
    from sskseg.io.registry import _REGISTERED
    from sskseg.proxies import PROXIES
    from sskseg.segmentation.semi_supervised import METHODS

    registries = METHODS, INSTANCE_METHODS, PROXIES, _REGISTERED
    before = [(registry, dict(registry)) for registry in registries]
    yield
    for registry, known in before:
        registry.clear()
        registry.update(known)


@pytest.fixture(scope="module")
def small_reports():
    """Fits report on few crops and simulated images; for tests that are not about these reports."""
    from sskseg.pretraining import _pretrainer
    from sskseg.refinement import _refiner, monitor

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_pretrainer, "_CROPS", 16)
        patch.setattr(_refiner, "_POOL", 8)
        patch.setattr(monitor, "N_PATCHES", 8)
        patch.setattr(monitor, "N_EVALUATED", 2)
        yield


@pytest.fixture(autouse=True)
def _examples_are_small(request):
    """Examples show how to call a function, not how good its result is."""
    if isinstance(request.node, pytest.DoctestItem):
        request.getfixturevalue("small_reports")
