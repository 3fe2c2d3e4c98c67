"""`PercentileScaler`: a fixed intensity range."""

from __future__ import annotations

import warnings
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from ..base import ImageEstimator
from ..images import (
    check_channel_axis,
    check_images,
    check_lazy_images,
    check_numbers,
    intensity_range,
    is_lazy,
    like_input,
    rescale,
    subsample_step,
    unwrap,
    wrap_like,
)

_MIN_SHARE = 0.1  # of the range of the images of fit


class PercentileScaler(ImageEstimator):
    """Scale intensities so that two percentiles become 0 and 1.

    The percentiles are those of all images of `fit`, or of each whole image, but never of a tile.
    The result therefore does not depend on how an image is divided into blocks.

    Parameters
    ----------
    percentiles : tuple of two floats in [0, 100], default=(1.0, 99.8)
        The two percentiles of each channel that become 0 and 1.
    scope : {"dataset", "image"}, default="dataset"
        Scale by the percentiles over all images of `fit` (``"dataset"``), or each image by its own
        percentiles (``"image"``). Use the latter if exposure or staining varies.
    clip : bool, default=False
        Whether to clip the result to the range from 0 to 1.
    spatial_ndim : {2, 3}, default=2
        Number of spatial axes of a sample: 2 for images, 3 for volumes.

    Attributes
    ----------
    low_, high_ : ndarray of shape (n_channels,)
        The two percentiles of each channel over all images of `fit`.
    dtype_ : str
        Data type of the images of `fit`, such as "uint8". Models of earlier versions lack it.

    Notes
    -----
    With more than about 4 million pixels, percentiles are computed from a regular subsample. If
    both percentiles of a channel are equal, for example in images of sparse spots, the channel is
    scaled by its minimum and maximum. A constant channel becomes 0. With ``scope="image"``,
    percentiles of dask arrays are computed lazily.

    Examples
    --------
    >>> import numpy as np
    >>> from sskseg import PercentileScaler
    >>> X = np.arange(101.0).reshape(1, 1, 101)
    >>> PercentileScaler((0, 50)).fit_transform(X)[0, 0, [0, 50, 100]]
    array([0., 1., 2.], dtype=float32)
    """

    _fitted = {"low_": "numbers", "high_": "numbers"}  # noqa: RUF012
    _parameter_constraints: dict = {  # noqa: RUF012 - scikit-learn's name and form
        "percentiles": [tuple, list, np.ndarray],
        "scope": [StrOptions({"dataset", "image"})],
        "clip": ["boolean"],
        "spatial_ndim": [Interval(Integral, 2, 3, closed="both")],
    }

    def __init__(
        self,
        percentiles: tuple[float, float] = (1.0, 99.8),
        *,
        scope: str = "dataset",
        clip: bool = False,
        spatial_ndim: int = 2,
    ):
        self.percentiles = percentiles
        self.scope = scope
        self.clip = clip
        self.spatial_ndim = spatial_ndim

    def fit(self, X: Any, y: Any = None) -> PercentileScaler:
        """Compute the percentiles.

        Parameters
        ----------
        X : array-like of shape (n_samples, *spatial) or (n_samples, *spatial, n_channels)
            Images, a list of images of different sizes, an `ImageStack`, or a dask array, which is
            read one sample at a time.
        y : None
            Not used.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If images are invalid, or `percentiles` are not two increasing numbers.
        """
        self._validate_params()
        percentiles = self._check_percentiles()
        if is_lazy(X):
            images = check_lazy_images(X, self.spatial_ndim)
        else:
            images = check_images(X, self.spatial_ndim)
        check_channel_axis(images, y)
        thinned = self._thinned(sum(int(np.prod(image.shape[:-1])) for image in images))
        sampled = check_images([np.asarray(image[thinned]) for image in images], self.spatial_ndim)
        self.low_, self.high_ = intensity_range(sampled, percentiles)
        self.dtype_ = str(np.result_type(*{image.dtype for image in images}))
        return self

    def transform(self, X: Any) -> Any:
        """Scale images.

        Parameters
        ----------
        X : array-like
            As in `fit`.

        Returns
        -------
        ndarray of float32, list of ndarray, ImageStack or dask array
            The scaled images, in the layout of X. An `ImageStack` keeps its backbone and simulator.

        Warns
        -----
        UserWarning
            If images have another bit depth than those of `fit`, with ``scope="dataset"``. For a
            dask array, the warning comes when its blocks are computed.
        """
        check_is_fitted(self)
        if is_lazy(X):
            scaled = self._transform_lazy(unwrap(X))
        else:
            images = check_images(X, self.spatial_ndim, n_channels=len(self.low_))
            if self.scope == "dataset":
                for i, image in enumerate(images):
                    if _warn_of_bit_depth(f"X[{i}]", image, self._known, stacklevel=4):
                        break
            scaled = [self._scale(image) for image in images]
            originals = unwrap(X)
            if any(np.ndim(original) == self.spatial_ndim for original in originals):
                scaled = [image[..., 0] for image in scaled]
            scaled = like_input(scaled, X)
        return wrap_like(X, scaled, self.transform, spatial_ndim=self.spatial_ndim)

    def inverse_transform(self, X: Any) -> np.ndarray | list[np.ndarray]:
        """Undo `transform`, except for clipping.

        Parameters
        ----------
        X : ndarray or list of ndarray
            Scaled images.

        Returns
        -------
        ndarray of float32 or list of ndarray

        Raises
        ------
        ValueError
            With ``scope="image"``: percentiles of images are not kept.
        """
        check_is_fitted(self)
        if self.scope == "image":
            raise ValueError("Images scaled with scope='image' cannot be scaled back.")
        images = check_images(X, self.spatial_ndim, n_channels=len(self.low_))
        span = (self.high_ - self.low_).astype(np.float32)
        restored = [image * span + self.low_.astype(np.float32) for image in images]
        restored = [r.reshape(np.shape(x)) for r, x in zip(restored, unwrap(X), strict=True)]
        return like_input(restored, X)

    def _check_percentiles(self):
        values = check_numbers(self.percentiles, "percentiles")
        if values.shape != (2,) or not 0 <= values[0] < values[1] <= 100:
            raise ValueError(
                "percentiles must be two rising numbers between 0 and 100, got "
                f"{self.percentiles!r}."
            )
        return values

    @property
    def _known(self):
        """Type of the images of `fit`, if that is known, and their range."""
        return np.dtype(getattr(self, "dtype_", float)), self.low_, self.high_

    def _thinned(self, n_pixels):
        """Slices that subsample the spatial axes."""
        step = subsample_step(n_pixels, self.spatial_ndim)
        return (slice(None, None, step),) * self.spatial_ndim

    def _scale(self, image):
        low, high = self.low_, self.high_
        if self.scope == "image":
            sampled = image[self._thinned(image[..., 0].size)]
            low, high = intensity_range([sampled], self._check_percentiles())
        return rescale(image, low, high, self.clip)

    def _transform_lazy(self, X):
        import dask
        import dask.array as da

        full = check_lazy_images(X, self.spatial_ndim, n_channels=len(self.low_))
        full = full.rechunk({full.ndim - 1: -1})
        if self.scope == "dataset":
            scaled = _rescale_lazily(full, self.low_, self.high_, self.clip, self._known)
        else:
            images = []
            for image in full:
                sampled = image[self._thinned(int(np.prod(image.shape[:-1])))]
                both = dask.delayed(intensity_range)([sampled], self._check_percentiles())
                both = da.from_delayed(both, (2, image.shape[-1]), np.float64)
                images.append(_rescale_lazily(image, both[0], both[1], self.clip))
            scaled = da.stack(images)
        return scaled[..., 0] if X.ndim < full.ndim else scaled


