"""What is learned from unlabeled images: which methods, and the labels that they settle on."""

import logging
import warnings

import numpy as np
import torch

from ..images import consecutive_runs, section_indices
from ..morphology import enforce_continuity, label_components

_LOGGER = logging.getLogger(__name__)
METHODS = ("continuity", "consistency", "self-training", "mean-teacher")
_MAX_CONTEXT = 4
_MIN_LABELED_SECTIONS = (
    1.5  # labeled sections, as areas, that teach more than what is guessed of the others
)
_CONTINUOUS = 0.75  # IoU of sections so far apart that they still tell something of each other
_MAX_SECTIONS = 64  # looked at for that
_SURE = 0.75
_SMALLEST = 0.5  # of the area of small labeled objects: what is smaller is taken for an error
_THINNING = 0.1  # of the radius of an object, from section to section


def check_semi_supervision(methods):
    """Turn the parameter `semi_supervision` into "auto" or a tuple of methods.

    Raises
    ------
    ValueError
        For anything but None, "auto", or one or several of `METHODS`; and for both "consistency"
        and "mean-teacher", which have a teacher each.
    """
    if methods is None or (isinstance(methods, str) and methods == "auto"):
        return methods or ()
    chosen = (methods,) if isinstance(methods, str) else tuple(methods)
    if not chosen or any(chosen.count(name) > 1 or name not in METHODS for name in chosen):
        raise ValueError(
            f"semi_supervision must be 'auto', None, or one or several of {METHODS}, got "
            f"{methods!r}."
        )
    if {"consistency", "mean-teacher"} <= set(chosen):
        raise ValueError("semi_supervision takes 'consistency' or 'mean-teacher', not both.")
    return chosen


def choose_methods(methods, labels, positions, consecutive):
    """Decide how to learn from what is not labeled.

    Parameters
    ----------
    methods : "auto" or tuple of str
        As `check_semi_supervision` gives it.
    labels : list of ndarray of int
        -1 unlabeled; of the samples that are trained on.
    positions : ndarray of int
        Of these samples.
    consecutive : bool
        Whether they are sections of a stack.

    Returns
    -------
    methods : tuple of str
    reason : str
    """
    if methods == ():
        return (), "semi_supervision is None"
    longest = longest_run(positions, consecutive)
    unlabeled = [bool((label < 0).any()) for label in labels]
    if not any(unlabeled):
        warnings.warn(
            "Every pixel of y is labeled, so that nothing is left for semi-supervised learning: "
            "training is supervised. semi_supervision=None says so without this warning.",
            UserWarning,
            stacklevel=4,
        )
        return (), "every pixel is labeled"
    if methods != "auto" and "continuity" in methods and longest < 2:
        methods = tuple(name for name in methods if name != "continuity")
        return methods, "as asked for; of what is learned from no two are neighboring sections"
    if methods != "auto":
        return methods, "as asked for"
    if not any(is_mostly_unlabeled(label) for label in labels):
        return (), "every sample is labeled for the most part, and what is not is left out"
    found = f"{sum(unlabeled)} of {len(labels)} samples are not labeled, or not wholly"
    if longest < 2:
        return ("self-training",), f"{found}; no two are neighboring sections"
    found += f"; up to {longest} are neighboring sections"
    labeled = _labeled_sections(labels, positions)
    if labeled >= _MIN_LABELED_SECTIONS:
        return ("continuity",), f"{found}; labels of {labeled:.3g} sections, far from each other"
    return ("self-training", "continuity"), found


def longest_run(positions, consecutive):
    """Neighboring sections in the longest stack; 1 where samples are no sections."""
    return max(len(run) for run in consecutive_runs(positions)) if consecutive else 1


def is_mostly_unlabeled(label):
    """Whether most of a sample is unlabeled: in others that is meant to be left out, such as what
    nobody can tell, or rings around points."""
    return bool(np.mean(label < 0) > 0.5)


def _labeled_sections(labels, positions):
    """Labeled area, in sections; those so near that they are averaged together count once."""
    shares = {}
    for row in np.argsort(positions):
        share = float(np.mean(labels[row] >= 0))
        first = next(reversed(shares), -np.inf)
        if share > 0 and positions[row] > first + 2 * _MAX_CONTEXT:
            shares[positions[row]] = share
        elif share > 0:
            shares[first] = max(shares[first], share)
    return sum(shares.values())


