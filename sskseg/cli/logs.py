"""What libraries log, such as readers of files: shown once, unless an error says it."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager


class _Held(logging.Handler):
    """Keep lines, each of them once, until it is known what the command says itself."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.lines: dict[str, None] = {}

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self.lines[f"{record.name}: {record.getMessage()}"] = None
        except Exception:  # of the library that logs, such as values that its text cannot hold
            self.handleError(record)


@contextmanager
def held_logs(reported: tuple[type[BaseException], ...]) -> Iterator[dict[str, None]]:
    """Hold what libraries log, and show it at the end as warnings.

    After an error that the command reports, it is left out: the message names the file and the
    fault, in words for users. Otherwise nothing else may say that there is a fault.

    Parameters
    ----------
    reported : tuple of type
        Errors that are reported as a message.

    Yields
    ------
    dict of str to None
        The lines, to be removed where an error was reported without raising it.
    """
    held, root = _Held(), logging.getLogger()
    root.addHandler(held)
    try:
        yield held.lines
    except reported:
        held.lines.clear()
        raise
    finally:
        root.removeHandler(held)
        for line in [*held.lines]:
            print(f"sskseg: warning: {line}", file=sys.stderr)  # noqa: T201
