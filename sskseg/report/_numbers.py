"""Numbers of objects in pictures."""

import numpy as np

_MAX_OBJECTS = 2000  # more have no room
_MIN_SIZE, _MAX_SIZE = 6.0, 28.0  # points of the text
_SHARE = 0.42  # of the text height in the diameter of an object
_WIDTH = 0.62  # of a digit, relative to its height
_STROKE = 0.25  # black around a digit, relative to its height: objects may be white
_DIAMETER = 16.0  # points of an object that three small digits fit in


def points_for_numbers(labels):
    """Compute how long a pixel must be, in points, for numbers to fit in objects of median size.

    Parameters
    ----------
    labels : ndarray of int, shape (height, width)

    Returns
    -------
    float
        0 if there is no object, or there are too many for numbers.
    """
    sizes = _objects(labels)[1]
    return float(_DIAMETER / np.median(np.sqrt(sizes))) if 0 < len(sizes) <= _MAX_OBJECTS else 0.0


def draw_numbers(ax, labels, points):
    """Write the number of each object on it, largest objects first, where there is room.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    labels : ndarray of int, shape (height, width)
    points : float
        Length of a pixel.

    Returns
    -------
    int
        How many objects have their number.
    """
    from matplotlib.patheffects import withStroke

    ids, sizes, centers = _objects(labels)
    if len(ids) > _MAX_OBJECTS:
        return 0
    heights = np.clip(_SHARE * points * np.sqrt(sizes), _MIN_SIZE, _MAX_SIZE)
    texts = [str(number) for number in ids]
    widths = _WIDTH * heights * [len(text) for text in texts]
    drawn = _without_overlaps(points * centers, np.stack([heights, widths], 1) / 2, sizes)
    for i in drawn:
        ax.text(
            centers[i, 1], centers[i, 0], texts[i], fontsize=heights[i], color="white",
            ha="center", va="center", zorder=4, clip_on=True,
            path_effects=[withStroke(linewidth=_STROKE * heights[i], foreground="black")],
        )  # fmt: skip
    return len(drawn)


def _objects(labels):
    """Numbers, areas and centers of the objects of a plane."""
    y, x = np.nonzero(labels > 0)
    ids, compact, sizes = np.unique(labels[y, x], return_inverse=True, return_counts=True)
    sums = [np.bincount(compact.ravel(), weights=axis, minlength=len(ids)) for axis in (y, x)]
    return ids, sizes, np.stack(sums, 1) / np.maximum(sizes, 1)[:, None]


def _without_overlaps(centers, halves, sizes):
    """Indices of boxes of which none overlaps another one, largest objects first."""
    chosen: list[int] = []
    for i in np.argsort(-sizes, kind="stable"):
        gaps = np.abs(centers[chosen] - centers[i]) - halves[chosen] - halves[i]
        if not (gaps < 0).all(axis=1).any():
            chosen.append(int(i))
    return chosen
