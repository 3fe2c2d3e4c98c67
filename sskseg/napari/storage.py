"""The folder of a session: its images, and what is painted and clicked on them.

``session.json``, ``images/NAME.npy``, ``painted/NAME.tif``, ``painted/NAME_complete.tif``,
``points/NAME.csv``, and ``labels/NAME.tif`` of `Session.save_data`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pandas as pd

from ..io import (
    atomic_path,
    read_labels,
    read_points,
    write_atomically,
    write_labels,
)
from .sample import Sample

_INDEX = "session.json"


def holds_session(folder: Path) -> bool:
    """Return whether a folder holds a session."""
    return (folder / _INDEX).is_file()


@contextmanager
def named_errors(folder: Path, name: str) -> Iterator[None]:
    """Say of an error of the disk which image is not saved, and that it is not lost."""
    try:
        yield
    except OSError as error:
        raise OSError(
            f"{name!r} could not be saved in {folder}: {error}. It is kept in memory; the next "
            "change is another try."
        ) from error


def file_name(name: str) -> str:
    """Return the name of the files of an image: without slashes and the like."""
    return quote(name, safe=" ()[]+,;=@")


def write_index(folder: Path, kind: str, samples: list[Sample]) -> None:
    """Write the list of images.

    Parameters
    ----------
    folder : Path
    kind : str
    samples : list of Sample
    """
    folder.mkdir(parents=True, exist_ok=True)
    entries = [
        {
            "name": sample.name, "spacing": sample.spacing, "unit": sample.unit,
            "point_radius": sample.point_radius,
        }
        for sample in samples
    ]  # fmt: skip
    content = {"kind": kind, "samples": entries}
    write_atomically(folder / _INDEX, json.dumps(content, indent=1).encode())


def read_index(folder: Path) -> dict[str, Any]:
    """Read the list of images.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    content : dict
        ``kind`` and ``samples``.

    Raises
    ------
    FileNotFoundError
        If there is none.
    ValueError
        If it is damaged.
    """
    path = folder / _INDEX
    if not path.is_file():
        raise FileNotFoundError(f"{folder} holds no session: there is no {_INDEX}.")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        entries = [{**entry, "name": str(entry["name"])} for entry in content["samples"]]
        return {"kind": content["kind"], "samples": entries}
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is damaged: expected kind and samples, got {error!r}.") from error


def write_image(folder: Path, sample: Sample) -> None:
    """Write the image of a sample."""
    target = folder / "images" / f"{file_name(sample.name)}.npy"
    target.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(target) as path, path.open("wb") as file:
        np.save(file, sample.image)


def read_image_file(folder: Path, name: str) -> np.ndarray:
    """Read the image of a sample.

    Raises
    ------
    FileNotFoundError
        If there is none.
    ValueError
        If it is damaged.
    """
    path = folder / "images" / f"{file_name(name)}.npy"
    if not path.is_file():
        raise FileNotFoundError(f"The image {name!r} of the session is missing: {path}.")
    try:
        return np.load(path, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise ValueError(f"{path} is damaged: {error}.") from error


def write_painted(folder: Path, sample: Sample) -> None:
    """Write what is painted and clicked; older files stay until new ones are complete."""
    name = file_name(sample.name)
    for part in ("painted", "points"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    write_labels(folder / "painted" / f"{name}.tif", [sample.painted])
    write_labels(folder / "painted" / f"{name}_complete.tif", [sample.complete.astype(np.uint8)])
    table = pd.DataFrame(sample.points, columns=list("zyx"[-sample.points.shape[1] :]))
    write_atomically(folder / "points" / f"{name}.csv", table.to_csv(index=False).encode())


def recover(folder: Path, sample: Sample) -> None:
    """Read what an earlier session painted and clicked on a sample.

    Raises
    ------
    ValueError
        If it is of an image of another shape.
    """
    name = file_name(sample.name)
    for attribute, stem in {"painted": name, "complete": f"{name}_complete"}.items():
        path = folder / "painted" / f"{stem}.tif"
        if path.is_file():
            stored = read_labels(path, spatial_ndim=sample.painted.ndim)[1][0]
            setattr(sample, attribute, _of_shape(path, stored, sample))
    path = folder / "points" / f"{name}.csv"
    if path.is_file():
        points = read_points(path, spatial_ndim=sample.painted.ndim)[1]
        sample.points = points[0] if points and points[0] is not None else sample.points


def _of_shape(path, stored, sample):
    if stored.shape != sample.painted.shape:
        raise ValueError(
            f"{path} is of an image of shape {stored.shape}, but {sample.name!r} has "
            f"{sample.painted.shape}: rename the image, or move the file away."
        )
    return stored.astype(bool if path.stem.endswith("_complete") else np.int32)
