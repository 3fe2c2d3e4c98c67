"""Places in object stores, through fsspec."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from .storage import AccessRefused, StoreFailed

# Six tries, whose pauses double: about 15 s. Of the retry modes of botocore, this one covers
# 429, 500, 502, 503, 504 and connections that break; s3fs repeats it where requests are throttled.
_S3_RETRIES = {"retries": {"mode": "legacy", "max_attempts": 5}}
_MAX_CONFLICTS = 10  # of requests that create the same key at the same time
_REFUSALS = ("NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError")
_CLIENTS = ("botocore", "aiobotocore", "aiohttp", "azure", "google")  # raise errors of their own


@dataclass(frozen=True)
class ObjectStorage:
    """A place in an object store; see `sskseg.io.storage.Storage`.

    Contents appear as a whole, as objects of such stores do: the requests that write them are
    atomic.

    Parameters
    ----------
    url : str
    storage_options : dict
        Options of the file system of fsspec.
    """

    url: str
    storage_options: dict[str, Any] = field(default_factory=dict, repr=False)  # with credentials

    @classmethod
    def open(cls, url: str, storage_options: Mapping[str, Any] | None) -> ObjectStorage:
        """Open a URL as `open_storage` does."""
        if set("*?[") & {*url}:  # or fsspec would remove what they match
            raise ValueError(f"{url} must not hold *, ? or [, which fsspec takes for patterns.")
        fsspec = _import_fsspec(url)
        protocol = url.partition("://")[0]
        try:
            fsspec.get_filesystem_class(protocol)
        except ValueError as error:
            raise ValueError(f"{url} has a protocol that fsspec does not know.") from error
        except ImportError as error:
            raise ImportError(
                f"{url} needs a library that is not installed ({error}); for s3: "
                "pip install sskseg[cloud]"
            ) from error
        options = dict(storage_options or {})
        if protocol in ("s3", "s3a"):
            options["config_kwargs"] = {**_S3_RETRIES, **options.get("config_kwargs", {})}
        storage = cls(url.rstrip("/"), options)
        with storage.explained():
            storage._connection  # noqa: B018 - options that the store does not have raise here
        return storage

    @property
    def place(self) -> str:
        return self.url

    @property
    def options(self) -> dict[str, Any]:
        return self.storage_options

    @cached_property
    def _connection(self):
        """File system and path in it."""
        from fsspec import url_to_fs

        return url_to_fs(self.url, **self.storage_options)

    def __getstate__(self):
        return {"url": self.url, "storage_options": self.storage_options}

    def _path(self, key):
        return f"{self._connection[1]}/{key}" if key else self._connection[1]

    def read(self, key: str) -> bytes | None:
        with self.explained():
            try:
                return self._connection[0].cat_file(self._path(key))
            except FileNotFoundError:
                return None

    def put(self, key: str, content: bytes) -> None:
        with self.explained(), _explained_missing(self.url):
            self._connection[0].pipe_file(self._path(key), content)

    def create(self, key: str, content: bytes) -> bool:
        for _ in range(_MAX_CONFLICTS):
            try:
                with self.explained(), _explained_missing(self.url):
                    self._connection[0].pipe_file(self._path(key), content, mode="create")
                return True
            except FileExistsError:
                break
            except StoreFailed as error:
                if "ConditionalRequestConflict" not in _s3_code(error):
                    raise
                if self.read(key) is not None:  # that of another request at the same time
                    break
        return self.read(key) == content

    def list(self, prefix: str = "") -> list[str]:
        (files, root), path = self._connection, self._path(prefix)
        with self.explained(), _explained_missing(self.url):
            files.invalidate_cache()  # other processes write, too
            found = files.find(path)
        return sorted(each[len(root) + 1 :] for each in found if each.startswith(f"{path}/"))

    def remove(self, key: str) -> None:
        with self.explained(), suppress(FileNotFoundError):
            self._connection[0].rm_file(self._path(key))

    def remove_all(self, prefix: str = "") -> None:
        keys = [self._path(key) for key in self.list(prefix)]
        with self.explained(), suppress(FileNotFoundError):
            if keys:
                self._connection[0].rm(keys)

    @contextmanager
    def new_file(self, key: str) -> Iterator[Path]:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, Path(key).name)
            yield path
            with self.explained(), _explained_missing(self.url):
                self._connection[0].put_file(str(path), self._path(key))

    def zarr(self) -> Any:
        from zarr.storage import FsspecStore

        return FsspecStore.from_url(self.url, self.storage_options)

    def explained(self) -> AbstractContextManager[None]:
        return _explained(self.url)


def _s3_code(error):
    """The code of S3 in what caused an error; empty where there is none."""
    response = getattr(error.__cause__ and error.__cause__.__cause__, "response", {})
    return response.get("Error", {}).get("Code", "")


def _import_fsspec(url):
    try:
        import fsspec
    except ImportError as error:
        raise ImportError(
            f"{url} needs fsspec, which is not installed: pip install sskseg[cloud]"
        ) from error
    return fsspec


@contextmanager
def _explained_missing(url):
    """Name the place where a request that writes or lists finds no bucket."""
    try:
        yield
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{url} does not exist: {str(error).rstrip('.')}.") from error


@contextmanager
def _explained(url):
    """Raise `AccessRefused` where a store refuses access; name the place in other errors."""
    try:
        yield
    except (FileNotFoundError, FileExistsError, AccessRefused, StoreFailed):
        raise
    except Exception as error:
        if isinstance(error, PermissionError) or type(error).__name__ in _REFUSALS:
            raise AccessRefused(
                f"{url} refuses access: {str(error).rstrip('.')}. Check the credentials "
                "(storage_options, or the environment and files that fsspec and the library of the "
                "store read), whether they have expired, and that they may read, write, list and "
                "delete there."
            ) from error
        if isinstance(error, OSError) or type(error).__module__.split(".")[0] in _CLIENTS:
            raise StoreFailed(f"{url} failed: {error}") from error
        raise
