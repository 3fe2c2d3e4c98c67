"""Write files atomically: a file appears when it is complete, or not at all."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path to write to, and rename it to `path` at the end.

    For libraries that want a path; see `write_atomically` for bytes. If the block raises, an older
    file of that name stays as it is and the temporary one is removed.

    Parameters
    ----------
    path : str or path-like
        Symbolic links are followed, as `open` follows them.

    Yields
    ------
    Path
        An empty file in the same folder, since renaming is atomic only within a file system.

    Notes
    -----
    A new file gets the permissions that the umask asks for; one that replaces another keeps the
    permissions of the other.

    Examples
    --------
    >>> import tempfile
    >>> from sskseg.io import atomic_path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with atomic_path(f"{folder}/counts.csv") as temporary:
    ...         size = temporary.write_text("image,objects")
    ...     [file.name for file in Path(folder).iterdir()]
    ['counts.csv']
    """
    path = Path(path).resolve()
    temporary = path.with_name(f"{path.name}.{secrets.token_hex(8)}.part")
    # The umask decides, unlike with `tempfile`, whose files are private.
    temporary.open("xb").close()
    mode = stat.S_IMODE((path if path.is_file() else temporary).stat().st_mode)
    try:
        yield temporary
        temporary.chmod(mode)  # a writer may have replaced the file by a private one
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_atomically(path: str | os.PathLike[str], content: bytes) -> None:
    """Write bytes to a file that appears when it is complete.

    Parameters
    ----------
    path : str or path-like
        An older file of that name stays until the new one is complete.
    content : bytes
    """
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)
