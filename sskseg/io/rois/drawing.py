"""Label images of regions."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ...morphology.outlines import Runs, fill_rings
from .regions import Region, listed, where_is

_MAX_PIXELS = 2**23  # of the boxes around regions that are drawn at once
_UNLABELED = (True, -1)


class Drawn(NamedTuple):
    """A label image, and which regions it shows.

    Parameters
    ----------
    labels : ndarray of int32, shape (height, width) or (depth, height, width), or None
    areas : list of Region
        Without points, and without unlabeled areas.
    numbers : ndarray of int, shape (n_areas,)
    """

    labels: np.ndarray | None
    areas: list[Region]
    numbers: np.ndarray


def draw_regions(regions: Sequence[Region], shape: tuple[int, ...], file: Path) -> Drawn:
    """Draw regions; of overlapping ones, the later in the file is on top.

    Parameters
    ----------
    regions : sequence of Region
    shape : tuple of int
        (height, width) or (depth, height, width).
    file : Path
        For messages.

    Returns
    -------
    Drawn
        Objects have the numbers of the file if all have one, else 1, 2, ... in its order. Unlabeled
        areas are -1.

    Raises
    ------
    ValueError
        If a region is outside of the image, contains no center of a pixel, or has no section in a
        stack; if regions of several sections are to be drawn in one image.

    Warns
    -----
    UserWarning
        If regions overlap, extend beyond the image, or intersect themselves.
    """
    areas = [region for region in regions if region.rings or region.mask is not None]
    planes = _planes(areas, shape, file)
    numbers, index = _numbered(areas)
    canvas = _Canvas(areas, index, shape, file)
    for part in _parts(canvas.low, canvas.high, shape[-2:]):
        runs, crosses = _runs(areas, part, shape[-2:])
        canvas.paint(runs, planes, crosses)
    canvas.warn()
    labels = numbers.astype(np.int32)[canvas.indices]
    kept = [i for i, area in enumerate(areas) if not area.is_unlabeled]
    return Drawn(labels, [areas[i] for i in kept], numbers[index[kept]])


def _planes(areas: Sequence[Region], shape: tuple[int, ...], file: Path) -> np.ndarray:
    """Sections of regions, 0 in a single image."""
    depth = shape[0] if len(shape) == 3 else 1
    given = {area.plane for area in areas if area.plane is not None}
    if len(shape) == 2:
        if len(given) > 1:
            raise ValueError(
                f"{file} has regions in several sections ({listed(sorted(given))}, counted from "
                f"0), and the image of shape {shape} has one: give the shape of the stack, (depth, "
                "height, width)."
            )
        return np.zeros(len(areas), np.int64)
    for area in areas:
        if area.plane is None and depth > 1:
            raise ValueError(
                f"{where_is(file, area.name)} has no position in the stack, and the image has "
                f"{depth} sections. In Fiji set it by Properties of the ROI."
            )
        if area.plane is not None and not 0 <= area.plane < depth:
            raise ValueError(
                f"{where_is(file, area.name)} is in section {area.plane} (counted from 0), and the "
                f"image has {depth}."
            )
    return np.array([area.plane or 0 for area in areas], np.int64)


def _numbered(areas):
    """Numbers by index (0 background), and the index of the object of each area."""
    keys = [
        _UNLABELED
        if area.is_unlabeled
        else (area.key is not None, i if area.key is None else area.key)
        for i, area in enumerate(areas)
    ]
    known: dict = {}
    index = np.array([known.setdefault(key, len(known) + 1) for key in keys], np.int64)
    objects = [key for key in known if key != _UNLABELED]
    are_numbers = all(given and isinstance(key, int) and key > 0 for given, key in objects)
    numbers = np.zeros(len(known) + 1, np.int64)
    numbers[[known[key] for key in objects]] = (
        [key for _, key in objects] if are_numbers else np.arange(1, len(objects) + 1)
    )
    if _UNLABELED in known:
        numbers[known[_UNLABELED]] = -1
    return numbers, index


def _bounds(areas):
    """First and last row and column of each area."""
    low, high = np.zeros((len(areas), 2)), np.zeros((len(areas), 2))
    for i, area in enumerate(areas):
        if area.mask is not None:
            top, left, pixels = area.mask
            low[i], high[i] = (top, left), (top + pixels.shape[0], left + pixels.shape[1])
    polygons = [i for i, area in enumerate(areas) if area.rings]
    if polygons:
        vertices = np.concatenate([ring for i in polygons for ring in areas[i].rings])
        sizes = np.array([sum(map(len, areas[i].rings)) for i in polygons], np.int64)
        first = np.cumsum(sizes) - sizes
        low[polygons] = np.minimum.reduceat(vertices, first)
        high[polygons] = np.maximum.reduceat(vertices, first)
    return low, high


def _parts(low, high, shape) -> Iterator[np.ndarray]:
    """Cut regions into parts whose boxes have a bounded number of pixels of the image."""
    sides = np.clip(high, 0, shape) - np.clip(low, 0, shape) + 1
    sizes = np.minimum(np.prod(sides, axis=1), _MAX_PIXELS)
    part = np.floor(np.cumsum(sizes) / _MAX_PIXELS)
    if len(part):
        yield from np.split(np.arange(len(part)), np.flatnonzero(np.diff(part)) + 1)


def _runs(areas, part, shape):
    """Runs of pixels of the areas with some indices, and which of them intersect themselves."""
    runs, crossing = [], np.empty(0, np.int64)
    polygons = [i for i in part if areas[i].rings]
    if polygons:
        rings = [ring for i in polygons for ring in areas[i].rings]
        owners = np.repeat(polygons, [len(areas[i].rings) for i in polygons])
        lengths = np.array([len(ring) for ring in rings])
        filled, crosses = fill_rings(np.concatenate(rings), lengths, owners, shape[0])
        runs, crossing = [filled], np.unique(owners[crosses])
    runs += [_runs_of_mask(areas[i].mask, i) for i in part if areas[i].mask is not None]
    joined = Runs(*(np.concatenate(values) for values in zip(*runs)))
    order = np.argsort(joined.region, kind="stable")
    region, row, start, stop = (values[order] for values in joined)
    start, stop = np.clip(start, 0, shape[1]), np.clip(stop, 0, shape[1])
    inside = (stop > start) & (row < shape[0]) & (row >= 0)
    return Runs(region[inside], row[inside], start[inside], stop[inside]), crossing


def _runs_of_mask(mask, owner):
    top, left, pixels = mask
    change = np.diff(np.pad(pixels.astype(np.int8), ((0, 0), (1, 1))), axis=1)
    row, start = np.nonzero(change > 0)
    _, stop = np.nonzero(change < 0)
    return Runs(np.full(len(row), owner), row + top, start + left, stop + left)


class _Canvas:
    """Indices of objects in an image, and what is to be warned of."""

    def __init__(self, areas, index, shape, file):
        self.areas, self.index, self.shape, self.file = areas, index, shape, file
        self.low, self.high = _bounds(areas)
        self.indices = np.zeros(shape, np.int32)
        self.sizes = np.zeros(len(areas), np.int64)
        self.crossing: list[int] = []
        self.overlap, self.pair = 0, (0, 0)

    def paint(self, runs, planes, crossing):
        """Draw the runs of some areas over what is there."""
        counts = runs.stop - runs.start
        first = (planes[runs.region] * self.shape[-2] + runs.row) * self.shape[-1] + runs.start
        pixels = np.repeat(first - (np.cumsum(counts) - counts), counts) + np.arange(counts.sum())
        own = np.repeat(self.index[runs.region], counts).astype(np.int32)
        flat = self.indices.reshape(-1)
        below = flat[pixels]
        flat[pixels] = own  # the last assignment wins
        above = flat[pixels]
        self._overlaps(below, own, (below > 0) & (below != own))
        self._overlaps(own, above, own != above)
        self.sizes += np.bincount(runs.region, counts, len(self.areas)).astype(np.int64)
        self.crossing += crossing.tolist()

    def _overlaps(self, lower, upper, where):
        found = np.flatnonzero(where)
        if len(found) and not self.overlap:
            self.pair = int(lower[found[0]]), int(upper[found[0]])
        self.overlap += len(found)

    def warn(self):
        """Raise for areas without pixels, and warn of the others."""
        for i in np.flatnonzero(self.sizes == 0):
            self._raise_empty(i)
        if self.crossing:
            self._warn(
                f"{self._names(self.crossing)}: polygons that intersect themselves are filled by "
                "the even-odd rule, as Fiji fills them"
            )
        # Programs round by up to a pixel.
        is_beyond = (self.low < -1) | (self.high > np.array(self.shape[-2:]) + 1)
        beyond = np.flatnonzero(is_beyond.any(axis=1))
        if len(beyond):
            self._warn(
                f"{self._names(beyond)}: regions beyond the image of shape {self.shape} are cut at "
                "its border"
            )
        if self.overlap:
            self._warn_of_overlaps()

    def _raise_empty(self, i):
        where = where_is(self.file, self.areas[i].name)
        if (self.high[i] <= 0).any() or (self.low[i] >= self.shape[-2:]).any():
            raise ValueError(
                f"{where} is outside of the image of shape {self.shape}: is it of another image, "
                "or in units other than pixels?"
            )
        raise ValueError(f"{where} is empty: it contains no center of a pixel. Remove it.")

    def _warn_of_overlaps(self):
        visible = np.zeros(self.index.max() + 1, bool)
        visible[self.indices] = True
        lower, upper = (int(np.flatnonzero(self.index == i)[0]) for i in self.pair)
        hidden = np.flatnonzero(~visible[self.index])
        self._warn(
            f"regions overlap in {self.overlap} pixels, as {self._names([lower])} and "
            f"{self._names([upper])} do: the later one in the file is on top"
            + (f", and covers {self._names(hidden)} completely" if len(hidden) else "")
        )

    def _names(self, indices):
        return listed(self.areas[i].name for i in indices)

    def _warn(self, text):
        warnings.warn(f"{self.file}: {text}.", UserWarning, stacklevel=6)
