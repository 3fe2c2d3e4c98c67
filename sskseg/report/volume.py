"""Display of three orthogonal views of a volume."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from ._axes import SKY, Display, channels_shown, title
from ._outputs import apply, read_reference
from .overlay import draw_outlines, outline_handles

_MIN_DEPTH_SHARE = 0.12  # of the longer side, for the side views of a thin volume


class VolumeDisplay(Display):
    """Three orthogonal views of a volume, or of a stack of sections, through one point.

    Proportions are correct if sections are farther apart than pixels.

    Parameters
    ----------
    volume : ndarray of shape (depth, height, width) or (depth, height, width, n_channels)
    y_pred, y_true : ndarray of int, shape (depth, height, width), default=None
        Label images, drawn as by `draw_outlines`; -1 is not shaded, since few sections of a stack
        are labeled.
    spacing : sequence of three floats, default=None
        Distance of sections, and size of a pixel along y and x; draws scale bars. None is 1.
    unit : str, default="µm"
        Unit of `spacing`.
    at : sequence of three int, default=None
        Voxel (z, y, x) of all views; None: in the middle of the largest object, or of the volume.
    name : str, default=None

    Attributes
    ----------
    at_ : tuple of three int
    ax_ : matplotlib.axes.Axes
        The view along z.
    axes_ : ndarray of matplotlib.axes.Axes, shape (3,)
        Planes xy, zy (to the right) and xz (below).
    figure_ : matplotlib.figure.Figure

    Examples
    --------
    >>> from sskseg.datasets import make_cells
    >>> from sskseg.report import VolumeDisplay
    >>> X, y = make_cells(n_samples=1, shape=(16, 48, 48), random_state=0)
    >>> display = VolumeDisplay.from_predictions(X[0], y_pred=y[0], spacing=(2.0, 0.5, 0.5))
    >>> display.axes_[2].get_aspect()
    4.0
    """

    def __init__(
        self,
        *,
        volume: Any,
        y_pred: Any = None,
        y_true: Any = None,
        spacing: Sequence[float] | None = None,
        unit: str = "µm",
        at: Sequence[int] | None = None,
        name: str | None = None,
    ):
        self.volume = volume
        self.y_pred = y_pred
        self.y_true = y_true
        self.spacing = spacing
        self.unit = unit
        self.at = at
        self.name = name

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any = None,
        *,
        positions: ArrayLike | None = None,
        sample: int = 0,
        ax: Any = None,
        **options: Any,
    ) -> Self:
        """Draw a volume with the objects that a fitted estimator or pipeline predicts.

        Parameters
        ----------
        estimator : object
        X : array-like of shape (n_samples, depth, height, width[, n_channels])
            Or sections, (n_samples, height, width[, n_channels]), which form one volume.
        y : array-like of int, default=None
            Label images.
        positions : array-like of int, shape (n_samples,), default=None
            Positions of consecutive sections.
        sample : int, default=0
            Index of the volume, or of the run of neighboring sections.
        ax : Axes, array of three Axes or Figure, default=None
            As in `plot`.
        **options
            Passed to the class: `spacing` (that of the counter by default), `unit`, `at`, `name`.

        Returns
        -------
        VolumeDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If X holds neither volumes nor consecutive sections.
        """
        return cls._of(apply(estimator, X, positions), y, sample, ax, options)

    @classmethod
    def _of(cls, outputs, y, sample, ax, options):
        from ..images import check_positions, consecutive_runs

        if outputs.spatial_ndim == 2 and not outputs.consecutive:
            raise ValueError("Volumes are 3-D samples, or sections='consecutive'.")
        images, objects = outputs.images, outputs.objects
        labels = [None] * len(images)
        if y is not None:
            labels = read_reference(
                y, [x.shape[:-1] for x in images], consecutive=outputs.consecutive,
                positions=outputs.positions,
            ).labels  # fmt: skip
        options = {"spacing": outputs.last("spacing"), **options}
        if outputs.spatial_ndim == 3:
            pred = None if objects is None else objects[sample]
            return cls.from_predictions(images[sample], pred, labels[sample], ax=ax, **options)
        run = consecutive_runs(check_positions(outputs.positions, len(images)))[sample]
        pred = None if objects is None else np.stack([objects[i] for i in run])
        true = None
        if any(labels[i] is not None for i in run):
            unlabeled = np.full(images[0].shape[:-1], -1)
            true = np.stack([unlabeled if labels[i] is None else labels[i] for i in run])
        volume = np.stack([images[i] for i in run])
        return cls.from_predictions(volume, pred, true, ax=ax, **options)

    @classmethod
    def from_predictions(
        cls, volume: Any, y_pred: Any = None, y_true: Any = None, *, ax: Any = None, **options: Any
    ) -> Self:
        """Draw a volume with label images.

        Parameters
        ----------
        volume : ndarray of shape (depth, height, width) or (depth, height, width, n_channels)
        y_pred, y_true : ndarray of int, shape (depth, height, width), default=None
        ax : Axes, array of three Axes or Figure, default=None
            As in `plot`.
        **options
            Passed to the class: `spacing`, `unit`, `at`, `name`.

        Returns
        -------
        VolumeDisplay
            The display, drawn.
        """
        return cls(volume=volume, y_pred=y_pred, y_true=y_true, **options).plot(ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw the display.

        Parameters
        ----------
        ax : Axes, array of three Axes or Figure, default=None
            A single axes is divided, a figure is resized. None: a new figure.

        Returns
        -------
        VolumeDisplay
            The display.
        """
        volume = channels_shown(self.volume, 3)
        shape = volume.shape[:3]
        spacing = np.ones(3) if self.spacing is None else np.asarray(self.spacing, float)
        if spacing.shape != (3,) or spacing.min() <= 0:
            raise ValueError(f"spacing must be three positive numbers, got {self.spacing!r}.")
        self.at_ = self._point(shape)
        panels = self._place_views(ax, np.array(shape) * spacing)
        z, y, x = self.at_
        # Of each view: slicing, axes of rows and columns, and the lines of the other views.
        views = [
            (lambda a: a[z], (1, 2), (y, x), f"z = {z}"),
            (lambda a: a[:, :, x].swapaxes(0, 1), (1, 0), (y, z), f"x = {x}"),
            (lambda a: a[:, y], (0, 2), (z, x), f"y = {y}"),
        ]
        for panel, (cut, axes, (row, column), name) in zip(panels, views, strict=True):
            width = shape[axes[1]] * spacing[axes[1]]
            has_bar = self.spacing is not None and width > 0.5 * shape[2] * spacing[2]
            pred, true = (None if v is None else cut(np.maximum(v, 0))
                           for v in (self.y_pred, self.y_true))  # fmt: skip
            draw_outlines(
                panel, cut(volume), true, pred, unit=self.unit,
                spacing=spacing[list(axes)].tolist() if has_bar else None,
            )  # fmt: skip
            panel.set_aspect(spacing[axes[0]] / spacing[axes[1]])
            panel.axhline(row, color=SKY, lw=0.7, ls=(0, (4, 3)))
            panel.axvline(column, color=SKY, lw=0.7, ls=(0, (4, 3)))
            title(panel, name)
        if self.name is not None:
            title(panels[0], f"{self.name}, z = {z}")
        self._legend(outline_handles(self.y_true is not None, self.y_pred is not None))
        return self

    def _point(self, shape):
        if self.at is not None:
            at = tuple(int(i) for i in self.at)
            if len(at) != 3 or any(not 0 <= i < n for i, n in zip(at, shape, strict=True)):
                raise ValueError(f"at must be a voxel of a volume of {shape}, got {self.at!r}.")
            return at
        labels = self.y_pred if self.y_pred is not None else self.y_true
        ids, sizes = np.unique([] if labels is None else labels, return_counts=True)
        if not (ids > 0).any():
            return tuple(n // 2 for n in shape)
        largest = ids[np.argmax(np.where(ids > 0, sizes, 0))]
        where = np.argwhere(np.asarray(labels) == largest)
        nearest = np.abs(where - where.mean(axis=0)).sum(axis=1).argmin()
        return tuple(int(i) for i in where[nearest])

    def _place_views(self, ax, lengths):
        """Place axes in the proportions of the volume."""
        depth, height, width = np.maximum(lengths, _MIN_DEPTH_SHARE * lengths[1:].max())
        if ax is not None and np.ndim(ax) == 1:
            return self._place(ax, 3)
        scale = 6.0 / (width + depth)
        size = scale * (width + depth) / 2, scale * (height + depth) / 2 + 0.35
        grid = self._place(ax, 4, 2, size, heights=(height, depth), widths=(width, depth))
        grid[3].remove()
        self._set_axes(grid[:3])
        return self.axes_
