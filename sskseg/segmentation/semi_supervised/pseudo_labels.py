"""Pseudo-labels: what a network and the continuity of sections say of unlabeled pixels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from ...images import consecutive_runs, section_indices
from ...morphology import enforce_continuity, label_components

MAX_CONTEXT = 4
MIN_IOU = 0.75  # of sections so far apart that one still says something about the other
_MAX_PAIRS = 64  # of sections that are compared
_CONFIDENCE = 0.75  # of `transduction_`
_MIN_SIZE_SHARE = 0.5  # of the area of small labeled objects: what is smaller is an error
_EROSION_SHARE = 0.1  # of the radius of an object, from section to section


class PseudoLabels(NamedTuple):
    """Pseudo-labels of all training samples.

    Parameters
    ----------
    labels : list of ndarray of int8 (int16 for classes)
        -1 where a mask and its correction disagree.
    probabilities : list of ndarray of float16, shape (n_probabilities, *spatial)
    means : list of ndarray of float16
        Probabilities averaged over neighboring sections; `probabilities` for independent samples.
    """

    labels: list
    probabilities: list
    means: list


def pseudo_labels(
    probabilities: Sequence[np.ndarray],
    labels: Sequence[np.ndarray],
    positions: np.ndarray | None = None,
    context: int = 0,
) -> list[np.ndarray]:
    """Label every pixel: by its label, or as probabilities and continuity agree.

    Parameters
    ----------
    probabilities : list of ndarray of shape (n_probabilities, *spatial)
        One: of the foreground. More: of the classes.
    labels : list of ndarray of int, shape (*spatial)
        -1 unlabeled.
    positions : ndarray of int, default=None
        Of consecutive sections.
    context : int, default=0
        If positive, the masks of sections are corrected by `enforce_continuity`.

    Returns
    -------
    list of ndarray of int8 (int16 for classes)
        -1 where a mask and its correction disagree.
    """
    if len(probabilities[0]) > 1:
        pseudo = [p.argmax(0).astype(np.int16) for p in probabilities]
    else:
        pseudo = [(p[0] > 0.5).astype(np.int8) for p in probabilities]
        if context > 0:
            pseudo = list(_agreement(np.stack(pseudo), labels, positions, context))
    for guess, label in zip(pseudo, labels, strict=True):
        known = label >= 0
        guess[known] = label[known] if len(probabilities[0]) > 1 else label[known] > 0
    return pseudo


def mask_low_confidence(
    pseudo: Sequence[np.ndarray],
    probabilities: Sequence[np.ndarray],
    labels: Sequence[np.ndarray],
    confidence: float = _CONFIDENCE,
) -> list[np.ndarray]:
    """Set pseudo-labels of unlabeled pixels to -1 where their probability is too low.

    Parameters
    ----------
    pseudo : list of ndarray of int
        As `pseudo_labels` returns them.
    probabilities, labels
        From which it made them.
    confidence : float, default=0.75

    Returns
    -------
    list of ndarray
    """
    result = []
    for guess, probability, label in zip(pseudo, probabilities, labels, strict=True):
        highest = probability.max(0)
        if len(probability) == 1:
            highest = np.maximum(highest, 1 - highest)
        uncertain = (highest < confidence) & (label < 0)
        result.append(np.where(uncertain, guess.dtype.type(-1), guess))
    return result


def continuity_context(
    probabilities: Sequence[np.ndarray],
    positions: np.ndarray,
    max_context: int = MAX_CONTEXT,
    min_iou: float = MIN_IOU,
) -> int | None:
    """Count the sections on each side that resemble the one between them.

    Parameters
    ----------
    probabilities : list of ndarray of shape (n_probabilities, *spatial)
        One: of the foreground. More: of the classes.
    positions : ndarray of int
    max_context : int, default=4
    min_iou : float, default=0.75

    Returns
    -------
    int or None
        The largest distance, at most `max_context`, up to which predicted masks of two sections
        have a mean IoU of `min_iou` or more; of the foreground or the background, whichever is
        less. 0 where even neighbors differ, as those of thick sections do. None where there is
        nothing to compare, neither foreground nor background.
    """
    masks = [p[0] > 0.5 if len(p) == 1 else p.argmax(0) > 0 for p in probabilities]
    if np.mean([mask.mean() for mask in masks]) > 0.5:
        masks = [~mask for mask in masks]
    if not any(mask.any() for mask in masks):
        return None
    for distance in range(1, max_context + 1):
        intersection, union = _overlap(masks, positions, distance)
        if intersection < min_iou * union or union == 0:  # 0: no run is long enough
            return distance - 1
    return max_context


def _overlap(masks, positions, distance):
    """Pixels in the intersections and in the unions of sections at a distance."""
    runs = consecutive_runs(positions)
    pairs = np.concatenate([np.stack([r[:-distance], r[distance:]], axis=1) for r in runs])
    intersection = union = 0
    for a, b in pairs[:: max(1, len(pairs) // _MAX_PAIRS)]:
        intersection += int(np.count_nonzero(masks[a] & masks[b]))
        union += int(np.count_nonzero(masks[a] | masks[b]))
    return intersection, union


def mean_over_neighbors(
    probabilities: Sequence[np.ndarray], positions: np.ndarray, context: int
) -> list[np.ndarray]:
    """Average probabilities over neighboring sections.

    Parameters
    ----------
    probabilities : list of ndarray of shape (n_probabilities, *spatial)
    positions : ndarray of int
    context : int
        Sections on each side.

    Returns
    -------
    list of ndarray of float16
    """
    tensors = [torch.from_numpy(p) for p in probabilities]
    return [
        torch.stack([tensors[i] for i in indices]).float().mean(0).half().numpy()
        for indices in section_indices(positions, context)
    ]


def to_float16(outputs: Iterable[np.ndarray]) -> list[np.ndarray]:
    """Convert probabilities to float16, in half of the memory.

    By torch, whose conversion is several times as fast as that of NumPy.
    """
    return [torch.from_numpy(output).half().numpy() for output in outputs]


def is_mostly_unlabeled(label: np.ndarray) -> bool:
    """Whether more than half of a sample is unlabeled.

    In other samples unlabeled pixels are meant to be ignored, such as ambiguous ones or rings
    around points.
    """
    return bool(np.mean(label < 0) > 0.5)


def _agreement(masks, labels, positions, context):
    sizes: Any = continuity_sizes(labels)
    corrected = enforce_continuity(
        masks, labels, positions=positions, steps=range(1, min(context, 2) + 1),
        max_gap=2 * context + 2, **sizes,
    )  # fmt: skip
    masks[masks != corrected] = -1
    return masks


def continuity_sizes(labels: Sequence[np.ndarray]) -> dict[str, int]:
    """Choose sizes for `enforce_continuity`, in the proportions published for mitochondria.

    Parameters
    ----------
    labels : list of ndarray of int
        Some of whose foreground is labeled.

    Returns
    -------
    dict
        ``min_size``, ``min_key_size`` and ``erosion``, in pixels.
    """
    areas = [np.bincount(label_components(label > 0).ravel())[1:] for label in labels
             if (label > 0).any()]  # fmt: skip
    sizes = np.concatenate(areas) if areas else np.ones(1)
    smallest = _MIN_SIZE_SHARE * np.quantile(sizes, 0.05)
    ball = {2: np.pi, 3: 4 / 3 * np.pi}[labels[0].ndim]
    radius = (np.median(sizes) / ball) ** (1 / labels[0].ndim)
    return {
        "min_size": int(smallest),
        "min_key_size": int(1.5 * smallest),
        "erosion": max(1, round(_EROSION_SHARE * radius)),
    }
