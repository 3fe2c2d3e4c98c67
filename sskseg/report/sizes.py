"""Display of the sizes of objects."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from ._axes import BLUE, ORANGE, Display
from ._outputs import apply, read_reference, whole_objects


class SizeDisplay(Display):
    """Histogram of the sizes of objects.

    Parameters
    ----------
    sizes : array-like of shape (n_objects,)
        Sizes of predicted objects, pixels (voxels).
    true_sizes : array-like of shape (n_objects,), default=None
    spacing : sequence of float, default=None
        Size of a pixel along each axis; sizes are then areas or volumes in `unit`.
    unit : str, default="µm"
    ndim : {2, 3}, default=2

    Attributes
    ----------
    edges_ : ndarray of shape (n_bins + 1,)
        Edges of the bins; equally spaced on a logarithmic axis if sizes differ by more than a
        factor of 20.
    counts_, true_counts_ : ndarray of int, shape (n_bins,)
        Number of objects in each bin; the second is None without true sizes.
    ax_ : matplotlib.axes.Axes
    figure_ : matplotlib.figure.Figure

    Examples
    --------
    >>> import numpy as np
    >>> from sskseg.report import SizeDisplay
    >>> labels = np.array([[1, 1, 0, 2], [1, 1, 0, 2]])
    >>> int(SizeDisplay.from_predictions([labels]).counts_.sum())
    2
    """

    def __init__(
        self,
        *,
        sizes: ArrayLike,
        true_sizes: ArrayLike | None = None,
        spacing: Sequence[float] | None = None,
        unit: str = "µm",
        ndim: int = 2,
    ):
        self.sizes = sizes
        self.true_sizes = true_sizes
        self.spacing = spacing
        self.unit = unit
        self.ndim = ndim

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any = None,
        *,
        positions: ArrayLike | None = None,
        ax: Any = None,
        **options: Any,
    ) -> Self:
        """Draw the sizes of the objects that a fitted estimator or pipeline predicts.

        Parameters
        ----------
        estimator : object
        X : array-like of shape (n_samples, *spatial) or (n_samples, *spatial, n_channels)
        y : label images, default=None
            Reference objects, drawn for fully labeled samples.
        positions : array-like of int, shape (n_samples,), default=None
            Positions of consecutive sections, whose objects span several.
        ax : Axes or Figure, default=None
        **options
            Passed to the class: `spacing` (that of the counter by default), `unit`.

        Returns
        -------
        SizeDisplay
            The display, drawn.
        """
        outputs = apply(estimator, X, positions)
        if outputs.objects is None:
            raise ValueError(f"{type(estimator).__name__} predicts no objects.")
        stacked = outputs.stacked
        reference = read_reference(
            y, [x.shape for x in outputs.objects], consecutive=stacked, positions=outputs.positions
        )
        known = whole_objects(reference)
        options = {"spacing": outputs.last("spacing"), **options}
        return cls.from_predictions(
            outputs.objects, known if y is not None else None, stacked=stacked, ax=ax, **options
        )

    @classmethod
    def from_predictions(
        cls,
        y_pred: Any,
        y_true: Any = None,
        *,
        stacked: bool = False,
        ax: Any = None,
        **options: Any,
    ) -> Self:
        """Draw the sizes of the objects of label images.

        Parameters
        ----------
        y_pred : list of ndarray of int, or ndarray of shape (n_samples, *spatial)
        y_true : list of ndarray of int or None, default=None
            Reference, None for unlabeled samples.
        stacked : bool, default=False
            Whether samples are sections with the same ids of objects.
        ax : Axes or Figure, default=None
        **options
            Passed to the class: `spacing`, `unit`.

        Returns
        -------
        SizeDisplay
            The display, drawn.
        """
        true = None if y_true is None else [x for x in y_true if x is not None]
        ndim = np.ndim(y_pred[0]) + stacked
        display = cls(
            sizes=object_sizes(y_pred, stacked), ndim=ndim,
            true_sizes=object_sizes(true, stacked) if true else None, **options,
        )  # fmt: skip
        return display.plot(ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw the display.

        Parameters
        ----------
        ax : Axes or Figure, default=None
            None: a new figure.

        Returns
        -------
        SizeDisplay
            The display.
        """
        scale = 1.0 if self.spacing is None else float(np.prod(self.spacing))
        sizes = np.asarray(self.sizes, float) * scale
        true = None if self.true_sizes is None else np.asarray(self.true_sizes, float) * scale
        both = sizes if true is None else np.concatenate([sizes, true])
        self.edges_, is_log = _edges(both)
        self.counts_ = np.histogram(sizes, self.edges_)[0]
        self.true_counts_ = None if true is None else np.histogram(true, self.edges_)[0]
        (panel,) = self._place(ax, 1, size=(4.6, 3.2))
        label = f"predicted, {len(sizes)}" + _median(sizes)
        panel.stairs(self.counts_, self.edges_, fill=True, color=ORANGE, alpha=0.6, label=label)
        if true is not None:
            label = f"true, {len(true)}" + _median(true)
            panel.stairs(self.true_counts_, self.edges_, color=BLUE, lw=1.8, label=label)
        if is_log:
            panel.set_xscale("log")
        panel.set(xlabel=self._size_name(), ylabel="objects")
        panel.set_ylim(0, 1.3 * max(1, panel.dataLim.ymax))
        panel.yaxis.get_major_locator().set_params(integer=True)
        panel.spines[["top", "right"]].set_visible(False)
        panel.tick_params(labelsize=8)
        panel.legend(frameon=False, fontsize=8, loc="upper left")
        return self

    def _size_name(self):
        name, power = ("area", "²") if self.ndim == 2 else ("volume", "³")
        pixel = "pixels" if self.ndim == 2 else "voxels"
        return f"{name} ({pixel if self.spacing is None else self.unit + power})"


def object_sizes(labels, stacked=False):
    """Count the pixels of the objects of label images.

    Parameters
    ----------
    labels : list of ndarray of int
    stacked : bool, default=False
        Whether equal ids are the same object in all images.

    Returns
    -------
    ndarray of int64
    """
    groups = [[np.ravel(x) for x in labels]] if stacked else [[np.ravel(x)] for x in labels]
    pixels = [np.concatenate(group) for group in groups]
    sizes = [np.unique(x[x > 0], return_counts=True)[1] for x in pixels]
    return np.concatenate([np.empty(0, np.int64), *sizes])


def _edges(sizes):
    if not len(sizes):
        return np.array([0.0, 1.0]), False
    low, high = sizes.min(), sizes.max()
    n = int(np.clip(np.sqrt(len(sizes)) * 2, 5, 30))
    if high > 20 * low:
        return np.geomspace(low, high * 1.0001, n + 1), True
    return np.linspace(low, max(high, low * 1.0001), n + 1), False


def _median(sizes):
    return f" (median {np.median(sizes):.3g})" if len(sizes) else ""
