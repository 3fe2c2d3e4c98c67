"""Checks behind `Annotations`."""

import warnings
from collections.abc import Sequence
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .label_values import LARGEST, is_interpolated, void_value
from .validation import FOR_VOLUMES, check_numbers, check_unmasked, is_lazy, unwrap

_MIN_GRAY = 128  # largest value of a mask that was interpolated


def check_sequence(y: Any, name: str) -> Any:
    """Check that `y` is an array or a list, and compute it if it is a dask array.

    A column of a table, such as counts of a spreadsheet, becomes a list with None where a value is
    missing.
    """
    y = unwrap(y)
    if hasattr(y, "notna") and getattr(y, "ndim", None) == 1:
        y = y.astype(object).where(y.notna(), None).tolist()
    if y is None:
        raise ValueError(f"{name} is None: label images of X's spatial shape are required.")
    y = np.asarray(y) if is_lazy(y) else y
    if not isinstance(y, (np.ndarray, list, tuple)) or (isinstance(y, np.ndarray) and not y.ndim):
        raise ValueError(f"{name} must be an array or a list of arrays, got {type(y).__name__}.")
    return y


def are_counts(y: Any) -> bool:
    """Return whether `y` is one number for each sample, or None for some of them."""
    given = [item for item in y if item is not None]
    return bool(given) and all(np.ndim(item) == 0 for item in given)


def is_labeled(item: Any) -> bool:
    """Return whether a sample of `y`, validated or not, holds an annotation."""
    if item is None:
        return False
    if hasattr(item, "columns"):  # points; a table without a row says that there is no object
        return True
    item = np.asarray(item)
    if item.size == 0 or item.dtype.kind not in "biuf":  # no points: there is no object
        return True
    return bool((item > -1).any())  # points lie beyond -0.5; a comparison with NaN is false


def looks_like_labels(item: Any) -> bool:
    """Guess whether a sample of `y` is a label image, without the shape of its image."""
    item = np.asarray(0 if item is None else item)
    looks_like_points = item.ndim == 2 and item.shape[1] in (2, 3)
    return item.ndim > 1 and item.dtype.kind in "biu" and not looks_like_points


def check_label_image(
    label: ArrayLike, shape: tuple[int, ...], name: str, *, or_points: bool = False
) -> np.ndarray:
    """Validate one label image.

    Parameters
    ----------
    label : array-like of int or bool
        -1 unlabeled, 0 background, > 0 object.
    shape : tuple of int
        Spatial shape of its image.
    name : str
    or_points : bool, default=False
        Whether error messages mention points as an alternative.

    Returns
    -------
    ndarray of int, shape (*spatial)
        A view where possible.

    Raises
    ------
    ValueError
        For another shape or dtype, values below -1 or beyond int64, masked pixels.
    """
    check_unmasked(label, name, "give them the label -1")
    label = np.asarray(label)
    if label.shape != tuple(shape):
        points = f" (or be points of shape (k, {len(shape)}))" if or_points else ""
        is_volume = label.ndim == 3 and len(shape) == 2
        advice = f" For volumes, {FOR_VOLUMES}." if is_volume else ""
        raise ValueError(
            f"{name} must have the spatial shape of its image, {tuple(shape)}{points}, "
            f"got shape {label.shape}.{advice}"
        )
    if label.dtype == bool:
        return label.view(np.uint8)
    if label.dtype.kind not in "iu":
        raise ValueError(
            f"{name} must be integers or booleans (-1 unlabeled, 0 background, > 0 "
            f"object), got dtype {label.dtype}."
        )
    if label.dtype == np.uint64 and label.max() > np.iinfo(np.int64).max:
        raise ValueError(f"{name} must fit into int64, got {label.max()}.")
    if label.dtype.kind == "i" and label.min() < -1:
        raise ValueError(f"{name} must not hold values below -1 (unlabeled), got {label.min()}.")
    return label


