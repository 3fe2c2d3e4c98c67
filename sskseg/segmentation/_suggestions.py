"""Which samples to label next: where the network disagrees with itself."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..images import consecutive_runs
from ..inference import SectionPredictor, mutual_information, n_orientations
from .semi_supervised.pseudo_labels import in_one_block


def disagreement(
    predictor: SectionPredictor, images: Sequence[np.ndarray], positions: np.ndarray
) -> np.ndarray:
    """Compute the mutual information between pixels and predictions, as a mean over each sample.

    The predictions are of neighboring sections where these resemble each other, else of flips and
    turns.

    Parameters
    ----------
    predictor : SectionPredictor
    images : list of ndarray of shape (*spatial, n_channels)
    positions : ndarray of int

    Returns
    -------
    ndarray of float, shape (n_samples,)
    """
    indices = predictor.sections.indices(positions, len(images))
    n_sections = 2 * predictor.sections.correction_context + 1
    scores = np.zeros(len(images))
    for run in consecutive_runs(positions):
        if 1 < n_sections <= len(run):
            scores[run] = _among_sections(predictor.first, images, indices[run], n_sections)
        else:
            scores[run] = [_among_orientations(predictor, images, indices[i]) for i in run]
    return scores


def _among_sections(predictor, images, indices, n_sections):
    probabilities = in_one_block(predictor.predict(images, indices), len(indices), np.float16)
    first = np.arange(len(indices)) - n_sections // 2
    starts = first.clip(0, len(indices) - n_sections)
    return [mutual_information(probabilities[start : start + n_sections]) for start in starts]


def _among_orientations(predictor, images, sections):
    orientations = np.arange(n_orientations(predictor.first.ndim))
    same = np.repeat(sections[None], len(orientations), axis=0)
    return mutual_information(list(predictor.first.predict(images, same, orientations)))


def rank_sections(
    disagreement: np.ndarray, n: int, positions: np.ndarray | None, labeled: np.ndarray
) -> np.ndarray:
    """Choose sections with much disagreement, far from each other and from labeled ones.

    Parameters
    ----------
    disagreement : ndarray of shape (n_samples,)
    n : int
    positions : ndarray of int, or None
        Along z; None: samples are not sections of a stack, and distance does not count.
    labeled : ndarray of int
        Indices of labeled samples, which are not chosen.

    Returns
    -------
    ndarray of shape (n,), int
        Indices, the best first.
    """
    taken = list(labeled)
    chosen: list[int] = []
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
