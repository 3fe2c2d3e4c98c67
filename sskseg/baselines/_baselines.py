"""What learns little or nothing, with the same API, so that gains are visible."""

from numbers import Integral, Real

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from ..base import ImageEstimator
from ..counting import InstanceCounter
from ..images import (
    check_generator,
    check_images,
    check_sample_weight,
    like_input,
    wrap_like,
)
from ..images.annotations import Annotations
from ..metrics import dice, f1_points
from ..model_selection.reference import score_counts


class OtsuWatershed(ImageEstimator):
    """Objects by a global threshold of each image and a watershed of the distance transform.

    Parameters
    ----------
    threshold : {"otsu", "li"}, default="otsu"
        Of each image, see `skimage.filters`.
    channel : int, default=0
        The channel that shows the objects.
    dark_objects : bool, default=False
        Whether objects are darker than their background.
    sigma : float, default=1.0
        Standard deviation, pixels, of the Gaussian that smooths images first.
    spatial_ndim : {2, 3}, default=2

    Attributes
    ----------
    counter_ : InstanceCounter
        Splits the foreground; calibrated where `fit` is given labels.
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
        self, threshold="otsu", *, channel=0, dark_objects=False, sigma=1.0, spatial_ndim=2
    ):
        self.threshold = threshold
        self.channel = channel
        self.dark_objects = dark_objects
        self.sigma = sigma
        self.spatial_ndim = spatial_ndim

    def fit(self, X, y=None):
        """Calibrate the splitting of objects, where labels are given.

        Parameters
        ----------
        X : array-like of shape (n_samples, *spatial) or (n_samples, *spatial, n_channels)
        y : label images, points, counts of shape (n_samples,), or None
            As for `InstanceCounter`.

        Returns
        -------
        self
        """
        self._validate_params()
        self.n_channels_ = check_images(X, self.spatial_ndim)[0].shape[-1]
        masks = self._masks(X)
        self.counter_ = InstanceCounter(spatial_ndim=self.spatial_ndim).fit(masks, y)
        return self

    def transform(self, X):
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

    def predict(self, X):
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
        return self.counter_.predict(self._masks(X))

    def score(self, X, y, *, sample_weight=None):
        """F1 at IoU 0.5 for label images, ``1 - sum |error| / sum`` for counts.

        Parameters
        ----------
        X, y
            As in `fit`.
        sample_weight : array-like of shape (n_samples,), default=None
            How often each sample counts.

        Returns
        -------
        float
        """
        check_is_fitted(self)
        return self.counter_.score(self._masks(X), y, sample_weight=sample_weight)

    def _masks(self, X):
        from skimage.filters import gaussian, threshold_li, threshold_otsu

        function = {"otsu": threshold_otsu, "li": threshold_li}[self.threshold]
        masks = []
        for plane in _channel(X, self.spatial_ndim, self.channel, self.n_channels_):
            plane = gaussian(plane, self.sigma, preserve_range=True)
            plane = -plane if self.dark_objects else plane
            constant = plane.min() == plane.max()
            mask = np.zeros(plane.shape, bool) if constant else plane > function(plane)
            masks.append(mask.astype(np.float32))
        return masks


class LogBlobs(ImageEstimator):
    """Points at the blobs of the Laplacian of Gaussian.

    Parameters
    ----------
    min_sigma, max_sigma : float, default=1.0 and 3.0
        Standard deviations of the Gaussians, pixels: the radius of a blob over ``sqrt(ndim)``.
    n_sigma : int, default=5
    threshold : float or "auto", default="auto"
        Of the response, for images between 0 and 1; "auto" is calibrated in `fit`.
    channel : int, default=0
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
        self, min_sigma=1.0, max_sigma=3.0, *, n_sigma=5, threshold="auto", channel=0,
        spatial_ndim=2,
    ):  # fmt: skip
        self.min_sigma = min_sigma
        self.max_sigma = max_sigma
        self.n_sigma = n_sigma
        self.threshold = threshold
        self.channel = channel
        self.spatial_ndim = spatial_ndim

    def fit(self, X, y=None):
        """Calibrate the threshold, so that the sum of the absolute count errors is smallest.

        Parameters
        ----------
        X : array-like of shape (n_samples, *spatial) or (n_samples, *spatial, n_channels)
        y : points, label images, counts of shape (n_samples,), or None
            None, with "auto": the threshold is 0.1.

        Returns
        -------
        self
        """
        self._validate_params()
        if self.min_sigma > self.max_sigma:
            raise ValueError(
                f"min_sigma must not exceed max_sigma, got {self.min_sigma} and {self.max_sigma}."
            )
        self.n_channels_ = check_images(X, self.spatial_ndim)[0].shape[-1]
        planes = _channel(X, self.spatial_ndim, self.channel)
        values = np.concatenate([np.ravel(p)[:: max(1, p.size // 2**16)] for p in planes])
        self.low_, self.high_ = (float(v) for v in np.percentile(values, (1, 99.8)))
        self.threshold_ = 0.1 if self.threshold == "auto" else float(self.threshold)
        if y is not None and self.threshold == "auto":
            self._calibrate(planes, y)
        return self

    def points(self, X):
        """Find blobs.

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
        planes = _channel(X, self.spatial_ndim, self.channel, self.n_channels_)
        return [self._blobs(plane, self.threshold_)[0] for plane in planes]

    def transform(self, X):
        """Label images in which each blob is one pixel.

        Parameters
        ----------
        X : array-like
            As in `fit`.

        Returns
        -------
        labels : ndarray of int64, shape (n_samples, *spatial), or list of ndarray
        """
        check_is_fitted(self)
        planes = _channel(X, self.spatial_ndim, self.channel, self.n_channels_)
        labels = [np.zeros(plane.shape, np.int64) for plane in planes]
        for label, points in zip(labels, self.points(X), strict=True):
            label[tuple(points.astype(int).T)] = np.arange(1, len(points) + 1)
        return like_input(labels, X)

    def predict(self, X):
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

    def score(self, X, y, *, max_distance=3.0):
        """F1 of points within `max_distance` pixels, ``1 - sum |error| / sum`` for counts.

        Parameters
        ----------
        X, y
            As in `fit`.
        max_distance : float, default=3.0

        Returns
        -------
        float
        """
        check_is_fitted(self)
        images = check_images(X, self.spatial_ndim, n_channels=self.n_channels_)
        annotations = Annotations(y, images)
        found = self.points(X)
        if annotations.kind == "counts":
            return score_counts(annotations, [len(points) for points in found])
        indices = annotations.require_fully_labeled()
        true = [annotations.points(i) for i in indices]
        return f1_points(true, [found[i] for i in indices], max_distance)

    def _blobs(self, plane, threshold):
        """Positions and responses, of blobs above a threshold."""
        from scipy import ndimage as ndi
        from skimage.feature import peak_local_max

        span = self.high_ - self.low_
        plane = (plane - self.low_) / (span if span > 0 else 1)
        sigmas = np.linspace(self.min_sigma, self.max_sigma, self.n_sigma)
        cube = np.stack([-(s**2) * ndi.gaussian_laplace(plane, s) for s in sigmas], axis=-1)
        # Peaks in space and scale, those of the first and last scale too.
        peaks = peak_local_max(
            cube, threshold_abs=threshold, footprint=np.ones((3,) * cube.ndim), exclude_border=False
        )
        return peaks[:, :-1], cube[tuple(peaks.T)]

    def _calibrate(self, planes, y):
        annotations = Annotations(y, [plane[..., None] for plane in planes])
        annotations.require_fully_labeled()
        counts = annotations.counts()
        responses = [np.sort(self._blobs(plane, 0.0)[1]) for plane in planes]
        known = np.isfinite(counts)
        every = np.concatenate([r for r, k in zip(responses, known, strict=True) if k])
        choices = np.unique(np.quantile(np.append(every, 0.0), np.linspace(0, 1, 201)))
        errors = [
            sum(abs(len(r) - np.searchsorted(r, t, side="right") - c)
                for r, c, k in zip(responses, counts, known, strict=True) if k)
            for t in choices
        ]  # fmt: skip
        self.threshold_ = float(choices[int(np.argmin(errors))])


class PixelForest(ImageEstimator):
    """Foreground of pixels by a random forest on multiscale features.

    What interactive pixel classification does: intensity, edges and the Hessian's eigenvalues
    of each channel at several scales [1]_.

    Parameters
    ----------
    n_estimators : int, default=100
    sigma_min, sigma_max : float, default=0.7 and 8.0
        Scales of the features, pixels.
    max_pixels : int, default=50000
        Labeled pixels that are learned from, half of them foreground where there are enough.
    spatial_ndim : {2, 3}, default=2
    random_state : int, RandomState, Generator or None, default=None

    Attributes
    ----------
    forest_ : RandomForestClassifier
        `save` cannot store it; use joblib.
    n_channels_ : int

    References
    ----------
    .. [1] Berg et al. ilastik: interactive machine learning for (bio)image analysis. Nature Methods
       2019. :doi:`10.1038/s41592-019-0582-9`

    Examples
    --------
    >>> from sskseg import PixelForest
    >>> from sskseg.datasets import make_cells
    >>> X, y = make_cells(n_samples=2, shape=(32, 32), random_state=0)
    >>> PixelForest(n_estimators=5, random_state=0).fit(X, y).predict(X).shape
    (2, 32, 32)
    """

    _parameter_constraints: dict = {  # noqa: RUF012 - scikit-learn's name and form
        "n_estimators": [Interval(Integral, 1, None, closed="left")],
        "sigma_min": [Interval(Real, 0, None, closed="neither")],
        "sigma_max": [Interval(Real, 0, None, closed="neither")],
        "max_pixels": [Interval(Integral, 2, None, closed="left")],
        "spatial_ndim": [Interval(Integral, 2, 3, closed="both")],
        "random_state": ["random_state", np.random.Generator],
    }

    def __init__(
        self, n_estimators=100, *, sigma_min=0.7, sigma_max=8.0, max_pixels=50000, spatial_ndim=2,
        random_state=None,
    ):  # fmt: skip
        self.n_estimators = n_estimators
        self.sigma_min = sigma_min
        self.sigma_max = sigma_max
        self.max_pixels = max_pixels
        self.spatial_ndim = spatial_ndim
        self.random_state = random_state

    def fit(self, X, y):
        """Learn from the labeled pixels.

        Parameters
        ----------
        X : array-like of shape (n_samples, *spatial) or (n_samples, *spatial, n_channels)
        y : array-like of int, shape (n_samples, *spatial), or list
            -1 unlabeled, 0 background, > 0 foreground.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For input that breaks the contract, or where foreground or background is not labeled.
        """
        from sklearn.ensemble import RandomForestClassifier

        self._validate_params()
        if self.sigma_min > self.sigma_max:
            raise ValueError(
                f"sigma_min must not exceed sigma_max, got {self.sigma_min} and {self.sigma_max}."
            )
        rng = check_generator(self.random_state)
        images = self._check_images(X)
        annotations = Annotations(y, images)
        features, truth = [], []
        for i in annotations.require_labeled():
            label = annotations.label_images[i]
            features.append(self._features(images[i])[label >= 0])
            truth.append(label[label >= 0] > 0)
        features, truth = np.concatenate(features), np.concatenate(truth)
        if truth.all() or not truth.any():
            raise ValueError("y must label foreground and background, got one of them only.")
        half = self.max_pixels // 2
        chosen = [rng.permutation(np.flatnonzero(truth == side))[:half] for side in (False, True)]
        chosen = np.concatenate(chosen)
        self.n_channels_ = images[0].shape[-1]
        self.forest_ = RandomForestClassifier(
            self.n_estimators, min_samples_leaf=5, n_jobs=-1,
            random_state=int(rng.integers(2**31)),
        ).fit(features[chosen], truth[chosen])  # fmt: skip
        return self

    def predict_proba(self, X):
        """Probability of the foreground.

        Parameters
        ----------
        X : array-like
            As in `fit`.

        Returns
        -------
        probabilities : ndarray of float32, shape (n_samples, *spatial), or list of ndarray
        """
        check_is_fitted(self)
        images = self._check_images(X, self.n_channels_)
        maps = []
        for image in images:
            features = self._features(image)
            found = self.forest_.predict_proba(features.reshape(-1, features.shape[-1]))[:, 1]
            maps.append(found.reshape(image.shape[:-1]).astype(np.float32))
        return like_input(maps, X)

    def predict(self, X):
        """Segment images: 1 where the probability exceeds 0.5 (uint8).

        Parameters
        ----------
        X : array-like
            As in `fit`.

        Returns
        -------
        masks : ndarray of uint8, shape (n_samples, *spatial), or list of ndarray
        """
        return like_input([(m > 0.5).astype(np.uint8) for m in self.predict_proba(X)], X)

    def transform(self, X):
        """Probability of the foreground, which `InstanceCounter` takes.

        Parameters
        ----------
        X : array-like
            As in `fit`.

        Returns
        -------
        probabilities : ndarray of float32, list of ndarray, or ImageStack
        """
        maps = self.predict_proba(X)
        return wrap_like(X, maps, self.transform)

    def score(self, X, y, *, sample_weight=None):
        """Mean Dice coefficient of the foreground over the samples that have labels.

        Parameters
        ----------
        X, y
            As in `fit`.
        sample_weight : array-like of shape (n_samples,), default=None
            Of the mean.

        Returns
        -------
        float
        """
        check_is_fitted(self)
        images = check_images(X, self.spatial_ndim, n_channels=self.n_channels_)
        annotations = Annotations(y, images)
        indices, masks = annotations.require_labeled(), self.predict(X)
        weight = check_sample_weight(sample_weight, len(annotations), indices)
        scores = [dice(annotations.foreground(i), masks[i] > 0) for i in indices]
        return float(np.average(scores, weights=weight[indices]))

    def _check_images(self, X, n_channels=None):
        images = check_images(X, self.spatial_ndim, n_channels=n_channels)
        for i, image in enumerate(images):
            if min(image.shape[:-1]) < 2:  # there is no gradient
                raise ValueError(
                    f"X[{i}] must be at least 2 pixels wide, got shape {image.shape[:-1]}."
                )
        return images

    def _features(self, image):
        from skimage.feature import multiscale_basic_features

        return multiscale_basic_features(
            image.astype(np.float32), sigma_min=self.sigma_min, sigma_max=self.sigma_max,
            channel_axis=-1,
        )  # fmt: skip


def _channel(X, spatial_ndim, channel, n_channels=None):
    """One channel of each image, float32."""
    images = check_images(X, spatial_ndim, n_channels=n_channels)
    if channel >= images[0].shape[-1]:
        raise ValueError(f"channel must be below {images[0].shape[-1]}, got {channel}.")
    return [image[..., channel].astype(np.float32) for image in images]
