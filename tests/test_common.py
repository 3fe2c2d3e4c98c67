"""scikit-learn's own checks, through an adapter that turns rows into images one pixel high.

With honest tags (images in, images out) hardly any of them runs on the estimators themselves.
"""

import numpy as np
import pytest
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.utils.estimator_checks import parametrize_with_checks
from sklearn.utils.validation import check_is_fitted, validate_data

from sskseg import InstanceCounter, PercentileScaler, SemiSupervisedSegmenter


class Rows(TransformerMixin, BaseEstimator):
    """An image estimator on rows: each row is an image one pixel high."""

    def __init__(self, estimator=None, squash=False):
        self.estimator = estimator
        self.squash = squash

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []
        return tags

    def _images(self, X, *, reset):
        X = validate_data(self, X, reset=reset, dtype=[np.float64, np.float32])
        if self.squash:  # the counter takes probabilities
            X = 1 / (1 + np.exp(-np.clip(X, -30, 30)))
        return X[:, None, :]

    def fit(self, X, y=None):
        images = self._images(X, reset=True)
        self.estimator_ = clone(self.estimator)
        if isinstance(self.estimator, SemiSupervisedSegmenter):
            self.estimator_.fit(images, (images > np.median(images)).astype(int))
        else:
            self.estimator_.fit(images)
        return self

    def transform(self, X):
        check_is_fitted(self)
        images = self._images(X, reset=False)
        return np.asarray(self.estimator_.transform(images)).reshape(len(images), -1)

    def predict(self, X):
        check_is_fitted(self)
        images = self._images(X, reset=False)
        if not hasattr(self.estimator_, "predict"):
            return self.transform(X).sum(axis=1)
        return np.asarray(self.estimator_.predict(images)).reshape(len(images), -1).sum(axis=1)


SEGMENTER = SemiSupervisedSegmenter(
    width=2, depth=1, max_steps=2, batch_size=2, patch_size=8, random_state=0, precision="float32"
)


def expected_failures(adapter):
    failures = {}
    if isinstance(adapter.estimator, SemiSupervisedSegmenter):
        failures["check_sample_weight_equivalence_on_dense_data"] = (
            "patches are drawn at random, so that weights hold on average"
        )
    return failures


@parametrize_with_checks(
    [Rows(PercentileScaler()), Rows(InstanceCounter(), squash=True), Rows(SEGMENTER)],
    expected_failed_checks=expected_failures,
)
@pytest.mark.filterwarnings("ignore")  # scikit-learn's checks warn on purpose
def test_scikit_learns_checks(estimator, check):
    check(estimator)
