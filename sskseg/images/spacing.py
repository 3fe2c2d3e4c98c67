"""Size of a pixel along each axis."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence

import numpy as np

_MAX_RATIO_IN_PLANE = 1.1
_SAME_RATIO = 0.1


def check_spacing(
    spacing: Sequence[float] | None, ndim: int | None = None, name: str = "spacing"
) -> tuple[float, ...] | None:
    """Validate the size of a pixel along each axis.

    Parameters
    ----------
    spacing : sequence of float, or None
    ndim : int, default=None
        Number of axes; None accepts any.
    name : str, default="spacing"

    Returns
    -------
    tuple of float, or None

    Raises
    ------
    ValueError
        For another number of sizes, or one that is not a positive number.
    """
    if spacing is None:
        return None
    n = "one for each axis" if ndim is None else f"{ndim} of them"
    expected = f"{name} must be None or positive numbers, {n}, got {spacing!r}."
    try:
        sizes = np.asarray(spacing, float)
    except (TypeError, ValueError) as error:
        raise ValueError(expected) from error
    is_complete = sizes.ndim == 1 and (ndim is None or len(sizes) == ndim)
    if not is_complete or not (np.isfinite(sizes) & (sizes > 0)).all():
        raise ValueError(expected)
    return tuple(sizes.tolist())


def relative_spacing(
    spacing: Sequence[float] | None, ndim: int, *, name: str = "X.spacing"
) -> tuple[float, ...] | None:
    """Compute the size of a voxel along its first axis, relative to its size in the plane.

    Parameters
    ----------
    spacing : sequence of float, or None
        Along each axis; of consecutive sections, also that between sections, first.
    ndim : {2, 3}
        Number of axes of one sample.
    name : str, default="X.spacing"

    Returns
    -------
    tuple of 3 floats, or None
        ``(size, 1, 1)``. None for planes, cubic voxels, and an unknown spacing.

    Raises
    ------
    ValueError
        As `check_spacing`.

    Warns
    -----
    UserWarning
        If pixels are not about square in the plane, which images are turned in: they are taken for
        square.

    Examples
    --------
    >>> from sskseg.images import relative_spacing
    >>> relative_spacing((0.5, 0.1, 0.1), 3)
    (5.0, 1.0, 1.0)
    """
    sizes = check_spacing(spacing, None, name)
    if sizes is None:
        return None
    check_spacing(sizes, 3 if len(sizes) == 3 else ndim, name)
    *z, y, x = sizes
    if max(y / x, x / y) > _MAX_RATIO_IN_PLANE:
        warnings.warn(
            f"{name} says that pixels are not square in the plane, {y:g} x {x:g}, but they are "
            "taken for square, since images are turned: resample them.",
            stacklevel=3,
        )
    if ndim == 2 or math.isclose(z[0], math.sqrt(y * x), rel_tol=1e-6):
        return None
    return z[0] / math.sqrt(y * x), 1.0, 1.0


def warn_of_spacing(
    spacing: Sequence[float] | None, ndim: int, fitted: tuple[float, ...] | None
) -> None:
    """Warn of voxels that are not as long as those that a network learned from.

    Parameters
    ----------
    spacing : sequence of float, or None
        Spacing of the images to predict. None is not compared.
    ndim : {2, 3}
    fitted : tuple of 3 floats, or None
        What `relative_spacing` returned for the training images; None is not compared.

    Warns
    -----
    UserWarning
        If the ratios of the sides differ by more than a tenth.
    """
    if spacing is None or fitted is None:
        return
    given = relative_spacing(spacing, ndim) or (1.0, 1.0, 1.0)
    if not math.isclose(given[0], fitted[0], rel_tol=_SAME_RATIO):
        warnings.warn(
            f"Voxels of X are {given[0]:.3g} times as long in z as in the plane, those of fit "
            f"were {fitted[0]:.3g} times as long: resample X.",
            stacklevel=4,
        )
