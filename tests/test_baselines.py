"""Baselines: what they find where it is easy, and that they keep the API."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

from sskseg import ImageStack, InstanceCounter, LogBlobs, OtsuWatershed, PixelForest
from sskseg.baselines import _pixel_features
from sskseg.datasets import make_cells


@pytest.fixture(scope="module")
def cells():
    return make_cells(4, (96, 96), random_state=0)


@pytest.mark.parametrize("threshold", ["otsu", "li"])
def test_a_threshold_and_a_watershed_find_bright_cells(cells, threshold):
    X, y = cells
    model = OtsuWatershed(threshold).fit(X[:2], y[:2])
    assert model.score(X[2:], y[2:]) > 0.7
    counts = [len(np.unique(label)) - 1 for label in y]
    assert model.score(X, counts) > 0.7
    dark = OtsuWatershed(threshold, dark_objects=True).fit(-X[:2], y[:2])
    assert np.array_equal(dark.transform(-X), model.transform(X))
    assert (OtsuWatershed().fit(X).predict(np.ones_like(X)) == 0).all()


def spots(n, rng, side=48):
    """Images of Gaussian spots, and where they are."""
    axes = np.mgrid[:side, :side]
    X, points = [], []
    for _ in range(n):
        at = np.stack(np.meshgrid(*[np.arange(6, side - 5, 10)] * 2), -1).reshape(-1, 2)
        at = rng.permutation(at)[: rng.integers(4, 12)] + rng.integers(-1, 2, 2)
        image = sum(np.exp(-((axes - p[:, None, None]) ** 2).sum(0) / 4.5) for p in at)
        X.append(image + 0.05 * rng.standard_normal((side, side)))
        points.append(at.astype(float))
    return np.array(X), points


def test_a_blob_with_a_bright_core_is_one_blob():
    y, x = np.mgrid[:64, :64] - 32
    X = (np.exp(-(y**2 + x**2) / 128) + 2 * np.exp(-(y**2 + x**2) / 2))[None]
    model = LogBlobs(max_sigma=12, n_sigma=10, threshold=0.05).fit(X)
    assert model.points(X)[0].tolist() == [[32, 32]]
    assert model.predict(X) == model.transform(X).max() == 1


@pytest.mark.parametrize("kind", ["points", "counts", "labels"])
def test_blobs_are_counted_with_a_threshold_from_labels(kind):
    X, points = spots(8, np.random.default_rng(0))
    labels = np.zeros(X.shape, int)
    for label, at in zip(labels, points, strict=True):
        label[tuple(at.astype(int).T)] = np.arange(2, len(at) + 2)
    y = {"points": points, "counts": [len(p) for p in points], "labels": labels}[kind]
    model = LogBlobs().fit(X[:4], y[:4])
    assert model.score(X[4:], y[4:]) > 0.95
    assert model.score(X[4:], points[4:]) > 0.95
    assert (model.transform(X) > 0).sum() == model.predict(X).sum()
    if kind == "points":
        assert LogBlobs().fit(X, [*points[:3], *[None] * 5]).threshold_ > 0


def test_a_forest_learns_from_few_pixels(cells):
    X, y = cells
    few = np.full_like(y, -1)
    few[0, :20], few[1, 40:60] = y[0, :20], y[1, 40:60]
    model = PixelForest(n_estimators=20, random_state=0).fit(X, few)
    assert model.score(X[2:], y[2:]) > 0.85
    again = PixelForest(n_estimators=20, random_state=0).fit(X, few)
    assert np.array_equal(again.predict_proba(X), model.predict_proba(X))
    pipeline = make_pipeline(model, InstanceCounter()).fit(X, y)
    assert pipeline.score(X, y) > 0.5


def test_features_in_the_cache_change_no_bit_and_follow_the_values_of_images():
    X, y = make_cells(n_samples=3, shape=(32, 40), random_state=0)
    plain = PixelForest(n_estimators=5, random_state=0)
    cached = PixelForest(n_estimators=5, random_state=0, cache_size=2)
    expected = plain.fit(X[:2], y[:2]).transform(X[:2])
    assert np.array_equal(cached.fit(X[:2], y[:2]).transform(X[:2]), expected)
    assert len(cached._cache_.kept) == 2
    kept = list(cached._cache_.kept.values())
    cached.fit(X[:2], y[:2])
    assert all(
        a is b for a, b in zip(kept, cached._cache_.kept.values())
    )  # nothing is computed again
    changed = X[:2].copy()
    changed[0, 5:9, 5:9] += 1
    assert np.array_equal(cached.transform(changed), plain.transform(changed))
    assert np.array_equal(cached.transform(X), plain.transform(X))
    assert len(cached._cache_.kept) == 2
    assert not hasattr(pickle.loads(pickle.dumps(cached)), "_cache_")
    assert not hasattr(clone(cached), "_cache_")


@pytest.mark.parametrize(("shape", "core"), [((70, 60), 32), ((20, 48, 30), 16)])
def test_tiles_of_the_forest_change_no_bit(shape, core, monkeypatch):
    X, y = make_cells(n_samples=2, shape=shape, random_state=0)
    y[0, ..., 10:], ndim = -1, len(shape)
    model = PixelForest(n_estimators=5, sigma_max=2.0, spatial_ndim=ndim, random_state=0)
    whole = model.fit(X, y).predict_proba(X)
    monkeypatch.setitem(_pixel_features.TILE_CORES, ndim, core)
    assert np.array_equal(model.fit(X, y).predict_proba(X), whole)
    region = (slice(0, 20),) * (ndim - 2) + (slice(0, 15), slice(20, 30))
    tiles = list(model.predict_region(X[0], region))
    assert all(np.array_equal(part, whole[0][tile]) for tile, part in tiles)
    found = np.zeros(X[0].shape, bool)
    for tile, _ in tiles:
        found[tile] = True
    assert found[region].all()
    assert not found[..., core:, :].any()  # not in the region


def test_what_does_not_serve_is_refused(cells):
    X, y = cells
    with pytest.raises(ValueError, match="foreground and background, got one"):
        PixelForest().fit(X, np.where(y > 0, y, -1))
    with pytest.raises(ValueError, match="channel must be below 1, got 2"):
        OtsuWatershed(channel=2).fit(X)
    with pytest.raises(ValueError, match="got 4 images and 2 label images"):
        LogBlobs().fit(X, y[:2])


def test_otsu_detects_objects_in_noise():
    noise = np.random.default_rng(0).normal(size=(1, 64, 64))
    assert OtsuWatershed().fit(noise).predict(noise)[0] > 0


def test_otsu_separates_volumes_by_distances_in_units_of_spacing():
    """The spacing of X was dropped, and balls in thick sections were one object."""
    z, y, x = np.meshgrid(6.0 * np.arange(7), np.arange(40), np.arange(40), indexing="ij")
    centers = (12, 12, 12), (28, 12, 20), (20, 28, 16)
    balls = [(z - a) ** 2 + (y - b) ** 2 + (x - c) ** 2 < 10**2 for a, b, c in centers]
    X = ImageStack(np.any(balls, axis=0)[None].astype(float), spacing=(3, 0.5, 0.5), unit="um")
    model = OtsuWatershed(sigma=0, spatial_ndim=3).fit(X)
    assert model.counter_.spacing_ == (3, 0.5, 0.5)
    assert model.predict(X).tolist() == [3]
    assert model.transform(X).shape == X.shape
