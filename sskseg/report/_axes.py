"""What the displays share: axes, colors, images, outlines, scale bars."""

from math import ceil

import numpy as np

# Okabe and Ito: colors that remain different to color-blind eyes.
BLUE, ORANGE, GREEN, PURPLE = "#0072B2", "#E69F00", "#009E73", "#CC79A7"
SKY, VERMILLION, YELLOW, GRAY = "#56B4E9", "#D55E00", "#F0E442", "#888888"
CYCLE = (BLUE, ORANGE, GREEN, VERMILLION, PURPLE, SKY)
# The same markers in black and white.
MARKERS = "osD^vP"

_MAX_SIDE = 1000  # pixels of a side that are drawn
_UNITS = ("nm", "µm", "mm")


def check_plot():
    """Raise ImportError where matplotlib is missing."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "Pictures need matplotlib, which is not installed: pip install sskseg[plot]"
        ) from error


class Display:
    """Base of the displays: where they are drawn.

    Attributes
    ----------
    figure_ : matplotlib.figure.Figure
    ax_ : matplotlib.axes.Axes
        The first panel.
    axes_ : ndarray of matplotlib.axes.Axes, shape (n_panels,)
    """

    def _place(self, ax, n, columns=3, size=(3.2, 3.4), heights=None, widths=None):
        """Axes of n panels: in a new figure, in a given one, in the place of one axes, or given."""
        check_plot()
        from matplotlib.axes import Axes
        from matplotlib.figure import FigureBase
        from matplotlib.gridspec import GridSpecFromSubplotSpec

        if n == 0:
            raise ValueError("There is nothing to show: no image was given.")
        columns = min(n, columns)
        shape = (-(-n // columns), columns)
        self._owns_figure = ax is None or isinstance(ax, FigureBase)
        if self._owns_figure:
            figure = _new_figure() if ax is None else ax
            figure.set_size_inches(size[0] * shape[1], size[1] * shape[0])
            ratios = {"height_ratios": heights, "width_ratios": widths}
            axes = figure.subplots(*shape, squeeze=False, **ratios).ravel()
        elif not isinstance(ax, Axes):
            axes = np.ravel(ax)
            if len(axes) < n:
                raise ValueError(f"ax must be one axes or {n}, got {len(axes)}.")
        elif n == 1:
            axes = np.array([ax])
        else:
            if ax.get_subplotspec() is None:
                raise ValueError(f"{n} panels take the place of an axes of plt.subplots.")
            ax.set_axis_off()
            grid = GridSpecFromSubplotSpec(
                *shape, ax.get_subplotspec(), height_ratios=heights, width_ratios=widths
            )
            axes = np.array([ax.figure.add_subplot(grid[i]) for i in range(n)])
        for unused in axes[n:] if self._owns_figure else ():
            unused.remove()
        self._set_axes(axes[:n])
        return self.axes_

    def _set_axes(self, axes):
        self.axes_ = np.array(axes, dtype=object)
        self.ax_ = self.axes_[0]
        self.figure_ = self.ax_.figure

    def _legend(self, handles):
        """Below the panels."""
        if not handles:
            return
        options = {"handles": handles, "frameon": False, "fontsize": 9}
        if self._owns_figure:
            width = self.figure_.get_size_inches()[0]
            columns = max(1, min(len(handles), int(width / 1.6)))
            self.figure_.legend(loc="outside lower center", ncols=columns, **options)
        else:
            self.ax_.legend(loc="upper center", bbox_to_anchor=(0.5, -0.02), **options)


def even_columns(n, most):
    """Columns for `n` panels: at most `most`, and no more than the rows need."""
    return ceil(n / max(1, ceil(n / most)))


def numbered(n):
    """Names of images that have none."""
    return [f"image {i}" for i in range(n)]


def _new_figure():
    import matplotlib.pyplot as plt

    return plt.figure(layout="constrained")


def title(ax, text):
    """A title as it is: a dollar sign is no mathematics."""
    ax.set_title(text, fontsize=9, parse_math=False)


def thinned(shape):
    """Every how many pixels of a plane are drawn."""
    return max(1, ceil(max(shape[:2]) / _MAX_SIDE))


def show_plane(ax, plane, *, stretch=False, spacing=None, unit="µm", **options):
    """Show a plane of intensities, probabilities or colors, thinned where it is large.

    Axes are in pixels of the whole plane, in their right proportions.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    plane : ndarray of shape (height, width) or (height, width, 3 or 4)
    stretch : bool, default=False
        Whether to show what lies between the percentiles 1 and 99.8 from black to white.
    spacing : sequence of two floats, default=None
        Size of a pixel along y and x; draws a scale bar.
    unit : str, default="µm"
    **options
        Of ``imshow``.

    Returns
    -------
    matplotlib.image.AxesImage
    """
    step = thinned(plane.shape)
    small = _means(plane, step)
    if stretch:
        small, options = stretched(small), {"cmap": "gray", "vmin": 0, "vmax": 1} | options
    height, width = step * small.shape[0], step * small.shape[1]
    aspect = 1.0 if spacing is None else spacing[0] / spacing[1]
    image = ax.imshow(
        small, interpolation="nearest", extent=(-0.5, width - 0.5, height - 0.5, -0.5),
        aspect=aspect, **options,
    )  # fmt: skip
    ax.set_axis_off()
    if spacing is not None:
        draw_scale_bar(ax, (height, width), spacing, unit)
    return image


def _means(plane, step):
    """Means of blocks."""
    if step == 1:
        return plane
    height, width = (side // step for side in plane.shape[:2])
    blocks = plane[: height * step, : width * step]
    blocks = blocks.reshape(height, step, width, step, *plane.shape[2:])
    return blocks.mean(axis=(1, 3), dtype=np.float32)


def stretched(plane):
    """Intensities between 0 and 1: between the percentiles 1 and 99.8."""
    low, high = (float(v) for v in np.percentile(plane, (1, 99.8)))
    return np.clip((plane.astype(np.float32) - low) / max(high - low, 1e-12), 0, 1)


def channels_shown(image, ndim):
    """Of two channels the first, of three or more the first three as colors."""
    image = np.asarray(image)
    if image.ndim > ndim:
        image = image[..., :3] if image.shape[-1] >= 3 else image[..., 0]
    return image


def as_plane(image, ndim, z=None):
    """Of a volume the section `z`, or the maximum along z; channels as `channels_shown`."""
    image = channels_shown(image, ndim)
    if ndim == 3:
        return image.max(axis=0) if z is None else image[z]
    return image


def outlines(labels):
    """Outlines of the objects of a plane.

    Parameters
    ----------
    labels : ndarray of int, shape (height, width)

    Returns
    -------
    dict of int to list of ndarray of shape (n_points, 2)
        Of each object its closed lines, (x, y) in pixels, between it and what is not it.
    """
    from contourpy import contour_generator
    from scipy import ndimage as ndi

    step = thinned(labels.shape)
    labels = np.maximum(labels[::step, ::step], 0)
    ids, compact = np.unique(labels, return_inverse=True)
    compact = compact.reshape(labels.shape) + (0 if ids[0] == 0 else 1)
    ids = ids[ids > 0]
    found = {}
    for i, box in enumerate(ndi.find_objects(compact)):
        inside = np.pad((compact[box] == i + 1).astype(float), 1)
        lines = contour_generator(z=inside).lines(0.5)
        first = np.array([box[1].start - 1, box[0].start - 1])
        found[int(ids[i])] = [(line + first) * step + (step - 1) / 2 for line in lines]
    return found


def draw_lines(ax, lines, color, width, style="solid"):
    """Many lines as one artist.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    lines : list of ndarray of shape (n_points, 2)
    color : str
    width : float
        Points.
    style : str, default="solid"

    Returns
    -------
    matplotlib.collections.LineCollection
    """
    from matplotlib.collections import LineCollection

    made = LineCollection(
        lines, colors=color, linewidths=width, linestyles=style, capstyle="round", rasterized=True
    )
    ax.add_collection(made, autolim=False)
    return made


def all_lines(found):
    """Lines of all objects of `outlines`."""
    return [line for lines in found.values() for line in lines]


def shade(ax, mask, color="#000000", alpha=0.45):
    """Darken a part of a plane."""
    if mask.any():
        from matplotlib.colors import to_rgb

        step = thinned(mask.shape)
        layer = np.zeros((*mask[::step, ::step].shape, 4))
        layer[mask[::step, ::step]] = (*to_rgb(color), alpha)
        height, width = step * layer.shape[0], step * layer.shape[1]
        ax.imshow(
            layer, interpolation="nearest", extent=(-0.5, width - 0.5, height - 0.5, -0.5),
            aspect=ax.get_aspect(),
        )  # fmt: skip


def draw_scale_bar(ax, shape, spacing, unit):
    """Draw a bar of a round length, at most a quarter of the width, and its length.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Of an image whose axes are in pixels.
    shape : tuple of int
        Of the image, pixels.
    spacing : sequence of two floats
    unit : str
        "nm" and "µm" become the next larger unit where the bar is longer than 1000 of them.

    Returns
    -------
    matplotlib.lines.Line2D
    """
    height, width = shape[:2]
    length = round_length(width * spacing[1] / 4)
    pixels = length / spacing[1]
    right, y = width - 0.5 - 0.05 * width, height - 0.5 - 0.05 * height
    ax.annotate(
        _length_text(length, unit), (right - pixels / 2, y), (0, 4), textcoords="offset points",
        ha="center", va="bottom", color="white", fontsize=8, parse_math=False, zorder=4,
        bbox={"facecolor": "black", "alpha": 0.6, "linewidth": 0, "pad": 1.5},
    )  # fmt: skip
    ends = [right - pixels, right], [y, y]
    options = {"solid_capstyle": "butt", "scalex": False, "scaley": False}
    ax.plot(*ends, color="black", linewidth=6, alpha=0.6, zorder=3, **options)
    (bar,) = ax.plot(*ends, color="white", linewidth=3, zorder=5, **options)
    return bar


def round_length(most):
    """The largest of 1, 2, 5, 10, 20, ... that is not longer."""
    power = 10.0 ** np.floor(np.log10(most))
    return float(max(factor for factor in (1, 2, 5) if factor * power <= most * 1.0001) * power)


def _length_text(length, unit):
    if length >= 1000 and unit in _UNITS[:-1]:
        length, unit = length / 1000, _UNITS[_UNITS.index(unit) + 1]
    return f"{length:g} {unit}"


def plane_spacing(spacing):
    """Of y and x, from one that may have z before them."""
    if spacing is None:
        return None
    spacing = tuple(float(s) for s in spacing)
    if len(spacing) not in (2, 3) or min(spacing) <= 0:
        raise ValueError(f"spacing must be two or three positive numbers, got {spacing!r}.")
    return spacing[-2:]
