"""Regions in the place of label images and of tables of points."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .formats import (
    image_name,
    is_region_file,
    no_regions,
    read_regions,
    region_files,
    without_image_suffix,
)
from .reading import Rois, check_once, join_points, ordered, read_roi_files

_TIFF = (".tif", ".tiff")


def read_areas(
    path: Path,
    files: Sequence[Path],
    names: Sequence[str] | None,
    spatial_ndim: int,
    shape: Sequence[int] | Sequence[Sequence[int]] | None,
    background: int | None = None,
    empty: str | None = None,
) -> tuple[list[str], list[np.ndarray | None]]:
    """Read the label images of `files` of regions in a folder `path`; see `read_labels`."""
    regions, sources = read_roi_files(
        path, files, shape, names, spatial_ndim=spatial_ndim, background=background,
        empty=empty or "unlabeled",
    )  # fmt: skip
    found, every = ordered(regions, names, sources)
    _check_areas(path, found, every)
    return found, [None if rois is None else rois.labels for rois in every]


def areas_or_points(
    path: Path, names: Sequence[str], every: Sequence[Rois | None]
) -> tuple[list[np.ndarray | None], bool]:
    """Return the label images of regions that were read from `path`, or points where no region is
    an area.

    Returns
    -------
    labels : list of ndarray, or None
    are_points : bool
    """
    known = [rois for rois in every if rois is not None]
    are_points = any(len(rois.points) for rois in known) and not any(len(r.table) for r in known)
    if not are_points:
        _check_areas(path, names, every)
    return [
        None if rois is None else rois.points if are_points else rois.labels for rois in every
    ], are_points


def _check_areas(path: Path, names: Sequence[str], every: Sequence[Rois | None]) -> None:
    """Raise for an image that has points alone."""
    for name, rois in zip(names, every, strict=True):
        if rois is not None and len(rois.points) and not len(rois.table):
            raise ValueError(
                f"{path} holds points of {name!r}, and no areas: read_points reads points."
            )


def holds_points(path: Path, has_tables: bool) -> bool:
    """Return whether points are read from regions: of a file, or of a folder without tables."""
    if path.is_dir():
        return not has_tables and bool(region_files(path))
    is_table = path.suffix.lower() == ".csv"  # whose reader refuses shapes
    return (is_region_file(path) and not is_table) or path.suffix.lower() in _TIFF


def read_region_points(
    path: Path, names: Sequence[str] | None, spatial_ndim: int
) -> tuple[list[str], list[np.ndarray | None]]:
    """Read the points of files of regions; see `read_points`."""
    found: dict[str, np.ndarray] = {}
    sources: dict[str, Path] = {}
    for file in region_files(path) if path.is_dir() else [path]:
        for image in read_regions(file, spatial_ndim=spatial_ndim, skip_json=path.is_dir()):
            name = without_image_suffix(image.name) if image.name else image_name(file)
            check_once(name, file, sources)
            if image.labels is not None or (
                image.regions and all(r.points is None for r in image.regions)
            ):
                raise ValueError(
                    f"{file} holds areas of {name!r}, and no points: read_labels reads areas."
                )
            points = join_points(image.regions, None, file)
            found[name] = _of_dimension(points, spatial_ndim, file)
    if not found and path.is_dir():
        raise no_regions(path)
    return ordered(found, names, sources)


def _of_dimension(points, spatial_ndim, file):
    """Points of two or three axes; those of one section have no third."""
    if not len(points):
        return np.zeros((0, spatial_ndim))
    if spatial_ndim == 3 and points.shape[1] == 2:
        raise ValueError(f"{file} has points without a section: use spatial_ndim=2.")
    if spatial_ndim == 2 and len(np.unique(points[:, :-2])) > 1:
        raise ValueError(
            f"{file} has points of several sections: use spatial_ndim=3, or read_rois with the "
            "shape of the stack."
        )
    return points[:, -spatial_ndim:]
