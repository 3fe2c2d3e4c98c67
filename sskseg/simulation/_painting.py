"""Paint cells into label images and images of light."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ._placement import place_apart
from ._shapes import brightness_at, draw_blob, overlap_slices


def draw_cells(
    rng: np.random.Generator,
    radii: np.ndarray,
    shape: Sequence[int],
    *,
    separation: float,
    brightness: Callable[[], float],
    **options: Any,
) -> tuple[np.ndarray, np.ndarray]:
    """Place and draw cells; where cells overlap, a pixel belongs to the one it is deeper in.

    Parameters
    ----------
    rng : numpy.random.Generator
    radii : ndarray of shape (n,)
        Pixels.
    shape : tuple of int
        Size of the image in pixels.
    separation : float
        As in `place_apart`.
    brightness : callable
        ``brightness() -> float``: brightness in the middle of the next cell; the outline has 0.7
        of it.
    **options
        Passed to `draw_blob`.

    Returns
    -------
    labels : ndarray of int32
        1, 2, ... without gaps: hidden cells are not numbered.
    light : ndarray of float32
        0 outside of cells.
    """
    centers, placed = place_apart(rng, radii, shape, separation=separation)
    labels = np.zeros(shape, np.int32)
    depth = np.zeros(shape, np.float32)
    light = np.zeros(shape, np.float32)
    for number, (center, radius) in enumerate(zip(centers, radii[placed], strict=True), start=1):
        blob = draw_blob(rng, center, radius, **options)
        _paint(blob, labels, depth, light, number, brightness())
    return _renumber(labels), light


def paint_over(filling, n_cells, shape, max_hidden):
    """Paint cells in order, except those of which more than the share `max_hidden` is hidden.

    Parameters
    ----------
    filling : Filling
    n_cells : int
    shape : tuple of int
    max_hidden : float

    Returns
    -------
    labels : ndarray of int32
    shown : ndarray of int, shape (n_cells,)
        Label of each cell; 0 for omitted cells.
    """
    labels = np.zeros(int(np.prod(shape)), np.int32)
    labels[filling.pixel] = filling.cell + 1  # the last cell wins
    whole = np.bincount(filling.cell, minlength=n_cells)
    visible = np.bincount(labels, minlength=n_cells + 1)[1:]
    kept = (visible > 0) & (visible >= (1 - max_hidden) * whole)
    shown = np.where(kept, np.cumsum(kept), 0)
    if not kept.all():
        labels[:] = 0
        is_kept = kept[filling.cell]
        filling = type(filling)(*(part[is_kept] for part in filling))
    labels[filling.pixel] = shown[filling.cell]
    return labels.reshape(shape), shown


def _paint(blob, labels, depth, light, number, peak):
    here, there = overlap_slices(blob.start, blob.depth.shape, labels.shape)
    if here is None:
        return
    part = blob.depth[there]
    deeper = part > np.maximum(depth[here], 0)
    labels[here][deeper] = number
    depth[here][deeper] = part[deeper]
    light[here][deeper] = peak * brightness_at(part[deeper])


def _renumber(labels):
    ids, inverse = np.unique(labels, return_inverse=True)
    new = np.arange(len(ids)) + (0 if ids[0] == 0 else 1)
    return new[inverse].reshape(labels.shape).astype(np.int32)
