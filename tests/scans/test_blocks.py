import numpy as np
import pytest

from sskseg import SemiSupervisedSegmenter
from sskseg.datasets import make_cells
from sskseg.inference import tile_sizes
from sskseg.scans import predict_blocks

da = pytest.importorskip("dask.array")


@pytest.fixture
def small_tiles(monkeypatch):
    """Tiles so small that a test image has several, and halos that do not cover the reach."""
    monkeypatch.setattr(tile_sizes, "_TILE", {2: (96, 96), 3: (8, 32, 32)})


def fitted(X, y, **changes):
    options = {
        "semi_supervision": None, "width": 4, "depth": 1, "max_steps": 6, "random_state": 0,
        "patch_size": 16,
    }  # fmt: skip
    return SemiSupervisedSegmenter(**{**options, **changes}).fit(X, y)


@pytest.mark.parametrize("chunks", [(1, 50, 50), (3, 200, 17), (2, 33, 150)])
@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 1e-5), ("bfloat16", 0.02)])
def test_blocks_equal_memory(small_tiles, chunks, precision, tolerance):
    X, y = make_cells(n_samples=3, shape=(200, 150), random_state=0)
    model = fitted(X, y, precision=precision)
    for method in ("predict_proba", "transform", "predict"):
        lazy = getattr(model, method)(da.from_array(X, chunks=chunks))
        assert isinstance(lazy, da.Array)
        expected = getattr(model, method)(X)
        result = lazy.compute(scheduler="synchronous")
        assert result.shape == lazy.shape == expected.shape
        assert result.dtype == lazy.dtype == expected.dtype
        if method == "predict":
            assert (result != expected).mean() <= 1e-4
        else:
            assert np.abs(result - expected).max() <= tolerance


def test_blocks_equal_memory_of_sections_volumes_and_classes(small_tiles):
    X, y = make_cells(n_samples=7, shape=(100, 40), random_state=0)
    model = fitted(X, y, sections="consecutive", precision="float32")
    positions = np.array([3, 4, 5, 9, 8, 0, 1])
    lazy = model.predict_proba(da.from_array(X, chunks=(2, 64, 40)), positions=positions)
    assert np.abs(lazy.compute() - model.predict_proba(X, positions=positions)).max() < 1e-5

    classes = fitted(X, (y > 0).astype(int) + (y > 2), target="classes", precision="float32")
    lazy = classes.predict_proba(da.from_array(X, chunks=(2, 64, 40)))
    assert lazy.shape == (*X.shape, 3)
    assert np.abs(lazy.compute() - classes.predict_proba(X)).max() < 1e-5

    X, y = make_cells(n_samples=1, shape=(20, 50, 60), random_state=0)
    model = fitted(X, y, spatial_ndim=3, precision="float32")
    lazy = model.transform(da.from_array(X, chunks=(1, 7, 50, 31)))
    assert np.abs(lazy.compute() - model.transform(X)).max() < 1e-5


def test_the_model_stands_in_the_graph_once(small_tiles):
    X, y = make_cells(n_samples=2, shape=(200, 150), random_state=0)
    model = fitted(X, y)
    lazy = model.predict_proba(da.from_array(X, chunks=(1, 50, 50)))
    graph = dict(lazy.__dask_graph__())
    holders = [key for key, task in graph.items() if "SemiSupervisedSegmenter" in repr(task)]
    assert lazy.npartitions >= 4
    assert len(holders) <= 1


def test_nothing_is_computed_early():
    X, y = make_cells(n_samples=2, shape=(32, 32), random_state=0)

    def explode(block):
        raise RuntimeError("computed")

    lazy = da.from_array(X, chunks=(1, 32, 32)).map_blocks(explode, dtype=X.dtype, meta=X[:0])
    result = fitted(X, y).predict(lazy)
    with pytest.raises(RuntimeError, match="computed"):
        result.compute()


def test_the_function_gets_halos_and_edges():
    array = da.from_array(np.arange(24.0).reshape(1, 24, 1, 1), chunks=5)
    calls = []

    def remember(model, block):
        calls.append((model, block.ravel().tolist()))
        return block

    result = predict_blocks(
        array, remember, "model", core=(10, 4), halo=(2, 2), output_channels=1, dtype=float
    )
    assert np.array_equal(result.compute(scheduler="synchronous"), array.compute())
    assert sorted(block[0] for _, block in calls if block) == [0, 8, 18]
    assert {len(block) for _, block in calls} == {12, 14, 6}
    assert {model for model, _ in calls} == {"model"}


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (da.zeros((2, 3)), "known, non-empty spatial axes"),
        (da.zeros((2, 8, 8, 3)), r"must have 1 channel\(s\), got 3"),
        (da.zeros((2, 8, 8), dtype=complex), "complex"),
    ],
)
def test_bad_dask_arrays_are_refused_at_once(X, message):
    images, labels = make_cells(n_samples=2, shape=(32, 32), random_state=0)
    with pytest.raises(ValueError, match=message):
        fitted(images, labels).predict(X)
