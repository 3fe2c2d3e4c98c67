"""Images with the outlines of objects."""

import numpy as np

# Colors that remain different to color-blind eyes (Okabe and Ito), thick enough to be seen.
TRUE_COLOR, PREDICTED_COLOR = "#56B4E9", "#E69F00"


def draw_outlines(ax, image, y_true=None, y_pred=None, *, title=None):
    """Draw an image with the outlines of true and predicted objects.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    image : ndarray of shape (height, width) or (height, width, n_channels)
        Shown between its percentiles 1 and 99.8; of two channels the first, of three or more the
        first three as colors. A volume is shown as its maximum along z.
    y_true, y_pred : ndarray of int, default=None
        Label images of the image's spatial shape; -1 (unlabelled) is shaded. Blue outlines are
        true, orange ones predicted.
    title : str, default=None

    Returns
    -------
    matplotlib.axes.Axes
    """
    ndim = next((np.ndim(y) for y in (y_true, y_pred) if y is not None), min(np.ndim(image), 2))
    plane = _picture(np.asarray(image), ndim)
    ax.imshow(plane, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    for labels, color, width in ((y_true, TRUE_COLOR, 1.8), (y_pred, PREDICTED_COLOR, 0.9)):
        if labels is None:
            continue
        labels = np.asarray(labels)
        labels = labels.max(axis=0) if ndim == 3 else labels
        _shade(ax, labels < 0, "#000000", 0.45)
        _outline(ax, labels, color, width)
    ax.set_title(title, fontsize=9)
    ax.set_axis_off()
    return ax


def save_overlay(path, images, y_true=None, y_pred=None, *, titles=None, columns=3):
    """Write a picture of several images with the outlines of their objects.

    Parameters
    ----------
    path : str or path-like
        The suffix tells the format (PNG, PDF, SVG).
    images : sequence of ndarray
        As `draw_outlines` takes them.
    y_true, y_pred : sequence of ndarray or None, default=None
        None in a sequence leaves out the outlines of that image.
    titles : sequence of str, default=None
    columns : int, default=3
        Panels in a row.

    Raises
    ------
    ImportError
        If matplotlib is not installed (extra ``plot``).
    """
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    n = len(images)
    columns = min(columns, n)
    rows = -(-n // columns)
    figure = Figure(figsize=(4 * columns, 4.2 * rows + 0.4), dpi=120, layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for i, ax in enumerate(axes):
        if i >= n:
            ax.set_axis_off()
            continue
        true, pred = (None if y is None else y[i] for y in (y_true, y_pred))
        draw_outlines(ax, images[i], true, pred, title=None if titles is None else titles[i])
    handles = [
        Line2D([], [], color=color, lw=2, label=label)
        for color, label, shown in (
            (TRUE_COLOR, "true", y_true is not None and any(y is not None for y in y_true)),
            (PREDICTED_COLOR, "predicted", y_pred is not None),
        )
        if shown
    ]
    if handles:
        figure.legend(handles=handles, loc="outside lower center", ncols=2, frameon=False)
    figure.savefig(path)


def _picture(image, ndim):
    """Intensities between 0 and 1, (height, width) or (height, width, 3)."""
    if image.ndim > ndim:
        image = image[..., :3] if image.shape[-1] >= 3 else image[..., 0]
    if ndim == 3:
        image = image.max(axis=0)
    low, high = np.percentile(image, (1, 99.8))
    return np.clip((image - low) / max(high - low, 1e-12), 0, 1)


def _outline(ax, labels, color, width):
    """Lines between an object and what is not that object."""
    for value in np.unique(labels[labels > 0]):
        where = np.argwhere(labels == value)
        low, high = where.min(axis=0), where.max(axis=0) + 1
        box = np.zeros(high - low + 2)
        box[tuple((where - low + 1).T)] = 1
        ax.contour(
            np.arange(low[1] - 1, high[1] + 1), np.arange(low[0] - 1, high[0] + 1), box,
            levels=[0.5], colors=[color], linewidths=width,
        )  # fmt: skip


def _shade(ax, mask, color, alpha):
    if mask.any():
        from matplotlib.colors import to_rgb

        layer = np.zeros((*mask.shape, 4))
        layer[mask] = (*to_rgb(color), alpha)
        ax.imshow(layer, interpolation="nearest")
