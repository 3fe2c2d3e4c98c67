"""Annotated objects that span sections."""

from typing import Any

import numpy as np

from ..morphology import count_over_sections, join_sections, label_over_sections
from .sections import consecutive_runs


def objects_over_sections(annotations: Any, positions: np.ndarray) -> list[np.ndarray | None]:
    """Label the objects of labeled sections, with one id for an object over all of them.

    Parameters
    ----------
    annotations : Annotations
        Of label images.
    positions : ndarray of int, shape (n_samples,)
        With gaps between stacks. Each stack may be numbered in another way.

    Returns
    -------
    list of ndarray of int64, each of shape (*spatial), or None
        See `sskseg.morphology.label_over_sections`; components of a mask that overlap are one.
        Unlabeled pixels are -1, and unlabeled sections None.
    """
    label = join_sections if annotations.is_mask else label_over_sections
    labels: list[np.ndarray | None] = [None] * len(annotations)
    n = 0
    for run in consecutive_runs(positions):
        labeled = run[np.isin(run, annotations.labeled)]
        if not len(labeled):
            continue
        given = [annotations.objects(i) for i in labeled]
        found = label(given, positions[labeled])
        for i, own, each in zip(labeled, given, found, strict=True):
            labels[i] = np.where(own < 0, -1, np.where(each > 0, each + n, 0))
        n += max(int(each.max(initial=0)) for each in found)  # two stacks share no object
    return labels


def count_annotated(annotations: Any, positions: np.ndarray, margin: int = 0) -> np.ndarray:
    """Count objects that span sections once, in the section nearest to their centroid.

    Parameters
    ----------
    annotations : Annotations
        Of label images.
    positions : ndarray of int, shape (n_samples,)
    margin : int, default=0
        As in `sskseg.morphology.count_objects`.

    Returns
    -------
    ndarray of float64, shape (n_samples,)
        NaN for all samples of a stack that is not fully labeled.
    """
    counts = np.full(len(annotations), np.nan)
    labels = objects_over_sections(annotations, positions)
    for run in consecutive_runs(positions):
        if np.isin(run, annotations.fully_labeled).all():
            counts[run] = count_over_sections([labels[i] for i in run], positions[run], margin)
    return counts
