"""`PixelForest`: a random forest on multiscale features."""

from __future__ import annotations

from collections.abc import Iterator
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.utils._param_validation import Interval
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import check_is_fitted

from ..base import ImageEstimator, transaction
from ..images import (
    ImageStack,
    check_generator,
    check_images,
    check_sample_weight,
    like_input,
    wrap_like,
)
from ..images.annotations import Annotations
from ..metrics import dice
from ..nn import PretrainedEncoder
from ..training import channel_statistics
from ._encoder_features import encoder_maps, interpolate_maps, start_encoder
from ._pixel_features import (
    TileFeatures,
    feature_tiles,
    pixels_in_tile,
    pixels_of_image,
    tiles_in_region,
    written_shape,
)

_MAX_PIXELS = 2**14  # that are classified at once: their features stay in a processor's cache


class PixelForest(ImageEstimator):
    """Classify pixels by a random forest on multiscale features.

    The method of interactive pixel classification [1]_: intensity, edges and eigenvalues of the
    Hessian of each channel at several scales.

    Parameters
    ----------
    n_estimators : int, default=100
    sigma_min, sigma_max : float, default=0.7 and 8.0
        Smallest and largest scale of the features, pixels.
    max_pixels : int, default=50000
        Labeled pixels to train on, half of them foreground if there are enough.
    features : PretrainedEncoder or None, default=None
        An encoder that others trained, whose feature maps, interpolated at the pixels, are features
        beside the others; it is not fine-tuned. Images are standardized for it.
    cache_size : int, default=0
        Number of tiles, of 512 x 512 pixels or smaller (volumes: 256 in each axis), whose features
        stay in memory for later calls, the last ones: 64 bytes per pixel and channel with the
        default scales. In interactive use, where a few more labels are added to the same image
        again and again, they are then computed once. Copies, clones and pickles start with an
        empty cache.
    spatial_ndim : {2, 3}, default=2
    random_state : int, RandomState, Generator or None, default=None

    Attributes
    ----------
    forest_ : RandomForestClassifier
        `save` cannot store it; use joblib.
    encoder_ : torch.nn.Module or None
        Encoder in `features`.
    n_channels_ : int
    channel_mean_, channel_std_ : ndarray of shape (n_channels,)
        Mean and standard deviation of the training images. They standardize images for the encoder.

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

    _fitted = {"encoder_": "a network or None"}  # noqa: RUF012
    _parameter_constraints: dict = {  # noqa: RUF012 - scikit-learn's name and form
        "n_estimators": [Interval(Integral, 1, None, closed="left")],
        "sigma_min": [Interval(Real, 0, None, closed="neither")],
        "sigma_max": [Interval(Real, 0, None, closed="neither")],
        "max_pixels": [Interval(Integral, 2, None, closed="left")],
        "features": [PretrainedEncoder, None],
        "cache_size": [Interval(Integral, 0, None, closed="left")],
        "spatial_ndim": [Interval(Integral, 2, 3, closed="both")],
        "random_state": ["random_state", np.random.Generator],
    }

    def __init__(
        self,
        n_estimators: int = 100,
        *,
        sigma_min: float = 0.7,
        sigma_max: float = 8.0,
        max_pixels: int = 50000,
        features: PretrainedEncoder | None = None,
        cache_size: int = 0,
        spatial_ndim: int = 2,
        random_state: Any = None,
    ):
        self.n_estimators = n_estimators
        self.sigma_min = sigma_min
        self.sigma_max = sigma_max
        self.max_pixels = max_pixels
        self.features = features
        self.cache_size = cache_size
        self.spatial_ndim = spatial_ndim
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> PixelForest:
        """Train the forest on labeled pixels.

        Parameters
        ----------
        X : array-like of shape (n_samples, *spatial) or (n_samples, *spatial, n_channels)
        y : array-like of int, shape (n_samples, *spatial), or list
            -1 unlabeled, 0 background, > 0 foreground; or points, which are drawn as discs.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For invalid images or annotations, if foreground or background is not labeled, or if
            weights do not fit the encoder.
        FileNotFoundError
            If there is no file of weights.
        ImportError
            If the library of the encoder is not installed.
        """
        from sklearn.ensemble import RandomForestClassifier

        self._validate_params()
        if self.sigma_min > self.sigma_max:
            raise ValueError(
                f"sigma_min must not exceed sigma_max, got {self.sigma_min} and {self.sigma_max}."
            )
        if self.features is not None and self.spatial_ndim != 2:
            raise ValueError(f"features must be None with spatial_ndim=3, got {self.features!r}.")
        rng = check_generator(self.random_state)
        images = self._check_images(X)
        annotations = Annotations(y, images)
        labels = {i: annotations.label_images[i] for i in annotations.require_labeled()}
        targets = np.concatenate([label[label >= 0] > 0 for label in labels.values()])
        if targets.all() or not targets.any():
            raise ValueError("y must label foreground and background, got one of them only.")
        half = self.max_pixels // 2
        sides = (np.flatnonzero(targets == side) for side in (False, True))
        chosen = np.concatenate([rng.permutation(side)[:half] for side in sides])
        with transaction(self):
            self._start_encoder(images)
            self.forest_ = RandomForestClassifier(
                self.n_estimators, min_samples_leaf=5, n_jobs=-1,
                random_state=int(rng.integers(2**31)),
            ).fit(self._training_features(images, labels, chosen), targets[chosen])  # fmt: skip
        return self

    def predict_proba(self, X: Any) -> np.ndarray | list[np.ndarray]:
        """Predict the probability of the foreground.

        Parameters
        ----------
        X : array-like
            As in `fit`.

        Returns
        -------
        probabilities : ndarray of float32, shape (n_samples, *spatial), or list of ndarray
        """
        check_is_fitted(self)
        probabilities = []
        for image in self._check_images(X, self.n_channels_):
            probability = np.empty(image.shape[:-1], np.float32)
            whole = tuple(slice(0, n) for n in probability.shape)
            for place, part in self._predict_tiles(image, whole):
                probability[place] = part
            probabilities.append(probability)
        return like_input(probabilities, X)

    def predict_region(
        self, image: Any, region: tuple[slice, ...]
    ) -> Iterator[tuple[tuple[slice, ...], np.ndarray]]:
        """Predict the tiles of an image that meet a region, one after the other.

        What is in the middle of the region comes first, as in a window, in which an answer is
        shown while the rest is computed. The probabilities are those of `predict_proba`.

        Parameters
        ----------
        image : array-like of shape (*spatial) or (*spatial, n_channels)
        region : tuple of slice
            Slice of each spatial axis, with start and stop.

        Returns
        -------
        tiles : iterator of (tuple of slice, ndarray of float32)
            A part of the image, of 512 pixels a side (volumes: 256), or more at its end, and the
            probability of the foreground in it. A tile is computed when the iterator reaches it.

        Raises
        ------
        ValueError
            If there is not a slice with start and stop for each spatial axis.
        """
        check_is_fitted(self)
        image = self._check_images([image], self.n_channels_)[0]
        slices = [
            isinstance(part, slice) and None not in (part.start, part.stop) for part in region
        ]
        if slices != [True] * self.spatial_ndim:
            raise ValueError(
                f"region must have {self.spatial_ndim} slices with start and stop, got {region!r}."
            )
        return self._predict_tiles(image, region)

    def predict(self, X: Any) -> np.ndarray | list[np.ndarray]:
        """Segment images: 1 where the probability exceeds 0.5 (uint8).

        Parameters
        ----------
        X : array-like
            As in `fit`.

        Returns
        -------
        masks : ndarray of uint8, shape (n_samples, *spatial), or list of ndarray
        """
        return like_input([(p > 0.5).astype(np.uint8) for p in self.predict_proba(X)], X)

    def transform(self, X: Any) -> Any:
        """Predict the probability of the foreground, for `InstanceCounter`.

        Parameters
        ----------
        X : array-like
            As in `fit`.

        Returns
        -------
        probabilities : ndarray of float32, list of ndarray, or ImageStack
        """
        return wrap_like(X, self.predict_proba(X), self.transform, spatial_ndim=self.spatial_ndim)

    def fit_transform(self, X: Any, y: Any) -> ImageStack:
        """Fit, and predict the training images, as a pipeline does in its `fit`.

        Parameters
        ----------
        X, y
            As in `fit`.

        Returns
        -------
        probabilities : ImageStack
            As `transform` returns them, with ``in_sample=True``: errors on new images are larger.
        """
        predicted = self.fit(X, y).transform(X)
        return ImageStack(predicted, in_sample=True, spatial_ndim=self.spatial_ndim)

    def score(self, X: Any, y: Any, *, sample_weight: Any = None) -> float:
        """Compute the mean Dice coefficient of the foreground over labeled samples.

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
        images = check_images(X, self.spatial_ndim, n_channels=self.n_channels_)
        annotations = Annotations(y, images)
        indices, masks = annotations.require_labeled(), self.predict(X)
        weight = check_sample_weight(sample_weight, len(annotations), indices)
        scores = np.array([dice(annotations.foreground(i), masks[i] > 0) for i in indices])
        return float(np.average(scores, weights=weight[indices]))

    def _predict_tiles(self, image, region):
        # The forest's own `predict_proba` takes half as long again: it makes arrays of all classes
        # and all pixels for each tree, and threads add them in any order.
        trees = [(tree.tree_, tree.tree_.value[:, 0, 1]) for tree in self.forest_.estimators_]
        reader = self._reader(image)
        n_jobs = -1 if self.encoder_ is None else 1  # torch has threads of its own
        with Parallel(n_jobs=n_jobs, prefer="threads") as parallel:
            for tile in tiles_in_region(image.shape[:-1], self.sigma_max, region):
                read, shape = reader(tile), written_shape(tile)
                starts = range(0, int(np.prod(shape)), _MAX_PIXELS)
                parts = parallel(
                    delayed(_foreground)(trees, read, slice(start, start + _MAX_PIXELS))
                    for start in starts
                )
                yield tile.write, np.concatenate(parts).astype(np.float32).reshape(shape)

    def _check_images(self, X, n_channels=None):
        images = check_images(X, self.spatial_ndim, n_channels=n_channels)
        for i, image in enumerate(images):
            if min(image.shape[:-1]) < 2:  # there is no gradient
                raise ValueError(
                    f"X[{i}] must be at least 2 pixels wide, got shape {image.shape[:-1]}."
                )
        return images

    def _start_encoder(self, images):
        self.n_channels_ = images[0].shape[-1]
        self.encoder_ = None
        if self.features is not None:
            self.channel_mean_, self.channel_std_ = channel_statistics(images)
            self.encoder_ = start_encoder(self.features, self.n_channels_)

    def _make_module(self, name):
        if self.features is None:
            raise ValueError(f"There are no features, so no {name}.")
        return self.features.make_encoder(self.n_channels_)

    def _training_features(self, images, labels, chosen):
        """Features of the chosen ones of all labeled pixels."""
        features, start = None, 0
        for i, label in labels.items():
            labeled = np.flatnonzero(label >= 0)
            rows = np.flatnonzero((chosen >= start) & (chosen < start + len(labeled)))
            pixels, reader = labeled[chosen[rows] - start], self._reader(images[i])
            for tile in feature_tiles(label.shape, self.sigma_max):
                inside, in_tile = pixels_in_tile(pixels, label.shape, tile)
                if len(in_tile):
                    found = reader(tile)(in_tile)
                    if features is None:
                        features = np.empty((len(chosen), found.shape[1]), found.dtype)
                    features[rows[inside]] = found
            start += len(labeled)
        return features

    def _reader(self, image):
        """Return a function of a tile, which returns one of indices of its pixels: features."""
        encoder, shape = self.encoder_, image.shape[:-1]
        if encoder is None:
            return lambda tile: self._filters(image, tile).__getitem__
        feature_maps = encoder_maps(encoder, image, self.channel_mean_, self.channel_std_)

        def reader(tile):
            filters, whole = self._filters(image, tile), pixels_of_image(tile, shape)

            def read(pixels):
                of_encoder = interpolate_maps(
                    feature_maps, encoder.reductions, shape, whole[pixels]
                )
                return np.concatenate([filters[pixels], of_encoder], axis=1)

            return read

        return reader

    def _filters(self, image, tile):
        wanted = (self.sigma_min, self.sigma_max, self.cache_size)
        cache = self.__dict__.get("_cache_")
        if cache is None or wanted != (cache.sigma_min, cache.sigma_max, cache.size):
            cache = self._cache_ = TileFeatures(*wanted)
        return cache(image, tile)

    def __getstate__(self):
        return {name: value for name, value in super().__getstate__().items() if name != "_cache_"}


def _foreground(trees, read, pixels):
    """The mean of the trees' shares of the foreground, added in the order of the trees."""
    features = read(pixels)
    total = np.zeros(len(features))
    for tree, values in trees:
        total += values[tree.apply(features)]
    return total / len(trees)
