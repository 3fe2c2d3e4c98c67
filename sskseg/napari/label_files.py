"""Labels of files: masks, ROIs and points, for an image of a session."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..io import read_labels, read_points, read_rois
from ..io.folders import list_images
from ..io.ome_zarr.reading import holds_zarr
from ..io.rois.formats import is_region_file
from ..io.tiff import is_of_write_labels
from .annotations import OBJECTS, UNPAINTED
from .sample import Sample
from .session import Session

_TABLES = (".csv", ".tsv", ".txt")


class FileLabels(NamedTuple):
    """Labels of a file.

    Parameters
    ----------
    painted : ndarray of int32, shape (*spatial)
    complete : ndarray of bool, shape (*spatial)
        Where the file says what is an object.
    points : ndarray of float64, shape (k, spatial_ndim)
    """

    painted: np.ndarray
    complete: np.ndarray
    points: np.ndarray

    @property
    def summary(self) -> str:
        """What was read, in words."""
        n_objects = len(np.unique(self.painted[self.painted > UNPAINTED]))
        where = "the whole image" if self.complete.all() else f"{self.complete.mean():.0%} of it"
        return (
            f"{n_objects} painted objects or patches and {len(self.points)} points; all objects of "
            f"{where} are taken as labeled. If some are not, change the complete regions."
        )


def load_labels(session: Session, name: str, path: str | os.PathLike[str]) -> FileLabels:
    """Read a file of labels, in place of what is painted on an image.

    Parameters
    ----------
    session : Session
    name : str
        Of the image.
    path : str or path-like
        Label images and ROIs as `sskseg.io.read_labels` and `read_rois` read them, tables of points
        as `read_points`.

    Returns
    -------
    FileLabels
        `Session.undo` takes it back.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it cannot be read, holds several images, or is of an image of another shape. What is
        painted stays.
    """
    sample = session.samples[name]
    found = read_file(Path(path), sample)
    session.paint(name, found.painted, found.complete, points=found.points)
    return found


def read_file(path: Path, sample: Sample) -> FileLabels:
    """Read a file of labels; see `load_labels`."""
    if not path.exists():
        raise FileNotFoundError(f"No file of labels at {path}.")
    shape, ndim = sample.painted.shape, sample.painted.ndim
    y, points = None, np.zeros((0, ndim))
    if is_region_file(path):
        rois = _only(*read_rois(path, shape, spatial_ndim=ndim), path, sample.name)
        y, points = rois.labels, rois.points
    elif path.suffix.lower() in _TABLES:
        points = _only(*read_points(path, spatial_ndim=ndim), path, sample.name)
    else:
        names, images = _read_images(path, ndim)
        y = _only(names, images, path, sample.name)
    if y is None or (len(points) and not (y > 0).any()):
        y = np.zeros(shape, np.int32)  # clicks: all that is none is background
    if y.shape != shape:
        raise ValueError(f"{path} has the shape {y.shape}, but {sample.name!r} has {shape}.")
    objects = np.where(y > 0, OBJECTS, UNPAINTED) if y.max() == 1 else y.clip(0) + OBJECTS * (y > 0)
    return FileLabels(objects.astype(np.int32), y >= 0, points)


def _read_images(path, ndim):
    """Read label images; as of regions, a section without objects is not complete.

    Files that say what is unlabeled are read as they are.
    """
    names, images = read_labels(path, spatial_ndim=ndim, empty="background")
    values = {
        value for image in images if image is not None for value in (image.min(), image.max())
    }
    if _is_exact(path) or min(values) < 0 or not any(values):
        return names, images
    return read_labels(path, spatial_ndim=ndim, empty="unlabeled")


def _is_exact(path):
    """Whether a file or a folder holds -1 where nothing is labeled."""
    files = list_images(path) if path.is_dir() else [path]
    return holds_zarr(path) or all(is_of_write_labels(file) for file in files)


def _only(names, items, path, name):
    """The item of an image, or the only one."""
    if len(items) != 1 and name not in names:
        raise ValueError(
            f"{path} holds labels of {len(items)} images, {', '.join(map(repr, names[:3]))}, and "
            f"none of {name!r}: give the image that name, or split the file."
        )
    item = items[0] if len(items) == 1 else items[names.index(name)]
    if item is None:
        raise ValueError(f"{path} holds no labels of {name!r}.")
    return item
