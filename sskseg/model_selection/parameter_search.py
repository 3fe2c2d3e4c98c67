"""Search of a few parameters, one after the other, that prefers defaults."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from .intervals import known_counts

_N_FOLDS = 5


class ParameterSearch:
    """Coordinate search that leaves a default only for a significantly lower loss.

    Parameters
    ----------
    evaluate : callable
        ``evaluate(**values) -> (statistics, counts)``: an array of shape (n_samples, m), whose sum
        over samples determines the loss, and the predicted count of each sample. A single sample
        may have several statistics, of its parts.
    loss : callable
        ``loss(statistics summed over samples) -> float``.
    n_samples : int
    start : dict of str to float
        Value of each parameter.
    order : sequence of str
        Parameters to search, one after the other; a name may occur twice.
    candidates : dict of str to sequence or callable
        Values to try, the default first, or ``candidates(values, indices)`` that returns them for
        the current values and the samples `indices`.
    margins : dict of str to float, default=None
        Standard errors by which another value of a parameter must be better; 1 for others.

    Notes
    -----
    Another value replaces the default (in a second pass the value chosen in the first) only if its
    loss is lower by more than `margins` standard errors of the difference over samples, estimated
    by the jackknife, or over the parts of a single sample. If these are not known, there is no
    standard error, and the lowest loss wins. The margin matters since probabilities of images that
    a network was trained on favor too many objects. Sections of a stack are correlated, so that
    their standard error is underestimated.
    """

    def __init__(
        self,
        evaluate: Callable[..., tuple[np.ndarray, np.ndarray]],
        loss: Callable[[np.ndarray], float],
        n_samples: int,
        start: Mapping[str, float],
        order: Sequence[str],
        candidates: Mapping[str, Sequence[float] | Callable],
        margins: Mapping[str, float] | None = None,
    ):
        self.evaluate, self.loss, self.n_samples = evaluate, loss, n_samples
        self.start, self.order, self.candidates = start, order, candidates
        self.margins = margins or {}
        self._evaluated: dict[tuple, tuple[np.ndarray, np.ndarray]] = {}

    def search(self, indices: np.ndarray | None = None) -> dict[str, float]:
        """Find the best values on the samples `indices` (None: all)."""
        indices = np.arange(self.n_samples) if indices is None else indices
        values = dict(self.start)
        chosen: dict[str, float] = {}
        for name in self.order:
            candidates = self.candidates[name]
            if callable(candidates):
                candidates = candidates(values, indices)
            first = chosen.get(name, candidates[0])
            values[name] = chosen[name] = self._best(name, first, candidates, values, indices)
        return values

    def _best(self, name, first, candidates, values, indices):
        """Return the value with the lowest loss among `first` and those significantly better."""
        chosen = slice(None) if self.n_samples == 1 else indices
        statistics = {
            value: self._evaluate({**values, name: value})[0][chosen]
            for value in (first, *candidates)
        }
        losses = {value: self.loss(each.sum(axis=0)) for value, each in statistics.items()}
        margin = self.margins.get(name, 1) * (1 + 1e-6)
        better = [
            value
            for value in statistics
            # If a single sample improves, gain and error are equal up to rounding.
            if losses[first] - losses[value]
            > margin * self._standard_error(statistics[value], statistics[first])
        ]
        return min(better, key=losses.__getitem__, default=first)

    def _standard_error(self, one, other):
        """Compute the jackknife standard error of the difference of two losses."""
        n = len(one)
        if n < 2:
            return 0.0
        # Rescaled to n samples, so that losses that are sums are comparable, too.
        without = [n / (n - 1) * (each.sum(axis=0) - each) for each in (one, other)]
        differences = np.array([self.loss(a) - self.loss(b) for a, b in zip(*without, strict=True)])
        return float(np.sqrt((n - 1) * differences.var()))

    def held_out_counts(self, true_counts: np.ndarray) -> np.ndarray | None:
        """Count samples by cross-validation.

        Parameters
        ----------
        true_counts : ndarray of float, shape (n_samples,)
            NaN where a count is unknown.

        Returns
        -------
        ndarray of float, shape (n_known, 2), or None
            True and predicted counts; each sample is counted with the values found on the other
            folds. None if fewer than two counts are known.
        """
        if np.isfinite(true_counts).sum() < 2:
            return None
        return known_counts(true_counts, self._cross_validated_counts())

    def _cross_validated_counts(self):
        n = self.n_samples
        counts, fold_of = np.zeros(n), np.arange(n) % min(_N_FOLDS, n)
        for fold in np.unique(fold_of):
            values = self.search(np.flatnonzero(fold_of != fold))
            counts[fold_of == fold] = self._evaluate(values)[1][fold_of == fold]
        return counts

    def _evaluate(self, values):
        key = tuple(values.values())
        if key not in self._evaluated:
            self._evaluated[key] = self.evaluate(**values)
        return self._evaluated[key]
