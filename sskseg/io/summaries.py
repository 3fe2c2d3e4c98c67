"""What files hold: images without their pixels, regions, OME-Zarr."""

from __future__ import annotations

import math
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from .folders import list_images, number
from .images import image_files, read_headers
from .label_sources import overlay_files
from .ome_zarr.reading import holds_zarr, no_zarr
from .ome_zarr.summary import summarize_zarr
from .rois.formats import holds_regions, is_region_file, read_regions, region_files
from .rois.regions import ImageRegions, Region
from .scans import hdf5, open_scan
from .scans.opening import split_path
from .storage import is_url
from .units import describe_size

_TABLE = ".csv"  # of napari, or of points


def summarize(path: Path | str) -> dict[str, Any]:
    """Summarize the images, regions or OME-Zarr of a file or of a folder.

    Parameters
    ----------
    path : Path or str
        Or inside of OME-Zarr or HDF5, ``plate.zarr:/A/1/0``; or a URL of OME-Zarr.

    Returns
    -------
    dict of str to object
        What JSON holds.

    Raises
    ------
    FileNotFoundError
        If nothing is there, or nothing in the folder that can be read.
    ValueError
        If a file cannot be read; the message names it.
    ImportError
        If the library that reads a file is not installed.
    """
    if holds_zarr(path):
        return summarize_zarr(path)
    if is_url(path):
        raise no_zarr(path)
    path = Path(path)
    if Path(split_path(str(path))[0]).suffix.lower() in hdf5.SUFFIXES:
        return _of_scan(open_scan(path))
    if not path.is_dir():
        if is_region_file(path) or path.suffix.lower() == _TABLE:
            return {"regions": summarize_regions([path])}
        return _with_regions(summarize_images(path), overlay_files(path))
    zarrs = sorted(p for p in path.iterdir() if p.suffix.lower() == ".zarr" and holds_zarr(p))
    regions = [file for file in region_files(path) if holds_regions(file)]
    summary: dict[str, Any] = {p.name: summarize_zarr(p) for p in zarrs}
    if list_images(path) or not (zarrs or regions):
        summary |= summarize_images(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the images have been listed
            regions += overlay_files(path)
    return _with_regions(summary, regions)


def _with_regions(summary, files):
    return {**summary, "regions": summarize_regions(files)} if files else summary


def _of_scan(scan):
    sizes = {} if scan.unit is None else dict(zip(scan.axes, scan.spacing))
    return {
        "shapes": [list(scan.data.shape)],
        "dtype": str(scan.data.dtype),
        "size of a pixel": describe_size(sizes, dict.fromkeys(sizes, scan.unit or "")),
    }


def summarize_images(path: Path) -> dict[str, Any]:
    """Summarize image files: distinct values over all of them.

    Parameters
    ----------
    path : Path

    Returns
    -------
    dict of str to object
        ``images`` are planes, each of which is an image in two dimensions; ``volumes`` those in
        three. ``channels`` are the names of those that have several or name one, by the first file
        with these.
    """
    headers = [(file, header) for file in image_files(path) for header in read_headers(file)]
    planes = [_count(header, "yx") for _, header in headers]
    names: Counter[Path] = Counter()
    for (file, _), n in zip(headers, planes, strict=True):
        names[file] += n
    every = [header for _, header in headers]
    summary: dict[str, Any] = {"files": len(names), "images": sum(planes)}
    if any("z" in header.axes for header in every):
        summary["volumes"] = sum(_count(header, "zyx") for header in every)
    summary |= {
        "axes": _distinct(header.axes for header in every),
        "shapes": [list(shape) for shape in _distinct(header.shape for header in every)],
        "dtypes": _distinct(str(header.dtype) for header in every),
        "size of a pixel": _distinct(
            describe_size(header.spacing, header.units) for header in every
        ),
    }
    channels = _channels(headers)
    if channels:
        summary["channels"] = channels
    return {**summary, "names": [name for file, n in names.items() for name in number(file, n)]}


def _count(header, spatial):
    """Images with some spatial axes: others than these and channels are cut."""
    sizes = zip(header.axes, header.shape, strict=True)
    return math.prod(n for axis, n in sizes if axis not in (*spatial, *"cs"))


def _channels(headers):
    """Names of channels, empty where there is none, by the first file that has them."""
    found: dict[tuple[str, ...], str] = {}
    for file, header in headers:
        sides = zip(header.axes, header.shape, strict=True)
        n = math.prod(side for axis, side in sides if axis in "cs")
        names = header.channels or ("",) * n
        if len(names) > 1 or any(names):
            found.setdefault(names, file.name)
    return {file: list(names) for names, file in found.items()}


def _distinct(values):
    return [*dict.fromkeys(values)]


def summarize_regions(files: list[Path]) -> dict[str, dict[str, Any]]:
    """Summarize the regions of each image.

    Parameters
    ----------
    files : list of Path

    Returns
    -------
    dict of str to dict
        By the name of the file, with that of the image if the file has it: numbers of regions and
        points, how many regions each class has, first and last coordinate along each axis in
        pixels, and the shape of the image, where the file has it. Of files with pixels, how many
        different labels there are.
    """
    summary: dict[str, dict[str, Any]] = {}
    for file in files:
        for image in read_regions(file, background=0):  # all classes of ilastik are counted
            name = file.name if image.name is None else f"{file.name}: {image.name}"
            summary[name] = _summarize_image(image)
    return summary


def _summarize_image(image: ImageRegions) -> dict[str, Any]:
    found: dict[str, Any] = {} if image.shape is None else {"image shape": list(image.shape)}
    if image.labels is not None:
        return {**found, "labels": len(np.unique(image.labels[image.labels > 0]))}
    areas = [region for region in image.regions if region.points is None]
    points = [region.points for region in image.regions if region.points is not None]
    classes = Counter(area.class_name for area in areas if area.class_name)
    bounds = [_bounds(region) for region in image.regions]
    found |= {"regions": len(areas), "points": sum(map(len, points)), "classes": dict(classes)}
    if bounds:
        low, high = np.min(bounds, axis=0)[0], np.max(bounds, axis=0)[1]
        found["extent"] = {axis: [low[i], high[i]] for i, axis in enumerate("yx")}
    planes = [np.atleast_1d(r.plane) for r in image.regions if r.plane is not None]
    sections = np.concatenate([np.zeros(0, int), *planes])
    if sections.any():  # GeoJSON of an image that is no stack has section 0
        found["extent"]["section"] = [int(sections.min()), int(sections.max())]
    return found


def _bounds(region: Region) -> np.ndarray:
    """First and last row and column."""
    if region.mask is not None:
        top, left, pixels = region.mask
        return np.array([(top, left), (top + pixels.shape[0], left + pixels.shape[1])], float)
    vertices = np.concatenate([*region.rings, *([] if region.points is None else [region.points])])
    return np.stack([vertices.min(axis=0), vertices.max(axis=0)])
