"""Results of stacks: one file for each file of images, of its shape."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ...images import consecutive_runs
from ...io.folders import without_number
from ._common import file_names


def by_file(
    names: Sequence[str], results: Sequence[np.ndarray], path: Path, spatial_ndim: int
) -> list[tuple[str, np.ndarray]]:
    """Return the name and the results of each file of images: those of planes as one volume.

    Parameters
    ----------
    names : sequence of str
        Of the images. Planes of a file have its name and a number.
    results : sequence of ndarray
        One for each image. Those of a file are one volume if they have one shape.
    path : pathlib.Path
        The file or folder that was read.
    spatial_ndim : {2, 3}
        Volumes, 3, stay as they are.

    Returns
    -------
    list of (str, ndarray)
    """
    if spatial_ndim == 3:
        return list(zip(names, results, strict=True))
    return list(_volumes(names, results, file_names(path)))


def _volumes(names, results, files):
    groups: dict[str, list[int]] = {}
    for i, name in enumerate(names):
        of_file = without_number(name)
        is_plane = name not in files and of_file in files
        groups.setdefault(of_file if is_plane else name, []).append(i)
    for name, indices in groups.items():
        parts = [np.asarray(results[i]) for i in indices]
        if len(parts) > 1 and len({part.shape for part in parts}) == 1:
            yield name, np.stack(parts)
        else:
            yield from zip([names[i] for i in indices], parts, strict=True)


def by_stack(
    objects: pd.DataFrame,
    labels: Sequence[np.ndarray],
    positions: np.ndarray,
    names: Sequence[str],
    spacing: Sequence[float] | None,
) -> pd.DataFrame:
    """Name the stack of each object, and let its z start there; a single stack stays as it is.

    Parameters
    ----------
    objects : DataFrame
        As `InstanceCounter.measure` returns it, for consecutive sections.
    labels : sequence of ndarray of int
    positions : ndarray of int, shape (n_sections,)
        With a gap between stacks.
    names : sequence of str
        Of the sections. A stack has the name of its first section; without the number, if no other
        stack is of the same file.
    spacing : sequence of float or None
        Distance of sections first.

    Returns
    -------
    DataFrame
    """
    runs = consecutive_runs(positions)
    if len(runs) == 1:
        return objects
    step = 1.0 if spacing is None else spacing[0]
    firsts = [names[run[0]] for run in runs]
    files = [*map(without_number, firsts)]
    titles = firsts if len(set(files)) < len(files) else files
    objects = objects.copy()
    objects.insert(0, "image", "")
    for run, title in zip(runs, titles, strict=True):
        rows = objects.id.isin(np.unique(np.stack([labels[i] for i in run])))
        objects.loc[rows, "image"] = title
        first = positions[run[0]]
        for name, shift in (("centroid_z", first * step), ("min_z", first), ("max_z", first)):
            objects.loc[rows, name] -= shift
    return objects
