"""`OtsuWatershed`: a global threshold and a watershed."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from ..base import ImageEstimator, transaction
from ..counting import InstanceCounter
from ..images import ImageStack, check_channel_axis, check_images, like_input
from ..images.extents import check_sigma
from ._channels import select_channel


class OtsuWatershed(ImageEstimator):
    """Segment objects by a threshold of each image and a watershed of the distance transform.

    Parameters
    ----------
    threshold : {"otsu", "li"}, default="otsu"
        How the threshold of each image is found, see `skimage.filters`.
    channel : int, default=0
        Channel of the objects.
    dark_objects : bool, default=False
        Whether objects are darker than their background.
    sigma : float, default=1.0
        Standard deviation, pixels, of the Gaussian that smooths images.
    spatial_ndim : {2, 3}, default=2

    Attributes
    ----------
    counter_ : InstanceCounter
        Splits the foreground into objects.
    n_channels_ : int

    References
    ----------
    .. [1] Otsu. A threshold selection method from gray-level histograms. IEEE Transactions on
       Systems, Man, and Cybernetics 1979. :doi:`10.1109/TSMC.1979.4310076`
    .. [2] Li, Lee. Minimum cross entropy thresholding. Pattern Recognition 1993.
       :doi:`10.1016/0031-3203(93)90115-D`

    Examples
    --------
    >>> from sskseg import OtsuWatershed
    >>> from sskseg.datasets import make_cells
    >>> X, y = make_cells(n_samples=2, shape=(64, 64), random_state=0)
    >>> OtsuWatershed().fit(X, y).predict(X).shape
    (2,)
    """

    _inner: dict = {"counter_": InstanceCounter}  # noqa: RUF012
    _fitted = {"n_channels_": "a count", "counter_": "an object"}  # noqa: RUF012
    _parameter_constraints: dict = {  # noqa: RUF012 - scikit-learn's name and form
        "threshold": [StrOptions({"otsu", "li"})],
        "channel": [Interval(Integral, 0, None, closed="left")],
        "dark_objects": ["boolean"],
        "sigma": [Interval(Real, 0, None, closed="left")],
        "spatial_ndim": [Interval(Integral, 2, 3, closed="both")],
    }

    def __init__(
        self,
        threshold: str = "otsu",
        *,
        channel: int = 0,
        dark_objects: bool = False,
        sigma: float = 1.0,
        spatial_ndim: int = 2,
    ):
        self.threshold = threshold
        self.channel = channel
        self.dark_objects = dark_objects
        self.sigma = sigma
        self.spatial_ndim = spatial_ndim

    def fit(self, X: Any, y: Any = None) -> OtsuWatershed:
        """Search the parameters of the watershed, if there are annotations.

        Parameters
        ----------
        X : array-like of shape (n_samples, *spatial) or (n_samples, *spatial, n_channels)
        y : label images, points, counts of shape (n_samples,), or None
            Annotations, as for `InstanceCounter`.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If an argument is invalid, or `sigma` is larger than the images.
        """
        self._validate_params()
        with transaction(self):
            images = check_images(X, self.spatial_ndim)
            check_channel_axis(images, y)
            check_sigma("sigma", self.sigma, [image.shape[:-1] for image in images])
            self.n_channels_ = images[0].shape[-1]
            masks = self._masks(X)
            self.counter_ = InstanceCounter(spatial_ndim=self.spatial_ndim).fit(masks, y)
        return self

    def transform(self, X: Any) -> np.ndarray | list[np.ndarray]:
        """Label objects.

        Parameters
        ----------
        X : array-like
            As in `fit`.

        Returns
        -------
        labels : ndarray of int64, shape (n_samples, *spatial), or list of ndarray
        """
        check_is_fitted(self)
        return like_input(self.counter_.label(self._masks(X)), X)

    def predict(self, X: Any) -> np.ndarray:
        """Count objects.

        Parameters
        ----------
        X : array-like
            As in `fit`.

        Returns
        -------
        counts : ndarray of int64, shape (n_samples,)
        """
        check_is_fitted(self)
        return np.asarray(self.counter_.predict(self._masks(X)))

    def score(self, X: Any, y: Any, *, sample_weight: Any = None) -> float:
        """Compute F1 at IoU 0.5 of label images, or ``1 - sum |error| / sum`` of counts.

        Parameters
        ----------
        X, y
            As in `fit`.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples.

        Returns
        -------
        float
        """
        check_is_fitted(self)
        return self.counter_.score(self._masks(X), y, sample_weight=sample_weight)

    def _masks(self, X):
        from skimage.filters import gaussian, threshold_li, threshold_otsu

        function = threshold_otsu if self.threshold == "otsu" else threshold_li
        masks = []
        for plane in select_channel(X, self.spatial_ndim, self.channel, self.n_channels_):
            plane = gaussian(plane, self.sigma, preserve_range=True)
            plane = -plane if self.dark_objects else plane
            constant = plane.min() == plane.max()
            mask = np.zeros(plane.shape, bool) if constant else plane > function(plane)
            masks.append(mask.astype(np.float32))
        # Distances are in units of spacing.
        return ImageStack(masks, spacing=getattr(X, "spacing", None), unit=getattr(X, "unit", None))
