"""Displays of learning curves and of the score against the number of labeled samples."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.utils import check_random_state

from ..images import unwrap
from ._axes import CYCLE, MARKERS, Display, title
from ._outputs import flatten, read_reference

_NOT_CURVES = ("phase", "step", "time", "learning_rate")
_STEPS, _SECONDS = "training step", "seconds of training"


class HistoryDisplay(Display):
    """Learning curves of the `history_` of a fitted estimator.

    One panel per quantity; the phases of a training are drawn one after the other.

    Parameters
    ----------
    history : list of dict
        Rows with ``phase, step, time`` and any numbers; see `history_` of the estimators.
    name : str, default=None
        Name of the estimator.

    Attributes
    ----------
    curves_ : dict of str to dict of str to ndarray of shape (2, n_points)
        x and y of each quantity and phase.
    ax_ : matplotlib.axes.Axes
        The first panel.
    axes_ : ndarray of matplotlib.axes.Axes
        One per quantity.
    figure_ : matplotlib.figure.Figure

    Examples
    --------
    >>> from sskseg.report import HistoryDisplay
    >>> history = [
    ...     {"phase": "network", "step": step, "time": 0.1 * step, "loss": 1 / step}
    ...     for step in (1, 2, 4)
    ... ]
    >>> HistoryDisplay(history=history).plot().axes_[0].get_ylabel()
    'loss'
    """

    def __init__(self, *, history: list[dict[str, Any]], name: str | None = None):
        self.history = history
        self.name = name

    @classmethod
    def from_estimator(
        cls, estimator: Any, *, step: str | None = None, ax: Any = None, **options: Any
    ) -> Self:
        """Draw the history of a fitted estimator.

        Parameters
        ----------
        estimator : object
            An estimator with `history_`, or a pipeline with one.
        step : str, default=None
            Name of the step of a pipeline; None: the last with a history.
        ax : Axes, array of Axes or Figure, default=None
            As in `plot`.
        **options
            Passed to `plot`.

        Returns
        -------
        HistoryDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If there is no such history.
        """
        histories = {name: getattr(each, "history_", []) for name, each in flatten(estimator)}
        names = [name for name, history in histories.items() if history]
        if not names or step not in {None, *names}:
            raise ValueError(
                f"step must be one of {sorted(names)}, which have a history, got {step!r}."
            )
        name = step or names[-1]
        return cls(history=histories[name], name=name).plot(ax, **options)

    def plot(self, ax: Any = None, *, x: str = "step", keys: Sequence[str] | None = None) -> Self:
        """Draw the display.

        Parameters
        ----------
        ax : Axes, array of Axes or Figure, default=None
            One axes per quantity; a single axes is divided, a figure is resized. None: a new
            figure.
        x : {"step", "time"}, default="step"
        keys : sequence of str, default=None
            Quantities to draw; None: all except the learning rate.

        Returns
        -------
        HistoryDisplay
            The display.
        """
        if x not in ("step", "time"):
            raise ValueError(f"x must be 'step' or 'time', got {x!r}.")
        self.curves_ = _curves(self.history, x, keys)
        axes = self._place(ax, len(self.curves_), 3, size=(3.4, 2.7))
        phases = list(dict.fromkeys(row.get("phase", "training") for row in self.history))
        for panel, (key, lines) in zip(axes, self.curves_.items(), strict=True):
            for phase, (at, values) in lines.items():
                color = CYCLE[phases.index(phase) % len(CYCLE)]
                mark = "o" if len(at) < 16 else None
                panel.plot(at, values, color=color, marker=mark, ms=3.5, lw=1.5, label=phase)
            panel.set_ylabel(key.replace("_", " "))
            panel.set_xlabel(_STEPS if x == "step" else _SECONDS)
            _tidy(panel)
        if len(phases) > 1:
            axes[0].legend(frameon=False, fontsize=8)
        if self.name is not None:
            title(axes[0], self.name)
        return self


class LabelEfficiencyDisplay(Display):
    """Score against the number of labeled samples.

    Parameters
    ----------
    labeled : array-like of shape (n_rows,)
        Number of labeled samples (or pixels, minutes, ...).
    score : array-like of shape (n_rows,)
    method : sequence of str, shape (n_rows,), default=None
        Methods to compare; None: a single method.
    score_name : str, default="score"

    Attributes
    ----------
    table_ : pandas.DataFrame
        ``method, labeled``, the ``mean, min, max`` of the scores and their number ``n``.
    ax_ : matplotlib.axes.Axes
    figure_ : matplotlib.figure.Figure

    Examples
    --------
    >>> from sskseg.report import LabelEfficiencyDisplay
    >>> rows = [
    ...     {"method": "few", "labeled": 1, "score": 0.5},
    ...     {"method": "few", "labeled": 1, "score": 0.6},
    ...     {"method": "few", "labeled": 4, "score": 0.8},
    ... ]
    >>> LabelEfficiencyDisplay.from_rows(rows).table_["mean"].tolist()
    [0.55, 0.8]
    """

    def __init__(self, *, labeled: Any, score: Any, method: Any = None, score_name: str = "score"):
        self.labeled = labeled
        self.score = score
        self.method = method
        self.score_name = score_name

    @classmethod
    def from_rows(
        cls,
        rows: Any,
        *,
        labeled: Any = "labeled",
        score: Any = "score",
        method: Any = "method",
        ax: Any = None,
        **options: Any,
    ) -> Self:
        """Draw a table.

        Parameters
        ----------
        rows : pandas.DataFrame or list of dict
        labeled, score, method : str
            Names of the columns; the last may be absent.
        ax : Axes or Figure, default=None
        **options
            Passed to the class: `score_name`, by default the name of the column.

        Returns
        -------
        LabelEfficiencyDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If a column is missing.
        """
        table = pd.DataFrame(rows)
        missing = [name for name in (labeled, score) if name not in table]
        if missing:
            raise ValueError(f"rows must have columns {missing}, got {list(table.columns)}.")
        options = {"score_name": score.replace("_", " "), **options}
        methods = table[method].astype(str).tolist() if method in table else None
        display = cls(
            labeled=table[labeled].to_numpy(), score=table[score].to_numpy(), method=methods,
            **options,
        )  # fmt: skip
        return display.plot(ax)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        *,
        n_labeled: Sequence[int] = (1, 2, 4),
        cv: Any = None,
        scoring: Any = None,
        random_state: Any = 0,
        ax: Any = None,
        **options: Any,
    ) -> Self:
        """Train with increasing numbers of labeled samples, and draw scores on held-out samples.

        Parameters
        ----------
        estimator : object
            Cloned for each training; a dict of names to estimators compares them.
        X : array-like of shape (n_samples, *spatial) or (n_samples, *spatial, n_channels)
        y : array-like of int
            As for `fit`.
        n_labeled : sequence of int, default=(1, 2, 4)
            Numbers of labeled samples; the other training samples are used as unlabeled ones.
        cv : splitter, default=None
            None: ``LabeledKFold(3)``.
        scoring : callable, default=None
            ``scoring(estimator, X, y) -> float``; None: `score` of the estimator.
        random_state : int, RandomState or None, default=0
            Samples the labeled ones.
        ax : Axes or Figure, default=None
        **options
            Passed to the class: `score_name`.

        Returns
        -------
        LabelEfficiencyDisplay
            The display, drawn.
        """
        from ..model_selection import LabeledKFold

        methods = estimator if isinstance(estimator, dict) else {"": estimator}
        cv = LabeledKFold(3) if cv is None else cv
        rng = check_random_state(random_state)
        rows = []
        for train, test in cv.split(X, y):
            order = rng.permutation(_labeled(y, train))
            for n in n_labeled:
                if not 1 <= n <= len(order):
                    raise ValueError(
                        f"n_labeled must be from 1 to {len(order)}, the labeled samples of a "
                        f"training, got {n}."
                    )
                known = _hide(y, set(order[n:].tolist()))
                for name, model in methods.items():
                    model = clone(model).fit(_take(X, train), _take(known, train))
                    score_of = model.score if scoring is None else _bind(scoring, model)
                    rows.append((n, score_of(_take(X, test), _take(y, test)), name))
        labeled, score, method = zip(*rows, strict=True)
        return cls(labeled=labeled, score=score, method=method, **options).plot(ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw the display.

        Parameters
        ----------
        ax : Axes or Figure, default=None
            None: a new figure.

        Returns
        -------
        LabelEfficiencyDisplay
            The display.
        """
        from matplotlib.ticker import FixedLocator, NullLocator

        n = len(self.score)
        table = pd.DataFrame({
            "method": [""] * n if self.method is None else list(self.method),
            "labeled": np.asarray(self.labeled, float), "score": np.asarray(self.score, float),
        })  # fmt: skip
        grouped = table.groupby(["method", "labeled"], sort=False)["score"]
        self.table_ = grouped.agg(["mean", "min", "max", "count"]).reset_index()
        self.table_ = self.table_.rename(columns={"count": "n"})
        (panel,) = self._place(ax, 1, size=(4.6, 3.4))
        names = list(dict.fromkeys(table["method"]))
        for i, name in enumerate(names):
            color, mark = CYCLE[i % len(CYCLE)], MARKERS[i % len(MARKERS)]
            line = self.table_[self.table_["method"] == name].sort_values("labeled")
            repeats = table[table["method"] == name]
            panel.plot(line["labeled"], line["mean"], color=color, marker=mark, ms=5, label=name)
            if line["n"].max() > 1:
                panel.scatter(repeats["labeled"], repeats["score"], s=8, color=color, alpha=0.4)
                panel.fill_between(
                    line["labeled"], line["min"], line["max"], color=color, alpha=0.12, lw=0
                )
        panel.set_xscale("log", base=2)
        ticks = np.unique(table["labeled"])
        panel.xaxis.set_major_locator(FixedLocator(ticks.tolist()))
        panel.xaxis.set_minor_locator(NullLocator())
        panel.set_xticklabels([f"{tick:g}" for tick in ticks])
        panel.set(xlabel="labeled samples", ylabel=self.score_name)
        _tidy(panel)
        if len(names) > 1:
            panel.legend(frameon=False, fontsize=8)
        return self


