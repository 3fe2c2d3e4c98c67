"""Displays of curves: the history of a training, and the score against labeled samples."""

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.utils import check_random_state

from ..images import unwrap
from ._axes import CYCLE, MARKERS, Display, title
from ._outputs import flatten, read_reference

_NOT_CURVES = ("stage", "step", "time", "learning_rate")
_STEPS, _SECONDS = "training step", "seconds of training"


class HistoryDisplay(Display):
    """Learning curves: what `history_` of a fitted estimator tells.

    One panel for each quantity; stages of a training follow each other.

    Parameters
    ----------
    history : list of dict
        Rows with ``stage, step, time`` and any numbers; see `history_` of the estimators.
    name : str, default=None
        Of what was trained.

    Attributes
    ----------
    curves_ : dict of str to dict of str to ndarray of shape (2, n_points)
        Of each quantity and stage, x and y.
    ax_ : matplotlib.axes.Axes
        The first panel.
    axes_ : ndarray of matplotlib.axes.Axes
        One for each quantity.
    figure_ : matplotlib.figure.Figure

    Examples
    --------
    >>> from sskseg.report import HistoryDisplay
    >>> history = [
    ...     {"stage": "network", "step": step, "time": 0.1 * step, "loss": 1 / step}
    ...     for step in (1, 2, 4)
    ... ]
    >>> HistoryDisplay(history=history).plot().axes_[0].get_ylabel()
    'loss'
    """

    def __init__(self, *, history, name=None):
        self.history = history
        self.name = name

    @classmethod
    def from_estimator(cls, estimator, *, step=None, ax=None, **options):
        """Draw the history of a fitted estimator.

        Parameters
        ----------
        estimator : object
            An estimator that has `history_`, or a pipeline with one.
        step : str, default=None
            Name of the step of a pipeline; None is the last that has a history.
        ax : Axes, array of Axes or Figure, default=None
            As for `plot`.
        **options
            Of `plot`.

        Returns
        -------
        HistoryDisplay
            Drawn.

        Raises
        ------
        ValueError
            If there is no such history.
        """
        found = {name: each for name, each in flatten(estimator) if getattr(each, "history_", None)}
        if not found or step not in {None, *found}:
            raise ValueError(
                f"step must be one of {sorted(found)}, which have a history, got {step!r}."
            )
        name = step or list(found)[-1]
        return cls(history=found[name].history_, name=name).plot(ax, **options)

    def plot(self, ax=None, *, x="step", keys=None):
        """Draw.

        Parameters
        ----------
        ax : Axes, array of Axes or Figure, default=None
            One axes for each quantity; one axes is divided, and a figure resized. None is a new
            figure.
        x : {"step", "time"}, default="step"
        keys : sequence of str, default=None
            Which quantities; None is all but the learning rate.

        Returns
        -------
        HistoryDisplay
            Itself.
        """
        if x not in ("step", "time"):
            raise ValueError(f"x must be 'step' or 'time', got {x!r}.")
        self.curves_ = _curves(self.history, x, keys)
        axes = self._place(ax, len(self.curves_), 3, size=(3.4, 2.7))
        stages = list(dict.fromkeys(row.get("stage", "training") for row in self.history))
        for panel, (key, lines) in zip(axes, self.curves_.items(), strict=True):
            for stage, (at, values) in lines.items():
                color = CYCLE[stages.index(stage) % len(CYCLE)]
                mark = "o" if len(at) < 16 else None
                panel.plot(at, values, color=color, marker=mark, ms=3.5, lw=1.5, label=stage)
            panel.set_ylabel(key.replace("_", " "))
            panel.set_xlabel(_STEPS if x == "step" else _SECONDS)
            _tidy(panel)
        if len(stages) > 1:
            axes[0].legend(frameon=False, fontsize=8)
        if self.name is not None:
            title(axes[0], self.name)
        return self


