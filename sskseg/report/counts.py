"""Display of the agreement of counts."""

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from ..metrics import count_error
from ._axes import BLUE, GRAY, ORANGE, VERMILLION, Display, title
from ._outputs import apply, compared_counts, read_reference

COVERAGE = 0.9


class CountAgreementDisplay(Display):
    """True and predicted counts: scatter with the relative error, and Bland-Altman plot.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n_samples,)
        Counts.
    intervals : array-like of shape (n_samples, 2), default=None
        Intervals of the predicted counts, as returned by `InstanceCounter.predict`.
    name : str, default=None
    coverage : float in (0, 1), default=None
        Coverage of `intervals`, which the legend states.

    Attributes
    ----------
    errors_ : dict of str to float
        Result of `sskseg.metrics.count_error`: ``bias, mae, rmse, wape, concordance``.
    limits_ : tuple of two floats
        95 % limits of agreement: mean difference -+ 1.96 standard deviations [1]_.
    ax_ : matplotlib.axes.Axes
        The first panel.
    axes_ : ndarray of matplotlib.axes.Axes
    figure_ : matplotlib.figure.Figure

    References
    ----------
    .. [1] Bland, Altman. Statistical methods for assessing agreement between two methods of
       clinical measurement. Lancet 1986. :doi:`10.1016/S0140-6736(86)90837-8`

    Examples
    --------
    >>> from sskseg.report import CountAgreementDisplay
    >>> display = CountAgreementDisplay.from_predictions([10, 20], [11, 18])
    >>> display.errors_["wape"]
    0.1
    """

    def __init__(
        self,
        *,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        intervals: ArrayLike | None = None,
        name: str | None = None,
        coverage: float | None = None,
    ):
        self.y_true = y_true
        self.y_pred = y_pred
        self.intervals = intervals
        self.name = name
        self.coverage = coverage

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        *,
        positions: ArrayLike | None = None,
        kind: str = "both",
        coverage: float = COVERAGE,
        ax: Any = None,
        name: str | None = None,
    ) -> Self:
        """Draw the counts of a fitted counter or of a pipeline that ends in one.

        Parameters
        ----------
        estimator : object
        X : array-like of shape (n_samples, *spatial) or (n_samples, *spatial, n_channels)
            Probabilities for a single counter.
        y : counts of shape (n_samples,), label images or points
            Samples that are not fully labeled are ignored. Of label images of consecutive
            sections, the objects that are visible in each section are compared.
        positions : array-like of int, shape (n_samples,), default=None
            Positions of consecutive sections.
        kind : {"both", "scatter", "bland-altman"}, default="both"
        coverage : float in (0, 1), default=0.9
            Coverage of the intervals, which are drawn if the counter predicts them.
        ax : Axes, array of Axes or Figure, default=None
            As in `plot`.
        name : str, default=None

        Returns
        -------
        CountAgreementDisplay
            The display, drawn.
        """
        outputs = apply(estimator, X, positions)
        counts, intervals, reason = outputs.counts(coverage)
        if counts is None:
            raise ValueError(f"A counter is needed, got {type(estimator).__name__}. {reason}")
        reference = read_reference(
            y, [x.shape for x in outputs.labels], consecutive=outputs.consecutive,
            positions=outputs.positions,
        )  # fmt: skip
        true, counts = compared_counts(outputs, reference, counts)
        known = np.isfinite(true)
        if not known.any():
            raise ValueError("y must hold the count of one sample or more, got none.")
        return cls.from_predictions(
            true[known], counts[known],
            intervals=None if intervals is None else intervals[known],
            kind=kind, ax=ax, name=name, coverage=coverage,
        )  # fmt: skip

    @classmethod
    def from_predictions(
        cls,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        *,
        intervals: ArrayLike | None = None,
        kind: str = "both",
        ax: Any = None,
        name: str | None = None,
        coverage: float | None = None,
    ) -> Self:
        """Draw counts.

        Parameters
        ----------
        y_true, y_pred : array-like of shape (n_samples,)
        intervals : array-like of shape (n_samples, 2), default=None
        kind : {"both", "scatter", "bland-altman"}, default="both"
        ax : Axes, array of Axes or Figure, default=None
            As in `plot`.
        name : str, default=None
        coverage : float in (0, 1), default=None
            Coverage of `intervals`, which the legend states.

        Returns
        -------
        CountAgreementDisplay
            The display, drawn.
        """
        display = cls(
            y_true=y_true, y_pred=y_pred, intervals=intervals, name=name, coverage=coverage
        )
        return display.plot(ax, kind=kind)

    def plot(self, ax: Any = None, *, kind: str = "both") -> Self:
        """Draw the display.

        Parameters
        ----------
        ax : Axes, array of Axes or Figure, default=None
            One or two axes; one axes is divided, a figure is resized. None: a new figure.
        kind : {"both", "scatter", "bland-altman"}, default="both"

        Returns
        -------
        CountAgreementDisplay
            The display.
        """
        draws = {"scatter": self._scatter, "bland-altman": self._bland_altman}
        if kind not in {"both", *draws}:
            raise ValueError(f"kind must be 'both', 'scatter' or 'bland-altman', got {kind!r}.")
        true, pred = (np.asarray(y, float) for y in (self.y_true, self.y_pred))
        self.errors_ = count_error(true, pred)
        difference = pred - true
        half = 1.96 * difference.std(ddof=1) if len(difference) > 1 else 0.0
        self.limits_ = float(difference.mean() - half), float(difference.mean() + half)
        chosen = list(draws.values()) if kind == "both" else [draws[kind]]
        axes = self._place(ax, len(chosen), 2, size=(4.0, 3.4))
        for draw, panel in zip(chosen, axes, strict=True):
            draw(panel, true, pred)
            panel.spines[["top", "right"]].set_visible(False)
            panel.tick_params(labelsize=8)
        if self.name is not None:
            title(axes[0], self.name)
        return self

    def _scatter(self, panel, true, pred):
        limit = max(1.0, true.max(), pred.max()) * 1.06
        panel.plot([0, limit], [0, limit], color=GRAY, lw=1, zorder=1)
        if self.intervals is not None:
            low, high = np.asarray(self.intervals, float).T
            level = "" if self.coverage is None else f"{100 * self.coverage:g} % "
            options = {"color": BLUE, "alpha": 0.4, "lw": 1.2, "label": f"{level}intervals"}
            panel.vlines(true, low, high, **options)
            panel.legend(frameon=False, fontsize=8, loc="lower right")
        panel.scatter(true, pred, s=18, color=BLUE, alpha=0.8, lw=0, zorder=2)
        panel.set(xlabel="true count", ylabel="predicted count")
        text = f"WAPE {100 * self.errors_['wape']:.1f} %\nn = {len(true)}"
        panel.text(0.04, 0.96, text, transform=panel.transAxes, va="top", fontsize=9)

    def _bland_altman(self, panel, true, pred):
        panel.scatter((true + pred) / 2, pred - true, s=18, color=BLUE, alpha=0.8, lw=0)
        panel.axhline(0, color=GRAY, lw=1)
        lines = [(self.errors_["bias"], "mean", "-", ORANGE)]
        if self.limits_[0] < self.limits_[1]:
            lines += [(limit, "95 %", "--", VERMILLION) for limit in self.limits_]
        for value, text, style, color in lines:
            panel.axhline(value, color=color, ls=style, lw=1.2)
            panel.annotate(
                f"{text} {value:+.1f}", (1.0, value), (3, 0), xycoords=("axes fraction", "data"),
                textcoords="offset points", va="center", fontsize=8, annotation_clip=False,
            )  # fmt: skip
        panel.set(xlabel="mean of both counts", ylabel="predicted - true")
        panel.margins(y=0.15)