def _curves(history, x, keys):
    """Lines of each quantity; phases follow each other along x."""
    if not history:
        raise ValueError("history must have at least one row.")
    quantities = dict.fromkeys(
        key for row in history for key, value in row.items()
        if key not in _NOT_CURVES and isinstance(value, (int, float, np.number))
    )  # fmt: skip
    keys = list(quantities) if keys is None else list(keys)
    if not keys or not set(keys) <= {key for row in history for key in row}:
        raise ValueError(f"keys must be some of {list(quantities)}, got {keys}.")
    curves: dict[str, dict[str, list]] = {key: {} for key in keys}
    start, last, phase = 0.0, 0.0, ""
    for row in history:
        if row.get("phase", "training") != phase or row[x] < last - start:
            start, phase = last, row.get("phase", "training")
        last = start + row[x]
        for key in keys:
            if row.get(key) is not None:
                curves[key].setdefault(phase, []).append((last, row[key]))
    return {
        key: {phase: np.array(points, float).T for phase, points in lines.items()}
        for key, lines in curves.items()
    }


def _tidy(panel):
    panel.spines[["top", "right"]].set_visible(False)
    panel.grid(alpha=0.25, lw=0.6)
    panel.tick_params(labelsize=8)


def _labeled(y, indices):
    """Indices of labeled samples."""
    y = unwrap(y)
    shapes = [np.shape(y[i]) for i in indices]
    return np.asarray(indices)[read_reference([y[i] for i in indices], shapes).labeled]


def _hide(y, indices):
    """Labels without those of some samples."""
    return [None if i in indices else item for i, item in enumerate(unwrap(y))]


def _take(values, indices):
    return values[indices] if hasattr(values, "shape") else [values[i] for i in indices]


def _bind(scoring, model):
    return lambda X, y: scoring(model, X, y)
