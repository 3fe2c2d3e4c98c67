"""Read regions of interest as label images, points and tables."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..folders import composed, list_images, number, stem
from ..images import read_pictures
from ..object_tables import split_unit
from .drawing import Drawn, draw_regions
from .formats import image_name, no_regions, read_regions, region_files, without_image_suffix
from .regions import ImageRegions, Region, listed, warn_of_kinds

if TYPE_CHECKING:
    import pandas as pd

_NOTHING = Drawn(None, [], np.zeros(0, int))


class Rois(NamedTuple):
    """Regions of one image.

    Parameters
    ----------
    labels : ndarray of int32, shape (height, width) or (depth, height, width), or None
        0 background, > 0 objects, -1 unlabeled; None if the file holds points only and does not
        define the size of the image.
    points : ndarray of float64, shape (k, spatial_ndim)
        (y, x) or (z, y, x) in pixels; (0, 0) is the center of the first pixel.
    table : pandas.DataFrame
        One row per region with an area: ``id`` (its number in `labels`), ``name``, ``class``,
        ``section`` (from 0; of stacks), and the measurements that the file has.
        ``attrs["units"]`` maps those that `write_rois` wrote with a unit to it.
    """

    labels: np.ndarray | None
    points: np.ndarray
    table: pd.DataFrame


def read_rois(
    path: str | os.PathLike[str],
    shape: Sequence[int] | Sequence[Sequence[int]] | None = None,
    names: Sequence[str] | None = None,
    *,
    spatial_ndim: int = 2,
    empty: str = "unlabeled",
    background: int | None = None,
) -> tuple[list[str], list[Rois | None]]:
    """Read regions of interest of Fiji, QuPath and other programs.

    Polygons are filled as in Fiji: a pixel belongs to a region if its center is inside. If regions
    overlap, the later region in the file is on top.

    Parameters
    ----------
    path : str or path-like
        A file: ``.roi`` or ``.zip`` of ImageJ and Fiji, TIFF with an overlay of Fiji, GeoJSON of
        QuPath, JSON of COCO or LabelMe, XML of CVAT for images or of
        the Cell Counter of Fiji (points), ``_seg.npy`` of Cellpose, HDF5
        labels of ilastik, or CSV of shapes or points of napari. Or a folder with a file for each
        image, with the name of the image ("cell.zip" or "cell_rois.zip" for "cell.tif").
    shape : tuple of int or sequence of tuples, default=None
        Shape of the image, (height, width), or of the stack, (depth, height, width): one shape for
        all, or one for each of `names`. None is the shape in the file, or that of the image of the
        same name in the folder.
    names : sequence of str, default=None
        Names of images, as `read_images` returns them. The result is returned in this order.
    spatial_ndim : {2, 3}, default=2
        2: each section of a stack is an image. 3: the stack is a volume.
    empty : {"unlabeled", "background"}, default="unlabeled"
        Meaning of sections without regions, in a stack in which other sections have regions. A file
        without any region means an image without objects.
    background : int, default=None
        Number of the background class in files of ilastik, or 0 if there is none. Not used for
        other files.

    Returns
    -------
    names : list of str
        Names as given, or those in the file.
    rois : list of Rois, or None
        The regions of each image. None is an image without a file.

    Raises
    ------
    FileNotFoundError
        If the file does not exist, or the folder has no file of regions.
    ValueError
        If a file is damaged or of another kind, the size of an image is unknown, ROIs of ImageJ are
        in sections of several times (read the overlay of the image instead), a region is empty,
        outside of the image, or without a section in a stack, two files or images have the same
        name, or a name is not in `names`. The message names the file and the region.
    ImportError
        If a format needs a package that is not installed.

    Warns
    -----
    UserWarning
        If regions overlap, extend beyond the image or intersect themselves, or if lines and text
        are ignored.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from sskseg.io import read_rois, write_rois
    >>> labels = np.array([[1, 1, 0, 0], [1, 0, 0, 2]])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_rois(f"{folder}/cells.geojson", labels)
    ...     names, rois = read_rois(f"{folder}/cells.geojson", labels.shape)
    >>> names
    ['cells']
    >>> rois[0].labels
    array([[1, 1, 0, 0],
           [1, 0, 0, 2]], dtype=int32)
    """
    path = Path(path)
    files = region_files(path) if path.is_dir() else [path]
    found, sources = read_roi_files(
        path, files, shape, names, spatial_ndim=spatial_ndim, empty=empty, background=background
    )
    return ordered(found, names, sources)


def read_roi_files(
    path: Path,
    files: Sequence[Path],
    shape: Sequence[int] | Sequence[Sequence[int]] | None,
    names: Sequence[str] | None,
    *,
    spatial_ndim: int = 2,
    empty: str = "unlabeled",
    background: int | None = None,
) -> tuple[dict[str, Rois], dict[str, Path]]:
    """Read `files` of a folder `path`, or the file `path`, as `read_rois` does.

    Returns
    -------
    found : dict of str to Rois
        Regions by the name of their image, which may be none of `names`: see `ordered`.
    sources : dict of str to Path
        The file of each.
    """
    if empty not in ("unlabeled", "background"):
        raise ValueError(f"empty must be 'unlabeled' or 'background', got {empty!r}.")
    if spatial_ndim not in (2, 3):
        raise ValueError(f"spatial_ndim must be 2 or 3, got {spatial_ndim!r}.")
    names = None if names is None else [*map(composed, names)]
    shapes = _Shapes(shape, names, path)
    found: dict[str, Rois] = {}
    sources: dict[str, Path] = {}
    options: Any = {"background": background, "spatial_ndim": spatial_ndim}
    for file in files:
        for image in read_regions(file, skip_json=path.is_dir(), **options):
            name = without_image_suffix(image.name) if image.name else image_name(file)
            for each, rois in _cut(_rois(image, shapes.of(image, name, file), file, empty), name,
                                   spatial_ndim):  # fmt: skip
                check_once(each, file, sources)
                found[each] = rois
    if not found and path.is_dir():
        raise no_regions(path)
    return found, sources


def check_once(name: str, file: Path, sources: dict[str, Path]) -> None:
    """Refuse two files, or two images of a file, of one name."""
    if name in sources:
        others = f"{sources[name]} and {file}" if sources[name] != file else f"Two images of {file}"
        raise ValueError(f"{others} have regions of {name!r}: expected one of them.")
    sources[name] = file


class _Shapes:
    """Shapes of images: as given, in the file, or of the image beside it."""

    def __init__(self, shape, names, path):
        self.common, self.by_name = None, {}
        # The only image pairs with a file of any name.
        self.names = None if names is None or (path.is_file() and len(names) == 1) else names
        if shape is None:
            return
        items = list(shape)
        if items and all(np.ndim(item) == 0 for item in items):
            self.common = _checked(items, "shape")
        elif names is None or len(items) != len(names):
            expected = "names" if names is None else f"one for each of {len(names)} names"
            raise ValueError(f"shape has {len(items)} shapes of images: expected {expected}.")
        else:
            checked = [_checked(item, f"shape[{i}]") for i, item in enumerate(items)]
            self.by_name = dict(zip(names, checked, strict=True))
            self.common = checked[0] if len(checked) == 1 and path.is_file() else None

    def of(self, image: ImageRegions, name: str, file: Path) -> tuple[int, ...] | None:
        """Shape of an image, None if it is unknown."""
        given = self.by_name.get(name) or self._of_pages(name) or self.common
        if given is None:
            found = image.shape or _shape_beside(file, name)
            if found is None and self.names is not None and name not in self.names:
                raise _unpaired(file, name, self.names)
            return found
        if image.shape is not None and given != image.shape and given[-2:] != image.shape:
            raise ValueError(
                f"{file} has regions of an image of shape {image.shape}, and the shape given for "
                f"{name!r} is {given}."
            )
        return given

    def _of_pages(self, name):
        """Shape of a stack, of which each page is an image with a number."""
        pages = [s for n, s in self.by_name.items() if re.fullmatch(rf"{re.escape(name)}_\d+", n)]
        return (len(pages), *pages[0]) if len(set(pages)) == 1 and len(pages[0]) == 2 else None


def _checked(shape, name):
    items = tuple(shape)
    is_integer = all(isinstance(n, (int, np.integer)) and n > 0 for n in items)
    if len(items) not in (2, 3) or not is_integer:
        raise ValueError(
            f"{name} must be (height, width) or (depth, height, width), positive integers, got "
            f"{items}."
        )
    return tuple(int(n) for n in items)


def _shape_beside(file, name):
    """Shape of the image of the same name in the folder, with all its planes."""
    images = [image for image in list_images(file.parent) if stem(image) == name and image != file]
    if len(images) != 1:
        return None
    pictures = read_pictures(images[0])
    samples = [sample.shape[:2] for picture in pictures for sample in picture.samples(2)]
    if len(set(samples)) != 1:
        return None
    return samples[0] if len(samples) == 1 else (len(samples), *samples[0])


def _rois(image: ImageRegions, shape: tuple[int, ...] | None, file: Path, empty: str) -> Rois:
    """Regions of an image as arrays."""
    if image.labels is not None:
        if shape not in (None, image.labels.shape):
            raise ValueError(f"{file} has labels of shape {image.labels.shape}, expected {shape}.")
        ids = np.unique(image.labels)
        table = _table([], ids[ids > 0], False)
        return Rois(image.labels, np.zeros((0, image.labels.ndim)), table)
    areas = [region for region in image.regions if region.points is None]
    if shape is None and areas:
        raise ValueError(
            f"{file} does not define the size of its image, and no image of its name is beside it: "
            "shape is needed."
        )
    drawn = _NOTHING if shape is None else draw_regions(areas, shape, file)
    if (
        drawn.labels is not None
        and drawn.labels.ndim == 3
        and empty == "unlabeled"
        and image.regions
    ):
        _set_unlabeled(drawn.labels, image.regions)
    return Rois(
        drawn.labels,
        join_points(image.regions, shape, file),
        _table(*drawn[1:], len(shape or ()) == 3),
    )


def _set_unlabeled(labels, regions):
    """Set sections without any region to -1."""
    planes = [np.atleast_1d(r.plane).tolist() for r in regions if r.plane is not None]
    used = {plane for each in planes for plane in each}
    labels[[plane for plane in range(len(labels)) if plane not in used]] = -1


def join_points(regions: Sequence[Region], shape: tuple[int, ...] | None, file: Path) -> np.ndarray:
    """Points of all regions; of stacks with their section."""
    kinds = {r.class_name for r in regions if r.points is not None and r.class_name}
    warn_of_kinds(kinds, file, 4)
    found = [(region.points, region.plane) for region in regions if region.points is not None]
    ndim = 2 if shape is None else len(shape)
    has_planes = any(plane is not None for _, plane in found)
    if ndim == 2 and not (shape is None and has_planes):
        return np.concatenate([np.zeros((0, 2)), *(points for points, _ in found)])
    planes = [np.broadcast_to(-1 if z is None else z, len(points)) for points, z in found]
    joined = [np.column_stack([z, points]) for z, (points, _) in zip(planes, found)]
    points = np.concatenate([np.zeros((0, 3)), *joined])
    if (points[:, 0] < 0).any() or (shape is not None and (points[:, 0] >= shape[0]).any()):
        raise ValueError(
            f"{file} must have points in the sections of its image, {shape}, got sections "
            f"{sorted(set(points[:, 0].astype(int).tolist()))[:5]} (from 0; -1 is no section)."
        )
    return points


def _table(areas, numbers, is_stack):
    """Names, classes and measurements of regions."""
    import pandas as pd

    if not areas:
        return pd.DataFrame({"id": numbers, "name": [str(n) for n in numbers], "class": None})
    table = pd.DataFrame({
        "id": numbers, "name": [area.name for area in areas],
        "class": [area.class_name for area in areas],
    })  # fmt: skip
    if is_stack:
        table["section"] = [area.plane for area in areas]
    measured = pd.DataFrame([area.measurements for area in areas])
    units = _take_units(measured)
    table = table.join(measured[[c for c in measured.columns if c not in table.columns]])
    table.attrs = {"units": units} if units else {}
    return table


def _take_units(measured):
    """Remove units from the names of columns, unless two would have one name; return them."""
    split = [split_unit(name) for name in measured.columns]
    names = [name for name, _ in split]
    if len({*names}) < len(names):
        return {}
    measured.columns = names
    return {name: unit for name, unit in split if unit is not None}


def _cut(rois: Rois, name: str, spatial_ndim: int) -> list[tuple[str, Rois]]:
    """Names and regions of images: of each section of a stack, or of the volume."""
    labels, points, table = rois
    if labels is None or labels.ndim == spatial_ndim:
        return [(name, rois)]
    if spatial_ndim == 3:
        labels, points = labels[None], np.insert(points, 0, 0, axis=1)
        return [(name, Rois(labels, points, table))]
    sections = table["section"] if "section" in table else np.zeros(len(table))
    parts = [
        Rois(label, points[points[:, 0] == i, 1:], table[sections == i].reset_index(drop=True))
        for i, label in enumerate(labels)
    ]
    return list(zip(number(Path(f"{name}.tif"), len(parts)), parts, strict=True))


def ordered(
    found: dict[str, Any], names: Sequence[str] | None, sources: dict[str, Path]
) -> tuple[list[str], list[Any]]:
    """Order regions like the images, with None where there are none; as they are without names."""
    if names is None:
        return list(found), list(found.values())
    names = [*map(composed, names)]
    if len(found) == len(names) and len(set(sources.values())) == 1 and not set(found) & set(names):
        found = dict(zip(names, found.values(), strict=True))
    unknown = [name for name in found if name not in names]
    if unknown:
        raise _unpaired(sources[unknown[0]], unknown[0], names)
    return names, [found.get(name) for name in names]


def _unpaired(file, name, names):
    """Error of a file whose image is not there."""
    return ValueError(
        f"{file} has regions of {name!r}, which pairs with no image of {listed(names)}."
    )
