"""Displays of what a segmenter or a counter finds: objects, probability, uncertainty."""

import fastremap
import numpy as np

from ..metrics import matched_objects
from ._axes import (
    GRAY,
    ORANGE,
    SKY,
    VERMILLION,
    YELLOW,
    Display,
    as_plane,
    draw_lines,
    even_columns,
    numbered,
    outlines,
    plane_spacing,
    shade,
    show_plane,
    title,
)
from ._outputs import apply, choose_rows, read_reference

_KINDS = {  # color, width in points and style of an outline
    "found": (SKY, 1.2, "solid"),
    "missed": (VERMILLION, 1.8, "solid"),
    "invented": (YELLOW, 1.4, (0, (2, 1.5))),
    "predicted": (ORANGE, 1.2, "solid"),  # where no object of the image is known
    "not judged": ("#DDDDDD", 0.9, "solid"),
}

_LINE = 38  # characters over a panel


class SegmentationDisplay(Display):
    """Images with the outlines of objects: found, missed and invented.

    A true object is found where a predicted one has an IoU of `threshold` or more with it. Outlines
    of found and invented objects are the predicted ones, those of missed objects the true ones;
    predicted objects that lie where nothing is labeled are not judged.

    Parameters
    ----------
    images : list of ndarray of shape (*spatial) or (*spatial, n_channels)
        Shown as `draw_outlines` shows them; of a volume the section with the most of its objects.
    y_pred : list of ndarray of int, shape (*spatial)
        Label images.
    y_true : list of ndarray of int or None, default=None
        Label images, -1 unlabeled (shaded); None: nothing of the image is labeled.
    names : list of str, default=None
        Of the images; None numbers them.
    threshold : float in (0, 1], default=0.5
        Least IoU.
    spacing : sequence of float, default=None
        Size of a pixel along each axis; draws a scale bar.
    unit : str, default="µm"
        Of `spacing`.

    Attributes
    ----------
    counts_ : list of dict of str to int
        Of each image how many objects are "found", "missed", "invented" and "not judged", or
        "predicted" where nothing of it is labeled.
    ax_ : matplotlib.axes.Axes
        The first panel.
    axes_ : ndarray of matplotlib.axes.Axes
        One for each image.
    figure_ : matplotlib.figure.Figure

    See Also
    --------
    draw_outlines : True and predicted outlines on axes.

    Examples
    --------
    >>> from sskseg.datasets import make_cells
    >>> from sskseg.report import SegmentationDisplay
    >>> X, y = make_cells(n_samples=2, shape=(48, 48), random_state=0)
    >>> display = SegmentationDisplay.from_predictions(X, y, [y[0], 0 * y[1]])
    >>> display.counts_[1]["found"]
    0
    """

    def __init__(
        self, *, images, y_pred, y_true=None, names=None, threshold=0.5, spacing=None, unit="µm"
    ):
        self.images = images
        self.y_pred = y_pred
        self.y_true = y_true
        self.names = names
        self.threshold = threshold
        self.spacing = spacing
        self.unit = unit

    @classmethod
    def from_estimator(
        cls, estimator, X, y=None, *, positions=None, rows=None, max_images=6, ax=None, **options
    ):
        """Draw what a fitted estimator or pipeline finds.

        Parameters
        ----------
        estimator : object
            A segmenter, a counter (X are probabilities), a baseline or a pipeline of them.
        X : array-like of shape (n_samples, *spatial) or (n_samples, *spatial, n_channels)
        y : array-like of int, default=None
            Label images, as for `fit`.
        positions : array-like of int, shape (n_samples,), default=None
            Of consecutive sections.
        rows : sequence of int, default=None
            Samples to show; None: up to `max_images`, evenly spaced, of those that are labeled if
            there are any.
        max_images : int, default=6
        ax : Axes, array of Axes or Figure, default=None
            As for `plot`.
        **options
            Of the class: `names`, `threshold`, `spacing` (that of the counter by default), `unit`.

        Returns
        -------
        SegmentationDisplay
            Drawn.
        """
        outputs = apply(estimator, X, positions)
        if outputs.objects is None:
            raise ValueError(
                f"A segmenter or a counter is needed, got {type(estimator).__name__} that finds "
                "no foreground."
            )
        images, objects = outputs.images, outputs.objects
        truth = read_reference(y, [x.shape for x in objects])
        labeled = [i for i, label in enumerate(truth.labels) if label is not None]
        rows = choose_rows(len(images), labeled, max_images) if rows is None else rows
        options = {"spacing": outputs.last("spacing"), **options}
        options["names"] = [(options.get("names") or numbered(len(images)))[i] for i in rows]
        return cls.from_predictions(
            [images[i] for i in rows], [truth.labels[i] for i in rows], [objects[i] for i in rows],
            ax=ax, **options,
        )  # fmt: skip

    @classmethod
    def from_predictions(cls, X, y_true, y_pred, *, ax=None, **options):
        """Draw label images.

        Parameters
        ----------
        X : array-like of shape (n_samples, *spatial) or (n_samples, *spatial, n_channels)
        y_true : array-like of int, shape (n_samples, *spatial), list or None
        y_pred : array-like of int, shape (n_samples, *spatial), or list
        ax : Axes, array of Axes or Figure, default=None
            As for `plot`.
        **options
            Of the class: `names`, `threshold`, `spacing`, `unit`.

        Returns
        -------
        SegmentationDisplay
            Drawn.
        """
        y_pred = [np.asarray(x) for x in y_pred]
        truth = read_reference(y_true, [x.shape for x in y_pred])
        display = cls(images=list(X), y_pred=y_pred, y_true=truth.labels, **options)
        return display.plot(ax)

    def plot(self, ax=None, *, columns=3):
        """Draw.

        Parameters
        ----------
        ax : Axes, array of Axes or Figure, default=None
            One axes for each image; one axes is divided, and a figure resized. None is a new one.
        columns : int, default=3
            Panels in a row, at most.

        Returns
        -------
        SegmentationDisplay
            Itself.
        """
        n = len(self.images)
        axes = self._place(ax, n, even_columns(n, columns))
        names = self.names or numbered(n)
        truths = self.y_true or [None] * n
        self.counts_, shown = [], set()
        for panel, image, true, pred, name in zip(
            axes, self.images, truths, self.y_pred, names, strict=True
        ):
            kinds = judge_objects(true, pred, self.threshold)
            self.counts_.append({kind: len(ids) for kind, ids in kinds.items()})
            self._draw(panel, image, true, pred, kinds)
            title(panel, _summary(name, true, self.counts_[-1]))
            shown |= {kind for kind, ids in kinds.items() if len(ids)}
        self._legend([_handle(kind) for kind in _KINDS if kind in shown])
        return self

    def _draw(self, panel, image, true, pred, kinds):
        z = None
        if pred.ndim == 3:
            z = int(np.argmax((pred > 0).sum(axis=(1, 2))))
            true, section = (None if true is None else true[z]), pred[z]
        plane = as_plane(image, pred.ndim, z)
        spacing = plane_spacing(self.spacing)
        show_plane(panel, plane, stretch=True, spacing=spacing, unit=self.unit)
        if true is not None:
            shade(panel, true < 0)
        lines = {False: outlines(section if z is not None else pred)}
        lines[True] = {} if true is None else outlines(true)
        for kind, ids in kinds.items():
            found = lines[kind == "missed"]
            chosen = [line for i in ids for line in found.get(int(i), [])]
            if chosen:
                draw_lines(panel, chosen, *_KINDS[kind]).set_label(kind)


