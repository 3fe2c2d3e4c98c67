"""`LogBlobs`: blobs of the Laplacian of Gaussian."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from ..base import ImageEstimator, transaction
from ..images import check_channel_axis, check_images, like_input
from ..images.annotations import Annotations
from ..images.extents import check_sigma
from ..metrics import f1_points
from ..model_selection.reference import score_counts
from ._channels import select_channel


class LogBlobs(ImageEstimator):
    """Detect blobs by the Laplacian of Gaussian.

    Parameters
    ----------
    min_sigma, max_sigma : float, default=1.0 and 3.0
        Standard deviations of the Gaussians, pixels: the radius of a blob over ``sqrt(ndim)``.
    n_sigma : int, default=5
        Number of scales.
    threshold : float or "auto", default="auto"
        Threshold of the response, of images between 0 and 1; "auto" is searched in `fit`.
    channel : int, default=0
        Channel of the blobs.
    spatial_ndim : {2, 3}, default=2

    Attributes
    ----------
    threshold_ : float
    low_, high_ : float
        Percentiles 1 and 99.8 of the images of `fit`, which become 0 and 1.
    n_channels_ : int

    Examples
    --------
    >>> import numpy as np
    >>> from sskseg import LogBlobs
    >>> X = np.zeros((1, 32, 32))
    >>> X[0, 8:11, 8:11] = X[0, 20:23, 24:27] = 1.0
    >>> LogBlobs(max_sigma=1.0, n_sigma=1).fit(X, [2]).predict(X)
    array([2])
    """

    _fitted = {  # noqa: RUF012
        "n_channels_": "a count",
        "threshold_": "a number",
        "low_": "a number",
        "high_": "a number",
    }
    _parameter_constraints: dict = {  # noqa: RUF012 - scikit-learn's name and form
        "min_sigma": [Interval(Real, 0, None, closed="neither")],
        "max_sigma": [Interval(Real, 0, None, closed="neither")],
        "n_sigma": [Interval(Integral, 1, None, closed="left")],
        "threshold": [Interval(Real, 0, None, closed="left"), StrOptions({"auto"})],
        "channel": [Interval(Integral, 0, None, closed="left")],
        "spatial_ndim": [Interval(Integral, 2, 3, closed="both")],
    }

    def __init__(
        self,
        min_sigma: float = 1.0,
        max_sigma: float = 3.0,
        *,
        n_sigma: int = 5,
        threshold: float | str = "auto",
        channel: int = 0,
        spatial_ndim: int = 2,
    ):
        self.min_sigma = min_sigma
        self.max_sigma = max_sigma
        self.n_sigma = n_sigma
        self.threshold = threshold
        self.channel = channel
        self.spatial_ndim = spatial_ndim

    def fit(self, X: Any, y: Any = None) -> LogBlobs:
        """Search the threshold with the smallest sum of absolute count errors.

        Parameters
        ----------
        X : array-like of shape (n_samples, *spatial) or (n_samples, *spatial, n_channels)
        y : points, label images, counts of shape (n_samples,), or None
            With None and "auto" the threshold is 0.1.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If an argument is invalid, or `max_sigma` is larger than the images.
        """
        self._validate_params()
        if self.min_sigma > self.max_sigma:
            raise ValueError(
                f"min_sigma must not exceed max_sigma, got {self.min_sigma} and {self.max_sigma}."
            )
        with transaction(self):
            images = check_images(X, self.spatial_ndim)
            check_channel_axis(images, y)
            check_sigma("max_sigma", self.max_sigma, [image.shape[:-1] for image in images])
            self.n_channels_ = images[0].shape[-1]
            planes = select_channel(X, self.spatial_ndim, self.channel)
            values = np.concatenate([np.ravel(p)[:: max(1, p.size // 2**16)] for p in planes])
            self.low_, self.high_ = (float(v) for v in np.percentile(values, (1, 99.8)))
            self.threshold_ = 0.1 if self.threshold == "auto" else float(self.threshold)
            if y is not None and self.threshold == "auto":
                self._search_threshold(planes, y)
        return self

    def points(self, X: Any) -> list[np.ndarray]:
        """Locate blobs.

        Parameters
        ----------
        X : array-like
            As in `fit`.

        Returns
        -------
        list of ndarray of shape (k, spatial_ndim)
            Pixels.
        """
        check_is_fitted(self)
        planes = select_channel(X, self.spatial_ndim, self.channel, self.n_channels_)
        return [self._blobs(plane, self.threshold_)[0] for plane in planes]

    def transform(self, X: Any) -> np.ndarray | list[np.ndarray]:
        """Draw label images in which each blob is one pixel.

        Parameters
        ----------
        X : array-like
            As in `fit`.

        Returns
        -------
        labels : ndarray of int64, shape (n_samples, *spatial), or list of ndarray
        """
        check_is_fitted(self)
        planes = select_channel(X, self.spatial_ndim, self.channel, self.n_channels_)
        labels = [np.zeros(plane.shape, np.int64) for plane in planes]
        for label, points in zip(labels, self.points(X), strict=True):
            label[tuple(points.astype(int).T)] = np.arange(1, len(points) + 1)
        return like_input(labels, X)

    def predict(self, X: Any) -> np.ndarray:
        """Count blobs.

        Parameters
        ----------
        X : array-like
            As in `fit`.

        Returns
        -------
        counts : ndarray of int64, shape (n_samples,)
        """
        return np.array([len(points) for points in self.points(X)], np.int64)

    def score(self, X: Any, y: Any, *, max_distance: float = 3.0) -> float:
        """Compute F1 of points within `max_distance`, or ``1 - sum |error| / sum`` of counts.

        Parameters
        ----------
        X, y
            As in `fit`.
        max_distance : float, default=3.0
            Pixels between a point and the blob that it matches.

        Returns
        -------
        float
        """
        check_is_fitted(self)
        images = check_images(X, self.spatial_ndim, n_channels=self.n_channels_)
        annotations = Annotations(y, images)
        predicted = self.points(X)
        if annotations.kind == "counts":
            return score_counts(annotations, [len(points) for points in predicted])
        indices = annotations.require_fully_labeled()
        true = [annotations.points(i) for i in indices]
        return f1_points(true, [predicted[i] for i in indices], max_distance)

    def _blobs(self, plane, threshold):
        """Locate blobs above a threshold; returns positions, each once, and responses."""
        from scipy import ndimage as ndi
        from skimage.feature import peak_local_max

        span = self.high_ - self.low_
        plane = (plane - self.low_) / (span if span > 0 else 1)
        sigmas = np.linspace(self.min_sigma, self.max_sigma, self.n_sigma)
        cube = np.stack([-(s**2) * ndi.gaussian_laplace(plane, s) for s in sigmas], axis=-1)
        # Peaks in space and scale, at the first and last scale too.
        peaks = peak_local_max(
            cube, threshold_abs=threshold, footprint=np.ones((3,) * cube.ndim), exclude_border=False
        )
        responses = cube[tuple(peaks.T)]
        # A pixel that is a peak at two scales is one blob, at the scale of the greater response.
        order = np.argsort(-responses, kind="stable")
        _, first = np.unique(peaks[order, :-1], axis=0, return_index=True)
        kept = np.sort(order[first])
        return peaks[kept, :-1], responses[kept]

    def _search_threshold(self, planes, y):
        annotations = Annotations(y, [plane[..., None] for plane in planes])
        annotations.require_fully_labeled()
        counts = annotations.counts()
        responses = [np.sort(self._blobs(plane, 0.0)[1]) for plane in planes]
        known = np.isfinite(counts)
        pooled = np.concatenate([r for r, k in zip(responses, known, strict=True) if k])
        choices = np.unique(np.quantile(np.append(pooled, 0.0), np.linspace(0, 1, 201)))
        errors = [
            sum(abs(len(r) - np.searchsorted(r, t, side="right") - c)
                for r, c, k in zip(responses, counts, known, strict=True) if k)
            for t in choices
        ]  # fmt: skip
        self.threshold_ = float(choices[int(np.argmin(errors))])