class LabelEfficiencyDisplay(Display):
    """Score against the number of labeled samples.

    Parameters
    ----------
    labeled : array-like of shape (n_rows,)
        How many samples (or pixels, minutes, ...) were labeled.
    score : array-like of shape (n_rows,)
    method : sequence of str, shape (n_rows,), default=None
        What is compared; None is one method.
    score_name : str, default="score"

    Attributes
    ----------
    table_ : pandas.DataFrame
        ``method, labeled``, the ``mean, min, max`` of the scores and how many there are, ``n``.
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

    def __init__(self, *, labeled, score, method=None, score_name="score"):
        self.labeled = labeled
        self.score = score
        self.method = method
        self.score_name = score_name

    @classmethod
    def from_rows(
        cls, rows, *, labeled="labeled", score="score", method="method", ax=None, **options
    ):
        """Draw a table.

        Parameters
        ----------
        rows : pandas.DataFrame or list of dict
        labeled, score, method : str
            Names of the columns; the last may be absent.
        ax : Axes or Figure, default=None
        **options
            Of the class: `score_name`, by default the name of the column.

        Returns
        -------
        LabelEfficiencyDisplay
            Drawn.

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
        cls, estimator, X, y, *, n_labeled=(1, 2, 4), cv=None, scoring=None, random_state=0,
        ax=None, **options,
    ):  # fmt: skip
        """Train with few labeled samples and with more, and draw the scores of others.

        Parameters
        ----------
        estimator : object
            Is cloned for each training; a dict of names to estimators compares them.
        X : array-like of shape (n_samples, *spatial) or (n_samples, *spatial, n_channels)
        y : array-like of int
            As for `fit`.
        n_labeled : sequence of int, default=(1, 2, 4)
            How many labeled samples of a training keep their labels; the others are trained on as
            unlabeled ones.
        cv : splitter, default=None
            None is ``LabeledKFold(3)``.
        scoring : callable, default=None
            ``scoring(estimator, X, y) -> float``; None is the estimator's `score`.
        random_state : int, RandomState or None, default=0
            Which samples keep their labels.
        ax : Axes or Figure, default=None
        **options
            Of the class: `score_name`.

        Returns
        -------
        LabelEfficiencyDisplay
            Drawn.
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
                    judge = model.score if scoring is None else _bind(scoring, model)
                    rows.append((n, judge(_take(X, test), _take(y, test)), name))
        labeled, score, method = zip(*rows, strict=True)
        return cls(labeled=labeled, score=score, method=method, **options).plot(ax)

    def plot(self, ax=None):
        """Draw.

        Parameters
        ----------
        ax : Axes or Figure, default=None
            None is a new figure.

        Returns
        -------
        LabelEfficiencyDisplay
            Itself.
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
        panel.xaxis.set_major_locator(FixedLocator(ticks))
        panel.xaxis.set_minor_locator(NullLocator())
        panel.set_xticklabels([f"{tick:g}" for tick in ticks])
        panel.set(xlabel="labeled samples", ylabel=self.score_name)
        _tidy(panel)
        if len(names) > 1:
            panel.legend(frameon=False, fontsize=8)
        return self


def _curves(history, x, keys):
    """Lines of each quantity; stages follow each other along x."""
    if not history:
        raise ValueError("history must have at least one row.")
    found = dict.fromkeys(
        key for row in history for key, value in row.items()
        if key not in _NOT_CURVES and isinstance(value, (int, float, np.number))
    )  # fmt: skip
    keys = list(found) if keys is None else list(keys)
    if not keys or not set(keys) <= {key for row in history for key in row}:
        raise ValueError(f"keys must be some of {list(found)}, got {keys}.")
    curves = {key: {} for key in keys}
    start, last, stage = 0.0, 0.0, None
    for row in history:
        if row.get("stage", "training") != stage or row[x] < last - start:
            start, stage = last, row.get("stage", "training")
        last = start + row[x]
        for key in keys:
            if row.get(key) is not None:
                curves[key].setdefault(stage, []).append((last, row[key]))
    return {
        key: {stage: np.array(points, float).T for stage, points in lines.items()}
        for key, lines in curves.items()
    }


def _tidy(panel):
    panel.spines[["top", "right"]].set_visible(False)
    panel.grid(alpha=0.25, lw=0.6)
    panel.tick_params(labelsize=8)


def _labeled(y, rows):
    """Rows that are labeled."""
    y = unwrap(y)
    shapes = [np.shape(y[i]) for i in rows]
    return np.asarray(rows)[read_reference([y[i] for i in rows], shapes).labeled]


def _hide(y, rows):
    """Labels without those of some samples."""
    return [None if i in rows else item for i, item in enumerate(unwrap(y))]


def _take(values, rows):
    return values[rows] if hasattr(values, "shape") else [values[i] for i in rows]


def _bind(scoring, model):
    return lambda X, y: scoring(model, X, y)
