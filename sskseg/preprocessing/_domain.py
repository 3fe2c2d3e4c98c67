"""`DomainCheck`: images that a model does not know."""

from __future__ import annotations

import warnings
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.base import OutlierMixin
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted

from ..base import ImageEstimator
from ..images import check_channel_axis, check_images, check_lazy_images, invert_images, is_lazy
from ..images.appearance import APPEARANCE, measure_appearance
from ._differences import describe_difference
from .pixel_size import warn_of_pixel_size

_MIN_SAMPLES = 5
_MAX_SIZE_RATIO = 1.5  # of objects, above which a warning names their sizes first
_N_NAMED = 2  # differences that a warning names
_MAX_LISTED = 5  # images that a warning names
_MAX_INVERTED = 0.5  # distance of an inverted image, relative to that of the image
_MIN_SPREAD = 0.05  # of a measurement over images: about 5 % of a size, or of the intensities
_MIN_LIMIT = 1.0  # of distances, for sets of images that hardly differ


def _measured(images):
    return np.stack([measure_appearance(image) for image in images])


def _listed(indices, name):
    """Names of the first images."""
    listed = ", ".join(f"{name}[{i}]" for i in indices[:_MAX_LISTED])
    more = len(indices) - _MAX_LISTED
    return f"{listed} and {more} more" if more > 0 else listed


