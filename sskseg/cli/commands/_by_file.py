"""Results of stacks: one file for each file of images, of its shape."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

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
