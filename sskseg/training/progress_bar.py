"""A progress bar, or lines of progress in a log."""

from __future__ import annotations

import sys
from typing import Any, TextIO

from tqdm.auto import tqdm

_SECONDS = 30.0  # between lines
_LINE = "{desc}: {percentage:.0f} %, {elapsed} elapsed, {remaining} left{postfix}"


class _Lines:
    """A file that takes each state of a bar as a line: nothing is written over in a log."""

    def __init__(self, file: TextIO):
        self._file = file

    def write(self, text: str) -> None:
        if line := text.strip():  # tqdm also writes spaces and line ends to clear a bar
            self._file.write(f"{line}\n")

    def flush(self) -> None:
        self._file.flush()


def progress_bar(**options: Any) -> Any:
    """Make a progress bar of tqdm.

    Where the standard error output is no terminal, such as the log file of a job of SLURM, the
    progress is a line every half minute.

    Parameters
    ----------
    **options
        Of `tqdm.auto.tqdm`, with ``desc``.

    Returns
    -------
    tqdm.auto.tqdm
    """
    is_widget = any(base.__module__ == "tqdm.notebook" for base in tqdm.__mro__)
    if options.get("disable") or is_widget or sys.stderr.isatty():
        return tqdm(**options)
    lines: dict[str, Any] = {
        "file": _Lines(sys.stderr), "bar_format": _LINE, "position": 0,
        "mininterval": _SECONDS, "maxinterval": _SECONDS, "miniters": 0,
    }  # fmt: skip
    return tqdm(**{**options, **lines})