class ProbabilityDisplay(Display):
    """Images with the probability of the foreground, and how unsure it is.

    Parameters
    ----------
    images : list of ndarray of shape (*spatial) or (*spatial, n_channels)
        Of a volume the middle section is shown.
    probability : list of ndarray of shape (*spatial)
        Of the foreground, in [0, 1].
    names : list of str, default=None
        Of the images; None numbers them.
    spacing : sequence of float, default=None
        Size of a pixel along each axis; draws a scale bar.
    unit : str, default="µm"
        Of `spacing`.

    Attributes
    ----------
    uncertainty_ : list of ndarray of shape (*spatial)
        Entropy of the probability in bits: 0 where it is 0 or 1, 1 where it is 0.5.
    ax_ : matplotlib.axes.Axes
        The first panel.
    axes_ : ndarray of matplotlib.axes.Axes
        Image, probability and uncertainty of one image after the other.
    figure_ : matplotlib.figure.Figure

    Examples
    --------
    >>> import numpy as np
    >>> from sskseg.datasets import make_cells
    >>> from sskseg.report import ProbabilityDisplay
    >>> X, y = make_cells(n_samples=1, shape=(48, 48), random_state=0)
    >>> display = ProbabilityDisplay.from_predictions(X, np.clip(X, 0, 1))
    >>> len(display.axes_)
    3
    """

    def __init__(self, *, images, probability, names=None, spacing=None, unit="µm"):
        self.images = images
        self.probability = probability
        self.names = names
        self.spacing = spacing
        self.unit = unit

    @classmethod
    def from_estimator(
        cls, estimator, X, *, positions=None, rows=None, max_images=3, ax=None, **options
    ):
        """Draw what a fitted segmenter, or a pipeline with one, predicts.

        Parameters
        ----------
        estimator : object
        X : array-like of shape (n_samples, *spatial) or (n_samples, *spatial, n_channels)
        positions : array-like of int, shape (n_samples,), default=None
            Of consecutive sections.
        rows : sequence of int, default=None
            Samples to show; None: up to `max_images`, evenly spaced.
        max_images : int, default=3
        ax : Axes, array of Axes or Figure, default=None
            As for `plot`.
        **options
            Of the class: `names`, `spacing`, `unit`.

        Returns
        -------
        ProbabilityDisplay
            Drawn.
        """
        outputs = apply(estimator, X, positions)
        if outputs.probability is None:
            raise ValueError(f"{type(estimator).__name__} gives no probabilities.")
        images = outputs.images
        rows = choose_rows(len(images), (), max_images) if rows is None else rows
        options = {"spacing": outputs.last("spacing"), **options}
        options["names"] = [(options.get("names") or numbered(len(images)))[i] for i in rows]
        chosen = [images[i] for i in rows], [outputs.probability[i] for i in rows]
        return cls.from_predictions(*chosen, ax=ax, **options)

    @classmethod
    def from_predictions(cls, X, y_proba, *, ax=None, **options):
        """Draw probabilities.

        Parameters
        ----------
        X : array-like of shape (n_samples, *spatial) or (n_samples, *spatial, n_channels)
        y_proba : array-like of float, shape (n_samples, *spatial), or list
            Of the foreground, in [0, 1].
        ax : Axes, array of Axes or Figure, default=None
            As for `plot`.
        **options
            Of the class: `names`, `spacing`, `unit`.

        Returns
        -------
        ProbabilityDisplay
            Drawn.
        """
        display = cls(images=list(X), probability=[np.asarray(p) for p in y_proba], **options)
        return display.plot(ax)

    def plot(self, ax=None):
        """Draw.

        Parameters
        ----------
        ax : Axes, array of Axes or Figure, default=None
            Three axes for each image; one axes is divided, and a figure resized. None is a new
            figure.

        Returns
        -------
        ProbabilityDisplay
            Itself.
        """
        names = self.names or numbered(len(self.images))
        axes = self._place(ax, 3 * len(self.images), 3).reshape(-1, 3)
        self.uncertainty_ = [entropy(p) for p in self.probability]
        options = {"spacing": plane_spacing(self.spacing), "unit": self.unit}
        shown = []
        for row, image, probability, unsure, name in zip(
            axes, self.images, self.probability, self.uncertainty_, names, strict=True
        ):
            ndim = probability.ndim
            z = len(probability) // 2 if ndim == 3 else None
            show_plane(row[0], as_plane(image, ndim, z), stretch=True, **options)
            shown = [
                show_plane(panel, as_plane(values, ndim, z), vmin=0, vmax=1, cmap=colors)
                for panel, values, colors in (
                    (row[1], probability, "cividis"), (row[2], unsure, "viridis")
                )
            ]  # fmt: skip
            title(row[0], name if z is None else f"{name}, section {z}")
        for panel, what in zip(axes[0, 1:], ("probability", "uncertainty (bits)"), strict=True):
            title(panel, what)
        for column, image in zip(axes.T[1:], shown, strict=True):
            self.figure_.colorbar(image, ax=list(column), location="bottom", shrink=0.8, aspect=25)
        return self


