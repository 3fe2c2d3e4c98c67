"""Search of parameters of objects, on all samples and, from the same labels, on some of them."""

from numbers import Real

import numpy as np

_FOLDS = 5
_FRAGMENTED = 0.1  # share of the labelled objects
_GAPS = (0.2, 0.35, 0.5)  # of an object's diameter, between its fragments


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


def scaled_errors(true_counts, counts):
    """Sorted errors of counts in units of ``sqrt(count + 1)``, where the true ones are known."""
    known = np.isfinite(true_counts)
    true_counts, counts = true_counts[known], np.asarray(counts)[known]
    return np.sort(np.abs(true_counts - counts) / np.sqrt(counts + 1))


def joined_errors(errors, true_counts, counts):
    """Sorted `errors` (None: there are none) and those of further counts; None without any."""
    more = scaled_errors(true_counts, counts)
    every = more if errors is None else np.sort(np.concatenate([errors, more]))
    return every if every.size else None


def count_intervals(counts, residuals, coverage):
    """The least and the greatest count that is likely.

    Parameters
    ----------
    counts : ndarray of int, shape (n_samples,)
    residuals : ndarray of float, or None
        As `Calibration.count_residuals` gives them.
    coverage : float in (0, 1)

    Returns
    -------
    ndarray of int64, shape (n_samples, 2)

    Raises
    ------
    ValueError
        If `coverage` is out of range, or wants more residuals.
    """
    if not isinstance(coverage, Real) or not 0 < coverage < 1:
        raise ValueError(f"coverage must be between 0 and 1, got {coverage!r}.")
    residuals = () if residuals is None else residuals
    rank = int(np.ceil((len(residuals) + 1) * coverage - 1e-9))
    if rank > len(residuals):
        raise ValueError(
            f"coverage={coverage} needs true counts of at least "
            f"{int(np.ceil(coverage / (1 - coverage) - 1e-9))} samples in fit, got "
            f"{len(residuals)}."
        )
    half = residuals[rank - 1] * np.sqrt(counts + 1) + 1e-9  # which rounding may have cost
    low, high = np.ceil(counts - half).clip(0), np.floor(counts + half)
    return np.stack([low, high], axis=1).astype(np.int64)


def smallest_sizes(sizes):
    """Sizes to try as the smallest of an object: half of what is small first, for the debris that
    images without a label have; nothing, and other fractions.

    Parameters
    ----------
    sizes : ndarray of int
        Pixels of objects.

    Returns
    -------
    list of int
    """
    if not sizes.size:
        return [0]
    small, middle = np.percentile(sizes, 2), np.median(sizes)
    fractions = [0, 0.25 * small, small, 0.1 * middle, 0.2 * middle, 0.3 * middle]
    first = int(0.5 * small)
    return [first, *sorted({int(f) for f in fractions} - {first})]


def merge_distances(sizes, parts, ndim, pixel):
    """Distances to try up to which fragments are merged: 0 first, and where a tenth of the
    labelled objects or more are in fragments parts of an object's diameter.

    Parameters
    ----------
    sizes, parts : ndarray of int
        Pixels and connected parts of labelled objects.
    ndim : {2, 3}
    pixel : float
        Side of a pixel, in the unit of the distances.

    Returns
    -------
    list of float
    """
    if not parts.size or np.mean(parts > 1) < _FRAGMENTED:
        return [0.0]
    volume = float(np.median(sizes)) * pixel**ndim
    diameter = 2 * (volume / np.pi) ** 0.5 if ndim == 2 else (6 * volume / np.pi) ** (1 / 3)
    return [0.0, *(share * diameter for share in _GAPS)]
