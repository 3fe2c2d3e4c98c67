"""Which files hold regions, and what reads and writes them."""

from __future__ import annotations

import zipfile
from collections.abc import Collection
from pathlib import Path
from typing import Any

from ..folders import (
    SUFFIXES,
    composed,
    is_visible,
    list_images,
    natural_key,
    other_files,
    stem,
    without_label_suffix,
)
from . import cell_counter, cellpose, coco, cvat, ilastik, imagej, labelme, napari, qupath
from .documents import dialect, load_json, load_xml
from .regions import ImageRegions, listed

_JSON = {
    "geojson": qupath.parse_geojson, "coco": coco.parse_coco, "labelme": labelme.parse_labelme,
}  # fmt: skip
_TIFF = (".tif", ".tiff")
_HDF5 = (".h5", ".hdf5", ".ilp")
_SEG = "_seg.npy"
_OWN = (".roi", ".zip", ".geojson", _SEG)  # what no other files of a folder of images have
_ROI_SUFFIXES = ("_roiset", "_rois", "_roi", "-rois", "-roi")
# What writes which suffix, by the name of the format.
FORMATS = {
    "imagej": (".zip", ".roi"), "geojson": (".geojson", ".json"), "coco": (".json",),
    "labelme": (".json",), "cvat": (".xml",), "napari": (".csv",), "ilastik": (".h5", ".hdf5"),
}  # fmt: skip


def is_region_file(path: Path) -> bool:
    """Return whether the name of a file is that of regions, or its first line that of shapes."""
    return _suffix(path) in (*_OWN, ".json", ".xml", *_HDF5) or holds_shapes(path)


def holds_shapes(path: Path) -> bool:
    """Return whether a file is a layer of shapes of napari, and no other table."""
    if _suffix(path) != ".csv" or not path.is_file():
        return False
    with path.open("rb") as file:
        return b"shape-type" in file.readline(1000)


def _suffix(path):
    name = path.name.lower()
    return _SEG if name.endswith(_SEG) else path.suffix.lower()


def read_regions(
    file: Path, *, background: int | None = None, spatial_ndim: int = 2, skip_json: bool = False
) -> list[ImageRegions]:
    """Read a file of regions.

    Parameters
    ----------
    file : Path
    background : int, default=None
        See `ilastik.read_ilastik`.
    spatial_ndim : {2, 3}, default=2
    skip_json : bool, default=False
        Whether JSON of another kind is left out, as in a folder, in which it may have any purpose.

    Returns
    -------
    list of ImageRegions
        One for each image; none of JSON that is left out.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it cannot be read; the message names it and the region.
    """
    if not file.is_file():
        raise FileNotFoundError(f"No file of regions at {file}.")
    suffix = _suffix(file)
    simple: dict[str, Any] = {
        ".roi": imagej.read_roi, ".zip": imagej.read_zip, ".xml": _read_xml,
        _SEG: cellpose.read_cellpose, **dict.fromkeys(_TIFF, imagej.read_overlay),
    }  # fmt: skip
    if suffix in simple:
        return simple[suffix](file)
    if suffix in (".json", ".geojson"):
        return _read_json(file, skip_json)
    if suffix == ".csv":
        return napari.read_napari(file, spatial_ndim)
    if suffix in _HDF5:
        return ilastik.read_ilastik(file, background, spatial_ndim)
    raise ValueError(
        f"{file} is no file of regions: expected .roi, .zip or .tif of Fiji, .geojson of QuPath, "
        ".json (GeoJSON, COCO, LabelMe), .xml of CVAT or the Cell Counter of Fiji, .csv of napari, "
        f"{_SEG} of Cellpose, or .h5 of ilastik, got {file.suffix!r}."
    )


def _read_xml(file):
    root = load_xml(file)
    is_counter = root.tag == cell_counter.TAG
    return (cell_counter.parse_cell_counter if is_counter else cvat.parse_cvat)(root, file)


def _read_json(file, skip):
    content = load_json(file)
    kind = dialect(content)
    if kind is None and skip and _suffix(file) == ".json":
        return []
    if kind is None:
        got = sorted(map(str, content))[:8] if isinstance(content, dict) else type(content).__name__
        raise ValueError(
            f"{file} is JSON of another kind: expected GeoJSON (type FeatureCollection), COCO "
            f"(images, annotations) or LabelMe (shapes), got {got}."
        )
    return _JSON[kind](content, file)


