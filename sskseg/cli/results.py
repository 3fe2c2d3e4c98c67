"""The folder of results: a new or empty one, or that of an earlier run, which is replaced."""

from __future__ import annotations

import argparse
import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath
from tempfile import TemporaryDirectory
from typing import Any

from ..io.rois.regions import listed
from .record import RECORD, files_below, is_visible, sha256

_COMMANDS = ("count", "predict")  # whose results may be replaced; a model may not


def check_results(options: argparse.Namespace) -> None:
    """Raise unless ``--out`` is new, empty, or with ``--overwrite`` of an earlier run.

    Files that an earlier run did not write, or that were changed since, are never removed.
    """
    path: Path = options.out
    here = sorted(each.name for each in path.iterdir() if is_visible(each)) if path.exists() else []
    if not here:
        return
    command, earlier = _earlier(path)
    if command != options.command:
        raise ValueError(
            f"{path} holds other files ({listed(here)}): --out must be a new folder, such as "
            f"{path / options.command}."
        )
    known = {*earlier, PurePath(RECORD)}
    others = [str(name) for name in files_below(path) if name not in known]
    if others:
        raise ValueError(
            f"{path} holds files that are no results of the earlier run, or were changed since: "
            f"{listed(others)}. Move them, or let --out be another folder."
        )
    if earlier and not options.overwrite:
        raise ValueError(
            f"{path} holds the results of an earlier sskseg {command} "
            f"({listed(map(str, earlier))}): add --overwrite to replace all of them, or let --out "
            "be another folder."
        )


@contextmanager
def results_folder(options: argparse.Namespace) -> Iterator[Path]:
    """Give a temporary folder, whose files move to ``--out`` at the end.

    Nothing changes there if the block raises. Else, the files of an earlier run are removed.
    """
    path: Path = options.out
    path.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=path, prefix=".") as part:
        yield Path(part)
        check_results(options)  # a long run may have been overtaken
        _remove(path, [*_earlier(path)[1], PurePath(RECORD)])
        for file in [each for each in Path(part).rglob("*") if each.is_file()]:
            target = path / file.relative_to(part)
            target.parent.mkdir(exist_ok=True)
            file.replace(target)


def warn_of_predictions(labels: Path) -> None:
    """Warn of labels that are results of a run, and that nobody corrected."""
    folder = labels if labels.is_dir() else labels.parent
    for base in dict.fromkeys((folder, folder.parent)):  # of regions in a folder of results
        command, earlier = _earlier(base)
        files = [base / name for name in earlier if name.suffix != ".csv"]
        found = [file.name for file in files if labels in (file, file.parent)]
        if found:
            warnings.warn(
                f"{labels} holds {len(found)} files that are predictions of sskseg {command}, and "
                f"were not changed since ({listed(found)}): correct them first, since they are "
                "taken for annotations.",
                stacklevel=2,
            )


def _earlier(path: Path) -> tuple[str | None, list[PurePath]]:
    """The command that wrote results into a folder, and those that are as it wrote them."""
    try:
        content: Any = json.loads((path / RECORD).read_text("utf-8"))
        command, outputs = content["command"][1], dict(content["outputs"])
    except (OSError, ValueError, LookupError, TypeError):  # none, or that of another program
        return None, []
    if command not in _COMMANDS:
        return None, []
    known = [name for name in files_below(path) if name.as_posix() in outputs]
    return command, [n for n in known if sha256(path / n) == outputs[n.as_posix()]]


def _remove(path, names):
    """Remove files, and folders that are empty then."""
    for name in names:
        (path / name).unlink(missing_ok=True)
    for folder in {(path / name).parent for name in names} - {path}:
        if not any(folder.iterdir()):
            folder.rmdir()
