"""Files that napari opens by drag and drop, and saves: results of scans, and ROIs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..io import read_object_table, read_rois, write_rois
from ..io.rois.formats import read_regions
from ..io.scans import open_scan
from .regions import region_labels

_LayerData = tuple[Any, dict[str, Any], str]
_ROIS = (".zip", ".geojson")
_TABLE = "objects.csv"


def get_reader(path: str | list[str]) -> Callable[[str | list[str]], list[_LayerData]] | None:
    """Return what reads a file, or None if it is none of these; napari calls it.

    Parameters
    ----------
    path : str or list of str
        Destination of `sskseg.scans.count_scan`, ROIs of Fiji (``.zip``), or GeoJSON of QuPath.

    Returns
    -------
    callable or None
    """
    paths = [Path(each) for each in ([path] if isinstance(path, str) else path)]
    if all((each / _TABLE).is_file() and (each / "labels").is_dir() for each in paths):
        return lambda path: [layer for each in _listed(path) for layer in read_result(each)]
    if all(each.suffix.lower() in _ROIS and each.is_file() for each in paths):
        return lambda path: [layer for each in _listed(path) for layer in read_roi_layers(each)]
    return None


def read_result(path: str | Path) -> list[_LayerData]:
    """Read the destination of `sskseg.scans.count_scan` as a layer of labels with their table.

    Parameters
    ----------
    path : str or path-like

    Returns
    -------
    list of (dask array, dict, "labels")
    """
    scan = open_scan(path)
    table = read_object_table(Path(path) / _TABLE)
    place: dict[str, Any] = {"name": f"{Path(path).name} objects"}
    if scan.unit is not None:
        place |= {"scale": scan.spacing, "units": (scan.unit,) * len(scan.spacing)}
    return [(scan.data, place | {"features": table.rename(columns={"id": "index"})}, "labels")]


def read_roi_layers(path: str | Path) -> list[_LayerData]:
    """Read ROIs as a layer of labels with names and classes, and points as one of points.

    Parameters
    ----------
    path : str or path-like

    Returns
    -------
    list of (ndarray, dict, str)
        Files that do not say how large their image is give one that holds all of them.

    Raises
    ------
    ValueError
        If the file cannot be read.
    """
    path = Path(path)
    layers: list[_LayerData] = []
    names, rois = read_rois(path, _extent(path), spatial_ndim=2)
    if len(rois) > 1:  # sections of a stack
        names, rois = read_rois(path, _extent(path), spatial_ndim=3)
    for name, each in zip(names, rois):
        if each is None:
            continue
        if each.labels is not None and (each.labels > 0).any():
            features = each.table.rename(columns={"id": "index"})
            layers.append((each.labels.clip(0), {"name": name, "features": features}, "labels"))
        if len(each.points):
            layers.append((each.points, {"name": f"{name} points"}, "points"))
    return layers


def _extent(path):
    """Shape of the smallest image with all regions of a file, or that which the file has."""
    shapes, corners, planes = [], [np.ones(2)], [0]
    for image in read_regions(path):
        shapes += [] if image.shape is None else [image.shape]
        for region in image.regions:
            corners += [ring.max(0) for ring in region.rings]
            if region.points is not None and len(region.points):
                corners.append(region.points.max(0) + 1)
            if region.mask is not None:
                corners.append(np.add(region.mask[:2], region.mask[2].shape))
            planes += [] if region.plane is None else np.ravel(region.plane).tolist()
    if shapes:
        return None
    size = tuple(int(n) for n in np.ceil(np.max(corners, axis=0)))
    return (int(max(planes)) + 1, *size) if max(planes) else size


def write_label_layer(path: str, data: Any, meta: dict[str, Any]) -> list[str]:
    """Write a layer of labels to ROIs; napari calls it.

    Parameters
    ----------
    path : str
        With the suffix .zip or .geojson.
    data : array of int
    meta : dict
        Of napari: its features are measurements.

    Returns
    -------
    list of str
        What was written.
    """
    labels, table = np.asarray(data), None
    features = pd.DataFrame(meta.get("features", {}))
    if "index" in features:
        present = np.unique(labels)
        table = features.rename(columns={"index": "id"})
        table = table[table["id"].isin(present)].reset_index(drop=True)
        table = table if len(table) == (present > 0).sum() else None
    write_rois(path, labels, table=table)
    return [path]


def write_shape_layer(path: str, data: Any, meta: dict[str, Any]) -> list[str]:
    """Write a layer of shapes to ROIs, as the pixels inside of them; napari calls it.

    Parameters
    ----------
    path : str
        With the suffix .zip or .geojson.
    data : list of ndarray of shape (n_vertices, 2)
    meta : dict
        Of napari: shapes of one feature ``name`` are one ROI.

    Returns
    -------
    list of str
        What was written.

    Raises
    ------
    ValueError
        If shapes overlap, or are of more than two axes.
    """
    from napari.layers import Shapes

    kinds = meta.get("shape_type", "polygon")
    layer = Shapes(data, shape_type=kinds, features=meta.get("features"), name=meta.get("name"))
    if layer.ndim != 2:
        raise ValueError(f"Shapes to write must have 2 axes, got {layer.ndim}.")
    shape = tuple(int(n) for n in np.ceil(np.max([each.max(0) for each in data], axis=0)) + 1)
    if layer.to_masks(shape).sum(0).max() > 1:
        raise ValueError(f"{layer.name!r} has shapes that overlap: ROIs would cut each other.")
    labels, names = region_labels(layer, shape)
    numbers = [number for number in names if number]
    table = pd.DataFrame({"id": numbers, "name": [names[number] for number in numbers]})
    write_rois(path, labels, table=table)
    return [path]


def _listed(path):
    return [path] if isinstance(path, str) else path
