"""Objects: found in each block by itself, with its halo, and measured in its core."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from ...io.ome_zarr.checks import smallest_dtype
from ...morphology import Runs, count_overlaps, object_sums, remove_small
from ..boxes import Box, box_shape, relative
from ..devices import worker_device
from ..plan import Plan
from ..reading import input_checksum, preprocess, read_input, read_mask, read_scan
from ..stitching import block_faces
from ..store import Store
from .edges import edge_labels, objects_at_border


class Objects(NamedTuple):
    """Objects of a block by itself.

    Parameters
    ----------
    labels : ndarray of int
        Of the block with its halo.
    score : ndarray of float32, of that shape
        Its mean over an object is the object's score.
    contours : ndarray of shape (n_objects, n_points, 2) or None
        Outlines of the labels 1, 2, ..., in pixels of the scan.
    """

    labels: np.ndarray
    score: np.ndarray
    contours: np.ndarray | None = None


def find_objects(plan: Plan, store: Store, i: int) -> None:
    """Find the objects of a block, and store the runs of their labels, their edges and sums.

    Those that have pixels in the core of the block come first.
    """
    box = plan.grid.input_box(i)
    core = relative(plan.grid.boxes[i], box)
    block = read_input(plan, i) if plan.from_images else None
    if plan.from_images:
        found = find_in_images(plan, i, block)
    else:
        found = find_in_probabilities(plan, store.read_probabilities(plan, box))
    runs = Runs(found.labels[core])
    table, n = _numbers(plan, found.labels, runs)
    runs.renumber(table)
    edges = edge_labels(plan, i, found.labels, table)
    cut = objects_at_border(plan, found.labels, table, n, box)
    sums = _sums(plan, i, runs, found.score[core], block)
    if found.contours is not None:
        kept = np.flatnonzero((table > 0) & (table <= n))
        sums["contour"] = found.contours[kept - 1] * sums["size"][:, None, None]
    if plan.consecutive:
        labels = np.take(table, found.labels[core])
        edges |= {"first": labels[0], "last": labels[-1]}
        sums |= _between_sections(labels, plan.grid.boxes[i], plan.shape)
    store.ledger.write("edges", i, n=n, **edges)
    store.ledger.write("sums", i, n=n, cut=cut, input_crc=input_checksum(block), **sums)
    lengths = runs.all_lengths.astype(smallest_dtype(0, runs.shape[-1]))
    store.ledger.write("objects", i, values=runs.values, lengths=lengths)


def find_in_images(plan: Plan, i: int, block: np.ndarray | None) -> Objects:
    """Find objects in what `read_input` returned for block i."""
    box, whole = plan.grid.input_box(i), plan.network_grid.input_box(i)
    if block is None:
        nothing = np.zeros(box_shape(box), np.float32)
        n_points = plan.objects.contour_points
        contours = np.empty((0, n_points, 2)) if n_points else None
        return Objects(nothing.astype(np.int32), nothing, contours)
    found = plan.objects.find(preprocess(plan, block), device=worker_device())
    labels, allowed = found.labels[relative(box, whole)], read_mask(plan, box)
    labels = labels if allowed is None else np.where(allowed, labels, 0)
    labels = remove_small(labels, plan.objects.min_size)
    score = np.concatenate([[0], found.scores]).astype(np.float32)[labels]
    contours = found.contours
    if contours is not None:
        contours = contours + [part.start for part in whole]
    return Objects(labels, score, contours)


def find_in_probabilities(plan: Plan, predicted: np.ndarray) -> Objects:
    """Split what was predicted of a block with its halo into objects."""
    labels = plan.objects.find(predicted).labels
    probability = predicted[..., 0] if predicted.ndim > labels.ndim else predicted
    return Objects(labels, probability)


def _numbers(plan, labels, runs):
    """New numbers of the labels 0, 1, ... of a block, from the runs of its core: those in the core
    become 1 to n; n."""
    if plan.exact:  # without a halo
        kept = _large_or_at_edge(plan, labels, runs)
    else:
        kept = np.zeros(int(labels.max(initial=0)) + 1, bool)
        kept[runs.values] = True
    kept[0] = False
    n, table = int(kept.sum()), np.cumsum(kept)
    # Those beyond the core follow; a label that nowhere occurs leaves a gap among these.
    table = np.where(kept, table, 0 if plan.exact else n + np.cumsum(~kept) - 1)
    table[0] = 0
    return table.astype(np.int32 if labels.size < 2**31 else np.int64), n


def _large_or_at_edge(plan, labels, runs):
    """Which components are not small, or may continue in another block."""
    if plan.consecutive:
        return np.ones(int(labels.max(initial=0)) + 1, bool)
    kept = runs.sizes() >= plan.objects.min_size
    for face in block_faces(labels).values():
        kept[face.ravel()] = True
    return kept


def _sums(plan, i, runs, score, block):
    """Sums over the pixels of each object in the core of a block."""
    start = [part.start for part in plan.grid.boxes[i]]
    intensity = _intensity(plan, i, runs, block)
    return object_sums(runs, start=start, probability=score, intensity=intensity)


def _intensity(plan, i, runs, block):
    """The scan in the core of a block if it is measured; it is not read without objects."""
    if not plan.intensity:
        return None
    core, channels = plan.grid.boxes[i], plan.scan.data.shape[len(runs.shape) :]
    shape = runs.shape + (() if channels == (1,) else channels)
    if not runs.labels.size:
        return np.zeros(shape, np.uint8)
    if block is not None:
        return block[relative(core, plan.network_grid.input_box(i))].reshape(shape)
    return read_scan(plan, core).reshape(shape)


def _between_sections(labels: np.ndarray, core: Box, shape: tuple[int, ...]) -> dict:
    """Pixels that objects of neighboring sections share, and the first pixel of each object."""
    overlaps = [count_overlaps(a, b) for a, b in pairwise(labels)]
    return {
        "pairs": np.concatenate([np.empty((0, 2), np.int64), *(p for p, _ in overlaps)]),
        "overlap": np.concatenate([np.empty(0, np.int64), *(n for _, n in overlaps)]),
        "first": _first_pixels(labels, core, shape),
    }


def _first_pixels(labels, core, shape):
    """Flat index, in the scan, of the first pixel of each label 1 to n."""
    _, first = np.unique(labels, return_index=True)
    first = first[-int(labels.max(initial=0)) or len(first) :]  # without the background
    at = np.unravel_index(first, labels.shape)
    at = tuple(a + part.start for a, part in zip(at, core, strict=True))
    return np.ravel_multi_index(at, shape).astype(np.int64)
