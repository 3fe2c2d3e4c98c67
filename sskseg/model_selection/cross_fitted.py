"""`CrossFitted`: out-of-fold predictions for what follows in a pipeline."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone
from sklearn.utils._param_validation import HasMethods, Interval
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from ..base import ImageEstimator, transaction
from ..images import (
    ImageStack,
    check_generator,
    check_images,
    check_positions,
    check_sample_weight,
    choose_spatial_ndim,
    like_input,
    positions_of,
    spatial_ndim_of,
    unwrap,
    wrap_like,
)
from ..images.annotations import Annotations
from ..training import SegmentationLoss


def _segmenter_has(name):
    return lambda self: hasattr(getattr(self, "segmenter_", self.segmenter), name)


class CrossFitted(MetaEstimatorMixin, ImageEstimator):
    """Give labeled samples the predictions of networks that were not trained on them.

    A pipeline calls `fit_transform`. Like that of `sklearn.preprocessing.TargetEncoder`, it returns
    out-of-fold probabilities of labeled samples. A counter after it, and its intervals, are then
    calibrated for new images. All other methods are those of a segmenter that is fitted on all
    samples.

    Parameters
    ----------
    segmenter : estimator
        Has `fit`, `transform` and `predict`, and takes ``positions`` and ``sample_weight``, such as
        `SemiSupervisedSegmenter`.
    cv : int, default=3
        Number of folds of the labeled samples. Each fold needs one more training. Folds of
        consecutive sections are contiguous blocks along z, and folds of other images are random.

    Attributes
    ----------
    segmenter_ : estimator
        Segmenter that is fitted on all samples. `save` stores this one: the folds are only used in
        `fit_transform`.

    Examples
    --------
    >>> from sskseg import InstanceCounter, SemiSupervisedSegmenter
    >>> from sskseg.datasets import make_cells
    >>> from sskseg.model_selection import CrossFitted
    >>> from sklearn.pipeline import make_pipeline
    >>> X, y = make_cells(n_samples=4, shape=(48, 48), random_state=0)
    >>> segmenter = SemiSupervisedSegmenter(
    ...     semi_supervision=None, width=4, depth=2, max_steps=20, random_state=0
    ... )
    >>> model = make_pipeline(CrossFitted(segmenter, cv=2), InstanceCounter()).fit(X, y)
    >>> model.predict(X).shape
    (4,)
    """

    _inner = {"segmenter_": "segmenter"}  # noqa: RUF012
    _fitted = {"segmenter_": "an object"}  # noqa: RUF012
    _parameter_constraints: dict = {  # noqa: RUF012 - scikit-learn's name and form
        "segmenter": [HasMethods(["fit", "transform", "predict"])],
        "cv": [Interval(Integral, 2, None, closed="left")],
    }

    def __init__(self, segmenter: BaseEstimator, cv: int = 3):
        self.segmenter = segmenter
        self.cv = cv

    @property
    def spatial_ndim(self) -> int:
        """Number of spatial axes of a sample, that of the segmenter."""
        return spatial_ndim_of(getattr(self, "segmenter_", self.segmenter))

    def fit(
        self, X: Any, y: Any, *, positions: Any = None, sample_weight: Any = None
    ) -> CrossFitted:
        """Fit the segmenter on all samples.

        Parameters
        ----------
        X, y, positions, sample_weight
            As the segmenter takes them.

        Returns
        -------
        self
        """
        self._validate_params()
        self.segmenter_ = clone(self.segmenter).fit(
            X, y, positions=positions, sample_weight=sample_weight
        )
        return self

    def fit_transform(
        self, X: Any, y: Any, *, positions: Any = None, sample_weight: Any = None
    ) -> ImageStack:
        """Fit the segmenter on all samples, and once for each fold without its labels.

        Parameters
        ----------
        X, y, positions, sample_weight
            As the segmenter takes them.

        Returns
        -------
        probabilities : ImageStack
            Probabilities of labeled samples are predicted by networks that were not trained on
            them; therefore ``in_sample=False``. Those of unlabeled samples are as `transform`
            returns them.

        Raises
        ------
        ValueError
            As in `fit`, and if there are fewer labeled samples than folds.
        """
        self._validate_params()
        weight = check_sample_weight(sample_weight, len(X))
        folds = self._folds(y, X, weight, positions)
        with transaction(self):  # a fold may fail, too
            self.fit(X, y, positions=positions, sample_weight=sample_weight)
            probabilities = list(unwrap(self.segmenter_.transform(X, positions=positions)))
            for fold in folds:
                # Of weight 0: without pseudo-labels of these samples, too.
                others = weight.copy()
                others[fold] = 0
                segmenter = self._for_fold().fit(X, y, positions=positions, sample_weight=others)
                predicted = unwrap(segmenter.transform(X, positions=positions))
                for index in fold:
                    probabilities[index] = predicted[index]
        wrapped = wrap_like(X, like_input(probabilities, X), self.transform)
        classes = getattr(self.segmenter_, "classes_", None)
        return ImageStack(wrapped, in_sample=False, spatial_ndim=self.spatial_ndim, classes=classes)

    def _for_fold(self):
        """A new segmenter, with what "auto" chose with all labels."""
        segmenter, options = clone(self.segmenter), dict[str, Any]()
        known = segmenter.get_params(deep=False)
        if "warm_start" in known:
            options["warm_start"] = False
        if known.get("semi_supervision") == "auto":
            options["semi_supervision"] = self.segmenter_.semi_supervision_ or None
        if hasattr(self.segmenter_, "has_cores_"):  # all folds have the same outputs
            loss = SegmentationLoss() if isinstance(known["loss"], str) else clone(known["loss"])
            options["loss"] = loss.set_params(terms=self.segmenter_.loss_terms)
        return segmenter.set_params(**options)

    def _folds(self, y, X, weight, positions):
        """Indices of labeled samples of a positive weight, fold by fold."""
        given = getattr(self.segmenter, "spatial_ndim", None)
        images = check_images(X, choose_spatial_ndim(given, X))
        target = getattr(self.segmenter, "target", "instances")
        labeled = Annotations(y, images, target=target).require_labeled()
        labeled = labeled[weight[labeled] > 0]
        if len(labeled) < self.cv:
            raise ValueError(
                f"cv={self.cv} needs as many labeled samples (of a positive weight), got "
                f"{len(labeled)}."
            )
        if getattr(self.segmenter, "sections", "independent") == "consecutive":
            places = check_positions(positions_of(X, positions), len(X))
            order = labeled[np.argsort(places[labeled])]
        else:
            seed = getattr(self.segmenter, "random_state", None)
            order = check_generator(seed).permutation(labeled)
        return np.array_split(order, self.cv)

    def transform(self, X: Any, *, positions: Any = None) -> Any:
        """Predict the probability of the foreground with the segmenter of all samples.

        Parameters
        ----------
        X : array-like
        positions : array-like of int, default=None

        Returns
        -------
        probabilities : ndarray of float32, list of ndarray, ImageStack or dask array
        """
        check_is_fitted(self)
        return self.segmenter_.transform(X, positions=positions)

    def predict(self, X: Any, *, positions: Any = None) -> Any:
        """Segment images with the segmenter of all samples.

        Parameters
        ----------
        X : array-like
        positions : array-like of int, default=None

        Returns
        -------
        masks : ndarray, list of ndarray or dask array
        """
        check_is_fitted(self)
        return self.segmenter_.predict(X, positions=positions)

    @available_if(_segmenter_has("predict_proba"))
    def predict_proba(self, X: Any, *, positions: Any = None) -> Any:
        """Predict probabilities with the segmenter of all samples.

        Parameters
        ----------
        X : array-like
        positions : array-like of int, default=None

        Returns
        -------
        probabilities : ndarray of float32, list of ndarray or dask array
        """
        check_is_fitted(self)
        return self.segmenter_.predict_proba(X, positions=positions)

    @available_if(_segmenter_has("score"))
    def score(self, X: Any, y: Any, *, positions: Any = None, sample_weight: Any = None) -> float:
        """Score the segmenter of all samples.

        Parameters
        ----------
        X, y, positions, sample_weight
            As the segmenter takes them.

        Returns
        -------
        float
        """
        check_is_fitted(self)
        return self.segmenter_.score(X, y, positions=positions, sample_weight=sample_weight)

    @available_if(_segmenter_has("measure_diameter"))
    def measure_diameter(self, read_images: Callable[[], Any]) -> float | None:
        """Measure the diameter of objects, if a scan needs it, see `sskseg.scans.count_scan`.

        Parameters
        ----------
        read_images : callable
            As the segmenter takes it.

        Returns
        -------
        float or None
        """
        check_is_fitted(self)
        return self.segmenter_.measure_diameter(read_images)

    @available_if(_segmenter_has("block_predictor"))
    def block_predictor(
        self, shape: tuple[int, ...], wanted: tuple[int, ...] | None = None, **options: Any
    ) -> Any:
        """Return what predicts blocks of a scan, see `sskseg.scans.count_scan`.

        Parameters
        ----------
        shape, wanted : tuple of int
            As the segmenter takes them.
        **options
            Other arguments that the segmenter takes.

        Returns
        -------
        sskseg.scans.protocol.BlockPredictor
        """
        check_is_fitted(self)
        return self.segmenter_.block_predictor(shape, wanted, **options)
