"""Volumes whose z is coarser than their plane."""

import warnings

import numpy as np
import pytest

from sskseg import ImageStack, SemiSupervisedSegmenter
from sskseg.datasets import make_cells
from sskseg.images.annotations import Annotations
from sskseg.morphology import normalized_distance, weight_map
from sskseg.segmentation import _training
from sskseg.training import SegmentationLoss

TINY = {
    "spatial_ndim": 3, "width": 2, "depth": 2, "max_steps": 2, "batch_size": 1, "patch_size": 16,
    "semi_supervision": None, "random_state": 0, "network": "unet",
}  # fmt: skip


def spaced(X, spacing):
    """A stack with the size of its voxels."""
    return type("Stack", (ImageStack,), {"spacing": spacing})(X)


@pytest.fixture(scope="module")
def volumes():
    return make_cells(2, (12, 24, 24), random_state=0)


def same(a, b, X):
    return np.array_equal(a.predict_proba(X), b.predict_proba(X))


def test_cubes_change_no_bit(volumes):
    X, y = volumes
    plain = SemiSupervisedSegmenter(**TINY).fit(X, y)
    cubes = SemiSupervisedSegmenter(**TINY).fit(spaced(X, (0.3, 0.3, 0.3)), y)
    assert plain.spacing_ is None
    assert cubes.spacing_ is None
    assert same(plain, cubes, X)
    assert plain.history_[-1]["loss"] == cubes.history_[-1]["loss"]


def test_coarse_z_changes_poolings_and_comes_back_from_a_file(volumes, tmp_path):
    X, y = volumes
    model = SemiSupervisedSegmenter(**TINY).fit(spaced(X, (0.8, 0.2, 0.2)), y)
    assert model.spacing_ == pytest.approx((4, 1, 1))
    assert model.network_.stride == (1, 4, 4)
    assert SemiSupervisedSegmenter(**TINY).fit(X, y).network_.stride == (4, 4, 4)
    model.save(tmp_path / "model")
    loaded = SemiSupervisedSegmenter.load(tmp_path / "model")
    assert loaded.spacing_ == model.spacing_
    assert same(model, loaded, X)


def test_weights_and_distances_are_measured_in_pixels_of_the_plane(volumes):
    _, y = volumes
    objective = SegmentationLoss().objective("instances", spacing=(4.0, 1.0, 1.0))
    (labels, _), (target, _) = objective.prepare(list(y), [True, False])
    expected = normalized_distance(labels, (4.0, 1.0, 1.0))
    assert np.allclose(target[target > 0], expected[target > 0], atol=1e-3)
    assert not np.allclose(target[target > 0], normalized_distance(labels)[target > 0], atol=0.1)
    weights = objective.weigh(labels)
    assert np.array_equal(weights, weight_map(labels + (labels > 0), spacing=(4, 1, 1)))
    assert not np.array_equal(weights, weight_map(labels + (labels > 0)))


def test_points_are_balls_of_the_specimen(volumes, monkeypatch):
    X, _ = volumes
    points = [np.array([[6.0, 12.0, 12.0]]), None]
    seen, start = [], _training.Training.__init__
    monkeypatch.setattr(
        _training.Training,
        "__init__",
        lambda *a, **k: (seen.append(a[2].labels[0]), start(*a, **k))[-1],
    )
    y = Annotations(points, point_radius=4.0)
    model = SemiSupervisedSegmenter(**TINY).fit(spaced(X, (2, 1, 1)), y)
    inside = seen[0] == 1
    extents = [int(np.ptp(np.flatnonzero(inside.any(axis)))) for axis in ((1, 2), (0, 1))]
    assert extents == [4, 8]
    ball = np.where(inside, 1, np.where(seen[0] < 0, -1, 0))
    assert model.score(X[:1], points[:1]) != model.score(X[:1], ball[None])
    assert model.score(X[:1], y[:1]) == model.score(X[:1], ball[None])


def test_a_warm_start_keeps_the_spacing(volumes):
    X, y = volumes
    model = SemiSupervisedSegmenter(**TINY, warm_start=True).fit(spaced(X, (4, 1, 1)), y)
    assert model.fit(X, y).spacing_ == (4, 1, 1)
    assert model.fit(spaced(X, (8, 2, 2)), y).network_.stride == (1, 4, 4)
    with pytest.raises(ValueError, match=r"X.spacing must have the ratios of the last fit, \(4"):
        model.fit(spaced(X, (1, 1, 1)), y)


def test_predictions_warn_of_voxels_of_other_ratios(volumes):
    X, y = volumes
    model = SemiSupervisedSegmenter(**TINY).fit(spaced(X, (4, 1, 1)), y)
    for other in ((1, 1, 1), (8, 1, 1)):
        with pytest.warns(UserWarning, match=f"Voxels of X are {other[0]} times .* were 4 times"):
            model.predict(spaced(X, other))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.predict(spaced(X, (2, 0.5, 0.5)))
        model.predict(X)


def test_a_wrong_spacing_is_refused_before_training(volumes):
    X, y = volumes
    model = SemiSupervisedSegmenter(**TINY)
    with pytest.raises(ValueError, match=r"X.spacing must be None or positive numbers, one"):
        model.fit(spaced(X, (1, 0, 1)), y)


def test_planes_ignore_the_distance_between_sections():
    X, y = make_cells(3, (32, 32), random_state=0)
    options = {**TINY, "spatial_ndim": 2, "sections": "consecutive"}
    plain = SemiSupervisedSegmenter(**options).fit(X, y)
    known = SemiSupervisedSegmenter(**options).fit(spaced(X, (40, 5, 5)), y)
    assert known.spacing_ is None
    assert same(plain, known, X)
