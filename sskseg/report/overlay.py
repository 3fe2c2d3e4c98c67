"""Draw images with the outlines of objects."""

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from ..io import atomic_path
from ._axes import (
    ORANGE,
    SKY,
    Display,
    all_lines,
    as_plane,
    check_plot,
    draw_lines,
    even_columns,
    numbered,
    outlines,
    plane_spacing,
    shade,
    show_plane,
)
from ._axes import title as set_title
from ._numbers import draw_numbers, points_for_numbers

TRUE_COLOR, PREDICTED_COLOR = SKY, ORANGE
_DPI = 120
_PANEL = 4.0  # inches, of a small image
_SMALL_TITLE = 7.0  # inches of a panel, above which its title grows with it
_MAX_WIDTH = 32.0  # inches, of all panels in a row


def draw_outlines(
    ax: Any,
    image: Any,
    y_true: Any = None,
    y_pred: Any = None,
    *,
    title: str | None = None,
    spacing: Sequence[float] | None = None,
    unit: str = "µm",
) -> Any:
    """Draw an image with the outlines of reference and predicted objects.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    image : ndarray of shape (height, width) or (height, width, n_channels)
        Shown between its percentiles 1 and 99.8; of two channels the first, of three or more the
        first three as colors. A volume is shown as its maximum along z.
    y_true, y_pred : ndarray of int, default=None
        Label images of the spatial shape of the image; -1 (unlabeled) is shaded. Outlines of
        `y_true` are blue, those of `y_pred` orange.
    title : str, default=None
    spacing : sequence of float, default=None
        Size of a pixel along each axis; draws a scale bar.
    unit : str, default="µm"
        Unit of `spacing`.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ndim = next((np.ndim(y) for y in (y_true, y_pred) if y is not None), min(np.ndim(image), 2))
    plane = as_plane(image, ndim)
    show_plane(ax, plane, stretch=True, spacing=plane_spacing(spacing), unit=unit)
    for labels, color, width in ((y_true, TRUE_COLOR, 1.8), (y_pred, PREDICTED_COLOR, 0.9)):
        if labels is None:
            continue
        labels = _as_labels(labels)
        shade(ax, labels < 0)
        draw_lines(ax, all_lines(outlines(labels)), color, width)
    set_title(ax, title)
    return ax


def save_overlay(
    path: str | PathLike[str],
    images: Sequence[Any],
    y_true: Sequence[Any] | None = None,
    y_pred: Sequence[Any] | None = None,
    *,
    titles: Sequence[str] | None = None,
    columns: int = 3,
    numbers: bool = False,
) -> None:
    """Write a picture of several images with the outlines of their objects.

    A panel has about as many pixels as its image, but at least 480, and with `numbers` as many as
    these need. A row of panels has at most about 3800.

    Parameters
    ----------
    path : str or path-like
        The suffix defines the format (PNG, PDF, SVG).
    images : sequence of ndarray
        As in `draw_outlines`.
    y_true, y_pred : sequence of ndarray or None, default=None
        None in a sequence: no outlines for that image.
    titles : sequence of str, default=None
        Titles of the panels; None numbers them.
    columns : int, default=3
        Maximum number of panels in a row.
    numbers : bool, default=False
        Whether to write the number of each object of `y_pred` on it, as in its label image and in
        the table, and how many there are in the title. Objects without room have no number.

    Raises
    ------
    ImportError
        If matplotlib is not installed (extra ``plot``).
    """
    check_plot()
    from matplotlib.figure import Figure

    display = Display()
    figure = Figure(dpi=_DPI)
    figure.set_layout_engine("constrained", h_pad=0.08)  # room above titles
    columns = even_columns(len(images), columns)
    panel = _panel_size(images, columns, y_pred if numbers else None)
    axes = display._place(figure, len(images), columns, size=(panel, panel + 0.3))
    titles = numbered(len(images)) if titles is None else titles
    for i, ax in enumerate(axes):
        true, pred = (None if y is None else y[i] for y in (y_true, y_pred))
        title = titles[i]
        if numbers and pred is not None:
            title = _numbered(ax, _as_labels(pred), panel, title)
        draw_outlines(ax, images[i], true, pred, title=title)
        ax.title.set_fontsize(ax.title.get_fontsize() * max(1, panel / _SMALL_TITLE))
    _fit_height(figure, axes, panel)
    display._legend(
        outline_handles(
            y_true is not None and any(y is not None for y in y_true), y_pred is not None
        )
    )
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format=Path(path).suffix[1:] or "png")


def _as_labels(labels):
    """A plane of labels; of a volume the largest along z."""
    labels = np.asarray(labels)
    return labels.max(axis=0) if labels.ndim == 3 else labels


def _numbered(ax, labels, panel, title):
    """Number the objects of a panel, and return its title with how many there are."""
    n = len(np.unique(labels[labels > 0]))
    drawn = draw_numbers(ax, labels, 72 * panel / max(labels.shape))
    some = "" if drawn == n else f", {drawn} of them with their number"
    return f"{title}: {n} object{'' if n == 1 else 's'}{some}"


def _panel_size(images, n_columns, labels):
    """Inches of a panel; outlines and text have the same size in all panels."""
    longest = max((max(np.shape(image)) for image in images), default=1)
    inches = [longest / _DPI]
    for label in labels or ():
        if label is not None:
            plane = _as_labels(label)
            inches.append(points_for_numbers(plane) * max(plane.shape) / 72)
    return max(_PANEL, min(max(inches), _MAX_WIDTH / max(n_columns, 1)))


def _fit_height(figure, axes, panel):
    """Make rows as high as the images of the panels, without space around wide ones."""
    shapes = [ax.images[0].get_array().shape for ax in axes if ax.images]
    ratio = np.clip(max(height / width for height, width, *_ in shapes), 0.2, 3)
    width, height = figure.get_size_inches()
    n_rows = axes[0].get_subplotspec().get_gridspec().nrows
    figure.set_size_inches(width, height + panel * (ratio - 1) * n_rows)


def outline_handles(has_true, has_pred):
    """Legend handles of the outlines."""
    from matplotlib.lines import Line2D

    shown = ((TRUE_COLOR, "reference", has_true), (PREDICTED_COLOR, "predicted", has_pred))
    return [Line2D([], [], color=color, lw=2, label=label) for color, label, has in shown if has]
