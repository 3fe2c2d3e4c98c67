"""Display of predicted and true objects."""

from collections.abc import Sequence
from typing import Any, Self

import fastremap
import numpy as np
from numpy.typing import ArrayLike

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
from ._outputs import apply, choose_samples, read_reference

KINDS = {  # color, width in points and style of an outline
    "true positives": (SKY, 1.2, "solid"),
    "false negatives": (VERMILLION, 1.8, "solid"),
    "false positives": (YELLOW, 1.4, (0, (2, 1.5))),
    "predicted": (ORANGE, 1.2, "solid"),  # of images without a reference
    "not evaluated": ("#DDDDDD", 0.9, "solid"),
}

_SHORT = {"true positives": "TP", "false negatives": "FN", "false positives": "FP"}
_MAX_TITLE = 38  # characters above a panel


class SegmentationDisplay(Display):
    """Images with the outlines of true positives, false positives and false negatives.

    Predicted and true objects match if their IoU is at least `threshold`. Outlines of true and
    false positives are predicted, those of false negatives are true. Predicted objects in unlabeled
    pixels are not evaluated.

    Parameters
    ----------
    images : list of ndarray of shape (*spatial) or (*spatial, n_channels)
        Drawn as by `draw_outlines`; of a volume, the section with the largest predicted foreground.
    y_pred : list of ndarray of int, shape (*spatial)
        Label images.
    y_true : list of ndarray of int or None, default=None
        Label images, -1 unlabeled (shaded); None: the image is unlabeled.
    names : list of str, default=None
        Names of the images; None numbers them.
    threshold : float in (0, 1], default=0.5
        Minimum IoU.
    spacing : sequence of float, default=None
        Size of a pixel along each axis; draws a scale bar.
    unit : str, default="µm"
        Unit of `spacing`.

    Attributes
    ----------
    counts_ : list of dict of str to int
        Number of "true positives", "false negatives", "false positives" and "not evaluated" objects
        of each image, or of "predicted" objects if it is unlabeled.
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
    >>> display.counts_[1]["true positives"]
    0
    """

    def __init__(
        self,
        *,
        images: Any,
        y_pred: Any,
        y_true: Any = None,
        names: Sequence[str] | None = None,
        threshold: float = 0.5,
        spacing: Sequence[float] | None = None,
        unit: str = "µm",
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
        cls,
        estimator: Any,
        X: Any,
        y: Any = None,
        *,
        positions: ArrayLike | None = None,
        indices: Sequence[int] | None = None,
        max_images: int = 6,
        ax: Any = None,
        **options: Any,
    ) -> Self:
        """Draw the objects that a fitted estimator or pipeline predicts.

        Parameters
        ----------
        estimator : object
            A segmenter, a counter (X are probabilities), a baseline or a pipeline of them.
        X : array-like of shape (n_samples, *spatial) or (n_samples, *spatial, n_channels)
        y : array-like of int, default=None
            Label images, as for `fit`.
        positions : array-like of int, shape (n_samples,), default=None
            Positions of consecutive sections.
        indices : sequence of int, default=None
            Indices of the samples to show; None: up to `max_images`, evenly spaced, of the labeled
            ones if there are any.
        max_images : int, default=6
        ax : Axes, array of Axes or Figure, default=None
            As in `plot`.
        **options
            Passed to the class: `names`, `threshold`, `spacing` (by default that of the counter),
            `unit`.

        Returns
        -------
        SegmentationDisplay
            The display, drawn.
        """
        outputs = apply(estimator, X, positions)
        if outputs.objects is None:
            raise ValueError(
                "A segmenter or a counter is needed, got "
                f"{type(estimator).__name__}, which predicts no foreground."
            )
        images, objects = outputs.images, outputs.objects
        labels = read_reference(y, [x.shape for x in objects]).labels
        if indices is None:
            labeled = [i for i, label in enumerate(labels) if label is not None]
            indices = choose_samples(len(images), labeled, max_images)
        options = {"spacing": outputs.last("spacing"), **options}
        options["names"] = [(options.get("names") or numbered(len(images)))[i] for i in indices]
        chosen = ([part[i] for i in indices] for part in (images, labels, objects))
        return cls.from_predictions(*chosen, ax=ax, **options)

    @classmethod
    def from_predictions(
        cls, X: Any, y_true: Any, y_pred: Any, *, ax: Any = None, **options: Any
    ) -> Self:
        """Draw label images.

        Parameters
        ----------
        X : array-like of shape (n_samples, *spatial) or (n_samples, *spatial, n_channels)
        y_true : array-like of int, shape (n_samples, *spatial), list or None
        y_pred : array-like of int, shape (n_samples, *spatial), or list
        ax : Axes, array of Axes or Figure, default=None
            As in `plot`.
        **options
            Passed to the class: `names`, `threshold`, `spacing`, `unit`.

        Returns
        -------
        SegmentationDisplay
            The display, drawn.
        """
        y_pred = [np.asarray(x) for x in y_pred]
        reference = read_reference(y_true, [x.shape for x in y_pred])
        display = cls(images=list(X), y_pred=y_pred, y_true=reference.labels, **options)
        return display.plot(ax)

    def plot(self, ax: Any = None, *, columns: int = 3) -> Self:
        """Draw the display.

        Parameters
        ----------
        ax : Axes, array of Axes or Figure, default=None
            One axes per image; a single axes is divided, a figure is resized. None: a new figure.
        columns : int, default=3
            Maximum number of panels in a row.

        Returns
        -------
        SegmentationDisplay
            The display.
        """
        n = len(self.images)
        axes = self._place(ax, n, even_columns(n, columns))
        names = self.names or numbered(n)
        references = self.y_true or [None] * n
        self.counts_, shown = [], set()
        for panel, image, true, pred, name in zip(
            axes, self.images, references, self.y_pred, names, strict=True
        ):
            kinds = classify_objects(true, pred, self.threshold)
            self.counts_.append({kind: len(ids) for kind, ids in kinds.items()})
            self.draw_panel(panel, image, true, pred, kinds)
            title(panel, _title(name, self.counts_[-1]))
            shown |= {kind for kind, ids in kinds.items() if len(ids)}
        self._legend([_handle(kind) for kind in KINDS if kind in shown])
        return self

    def draw_panel(self, panel: Any, image: Any, true: Any, pred: Any, kinds: dict) -> None:
        """Draw one image with the outlines of its objects.

        Parameters
        ----------
        panel : matplotlib.axes.Axes
        image : ndarray
        true : ndarray of int, or None
        pred : ndarray of int
        kinds : dict of str to ndarray of int
            As `classify_objects` returns them.
        """
        z = shown_section(pred)
        if z is not None:
            true, section = (None if true is None else true[z]), pred[z]
        plane = as_plane(image, pred.ndim, z)
        spacing = plane_spacing(self.spacing)
        show_plane(panel, plane, stretch=True, spacing=spacing, unit=self.unit)
        if true is not None:
            shade(panel, true < 0)
        lines = {False: outlines(section if z is not None else pred)}
        lines[True] = {} if true is None else outlines(true)
        for kind, ids in kinds.items():
            outlines_of = lines[kind == "false negatives"]
            chosen = [line for i in ids for line in outlines_of.get(int(i), [])]
            if chosen:
                draw_lines(panel, chosen, *KINDS[kind]).set_label(kind)


