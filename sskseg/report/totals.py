"""Display of groups of animals, compared by their totals."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from ..totals import GroupComparison, TotalEstimate, compare_groups
from ._axes import BLUE, GRAY, ORANGE, Display, title


class GroupComparisonDisplay(Display):
    """Totals of animals with their intervals, in two groups.

    Parameters
    ----------
    totals : sequence of TotalEstimate
        One for each animal.
    groups : sequence
        The group of each animal.
    comparison : GroupComparison
    per : {"total", "size"}, default="total"
        As in `sskseg.totals.compare_groups`.

    Attributes
    ----------
    means_ : tuple of two floats
        Geometric mean of each group.
    ax_ : matplotlib.axes.Axes
    figure_ : matplotlib.figure.Figure

    Examples
    --------
    >>> from sskseg.report import GroupComparisonDisplay
    >>> from sskseg.totals import TotalEstimate
    >>> def animal(total):
    ...     return TotalEstimate(
    ...         total, (total - 60, total + 60), 30.0, 0.95, 0.93, total, 0.1, 180, 20, 1e6
    ...     )
    >>> totals = [animal(total) for total in (1000, 1100, 1050, 820, 900, 860)]
    >>> display = GroupComparisonDisplay.from_totals(totals, ["control"] * 3 + ["mutant"] * 3)
    >>> [round(mean) for mean in display.means_]
    [1049, 859]
    """

    def __init__(
        self,
        *,
        totals: Sequence[TotalEstimate],
        groups: Sequence,
        comparison: GroupComparison,
        per: str = "total",
    ):
        self.totals = totals
        self.groups = groups
        self.comparison = comparison
        self.per = per

    @classmethod
    def from_totals(
        cls,
        totals: Sequence[TotalEstimate],
        groups: Sequence,
        *,
        per: str = "total",
        ax: Any = None,
        **options: Any,
    ) -> Self:
        """Compare two groups, and draw them.

        Parameters
        ----------
        totals : sequence of TotalEstimate
        groups : sequence
        per : {"total", "size"}, default="total"
        ax : Axes or Figure, default=None
        **options
            Passed to `sskseg.totals.compare_groups`: `method`, `confidence`.

        Returns
        -------
        GroupComparisonDisplay
            The display, drawn.
        """
        comparison = compare_groups(totals, groups, per=per, **options)
        return cls(totals=totals, groups=groups, comparison=comparison, per=per).plot(ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw the display.

        Parameters
        ----------
        ax : Axes or Figure, default=None
            None: a new figure.

        Returns
        -------
        GroupComparisonDisplay
            The display.
        """
        (panel,) = self._place(ax, 1, size=(3.6, 3.4))
        means = []
        for at, (name, color) in enumerate(zip(self.comparison.groups, (BLUE, ORANGE))):
            part = [t for t, group in zip(self.totals, self.groups) if group == name]
            scale = np.array([t.size if self.per == "size" else 1.0 for t in part])
            value = np.array([t.total for t in part]) / scale
            ends = np.array([t.interval for t in part]) / scale[:, None]
            x = at + np.linspace(-0.25, 0.25, len(part))
            error = np.abs(ends.T - value)
            panel.errorbar(x, value, error, fmt="o", color=color, ms=4, lw=1, label=str(name))
            means.append(float(np.exp(np.log(value).mean())))
            panel.plot([at - 0.35, at + 0.35], [means[-1]] * 2, color=GRAY, lw=2, zorder=0)
        self.means_ = tuple(means)
        panel.set_xticks([0, 1], [str(name) for name in self.comparison.groups])
        panel.set(ylabel="objects" if self.per == "total" else "objects / size")
        panel.set_ylim(bottom=0)
        panel.spines[["top", "right"]].set_visible(False)
        panel.tick_params(labelsize=8)
        low, high = self.comparison.interval
        ratio = f"ratio {self.comparison.ratio:.2f} ({low:.2f} to {high:.2f})"
        title(panel, f"{ratio}, p = {self.comparison.p_value:.2g}")
        return self