def judge_objects(y_true, y_pred, threshold=0.5):
    """Sort the objects of an image.

    Parameters
    ----------
    y_true : ndarray of int, or None
        -1 unlabeled; None: all of it.
    y_pred : ndarray of int
    threshold : float, default=0.5
        Least IoU of a match.

    Returns
    -------
    dict of str to ndarray of int
        Predicted ids that are "found", "invented" or "not judged", and true ids that are "missed";
        without labels "predicted" ids.
    """
    predicted = _ids(y_pred)
    if y_true is None:
        return {"predicted": predicted}
    pairs = matched_objects(y_true, y_pred, threshold)
    judged = _ids(np.where(y_true < 0, 0, y_pred))
    return {
        "not judged": np.setdiff1d(predicted, judged),
        "found": pairs[:, 1],
        "missed": np.setdiff1d(_ids(y_true), pairs[:, 0]),
        "invented": np.setdiff1d(judged, pairs[:, 1]),
    }


def _ids(labels):
    """The objects of an image, sorted."""
    found = fastremap.unique(np.ascontiguousarray(labels))
    return found[found > 0]


def entropy(probability):
    """Of a foreground probability, in bits."""
    p = np.clip(np.asarray(probability, np.float32), 1e-7, 1 - 1e-7)
    return -(p * np.log2(p) + (1 - p) * np.log2(1 - p))


def _summary(name, true, counts):
    if true is None:
        text = f"{counts['predicted']} objects"
    else:
        text = ", ".join(f"{counts[kind]} {kind}" for kind in ("found", "missed", "invented"))
    return f"{name}: {text}" if len(name + text) < _LINE else f"{name}\n{text}"


def _handle(kind):
    from matplotlib.lines import Line2D

    color, width, style = _KINDS[kind]
    color = GRAY if kind == "not judged" else color  # to be seen beside the picture
    return Line2D([], [], color=color, lw=width + 0.6, ls=style, label=kind)
