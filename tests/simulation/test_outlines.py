"""Outlines of many cells at once."""

import numpy as np
import pytest
from skimage.measure import grid_points_in_poly

from sskseg.simulation import Outlines, fill_outlines, sample_outlines, trace_outlines


@pytest.fixture
def outlines():
    rng = np.random.default_rng(0)
    centers = rng.uniform(0, (60, 80), (25, 2))
    return sample_outlines(rng, centers, rng.uniform(2, 12, 25), roughness=0.1, elongation=2)


def test_pixels_are_those_inside_of_the_polygon(outlines):
    filling = fill_outlines(outlines, (60, 80))
    polygons = trace_outlines(outlines, 512)
    for number, polygon in enumerate(polygons):
        drawn = np.zeros(60 * 80, bool)
        drawn[filling.pixel[filling.cell == number]] = True
        differing = drawn.reshape(60, 80) != grid_points_in_poly((60, 80), polygon)
        assert differing.sum() <= 1
    assert (np.diff(filling.cell) >= 0).all()
    assert 0 < filling.depth.min() < filling.depth.max() <= 1


def test_without_waves_they_are_ellipses():
    rng = np.random.default_rng(0)
    outlines = sample_outlines(rng, np.full((50, 2), 40.0), np.full(50, 10.0), roughness=0,
                               elongation=3)  # fmt: skip
    axes = np.linalg.svd(outlines.frames)[1]
    assert np.allclose(axes.prod(axis=1), 100)
    ratios = axes[:, 0] / axes[:, 1]
    assert 1 <= ratios.min() < 1.3
    assert 2.5 < ratios.max() <= 3
    at = np.linalg.solve(outlines.frames, (trace_outlines(outlines) - 40).swapaxes(1, 2))
    assert np.allclose(np.linalg.norm(at, axis=1), 1)


def test_waves_are_a_fourier_contour_of_the_given_roughness():
    rng = np.random.default_rng(0)
    outlines = sample_outlines(rng, np.zeros((400, 2)), np.full(400, 10.0), roughness=0.08,
                               elongation=1, waves=4)  # fmt: skip
    at = np.linalg.solve(outlines.frames, trace_outlines(outlines).swapaxes(1, 2))
    reach = np.linalg.norm(at, axis=1)
    assert reach.std() == pytest.approx(0.08, rel=0.05)
    power = np.abs(np.fft.rfft(reach, axis=1)) ** 2
    assert power[:, 2:6].sum() > 0.999 * power[:, 1:].sum()
    assert power[:, 2].mean() > 3 * power[:, 3].mean()


def test_outlines_never_cross_themselves():
    rng = np.random.default_rng(0)
    outlines = sample_outlines(rng, np.zeros((100, 2)), np.full(100, 10.0), roughness=1.0)
    at = np.linalg.solve(outlines.frames, trace_outlines(outlines).swapaxes(1, 2))
    angles = np.unwrap(np.arctan2(at[:, 1], at[:, 0]), axis=1)
    assert (np.diff(angles, axis=1) > 0).all()


def test_empty_and_outside_outlines_fill_no_pixel():
    none = Outlines(np.empty((0, 2)), np.empty((0, 2, 2)), np.empty((0, 6), complex))
    assert len(fill_outlines(none, (10, 10)).pixel) == 0
    assert trace_outlines(none).shape == (0, 64, 2)
    rng = np.random.default_rng(0)
    far = sample_outlines(rng, np.array([[-50.0, 5], [200, 300]]), np.array([4.0, 4]))
    assert len(fill_outlines(far, (10, 10)).cell) == 0
