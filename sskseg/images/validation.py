"""Validation of images, label images, positions and weights."""

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .stack import ImageStack

_MAX_MAGNITUDE = 1e18  # of intensities, whose squares float32 can hold
_MAX_CHANNELS = 4  # of images whose channels come first; more may be an axis of volumes
_MAX_STAINS = 16  # a volume of few sections may have so many channels, or more
_MAX_RATIO = 8  # of the sides of an image; a last axis that is shorter is that of channels
FOR_VOLUMES = "set spatial_ndim=3 in each step"  # advice of messages
_SHAPES = "(n_samples, *spatial) or (n_samples, *spatial, n_channels)"


def unwrap(X: Any) -> Any:
    """Return the images of an `ImageStack`, and anything else unchanged.

    Parameters
    ----------
    X : object

    Returns
    -------
    object
    """
    return X.images if isinstance(X, ImageStack) else X


def spatial_ndim_of(estimator: Any) -> int:
    """Return the number of spatial axes of the samples of an estimator, 2 where it has none.

    Parameters
    ----------
    estimator : estimator
        What `fit` inferred comes first. Of a pipeline, the largest number of its steps: those that
        do not know it take any.

    Returns
    -------
    int
    """
    if hasattr(estimator, "steps"):
        return max((spatial_ndim_of(step) for _, step in estimator.steps), default=2)
    fitted = getattr(estimator, "spatial_ndim_", None)
    return int(fitted or getattr(estimator, "spatial_ndim", None) or 2)


def is_lazy(X: Any) -> bool:
    """Return whether X is or holds a dask array, without importing dask.

    Parameters
    ----------
    X : object

    Returns
    -------
    bool
    """
    array = sys.modules.get("dask.array")
    return array is not None and isinstance(unwrap(X), array.Array)


def check_images(
    X: Any, spatial_ndim: int, *, n_channels: int | None = None, name: str = "X"
) -> list[np.ndarray]:
    """Validate images and convert them to a list of arrays with a channel axis.

    Parameters
    ----------
    X : ndarray, list of ndarray, ImageStack
        ``(n_samples, *spatial)`` or ``(n_samples, *spatial, n_channels)``; a list where sizes
        differ. Booleans, integers and floats; finite, at most 1e18, nothing masked.
    spatial_ndim : {2, 3}
        Number of spatial axes of one sample.
    n_channels : int, default=None
        Expected number of channels; None accepts any.
    name : str, default="X"
        Name of the argument in error messages.

    Returns
    -------
    images : list of ndarray of shape (*spatial, n_channels)
        Views where possible.

    Raises
    ------
    ValueError
        For empty input, another number of axes, another number of channels, another dtype, NaN,
        infinity or more than 1e18 (computations are in float32), masked pixels.
    """
    _check_spatial_ndim(spatial_ndim, X, name)
    X = unwrap(X)
    images = _as_list(X, spatial_ndim, name)
    images = [_one_image(image, i, spatial_ndim, name) for i, image in enumerate(images)]
    channels = {image.shape[-1] for image in images}
    if len(channels) > 1:
        first = {image.shape[-1]: i for i, image in reversed([*enumerate(images)])}
        got = ", ".join(f"{n} ({name}[{first[n]}])" for n in sorted(first))
        raise ValueError(
            f"All images of {name} must have the same number of channels, got {got}."
            + channel_advice(*sorted(channels)[:2], is_of_model=False)
        )
    if n_channels is not None and channels != {n_channels}:
        (got,) = channels
        are_volumes = spatial_ndim == 2 and got > _MAX_CHANNELS
        raise ValueError(
            f"{name} must have {n_channels} channel(s), got {got} ({name}[0])."
            + (f" For volumes, {FOR_VOLUMES}." if are_volumes else channel_advice(n_channels, got))
        )
    _check_channels_last([image.shape for image in images], name)
    return images


def channel_advice(n_channels: int, got: int, *, is_of_model: bool = True) -> str:
    """Return what to do with images of several channels where one is expected, by a model or by
    the other images.
    """
    if n_channels != 1 or got < 2:
        return ""
    is_gray = " (of gray images that were saved in color any one)" if got in (3, 4) else ""
    advice = ""
    if is_of_model and got == 3:
        advice = " For stained tissue in color, use the trained model nuclei-stained."
    advice += (
        f" Read the channel that shows the objects{is_gray}, with channel=0 if it is the first."
    )
    return advice


