"""Callbacks as those of scikit-learn 1.9, for older versions: of one estimator alone."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any


class CallbackContext:
    """A task of a fit.

    Parameters
    ----------
    callbacks : list
    task_name : str
    task_id : int, default=0
    max_subtasks : int, default=0
    parent : CallbackContext, default=None
    """

    def __init__(self, callbacks, task_name, task_id=0, max_subtasks=0, parent=None):
        self.callbacks, self.task_name, self.task_id = callbacks, task_name, task_id
        self.max_subtasks, self.parent = max_subtasks, parent
        self._n_subtasks = 0

    def subcontext(self, task_name: str = "", max_subtasks: int = 0) -> CallbackContext:
        """Return the context of the next task within this one."""
        task = CallbackContext(self.callbacks, task_name, self._n_subtasks, max_subtasks, self)
        self._n_subtasks += 1
        return task

    def call_on_fit_task_begin(self, *, estimator: Any, X: Any = None) -> CallbackContext:
        """Call the hook of each callback as the task begins."""
        for callback in self.callbacks:
            callback.on_fit_task_begin(estimator, self)
        return self

    def call_on_fit_task_end(self, *, estimator: Any, X: Any = None) -> bool:
        """Call the hook of each callback as the task ends; return whether one wants to stop."""
        stop = False
        for callback in self.callbacks:
            stop |= bool(callback.on_fit_task_end(estimator, self))
        return stop


class CallbackSupportMixin:
    """Mixin of estimators with callbacks."""

    def set_callbacks(self, *callbacks: Any) -> Any:
        """Set the callbacks of `fit`; without any, remove them.

        Returns
        -------
        self

        Raises
        ------
        TypeError
            If a callback lacks a method: `setup`, `teardown`, `on_fit_task_begin` or
            `on_fit_task_end`.
        """
        hooks = ("setup", "teardown", "on_fit_task_begin", "on_fit_task_end")
        for callback in callbacks:
            if isinstance(callback, type) or not all(hasattr(callback, hook) for hook in hooks):
                raise TypeError(f"A callback must have the methods {hooks}, got {callback!r}.")
        self.__dict__.pop("_skl_callbacks", None)
        if callbacks:
            self._skl_callbacks = list(callbacks)
        return self

    def _init_callback_context(self, task_name="fit", max_subtasks=0):
        callbacks = getattr(self, "_skl_callbacks", [])
        context = CallbackContext(callbacks, task_name, max_subtasks=max_subtasks)
        self._callback_fit_ctx = context
        for callback in callbacks:
            callback.setup(self, context)
        return context


def with_callbacks(method: Callable) -> Callable:
    """Decorate a method, so that callbacks are torn down after it, whether it fails or not."""

    @functools.wraps(method)
    def managed(self, *arguments, **options):
        try:
            return method(self, *arguments, **options)
        finally:
            context = self.__dict__.pop("_callback_fit_ctx", None)
            for callback in context.callbacks if context is not None else ():
                callback.teardown(self, context)

    return managed
