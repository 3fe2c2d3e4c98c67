"""Search of the counter's parameters, on all samples and, from the same labels, on some of them."""

from functools import lru_cache

import numpy as np

from .morphology import remove_small

THRESHOLDS = (0.5, 0.4, 0.6, 0.3, 0.7)
HEIGHTS = (0.05, 0.03, 0.1, 0.15, 0.2)
_FOLDS = 5


class Calibration:
    """Threshold, seed height and smallest size with the least loss.

    Parameters
    ----------
    split : callable
        ``split(threshold, seed_height) -> list of label images``, of all samples.
    judge : callable
        ``judge(labels) -> (evidence, counts)``: an array (n, m) whose sum over samples tells their
        loss, and the objects of each sample.
    loss : callable
        ``loss(evidence summed over samples) -> float``.
    sizes : list of ndarray
        Sizes of the true objects of each sample (a stack that is judged as a whole is one); empty
        where they are not known.
    start : tuple of (threshold, seed_height, min_size)
    free : sequence of {"threshold", "seed_height", "min_size"}
        What is searched, one after the other. Values are tried from the default outwards, and
        another takes its place only if it is better.
    """

    def __init__(self, split, judge, loss, sizes, start, free):
        self.judge, self.loss, self.sizes = judge, loss, sizes
        self.start, self.free = start, free
        self._split = lru_cache(maxsize=1)(split)
        self._judged = {}

    def search(self, rows=None):
        """The best values, on the samples `rows` (None: all)."""
        rows = np.arange(len(self.sizes)) if rows is None else rows
        values = dict(zip(("threshold", "seed_height", "min_size"), self.start, strict=True))

        def loss_of(name, value):
            evidence, _ = self._evaluate(**{**values, name: value})
            return self.loss(evidence[rows].sum(axis=0))

        for name in self.free:
            choices = self._choices(name, values, rows)
            values[name] = min(choices, key=lambda value, name=name: loss_of(name, value))
        return values

    def held_out_counts(self):
        """Counts of each sample with the values that are best on others; (n,)."""
        n = len(self.sizes)
        counts, fold_of = np.zeros(n), np.arange(n) % min(_FOLDS, n)
        for fold in np.unique(fold_of):
            values = self.search(np.flatnonzero(fold_of != fold))
            counts[fold_of == fold] = self._evaluate(**values)[1][fold_of == fold]
        return counts

    def _choices(self, name, values, rows):
        if name == "threshold":
            return THRESHOLDS
        if name == "seed_height":
            return HEIGHTS
        sizes = np.concatenate([self.sizes[row] for row in rows])
        if not sizes.size:
            labels = self._split(values["threshold"], values["seed_height"])
            sizes = np.concatenate([object_sizes(labels[row]) for row in rows])
        return _size_candidates(sizes)

    def _evaluate(self, threshold, seed_height, min_size):
        key = threshold, seed_height, min_size
        if key not in self._judged:
            labels = self._split(threshold, seed_height)
            self._judged[key] = self.judge([remove_small(x, min_size) for x in labels])
        return self._judged[key]


def object_sizes(label):
    """Pixels of each object."""
    return np.unique(label[label > 0], return_counts=True)[1]


def _size_candidates(sizes):
    """Smallest sizes to try: nothing, and fractions of what is small among the objects."""
    if not sizes.size:
        return [0]
    small, middle = np.percentile(sizes, 2), np.median(sizes)
    fractions = [0, 0.25 * small, 0.5 * small, small, 0.1 * middle, 0.2 * middle, 0.3 * middle]
    return sorted({int(f) for f in fractions})
