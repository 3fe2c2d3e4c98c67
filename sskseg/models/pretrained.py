"""`PretrainedBackbone`: the network of a trained model, to start from."""

from __future__ import annotations

import os
from typing import Any

from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from ..base import ImageEstimator
from ..images import ImageStack, check_channel_axis, check_images, check_lazy_images, is_lazy
from ..nn import Backbone
from ..pretraining import ProxyPretrainer
from ..segmentation import SemiSupervisedSegmenter
from .files import load_model


class PretrainedBackbone(ImageEstimator):
    """Let a segmenter start from the network of a trained model.

    Put it before a `SemiSupervisedSegmenter` in a pipeline, like a `ProxyPretrainer`. The segmenter
    uses `network`, `width` and `depth` of the model. If the model predicts the same outputs, the
    segmenter also starts from its last layer.

    Parameters
    ----------
    model : str, path-like, Pipeline, SemiSupervisedSegmenter or ProxyPretrainer, default="nuclei"
        A trained model: a name of `list_models`, a file, or a fitted estimator, which clones share.
        A model for images with one channel can be used for images with any number of channels.

    Attributes
    ----------
    backbone_ : Backbone or None
        The network. None after `load`, because only `fit` needs it.
    n_channels_ : int
        Number of channels of the images of `fit`.
    spatial_ndim_ : int
        Number of spatial axes of a sample, that of the model.

    See Also
    --------
    load_model : Load the whole trained model, to use it without training.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from sskseg import InstanceCounter, PercentileScaler, SemiSupervisedSegmenter
    >>> from sskseg.datasets import make_cells
    >>> from sskseg.models import PretrainedBackbone
    >>> X, y = make_cells(n_samples=2, shape=(64, 64), random_state=0)
    >>> model = make_pipeline(
    ...     PercentileScaler(),
    ...     PretrainedBackbone("nuclei"),
    ...     SemiSupervisedSegmenter(max_steps=10, semi_supervision=None, random_state=0),
    ...     InstanceCounter(),
    ... )
    >>> model.fit(X, y).predict(X).shape
    (2,)
    """

    _not_saved = ("backbone_",)
    _fitted = {"n_channels_": "a count", "spatial_ndim_": "a count"}  # noqa: RUF012
    _parameter_constraints: dict = {  # noqa: RUF012 - scikit-learn's name and form
        "model": [str, os.PathLike, Pipeline, SemiSupervisedSegmenter, ProxyPretrainer],
    }

    def __init__(self, model: Any = "nuclei"):
        self.model = model

    def __sklearn_clone__(self) -> PretrainedBackbone:
        """Keep the fitted model, as `sklearn.frozen.FrozenEstimator` does."""
        return type(self)(self.model)

    def fit(self, X: Any, y: Any = None) -> PretrainedBackbone:
        """Load the model.

        Parameters
        ----------
        X : array-like of shape (n_samples, *spatial) or (n_samples, *spatial, n_channels)
        y : None
            Not used.

        Returns
        -------
        self

        Raises
        ------
        FileNotFoundError
            If there is no such file or name.
        ValueError
            If the file is damaged, or the model has no network.
        NotFittedError
            If an estimator is not fitted.
        """
        self._validate_params()
        backbone = _backbone_of(self.model)
        images = check_images(X, backbone.ndim)
        check_channel_axis(images, y)
        n_channels = images[0].shape[-1]
        self.backbone_, self.n_channels_, self.spatial_ndim_ = backbone, n_channels, backbone.ndim
        return self

    def transform(self, X: Any) -> ImageStack:
        """Return the images with the backbone.

        Parameters
        ----------
        X : array-like
            Images, which are not changed; a dask array stays lazy.

        Returns
        -------
        ImageStack
        """
        check_is_fitted(self)
        check = check_lazy_images if is_lazy(X) else check_images
        check(X, self.spatial_ndim_, n_channels=self.n_channels_)
        return ImageStack(X, backbone=self.backbone_, spatial_ndim=self.spatial_ndim_)


def _backbone_of(model: Any) -> Backbone:
    name = repr(model) if isinstance(model, (str, os.PathLike)) else type(model).__name__
    if isinstance(model, (str, os.PathLike)):
        model = load_model(model)
    steps = [step for _, step in model.steps] if isinstance(model, Pipeline) else [model]
    for step in steps:
        if isinstance(step, (SemiSupervisedSegmenter, ProxyPretrainer)):
            return step.backbone()
    raise ValueError(
        f"model must hold a SemiSupervisedSegmenter or a ProxyPretrainer, got {name} without one."
    )
