"""Results of stacks: one file for each file of images, of its shape."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from math import prod
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ...io.folders import without_number
from ...io.planes import plane_axes
from ._common import file_names


class OfFile(NamedTuple):
    """Results of a file of images.

    Parameters
    ----------
    name : str
    pixels : ndarray
    axes : str
        Those of `pixels` before channels: ``"YX"``, ``"ZYX"``, ``"TYX"`` or ``"TZYX"``.
    """

    name: str
    pixels: np.ndarray
    axes: str

    @property
    def planes(self) -> np.ndarray:
        """Label images, with times and sections as one axis."""
        if len(self.axes) == 2:
            return self.pixels
        return self.pixels.reshape(-1, *self.pixels.shape[-2:])


def by_file(
    names: Sequence[str], results: Sequence[np.ndarray], path: Path, spatial_ndim: int
) -> list[OfFile]:
    """Return the name and the results of each file of images: those of planes as one volume.

    Parameters
    ----------
    names : sequence of str
        Of the images. Planes of a file have its name and a number.
    results : sequence of ndarray
        One for each image. Those of a file are one volume if they have one shape; times of volumes
        have an axis of their own.
    path : pathlib.Path
        The file or folder that was read.
    spatial_ndim : {2, 3}
        Volumes, 3, stay as they are.

    Returns
    -------
    list of OfFile
    """
    if spatial_ndim == 3:
        return [OfFile(name, np.asarray(r), "ZYX") for name, r in zip(names, results, strict=True)]
    return list(_volumes(names, results, path))


def planes_by_file(names: Sequence[str], files: Collection[str]) -> dict[str, list[int]]:
    """Return which images are planes of a file, by its name; others are alone.

    Parameters
    ----------
    names : sequence of str
        Of the images. Planes of a file have its name and a number.
    files : collection of str
        Names of the files, as of their image if they hold one.

    Returns
    -------
    dict of str to list of int
    """
    groups: dict[str, list[int]] = {}
    for i, name in enumerate(names):
        of_file = without_number(name)
        is_plane = name not in files and of_file in files
        groups.setdefault(of_file if is_plane else name, []).append(i)
    return groups


def _volumes(names: Sequence[str], results: Sequence[np.ndarray], path: Path) -> Iterator[OfFile]:
    files = file_names(path)
    for name, indices in planes_by_file(names, files).items():
        parts = [np.asarray(results[i]) for i in indices]
        if len(parts) > 1 and len({part.shape for part in parts}) == 1:
            axes, lengths = axes_of_planes(
                path / files[name] if path.is_dir() else path, len(parts)
            )
            yield OfFile(name, np.reshape(parts, (*lengths, *parts[0].shape)), f"{axes}YX")
        else:
            for i, part in zip(indices, parts, strict=True):
                yield OfFile(names[i], part, "YX")


def axes_of_planes(file: Path, n_planes: int) -> tuple[str, tuple[int, ...]]:
    """Return the axes of the planes of a file, and their lengths.

    Times and sections, or sections where it explains nothing.
    """
    axes, lengths = plane_axes(file)
    if axes in ("t", "tz") and prod(lengths) == n_planes:
        return axes.upper(), lengths
    return "Z", (n_planes,)
