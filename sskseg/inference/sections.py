"""`SectionPredictor`: samples with their neighboring sections, and correction by these."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch

from ..images import check_positions, consecutive_runs, section_indices
from .orientations import n_orientations, section_orientations
from .predictor import DensePredictor, Orientations


@dataclass(frozen=True)
class Sections:
    """How samples depend on each other.

    Parameters
    ----------
    consecutive : bool, default=False
        Whether samples are sections in z order.
    context : int, default=0
        Sections on each side that the network reads as further channels.
    correction_context : int, default=0
        Sections on each side by whose predictions each section is corrected.
    """

    consecutive: bool = False
    context: int = 0
    correction_context: int = 0

    def indices(self, positions: Any, n_samples: int) -> np.ndarray:
        """Sections that make up the input channels of each sample, (n_samples, n_sections)."""
        positions = check_positions(positions, n_samples)
        if not self.consecutive:
            return np.arange(n_samples)[:, None]
        return section_indices(positions, self.context)


@dataclass(frozen=True)
class SectionPredictor:
    """Predict samples; of consecutive sections, correct each by its neighbors.

    Parameters
    ----------
    first : DensePredictor
        Predicts each sample from its images.
    n_outputs : int
        Of `first`, for each pixel.
    sections : Sections
    correction : DensePredictor, default=None
        Maps the predictions of neighboring sections to the one in their middle.
    test_time_augmentation : bool, default=False
    dihedral : bool, default=True
        Whether the network learned from flipped and turned images.
    """

    first: DensePredictor
    n_outputs: int
    sections: Sections = Sections()
    correction: DensePredictor | None = None
    test_time_augmentation: bool = False
    dihedral: bool = True

    def orientations(self, positions: np.ndarray | None = None) -> Orientations:
        """Orientations in which samples are predicted, see `DensePredictor.predict`.

        The correction averages over sections. Each is predicted in another orientation, as in
        training, so that the mean is over orientations too, at no cost.
        """
        chosen, n_averaged = None, 1
        if self.correction is not None and self.dihedral and positions is not None:
            chosen = section_orientations(positions, self.first.ndim)
            n_averaged = 2 * self.sections.correction_context + 1
        few = chosen is None or n_averaged < n_orientations(self.first.ndim)
        return "mean" if self.test_time_augmentation and few else chosen

    def predict(
        self,
        images: Sequence[np.ndarray],
        positions: Any = None,
        wanted: np.ndarray | None = None,
    ) -> Iterator[tuple[int, np.ndarray]]:
        """Predict samples in any order.

        Parameters
        ----------
        images : sequence of ndarray of shape (*spatial, n_channels)
        positions : ndarray of int, default=None
        wanted : ndarray of int, default=None
            Indices of the samples that are needed; others may be predicted, too. None is all.

        Yields
        ------
        index : int
        prediction : ndarray of float32, shape (n_outputs, *spatial)
        """
        indices = self.sections.indices(positions, len(images))
        wanted = np.arange(len(images)) if wanted is None else wanted
        if self.correction is None:
            outputs = self.first.predict(images, indices[wanted], self.orientations())
            yield from zip(wanted, outputs, strict=True)
            return
        positions = check_positions(positions, len(images))
        for run in consecutive_runs(positions):
            run = self._needed(run, wanted)
            if run.size:
                outputs = self.first.predict(
                    images, indices[run], self.orientations(positions[run])
                )
                yield from zip(run, self._correct(self.correction, outputs, len(run)), strict=True)

    def predict_some(
        self, images: Sequence[np.ndarray], positions: Any, wanted: np.ndarray
    ) -> list[np.ndarray]:
        """Predict the samples of some indices, in their order; see `predict`."""
        found = {i: output for i, output in self.predict(images, positions, wanted) if i in wanted}
        return [found[i] for i in wanted]

    def _needed(self, run, wanted):
        """The part of a run that the wanted sections and their correction need."""
        at = np.flatnonzero(np.isin(run, wanted))
        if not at.size:
            return run[:0]
        context = self.sections.correction_context
        return run[max(0, at[0] - context) : at[-1] + context + 1]

    def _correct(self, correction, outputs, n_sections):
        context = self.sections.correction_context
        return correction.predict_inputs(neighbor_windows(outputs, n_sections, context))

    def predict_lazily(
        self, X: Any, positions: Any, finish: Callable[[np.ndarray], np.ndarray]
    ) -> Any:
        """Predict a dask array of shape (n_samples, *spatial, n_channels); see `predict`.

        Parameters
        ----------
        X : dask array
        positions : array-like of int or None
        finish : callable
            Maps (n_outputs, *spatial) to what is returned of a sample; picklable.

        Returns
        -------
        dask array
        """
        indices = self.sections.indices(positions, len(X))
        if self.correction is None:
            orientations = self.orientations()
            return self.first.predict_lazily(X, indices, finish, self.n_outputs, orientations)
        positions = check_positions(positions, len(X))
        probabilities = self.first.predict_lazily(
            X, indices, _channels_last, self.n_outputs, self.orientations(positions)
        )
        windows = section_indices(positions, self.sections.correction_context)
        return self.correction.predict_lazily(probabilities, windows, finish, self.n_outputs)


def neighbor_windows(
    probabilities: Iterable[np.ndarray], n_sections: int, context: int
) -> Iterator[torch.Tensor]:
    """Join each section's probabilities with those of its neighbors, as channels.

    Parameters
    ----------
    probabilities : iterable of `n_sections` ndarray of shape (n_outputs, *spatial)
        Of neighboring sections.
    n_sections, context : int

    Yields
    ------
    Tensor of shape ((2 * context + 1) * n_outputs, *spatial)
        Of the dtype of the probabilities: in bfloat16 0.9985 would be 1.
    """
    remaining = iter(probabilities)

    @lru_cache(maxsize=2 * context + 1)
    def section(_):  # called in order, once for each section
        return torch.from_numpy(next(remaining))

    for window in section_indices(np.arange(n_sections), context):
        for index in range(window.min(), window.max() + 1):
            section(int(index))
        yield torch.cat([section(int(index)) for index in window])


def _channels_last(output):
    return np.moveaxis(output, 0, -1)
