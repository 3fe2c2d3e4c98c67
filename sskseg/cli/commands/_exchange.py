"""Labels, regions and points of images, read and written in the formats of other programs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from ...images import ImageStack
from ...io import read_labels, read_points, read_rois, write_rois
from ...io.folders import files_of, list_images
from ...io.images import pixel_size
from ...io.label_sources import has_regions_only
from ...io.label_writing import write_planes
from ...io.ome_zarr.reading import holds_zarr, open_label_image
from ...io.planes import plane_axes
from ..formats import OF_ALL, OF_IMAGE
from ._by_file import axes_of_planes, planes_by_file

MEASURED = ("imagej", "geojson")  # formats of one image that hold measurements
OF_VOLUMES = ("tif", *MEASURED)  # formats whose files hold all sections
_OF_PIXELS = ("tif", "ilastik", "ome-zarr")  # formats that hold no points
_WITH_SIZE = ("coco", "cvat", "labelme")  # formats that hold the size of the image
_TABLES = (".csv", ".tsv", ".txt")


class Labeled(NamedTuple):
    """Labels, points or both of an image.

    Parameters
    ----------
    name : str
        Of the image.
    labels : ndarray of int, or None
    points : ndarray of shape (k, 2), or None
    table : DataFrame or None
        Names, classes and measurements of the objects.
    axes : str, default=""
        Those of label images with times.
    size : tuple of (spacing, unit), default=(None, None)
        Of a pixel, where it is known.
    """

    name: str
    labels: np.ndarray | None
    points: np.ndarray | None = None
    table: pd.DataFrame | None = None
    axes: str = ""
    size: tuple[Sequence[float] | None, str | None] = (None, None)


def read_labeled(
    path: Path,
    names: Sequence[str] | None,
    shapes: Sequence[Sequence[int]] | None,
    background: int | None,
    *,
    volumes: bool = False,
) -> list[Labeled]:
    """Read label images, regions or points, without images that have none.

    Parameters
    ----------
    path : Path
    names, shapes : sequence or None
        Of the images, where they are known.
    background : int or None
        Of labels of ilastik.
    volumes : bool, default=False
        Whether labels of OME-Zarr are read as volumes, unless names of sections are known.

    Returns
    -------
    list of Labeled
    """
    options: dict[str, Any]
    if holds_zarr(path):
        ndim = open_label_image(path).ndim if volumes and names is None else 2
        return _of_images(*read_labels(path, names, spatial_ndim=ndim))
    if has_regions_only(path):
        if shapes is not None and all(len(shape) == 3 for shape in shapes):  # of whole stacks
            options = {"shape": shapes, "background": background, "spatial_ndim": 3}
            return _of_images(*read_labels(path, names, **options))
        found, every = read_rois(path, shapes, names, background=background)
        return [_of_regions(n, r) for n, r in zip(found, every, strict=True) if r is not None]
    if _holds_tables(path):
        found, points = read_points(path, names)
        sizes = dict(zip(names or [], shapes or []))
        return [
            Labeled(name, np.zeros(sizes[name], np.int32) if name in sizes else None, each)
            for name, each in zip(found, points, strict=True)
            if each is not None
        ]
    options = {"shape": shapes, "background": background}
    return _of_images(*read_labels(path, names, empty="background", **options))  # as they are


def _holds_tables(path):
    """Whether points are read from a table, or from tables in a folder without images."""
    if path.is_dir():
        return bool(files_of(path, _TABLES)) and not list_images(path)
    return path.suffix.lower() in _TABLES


def _of_images(names, labels):
    pairs = zip(names, labels, strict=True)
    return [Labeled(name, label) for name, label in pairs if label is not None]


def _of_regions(name, rois):
    points = rois.points if len(rois.points) else None
    if rois.labels is None:
        return Labeled(name, None, rois.points)
    table = rois.table.drop(columns="section", errors="ignore")
    table = table[table.id.isin(np.unique(rois.labels))]  # others are hidden
    return Labeled(name, rois.labels, points, table)


def join_planes(
    items: Sequence[Labeled], kind: str, names: Sequence[str] | None, files: dict[str, Path]
) -> list[Labeled]:
    """Join the label images of the planes of a file, which Fiji and QuPath open as one image.

    Regions and points of planes stay apart: the same number may be another object in each. In TIFF,
    planes without labels are unlabeled, -1.

    Parameters
    ----------
    items : sequence of Labeled
    kind : str
        Format that is written. GeoJSON has no section of a time.
    names : sequence of str, or None
        Of all images, also of those without labels.
    files : dict of str to Path
        Files by the names of images.

    Returns
    -------
    list of Labeled
    """
    known = {item.name: item for item in items}
    names = list(known) if names is None else names
    joined: list[Labeled] = []
    for name, indices in planes_by_file(names, files).items():
        planes = [known.get(names[i]) for i in indices]
        own = [plane for plane in planes if plane is not None]
        labels: list[Any] = [p.labels for p in own if p.points is None and p.table is None]
        is_stack = len(planes) > 1 and 0 < len(labels) == len(own)
        is_stack = is_stack and len({np.shape(label) for label in labels}) == 1
        if is_stack and (kind != "geojson" or plane_axes(files[name])[0] != "tz"):
            blank = np.full(np.shape(labels[0]), -1) if kind == "tif" else np.zeros_like(labels[0])
            stack: list[Any] = [blank if plane is None else plane.labels for plane in planes]
            joined.append(Labeled(name, np.stack(stack)))
        else:
            joined += own
    return joined


def whole_stacks(
    names: Sequence[str], shapes: Sequence[Sequence[int]], files: dict[str, Path]
) -> tuple[Sequence[str], Sequence[Sequence[int]]]:
    """Return the names and shapes of the stacks of which all images are planes, or as given."""
    planes = planes_by_file(names, files)
    own = [[tuple(shapes[i]) for i in indices] for indices in planes.values()]
    if not all(len(each) > 1 and len({*each}) == 1 for each in own):
        return names, shapes
    return [*planes], [(len(each), *each[0]) for each in own]


def as_files(
    items: Sequence[Labeled], X: ImageStack | None, files: dict[str, Path]
) -> list[Labeled]:
    """Give label images the axes of the files of their images, and the size of a pixel."""
    found = []
    for item in items:
        file, labels, axes = files.get(item.name), np.asarray(item.labels), ""
        if labels.ndim == 3 and file is not None:
            axes, lengths = axes_of_planes(file, len(labels))
            labels, axes = labels.reshape(*lengths, *labels.shape[1:]), f"{axes}YX"
        size = (None, None) if X is None else (X.spacing, X.unit)
        if X is None and file is not None:
            size = pixel_size(file)
        found.append(item._replace(labels=labels, axes=axes, size=size))
    return found


def write_as(folder: Path, kind: str, items: Sequence[Labeled], files: dict[str, str]) -> list[str]:
    """Write labels and points in a format, all of them or nothing; return the names of the files.

    Parameters
    ----------
    folder : Path
    kind : str
        Of `sskseg.cli.formats.FORMATS`.
    items : sequence of Labeled
    files : dict of str to str
        Names of the image files by those of the images.
    """
    with TemporaryDirectory(dir=folder) as part:
        if kind in OF_ALL:
            write_file(Path(part, OF_ALL[kind]), kind, items, files)
        else:
            for item in items:
                write_file(Path(part, f"{item.name}{OF_IMAGE[kind]}"), kind, [item], files)
        written = list(Path(part).iterdir())
        for file in written:
            file.replace(folder / file.name)
    names = [f"{item.name}{OF_IMAGE.get(kind)}" for item in items]
    return [OF_ALL[kind]] if kind in OF_ALL else names


def write_file(path: Path, kind: str, items: Sequence[Labeled], files: dict[str, str]) -> None:
    """Write a file of one image, or of all in the formats that hold several; see `write_as`."""
    if kind == "tif":
        for item in items:  # one
            pixels, (spacing, unit) = np.asarray(item.labels), item.size
            axes = item.axes or "ZYX"[-pixels.ndim :]
            write_planes(path, pixels, axes, spacing=spacing, unit=unit)
        return
    options: dict[str, Any] = {
        "names": [files.get(item.name, item.name) for item in items], "format": kind,
    }  # fmt: skip
    labels = [_drawn(item, kind) for item in items]
    points = [item.points for item in items]
    if kind in MEASURED and labels[0] is not None and items[0].table is not None:
        options["table"] = items[0].table
    try:
        if kind in OF_ALL:
            some: Any = points if any(each is not None for each in points) else None
            write_rois(path, labels, some, **options)
        else:
            write_rois(path, labels[0], points[0], **options)
    except ValueError as error:
        raise ValueError(f"{', '.join(item.name for item in items[:3])}: {error}") from error


def check_items(items: Sequence[Labeled], kind: str) -> None:
    """Refuse points where a format holds none, or needs the size of the image."""
    for item in items:
        if item.points is not None and kind in _OF_PIXELS:
            raise ValueError(f"{item.name} has points, and --to {kind} writes pixels.")
        if item.labels is None and kind in _WITH_SIZE:
            raise ValueError(
                f"{item.name}: --to {kind} writes the size of the image: --images is needed."
            )


def _drawn(item, kind):
    """Labels, without those of an image that has points alone."""
    has_areas = item.labels is not None and (item.points is None or item.labels.any())
    return item.labels if has_areas or kind in _WITH_SIZE else None
