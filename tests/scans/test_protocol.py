"""Estimators of the user's own that implement the protocols of blocks."""

from dataclasses import dataclass
from typing import NamedTuple

import dask.array as da
import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from sskseg import PercentileScaler
from sskseg.images import invert_images
from sskseg.morphology import label_components, measure_objects
from sskseg.scans import ScanError, count_scan, plan_scan


class Found(NamedTuple):
    labels: np.ndarray
    scores: np.ndarray | None = None
    contours: np.ndarray | None = None


class Brightness(BaseEstimator):
    """A segmenter whose probabilities are the pixels, 0 to 1."""

    def block_predictor(self, shape, wanted=None):
        return BrightBlocks(tuple(min(40, size) for size in shape))


@dataclass
class BrightBlocks:
    core: tuple
    consecutive = False
    n_channels = 1

    @property
    def halo(self):
        return (3,) * len(self.core)

    def memory(self, n_pixels):
        return 4 * n_pixels

    def predict(self, block, *, positions=None, device=None):
        return np.asarray(block, np.float32)


class Bright(BaseEstimator):
    """A counter of what is brighter than one half."""

    def __init__(self, source="probabilities", exact=True):
        self.source = source
        self.exact = exact

    def block_objects(self):
        return BrightObjects(self.source, self.exact)


@dataclass
class BrightObjects:
    source: str
    exact: bool
    ndim = 2
    consecutive = False
    min_size = 0
    spacing = None
    margin, stride = (0, 0), (1, 1)
    n_channels = 1
    contour_points = 0

    @property
    def halo(self):
        return None if self.source == "probabilities" else 20

    def memory(self, n_pixels):
        return 0

    def find(self, array, *, device=None):
        labels = label_components(array > 0.5)
        scores = np.full(labels.max(), 0.25, np.float32)
        return Found(labels, None if self.source == "probabilities" else scores)


@pytest.fixture(scope="module")
def image():
    rng = np.random.default_rng(0)
    image = np.zeros((90, 110))
    for y, x in rng.integers(0, (84, 104), (40, 2)):
        image[y : y + 5, x : x + 5] = 0.75
    return image


def pipeline(source, exact):
    steps = [Brightness()] if source == "probabilities" else []
    return make_pipeline(*steps, Bright(source, exact))


@pytest.mark.parametrize(
    ("source", "exact"), [("probabilities", True), ("probabilities", False), ("images", False)]
)
def test_the_protocols_are_all_that_a_scan_needs(image, tmp_path, source, exact):
    model = pipeline(source, exact)
    plan = plan_scan(model, da.from_array(image), block_shape=45)
    assert plan.n_blocks == 6
    assert plan.n_predict == (9 if source == "probabilities" else 6)
    found = count_scan(model, da.from_array(image), tmp_path / "out", block_shape=45, halo=25)
    expected = measure_objects(label_components(image > 0.5))
    assert found.n_objects == len(expected) > 10
    assert found.table.area.sum() == expected.area.sum()
    columns = ["centroid_y", "centroid_x", "area"]
    table, expected = (t[columns].sort_values(columns).to_numpy() for t in (found.table, expected))
    assert np.allclose(table, expected)
    score = 0.75 if source == "probabilities" else 0.25
    assert np.allclose(found.table.score, score)


def test_a_scan_must_be_as_large_as_its_smallest_object(tmp_path, monkeypatch):
    model, scan = pipeline("probabilities", exact=True), da.ones((12, 13))
    monkeypatch.setattr(BrightObjects, "min_size", 156)
    assert count_scan(model, scan, tmp_path / "out").n_objects == 1
    monkeypatch.setattr(BrightObjects, "min_size", 157)
    message = "min_size of the counter must be at most 156 for a scan of 12 x 13 pixels, got 157"
    with pytest.raises(ValueError, match=message):
        count_scan(model, scan, tmp_path / "small")
    with pytest.raises(ValueError, match=message):
        plan_scan(model, scan)
    assert not (tmp_path / "small").exists()
    # Of consecutive sections, it applies to each.
    monkeypatch.setattr(BrightObjects, "consecutive", True)
    monkeypatch.setattr(BrightObjects, "ndim", 3)
    with pytest.raises(ValueError, match="at most 156 for a section of 12 x 13 pixels, got 157"):
        plan_scan(model, da.ones((5, 12, 13)))


def test_errors_of_an_estimator_are_reported(image, tmp_path, monkeypatch):
    def find(*_, **__):
        raise OSError("no objects today")

    monkeypatch.setattr(BrightObjects, "find", find)
    with pytest.raises(ScanError, match="task 'objects', block 0.*no objects today"):
        count_scan(pipeline("images", False), da.from_array(image), tmp_path / "out")


def test_steps_without_the_protocols_are_refused(image, tmp_path):
    for model, message in [
        (make_pipeline(Brightness()), "estimator must be a fitted pipeline"),
        (make_pipeline(Bright()), "estimator must be a fitted pipeline"),
        (make_pipeline(Bright(), Bright()), "The step before the counter must be a segmenter"),
    ]:
        with pytest.raises(ValueError, match=message):
            count_scan(model, da.from_array(image), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_channels_are_those_of_the_estimator(image, tmp_path):
    channels = da.stack([da.from_array(image)] * 2, axis=-1)
    with pytest.raises(ValueError, match=r"source must have 1 channel\(s\), got 2"):
        count_scan(pipeline("probabilities", True), channels, tmp_path / "out")


def test_scalers_of_a_scan_see_it_as_the_steps_before_return_it(image, tmp_path):
    """Half of the inverted range is far below that of the pixels themselves."""
    inverted = FunctionTransformer(invert_images)
    scaler = PercentileScaler((0, 100), scope="image").fit(image[None])
    model = make_pipeline(
        inverted, scaler, *(step for _, step in pipeline("probabilities", True).steps)
    )
    found = count_scan(model, da.from_array(-image), tmp_path / "out", block_shape=45)
    assert found.n_objects == len(measure_objects(label_components(image > 0.5)))
