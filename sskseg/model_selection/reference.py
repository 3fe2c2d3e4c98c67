"""What is known of objects, as label images, points or counts, and how label images are judged."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import ndimage as ndi

from ..images import (
    are_counts,
    are_points,
    check_counts,
    check_labeled,
    check_labels,
    check_points,
    check_sample_weight,
    unwrap,
)
from ..metrics import count_error, match_instances
from ..morphology import (
    count_objects,
    count_over_sections,
    join_sections,
    label_components,
    label_objects,
)
from ..morphology.counts import inside_frame

_IOU = (0.5, 0.6, 0.7)
_MAX_PIXELS = 2**24  # of images that are judged


class Truth(NamedTuple):
    """How label images of some samples are judged.

    Parameters
    ----------
    rows : ndarray of int
        The samples of which something is known.
    judge : callable
        ``judge(labels) -> (evidence, counts)``, of label images of those samples: an array (n, m)
        whose sum over samples tells their loss, and the objects of each sample.
    loss : callable
        ``loss(evidence summed over samples) -> float``.
    sizes : list of ndarray
        Pixels of the true objects of each sample (a stack that is judged as a whole is one); empty
        where they are not known.
    parts : list of ndarray
        Connected parts of each of these objects.
    counts : ndarray of float
        True counts; NaN where they are not known.
    other_rows, other_counts : ndarray
        Samples that are not judged, since that would take long, and their true counts.
    """

    rows: np.ndarray
    judge: Callable
    loss: Callable
    sizes: list
    parts: list
    counts: np.ndarray
    other_rows: np.ndarray = np.empty(0, np.intp)
    other_counts: np.ndarray = np.empty(0)


def truth_of(y, images, *, margin=0, positions=None):
    """What is known of samples.

    Parameters
    ----------
    y : label images, points or counts
        As `InstanceCounter.fit` takes them.
    images : list of ndarray of shape (*spatial, n_channels)
    margin : int, default=0
        As in `sskseg.morphology.count_objects`.
    positions : ndarray of int, default=None
        Of sections that are one stack, whose counts are those of objects over sections.

    Returns
    -------
    Truth
    """
    if are_counts(y):
        return _truth_of_counts(y, len(images), margin, positions)
    if hold_points(y, images):
        return _truth_of_points(y, images, margin)
    return truth_of_labels(check_labels(y, images), margin)


def truth_of_labels(labels, margin=0):
    """What label images tell; -1 unlabeled, see `truth_of`."""
    labeled = check_labeled(labels)
    rows = _thinned(labeled, labels)
    truth = [label_objects(labels[row]) for row in rows]

    def judge(found):
        evidence = [
            [matches[:3] for matches in match_instances(t, x, _IOU)]
            for t, x in zip(truth, found, strict=True)
        ]
        return np.array(evidence, float), count_each(found, margin)

    others = np.setdiff1d(labeled, rows)
    others = others[[bool((labels[row] >= 0).all()) for row in others]]
    counts = _true_counts(truth, margin)
    other_counts = _true_counts((label_objects(labels[row]) for row in others), margin)
    sizes, parts = [object_sizes(t) for t in truth], [object_parts(t) for t in truth]
    return Truth(rows, judge, _negative_precision, sizes, parts, counts, others, other_counts)


def _true_counts(truth, margin):
    """Objects of label images; NaN where not all is labeled."""
    counts = [count_each([t], margin)[0] if (t >= 0).all() else np.nan for t in truth]
    return np.array(counts, float)


def _truth_of_points(y, images, margin):
    rows, points = _check_point_lists(y, images)

    def judge(found):
        return np.array(_found_inside(points, found)), count_each(found, margin)

    shapes = [images[row].shape[:-1] for row in rows]
    counts = [inside_frame(p, s, margin).sum() for p, s in zip(points, shapes, strict=True)]
    unknown = [np.empty(0)] * len(rows)
    return Truth(np.array(rows), judge, _negative_f1, unknown, unknown, np.array(counts, float))


def _truth_of_counts(y, n, margin, positions):
    counts = check_counts(y, n)
    if positions is not None:  # the whole stack is one sample

        def judge_stack(labels):
            found = count_over_sections(join_sections(labels, positions), positions, margin)
            return np.array([[np.abs(found - counts).sum()]]), np.array([found.sum()])

        unknown = [np.empty(0)]
        return Truth(np.arange(n), judge_stack, _only, unknown, unknown, np.array([np.nan]))

    def judge(labels):
        found = count_each(labels, margin)
        return np.abs(found - counts)[:, None], found

    unknown = [np.empty(0)] * n
    return Truth(np.arange(n), judge, _only, unknown, unknown, counts)


def score_labels(y, images, found, sample_weight=None):
    """F1 of label images: at IoU 0.5, or of points that lie in an object of their own."""
    if hold_points(y, images):
        rows, points = _check_point_lists(y, images)
        evidence = _found_inside(points, [found[row] for row in rows])
    else:
        labels = check_labels(y, images)
        rows = check_labeled(labels)
        evidence = []
        for row in rows:
            true, invented, missed, _ = match_instances([label_objects(labels[row])], [found[row]])
            evidence.append((true, 2 * true + invented + missed))
    weight = check_sample_weight(sample_weight, len(images), rows)
    return -_negative_f1(weight[rows] @ np.array(evidence))


def score_counts(y, found, sample_weight=None):
    """``1 - sum |error| / sum`` of counts (n_samples,)."""
    counts = check_counts(y, len(found))
    weight = check_sample_weight(sample_weight, len(found), np.arange(len(found)))
    return 1 - count_error(weight * counts, weight * found)["wape"]


def count_each(labels, margin=0):
    """Objects of label images by themselves; see `sskseg.morphology.count_objects`."""
    return np.array([count_objects(x, margin) for x in labels], dtype=np.int64)


def object_sizes(label):
    """Pixels of each object."""
    return np.unique(label[label > 0], return_counts=True)[1]


def object_parts(label):
    """Connected parts of each object; pixels that share a corner are connected. Of objects that
    touch unlabeled pixels one, since these may hide what joins them."""
    parts = label_components(label, connectivity=label.ndim)
    inside = parts > 0
    owner = np.zeros(parts.max(initial=0) + 1, label.dtype)
    owner[parts[inside]] = label[inside]
    objects, count = np.unique(owner[1:], return_counts=True)
    hidden = ndi.binary_dilation(label < 0, np.ones((3,) * label.ndim))
    count[np.isin(objects, label[hidden & inside])] = 1
    return count


def is_unlabeled(y):
    """Whether y is None, or None or -1 in each sample."""
    y = unwrap(y)
    if y is None:
        return True
    return isinstance(y, (list, tuple, np.ndarray)) and all(map(_is_unknown, y))


def _is_unknown(item):
    return item is None or (
        np.size(item) > 0 and np.ndim(item) > 0 and bool(np.all(np.asarray(item) == -1))
    )


def hold_points(y, images):
    """Whether y holds points in the place of label images."""
    if not isinstance(y, (list, tuple, np.ndarray)) or len(y) != len(images):
        return False
    given = [(item, x.shape[:-1]) for item, x in zip(y, images, strict=True) if item is not None]
    return bool(given) and all(are_points(item, shape) for item, shape in given)


def _check_point_lists(y, images):
    """Rows that have points, and their points as the pixels that these are in."""
    rows = [row for row, item in enumerate(y) if item is not None]
    points = [check_points(y[row], images[row].shape[:-1], f"y[{row}]") for row in rows]
    return rows, [np.round(p).astype(np.intp) for p in points]


def _found_inside(points, labels):
    """Of each sample: objects in which there is a point, and the number of points and objects."""
    evidence = []
    for pixels, label in zip(points, labels, strict=True):
        ids = label[tuple(pixels.T)]
        total = len(pixels) + len(np.unique(label[label > 0]))
        evidence.append((len(np.unique(ids[ids > 0])), total))
    return evidence


def _only(evidence):
    return float(evidence[0])


def _negative_f1(evidence):
    found, total = evidence
    return -2 * found / total if total else -1.0


def _negative_precision(matches):
    """Minus the mean average precision; matches are (n_thresholds, 3): TP, FP, FN."""
    total = matches.sum(axis=1)
    return -float(np.where(total > 0, matches[:, 0] / np.maximum(total, 1), 1.0).mean())


def _thinned(rows, labels):
    """Evenly spaced rows, as many as are judged in reasonable time."""
    pixels = sum(labels[row].size for row in rows)
    return rows[:: -(-pixels // _MAX_PIXELS)]
