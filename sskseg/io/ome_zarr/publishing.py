"""Give groups that are complete their names."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex

from ..scans.ome_zarr import is_zarr, ome_attributes
from .metadata import create_group, set_attributes


@contextmanager
def temporary_folder(path: Path) -> Iterator[Path]:
    """Make a folder beside a path, to be renamed to it; else it is removed at the end.

    Parameters
    ----------
    path : Path

    Yields
    ------
    Path
        Empty, in the same file system, where renaming is atomic.
    """
    part = path.with_name(f"{path.name}.{token_hex(8)}.part")
    part.mkdir()
    try:
        yield part
    finally:
        shutil.rmtree(part, ignore_errors=True)


def publish_labels(part: Path, target: Path, version: str) -> None:
    """Move a group of labels to its place, and add its name to the list of labels.

    Parameters
    ----------
    part : Path
        A temporary folder, which holds the group under its name.
    target : Path
        A folder in ``labels`` of an image.
    version : {"0.4", "0.5"}
    """
    import zarr

    folder = target.parent
    if not folder.exists():
        group = create_group(part, version)
        set_attributes(group, version, {"labels": [target.name]})
        part.rename(folder)
        _consolidate_again(folder.parent)
        return
    _replace(part / target.name, target, part / f"{target.name}.replaced")
    group = zarr.open_group(folder, mode="r+", use_consolidated=False)
    names = ome_attributes(group).get("labels", [])
    if target.name not in names:
        set_attributes(group, version, {"labels": [*names, target.name]})
    _consolidate_again(folder.parent)


def _replace(new, target, aside):
    """Rename a folder, and remove that which had its name."""
    if target.exists():
        target.rename(aside)
    try:
        new.rename(target)
    except BaseException:  # Ctrl-C, too
        if aside.exists():
            aside.rename(target)
        raise


def _consolidate_again(path):
    """Update copies of metadata in the image and in the groups around it, where readers have them.

    Without it, a reader that trusts such a copy would not find the labels.
    """
    import zarr

    path = path.absolute()
    for folder in (path, *path.parents):
        if not is_zarr(folder):
            return
        group = zarr.open_group(folder, mode="r+")
        if group.metadata.consolidated_metadata is not None:
            with warnings.catch_warnings():  # that Zarr 3 does not specify it
                warnings.simplefilter("ignore")
                zarr.consolidate_metadata(folder)
