"""Contours that are moved on the device, here the CPU, are those that the CPU moves."""

import numpy as np
import pytest
import torch
from test_contour_batches import batches_of, overlaps

from sskseg import ContourDetector
from sskseg.datasets import make_cells
from sskseg.detection import ContourBatches, DeviceContourBatches, contour_batches_on, outline
from sskseg.detection.batches import ORDER
from sskseg.detection.device_batches import locate_batch
from sskseg.detection.device_contours import redraw_contours
from sskseg.images.augmentation import PRESETS, Augmentation, locate, sample_geometry
from sskseg.morphology import contour_points, fourier_descriptors

CPU = torch.device("cpu")
WARPED = Augmentation(warp_probability=1, warm_up=0, photometric_probability=0.3)


@pytest.mark.parametrize("augmentation", [PRESETS["dihedral"], WARPED], ids=["turned", "warped"])
def test_outlines_are_those_of_the_cpu(augmentation):
    X, y = make_cells(3, (80, 100), radius=8, random_state=0)
    outlined = [outline(label) for label in y]
    kinds = DeviceContourBatches, ContourBatches
    ours, theirs = (next(batches_of(X, outlined, augmentation, kind=kind)) for kind in kinds)
    torch.testing.assert_close(ours.images, theirs.images, atol=1e-4, rtol=0)
    assert ((ours.labels > 0) == (theirs.labels > 0)).float().mean() > 0.999
    known = ~(ours.distance.isnan() | theirs.distance.isnan())
    assert (ours.distance - theirs.distance)[known].abs().max() < 1e-3
    n = 0
    for patch in range(len(ours.labels)):
        for number in range(1, int(theirs.labels[patch].max()) + 1):
            inside = theirs.labels[patch] == number
            same = ours.labels[patch][inside].mode().values
            moved, expected = ours.outlines[patch, same - 1], theirs.outlines[patch, number - 1]
            torch.testing.assert_close(moved, expected, atol=1e-3, rtol=0)
            n += 1
    assert n > 20


def test_unlabeled_pixels_and_patches_without_objects():
    X, y = make_cells(1, (64, 64), radius=8, random_state=0)
    y[0, :, 32:] = -1
    batch = next(batches_of(X, [outline(y[0])], WARPED, kind=DeviceContourBatches))
    assert int(batch.labels.min()) == -1
    empty = outline(np.zeros((64, 64), int))
    batch = next(batches_of(X, [empty], WARPED, kind=DeviceContourBatches))
    assert int(batch.labels.max()) == 0
    assert batch.outlines.shape == (6, 1, 32, 2)
    assert batch.outlines.isnan().all()


def test_a_part_of_an_object_elsewhere_is_no_object_here():
    y = np.zeros((96, 96), int)
    y[4:20, 4:20] = 1
    y[80:84, 80:84] = 1  # not traced
    outlined = outline(y)
    made = batches_of(np.zeros((1, 96, 96), np.float32), [outlined], PRESETS["none"], 24,
                      kind=DeviceContourBatches)  # fmt: skip
    for _ in range(4):
        batch = next(made)
        assert int(batch.labels.max()) <= batch.outlines.shape[1]
        for labels, outlines in zip(batch.labels, batch.outlines, strict=True):
            assert labels.max() <= outlines.isfinite().all((-1, -2)).sum()


def test_points_are_located_and_polygons_redrawn():
    rng, shape = np.random.default_rng(0), (40, 32)
    geometry = sample_geometry(WARPED, rng, 5, shape)
    points = rng.uniform(-12, 12, (5, 3, 8, 2))
    ours = locate_batch(torch.from_numpy(points).float(), geometry, shape).numpy()
    for each, one, located in zip(points, geometry, ours, strict=True):
        np.testing.assert_allclose(located, locate(each, one, shape), atol=1e-3)
    t = np.linspace(0, 2 * np.pi, 50, endpoint=False)
    polygons = [np.stack([5 + (3 + k) * np.sin(s * t), 3 * np.cos(s * t) + np.sin(3 * t)], -1)
                for k in range(3) for s in (1, -1)]  # fmt: skip
    polygons = np.stack([*polygons, np.full((50, 2), 2.0)])
    redrawn = redraw_contours(torch.from_numpy(polygons).float(), ORDER, 20).numpy()
    expected = contour_points(*fourier_descriptors(polygons, ORDER), 20)
    np.testing.assert_allclose(redrawn, expected, atol=1e-4)


def test_outlines_move_with_their_objects():
    X, y = make_cells(3, (80, 100), radius=8, random_state=0)
    outlined = [outline(label) for label in y]
    batch = next(batches_of(X, outlined, WARPED, kind=DeviceContourBatches))
    numbers = torch.zeros_like(batch.labels)
    outlines = torch.full_like(batch.outlines, torch.nan)
    for patch, labels in enumerate(batch.labels):  # of objects in the patch alone
        for k, number in enumerate(labels[labels > 0].unique().tolist()):
            numbers[patch][labels == number] = k + 1
            outlines[patch, k] = batch.outlines[patch, number - 1]
    ious = np.array(list(overlaps(batch._replace(labels=numbers, outlines=outlines))))
    assert len(ious) > 20
    assert np.percentile(ious, 10) > 0.8


def test_a_detector_trains_alike_on_the_device(request):
    X, y = make_cells(4, (64, 64), random_state=0)

    def losses():
        detector = ContourDetector(width=8, depth=2, max_steps=30, random_state=0)
        return [row["loss"] for row in detector.fit(X, y).history_]

    expected = losses()
    request.getfixturevalue("device_path")
    assert contour_batches_on(CPU) is DeviceContourBatches
    assert losses() == pytest.approx(expected, rel=0.02)


def test_each_device_has_its_class():
    assert contour_batches_on(CPU) is ContourBatches
    assert contour_batches_on(torch.device("cuda")) is DeviceContourBatches
