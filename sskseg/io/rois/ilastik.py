"""Labels of ilastik in HDF5: 0 is unlabeled there, and the classes count from 1."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from .objects import Drawing
from .regions import ImageRegions

_DATASET = "exported_data"


def read_ilastik(file: Path, background: int | None, spatial_ndim: int) -> list[ImageRegions]:
    """Read labels that were exported from pixel classification.

    Parameters
    ----------
    file : Path
    background : int or None
        The class that is background; 0 if none is.
    spatial_ndim : {2, 3}

    Returns
    -------
    list of ImageRegions
        -1 unlabeled, 0 background, and the other classes from 1 in their order.

    Raises
    ------
    ValueError
        If `background` is None or no class of the file, or if the file holds no labels.
    """
    values, axes = _stored(file)
    labels = _spatial(values, axes, spatial_ndim, file)
    if labels.dtype.kind not in "iu" or labels.min(initial=0) < 0:
        raise ValueError(
            f"{file} must hold labels, integers from 0, got {labels.dtype}. Export 'Labels' from "
            "ilastik, not probabilities."
        )
    classes = np.unique(labels)
    classes = classes[classes > 0].tolist()
    if background is None:
        raise ValueError(
            f"{file} has the classes {classes[:20]}, of which ilastik does not say which one is "
            "background: background must be its number, or 0 if none is, got None."
        )
    if background not in (0, *classes):
        raise ValueError(f"background must be 0 or a class of {file}, {classes}, got {background}.")
    signed = labels.astype(np.int32)
    numbered = signed - (signed > background) * (background > 0)
    result = np.where(signed == 0, -1, np.where(signed == background, 0, numbered))
    return [ImageRegions(None, result.shape, [], result)]


def _stored(file) -> tuple[np.ndarray, str]:
    """Values and axes of the only dataset."""
    h5py = _import_h5py()
    try:
        with h5py.File(file) as opened:
            found: dict[str, Any] = {}
            opened.visititems(
                lambda name, item: found.update({name: item} if _is_image(item, h5py) else {})
            )
            names = [_DATASET] if _DATASET in found else list(found)
            if len(names) != 1 or file.suffix.lower() == ".ilp":
                raise ValueError(
                    f"it must hold one image, got the datasets {names[:5]}. Export the labels from "
                    "ilastik, one file for each image"
                )
            dataset = found[names[0]]
            return dataset[()], _axes(dataset)
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise ValueError(f"{file} cannot be read as labels of ilastik: {error}.") from error


def _import_h5py():
    try:
        import h5py
    except ImportError as error:
        raise ImportError("HDF5 needs the package h5py: pip install 'sskseg[rois]'.") from error
    return h5py


def _is_image(item, h5py):
    return isinstance(item, h5py.Dataset) and item.ndim >= 2


def _axes(dataset):
    """Letters of the axes, by the tags that vigra writes."""
    tags = dataset.attrs.get("axistags")
    if tags is None:
        if dataset.ndim == 2:
            return "yx"
        raise ValueError(f"it has {dataset.ndim} axes, and no axistags that say which they are")
    keys = [str(axis.get("key", "?")) for axis in json.loads(tags)["axes"]]
    if len(keys) != dataset.ndim or len(set(keys)) != len(keys) or not set(keys) <= set("tzyxc"):
        raise ValueError(f"its axistags {keys} are not those of {dataset.ndim} axes")
    return "".join(keys)


def _spatial(values, axes, spatial_ndim, file):
    """Values with the axes y, x, or z (in two dimensions also t), y, x."""
    sizes = dict(zip(axes, values.shape))
    planes = [axis for axis in "tz" if sizes.get(axis, 1) > 1]
    if sizes.get("c", 1) != 1 or len(planes) > 1 or not {"x", "y"} <= set(axes):
        raise ValueError(
            f"{file} must hold labels of one channel along y, x and either z or t, got the axes "
            f"{axes} of shape {values.shape}."
        )
    if planes == ["t"] and spatial_ndim == 3:
        raise ValueError(f"{file} must have an axis z, got frames (t): use spatial_ndim=2.")
    ordered = [axis for axis in axes if axis not in (*planes, "y", "x")] + [*planes, "y", "x"]
    values = values.transpose([axes.index(axis) for axis in ordered])
    return values.reshape([sizes[axis] for axis in (*planes, "y", "x")])


def write_ilastik(path: Path, drawing: Drawing) -> None:
    """Write classes as ilastik reads labels: unlabeled 0, background 1, others from 2.

    Parameters
    ----------
    path : Path
    drawing : Drawing

    Raises
    ------
    ValueError
        If there are points, or more than 254 classes.
    """
    labels = drawing.labels
    if labels is None or drawing.points is not None:
        raise ValueError("Labels of ilastik are pixels: points cannot be written.")
    if labels.max(initial=0) > 254:
        raise ValueError(
            f"Labels of ilastik are up to 255 classes, got the number {labels.max()}: to train "
            "pixel classification, write a mask, (labels > 0)."
        )
    with _import_h5py().File(path, "w") as file:
        dataset = file.create_dataset(
            _DATASET, data=(labels + 1).astype(np.uint8)[..., None], compression="gzip"
        )
        axes = [{"key": key, "typeFlags": 2 if key != "c" else 1, "resolution": 0,
                 "description": ""} for key in "zyxc"[-dataset.ndim :]]  # fmt: skip
        dataset.attrs["axistags"] = json.dumps({"axes": axes})
