"""Folders of tiles to audit, in any annotation program."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..io import write_object_table
from ..io.audits import read_csv, read_marks
from ..io.folders import is_visible
from ..io.image_writing import write_image
from ._plan import AuditPlan

_PLAN, _FRAMES, _COUNTS = "plan.csv", "frames.csv", "counts.csv"


def write_audit(
    plan: AuditPlan, images: Sequence[Any], folder: str | os.PathLike[str], *, margin: int = 16
) -> None:
    """Write the tiles of a plan as images, without what the network found in them.

    ``folder/images`` has one TIFF file for each tile, with a margin, so that objects across its
    frame are complete. ``folder/frames.csv`` has the frame in each file (first pixel, and that
    behind the last). ``folder/plan.csv`` has the plan with the counts of the network: who counts
    does not open it.

    Parameters
    ----------
    plan : AuditPlan
        Its tiles have the columns of `count_tiles`, and ``image``, the position in `images`, if
        there are several.
    images : sequence of arrays of shape (*spatial[, n_channels])
        Arrays of numpy, dask or zarr. Only the tiles are read.
    folder : str or path-like
        Made if it does not exist; must hold no plan yet.
    margin : int, default=16
        Pixels beside the frame, at least the radius of an object. Cut at the border of the image.

    Raises
    ------
    ValueError
        If tiles have no place, are of an image that is not there, or extend beyond it, or margin
        is negative.
    FileExistsError
        If the folder has a plan.
    """
    path = Path(folder)
    axes = _axes(plan)
    if margin < 0:
        raise ValueError(f"margin must not be negative, got {margin!r}.")
    number = plan.tiles.get("image", np.zeros(len(plan.tiles), int))
    if not 0 <= min(number) <= max(number) < len(images):
        raise ValueError(
            f"images must have position {max(number)}, which a tile names, got"
            f" {len(images)} images."
        )
    _check_sizes(plan.tiles, number, images, axes)
    if (path / _PLAN).exists():
        raise FileExistsError(f"{path / _PLAN} exists: choose another folder.")
    (path / "images").mkdir(parents=True, exist_ok=True)
    frames = plan.tiles.loc[plan.to_audit, [*axes, *[f"{a}_stop" for a in axes]]].copy()
    for i in plan.to_audit:
        tile, image = plan.tiles.loc[i], images[int(number[i])]
        start = [max(0, int(tile[a]) - margin) for a in axes]
        stop = [int(tile[f"{a}_stop"]) + margin for a in axes]
        box = tuple(slice(*ends) for ends in zip(start, stop, strict=True))
        write_image(path / "images" / f"{_name(i)}.tif", image[box], "".join(axes).upper())
        frames.loc[i] -= [*start, *start]
    frames.insert(0, "tile", plan.to_audit)
    frames.insert(1, "name", [_name(i) for i in plan.to_audit])
    write_object_table(path / _FRAMES, frames)
    draws = np.bincount(plan.draws, minlength=len(plan.tiles))
    is_certain = np.isin(np.arange(len(draws)), plan.certain).astype(int)
    columns = {"probability": plan.probability, "draws": draws, "certain": is_certain}
    write_object_table(path / _PLAN, plan.tiles.assign(**columns))


def _check_sizes(tiles, number, images, axes):
    """Refuse images that tiles extend beyond, which are others than those that were counted."""
    ends = tiles[[f"{axis}_stop" for axis in axes]].groupby(np.asarray(number)).max()
    for i, end in ends.iterrows():
        shape, needed = np.shape(images[int(i)]), tuple(map(int, end))
        if len(shape) < len(needed) or any(a < b for a, b in zip(shape, needed)):
            raise ValueError(
                f"images[{i}] must be an image of at least {needed} pixels, on which the tiles of "
                f"the plan lie, got shape {shape}. Pass a list of images, also for one."
            )


def read_plan(folder: str | os.PathLike[str]) -> AuditPlan:
    """Read the plan that `write_audit` wrote.

    Parameters
    ----------
    folder : str or path-like

    Returns
    -------
    AuditPlan

    Raises
    ------
    FileNotFoundError
        If the folder has no plan.
    """
    table = read_csv(Path(folder) / _PLAN, ["region"])
    if "region" in table:  # numbers of an atlas, or names, such as "NA" and "007"
        numbers = pd.to_numeric(table["region"], errors="coerce")
        if (numbers.astype(str) == table["region"]).all():
            table["region"] = numbers
    return AuditPlan(
        table.drop(columns=["probability", "draws", "certain"]),
        table["probability"].to_numpy(float),
        np.repeat(np.arange(len(table)), table["draws"]),
        np.flatnonzero(table["certain"]),
    )


def read_audit(
    folder: str | os.PathLike[str], annotations: str | os.PathLike[str] | None = None
) -> dict[int, float]:
    """Read what a person found in the tiles of `write_audit`.

    Objects are counted whose centroid (points: which themselves) lies in the frame. So annotate
    the whole image with its margin, or at least all that crosses the frame.

    Parameters
    ----------
    folder : str or path-like
        Folder that `write_audit` wrote.
    annotations : str or path-like, default=None
        Folder of label images, masks, points or ROIs with the names of the images, or a CSV file
        with columns ``name`` and ``count``, which are counts in the frame; None is
        ``folder/annotations``, or without it ``folder/counts.csv``.

    Returns
    -------
    dict of int to float
        Count of each tile, for `estimate_total`.

    Raises
    ------
    FileNotFoundError
        If there is no such folder or file.
    ValueError
        If a tile has no annotations, or files are of several kinds, such as label images and
        ROIs; the message names them. A tile without objects has an empty table, a label image of
        0, or a count of 0.

    Warns
    -----
    UserWarning
        If the ROIs or the table of a tile are left out, since it has a label image, too.
    """
    path = Path(folder)
    frames = read_csv(path / _FRAMES, ["name"])
    names = frames["name"].tolist()
    marks = path / "annotations" if annotations is None else Path(annotations)
    if annotations is None and not (marks.is_dir() and _has_files(marks)):
        marks = path / _COUNTS
    if not marks.exists():
        raise FileNotFoundError(
            f"{marks} does not exist: count the tiles in {path / 'images'}, and save label images, "
            f"points or ROIs of the same names in {path / 'annotations'}, or counts in "
            f"{path / _COUNTS}."
        )
    if marks.is_file() and marks.suffix.lower() == ".csv":
        found = _counts_of(marks, names)
    else:
        axes = [a for a in "zyx" if a in frames]
        frame = frames[[*axes, *[f"{a}_stop" for a in axes]]].to_numpy()
        files = [path / "images" / f"{name}.tif" for name in names]
        every = read_marks(marks, files, len(axes))
        found = [_count_in(m, f) for m, f in zip(every, frame, strict=True)]
    lacking = [name for name, count in zip(names, found, strict=True) if count is None]
    if lacking:
        raise ValueError(
            f"{marks} has no annotations of {lacking[:5]} ({len(lacking)} of {len(names)} tiles)."
        )
    return {int(i): float(n) for i, n in zip(frames["tile"], found, strict=True)}


def _axes(plan):
    axes = [a for a in "zyx" if a in plan.tiles]
    if len(axes) < 2 or any(f"{a}_stop" not in plan.tiles for a in axes):
        raise ValueError(
            f"tiles of the plan must have y, x, y_stop and x_stop, got columns {list(plan.tiles)}."
        )
    return axes


def _name(i):
    return f"tile_{i:06d}"


def _counts_of(file, names):
    table = read_csv(file, ["name"])
    lacking = [name for name in ("name", "count") if name not in table]
    if lacking:
        raise ValueError(f"{file} must have columns name and count, lacks {lacking}.")
    others = sorted(set(table["name"]) - set(names))
    if others or table["name"].duplicated().any():
        what = f"{others[:5]}, which are not of the plan" if others else "a name twice"
        raise ValueError(f"{file} must have each tile of the plan once, got {what}.")
    counts = dict(zip(table["name"], table["count"], strict=True))
    return [counts.get(name) for name in names]


def _count_in(points, frame):
    """Count the points in the frame; None stays None."""
    if points is None:
        return None
    ndim = len(frame) // 2
    index = np.floor(points + 0.5)
    return int(((index >= frame[:ndim]) & (index < frame[ndim:])).all(axis=1).sum())


def _has_files(folder):
    """Whether a folder holds a file, but for hidden ones that systems add."""
    return any(map(is_visible, folder.iterdir()))
