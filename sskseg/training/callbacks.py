"""Callbacks of `fit`, as scikit-learn 1.9 has them: progress, and a request to stop."""

from __future__ import annotations

import functools
from collections.abc import Callable
from time import perf_counter
from typing import Any

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:  # before scikit-learn 1.9
    from .simple_callbacks import CallbackSupportMixin, with_callbacks

__all__ = ["CallbackSupportMixin", "FitProgress", "ReportProgress", "StopSignal", "with_progress"]

_N_TASKS = 1000  # that a training is divided into


class FitProgress:
    """Report a training to callbacks, as tasks of equal shares, and ask them whether to stop.

    Parameters
    ----------
    estimator : estimator
    context : sklearn.callback.CallbackContext
        Of the whole fit.
    """

    def __init__(self, estimator: Any, context: Any):
        self._estimator, self._context = estimator, context
        self._task: Any = None
        self._n_ended = 0

    def __call__(self, progress: float) -> bool:
        """Report the share of the training that is done; return whether a callback wants to stop.

        Callbacks with an attribute ``should_stop`` are asked in every step, others when a task
        ends.
        """
        callbacks = getattr(self._estimator, "_skl_callbacks", [])
        stop = any(bool(getattr(callback, "should_stop", False)) for callback in callbacks)
        while self._n_ended < min(int(progress * _N_TASKS), _N_TASKS):
            self._begin()
            stop |= bool(self._task.call_on_fit_task_end(estimator=self._estimator))
            self._task, self._n_ended = None, self._n_ended + 1
        if self._n_ended < _N_TASKS:
            self._begin()
        return stop

    def _begin(self):
        if self._task is None:
            self._task = self._context.subcontext(task_name="share of the training")
            self._task.call_on_fit_task_begin(estimator=self._estimator)


def with_progress(fit: Callable) -> Callable:
    """Decorate a method `fit`, so that callbacks are called before, during and after it.

    The method finds a `FitProgress` in ``self._fit_progress`` if there are callbacks.
    """

    @functools.wraps(fit)
    def fit_with_callbacks(self, X, *arguments, **options):
        if not hasattr(self, "_skl_callbacks") and not hasattr(self, "_parent_callback_ctx"):
            return fit(self, X, *arguments, **options)
        return _fit_with_context(self, fit, X, arguments, options)

    return fit_with_callbacks


@with_callbacks
def _fit_with_context(self, fit, X, arguments, options):
    context = self._init_callback_context(max_subtasks=_N_TASKS)
    context.call_on_fit_task_begin(estimator=self, X=X)
    self._fit_progress = FitProgress(self, context)
    try:
        result = fit(self, X, *arguments, **options)
    finally:
        self.__dict__.pop("_fit_progress", None)
    context.call_on_fit_task_end(estimator=self, X=X)
    return result


class _Callback:
    """A callback that meta-estimators hand on to the estimators in them."""

    max_propagation_depth = None

    def setup(self, estimator: Any, context: Any) -> None:
        """Begin a fit."""

    def teardown(self, estimator: Any, context: Any) -> None:
        """End a fit."""

    def on_fit_task_begin(self, estimator: Any, context: Any) -> None:
        """Begin a task."""

    def on_fit_task_end(self, estimator: Any, context: Any) -> bool:
        """End a task; return whether to stop."""
        return False


class StopSignal(_Callback):
    """End fits when another thread asks for it.

    A training ends after the step that it is in, with the weights so far, as it does after Ctrl-C.
    Give the signal to `set_callbacks` of an estimator, or of a pipeline or a search around it
    (scikit-learn 1.9). In `prediction_callbacks` it ends predictions and scans.

    Attributes
    ----------
    should_stop : bool

    Examples
    --------
    >>> from sskseg import SemiSupervisedSegmenter
    >>> from sskseg.training import StopSignal
    >>> signal = StopSignal()
    >>> segmenter = SemiSupervisedSegmenter(time_budget=600).set_callbacks(signal)
    >>> signal.stop()  # from another thread, while `fit` runs in this one
    >>> signal.should_stop
    True
    """

    def __init__(self):
        self.should_stop = False

    def stop(self) -> None:
        """Ask for the end."""
        self.should_stop = True

    def reset(self) -> None:
        """Let later fits run."""
        self.should_stop = False

    def on_fit_task_end(self, estimator: Any, context: Any) -> bool:
        return self.should_stop


class ReportProgress(_Callback):
    """Call a function with the progress of each training or prediction.

    Give it to `set_callbacks` of an estimator, or of a pipeline or a search around it (scikit-learn
    1.9), and for predictions and scans to `prediction_callbacks`.

    Parameters
    ----------
    function : callable
        ``function(estimator, progress, seconds_left)``, with the estimator that is trained or
        predicts, the share that is done, from 0 to 1, and an estimate of the time that is left;
        in a training up to a thousand times.

    Examples
    --------
    >>> from sskseg import SemiSupervisedSegmenter
    >>> from sskseg.datasets import make_cells
    >>> from sskseg.training import ReportProgress
    >>> X, y = make_cells(n_samples=2, shape=(32, 32), random_state=0)
    >>> shown = []
    >>> report = ReportProgress(lambda estimator, progress, left: shown.append(progress))
    >>> segmenter = SemiSupervisedSegmenter(
    ...     width=4, depth=1, max_steps=4, semi_supervision=None, random_state=0
    ... )
    >>> _ = segmenter.set_callbacks(report).fit(X, y)
    >>> shown[-1]
    1.0
    """

    def __init__(self, function: Callable[[Any, float, float], None]):
        self.function = function
        self._started: dict[int, float] = {}

    def on_fit_task_begin(self, estimator: Any, context: Any) -> None:
        if context.max_subtasks == _N_TASKS:
            self._started[id(estimator)] = perf_counter()

    def on_fit_task_end(self, estimator: Any, context: Any) -> bool:
        whole = context.parent
        if whole is not None and whole.max_subtasks == _N_TASKS:
            progress = (context.task_id + 1) / _N_TASKS
            elapsed = perf_counter() - self._started.get(id(estimator), perf_counter())
            self.function(estimator, progress, elapsed * (1 - progress) / progress)
        elif context.max_subtasks == _N_TASKS:
            self._started.pop(id(estimator), None)
        return False

    def on_prediction_progress(self, estimator: Any, progress: float, seconds_left: float) -> None:
        """Call the function with the progress of a prediction."""
        self.function(estimator, progress, seconds_left)