def shown_section(labels):
    """Choose the section of a volume with the largest foreground; None for an image."""
    return int(np.argmax((labels > 0).sum(axis=(1, 2)))) if labels.ndim == 3 else None


def classify_objects(y_true, y_pred, threshold=0.5):
    """Classify the objects of an image by matching them to the reference.

    Parameters
    ----------
    y_true : ndarray of int, or None
        -1 unlabeled; None: the image is unlabeled.
    y_pred : ndarray of int
    threshold : float, default=0.5
        Minimum IoU of a match.

    Returns
    -------
    dict of str to ndarray of int
        Predicted ids of "true positives", "false positives" and "not evaluated" objects, and true
        ids of "false negatives"; without reference, "predicted" ids.
    """
    predicted = _ids(y_pred)
    if y_true is None:
        return {"predicted": predicted}
    pairs = matched_objects(y_true, y_pred, threshold)
    evaluated = _ids(np.where(y_true < 0, 0, y_pred))
    return {
        "not evaluated": np.setdiff1d(predicted, evaluated),
        "true positives": pairs[:, 1],
        "false negatives": np.setdiff1d(_ids(y_true), pairs[:, 0]),
        "false positives": np.setdiff1d(evaluated, pairs[:, 1]),
    }


def _ids(labels):
    """Sorted ids of the objects of an image."""
    ids = fastremap.unique(np.ascontiguousarray(labels))
    return ids[ids > 0]


def _title(name, counts):
    if "predicted" in counts:
        text = f"{counts['predicted']} objects"
    else:
        text = ", ".join(f"{counts[kind]} {short}" for kind, short in _SHORT.items())
    return f"{name}: {text}" if len(name + text) < _MAX_TITLE else f"{name}\n{text}"


def _handle(kind):
    from matplotlib.lines import Line2D

    color, width, style = KINDS[kind]
    color = GRAY if kind == "not evaluated" else color  # visible on a light background
    return Line2D([], [], color=color, lw=width + 0.6, ls=style, label=kind)
