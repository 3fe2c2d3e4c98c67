"""Evaluation of predicted label images and counts against annotations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import ndimage as ndi

from ..images import check_sample_weight
from ..images.annotations import Annotations
from ..metrics import count_error, match_instances, matched_objects
from ..morphology import count_objects, count_over_sections, join_sections, label_components
from ..morphology.counts import object_centroids

_IOU_THRESHOLDS = (0.5, 0.6, 0.7)
_N_BLOCKS = 3  # along each axis of a single image
_MAX_PIXELS = 2**24  # of the label images that a parameter search evaluates


class Reference(NamedTuple):
    """Reference that label images of some samples are evaluated against.

    Parameters
    ----------
    indices : ndarray of int
        Annotated samples, those that are evaluated.
    evaluate : callable
        ``evaluate(labels) -> (statistics, counts)`` of predicted label images of these samples: an
        array (n, m) whose sum over samples determines the loss, and the objects of each sample. Of
        a single label image, the array has a row for each block of it.
    loss : callable
        ``loss(statistics summed over samples) -> float``.
    sizes : list of ndarray
        Pixels of the annotated objects of each sample (a stack is one sample); empty where
        unknown.
    parts : list of ndarray
        Connected components of each of these objects.
    counts : ndarray of float
        Annotated counts; NaN where unknown.
    objects : list of ndarray
        Label images of these samples; empty where objects are not labeled.
    other_indices, other_counts : ndarray
        Fully labeled samples that are left out to save time, and their counts.
    """

    indices: np.ndarray
    evaluate: Callable
    loss: Callable
    sizes: list[np.ndarray]
    parts: list[np.ndarray]
    counts: np.ndarray
    objects: Sequence[np.ndarray] = ()
    other_indices: np.ndarray = np.empty(0, np.intp)
    other_counts: np.ndarray = np.empty(0)


def reference_of(
    annotations: Annotations, *, margin: int = 0, positions: np.ndarray | None = None
) -> Reference:
    """Build the reference that annotations imply.

    Parameters
    ----------
    annotations : Annotations
        Of label images, points or counts.
    margin : int, default=0
        As in `sskseg.morphology.count_objects`.
    positions : ndarray of int, default=None
        Of sections that are one stack, whose counts are those of objects over sections.

    Returns
    -------
    Reference

    Raises
    ------
    ValueError
        If nothing is annotated, or some samples have points and others label images.
    """
    _check_kind(annotations)
    indices = annotations.require_labeled()
    if annotations.kind == "counts" and positions is not None:
        return _reference_of_stack(annotations.counts(), margin, positions)
    if annotations.kind == "counts":
        return _reference_of_counts(annotations.counts(), indices, margin)
    if annotations.kind == "points":
        return _reference_of_points(annotations, indices, margin)
    return _reference_of_labels(annotations, indices, margin)


def _check_kind(annotations):
    if annotations.kind == "mixed":
        raise ValueError(
            f"{annotations.name} must hold label images or points, got label images of some "
            "samples and points of others."
        )


def _reference_of_labels(annotations, indices, margin):
    evaluated = _thin(indices, annotations.label_images)
    objects = [annotations.objects(i) for i in evaluated]
    match = _block_matcher(*objects) if len(objects) == 1 else partial(_match_images, objects)

    def evaluate(labels):
        return match(labels), count_each(labels, margin)

    others = np.setdiff1d(annotations.fully_labeled, evaluated)
    counts = annotations.counts(margin)
    return Reference(
        evaluated, evaluate, _negative_precision,
        [object_sizes(label) for label in objects], [object_parts(label) for label in objects],
        counts[evaluated], objects, others, counts[others],
    )  # fmt: skip


def _reference_of_points(annotations, indices, margin):
    points = _pixels_of_points(annotations, indices)

    def evaluate(labels):
        return np.array(_match_points(points, labels)), count_each(labels, margin)

    unknown = [np.empty(0)] * len(indices)
    counts = annotations.counts(margin)[indices]
    return Reference(indices, evaluate, _negative_f1, unknown, unknown, counts)


def _reference_of_counts(counts, indices, margin):
    def evaluate(labels):
        predicted = count_each(labels, margin)
        return np.abs(predicted - counts[indices])[:, None], predicted

    unknown = [np.empty(0)] * len(indices)
    return Reference(indices, evaluate, _first, unknown, unknown, counts[indices])


def _reference_of_stack(counts, margin, positions):
    """Counts of objects over sections: the whole stack is one sample."""

    def evaluate(labels):
        predicted = count_over_sections(join_sections(labels, positions), positions, margin)
        return np.array([[np.nansum(np.abs(predicted - counts))]]), np.array([predicted.sum()])

    unknown = [np.empty(0)]
    everything = np.arange(len(counts))
    return Reference(everything, evaluate, _first, unknown, unknown, np.array([np.nan]))


def score_labels(
    annotations: Annotations,
    predicted: Sequence[np.ndarray],
    sample_weight: ArrayLike | None = None,
) -> float:
    """Compute the F1 of label images: at IoU 0.5, or of points that lie in an object of their own.

    Parameters
    ----------
    annotations : Annotations
        Of label images or points.
    predicted : sequence of ndarray of int, shape (*spatial)
        Label images of all samples.
    sample_weight : array-like of shape (n_samples,), default=None

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If nothing is annotated, or has a weight.
    """
    _check_kind(annotations)
    indices = annotations.require_labeled()
    if annotations.kind == "points":
        points = _pixels_of_points(annotations, indices)
        statistics = _match_points(points, [predicted[i] for i in indices])
    else:
        statistics = [_match_objects(annotations.objects(i), predicted[i]) for i in indices]
    weight = check_sample_weight(sample_weight, len(annotations), indices)
    return -_negative_f1(weight[indices] @ np.array(statistics))


def score_counts(
    annotations: Annotations,
    predicted: ArrayLike,
    sample_weight: ArrayLike | None = None,
    *,
    margin: int = 0,
    positions: np.ndarray | None = None,
) -> float:
    """Compute ``1 - sum |error| / sum`` of counts.

    Parameters
    ----------
    annotations : Annotations
    predicted : array-like of shape (n_samples,)
    sample_weight : array-like of shape (n_samples,), default=None
    margin, positions
        As in `Annotations.counts`.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If no count is known, or has a weight.
    """
    annotations.require_fully_labeled()
    counts = annotations.counts(margin, positions)
    known = np.flatnonzero(np.isfinite(counts))
    if not known.size:  # no stack of consecutive sections is fully labeled
        raise ValueError(f"{annotations.name} labels no stack of consecutive sections completely.")
    weight = check_sample_weight(sample_weight, len(counts), known)[known]
    return 1 - count_error(weight * counts[known], weight * np.asarray(predicted)[known])["wape"]


def count_each(labels: Sequence[np.ndarray], margin: int = 0) -> np.ndarray:
    """Count the objects of each label image; see `sskseg.morphology.count_objects`."""
    return np.array([count_objects(label, margin) for label in labels], dtype=np.int64)


def object_sizes(label: np.ndarray) -> np.ndarray:
    """Count the pixels of each object."""
    return np.unique(label[label > 0], return_counts=True)[1]


def object_parts(label: np.ndarray) -> np.ndarray:
    """Count the connected components of each object; pixels that share a corner are connected.

    An object that touches unlabeled pixels has one: they may hide what connects its components.
    """
    parts = label_components(label, connectivity=label.ndim)
    inside = parts > 0
    owner = np.zeros(parts.max(initial=0) + 1, label.dtype)
    owner[parts[inside]] = label[inside]
    objects, count = np.unique(owner[1:], return_counts=True)
    hidden = ndi.binary_dilation(label < 0, np.ones((3,) * label.ndim))
    count[np.isin(objects, label[hidden & inside])] = 1
    return count


def _pixels_of_points(annotations, indices):
    """Of each sample the pixels in which its points lie."""
    return [np.round(annotations.points(i)).astype(np.intp) for i in indices]


def _match_points(points, labels):
    """Of each sample: objects that hold a point, and the number of points and objects."""
    statistics = []
    for pixels, label in zip(points, labels, strict=True):
        ids = label[tuple(pixels.T)]
        total = len(pixels) + len(np.unique(label[label > 0]))
        statistics.append((len(np.unique(ids[ids > 0])), total))
    return statistics


def _match_objects(true, predicted):
    """True positives, and the number of objects of both."""
    matches: Any = match_instances([true], [predicted])
    true_positives, false_positives, false_negatives, _ = matches
    return true_positives, 2 * true_positives + false_positives + false_negatives


def _match_images(true, predicted):
    """TP, FP and FN of each image and IoU threshold."""
    pairs = zip(true, predicted, strict=True)
    matches: Any = [match_instances(*pair, _IOU_THRESHOLDS) for pair in pairs]
    return np.array([[at_threshold[:3] for at_threshold in image] for image in matches], float)


def _block_matcher(true):
    """Return what computes TP, FP and FN of each block of the only image, and IoU threshold.

    An object belongs to the block in which its centroid is.
    """
    labeled, n_blocks = _blocks(true), _N_BLOCKS**true.ndim

    def match(labels):
        (predicted,) = labels
        found = _blocks(np.where(true >= 0, predicted, 0))
        matches = [
            _match_blocks(matched_objects(true, predicted, threshold), labeled, found)
            for threshold in _IOU_THRESHOLDS
        ]
        statistics = [[np.bincount(b, minlength=n_blocks) for b in image] for image in matches]
        return np.moveaxis(np.array(statistics, float), -1, 0)

    return match


def _match_blocks(matched, true, found):
    """Blocks of the true positives, false positives and false negatives."""
    (true_ids, true_blocks), (found_ids, found_blocks) = true, found
    is_found, is_true = np.isin(true_ids, matched[:, 0]), np.isin(found_ids, matched[:, 1])
    return true_blocks[is_found], found_blocks[~is_true], true_blocks[~is_found]


def _blocks(label):
    """Objects, and the block of each."""
    ids = np.unique(label[label > 0])
    block = (object_centroids(label) / label.shape * _N_BLOCKS).astype(np.intp)
    return ids, np.ravel_multi_index(tuple(block.T), (_N_BLOCKS,) * label.ndim)


def _first(statistics):
    return float(statistics[0])


def _negative_f1(statistics):
    true_positives, total = statistics
    return -2 * true_positives / total if total else -1.0


def _negative_precision(matches):
    """Minus the mean average precision; matches are (n_thresholds, 3): TP, FP, FN."""
    total = matches.sum(axis=1)
    return -float(np.where(total > 0, matches[:, 0] / np.maximum(total, 1), 1.0).mean())


def _thin(indices, labels):
    """Evenly spaced indices, as many as are evaluated in reasonable time."""
    pixels = sum(labels[i].size for i in indices)
    return indices[:: -(-pixels // _MAX_PIXELS)]
