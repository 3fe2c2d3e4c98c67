"""Crops of a scan that hold objects."""

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline

from sskseg import InstanceCounter, PercentileScaler, SemiSupervisedSegmenter
from sskseg.datasets import make_cells
from sskseg.scans import plan
from sskseg.scans.crops import varied_crops
from sskseg.scans.object_diameter import measure_diameter
from sskseg.scans.plan import make_plan

da = pytest.importorskip("dask.array")


@pytest.fixture(scope="module")
def models():
    """One for each number of channels."""
    X, y = make_cells(2, (64, 64), random_state=0)
    return {n: _fitted(np.stack([X] * n, axis=-1), y) for n in (1, 2)}


def _fitted(X, y, **options):
    segmenter = SemiSupervisedSegmenter(
        semi_supervision=None, width=4, depth=1, max_steps=1, random_state=0, **options
    ).fit(X, y)
    return make_pipeline(segmenter, InstanceCounter().fit(segmenter.transform(X), y))


def _plan(model, image, **options):
    return make_plan(model, da.from_array(image, chunks=512), **options)


def test_a_background_that_differs_between_channels_is_no_variation(models):
    rng = np.random.default_rng(0)
    image = np.zeros((1024, 1024, 2), np.float32)
    image[:, :512, 1] = 1000  # without an object
    image[512:, 512:, 0] = rng.random((512, 512))
    crops = varied_crops(_plan(models[2], image), (256, 256))
    assert [crop.shape for crop in crops] == [(256, 256, 2)] * len(crops)
    assert (crops[0][..., 1] == 0).all()
    assert crops[0][..., 0].std() > 0.2
    flat = np.broadcast_to(np.float32([1, 2]), image.shape)
    assert varied_crops(_plan(models[2], flat), (256, 256)) == []


@pytest.mark.parametrize("as_dask", [False, True])
def test_crops_are_within_the_mask(models, as_dask):
    rng = np.random.default_rng(0)
    image = rng.random((2000, 2000)).astype(np.float32)
    image[1200:1800, 200:800] *= 0.1  # tissue; what the mask excludes varies more
    mask = np.zeros((20, 20), np.uint8)
    mask[12:18, 2:8] = 1
    mask = da.from_array(mask, chunks=7) if as_dask else mask
    crops = varied_crops(_plan(models[1], image, mask=mask))
    assert len(crops) == 5
    assert max(crop.max() for crop in crops) < 0.11


def test_crops_end_with_the_scan(models):
    """A scan that is smaller than a crop, of which the mask leaves the end."""
    image = np.random.default_rng(0).random((150, 170)).astype(np.float32)
    mask = np.zeros((15, 17), bool)
    mask[:, 9:] = True
    (crop,) = varied_crops(_plan(models[1], image, mask=mask))
    assert np.array_equal(crop[..., 0], image[:, 90:])


def test_a_mask_smaller_than_the_gaps_of_the_grid_is_found(models):
    image = np.tile(np.arange(2000, dtype=np.float32), (2000, 1))
    mask = np.zeros((201, 201), bool)  # not a divisor of the scan
    mask[70, 83] = True
    (crop,) = varied_crops(_plan(models[1], image, mask=mask), (64, 64))
    assert crop[0, 0, 0] == 826  # ceil(83 * 2000 / 201)
    nowhere = np.zeros((201, 201), bool)
    assert varied_crops(_plan(models[1], image, mask=nowhere)) == []


def test_crops_are_scaled_together_as_a_scan_is(monkeypatch):
    """The weak half of a scan stays weak, as in blocks that are predicted."""
    X, y = make_cells(2, (64, 64), random_state=0)
    image = np.random.default_rng(0).random((512, 1024)).astype(np.float32)
    image[:, :512] *= 0.5
    model = _fitted(X, y, augmentation={"object_size": 20.0})
    model.steps.insert(0, ("scaler", PercentileScaler(scope="image").fit(X)))
    read = []
    monkeypatch.setattr(
        SemiSupervisedSegmenter, "measure_diameter", lambda self, images: read.extend(images())
    )
    _plan(model, image, measure=measure_diameter)
    tops = sorted(float(crop.max()) for crop in read)
    assert tops[0] == pytest.approx(0.5, abs=0.02)
    assert tops[-1] == pytest.approx(1, abs=0.02)


@pytest.mark.filterwarnings("ignore:Objects of the scan seem")
def test_a_scan_is_planned_once(monkeypatch):
    """The diameter is measured without the blocks of the network, of which a small one has many."""
    X, y = make_cells(2, (64, 64), random_state=0)
    model = _fitted(X, y, augmentation={"object_size": 20.0})
    image, grids, network_grid = np.tile(X[0], (8, 8)), [], plan._network_grid

    def counted(*arguments):
        grids.append(network_grid(*arguments))
        return grids[-1]

    monkeypatch.setattr(plan, "_network_grid", counted)
    found = _plan(model, image, measure=measure_diameter)
    assert grids == [found.network_grid]
    assert found.object_diameter == model[0].object_diameter_
    reads = []
    channels = da.map_blocks(lambda block: reads.append(1) or block, da.zeros((64, 64, 3)))
    reads.clear()
    with pytest.raises(ValueError, match=r"source must have 1 channel\(s\), got 3"):
        make_plan(model, channels, measure=measure_diameter)
    assert not reads