def warn_of_values(labels: Sequence[np.ndarray | None], name: str) -> None:
    """Warn of label images with a void value, or the gray levels of an interpolated mask.

    Parameters
    ----------
    labels : sequence of ndarray of int, or None
    name : str
    """
    given = [label for label in labels if label is not None and label.size]
    largest = max((int(label.max()) for label in given), default=0)
    if largest in LARGEST:
        void = void_value(set().union(*(np.unique(label).tolist() for label in given)))
        if void is not None:
            warnings.warn(
                f"{name} holds {void} beside small values only. If these are pixels to be ignored, "
                f"give them -1; they are taken for an object (or a class) of the number {void}.",
                UserWarning,
                stacklevel=2,
            )
    if largest >= _MIN_GRAY and any(is_interpolated(label) for label in given[:4]):
        warnings.warn(
            f"{name} has gray levels that fall off at edges: it looks like a mask that was resized "
            "with interpolation or saved as JPEG, and each gray level is taken for an object. "
            "Apply a threshold, or resize it without interpolation (order 0).",
            UserWarning,
            stacklevel=2,
        )


def check_counts(y: Any, n_samples: int, *, name: str = "y") -> np.ndarray:
    """Validate counts.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
        None, NaN and -1 are unknown.
    n_samples : int
    name : str, default="y"

    Returns
    -------
    ndarray of float64, shape (n_samples,)
        NaN where unknown.

    Raises
    ------
    ValueError
        For another number of counts, negative or infinite ones.
    """
    if any(isinstance(item, (bool, np.bool_, str)) for item in y):
        raise ValueError(f"{name} must be counts, which are numbers, got {y!r}.")
    counts = check_numbers(y, name)
    if counts.shape != (n_samples,):
        raise ValueError(
            f"{name} must have {n_samples} counts, one a sample, got shape {counts.shape}."
        )
    counts[counts == -1] = np.nan
    if np.isinf(counts).any() or (counts < 0).any():
        raise ValueError(
            f"{name} must be finite counts that are not negative (None, NaN or -1 if unknown), got "
            f"{y!r}."
        )
    return counts


def check_n_suggested(n: int, annotations: Any) -> None:
    """Raise if there are not `n` unlabeled samples.

    Parameters
    ----------
    n : int
        Number of samples to suggest.
    annotations : Annotations
        Bound to its images.

    Raises
    ------
    ValueError
        If `n` is not an integer from 1 to the number of unlabeled samples.
    """
    n_unlabeled = len(annotations) - len(annotations.labeled)
    if n_unlabeled == 0:
        images = annotations.label_images if annotations.kind != "counts" else []
        labels = [x for i, x in enumerate(images) if not annotations.has_points(i)]
        raise ValueError(
            f"{annotations.name} labels all {len(annotations)} images, so that none can be "
            f"suggested.{about_zeros(labels)}"
        )
    if not isinstance(n, Integral) or not 1 <= n <= n_unlabeled:
        raise ValueError(
            f"n must be an integer between 1 and the number of unlabeled images, {n_unlabeled}, "
            f"got {n!r}."
        )


def about_zeros(labels: Sequence[np.ndarray]) -> str:
    """Explain what label images of zeros mean.

    Parameters
    ----------
    labels : sequence of ndarray of int, shape (*spatial)

    Returns
    -------
    str
        Sentences that start with a space; empty if each plane has another value.
    """
    n_empty, n_planes = _count_empty(labels)
    if not n_empty:
        return ""
    return (
        f" {n_empty} of {n_planes} label images (or pages) hold zeros only: zero is background, "
        "so they are labeled and have no objects. Unlabeled images are -1, or None in a list. If "
        "they are not labeled yet: of pages of a stack, read the file with empty='unlabeled'; of "
        "images with label files of their own, remove these files."
    )


def is_mostly_zeros(labels: Sequence[np.ndarray]) -> bool:
    """Whether at least half of the planes of label images hold zeros only."""
    n_empty, n_planes = _count_empty(labels)
    return 2 * n_empty >= n_planes


def _count_empty(labels):
    """Planes of zeros, and all planes."""
    planes = [plane for label in labels for plane in label.reshape(-1, *label.shape[-2:])]
    return sum(not plane.any() for plane in planes), len(planes)
