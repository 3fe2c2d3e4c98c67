"""Objects of label images as polygons, with their names, classes and measurements."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from ...morphology.outlines import fill_rings, trace_outlines
from .regions import UNLABELED


class Shape(NamedTuple):
    """Polygons of an object in one section.

    Parameters
    ----------
    name : str
        Unlike that of any other in the section.
    number : int or None
        Of the object; None: the pixels are unlabeled.
    polygons : list of list of ndarray of int, shape (n_vertices, 2)
        Of each connected component the outer ring, and the holes; row and column.
    plane : int
        Section, from 0.
    has_plane : bool
        Whether the image is a stack.
    class_name : str or None
    measurements : dict of str to float
    """

    name: str
    number: int | None
    polygons: list[list[np.ndarray]]
    plane: int
    has_plane: bool
    class_name: str | None
    measurements: dict[str, float]

    @property
    def has_holes(self) -> bool:
        """Whether a component has a hole."""
        return any(len(polygon) > 1 for polygon in self.polygons)


@dataclass(frozen=True)
class Drawing:
    """What is written of one image.

    Parameters
    ----------
    labels : ndarray of int, shape (height, width) or (depth, height, width), or None
    points : ndarray of float, shape (k, 2) or (k, 3), or None
        The center of the first pixel is (0, 0).
    rows : dict of int to tuple
        Name, class and measurements of objects.
    class_name : str or None
        Of objects without one in `rows`.
    suffix : str
        Of the file.
    name : str
        Of the image.
    """

    labels: np.ndarray | None
    points: np.ndarray | None = None
    objects: dict[int, tuple[str | None, str | None, dict[str, float]]] = field(
        default_factory=dict
    )
    class_name: str | None = None
    suffix: str = ""
    name: str = ""

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the image; empty if there are points only."""
        return () if self.labels is None else self.labels.shape

    def shapes(self) -> Iterator[Shape]:
        """Trace the objects, section by section in the order of their numbers."""
        if self.labels is None:
            return
        stack = self.labels[None] if self.labels.ndim == 2 else self.labels
        for plane, section in enumerate(stack):
            for number, polygons in _polygons(section):
                yield self._shape(number, polygons, plane)

    def _shape(self, number, polygons, plane):
        has_plane = self.labels is not None and self.labels.ndim == 3
        if number == -1:
            return Shape(UNLABELED, None, polygons, plane, has_plane, None, {})
        name, class_name, measurements = self.objects.get(number, (None, None, {}))
        name, class_name = name or f"{number:04d}", class_name or self.class_name
        return Shape(name, number, polygons, plane, has_plane, class_name, measurements)


def _polygons(section) -> Iterator[tuple[int, list[list[np.ndarray]]]]:
    """Polygons of each number of an image, sorted."""
    outlines = trace_outlines(section)
    rings = np.split(outlines.vertices, outlines.starts[1:-1]) if len(outlines.parts) else []
    first = np.searchsorted(outlines.parts, np.arange(len(outlines.ids) + 1))
    parts = [rings[a:b] for a, b in pairwise(first)]
    ids, starts = np.unique(outlines.ids, return_index=True)
    for number, a, b in zip(ids.tolist(), starts, [*starts[1:], len(parts)]):
        yield number, parts[a:b]


def to_xy(ring: np.ndarray, offset: Sequence[float] | float = 0) -> list[list[Any]]:
    """Return vertices as lists of x and y."""
    return (ring[:, ::-1] + offset).tolist()


def filled(rings: Sequence[np.ndarray]) -> tuple[int, int, np.ndarray]:
    """Fill rings: first row, first column, and pixels of the box around them."""
    vertices = np.concatenate(rings)
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    lengths = np.array([len(ring) for ring in rings])
    runs, _ = fill_rings(vertices - low, lengths, np.zeros(len(rings), int), int(high[0] - low[0]))
    pixels = np.zeros(high - low, bool)
    for row, start, stop in zip(runs.row, runs.start, runs.stop):
        pixels[row, start:stop] = True
    return int(low[0]), int(low[1]), pixels
