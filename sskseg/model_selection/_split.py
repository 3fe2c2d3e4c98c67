"""Cross-validation and scorers that know of unlabeled samples."""

from numbers import Integral

import numpy as np
from sklearn.model_selection import BaseCrossValidator

from ..images import check_generator
from ..images.annotations import Annotations
from .scorers import _check_lengths


class LabeledKFold(BaseCrossValidator):
    """Folds over the labeled samples; unlabeled ones are in every training set.

    A plain ``KFold`` puts unlabeled samples in test folds, where they have no score.

    Parameters
    ----------
    n_splits : int, default=5
    shuffle : bool, default=False
        Without shuffling folds are contiguous blocks, so that adjacent sections, which resemble
        each other, are not in the training and the test set of one split (but at the ends of a
        block).
    random_state : int, RandomState, Generator or None, default=None
        Of the shuffling.

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

    def __init__(self, n_splits=5, *, shuffle=False, random_state=None):
        self.n_splits = n_splits
        self.shuffle = shuffle
        self.random_state = random_state

    def get_n_splits(self, X=None, y=None, groups=None):
        """Return the number of splits; the arguments are not used."""
        return self.n_splits

    def split(self, X, y, groups=None):
        """Yield the training and test rows of each split.

        Parameters
        ----------
        X : array-like of n_samples
        y : label images, points or counts of n_samples
            A sample is unlabeled if it is None, or -1 everywhere.
        groups : None
            Not used.

        Yields
        ------
        train, test : ndarray of int

        Raises
        ------
        ValueError
            If fewer samples are labeled than there are splits.
        """
        if not isinstance(self.n_splits, Integral) or self.n_splits < 2:
            raise ValueError(f"n_splits must be an integer of at least 2, got {self.n_splits!r}.")
        if y is None:
            raise ValueError("y is None: label images are required to tell who is labeled.")
        _check_lengths(X, y)
        labeled = Annotations(y).labeled
        if len(labeled) < self.n_splits:
            raise ValueError(
                f"n_splits={self.n_splits} needs as many labeled samples, got {len(labeled)} "
                f"of {len(y)}."
            )
        if self.shuffle:
            labeled = check_generator(self.random_state).permutation(labeled)
        everyone = np.arange(len(y))
        for test in np.array_split(labeled, self.n_splits):
            test = np.sort(test)
            yield np.setdiff1d(everyone, test), test