def image_name(file: Path) -> str:
    """Return the name of the image that a file of regions belongs to."""
    if _suffix(file) == _SEG:
        return composed(file.name[: -len(_SEG)])
    name = without_image_suffix(stem(file))
    found = next((s for s in _ROI_SUFFIXES if name.lower().endswith(s)), "")
    return without_label_suffix(name[: len(name) - len(found)] or name)


def without_image_suffix(name: str) -> str:
    """Return the name of an image without folders and without the suffix of its file."""
    path = Path(name.replace("\\", "/"))
    return stem(path) if path.suffix.lower() in SUFFIXES else composed(path.name)


def region_files(folder: Path, *, has_images: bool = True) -> list[Path]:
    """List the files that may hold regions in a folder, in natural order.

    A zip is one if it holds ROIs. JSON may be, and shapes of napari and an empty zip are, beside
    images only if they have the name of one; `read_regions` leaves JSON out that is not. Beside
    images, .xml and .h5 are left out. With `has_images` false, TIFF and other files of images are
    label images.
    """
    names = {stem(file) for file in list_images(folder)} if has_images else set()
    files = [f for f in folder.iterdir() if f.is_file() and is_visible(f)]
    return sorted((file for file in files if _is_of_folder(file, names)), key=natural_key)


def _is_of_folder(file, names):
    suffix, may_be_of_image = _suffix(file), not names or image_name(file) in names
    if suffix == ".zip":
        return _holds_rois(file, is_empty=may_be_of_image)
    if suffix == ".json" or holds_shapes(file):
        return may_be_of_image
    return suffix in _OWN or (not names and is_region_file(file))


def no_regions(folder: Path) -> FileNotFoundError:
    """Make the error of a folder without regions; it names JSON and files of other kinds."""
    json, others = listed(file.name for file in region_files(folder)), other_files(folder)
    found = [f"{json} of another kind"] if json else []
    found += [f"{others} cannot be read. Convert them to TIFF"] if others else []
    return FileNotFoundError(
        f"No files of regions (.roi, .zip, .geojson, .json ...) in {folder}"
        + (f": {'; '.join(found)}." if found else ".")
    )


def names_images(file: Path) -> bool:
    """Return whether a file of `region_files` names its images, of which it may have several."""
    suffix = _suffix(file)
    return suffix == ".xml" or (suffix == ".json" and _dialect_of(file) == "coco")


def holds_regions(file: Path) -> bool:
    """Return whether a file of `region_files` is no JSON or XML of another kind.

    Damaged JSON may be; it is left to the reader, which names it.
    """
    if _suffix(file) == ".xml":
        with file.open("rb") as opened:
            start = opened.read(4096)
            return b"<annotations" in start or cell_counter.TAG.encode() in start
    return _suffix(file) != ".json" or _dialect_of(file) is not None


def is_stray(file: Path, names: Collection[str]) -> bool:
    """Return whether a file of `region_files` cannot be read, and is of none of the images.

    Damaged files may be of the images that they name, or whose name they have. A project of ilastik
    is never read.
    """
    if image_name(file) in names:
        return False
    if _suffix(file) == ".ilp":
        return True
    return is_damaged(file) and not any(name.encode() in file.read_bytes() for name in names)


def is_damaged(file: Path) -> bool:
    """Return whether a file of `region_files` cannot be read; JSON of another kind is left out."""
    try:
        read_regions(file, background=0, skip_json=True)
    except ValueError:
        return True
    return False


def _dialect_of(file):
    """The dialect of JSON, "damaged" of what is none."""
    try:
        return dialect(load_json(file))
    except ValueError:
        return "damaged"


def _holds_rois(file, *, is_empty):
    """Whether a zip holds ROIs, or `is_empty` if it holds nothing, as of an image without objects.

    A damaged one is left to the reader, which names it.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
            return any(name.lower().endswith(".roi") for name in names) if names else is_empty
    except (zipfile.BadZipFile, OSError):
        return True
