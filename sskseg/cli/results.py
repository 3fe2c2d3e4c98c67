"""The folder of results: a new or empty one, or that of an earlier run, which is replaced."""

from __future__ import annotations

import argparse
import json
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePath
from tempfile import mkdtemp
from typing import Any

from ..io.folders import is_visible
from ..io.images import image_files
from ..io.rois.regions import listed
from ..io.tiff import results_in
from .main import CommandFailed
from .record import RECORD, files_below, sha256

_COMMANDS = ("count", "predict", "demo")  # whose results may be replaced; a model may not


def check_results(options: argparse.Namespace) -> list[PurePath]:
    """Raise unless ``--out`` is new, empty, or with ``--overwrite`` of an earlier run.

    Files that an earlier run did not write, or that were changed since, are never removed.

    Returns
    -------
    list of PurePath
        Files of the earlier run and its record, relative to ``--out``, which may be replaced.
    """
    path: Path = options.out
    here = sorted(each.name for each in path.iterdir() if is_visible(each)) if path.exists() else []
    if not here:
        return []
    command, earlier = _earlier(path)
    if command != options.command:
        raise ValueError(
            f"{path} holds other files ({listed(here)}): --out must be a new folder, such as "
            f"{path / options.command}."
        )
    earlier.append(PurePath(RECORD))
    known = set(earlier)
    others = [str(name) for name in files_below(path) if name not in known]
    if others:
        raise ValueError(
            f"{path} holds files that are no results of the earlier run, or were changed since: "
            f"{listed(others)}. Move them, or let --out be another folder."
        )
    if not options.overwrite:
        raise ValueError(
            f"{path} holds the results of an earlier sskseg {command} "
            f"({listed(map(str, earlier))}): add --overwrite to replace all of them, or let --out "
            "be another folder."
        )
    return earlier


def check_new_file(file: Path, options: argparse.Namespace, what: str) -> None:
    """Raise for a file that exists, unless ``--overwrite`` was given.

    Parameters
    ----------
    file : Path
        What will be written.
    options : Namespace
    what : str
        What an earlier run wrote there, as the message says it.
    """
    if file.exists() and not options.overwrite:
        other = ", or let --out be another" if hasattr(options, "out") else ""
        raise ValueError(f"{file} exists: add --overwrite to replace this {what}{other}.")


@contextmanager
def results_folder(options: argparse.Namespace) -> Iterator[Path]:
    """Give a hidden folder, whose files replace those of an earlier run in ``--out`` at the end.

    Nothing changes there if the block raises, or if the files cannot be replaced. In the latter
    case, the hidden folder stays, and the error names it: the results may have taken hours.
    """
    path: Path = options.out
    path.mkdir(parents=True, exist_ok=True)
    hidden = Path(mkdtemp(prefix=".sskseg-", dir=path))
    new = hidden / "new"
    new.mkdir()
    try:
        yield new
    except BaseException:
        shutil.rmtree(hidden, ignore_errors=True)
        raise
    kept = f"The new results are in {new}."
    try:
        _replace(path, hidden, check_results(options))  # a long run may have been overtaken
    except KeyboardInterrupt:
        raise KeyboardInterrupt(kept) from None
    except Exception as error:
        raise CommandFailed(f"{error} {kept}") from error


def check_no_results(images: Path) -> None:
    """Refuse labels, masks and probabilities, which would be counted as images of objects."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the reader gives them
        files = image_files(images)
    for file in files:
        kind = next(iter(_results_in(file) - {None}), None)
        if kind is not None:
            raise ValueError(
                f"{file} is a result that sskseg wrote ({kind}), and no image. Give the images "
                "that it was computed from, and keep results in a folder of their own."
            )


def _results_in(file):
    """Which results a file holds; errors are left to the reader, which names all damaged files."""
    try:
        return results_in(file)
    except Exception:  # decoders raise errors of many kinds
        return set()


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


def _replace(path, hidden, earlier):
    """Move earlier files into the hidden folder, and new ones out of it: all of them, or none."""
    old, new = hidden / "old", hidden / "new"
    names = sorted(files_below(new), key=lambda name: name == PurePath(RECORD))  # last
    moves = [(path / name, old / name) for name in earlier]
    moves += [(new / name, path / name) for name in names]
    begun = []
    try:
        for source, target in moves:
            target.parent.mkdir(parents=True, exist_ok=True)
            begun.append((source, target))
            source.replace(target)
    except BaseException:
        for source, target in reversed(begun):
            if target.exists() and not source.exists():
                target.replace(source)
        _remove_empty(path, names)
        raise
    shutil.rmtree(hidden, ignore_errors=True)  # a file that is open elsewhere may stay, hidden
    _remove_empty(path, earlier)


def _remove_empty(path, names):
    """Remove the folders of files that were moved away."""
    for folder in {(path / name).parent for name in names} - {path}:
        with suppress(OSError):  # it is not empty, is open elsewhere, or was never made
            folder.rmdir()
