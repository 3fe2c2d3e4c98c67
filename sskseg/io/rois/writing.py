"""Write label images, points and measurements as regions of interest."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from ..atomic import atomic_path
from ..label_writing import check_label_image
from .coco import write_coco
from .cvat import write_cvat
from .formats import FORMATS
from .ilastik import write_ilastik
from .imagej import write_imagej
from .labelme import write_labelme
from .napari import write_napari
from .objects import Drawing
from .qupath import write_geojson
from .regions import as_measurement

if TYPE_CHECKING:
    import pandas as pd

_OF_IMAGE: dict[str, Callable[[Path, Drawing], None]] = {
    "imagej": write_imagej, "geojson": write_geojson, "labelme": write_labelme,
    "napari": write_napari, "ilastik": write_ilastik,
}  # fmt: skip
_OF_IMAGES: dict[str, Callable[[Path, Sequence[Drawing]], None]] = {
    "coco": write_coco, "cvat": write_cvat,
}  # fmt: skip
_FLAT = ("coco", "cvat", "labelme")  # of two dimensions


def write_rois(
    path: str | os.PathLike[str],
    labels: ArrayLike | Sequence[ArrayLike] | None = None,
    points: ArrayLike | Sequence[ArrayLike] | None = None,
    *,
    table: pd.DataFrame | None = None,
    names: Sequence[str] | None = None,
    class_name: str | None = None,
    format: str | None = None,
) -> None:
    """Write regions of interest for Fiji, QuPath and other programs.

    Outlines follow the corners of pixels. `read_rois`, and every program that fills polygons by the
    centers of pixels, therefore gets exactly the same label image. Holes, objects in several pieces
    and unlabeled pixels are kept if the format supports them.

    Parameters
    ----------
    path : str or path-like
        The suffix selects the format: ``.zip`` (or ``.roi`` of one object) of ImageJ and Fiji,
        ``.geojson`` of QuPath, ``.xml`` of CVAT, ``.csv`` of napari, ``.h5`` of ilastik. ``.json``
        needs `format`. An older file is replaced when the new one is complete.
    labels : ndarray of int, default=None
        Label image of shape (height, width), or stack of shape (depth, height, width). 0 is
        background, positive numbers are objects, and -1 is unlabeled. For several images in one
        file of COCO or CVAT, pass a sequence of label images, or a stack.
    points : ndarray of float, shape (k, 2) or (k, 3), default=None
        Coordinates (y, x) or (z, y, x) in pixels, as `read_points` returns them. For several
        images, pass a sequence of arrays.
    table : pandas.DataFrame, default=None
        Table of one image with a row for each object, as `sskseg.morphology.measure_objects`
        returns it. It needs a column ``id``, and may have ``name`` and ``class``. Other numeric
        columns are measurements; ImageJ, GeoJSON and COCO store them. Their names contain the units
        in ``table.attrs["units"]``, such as ``area [micrometer^2]``, in ImageJ without the space.
    names : sequence of str, default=None
        File names of the images. COCO, CVAT and LabelMe need them.
    class_name : str, default=None
        Class of objects that have none in `table`. With None, formats that need a class get
        "object".
    format : {"imagej", "geojson", "coco", "labelme", "cvat", "napari", "ilastik"}, default=None
        Format of the file. None: the suffix decides.

    Raises
    ------
    ValueError
        If the suffix belongs to no format, the labels are invalid, the table has other objects, or
        the format cannot store something. Nothing is written then.
    ImportError
        If the format needs a package that is not installed.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from sskseg.io import read_rois, write_rois
    >>> from sskseg.morphology import measure_objects
    >>> labels = np.array([[5, 5, 0], [5, 0, 9]])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = f"{folder}/cells.geojson"
    ...     write_rois(path, labels, table=measure_objects(labels)[["id", "area"]])
    ...     names, rois = read_rois(path, labels.shape)
    >>> rois[0].table[["id", "area"]]
       id  area
    0   5   3.0
    1   9   1.0
    """
    path = Path(path)
    kind = _format(path, format)
    if labels is None and points is None:
        raise ValueError("write_rois needs labels or points, got None.")
    drawings = _drawings(kind, labels, points, names, path.suffix.lower(), class_name)
    if table is not None:
        drawings = [_with_table(drawings, table)]
    for drawing in drawings:
        _check_flat(drawing, kind)
    with atomic_path(path) as part:
        if kind in _OF_IMAGES:
            _OF_IMAGES[kind](part, drawings)
        else:
            _OF_IMAGE[kind](part, drawings[0])


def _format(path, given):
    suffix = path.suffix.lower()
    kinds = [kind for kind, suffixes in FORMATS.items() if suffix in suffixes]
    if given is None and len(kinds) == 1:
        return kinds[0]
    if given in kinds:
        return given
    if given is not None and given not in FORMATS:
        raise ValueError(f"format must be one of {list(FORMATS)}, got {given!r}.")
    if given is not None:
        raise ValueError(f"{path} must end with {' or '.join(FORMATS[given])}, got {suffix!r}.")
    if kinds:
        raise ValueError(f"{path} can be of several formats: pass format, one of {kinds}.")
    suffixes = sorted({suffix for each in FORMATS.values() for suffix in each})
    raise ValueError(
        f"{path} cannot be written: expected a suffix of {', '.join(suffixes)}, got {suffix!r}. "
        "Cellpose opens label images: write_labels('cell_masks.tif', [labels])."
    )


def _drawings(kind, labels, points, names, suffix, class_name):
    """Check images one by one."""
    options = {"class_name": class_name, "suffix": suffix}
    if kind not in _OF_IMAGES:
        name = _names(names, 1, kind)[0]
        return [Drawing(_labels(labels, "labels"), _points(points, "points", labels),
                        name=name, **options)]  # fmt: skip
    if labels is None:
        raise ValueError(f"{kind} needs labels, from which it takes the sizes of images, got None.")
    images = _images(labels)
    every = [None] * len(images) if points is None else _images_of_points(points, images)
    if len(every) != len(images):
        raise ValueError(f"points is of {len(every)} images, and labels of {len(images)}.")
    return [
        Drawing(_labels(image, f"labels[{i}]"), _points(some, f"points[{i}]", image), name=name,
                **options)
        for i, (image, some, name) in enumerate(
            zip(images, every, _names(names, len(images), kind), strict=True))
    ]  # fmt: skip


def _images(labels):
    if isinstance(labels, np.ndarray):
        return [labels] if labels.ndim == 2 else list(labels)
    return [labels] if len(labels) and np.ndim(labels[0]) == 1 else list(labels)


def _images_of_points(points, images):
    is_one = isinstance(points, np.ndarray) or (len(points) > 0 and np.ndim(points[0]) == 1)
    return [points] if is_one and len(images) == 1 else list(points)


def _names(names, n, kind):
    names = [names] if isinstance(names, str) else names
    if names is None:
        if kind in _FLAT:
            raise ValueError(f"{kind} holds the file names of images: pass names.")
        return [""] * n
    names = [str(name) for name in names]
    if len(names) != n or len(set(names)) != n:
        raise ValueError(f"names must be {n} different names of images, got {names[:5]}.")
    return names


def _labels(labels, name):
    if labels is None:
        return None
    try:
        checked = check_label_image(np.ma.asanyarray(labels), name)
    except ValueError as error:
        if name in str(error):
            raise
        raise ValueError(f"{name} must be one label image of this format: {error}.") from error
    if checked.max() > np.iinfo(np.int32).max:
        raise ValueError(f"{name} must hold numbers of 32 bits, got {checked.max():.0f}.")
    return checked.astype(np.int32)


def _points(points, name, labels):
    if points is None:
        return None
    ndim = np.ndim(labels) if labels is not None else None
    array = np.asarray(points, np.float64)
    array = array.reshape(0, ndim or 2) if array.size == 0 else array
    expected = (ndim,) if ndim else (2, 3)
    if array.ndim != 2 or array.shape[1] not in expected or not np.isfinite(array).all():
        raise ValueError(
            f"{name} must be finite coordinates of shape (k, {' or '.join(map(str, expected))}), "
            f"got shape {array.shape}."
        )
    if array.shape[1] == 3 and (array[:, 0] < -0.5).any():
        raise ValueError(f"{name} must have sections from 0, got {array[:, 0].min():g}.")
    return array


def _check_flat(drawing, kind):
    if kind in _FLAT and (drawing.labels is None or drawing.labels.ndim != 2):
        raise ValueError(
            f"{kind} holds label images of shape (height, width), got "
            f"{'None' if drawing.labels is None else drawing.labels.shape}."
        )


def _with_table(drawings, table) -> Drawing:
    """Add names, classes and measurements to the objects of an image."""
    if len(drawings) != 1 or drawings[0].labels is None:
        raise ValueError(f"table is of the objects of one label image, got {len(drawings)}.")
    if "id" not in getattr(table, "columns", ()):
        raise ValueError("table must be a DataFrame with a column 'id', the numbers of objects.")
    drawing = drawings[0]
    ids = np.unique(drawing.labels)
    ids, given = ids[ids > 0], table["id"].to_numpy()
    missing = np.setxor1d(ids, given)
    if len(missing) or len(given) != len(ids):
        raise ValueError(
            f"table must have one row for each object of labels, got {len(given)} for {len(ids)} "
            f"objects; {missing[:5].tolist()} are in one of them only."
        )
    units = table.attrs.get("units", {})
    written = {name: f"{name} [{unit}]" for name, unit in units.items()}
    rows = [_entry(row) for row in table.rename(columns=written).to_dict("records")]
    objects = dict(zip(given.tolist(), rows, strict=True))
    return Drawing(drawing.labels, drawing.points, objects, drawing.class_name, drawing.suffix,
                   drawing.name)  # fmt: skip


def _entry(row: dict[Any, Any]):
    """Name, class and measurements of a row."""
    texts = [row.get(key) for key in ("name", "class")]
    name, class_name = (text if isinstance(text, str) and text else None for text in texts)
    numbers = {
        str(key): as_measurement(_plain(value)) for key, value in row.items()
        if key not in ("id", "name", "class")
    }  # fmt: skip
    return name, class_name, {k: v for k, v in numbers.items() if v is not None}


def _plain(value):
    value = value.item() if isinstance(value, np.generic) else value
    return int(value) if isinstance(value, bool) else value