def check_lazy_images(
    X: Any, spatial_ndim: int, *, n_channels: int | None = None, name: str = "X"
) -> Any:
    """Validate the shape and dtype of a dask array, and append a channel axis if it has none.

    Values are not validated: that would compute them.

    Parameters
    ----------
    X : dask array or ImageStack of one
    spatial_ndim : {2, 3}
    n_channels : int, default=None
        Expected number of channels; None accepts any.
    name : str, default="X"

    Returns
    -------
    dask array of shape (n_samples, *spatial, n_channels)

    Raises
    ------
    ValueError
        For another number of axes, unknown or empty axes, another dtype or number of channels.
    """
    _check_spatial_ndim(spatial_ndim, X, name)
    X = unwrap(X)
    if X.ndim not in (spatial_ndim + 1, spatial_ndim + 2) or any(
        not np.isfinite(size) or size == 0 for size in X.shape
    ):
        raise ValueError(
            f"{name} must be {_SHAPES} with {spatial_ndim} known, non-empty spatial axes, "
            f"got shape {X.shape}."
        )
    _check_dtype(X.dtype, name)
    X = X[..., None] if X.ndim == spatial_ndim + 1 else X
    _check_channels_last([X.shape[1:]], name)
    if n_channels is not None and X.shape[-1] != n_channels:
        got = X.shape[-1]
        raise ValueError(
            f"{name} must have {n_channels} channel(s), got {got}.{channel_advice(n_channels, got)}"
        )
    return X


def check_numbers(values: ArrayLike, name: str) -> np.ndarray:
    """Convert numbers to float64.

    Parameters
    ----------
    values : array-like
    name : str

    Returns
    -------
    ndarray of float64
        A copy; None is NaN.

    Raises
    ------
    ValueError
        For anything but numbers.
    """
    try:
        return np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must be numbers, got {values!r}.") from error


def check_positions(
    positions: ArrayLike | None, n_samples: int, *, name: str = "positions"
) -> np.ndarray:
    """Validate the positions of sections; None is ``0, 1, ..., n_samples - 1``.

    Parameters
    ----------
    positions : array-like of int, shape (n_samples,), or None
    n_samples : int
    name : str, default="positions"

    Returns
    -------
    ndarray of int64, shape (n_samples,)

    Raises
    ------
    ValueError
        For another length, anything but integers, or repeated positions (which of two sections is
        the neighbor of the next would be arbitrary).
    """
    if positions is None:
        return np.arange(n_samples)
    positions = np.asarray(positions)
    if positions.shape != (n_samples,):
        raise ValueError(
            f"{name} must have shape ({n_samples},), one position a section, got {positions.shape}."
        )
    if positions.dtype.kind not in "iu":
        raise ValueError(f"{name} must be integers, got dtype {positions.dtype}.")
    if positions.max(initial=0) > np.iinfo(np.int64).max:
        raise ValueError(f"{name} must fit into int64, got {positions.max()}.")
    values, counts = np.unique(positions, return_counts=True)
    if (counts > 1).any():
        raise ValueError(
            f"{name} must not repeat: {values[counts > 1][:5].tolist()} occur more than once. "
            "Two stacks need a gap between their positions."
        )
    return positions.astype(np.int64)


def check_sample_weight(
    sample_weight: ArrayLike | None, n_samples: int, indices: np.ndarray | None = None
) -> np.ndarray:
    """Validate sample weights; None is a weight of 1 for all.

    Parameters
    ----------
    sample_weight : array-like of shape (n_samples,), or None
    n_samples : int
    indices : ndarray of int, default=None
        Samples of which at least one must have a weight above 0.

    Returns
    -------
    ndarray of float64, shape (n_samples,)
        A copy.

    Raises
    ------
    ValueError
        For another shape, negative weights, NaN or infinity, or if none of `indices` has a weight.
    """
    if sample_weight is None:
        return np.ones(n_samples)
    weight = check_numbers(sample_weight, "sample_weight")
    if weight.shape != (n_samples,):
        raise ValueError(
            f"sample_weight must have shape ({n_samples},), one weight an image, got "
            f"{weight.shape}."
        )
    if not np.isfinite(weight).all() or (weight < 0).any():
        raise ValueError(f"sample_weight must be finite and not negative, got {sample_weight!r}.")
    if indices is not None and not weight[indices].any():
        raise ValueError("sample_weight must be above 0 for a labeled sample, got 0 for all.")
    return weight


def like_input(outputs: Sequence[np.ndarray] | np.ndarray, X: Any) -> np.ndarray | list[np.ndarray]:
    """Stack the outputs of samples into one array if X is one, else return a list.

    Parameters
    ----------
    outputs : list of ndarray
    X : array-like

    Returns
    -------
    ndarray or list of ndarray
    """
    is_array = isinstance(unwrap(X), np.ndarray) and unwrap(X).dtype != object
    if not is_array:
        return list(outputs)
    if len(outputs) == 1:
        (only,) = map(np.asarray, outputs)
        if only.flags.c_contiguous and not np.may_share_memory(only, unwrap(X)):
            return only[None]  # without a copy
    return np.stack(list(outputs))


