"""Folders of tiles that a person counts."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ..images.annotations import Annotations
from ..morphology.counts import object_centroids
from .folders import is_visible, stem, without_label_suffix
from .images import read_headers
from .labels import read_labels
from .points import read_points
from .rois import read_rois
from .rois.formats import holds_regions, image_name, region_files
from .rois.regions import listed
from .tables import read_table

_LABELS, _POINTS, _REGIONS = "label images", "tables of points", "files of regions"


def read_csv(path: str | os.PathLike[str], text: Sequence[str] = ()) -> pd.DataFrame:
    """Read a table of `write_object_table`, or of another program.

    Parameters
    ----------
    path : str or path-like
    text : sequence of str, default=()
        As in `sskseg.io.tables.read_table`.

    Returns
    -------
    pandas.DataFrame

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path} does not exist.")
    return pd.DataFrame(read_table(Path(path), text)).reset_index(drop=True)


def read_marks(
    folder: str | os.PathLike[str], images: Sequence[Path], spatial_ndim: int
) -> list[np.ndarray | None]:
    """Read where a person found objects: centroids of label images and regions, or points.

    Parameters
    ----------
    folder : str or path-like
        Label images (TIFF or PNG), tables of points, or files of regions, which may have areas and
        points; files of one of these kinds. Of tiles with masks of Cellpose
        ("tile_000000_cp_masks.tif"), regions are left out, and of tiles with label images tables.
        If 1 is the only positive value of all label images, they
        are masks, and each connected component is an object.
    images : sequence of Path
        Of `sskseg.totals.write_audit`.
    spatial_ndim : {2, 3}

    Returns
    -------
    list of ndarray of shape (k, spatial_ndim) or None
        Of each image; None without annotations.

    Raises
    ------
    ValueError
        If files are of several kinds; the message names them.

    Warns
    -----
    UserWarning
        If regions or tables are left out.
    """
    path, names = Path(folder), [image.stem for image in images]
    kind = _kind(path, names)
    if kind == _LABELS:
        # A tile without an object counts, and so does an empty plane of a tile.
        _, labels = read_labels(path, names, spatial_ndim=spatial_ndim, empty="background")
        return _centroids_of_all(labels)
    if kind == _POINTS:
        return list(read_points(path, names, spatial_ndim=spatial_ndim)[1])
    shapes = [_shape(image, spatial_ndim) for image in images]
    rois = read_rois(path, shapes, names, spatial_ndim=spatial_ndim)[1]
    return [None if each is None else _of_regions(each) for each in rois]


def _kind(path, names):
    """The only kind of annotations in a folder."""
    files = [*filter(is_visible, path.iterdir())]
    labels = [file for file in files if file.suffix.lower() in (".tif", ".tiff", ".png")]
    regions = [file for file in region_files(path) if holds_regions(file)]
    tables = [file for file in files if file.suffix.lower() in (".csv", ".tsv", ".txt")]
    tables = [file for file in tables if file not in regions]
    if labels:
        regions, tables = _beside(labels, regions, [file for file in tables if file.stem in names])
    kinds = {_LABELS: labels, _POINTS: tables, _REGIONS: regions}
    found = {kind: listed(sorted(f.name for f in each)) for kind, each in kinds.items() if each}
    if len(found) > 1:
        got = " and ".join(f"{kind} ({files})" for kind, files in found.items())
        raise ValueError(f"{path} must have annotations of one kind, got {got}.")
    return next(iter(found), _REGIONS)


def _beside(labels, regions, tables):
    """Find the regions and tables that contradict label images; warn of tables that do not.

    Programs such as Cellpose write them beside the label image of a tile, and `read_labels` decides
    which are read. It reads regions in place of label images that are not named as such.
    """
    regions = [file for file in regions if not file.name.endswith("_seg.npy")]
    labeled = {without_label_suffix(stem(file)) for file in labels}
    are_named = any(without_label_suffix(stem(file)) != stem(file) for file in labels)
    unlabeled = [file for file in tables if file.stem not in labeled]
    if not unlabeled and tables:
        warnings.warn(
            f"{labels[0].parent} holds label images, which are read, and tables of the same tiles, "
            f"which are left out: {listed(sorted(file.name for file in tables))}.",
            UserWarning,
            stacklevel=5,
        )
    if are_named:
        regions = [file for file in regions if image_name(file) not in labeled]
    return regions, unlabeled


def _shape(image, ndim):
    """Size of a tile along its spatial axes; the file may have been saved by another program."""
    header = read_headers(image)[0]
    sizes, axes = dict(zip(header.axes, header.shape, strict=True)), "zyx"[-ndim:]
    return tuple(sizes[a] for a in axes) if set(axes) <= set(sizes) else header.shape[:ndim]


def _of_regions(rois):
    """Centroids of areas, and points."""
    areas = [] if rois.labels is None else [object_centroids(rois.labels)]
    return np.concatenate([*areas, rois.points])


def _centroids_of_all(labels):
    """Centroids of the objects of label images; None stays None."""
    known = [each for each in labels if each is not None]
    annotations = Annotations(known, [each[..., None] for each in known])
    found = iter([object_centroids(annotations.objects(i)) for i in range(len(known))])
    return [None if each is None else next(found) for each in labels]
