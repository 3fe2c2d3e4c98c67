"""Shared drawing of the displays: axes, colors, images, outlines, scale bars."""

from math import ceil

import numpy as np

# Palette of Okabe and Ito, safe for color blindness.
BLUE, ORANGE, GREEN, PURPLE = "#0072B2", "#E69F00", "#009E73", "#CC79A7"
SKY, VERMILLION, YELLOW, GRAY = "#56B4E9", "#D55E00", "#F0E442", "#888888"
CYCLE = (BLUE, ORANGE, GREEN, VERMILLION, PURPLE, SKY)
# Markers distinguish lines in black and white.
MARKERS = "osD^vP"

_MAX_SIDE = 1000  # pixels of a side; larger images are drawn downsampled
_UNITS = ("nm", "µm", "mm")


def check_plot():
    """Raise ImportError if matplotlib is not installed."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "Pictures need matplotlib, which is not installed: pip install sskseg[plot]"
        ) from error


class Display:
    """Base class of the displays.

    Attributes
    ----------
    figure_ : matplotlib.figure.Figure
    ax_ : matplotlib.axes.Axes
        The first panel.
    axes_ : ndarray of matplotlib.axes.Axes, shape (n_panels,)
    """

    def _place(self, ax, n, columns=3, size=(3.2, 3.4), heights=None, widths=None):
        """Make axes of n panels in a figure, in place of a single axes, or take given axes."""
        check_plot()
        from matplotlib.axes import Axes
        from matplotlib.figure import FigureBase
        from matplotlib.gridspec import GridSpecFromSubplotSpec

        if n == 0:
            raise ValueError("At least one image is needed, got none.")
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
            place = ax.get_subplotspec()
            if place is None:
                raise ValueError(f"ax must be an axes of plt.subplots to hold {n} panels.")
            ax.set_axis_off()
            grid = GridSpecFromSubplotSpec(
                *shape, place, height_ratios=heights, width_ratios=widths
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
        """Draw the legend below the panels."""
        if not handles:
            return
        options = {"handles": handles, "frameon": False, "fontsize": 9}
        if self._owns_figure:
            width = self.figure_.get_size_inches()[0]
            columns = max(1, min(len(handles), int(width / 1.6)))
            self.figure_.legend(loc="outside lower center", ncols=columns, **options)
        else:
            self.ax_.legend(loc="upper center", bbox_to_anchor=(0.5, -0.02), **options)


def even_columns(n, max_columns):
    """Compute the number of columns for `n` panels in rows of about equal length."""
    return ceil(n / max(1, ceil(n / max_columns)))


def numbered(n):
    """Make default names of images."""
    return [f"image {i}" for i in range(n)]


def _new_figure():
    import matplotlib.pyplot as plt

    return plt.figure(layout="constrained")


def title(ax, text):
    """Set a title verbatim, without mathematics between dollar signs."""
    ax.set_title(text, fontsize=9, parse_math=False)


def downsampling(shape):
    """Compute the downsampling factor of a plane."""
    return max(1, ceil(max(shape[:2]) / _MAX_SIDE))


def show_plane(ax, plane, *, stretch=False, spacing=None, unit="µm", **options):
    """Show a plane of intensities, probabilities or colors, downsampled if it is large.

    Axes are in pixels of the whole plane, with correct proportions.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    plane : ndarray of shape (height, width) or (height, width, 3 or 4)
    stretch : bool, default=False
        Whether to stretch intensities between the percentiles 1 and 99.8 from black to white.
    spacing : sequence of two floats, default=None
        Size of a pixel along y and x; draws a scale bar.
    unit : str, default="µm"
    **options
        Passed to ``imshow``.

    Returns
    -------
    matplotlib.image.AxesImage
    """
    step = downsampling(plane.shape)
    small = _block_means(plane, step)
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


def _block_means(plane, step):
    """Downsample a plane to means of blocks."""
    if step == 1:
        return plane
    height, width = (side // step for side in plane.shape[:2])
    blocks = plane[: height * step, : width * step]
    blocks = blocks.reshape(height, step, width, step, *plane.shape[2:])
    return blocks.mean(axis=(1, 3), dtype=np.float32)


def stretched(plane):
    """Scale intensities between the percentiles 1 and 99.8 to [0, 1]."""
    low, high = (float(v) for v in np.percentile(plane, (1, 99.8)))
    return np.clip((plane.astype(np.float32) - low) / max(high - low, 1e-12), 0, 1)


def channels_shown(image, ndim):
    """Select the first of two channels, or the first three of more as colors."""
    image = np.asarray(image)
    if image.ndim > ndim:
        image = image[..., :3] if image.shape[-1] >= 3 else image[..., 0]
    return image


def as_plane(image, ndim, z=None):
    """Select section `z` of a volume, or the maximum along z; channels as `channels_shown`."""
    image = channels_shown(image, ndim)
    if ndim == 3:
        return image.max(axis=0) if z is None else image[z]
    return image


def outlines(labels):
    """Trace the outlines of the objects of a plane.

    Parameters
    ----------
    labels : ndarray of int, shape (height, width)

    Returns
    -------
    dict of int to list of ndarray of shape (n_points, 2)
        Closed lines around each object, (x, y) in pixels.
    """
    from contourpy import contour_generator
    from scipy import ndimage as ndi

    step = downsampling(labels.shape)
    labels = np.maximum(labels[::step, ::step], 0)
    ids, compact = np.unique(labels, return_inverse=True)
    compact = compact.reshape(labels.shape) + (0 if ids[0] == 0 else 1)
    ids = ids[ids > 0]
    lines_of = {}
    for i, box in enumerate(ndi.find_objects(compact)):
        inside = np.pad((compact[box] == i + 1).astype(float), 1)
        lines = contour_generator(z=inside).lines(0.5)
        first = np.array([box[1].start - 1, box[0].start - 1])
        lines_of[int(ids[i])] = [(line + first) * step + (step - 1) / 2 for line in lines]
    return lines_of


def draw_lines(ax, lines, color, width, style="solid"):
    """Draw many lines as one artist.

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
        lines, colors=color, linewidths=width, linestyles=style, capstyle="round", rasterized=True,
        antialiased=False,  # colors of lines that overlap would blend to one that is in no legend
    )  # fmt: skip
    ax.add_collection(made, autolim=False)
    return made


