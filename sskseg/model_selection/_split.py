"""Cross-validation with unlabeled samples."""

import warnings
from collections.abc import Iterator
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.model_selection import BaseCrossValidator

from ..images import check_generator
from ..images.annotations import Annotations
from .scorers import _check_lengths


class LabeledKFold(BaseCrossValidator):
    """Split labeled samples into folds, and put unlabeled samples into every training set.

    `sklearn.model_selection.KFold` also puts unlabeled samples into test sets, where they cannot be
    scored.

    Parameters
    ----------
    n_splits : int, default=5
        Number of folds.
    shuffle : bool, default=False
        Whether to shuffle the labeled samples. If False, folds are contiguous blocks. Use False
        for consecutive sections: neighbors resemble each other, and only those at the ends of a
        block are then split between training and test set.
    random_state : int, RandomState, Generator or None, default=None
        Seed of the shuffling.

    Examples
    --------
    >>> import numpy as np
    >>> from sskseg import LabeledKFold
    >>> y = np.zeros((5, 2, 2), int)
    >>> y[[1, 3]] = -1
    >>> for train, test in LabeledKFold(3).split(y, y):
    ...     print(train, test)
    [1 2 3 4] [0]
    [0 1 3 4] [2]
    [0 1 2 3] [4]
    """

    def __init__(self, n_splits: int = 5, *, shuffle: bool = False, random_state: Any = None):
        self.n_splits = n_splits
        self.shuffle = shuffle
        self.random_state = random_state

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Return the number of splits; the arguments are ignored."""
        return self.n_splits

    def split(self, X: Any, y: Any, groups: Any = None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield the indices of the training and test set of each split.

        Parameters
        ----------
        X : array-like of n_samples
        y : label images, points, counts or Annotations of n_samples
            A sample is unlabeled if it is None, -1 everywhere, or a count of NaN.
        groups : array-like of n_samples, default=None
            Ignored, with a warning.

        Yields
        ------
        train, test : ndarray of int

        Raises
        ------
        ValueError
            If fewer samples are labeled than there are splits.

        Warns
        -----
        UserWarning
            If there are groups.
        """
        if groups is not None:
            warnings.warn(
                "LabeledKFold ignores groups. To hold out whole groups, use "
                "PredefinedSplit(test_fold=groups), with -1 for unlabeled samples.",
                stacklevel=2,
            )
        if not isinstance(self.n_splits, Integral) or self.n_splits < 2:
            raise ValueError(f"n_splits must be an integer of at least 2, got {self.n_splits!r}.")
        if y is None:
            raise ValueError("y is None: annotations are required to split labeled samples.")
        _check_lengths(X, y)
        labeled = Annotations(y).labeled
        if len(labeled) < self.n_splits:
            raise ValueError(
                f"n_splits={self.n_splits} needs as many labeled samples, got {len(labeled)} "
                f"of {len(y)}."
            )
        if self.shuffle:
            labeled = check_generator(self.random_state).permutation(labeled)
        indices = np.arange(len(y))
        for test in np.array_split(labeled, self.n_splits):
            test = np.sort(test)
            yield np.setdiff1d(indices, test), test
