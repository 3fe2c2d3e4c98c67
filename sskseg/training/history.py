"""The history of a training and its progress bar."""

from __future__ import annotations

from typing import Any

from .budget import Budget
from .progress_bar import progress_bar


class History:
    """Collect the losses of training steps, and show a progress bar.

    Parameters
    ----------
    budget : Budget
    n_entries : int, default=20
        Rows of a training that uses up its budget.
    description : str, default="training"
        Of the progress bar.
    verbose : bool, default=False
        Show the progress bar.

    Attributes
    ----------
    entries : list of dict
        ``step, time``, each loss (its mean over the steps since the last entry),
        ``learning_rate`` (of the last step) and the scores of the monitor.
    """

    def __init__(
        self,
        budget: Budget,
        *,
        n_entries: int = 20,
        description: str = "training",
        verbose: bool = False,
    ):
        self.entries: list[dict[str, float]] = []
        self._budget, self._n_entries = budget, n_entries
        self._losses: list[dict[str, Any]] = []  # numbers or tensors
        self._last: tuple[int, float] = (0, 0.0)
        self._bar = progress_bar(total=100, unit="%", disable=not verbose, desc=description)

    def add(self, step: int, losses: dict[str, Any], learning_rate: float) -> bool:
        """Add a step; return whether a row is due."""
        self._losses.append(losses)
        self._last = step, learning_rate
        progress = min(1.0, self._budget.progress(step))
        self._bar.update(int(100 * progress) - self._bar.n)
        return progress >= (len(self.entries) + 1) / self._n_entries

    def close_row(self, scores: dict[str, float]) -> None:
        """Append a row with the mean losses and the scores of the monitor."""
        (step, learning_rate), n = self._last, len(self._losses)
        losses = {
            key: float(sum(each[key] for each in self._losses) / n) for key in self._losses[0]
        }
        row = {"step": step, "time": self._budget.elapsed(), **losses}
        self.entries.append({**row, "learning_rate": learning_rate, **scores})
        shown = {key: f"{x:.4f}" for key, x in {**losses, **scores}.items()}
        self._bar.set_postfix(shown, refresh=False)  # when it is drawn again
        self._losses = []

    def close(self) -> None:
        """Append a row for the steps that have none, and close the progress bar."""
        if self._losses:
            self.close_row({})
        self._bar.close()
