"""Work in a thread: its progress, a request to stop it, and the error that ended it."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from typing import Any

from ..training import StopSignal


class Task(ABC):
    """Work in a thread.

    Attributes
    ----------
    progress : float
        The share that is done, from 0 to 1.
    seconds_left : float or None
        An estimate; None before the first step.
    error : Exception or None
        Why the last run failed.
    """

    def __init__(self):
        self.progress = 0.0
        self.seconds_left: float | None = None
        self.error: Exception | None = None
        self._stop = StopSignal()
        self._thread: threading.Thread | None = None

    @property
    def is_running(self) -> bool:
        """Whether the thread runs."""
        return self._thread is not None and self._thread.is_alive()

    def wait(self) -> None:
        """Wait for the end of the thread, and raise the error that ended it, if any."""
        if self._thread is not None:
            self._thread.join()
        if self.error is not None:
            raise self.error

    def _start(self, *arguments: Any) -> None:
        self.progress, self.seconds_left, self.error = 0.0, None, None
        self._thread = threading.Thread(target=self._run, args=arguments, daemon=True)
        self._thread.start()

    def _run(self, *arguments):
        try:
            self._work(*arguments)
        except Exception as error:  # the window shows it, and `wait` raises it
            self.error = error

    @abstractmethod
    def _work(self, *arguments: Any) -> None:
        """Do the work; `_stop` says when to end it."""

    def _report(self, estimator, progress, seconds_left):
        self.progress, self.seconds_left = progress, seconds_left
