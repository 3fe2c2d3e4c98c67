"""Which images the page shows: the worst, the median and the best ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np


class Ranking(NamedTuple):
    """A number for each image, low where the result is worse or less certain.

    Parameters
    ----------
    values : ndarray of float, shape (n_images,)
        NaN where it is unknown.
    low, high : str
        What images of low and of high values have.
    """

    values: np.ndarray
    low: str
    high: str


class Chosen(NamedTuple):
    """Images of a group that are shown.

    Parameters
    ----------
    indices : list of int
    notes : list of str
        Why an image is shown; empty if all images are.
    rule : str
        The rule, as a sentence.
    """

    indices: list[int]
    notes: list[str]
    rule: str


def rank_images(outputs: Any, f1: np.ndarray) -> Ranking:
    """Rank images by F1, or without labels by their likeness to those of fit, or by objects."""
    if np.isfinite(f1).any():
        return Ranking(f1, "lowest F1", "highest F1")
    for _, step, inputs in outputs.steps:
        if hasattr(step, "score_samples"):  # DomainCheck
            values = step.score_samples(inputs)
            return Ranking(values, "least like training images", "most like training images")
    counts = [len(np.unique(label)) for label in outputs.objects]
    return Ranking(np.array(counts, float), "fewest objects", "most objects")


def choose_images(pool: Sequence[int], ranking: Ranking, max_images: int, kind: str) -> Chosen:
    """Choose images of the lowest, the median and the highest values.

    Parameters
    ----------
    pool : sequence of int
        Indices to choose from.
    ranking : Ranking
    max_images : int
    kind : str
        What the images of the pool are called.

    Returns
    -------
    Chosen
        All images in their order, if they are not more than `max_images`.
    """
    n, k = len(pool), max_images
    if n <= k:
        return Chosen([int(i) for i in pool], [""] * n, "")
    order = np.asarray(pool)[np.argsort(ranking.values[pool], kind="stable")]
    n_low, n_high = (k + 1) // 3, k // 3
    n_middle = k - n_low - n_high
    first = (n - n_middle) // 2
    middle = order[first : first + n_middle]
    indices = [*order[:n_low], *middle, *order[n - n_high :]]
    notes = [ranking.low] * n_low + ["median"] * n_middle + [ranking.high] * n_high
    *first_kinds, last_kind = dict.fromkeys(notes)
    shown = " and ".join([", ".join(first_kinds), last_kind] if first_kinds else [last_kind])
    rule = f"{k} of {n} {kind}: {shown}."
    return Chosen([int(i) for i in indices], notes, rule)


def evenly_spaced(pool: Sequence[int], max_images: int, kind: str) -> Chosen:
    """Choose images, such as sections of a stack, in equal steps."""
    n = len(pool)
    if n <= max_images:
        return Chosen([int(i) for i in pool], [""] * n, "")
    at = np.linspace(0, n - 1, max_images).round().astype(int)
    indices = np.asarray(pool)[at].tolist()
    return Chosen(indices, [""] * max_images, f"{max_images} of {n} {kind}, in equal steps.")
