import numpy as np
import pytest
from skimage.draw import polygon2mask

from sskseg.datasets import make_cells
from sskseg.metrics import f1_instances
from sskseg.morphology import (
    contour_areas,
    contour_masks,
    contour_perimeters,
    contour_points,
    fourier_descriptors,
    paint_masks,
    polygons,
    resample_contours,
    suppress_overlaps,
    trace_contours,
)


def ellipses(n, shape, rng):
    """Points of random ellipses, which may reach out of the image."""
    t = 2 * np.pi * np.arange(40) / 40
    angle, (a, b) = rng.uniform(0, np.pi, n)[:, None], rng.uniform(2, 9, (2, n, 1))
    y = a * np.sin(t) * np.cos(angle) + b * np.cos(t) * np.sin(angle)
    x = b * np.cos(t) * np.cos(angle) - a * np.sin(t) * np.sin(angle)
    center = rng.uniform(0, shape, (n, 2))
    return center[:, None] + np.stack([y, x], axis=-1)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_shapes_are_reconstructed_from_descriptors():
    y = make_cells(1, (128, 128), radius=9, separation=1.1, random_state=0)[1][0]
    ids, contours = trace_contours(y)
    assert np.array_equal(ids, np.unique(y)[1:])
    traced, _ = paint_masks(contour_masks(contours, y.shape), y.shape)
    assert np.mean((traced > 0) == (y > 0)) > 0.999
    points = contour_points(*fourier_descriptors(contours, 10), 64)
    labels, _ = paint_masks(contour_masks(points, y.shape), y.shape)
    assert f1_instances(y, labels, 0.95) == 1
    gaps = np.linalg.norm(points[:, :, None] - contours[:, None], axis=-1).min(2)
    assert gaps.mean() < 0.4
    assert gaps.max() < 1.5


def test_the_first_harmonic_of_an_ellipse_is_the_ellipse(rng):
    contours = ellipses(5, (40, 60), rng)
    points = contour_points(*fourier_descriptors(contours, 10), 40)
    area, length = np.abs(contour_areas(contours)), contour_perimeters(contours)
    assert contour_areas(points) == pytest.approx(area, rel=0.01)
    assert contour_perimeters(points) == pytest.approx(length, rel=0.01)


def test_descriptors_do_not_depend_on_start_and_direction(rng):
    contours = ellipses(6, (50, 50), rng)
    location, coefficients = fourier_descriptors(contours, 4)
    for same in (contours[:, ::-1], np.roll(contours, 7, axis=1)):
        moved, others = fourier_descriptors(same, 4)
        assert moved == pytest.approx(location)
        assert others == pytest.approx(coefficients, abs=1e-9)
    points = contour_points(location, coefficients[:, :1], 64)
    assert (points[..., 1].argmax(axis=1) == 0).all()
    assert (contour_areas(points) > 0).all()


def test_tiny_and_broken_objects():
    labels = np.zeros((9, 9), int)
    labels[2, 3] = 5
    labels[5:8, 5:8] = labels[0, 8] = 9  # in two parts: the larger one
    labels[8, 0] = -1
    ids, contours = trace_contours(labels, 16)
    assert ids.tolist() == [5, 9]
    assert contours.mean(axis=1) == pytest.approx(np.array([[2, 3], [6, 6]]), abs=0.1)
    masks = contour_masks(contours, labels.shape).toarray()
    assert masks.sum(axis=1).tolist() == [1, 9]
    assert len(trace_contours(np.zeros((4, 4), int))[0]) == 0
    assert np.isfinite(fourier_descriptors(np.ones((1, 5, 2)), 3)[1]).all()


def test_masks_are_those_of_a_slow_reference(rng):
    shape = (37, 53)
    contours = ellipses(30, shape, rng)
    masks = contour_masks(contours, shape).toarray().reshape(-1, *shape)
    for mask, contour in zip(masks, contours, strict=True):
        expected = polygon2mask(shape, contour)
        assert (mask != expected).sum() <= 1  # a pixel on the outline
    assert contour_masks(contours[:0], shape).shape == (0, 37 * 53)
    assert contour_masks(contours + 1000, shape).sum() == 0


