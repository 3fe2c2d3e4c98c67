"""`SectionPredictor`: samples with their neighboring sections, and correction by these."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch

from ..images import check_positions, consecutive_runs, section_indices
from .orientations import section_orientations
from .predictor import DensePredictor, Orientations
from .tiling import Box


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

    @property
    def n_read(self) -> int:
        """Number of sections that the network reads at once."""
        return 2 * self.context + 1 if self.consecutive else 1

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
        Probabilities of each pixel.
    sections : Sections
    correction : DensePredictor, default=None
        Maps the predictions of neighboring sections to the one in their middle.
    test_time_augmentation : bool, default=False
    dihedral : bool, default=True
        Whether the network learned from flipped and turned images.
    n_further : int, default=0
        Outputs of `first` that follow the probabilities, and that no correction changes.
    """

    first: DensePredictor
    n_outputs: int
    sections: Sections = Sections()
    correction: DensePredictor | None = None
    test_time_augmentation: bool = False
    dihedral: bool = True
    n_further: int = 0

    @property
    def n_passes(self) -> int:
        """How often a network predicts each sample."""
        return 1 + (self.correction is not None)

    def orientations(self, positions: np.ndarray | None = None) -> Orientations:
        """Orientations in which samples are predicted, see `DensePredictor.predict`.

        With test-time augmentation, each sample is predicted in all of them. Without, the
        correction averages over sections. Each is then predicted in another orientation, as in
        training, so that the mean is over orientations too, at no cost.
        """
        if self.test_time_augmentation:
            return "mean"
        if self.correction is None or not self.dihedral or positions is None:
            return None
        return section_orientations(positions, self.first.ndim)

    def predict(
        self,
        images: Sequence[np.ndarray],
        positions: Any = None,
        wanted: np.ndarray | None = None,
        part: Box | None = None,
    ) -> Iterator[tuple[int, np.ndarray]]:
        """Predict samples in any order.

        Parameters
        ----------
        images : sequence of ndarray of shape (*spatial, n_channels)
        positions : ndarray of int, default=None
        wanted : ndarray of int, default=None
            Indices of the samples that are needed; others may be predicted, too. None is all.
        part : tuple of slice, default=None
            Of the images, which is all that is returned; None is the whole.

        Yields
        ------
        index : int
        prediction : ndarray of float32, shape (n_outputs + n_further, *part)
        """
        indices = self.sections.indices(positions, len(images))
        wanted = np.arange(len(images)) if wanted is None else wanted
        if self.correction is None:
            outputs = self.first.predict(images, indices[wanted], self.orientations(), part)
            yield from zip(wanted, outputs, strict=True)
            return
        inner: Any = (...,) if part is None else (..., *part)
        positions = check_positions(positions, len(images))
        for run in consecutive_runs(positions):
            run = self._needed(run, wanted)
            if run.size:
                outputs = self.first.predict(
                    images, indices[run], self.orientations(positions[run])
                )
                corrected = self._correct(self.correction, outputs, len(run))
                yield from zip(run, (each[inner] for each in corrected), strict=True)

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
        context, further = self.sections.correction_context, deque[np.ndarray]()

        def probabilities():
            for output in outputs:
                further.append(output[self.n_outputs :])
                yield output[: self.n_outputs]

        windows = neighbor_windows(probabilities(), n_sections, context)
        for corrected in correction.predict_inputs(windows):
            yield np.concatenate([corrected, further.popleft()])

    def predict_lazily(
        self, X: Any, positions: Any, finish: Callable[[np.ndarray], np.ndarray]
    ) -> Any:
        """Predict a dask array of shape (n_samples, *spatial, n_channels); see `predict`.

        Parameters
        ----------
        X : dask array
        positions : array-like of int or None
        finish : callable
            Maps a prediction, see `predict`, to what is returned of a sample; picklable.

        Returns
        -------
        dask array
        """
        indices, n = self.sections.indices(positions, len(X)), self.n_outputs
        n_first = n + self.n_further
        if self.correction is None:
            return self.first.predict_lazily(X, indices, finish, n_first, self.orientations())
        positions = check_positions(positions, len(X))
        orientations = self.orientations(positions)
        first = self.first.predict_lazily(X, indices, _channels_last, n_first, orientations)
        windows = section_indices(positions, self.sections.correction_context)
        if not self.n_further:
            return self.correction.predict_lazily(first, windows, finish, n)
        corrected = self.correction.predict_lazily(first[..., :n], windows, _channels_last, n)
        return _finished(corrected, first[..., n:], finish)


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


def _finished(probabilities, further, finish):
    """Apply `finish` to predictions whose channels lie in two dask arrays."""
    import dask.array as da

    further = further.rechunk({**dict(enumerate(probabilities.chunks[:-1])), further.ndim - 1: -1})
    example = _finish_blocks(
        *(np.zeros((1,) * (x.ndim - 1) + x.shape[-1:], x.dtype) for x in (probabilities, further)),
        finish=finish,
    )
    channels = ((example.shape[-1],),) if example.ndim == probabilities.ndim else ()
    return da.map_blocks(
        _finish_blocks, probabilities, further, finish=finish, dtype=example.dtype,
        chunks=(*probabilities.chunks[:-1], *channels),
        drop_axis=[] if channels else probabilities.ndim - 1,
        meta=np.empty((0,) * example.ndim, example.dtype),
    )  # fmt: skip


def _finish_blocks(probabilities, further, *, finish):
    samples = np.concatenate([probabilities, further], axis=-1)
    return np.stack([finish(np.moveaxis(sample, -1, 0)) for sample in samples])
