"""A scan counted in a thread, with progress and a request to stop."""

from __future__ import annotations

import os
from pathlib import Path

from sklearn.pipeline import Pipeline

from ..scans import count_scan
from ..training import ReportProgress
from ..training.prediction_callbacks import PredictionStopped, prediction_callbacks
from .task import Task


class ScanRun(Task):
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
    n_objects : int or None
        Once all is done.
    is_canceled : bool
    """

    def __init__(
        self, model: Pipeline, source: str | os.PathLike[str], destination: str | os.PathLike[str]
    ):
        super().__init__()
        self.model, self.source, self.destination = model, Path(source), Path(destination)
        self.n_objects: int | None = None
        self.is_canceled = False

    def start(self) -> None:
        """Start it."""
        self._start()

    def cancel(self) -> None:
        """End it after its current block; what is done stays in the destination."""
        self._stop.stop()

    def _work(self):
        try:
            with prediction_callbacks(ReportProgress(self._report), self._stop):
                result = count_scan(self.model, self.source, self.destination)
            self.n_objects, self.progress = result.n_objects, 1.0
        except PredictionStopped:
            self.is_canceled = True
