"""Shapes of napari as masks and label images, and masks as shapes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from .pixels import places_in
from .sample import Sample


def mask_of(layer: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Return the pixels inside of shapes.

    Parameters
    ----------
    layer : napari.layers.Shapes
        Shapes of three axes lie in one section each; those of two are in all sections.
    shape : tuple of int
        Size of the image in pixels.

    Returns
    -------
    ndarray of bool
    """
    mask = np.zeros(shape, bool)
    for vertices, kind in zip(layer.data, layer.shape_type):
        box, inside = _plane_mask(layer, vertices, kind, shape[-2:])
        mask[(_section(vertices, shape), *box)] |= inside
    return mask


def _plane_mask(layer, vertices, kind, shape):
    """Return the box of a shape, and its pixels in there: a large image is not searched for it."""
    corners = np.asarray(vertices)[:, -2:]
    low = np.clip(np.floor(corners.min(0)) - 1, 0, shape).astype(int)
    low -= low % 2  # so that halves are rounded as in the whole image
    high = np.clip(np.ceil(corners.max(0)) + 2, low, shape).astype(int)
    box = tuple(slice(a, b) for a, b in zip(low.tolist(), high.tolist()))
    if (low == high).any():  # outside of the image
        return box, np.zeros(high - low, bool)
    if kind == "rectangle" and len(np.unique(corners[:, 0])) == len(np.unique(corners[:, 1])) == 2:
        return _upright_rectangle(corners, shape)  # napari needs a second for a large one
    alone = type(layer)([corners - low], shape_type=kind)
    return box, alone.to_masks(high - low)[0]


def _upright_rectangle(corners, shape):
    """Return the box of all pixels whose centers lie in a rectangle, and that all are inside."""
    low = np.clip(np.ceil(corners.min(0)), 0, shape).astype(int)
    high = np.clip(np.floor(corners.max(0)) + 1, low, shape).astype(int)
    box = tuple(slice(a, b) for a, b in zip(low.tolist(), high.tolist()))
    return box, np.ones(high - low, bool)


def region_labels(
    layer: Any, shape: tuple[int, ...], image: Any = None
) -> tuple[np.ndarray, dict[int, str]]:
    """Return shapes as a label image, each a region of all sections, and their names.

    Parameters
    ----------
    layer : napari.layers.Shapes
        Shapes of one name are one region.
    shape : tuple of int
        Size of the image in pixels.
    image : napari.layers.Image, default=None
        The image: shapes may have another scale, or another place. None: they are in its pixels.

    Returns
    -------
    labels : ndarray of int32
        Of shapes that overlap, the later one is on top.
    names : dict of int to str
        0 is "outside".

    Raises
    ------
    ValueError
        If there is no shape.
    """
    if not len(layer.data):
        raise ValueError(f"{layer.name!r} has no shape: draw the regions.")
    given = layer.features["name"].tolist() if "name" in layer.features else []
    names = [_name(given, i) for i in range(len(layer.data))]
    numbers = {name: i for i, name in enumerate(dict.fromkeys(names), start=1)}
    labels = np.zeros(shape, np.int32)
    for name, vertices, kind in zip(names, layer.data, layer.shape_type):
        vertices = vertices if image is None else places_in(image, layer, vertices)
        box, inside = _plane_mask(layer, vertices, kind, shape[-2:])
        labels[(..., *box)][..., inside] = numbers[name]
    return labels, {0: "outside", **{number: name for name, number in numbers.items()}}


def regions_of_samples(
    layer: Any, samples: Iterable[Sample], images: Mapping[str, Any]
) -> dict[str, tuple[np.ndarray, dict[int, str]]]:
    """Return the regions of a layer of shapes as label images, and their names.

    Parameters
    ----------
    layer : napari.layers.Shapes
        Names are in its feature ``name``, if it has one.
    samples : iterable of Sample
    images : mapping of str to napari.layers.Image
        The layers of the images, such as the layers of a viewer.

    Returns
    -------
    regions : dict of (ndarray of int32, dict of int to str)
        By name of the image.
    """
    if type(layer).__name__ != "Shapes":
        raise ValueError(f"Regions are a Shapes layer, got {type(layer).__name__}.")
    return {
        each.name: region_labels(layer, each.painted.shape, images[each.name]) for each in samples
    }


def polygons_of(mask: np.ndarray) -> list[np.ndarray]:
    """Return rectangles of exactly the pixels of a mask, for a layer of shapes.

    Parameters
    ----------
    mask : ndarray of bool, shape (*spatial)

    Returns
    -------
    list of ndarray of float, shape (4, spatial_ndim)
        Rows with the same runs of pixels are one rectangle each.
    """
    if mask.ndim == 2:
        return [_corners(*sides) for sides in _rectangles(mask)]
    return [
        np.insert(_corners(*sides), 0, section, axis=1)
        for section, plane in enumerate(mask) for sides in _rectangles(plane)
    ]  # fmt: skip


def _section(vertices, shape):
    if len(shape) == 2 or vertices.shape[1] == 2:
        return ...
    section = round(float(vertices[0, 0]))
    if not 0 <= section < shape[0]:
        raise ValueError(f"A shape lies in section {section}, and the image has {shape[0]}.")
    return section


def _name(given, i):
    value = given[i] if i < len(given) else None
    is_empty = value is None or value != value or not str(value).strip()
    return f"region {i + 1}" if is_empty else str(value)


def _rectangles(plane):
    """Top, bottom, left and right of rectangles, the ends excluded."""
    found: list[tuple[int, int, int, int]] = []
    begun: dict[tuple[int, int], int] = {}
    for row in range(len(plane) + 1):
        runs = set() if row == len(plane) else _runs(plane[row])
        for run in begun.keys() - runs:
            found.append((begun.pop(run), row, *run))
        begun = {run: begun.get(run, row) for run in runs}
    return sorted(found)


def _runs(row):
    edges = np.flatnonzero(np.diff(row.astype(np.int8), prepend=0, append=0))
    return set(zip(edges[::2].tolist(), edges[1::2].tolist()))


def _corners(top, bottom, left, right):
    corners = [[top, left], [top, right], [bottom, right], [bottom, left]]
    return np.array(corners, float) - 0.5
