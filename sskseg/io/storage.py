"""Where a result is written: a folder, or a place in an object store."""

from __future__ import annotations

import errno
import os
import posixpath
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from .atomic import atomic_path, write_atomically

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")  # two letters at least: not a drive of Windows
_PART = ".part"  # suffix of files that are not complete
_REMOVALS = 10  # of a folder into which another process writes
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}


class AccessRefused(PermissionError):
    """An object store refuses the credentials, or what they are used for."""


class StoreFailed(OSError):
    """An object store fails, after all retries."""


class Storage(Protocol):
    """Named contents below a place; it can be pickled.

    A key is a relative path with slashes. An error of the store is raised; it never counts as a
    missing key.
    """

    @property
    def place(self) -> str:
        """Path or URL of the place."""

    @property
    def options(self) -> dict[str, Any] | None:
        """Options of the object store; None of a folder."""

    def read(self, key: str) -> bytes | None:
        """Return the content of a key; None where it does not exist."""

    def put(self, key: str, content: bytes) -> None:
        """Write the content of a key; who reads it gets the old or the new content as a whole."""

    def create(self, key: str, content: bytes) -> bool:
        """Write the content of a key that does not exist, and return whether it has this content.

        Of several callers with different contents, one gets True. A repeated call gets True, too,
        since the reply to the first one may be lost: who must be the only one puts a random number
        into the content.
        """

    def list(self, prefix: str = "") -> list[str]:
        """List the keys below a prefix, which is a key itself, sorted."""

    def remove(self, key: str) -> None:
        """Remove a key, if it exists."""

    def remove_all(self, prefix: str = "") -> None:
        """Remove all keys below a prefix."""

    def new_file(self, key: str) -> AbstractContextManager[Path]:
        """Give a path to write to, which becomes the content of a key at the end of the block."""

    def zarr(self) -> Any:
        """Return what zarr opens as a group: a path or a zarr store."""

    def explained(self) -> AbstractContextManager[None]:
        """Name the place in errors of the block."""


def is_url(place: Any) -> bool:
    """Whether a place is a URL, such as ``s3://bucket/scan.zarr``, and not a path."""
    return isinstance(place, str) and _URL.match(place) is not None


def open_storage(
    place: str | os.PathLike[str], storage_options: Mapping[str, Any] | None = None
) -> Storage:
    """Open a folder or a place in an object store, which need not exist.

    Parameters
    ----------
    place : str or path-like
        A path, or a URL that fsspec opens: ``s3://bucket/result``, ``file://``, ``memory://``.
    storage_options : dict, default=None
        Options of the file system of fsspec, such as ``endpoint_url``, ``key`` and ``secret`` of
        s3; None: those of the environment.

    Returns
    -------
    Storage

    Raises
    ------
    ValueError
        For `storage_options` of a path, URLs of an unknown protocol, and those with ``*``, ``?``
        or ``[``.
    ImportError
        If fsspec or the library of the protocol is not installed (extra ``cloud``).
    """
    if is_url(place) and not str(place).startswith("file://"):
        from .object_storage import ObjectStorage

        return ObjectStorage.open(str(place), storage_options)
    check_no_options(storage_options, place)
    return FileStorage(Path(str(place).removeprefix("file://")).absolute())


def check_no_options(storage_options: Any, place: Any) -> None:
    """Refuse options of an object store for a path."""
    if storage_options:
        raise ValueError(
            "storage_options must be None for a path; they are for URLs such as s3://bucket/scan, "
            f"got {sorted(storage_options)} for {place!s}."
        )


def relative_place(place: str, start: str) -> str | None:
    """Return the path from one place to another, with slashes; None where there is none."""
    if is_url(place) or is_url(start):
        there, here = urlsplit(place), urlsplit(start)
        if (there.scheme, there.netloc) != (here.scheme, here.netloc):
            return None
        return posixpath.relpath(there.path, here.path)
    try:
        return Path(os.path.relpath(place, start)).as_posix()
    except ValueError:  # on another drive of Windows
        return None


@dataclass(frozen=True)
class FileStorage:
    """A folder; see `Storage`.

    Parameters
    ----------
    folder : Path
    """

    folder: Path

    @property
    def place(self) -> str:
        return str(self.folder)

    @property
    def options(self) -> None:
        return None

    def read(self, key: str) -> bytes | None:
        try:
            return (self.folder / key).read_bytes()
        except FileNotFoundError:
            return None

    def put(self, key: str, content: bytes) -> None:
        write_atomically(self._new_path(key), content)

    def create(self, key: str, content: bytes) -> bool:
        path = self._new_path(key)
        part = path.with_name(f"{path.name}.{secrets.token_hex(8)}.part")
        try:
            part.write_bytes(content)
            os.link(part, path)
        except FileExistsError:
            return self.read(key) == content
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            return self._create_without_links(path, content)
        finally:
            part.unlink(missing_ok=True)
        return True

    def _create_without_links(self, path, content):
        """Create a file in a file system without hard links: a reader may find a part of it."""
        try:
            with path.open("xb") as file:
                file.write(content)
        except FileExistsError:
            return path.read_bytes() == content
        return True

    def list(self, prefix: str = "") -> list[str]:
        keys = []
        for folder, _, names in os.walk(self.folder / prefix, onerror=_raise_unless_missing):
            below = Path(folder).relative_to(self.folder)
            keys += [(below / name).as_posix() for name in names if not name.endswith(_PART)]
        return sorted(keys)

    def remove(self, key: str) -> None:
        (self.folder / key).unlink(missing_ok=True)

    def remove_all(self, prefix: str = "") -> None:
        folder = self.folder / prefix
        for attempt in range(_REMOVALS):
            try:
                shutil.rmtree(folder)
            except FileNotFoundError:  # another process removes it, too
                if not folder.is_dir():
                    return
            except OSError as error:  # another process writes into it
                if attempt == _REMOVALS - 1 or error.errno != errno.ENOTEMPTY:
                    raise

    @contextmanager
    def new_file(self, key: str) -> Iterator[Path]:
        path = self._new_path(key)
        for old in path.parent.glob(f"{path.name}.*.part"):  # of a run that was killed
            old.unlink(missing_ok=True)
        with atomic_path(path) as part:
            yield part

    def zarr(self) -> Path:
        return self.folder

    def explained(self) -> AbstractContextManager[None]:
        return nullcontext()

    def _new_path(self, key):
        path = self.folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        return path


def _raise_unless_missing(error):
    if not isinstance(error, FileNotFoundError | NotADirectoryError):
        raise error
