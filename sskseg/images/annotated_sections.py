"""Annotated objects that span sections."""

from typing import Any

import numpy as np

from ..morphology import count_over_sections, join_sections, label_over_sections
from .sections import consecutive_runs


def objects_over_sections(
    annotations: Any, indices: np.ndarray, positions: np.ndarray
) -> list[np.ndarray]:
    """Label the objects of fully labeled sections, with one id for an object over all of them.

    Parameters
    ----------
    annotations : Annotations
        Of label images.
    indices : ndarray of int, shape (n_indices,)
        The sections.
    positions : ndarray of int, shape (n_indices,)

    Returns
    -------
    list of ndarray of int64, each of shape (*spatial)
        See `sskseg.morphology.label_over_sections`; components of a mask that overlap are one.
    """
    label = join_sections if annotations.is_mask else label_over_sections
    return label([annotations.objects(i) for i in indices], positions)


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
    for run in consecutive_runs(positions):
        if np.isin(run, annotations.fully_labeled).all():
            labels = objects_over_sections(annotations, run, positions[run])
            counts[run] = count_over_sections(labels, positions[run], margin)
    return counts
