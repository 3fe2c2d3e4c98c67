"""What is needed to repeat a command, as a file beside its result."""

from __future__ import annotations

import hashlib
import json
import platform
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path, PurePath
from typing import Any

from .. import __version__
from ..io import write_atomically
from ..io.folders import RECORD, is_visible

_PACKAGES = ("numpy", "pandas", "scikit-image", "scikit-learn", "scipy", "tifffile", "torch")


class Record:
    """Parameters, versions and hashes of inputs of one command.

    Parameters
    ----------
    arguments : sequence of str
        Of the command line.
    inputs : iterable of Path
        Files, or folders of files.
    parameters : dict, default=None
    """

    def __init__(
        self, arguments: Sequence[str], inputs: Iterable[Path], parameters: dict | None = None
    ):
        self.started = datetime.now(UTC)
        self.arguments, self.parameters = list(arguments), parameters or {}
        self.inputs = {str(file): sha256(file) for path in inputs for file in _inputs(Path(path))}

    def write(self, path: Path, outputs: Iterable[str] = (), **results: Any) -> None:
        """Write the record as JSON.

        Parameters
        ----------
        path : Path
        outputs : iterable of str
            Files that the command wrote, below the folder of `path`; stored with their hashes.
        **results : object
            What else to store, by name: what JSON holds.
        """
        hashes = {name: sha256(path.parent / name) for name in outputs}
        write_atomically(path, self.content(outputs=hashes, **results))

    def content(self, **results: Any) -> bytes:
        """Return the record as JSON, with `results` as `write` takes them."""
        finished = datetime.now(UTC)
        content = {
            "command": ["sskseg", *self.arguments],
            "directory": str(Path.cwd()),
            "started": self.started.isoformat(timespec="seconds"),
            "seconds": round((finished - self.started).total_seconds(), 1),
            "sskseg": __version__,
            "python": sys.version.split()[0],
            "packages": {name: metadata.version(name) for name in _PACKAGES},
            "machine": f"{platform.system()} {platform.machine()}",
            "inputs": self.inputs,
            "parameters": {name: _plain(value) for name, value in self.parameters.items()},
            **results,
        }
        return (json.dumps(content, indent=1) + "\n").encode()


def files_below(folder: Path) -> list[PurePath]:
    """List the files below a folder, relative to it, without hidden ones."""
    every = (file.relative_to(folder) for file in folder.rglob("*") if file.is_file())
    return sorted(file for file in every if all(map(is_visible, (file, *file.parents))))


def _inputs(path):
    """The file, or the files below the folder, without results in folders of their own."""
    if not path.is_dir():
        return [path] if path.is_file() else []
    files = files_below(path)
    results = {file.parent for file in files if file.name == RECORD} - {PurePath(".")}
    return [path / file for file in files if not results & {*file.parents}]


def sha256(file: Path) -> str:
    """Return the SHA-256 of a file."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _plain(value):
    """A value as JSON, or the text that shows it."""
    try:
        json.dumps(value)
    except TypeError:
        return repr(value)
    return value
