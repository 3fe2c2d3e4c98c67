"""Search of parameters of objects, on all samples and, from the same labels, on some of them."""

import numpy as np

from .intervals import scaled_errors

_FOLDS = 5


class Calibration:
    """Search of parameters: what is better than a default by more than its standard error.

    Parameters
    ----------
    evaluate : callable
        ``evaluate(**values) -> (evidence, counts)``: an array (n_samples, m) whose sum over
        samples tells their loss, and the objects of each sample.
    loss : callable
        ``loss(evidence summed over samples) -> float``.
    n_samples : int
    start : dict of str to float
    order : sequence of str
        What is searched, one after the other.
    choices : dict of str to sequence or callable
        Values to try, the default first, or ``choices(values, rows)`` that gives them.

    Notes
    -----
    Another value takes the place of the default, or in a second pass of what the first one chose,
    only if its loss is less by more than the standard error of that difference over samples
    (jackknife; a single sample is followed): the probabilities of images that a network was trained
    on ask for too many objects. Sections of a stack resemble each other, so that their standard
    error is too small.
    """

    def __init__(self, evaluate, loss, n_samples, start, order, choices):
        self.evaluate, self.loss, self.n_samples = evaluate, loss, n_samples
        self.start, self.order, self.choices = start, order, choices
        self._known = {}

    def search(self, rows=None):
        """The best values, on the samples `rows` (None: all)."""
        rows = np.arange(self.n_samples) if rows is None else rows
        values, chosen = dict(self.start), {}
        for name in self.order:
            choices = self.choices[name]
            choices = choices(values, rows) if callable(choices) else choices
            first = chosen.get(name, choices[0])
            evidence = {v: self._evaluate({**values, name: v})[0][rows] for v in (first, *choices)}
            losses = {v: self.loss(each.sum(axis=0)) for v, each in evidence.items()}
            better = [
                value
                for value in evidence
                # Where one sample alone is better, gain and error are equal but for rounding.
                if losses[first] - losses[value]
                > (1 + 1e-6) * self._error(evidence[value], evidence[first])
            ]
            values[name] = chosen[name] = min(better, key=losses.get, default=first)
        return values

    def _error(self, one, other):
        """Standard error of the difference of two losses, by the jackknife."""
        n = len(one)
        if n < 2:
            return 0.0
        # As much as all of them, so that losses that are sums are right, too.
        without = [n / (n - 1) * (each.sum(axis=0) - each) for each in (one, other)]
        differences = np.array([self.loss(a) - self.loss(b) for a, b in zip(*without, strict=True)])
        return float(np.sqrt((n - 1) * differences.var()))

    def count_residuals(self, true_counts):
        """Sorted errors of counts with the values that are best on others, in units of
        ``sqrt(count + 1)``; None where fewer than two counts are known (not NaN)."""
        if np.isfinite(true_counts).sum() < 2:
            return None
        return scaled_errors(true_counts, self._held_out_counts())

    def _held_out_counts(self):
        n = self.n_samples
        counts, fold_of = np.zeros(n), np.arange(n) % min(_FOLDS, n)
        for fold in np.unique(fold_of):
            values = self.search(np.flatnonzero(fold_of != fold))
            counts[fold_of == fold] = self._evaluate(values)[1][fold_of == fold]
        return counts

    def _evaluate(self, values):
        key = tuple(values.values())
        if key not in self._known:
            self._known[key] = self.evaluate(**values)
        return self._known[key]