@pytest.mark.parametrize("row", [2**40, 2**46, 2**50])
def test_masks_of_many_outlines_on_many_rows_are_exact(row):
    """The number of outlines times rows, of which each crossing is one, may be any."""
    columns = np.array([[1.5, 6.5], [6.5, 1.5], [2.5, 3.5], [-400.5, 3.5], [0.5, 7.5]])
    contours = np.stack(
        [np.stack([[0.0, 0.0, 4.0, 4.0], [a, b, b, a]], axis=1) for a, b in columns]
    )
    near = contour_masks(contours, (8, 8)).toarray()
    far = contour_masks(contours + [row, 0], (2 * row, 8))
    for one, other in zip(near, np.split(far.indices, far.indptr[1:-1]), strict=True):
        assert np.array_equal(np.flatnonzero(one), other - 8 * row)


def slow_suppression(masks, scores, threshold):
    stays = []
    for i in np.argsort(-scores, kind="stable"):
        if not masks[i].any():
            continue
        shares = [(masks[i] & masks[j]).sum() / min(masks[i].sum(), masks[j].sum()) for j in stays]
        if all(share <= threshold for share in shares):
            stays.append(int(i))
    return stays


@pytest.mark.parametrize("most_pixels", [2**19, 2000])
@pytest.mark.parametrize("threshold", [0.0, 0.2, 0.5, 0.9])
def test_suppression_is_that_of_a_slow_reference(rng, threshold, most_pixels, monkeypatch):
    monkeypatch.setattr(polygons, "_MAX_PIXELS", most_pixels)
    shape = (60, 70)
    contours = ellipses(150, shape, rng)
    scores = rng.integers(0, 20, 150) / 20  # with ties
    masks = contour_masks(contours, shape)
    expected = slow_suppression(masks.toarray().astype(bool), scores, threshold)
    found = suppress_overlaps(masks, scores, threshold)
    assert found.tolist() == expected
    assert 1 < len(found) < 150


def test_a_shared_pixel_goes_to_the_first_mask():
    square = np.array([[1.5, 1.5], [1.5, 4.5], [4.5, 4.5], [4.5, 1.5]])
    contours = np.stack([square, square + 1, square + 0.25, square + 4])
    labels, shown = paint_masks(contour_masks(contours, (10, 10)), (10, 10))
    assert shown.tolist() == [0, 1, 3]  # the third is hidden
    assert np.unique(labels, return_counts=True)[1].tolist() == [100 - 9 - 5 - 9, 9, 5, 9]
    assert labels[4, 4] == 1
    assert labels[5, 5] == 2


def test_polygons_of_any_length_are_resampled():
    square = [(0, 0), (0, 4), (4, 4), (4, 0)]
    contours = resample_contours([square, [(0, 0), (0, 3), (3, 0)]], 16)
    assert contours.shape == (2, 16, 2)
    assert np.abs(contour_areas(contours[:1])) == pytest.approx([16])
    assert np.linalg.norm(np.diff(contours[0], axis=0), axis=1) == pytest.approx(np.ones(15))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: trace_contours(np.ones((3, 3, 3), int)), "two-dimensional label images, got 3"),
        (lambda: contour_masks(np.zeros((2, 5, 3)), (4, 4)), "two-dimensional images, expected"),
        (lambda: contour_masks(np.zeros((2, 5, 2)), (4, 4, 4)), r"got \(2, 5, 2\) and \(4, 4, 4\)"),
        (lambda: fourier_descriptors(np.zeros((2, 5, 2)), 0), "order must be at least 1, got 0"),
        (lambda: resample_contours([np.zeros((2, 2))], 8), r"got \(2, 2\)"),
        (lambda: resample_contours([np.zeros((4, 2))], 2), "got points=2"),
    ],
)
def test_bad_polygons_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