def _rescale_lazily(images, low, high, clip, known=None):
    import dask.array as da

    return da.map_blocks(
        _rescale_block, images, low, high, clip=clip, known=known, dtype=np.float32,
        meta=np.empty((0,) * images.ndim, np.float32),
    )  # fmt: skip


def _rescale_block(block, low, high, clip, known):
    """Scale a block, whose values are known only here."""
    if known is not None:
        _warn_of_bit_depth("X", block, known, stacklevel=2)
    return rescale(block, low, high, clip)


def _warn_of_bit_depth(name, image, known, stacklevel):
    """Warn of integers that images of `fit` cannot hold, or that are too few to fill a tenth of
    their range: other bits, not another exposure. Return whether they are."""
    dtype, low, high = known
    if dtype.kind != "u" or image.dtype.kind != "u" or image.dtype == dtype:
        return False
    dim = low + _MIN_SHARE * (high - low)
    is_deeper = image.max(initial=0) > np.iinfo(dtype).max
    if not is_deeper and not (np.iinfo(image.dtype).max < dim).all():
        return False
    warnings.warn(
        f"{name} is {image.dtype}, and the images of fit were {dtype}: intensities do not match. "
        "Convert the images to the same bit depth, without stretching their contrast; or fit with "
        "PercentileScaler(scope='image'), which scales each image by itself.",
        UserWarning,
        stacklevel=stacklevel,
    )
    return True
