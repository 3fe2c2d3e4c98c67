"""What is needed to repeat a command, as a file beside its result."""

from __future__ import annotations

import hashlib
import json
import platform
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from .. import __version__
from ..io import write_atomically

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
        self.inputs = {str(file): sha256(file) for path in inputs for file in _files(Path(path))}

    def write(self, path: Path, **results: Any) -> None:
        """Write the record as JSON.

        Parameters
        ----------
        path : Path
        **results : object
            What else to store, by name: what JSON holds.
        """
        write_atomically(path, self.content(**results))

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


def _files(path):
    """The file, or all files below the folder, without hidden ones."""
    if not path.is_dir():
        return [path] if path.is_file() else []
    return sorted(f for f in path.rglob("*") if f.is_file() and not f.name.startswith("."))


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
