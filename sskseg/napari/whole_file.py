"""A scan counted in a thread, with progress and a request to stop."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from sklearn.pipeline import Pipeline

from ..scans import count_scan
from ..training import ReportProgress, StopSignal
from ..training.prediction_callbacks import PredictionStopped, prediction_callbacks


class ScanRun:
    """Count a file larger than memory in a thread, by `sskseg.scans.count_scan`.

    Parameters
    ----------
    model : Pipeline
        Fitted.
    source : str or path-like
        As `sskseg.scans.open_scan` takes it.
    destination : str or path-like
        A folder. A run that was canceled or failed resumes there.

    Attributes
    ----------
    progress : float
        From 0 to 1.
    seconds_left : float or None
    n_objects : int or None
        Once all is done.
    is_canceled : bool
    error : Exception or None
        Why it failed.
    """

    def __init__(
        self, model: Pipeline, source: str | os.PathLike[str], destination: str | os.PathLike[str]
    ):
        self.model, self.source, self.destination = model, Path(source), Path(destination)
        self.progress, self.seconds_left = 0.0, None
        self.n_objects: int | None = None
        self.is_canceled = False
        self.error: Exception | None = None
        self._stop = StopSignal()
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def is_running(self) -> bool:
        """Whether it runs."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Start it."""
        self._thread.start()

    def cancel(self) -> None:
        """End it after its current block; what is done stays in the destination."""
        self._stop.stop()

    def wait(self) -> None:
        """Wait for its end, and raise the error that ended it, if any."""
        self._thread.join()
        if self.error is not None:
            raise self.error

    def _run(self):
        try:
            with prediction_callbacks(ReportProgress(self._report), self._stop):
                result = count_scan(self.model, self.source, self.destination)
            self.n_objects, self.progress = result.n_objects, 1.0
        except PredictionStopped:
            self.is_canceled = True
        except Exception as error:  # the window shows it, and `wait` raises it
            self.error = error

    def _report(self, estimator, progress, seconds_left):
        self.progress, self.seconds_left = progress, seconds_left