class DomainCheck(OutlierMixin, ImageEstimator):
    """Warn about images that are unlike those of `fit`.

    Use it as the first step of a pipeline. It returns images unchanged, and warns if their detail,
    their intensities, the size of their structures or the size of a pixel differ from those of
    `fit`. This is novelty detection by the distance to the nearest neighbor [1]_.

    Parameters
    ----------
    quantile : float in (0, 1], default=0.98
        Share of the images of `fit` whose distance to the nearest other image is at most `limit_`.
    tolerance : float, default=1.25
        An image is unlike those of `fit` if its distance to the nearest one is more than
        ``tolerance * limit_``.
    spatial_ndim : {2, 3}, default=2
        Number of spatial axes of a sample: 2 for images, 3 for volumes.

    Attributes
    ----------
    appearance_ : ndarray of shape (n_samples, 13)
        Measurements of the images of `fit`, see `sskseg.images.appearance.measure_appearance`.
    limit_ : float
        Limit of the distance. The unit is the spread of each measurement, which is half the
        difference between its 84th and its 16th percentile.
    n_channels_ : int
    shape_ : tuple of int
        Median size of the images of `fit` along each axis, in pixels.
    spacing_ : tuple of float, or None
        Size of a pixel of the images of `fit`, if they have one.
    unit_ : str or None

    References
    ----------
    .. [1] Pimentel, Clifton, Clifton, Tarassenko. A review of novelty detection. Signal Processing
       2014. :doi:`10.1016/j.sigpro.2013.12.026`

    Examples
    --------
    >>> import warnings
    >>> from sskseg import DomainCheck
    >>> from sskseg.datasets import make_cells
    >>> X, _ = make_cells(n_samples=20, shape=(64, 64), random_state=0)
    >>> check = DomainCheck().fit(X[:15])
    >>> check.predict(X[15:])
    array([1, 1, 1, 1, 1])
    >>> check.predict(1 - X[15:])                               # dark cells
    array([-1, -1, -1, -1, -1])
    """

    _fitted = {  # noqa: RUF012
        "appearance_": "rows of numbers",
        "limit_": "a number",
        "n_channels_": "a count",
        "shape_": "a shape",
        "spacing_": "a tuple or None",
        "unit_": "text or None",
    }
    _parameter_constraints: dict = {  # noqa: RUF012 - scikit-learn's name and form
        "quantile": [Interval(Real, 0, 1, closed="right")],
        "tolerance": [Interval(Real, 0, None, closed="neither")],
        "spatial_ndim": [Interval(Integral, 2, 3, closed="both")],
    }

    def __init__(self, quantile: float = 0.98, *, tolerance: float = 1.25, spatial_ndim: int = 2):
        self.quantile = quantile
        self.tolerance = tolerance
        self.spatial_ndim = spatial_ndim

    def fit(self, X: Any, y: Any = None) -> DomainCheck:
        """Measure images.

        Parameters
        ----------
        X : array-like of shape (n_samples, *spatial) or (n_samples, *spatial, n_channels)
            At least 5 images. Or a list of images of different sizes, or an `ImageStack`.
        y : None
            Not used.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For invalid images, or fewer than 5.
        """
        self._validate_params()
        images = check_images(X, self.spatial_ndim)
        check_channel_axis(images, y)
        if len(images) < _MIN_SAMPLES:
            raise ValueError(f"X must have at least {_MIN_SAMPLES} images, got {len(images)}.")
        self.n_channels_ = images[0].shape[-1]
        self.shape_ = tuple(map(int, np.median([image.shape[:-1] for image in images], axis=0)))
        self.spacing_, self.unit_ = getattr(X, "spacing", None), getattr(X, "unit", None)
        self.appearance_ = np.stack([measure_appearance(image) for image in images])
        distances = self._distances(self.appearance_)
        np.fill_diagonal(distances, np.inf)
        limit = float(np.quantile(distances.min(axis=1), self.quantile))
        self.limit_ = max(_MIN_LIMIT, limit)
        return self

    def transform(self, X: Any) -> Any:
        """Return the images as they are, after a warning of those that are unlike those of `fit`.

        Parameters
        ----------
        X : array-like
            As in `fit`. The samples of a dask array are not measured.

        Returns
        -------
        array-like
            `X` itself.

        Raises
        ------
        ValueError
            For another number of channels.

        Warns
        -----
        UserWarning
            Of images that are unlike those of `fit`, with what differs most.
        """
        check_is_fitted(self)
        size = getattr(X, "spacing", None), getattr(X, "unit", None)
        warn_of_pixel_size("X", size, (self.spacing_, self.unit_), stacklevel=2)
        if is_lazy(X):
            check_lazy_images(X, self.spatial_ndim, n_channels=self.n_channels_)
            return X
        unlike, about = self.compare(X)
        if unlike.size:
            warnings.warn(f"{len(unlike)} of {len(X)} images are unlike {about}", stacklevel=2)
        return X

    def compare(self, X: Any, name: str = "X") -> tuple[np.ndarray, str]:
        """Find the images that are unlike those of `fit`, and describe how.

        Parameters
        ----------
        X : array-like
            As in `fit`.
        name : str, default="X"
            Name of `X` in the text; images are not named if it is empty.

        Returns
        -------
        unlike : ndarray of int
            Their indices.
        about : str
            What differs, and what to do. Empty if no image is unlike.
        """
        check_is_fitted(self)
        images = check_images(X, self.spatial_ndim, n_channels=self.n_channels_)
        measured = _measured(images)
        unlike = np.flatnonzero(self._novelty(measured) > self.tolerance)
        if not unlike.size:
            return unlike, ""
        which = f": {_listed(unlike, name)}" if name else ""
        inverted = _measured([invert_images(images[i]) for i in unlike])
        about = self._about_inversion(measured[unlike], inverted) or (
            f"{self._difference(measured[unlike])} The counts may be wrong. Look at some results "
            "beside their images. If they are wrong, label some of these images, and train on "
            "them, too."
        )
        return unlike, f"those that the model was trained on{which}. {about}"

    def score_samples(self, X: Any) -> np.ndarray:
        """Compute how much each image resembles those of `fit`.

        Parameters
        ----------
        X : array-like
            As in `fit`.

        Returns
        -------
        ndarray of shape (n_samples,)
            Minus the distance to the nearest image of `fit`, in units of `limit_`. Images below
            minus `tolerance` are unlike those of `fit`.
        """
        check_is_fitted(self)
        images = check_images(X, self.spatial_ndim, n_channels=self.n_channels_)
        return -self._novelty(_measured(images))

    def predict(self, X: Any) -> np.ndarray:
        """Decide which images are like those of `fit`.

        Parameters
        ----------
        X : array-like
            As in `fit`.

        Returns
        -------
        ndarray of int, shape (n_samples,)
            1 for images like those of `fit`, -1 for others.
        """
        return np.where(self.score_samples(X) < -self.tolerance, -1, 1)

    def _restore(self, fitted, tensors):
        super()._restore(fitted, tensors)
        if self.appearance_.shape[1] != len(APPEARANCE):
            raise ValueError(
                f"appearance_ must have {len(APPEARANCE)} columns, got {self.appearance_.shape[1]}."
            )

    @property
    def _spread(self):
        low, high = np.percentile(self.appearance_, (16, 84), axis=0)
        return np.maximum((high - low) / 2, _MIN_SPREAD)

    def _distances(self, measured):
        """Distance of each image to each image of `fit`."""
        differences = (measured[:, None] - self.appearance_) / self._spread
        return np.sqrt((differences**2).sum(axis=-1))

    def _novelty(self, measured):
        return self._distances(measured).min(axis=1) / self.limit_

    def _difference(self, measured):
        """What differs most from the nearest images of `fit`, in sentences."""
        nearest = self.appearance_[self._distances(measured).argmin(axis=1)]
        differences = np.median(measured - nearest, axis=0)
        known = np.median(nearest, axis=0)
        ranks = np.abs(differences / self._spread)
        if abs(differences[-1]) > np.log(_MAX_SIZE_RATIO):
            # Other sizes change the detail at all scales, which nobody would call blurred.
            ranks[[name.startswith("detail") for name in APPEARANCE]] = 0
            ranks[-1] = np.inf
        sentences = (
            describe_difference(APPEARANCE[i], known[i] + differences[i], known[i])
            for i in np.argsort(-ranks)
        )
        return " ".join([*dict.fromkeys(sentences)][:_N_NAMED])

    def _about_inversion(self, measured, inverted):
        """What to do with images that are like those of `fit` when inverted; empty for others."""
        is_nearer = self._novelty(inverted) < _MAX_INVERTED * self._novelty(measured)
        if is_nearer.mean() <= 0.5:
            return ""
        is_dark = np.median(measured[:, APPEARANCE.index("area above Otsu's threshold")]) > 0.5
        words = ("dark", "bright") if is_dark else ("bright", "dark")
        return (
            f"Their objects seem to be {words[0]}, and those of the training images {words[1]}: "
            "use invert_images, and compare some results with the images. Bright-field images and "
            "stained tissue need a model that was trained on such images."
        )
