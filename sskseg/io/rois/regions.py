"""`Region`: an area or points of an image, as files of any format are read."""

from __future__ import annotations

import math
import warnings
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

UNLABELED = "unlabeled"
_IGNORED = (UNLABELED, "ignore*", "ignore")  # QuPath has a class "Ignore*"
_MAX_COORDINATE = 2.0**31


@dataclass(frozen=True, slots=True)
class Region:
    """An area or points.

    Parameters
    ----------
    name : str
        As in the file, or made of what the file has, for messages.
    rings : tuple of ndarray of float, shape (n_vertices, 2)
        Row and column of polygons, (0, 0) the corner of the first pixel; filled by the even-odd
        rule.
    mask : tuple of (int, int, ndarray of bool), default=None
        First row and column, and pixels, of an area that the file has as pixels.
    points : ndarray of float, shape (n_points, 2), default=None
        Row and column, (0, 0) the center of the first pixel.
    plane : int, ndarray of int, shape (n_points,), or None
        Section, from 0; None: the file does not say.
    key : hashable, default=None
        Regions of one key are one object. If all are positive integers, they are its number.
    class_name : str, default=None
    measurements : dict of str to float
    """

    name: str
    rings: tuple[np.ndarray, ...] = ()
    mask: tuple[int, int, np.ndarray] | None = None
    points: np.ndarray | None = None
    plane: Any = None
    key: Hashable = None
    class_name: str | None = None
    measurements: dict[str, float] = field(default_factory=dict)

    @property
    def is_unlabeled(self) -> bool:
        """Whether the pixels of the area are -1."""
        names = (self.name, self.class_name or "")
        return any(name.strip().lower() in _IGNORED for name in names)


@dataclass(frozen=True, slots=True)
class ImageRegions:
    """What a file says of one image.

    Parameters
    ----------
    name : str or None
        Of the image; None: that of the file.
    shape : tuple of int or None
        (height, width) or (depth, height, width), if the file has it.
    regions : list of Region
    labels : ndarray of int, default=None
        In place of regions, if the file has a label image.
    """

    name: str | None
    shape: tuple[int, ...] | None
    regions: list[Region]
    labels: np.ndarray | None = None


def vertices_of(xy: Any, where: str, *, least: int = 3) -> np.ndarray:
    """Take the vertices of a polygon, given as (x, y), without a repeated last one.

    Parameters
    ----------
    xy : array-like of shape (n, 2)
    where : str
        File and region, for messages.
    least : int, default=3
        Smallest number of vertices.

    Returns
    -------
    ndarray of float64, shape (n, 2)
        Row and column.

    Raises
    ------
    ValueError
        If there are fewer vertices, or a coordinate is no finite number.
    """
    try:
        vertices = np.asarray(xy, np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{where} must have pairs of numbers as vertices: {error}.") from error
    if vertices.size == 0:
        vertices = vertices.reshape(0, 2)
    if vertices.ndim != 2 or vertices.shape[1] < 2:
        raise ValueError(f"{where} must have pairs (x, y) as vertices, got shape {vertices.shape}.")
    vertices = vertices[:, 1::-1]
    if not (np.abs(vertices) < _MAX_COORDINATE).all():
        wrong = vertices[~(np.abs(vertices) < _MAX_COORDINATE).all(axis=1)][0, ::-1]
        raise ValueError(f"{where} must have finite coordinates, got (x, y) = {wrong.tolist()}.")
    if len(vertices) > 1 and (vertices[0] == vertices[-1]).all() and least > 1:
        vertices = vertices[:-1]
    if len(vertices) < least:
        raise ValueError(f"{where} must have at least {least} vertices, got {len(vertices)}.")
    return vertices


def rectangle(x0: float, y0: float, x1: float, y1: float, where: str) -> np.ndarray:
    """Return the corners of a rectangle with sides along the axes, as row and column."""
    corners = vertices_of([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], where)
    if x0 == x1 or y0 == y1:
        raise ValueError(f"{where} is empty: its sides are {abs(x1 - x0):g} and {abs(y1 - y0):g}.")
    return corners


def ellipse(
    center: ArrayLike, axes: Sequence[float], where: str, *, angle: float = 0.0
) -> np.ndarray:
    """Approximate an ellipse by a polygon.

    Parameters
    ----------
    center : (x, y)
    axes : (x, y)
        Half of the axes, before it is turned.
    where : str
        File and region, for messages.
    angle : float, default=0.0
        In radians, from x to y.

    Returns
    -------
    ndarray of float64, shape (256, 2)
        Row and column.

    Raises
    ------
    ValueError
        If an axis is 0.
    """
    if not (abs(axes[0]) > 0 and abs(axes[1]) > 0):
        raise ValueError(f"{where} is empty: its axes are {tuple(axes)}.")
    t = 2 * np.pi * np.arange(256) / 256
    x, y = axes[0] * np.cos(t), axes[1] * np.sin(t)
    cosine, sine = math.cos(angle), math.sin(angle)
    turned = np.stack([x * cosine - y * sine, x * sine + y * cosine], axis=1)
    return vertices_of(np.asarray(center) + turned, where)


def points_of(xy: ArrayLike, where: str, *, offset: float) -> np.ndarray:
    """Take points, given as (x, y): row and column minus an offset."""
    return vertices_of(xy, where, least=1) - offset


def where_is(file: Path, name: object) -> str:
    """Name a file and a region, for messages."""
    return f"{file}, region {str(name)[:80]!r}"


def listed(names: Iterable[object], n: int = 3) -> str:
    """List the first names, and how many others there are."""
    names = [str(name)[:80] for name in names]
    return ", ".join(map(repr, names[:n])) + (
        f" and {len(names) - n} more" if len(names) > n else ""
    )


def leave_out(where: object, names: list, kinds: str, *, is_all: bool, stacklevel: int) -> None:
    """Warn of regions that are neither areas nor points.

    Parameters
    ----------
    where : object
        The file, or an image of it.
    names : list
        Of these regions; nothing happens without any.
    kinds : str
        What they are.
    is_all : bool
        Whether there are no others: an image without regions would be labeled as background.
    stacklevel : int
        Of the warning, seen from the caller.

    Raises
    ------
    ValueError
        If there are no others.
    """
    if names and is_all:
        raise ValueError(f"{where} holds no areas or points: {listed(names)} are {kinds}.")
    if names:
        warnings.warn(
            f"{where}: {listed(names)} are {kinds}, and are left out.",
            UserWarning,
            stacklevel=stacklevel + 1,
        )


def warn_of_kinds(kinds: Iterable[str], file: object, stacklevel: int) -> None:
    """Warn of points of several classes, which are read together.

    Parameters
    ----------
    kinds : iterable of str
        Classes of the points.
    file : object
    stacklevel : int
        Of the warning, seen from the caller.
    """
    kinds = sorted(kinds)
    if len(kinds) > 1:
        warnings.warn(
            f"{file} has points of the classes {listed(kinds)}: they are read as objects of one "
            "kind. To count one class, save its points in a file of their own.",
            UserWarning,
            stacklevel=stacklevel + 1,
        )


def as_number(value: Any) -> int | None:
    """Return a positive integer, also one that is written as text, or None."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = int(value)
    except (ValueError, OverflowError):
        return None
    return number if 0 < number < 2**31 and number == float(value) else None


def as_measurement(value: Any) -> float | None:
    """Return a finite number, or None."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None