def all_lines(lines_of):
    """List the lines of all objects of `outlines`."""
    return [line for lines in lines_of.values() for line in lines]


def shade(ax, mask, color="#000000", alpha=0.45):
    """Darken a mask of a plane."""
    if mask.any():
        from matplotlib.colors import to_rgb

        step = downsampling(mask.shape)
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
        Axes of an image, in pixels.
    shape : tuple of int
        Shape of the image, pixels.
    spacing : sequence of two floats
    unit : str
        "nm" and "µm" become the next larger unit if the bar is longer than 1000 of them.

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


def round_length(maximum):
    """Compute the largest of 1, 2, 5, 10, 20, ... that is not above `maximum`."""
    power = 10.0 ** np.floor(np.log10(maximum))
    return float(max(factor for factor in (1, 2, 5) if factor * power <= maximum * 1.0001) * power)


def _length_text(length, unit):
    if length >= 1000 and unit in _UNITS[:-1]:
        length, unit = length / 1000, _UNITS[_UNITS.index(unit) + 1]
    return f"{length:g} {unit}"


def plane_spacing(spacing):
    """Select y and x of a spacing, which may start with z."""
    if spacing is None:
        return None
    spacing = tuple(float(s) for s in spacing)
    if len(spacing) not in (2, 3) or min(spacing) <= 0:
        raise ValueError(f"spacing must be two or three positive numbers, got {spacing!r}.")
    return spacing[-2:]
