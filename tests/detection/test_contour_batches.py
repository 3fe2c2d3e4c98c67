import numpy as np
import pytest
import torch

from sskseg.datasets import make_cells
from sskseg.detection import ContourBatches, outline
from sskseg.images.augmentation import PRESETS, Augmentation
from sskseg.morphology import contour_masks


def batches_of(X, outlined, augmentation, side=48, kind=ContourBatches):
    return kind(
        [x[..., None] for x in X], outlined, 32, (side, side), np.ones(len(X)),
        augmentation=augmentation, mean=np.zeros(1, np.float32), std=np.ones(1, np.float32),
        batch_size=6, rng=np.random.default_rng(0), device=torch.device("cpu"),
    )  # fmt: skip


def overlaps(batch):
    """IoU of each object in the patches with the inside of its outline."""
    shape = tuple(batch.labels.shape[1:])
    for labels, outlines in zip(batch.labels.numpy(), batch.outlines.numpy(), strict=True):
        outlined = outlines[np.isfinite(outlines[:, 0, 0])]
        assert len(outlined) == labels.max()
        inside = contour_masks(outlined, shape).toarray().astype(bool)
        for number, mask in enumerate(inside, start=1):
            label = labels.ravel() == number
            yield (label & mask).sum() / (label | mask).sum()


@pytest.mark.parametrize(
    ("augmentation", "min_iou"),
    [
        (PRESETS["dihedral"], 0.97),
        (Augmentation(warp_probability=1, warm_up=0), 0.8),
    ],
)
def test_outlines_move_with_their_objects(augmentation, min_iou):
    X, y = make_cells(3, (80, 100), radius=8, random_state=0)
    batch = next(batches_of(X, [outline(label) for label in y], augmentation))
    ious = np.array(list(overlaps(batch)))
    assert len(ious) > 20
    assert np.percentile(ious, 10) > min_iou


def test_objects_cut_by_unlabeled_pixels_are_ignored():
    X, y = make_cells(1, (64, 64), radius=8, random_state=0)
    y[0, :, 32:] = -1
    outlined = outline(y[0])
    cut = np.unique(outlined.labels[:, 31])
    assert np.isnan(outlined.distance[np.isin(outlined.labels, cut[cut > 0])]).all()
    assert np.nanmax(outlined.distance) == 1
    batch = next(batches_of(X, [outlined], PRESETS["dihedral"]))
    assert int(batch.labels.min()) == -1


def test_hidden_parts_are_part_of_given_outlines():
    y = np.zeros((32, 32), int)
    y[8:20, 8:14], y[8:20, 14:24] = 1, 2
    squares = [[(7.5, 7.5), (7.5, 17.5), (19.5, 17.5), (19.5, 7.5)],
               [(7.5, 13.5), (7.5, 23.5), (19.5, 23.5), (19.5, 13.5)]]  # fmt: skip
    outlined = outline(y, squares)
    assert outlined.radii**2 * np.pi == pytest.approx([120, 120], rel=0.01)
    assert np.array_equal(outlined.labels, y)
