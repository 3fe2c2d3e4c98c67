"""Callbacks of predictions and scans: progress, and a request to stop from another thread."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from contextvars import ContextVar
from time import perf_counter
from typing import Any

_ALMOST = 1 - 1e-9  # shares of images add up to the whole, within rounding
_CALLBACKS: ContextVar[tuple[Any, ...]] = ContextVar("_CALLBACKS", default=())
_PREDICTION: ContextVar[Prediction | None] = ContextVar("_PREDICTION", default=None)


@contextmanager
def prediction_callbacks(*callbacks: Any) -> Iterator[None]:
    """Report the progress of predictions in a ``with`` block, and let another thread end them.

    It holds for `predict`, `predict_proba`, `transform` and `label` of images in memory, also of
    pipelines, and for `sskseg.scans.count_scan`. Callbacks of `fit` are set by `set_callbacks`.

    Parameters
    ----------
    *callbacks : ReportProgress, StopSignal or similar
        Where a callback has a method ``on_prediction_progress(estimator, progress, seconds_left)``,
        it is called with the share that is done, from 0 to 1. Where an attribute ``should_stop``
        is true, the prediction ends after the tile that it is in.

    Raises
    ------
    PredictionStopped
        In the block, from the prediction that a callback ended: a
        `concurrent.futures.CancelledError`. Models are as before; another call of `count_scan`
        resumes with the blocks that are missing.
    TypeError
        For a callback with neither.

    Notes
    -----
    Blocks may be nested: the callbacks of all are called. Threads that others start in the block,
    as dask and joblib do, have no callbacks; those of `count_scan` can be stopped.

    Examples
    --------
    >>> from sskseg import SemiSupervisedSegmenter
    >>> from sskseg.datasets import make_cells
    >>> from sskseg.training import ReportProgress, StopSignal, prediction_callbacks
    >>> X, y = make_cells(n_samples=2, shape=(32, 32), random_state=0)
    >>> segmenter = SemiSupervisedSegmenter(
    ...     width=4, depth=1, max_steps=4, semi_supervision=None, random_state=0
    ... ).fit(X, y)
    >>> shown, signal = [], StopSignal()  # signal.stop() ends the prediction
    >>> report = ReportProgress(lambda estimator, progress, left: shown.append(progress))
    >>> with prediction_callbacks(report, signal):
    ...     masks = segmenter.predict(X)
    >>> shown[-1]
    1.0
    """
    for callback in callbacks:
        if not (hasattr(callback, "on_prediction_progress") or hasattr(callback, "should_stop")):
            raise TypeError(
                "A callback must have a method on_prediction_progress or an attribute should_stop, "
                f"got {callback!r}."
            )
    token = _CALLBACKS.set((*_CALLBACKS.get(), *callbacks))
    try:
        yield
    finally:
        _CALLBACKS.reset(token)


class PredictionStopped(CancelledError):
    """A callback asked to stop a prediction."""


class Prediction:
    """The progress of a prediction.

    Parameters
    ----------
    estimator : estimator
    total : float
        Amount of work: images, or pixels.
    """

    def __init__(self, estimator: Any, total: float):
        self._estimator, self._total = estimator, total
        self._done = self._earlier = 0.0
        self._started = perf_counter()

    def advance(self, amount: float, *, is_earlier: bool = False) -> None:
        """Report that a part of the work is done; raise if a callback wants to stop.

        Parameters
        ----------
        amount : float
        is_earlier : bool, default=False
            Whether an earlier run did it, so that it took no time.
        """
        check_stop()
        self._earlier += amount * is_earlier
        self._done += amount
        if not is_earlier and self._done < self._total * _ALMOST:
            self._report()

    def end(self) -> None:
        """Report that all is done."""
        self._done = self._total
        self._report()

    def _report(self):
        elapsed, now = perf_counter() - self._started, self._done - self._earlier
        left = elapsed * (self._total - self._done) / now if now else 0.0
        for callback in _CALLBACKS.get():
            if hasattr(callback, "on_prediction_progress"):
                callback.on_prediction_progress(self._estimator, self._done / self._total, left)


@contextmanager
def prediction(estimator: Any, n_images: int) -> Iterator[Prediction]:
    """Begin the prediction of images, whose parts `advance_prediction` reports.

    Parameters
    ----------
    estimator : estimator
    n_images : int
        As often as each is predicted.
    """
    new = Prediction(estimator, n_images)
    token = _PREDICTION.set(new)
    try:
        yield new
    finally:
        _PREDICTION.reset(token)
    new.end()


def advance_prediction(n_images: float) -> None:
    """Report a number of images, or a share of one, to the prediction that runs.

    Without one nothing happens: `fit` predicts, too, and ends as its own callbacks ask.
    """
    current = _PREDICTION.get()
    if current is not None:
        current.advance(n_images)


def check_stop() -> None:
    """Raise `PredictionStopped` if a callback wants to stop."""
    if any(getattr(callback, "should_stop", False) for callback in _CALLBACKS.get()):
        raise PredictionStopped("A callback asked to stop the prediction.")


class _StopOnly:
    """The requests to stop of callbacks, without their reports."""

    def __init__(self, callbacks: tuple[Any, ...]):
        self._callbacks = callbacks

    @property
    def should_stop(self) -> bool:
        return any(getattr(callback, "should_stop", False) for callback in self._callbacks)


@contextmanager
def stoppable() -> Iterator[None]:
    """Let callbacks end what is predicted in a ``with`` block, a part of a whole that reports."""
    token = _CALLBACKS.set((_StopOnly(_CALLBACKS.get()),))
    try:
        with prediction(None, 1):
            yield
    finally:
        _CALLBACKS.reset(token)
