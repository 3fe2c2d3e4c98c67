"""Folders of tiles that a person counts."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd

from .atomic import atomic_path
from .labels import read_labels
from .points import read_points
from .tables import read_table


def write_tile(path: str | os.PathLike[str], image: np.ndarray) -> None:
    """Write one tile to a TIFF file.

    Parameters
    ----------
    path : str or path-like
    image : ndarray of shape (*spatial[, n_channels])
    """
    import tifffile

    with atomic_path(path) as part:
        tifffile.imwrite(part, image)


def read_csv(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read a table of `write_object_table`, or of another program.

    Parameters
    ----------
    path : str or path-like

    Returns
    -------
    pandas.DataFrame

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path} does not exist.")
    return pd.DataFrame(read_table(Path(path))).reset_index(drop=True)


def read_marks(
    folder: str | os.PathLike[str], names: list[str], spatial_ndim: int
) -> list[np.ndarray | None]:
    """Read label images, or else points, of the images of the names.

    Parameters
    ----------
    folder : str or path-like
        Label images are TIFF or PNG files; tables and files of regions hold points.
    names : list of str
    spatial_ndim : {2, 3}

    Returns
    -------
    list of ndarray or None
        For each name a label image, points of shape (k, spatial_ndim), or None without either.
    """
    path = Path(folder)
    if any(file.suffix.lower() in (".tif", ".tiff", ".png") for file in path.glob("*")):
        return list(read_labels(path, names, spatial_ndim=spatial_ndim)[1])
    return list(read_points(path, names, spatial_ndim=spatial_ndim)[1])
