"""When a training ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter

_NO_TIME = 1e-9  # seconds; more than 0, since progress is a share of the time


@dataclass
class Budget:
    """Steps and seconds of a training; it ends with whichever is used up first.

    Parameters
    ----------
    max_steps : int, default=None
    time_budget : float, default=None
        Seconds from `started`.
    started : float
        Of `time.perf_counter`; now by default.
    interrupted : bool, default=False
        Whether Ctrl-C or a callback ended the training.
    report : callable, default=None
        ``report(progress) -> bool`` is called after each step, and returns whether to end the
        training.
    """

    max_steps: int | None = None
    time_budget: float | None = None
    started: float = field(default_factory=perf_counter)
    interrupted: bool = False
    report: Callable[[float], bool] | None = None

    def elapsed(self) -> float:
        """Return the seconds since the start."""
        return perf_counter() - self.started

    def progress(self, step: int) -> float:
        """Return the share of the budget that `step` steps have used up, from 0 to 1 and beyond."""
        steps = step / self.max_steps if self.max_steps is not None else 0.0
        time = self.elapsed() / self.time_budget if self.time_budget is not None else 0.0
        return max(steps, time)

    def should_stop(self, step: int) -> bool:
        """Report the progress after a step, and return whether to end the training."""
        return self.report is not None and self.report(min(1.0, self.progress(step)))

    def part(self, share: float) -> Budget:
        """Return a budget with the same steps and a share of the time; the rest is for later."""
        time = None if self.time_budget is None else share * self.time_budget
        return Budget(self.max_steps, time, self.started, report=self.report)

    def shorten(self, seconds: float) -> None:
        """End no later than `seconds` after the start; at once if that has passed."""
        if self.time_budget is not None:
            self.time_budget = min(self.time_budget, max(seconds, _NO_TIME))

    def rest(self, max_steps: int | None) -> Budget:
        """Return a budget of at most `max_steps` steps in the time that is left."""
        time = None if self.time_budget is None else self.time_budget - self.elapsed()
        time = time if time is None else max(time, _NO_TIME)
        report = self.report  # which has seen the end of the first training
        return Budget(max_steps, time, report=report and (lambda _: report(1.0)))