def continuity_context(maps, positions):
    """How many sections on each side tell something of the one between them.

    Parameters
    ----------
    maps : list of ndarray of shape (n_probabilities, *spatial)
        One: of the foreground. More: of the classes.
    positions : ndarray of int

    Returns
    -------
    int or None
        The largest distance, at most 4, up to which predicted masks of two sections have an IoU of
        0.75 or more on average; of the foreground or the background, whichever is less. 0 where
        already neighbors differ, as those of thick sections do. None where there is nothing to
        tell by, neither foreground nor background.
    """
    masks = [m[0] > 0.5 if len(m) == 1 else m.argmax(0) > 0 for m in maps]
    if np.mean([mask.mean() for mask in masks]) > 0.5:
        masks = [~mask for mask in masks]
    if not any(mask.any() for mask in masks):
        return None
    for distance in range(1, _MAX_CONTEXT + 1):
        rows = np.concatenate(
            [np.stack([run[:-distance], run[distance:]], 1) for run in consecutive_runs(positions)]
        )
        both = total = 0
        for a, b in rows[:: max(1, len(rows) // _MAX_SECTIONS)]:
            both += np.count_nonzero(masks[a] & masks[b])
            total += np.count_nonzero(masks[a] | masks[b])
        if both < _CONTINUOUS * total or total == 0:  # 0: no run is long enough
            return distance - 1
    return _MAX_CONTEXT


def log_choice(methods, reason):
    """Tell the log which methods are used, and why."""
    _LOGGER.info("semi-supervision: %s (%s)", " and ".join(methods) or "none", reason)


def to_float16(outputs):
    """Probabilities (n_probabilities, *spatial) as float16, in half of the memory.

    By torch, whose conversion is several times as fast as that of NumPy.
    """
    return [torch.from_numpy(output).half().numpy() for output in outputs]


def mean_over_neighbors(maps, positions, context):
    """Average probabilities over neighboring sections.

    Parameters
    ----------
    maps : list of ndarray of shape (n_probabilities, *spatial)
    positions : ndarray of int
    context : int
        Sections on each side.

    Returns
    -------
    list of ndarray of float16
    """
    tensors = [torch.from_numpy(m) for m in maps]
    return [
        torch.stack([tensors[i] for i in row]).float().mean(0).half().numpy()
        for row in section_indices(positions, context)
    ]


def pseudo_labels(maps, labels, positions=None, context=0):
    """Label every pixel: as it is labeled, or as probabilities and continuity agree.

    Parameters
    ----------
    maps : list of ndarray of shape (n_probabilities, *spatial)
        One: of the foreground. More: of the classes.
    labels : list of ndarray of int, shape (*spatial)
        -1 unlabeled.
    positions : ndarray of int, default=None
        Of consecutive sections.
    context : int, default=0
        Where there is any, the masks of sections are corrected by `enforce_continuity`.

    Returns
    -------
    list of ndarray of int8 (int16 for classes)
        -1 where a mask and its correction disagree.
    """
    if len(maps[0]) > 1:
        settled = [m.argmax(0).astype(np.int16) for m in maps]
    else:
        settled = [(m[0] > 0.5).astype(np.int8) for m in maps]
        if context > 0:
            settled = _agreed(np.stack(settled), labels, positions, context)
    for guess, label in zip(settled, labels, strict=True):
        known = label >= 0
        guess[known] = label[known] if len(maps[0]) > 1 else label[known] > 0
    return list(settled)


def mask_low_confidence(settled, maps, labels):
    """Settled labels with -1 where nothing is labeled and their probability is below 0.75.

    Parameters
    ----------
    settled : list of ndarray of int
        As `pseudo_labels` gives them.
    maps, labels
        From which it made them.

    Returns
    -------
    list of ndarray
    """
    result = []
    for guess, probability, label in zip(settled, maps, labels, strict=True):
        most = probability.max(0)
        if len(probability) == 1:
            most = np.maximum(most, 1 - most)
        result.append(np.where((most < _SURE) & (label < 0), guess.dtype.type(-1), guess))
    return result


def _agreed(masks, labels, positions, context):
    corrected = enforce_continuity(
        masks, labels, positions=positions, steps=range(1, min(context, 2) + 1),
        max_gap=2 * context + 2, **continuity_sizes(labels),
    )  # fmt: skip
    masks[masks != corrected] = -1
    return masks


def continuity_sizes(labels):
    """Sizes for `enforce_continuity`, in the proportions that were published for mitochondria.

    Parameters
    ----------
    labels : list of ndarray of int
        Some of whose foreground is labeled.

    Returns
    -------
    dict
    """
    areas = [np.bincount(label_components(label > 0).ravel())[1:] for label in labels
             if (label > 0).any()]  # fmt: skip
    areas = np.concatenate(areas) if areas else np.ones(1)
    smallest = _SMALLEST * np.quantile(areas, 0.05)
    ball = {2: np.pi, 3: 4 / 3 * np.pi}[labels[0].ndim]
    radius = (np.median(areas) / ball) ** (1 / labels[0].ndim)
    return {
        "min_size": int(smallest),
        "min_key_size": int(1.5 * smallest),
        "erosion": max(1, round(_THINNING * radius)),
    }


def rank_sections(disagreement, n, positions, labeled):
    """Choose sections with much disagreement, far from each other and from labeled ones.

    Parameters
    ----------
    disagreement : ndarray of shape (n_samples,)
    n : int
    positions : ndarray of int, or None
        Along z; None: samples are not sections of a stack, and distance does not count.
    labeled : ndarray of int
        Rows that are labeled already, which are not chosen.

    Returns
    -------
    ndarray of shape (n,), int
        Rows, the best first.
    """
    taken = list(labeled)
    chosen = []
    extent = len(disagreement)
    if positions is not None and extent > 1:  # without what lies between stacks
        extent *= np.median(np.diff(np.sort(positions)))
    spread = extent / (n + len(taken))
    for _ in range(n):
        gain = np.array(disagreement, dtype=float)
        if positions is not None and taken:
            nearest = np.abs(positions[:, None] - positions[taken]).min(axis=1)
            gain *= 1 - np.exp(-0.5 * (2 * nearest / spread) ** 2)
        gain[taken] = -np.inf
        chosen.append(int(gain.argmax()))
        taken.append(chosen[-1])
    return np.array(chosen, dtype=np.intp)