def _check_spatial_ndim(spatial_ndim, X, name):
    if spatial_ndim not in (2, 3):
        raise ValueError(f"spatial_ndim must be 2 or 3, got {spatial_ndim!r}.")
    earlier = getattr(X, "spatial_ndim", None)
    if earlier not in (None, spatial_ndim):
        raise ValueError(
            f"spatial_ndim={spatial_ndim} conflicts with {name}, whose samples the step before "
            f"read with spatial_ndim={earlier}: set spatial_ndim={earlier} in each step."
        )


def _check_channels_last(shapes, name):
    """Refuse images of a few rows with many channels: their first axis is that of channels."""
    for shape in shapes:
        first, *between, last = shape
        is_side = last > _MAX_STAINS and last > min(between) / _MAX_RATIO
        if first <= _MAX_CHANNELS and first < min(between) and is_side:
            raise ValueError(
                f"{name} must have its channels in the last axis, got images of shape {shape}: "
                f"{first} pixels high, with {last} channels? Move them there, "
                f"np.moveaxis({name}, 1, -1), or leave out an axis of length 1. For volumes, "
                f"{FOR_VOLUMES}."
            )


def _as_list(X, spatial_ndim, name):
    if isinstance(X, np.ndarray) and X.dtype != object:
        if X.ndim not in (spatial_ndim + 1, spatial_ndim + 2):
            raise ValueError(
                f"{name} must be {_SHAPES} with {spatial_ndim} spatial axes (spatial_ndim="
                f"{spatial_ndim}), that is {spatial_ndim + 1} or {spatial_ndim + 2} axes in all; "
                f"got shape {X.shape}."
            )
    elif is_lazy(X):
        raise ValueError(
            f"{name} is a dask array, but images in memory are required here: compute it, or the "
            "samples of it that are needed, first."
        )
    elif not isinstance(X, (list, tuple, np.ndarray)):
        raise ValueError(
            f"{name} must be an array, a list of arrays, an ImageStack or a dask array, "
            f"got {type(X).__name__}.{_how_to_convert(X, name)}"
        )
    if len(X) == 0:
        raise ValueError(f"{name} is empty: at least one image is required.")
    return X


def _how_to_convert(X, name):
    """How images in a file of HDF5 or Zarr, a tensor or a generator become an array or a list."""
    if hasattr(X, "__array__") and getattr(X, "ndim", 0) > 2:
        return f" np.asarray({name}) reads it into memory."
    return f" list({name}) collects its images." if hasattr(X, "__next__") else ""


def _one_image(image, index, spatial_ndim, name):
    check_unmasked(image, f"{name}[{index}]", "fill them, and give them the label -1")
    image = np.asarray(image)
    _check_dtype(image.dtype, f"{name}[{index}]")
    if image.ndim not in (spatial_ndim, spatial_ndim + 1):
        advice = f" For volumes, {FOR_VOLUMES}." if image.ndim == 4 else ""
        raise ValueError(
            f"{name}[{index}] must have {spatial_ndim} spatial axes and at most one channel axis, "
            f"got shape {image.shape}.{advice}"
        )
    if image.size == 0:
        raise ValueError(f"{name}[{index}] is empty, got shape {image.shape}.")
    if image.dtype.kind == "f" or image.dtype.itemsize > 4:
        _check_values(image, f"{name}[{index}]")
    return image[..., None] if image.ndim == spatial_ndim else image


def _check_values(image, name):
    low, high = float(image.min()), float(image.max())
    if not np.isfinite([low, high]).all():
        raise ValueError(f"{name} contains NaN or infinity; finite values are required.")
    if max(-low, high) > _MAX_MAGNITUDE:
        raise ValueError(
            f"{name} must hold values of at most {_MAX_MAGNITUDE:g}, which float32 can compute "
            f"with, got values from {low:g} to {high:g}."
        )


def check_unmasked(values: Any, name: str, remedy: str) -> None:
    """Refuse masked pixels, which would be used like any others."""
    if np.ma.is_masked(values):
        raise ValueError(f"{name} has masked pixels, which are not understood: {remedy}.")


def _check_dtype(dtype, name):
    if dtype.kind not in "buif":
        raise ValueError(f"{name} must be booleans, integers or real floats, got dtype {dtype}.")
