"""From proposals to objects: non-maximum suppression."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array

from ..morphology import paint_masks, suppress_overlaps


class Proposals(NamedTuple):
    """Proposed objects of an image, which may overlap.

    Parameters
    ----------
    contours : ndarray of float64, shape (n_proposals, samples, 2)
    scores : ndarray of float32, shape (n_proposals,)
        From high to low.
    masks : csr_array of int, shape (n_proposals, height * width)
    shape : tuple of 2 ints
        Size of the image in pixels.
    """

    contours: np.ndarray
    scores: np.ndarray
    masks: csr_array
    shape: tuple[int, int]

    def above(self, score_threshold: float) -> Proposals:
        """Return the proposals that score more than a threshold."""
        kept = np.flatnonzero(self.scores > score_threshold)
        return Proposals(self.contours[kept], self.scores[kept], self.masks[kept], self.shape)


class Detections(NamedTuple):
    """Objects of an image.

    Parameters
    ----------
    labels : ndarray of int64, shape (height, width)
    contours : ndarray of float64, shape (n_objects, samples, 2)
    scores : ndarray of float32, shape (n_objects,)
    """

    labels: np.ndarray
    contours: np.ndarray
    scores: np.ndarray

    def remove_small(self, min_size: int) -> Detections:
        """Return the detections of at least `min_size` visible pixels, renumbered."""
        sizes = np.bincount(self.labels.ravel(), minlength=len(self.scores) + 1)[1:]
        large = sizes >= min_size
        numbers = np.concatenate([[0], np.cumsum(large) * large])
        return Detections(numbers[self.labels], self.contours[large], self.scores[large])


def non_maximum_suppression(proposals: Proposals, nms_threshold: float) -> Detections:
    """Keep the best of proposals that overlap too much, and paint them.

    Parameters
    ----------
    proposals : Proposals
    nms_threshold : float in [0, 1]
        Maximum overlap, as a share of the smaller object's pixels.

    Returns
    -------
    Detections
        Proposals that others hide entirely are left out.
    """
    kept = suppress_overlaps(proposals.masks, proposals.scores, nms_threshold)
    labels, visible = paint_masks(proposals.masks[kept], proposals.shape)
    kept = kept[visible]
    return Detections(labels, proposals.contours[kept], proposals.scores[kept])
