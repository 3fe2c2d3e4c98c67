"""Pseudo-labels: what a network and the continuity of sections say of unlabeled pixels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from ...images import consecutive_runs, section_indices
from ...morphology import label_components
from ...morphology.continuity import enforce_in_blocks

MAX_CONTEXT = 4
MIN_IOU = 0.75  # of sections so far apart that one still says something about the other
_MAX_PAIRS = 64  # of sections that are compared
CONFIDENCE = 0.75  # of `transduction_`
_MIN_SIZE_SHARE = 0.5  # of the area of small labeled objects: what is smaller is an error
_EROSION_SHARE = 0.1  # of the radius of an object, from section to section


class PseudoLabels(NamedTuple):
    """Pseudo-labels of all training samples.

    Parameters
    ----------
    labels : list of ndarray of int8 (int16 for classes)
        -1 where a mask and its correction disagree.
    probabilities : list of ndarray of float16, shape (n_probabilities, *spatial)
        Empty where nothing reads them.
    means : sequence of ndarray of float16
        Probabilities averaged over neighboring sections, computed when they are read;
        `probabilities` for independent samples. Empty with these.
    uncertain : sequence of ndarray of bool, shape (*spatial), or None
        Unlabeled pixels of a low probability, if these were asked for.
    """

    labels: list
    probabilities: list
    means: Sequence
    uncertain: Sequence | None = None


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
    return agree(predicted_masks(probabilities), labels, positions, context)


def predicted_masks(probabilities: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Return the most probable label of each pixel.

    Parameters
    ----------
    probabilities : sequence of ndarray of shape (n_probabilities, *spatial)
        One: of the foreground. More: of the classes.

    Returns
    -------
    list of ndarray of int8 (int16 for classes)
    """
    if len(probabilities[0]) > 1:
        return in_one_block((p.argmax(0) for p in probabilities), len(probabilities), np.int16)
    return in_one_block((p[0] > 0.5 for p in probabilities), len(probabilities), np.int8)


def in_one_block(arrays: Iterable[np.ndarray], n: int, dtype: Any) -> list[np.ndarray]:
    """Convert `n` arrays, if possible to views of one array.

    Arrays that are made one by one, among others that are freed, would scatter over memory, of
    which the system gets little back.
    """
    result: list[np.ndarray] = []
    block = None
    for i, array in enumerate(arrays):
        if block is None:
            block = np.empty((n, *array.shape), dtype)
        view = block[i] if array.shape == block.shape[1:] else np.empty(array.shape, dtype)
        # Torch converts to float16 several times as fast as NumPy.
        torch.from_numpy(view).copy_(torch.from_numpy(array))
        result.append(view)
    return result


def agree(
    pseudo: list[np.ndarray],
    labels: Sequence[np.ndarray],
    positions: np.ndarray | None = None,
    context: int = 0,
) -> list[np.ndarray]:
    """Make pseudo-labels of `predicted_masks`, in their memory; see `pseudo_labels`."""
    are_classes = pseudo[0].dtype == np.int16
    if context > 0 and positions is not None and not are_classes:
        _mask_disagreement(pseudo, labels, positions, context)
    for guess, label in zip(pseudo, labels, strict=True):
        known = label >= 0
        guess[known] = label[known] if are_classes else label[known] > 0
    return pseudo


def mask_low_confidence(
    pseudo: Sequence[np.ndarray],
    probabilities: Sequence[np.ndarray],
    labels: Sequence[np.ndarray],
    confidence: float = CONFIDENCE,
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
    uncertain = low_confidence(probabilities, labels, confidence)
    return [
        np.where(mask, guess.dtype.type(-1), guess)
        for guess, mask in zip(pseudo, uncertain, strict=True)
    ]


def low_confidence(
    probabilities: Sequence[np.ndarray],
    labels: Sequence[np.ndarray],
    confidence: float = CONFIDENCE,
) -> Iterator[np.ndarray]:
    """Yield masks of the unlabeled pixels whose probability is too low."""
    for probability, label in zip(probabilities, labels, strict=True):
        highest = torch.from_numpy(probability).amax(0)  # numpy is slow in float16
        if len(probability) == 1:
            highest = torch.maximum(highest, 1 - highest)
        yield (highest < confidence).numpy() & (label < 0)


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
    shares = [_foreground(p).mean() for p in probabilities]
    inverted = np.mean(shares) > 0.5
    if not any(share != inverted for share in shares):
        return None

    def mask(index):
        return _foreground(probabilities[index]) != inverted

    for distance in range(1, max_context + 1):
        intersection, union = _overlap(mask, positions, distance)
        if intersection < min_iou * union or union == 0:  # 0: no run is long enough
            return distance - 1
    return max_context


def _foreground(probability):
    return probability[0] > 0.5 if len(probability) == 1 else probability.argmax(0) > 0


def _overlap(mask, positions, distance):
    """Pixels in the intersections and in the unions of sections at a distance."""
    runs = consecutive_runs(positions)
    pairs = np.concatenate([np.stack([r[:-distance], r[distance:]], axis=1) for r in runs])
    intersection = union = 0
    for a, b in pairs[:: max(1, len(pairs) // _MAX_PAIRS)]:
        one, other = mask(a), mask(b)
        intersection += int(np.count_nonzero(one & other))
        union += int(np.count_nonzero(one | other))
    return intersection, union


class NeighborMeans(Sequence):
    """Probabilities averaged over neighboring sections, each computed when it is read.

    Parameters
    ----------
    probabilities : list of ndarray of shape (n_probabilities, *spatial)
    positions : ndarray of int
    context : int
        Sections on each side.
    """

    def __init__(self, probabilities: list[np.ndarray], positions: np.ndarray, context: int):
        self.probabilities = probabilities
        self.indices = section_indices(positions, context)

    def __len__(self):
        return len(self.indices)

    def __getitem__(self, i):
        """Return the mean of section i, float16."""
        return mean_of([self.probabilities[j] for j in self.indices[i]])


def mean_of(probabilities: Sequence[np.ndarray]) -> np.ndarray:
    """Average arrays, as float16."""
    sections = [torch.from_numpy(p) for p in probabilities]
    return torch.stack(sections).float().mean(0).half().numpy()


def is_mostly_unlabeled(label: np.ndarray) -> bool:
    """Whether more than half of a sample is unlabeled.

    In other samples unlabeled pixels are meant to be ignored, such as ambiguous ones or rings
    around points.
    """
    return bool(np.mean(label < 0) > 0.5)


def _mask_disagreement(masks, labels, positions, context):
    """Set pixels to -1 where masks and their correction disagree, in place."""
    sizes: Any = continuity_sizes(labels)
    corrected = enforce_in_blocks(
        masks, labels, positions, steps=range(1, min(context, 2) + 1), max_gap=2 * context + 2,
        **sizes,
    )  # fmt: skip
    for sections, block in corrected:
        for section, mask in zip(sections, block, strict=True):
            # The next block still reads the mask, in the last bit.
            masks[section] |= np.int8(2) * (masks[section] != mask)
    for mask in masks:
        mask[mask > 1] = -1


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
