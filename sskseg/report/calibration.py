"""Display of the calibration of probabilities."""

import numpy as np

from ..metrics import expected_calibration_error, reliability_curve
from ._axes import BLUE, GRAY, Display
from ._outputs import apply, read_reference


class ReliabilityDisplay(Display):
    """How often pixels of a predicted probability are foreground.

    Parameters
    ----------
    n_pixels, probability, frequency : ndarray of shape (n_bins,)
        As `sskseg.metrics.reliability_curve` gives them.
    calibration_error : float
        Expected calibration error.
    name : str, default=None

    Attributes
    ----------
    line_ : matplotlib.lines.Line2D
    ax_ : matplotlib.axes.Axes
        The reliability.
    axes_ : ndarray of matplotlib.axes.Axes, shape (2,)
        Below it the share of the pixels in each bin.
    figure_ : matplotlib.figure.Figure

    Examples
    --------
    >>> import numpy as np
    >>> from sskseg.report import ReliabilityDisplay
    >>> true, probability = np.array([[1, 0, 1, -1]]), np.array([[0.5, 0.5, 1.0, 0.0]])
    >>> ReliabilityDisplay.from_predictions(true, probability).calibration_error
    0.0
    """

    def __init__(self, *, n_pixels, probability, frequency, calibration_error, name=None):
        self.n_pixels = n_pixels
        self.probability = probability
        self.frequency = frequency
        self.calibration_error = calibration_error
        self.name = name

    @classmethod
    def from_estimator(cls, estimator, X, y, *, positions=None, n_bins=15, ax=None, name=None):
        """Draw the calibration of a fitted segmenter or of a pipeline with one.

        Parameters
        ----------
        estimator : object
        X : array-like of shape (n_samples, *spatial) or (n_samples, *spatial, n_channels)
            Best those that the segmenter was not trained on: it is surer of the others.
        y : array-like of int
            Label images; -1 is left out.
        positions : array-like of int, shape (n_samples,), default=None
            Of consecutive sections.
        n_bins : int, default=15
        ax : Axes, array of two Axes or Figure, default=None
            As for `plot`.
        name : str, default=None

        Returns
        -------
        ReliabilityDisplay
            Drawn.
        """
        outputs = apply(estimator, X, positions)
        if outputs.probability is None:
            raise ValueError(f"{type(estimator).__name__} gives no probabilities.")
        labels = read_reference(y, [p.shape for p in outputs.probability]).labels
        rows = [i for i, label in enumerate(labels) if label is not None]
        if not rows:
            raise ValueError("y must hold a label image of one sample or more, got none.")
        return cls.from_predictions(
            [labels[i] for i in rows], [outputs.probability[i] for i in rows],
            n_bins=n_bins, ax=ax, name=name,
        )  # fmt: skip

    @classmethod
    def from_predictions(cls, y_true, y_proba, *, n_bins=15, ax=None, name=None):
        """Draw the calibration of probabilities.

        Parameters
        ----------
        y_true : ndarray of int, or list of ndarray
            > 0 foreground, 0 background, -1 left out.
        y_proba : ndarray of float, or list of ndarray
            Of the foreground, in [0, 1].
        n_bins : int, default=15
        ax : Axes, array of two Axes or Figure, default=None
            As for `plot`.
        name : str, default=None

        Returns
        -------
        ReliabilityDisplay
            Drawn.
        """
        n_pixels, probability, frequency = reliability_curve(y_true, y_proba, n_bins=n_bins)
        error = expected_calibration_error(y_true, y_proba, n_bins=n_bins)
        display = cls(
            n_pixels=n_pixels, probability=probability, frequency=frequency,
            calibration_error=error, name=name,
        )  # fmt: skip
        return display.plot(ax)

    def plot(self, ax=None):
        """Draw.

        Parameters
        ----------
        ax : Axes, array of two Axes or Figure, default=None
            One axes is divided, and a figure resized. None is a new figure.

        Returns
        -------
        ReliabilityDisplay
            Itself.
        """
        above, below = self._place(ax, 2, 1, size=(3.8, 2.1), heights=(3, 1))
        above.plot([0, 1], [0, 1], color=GRAY, lw=1)
        filled = np.asarray(self.n_pixels) > 0
        label = f"ECE {self.calibration_error:.3f}"
        label = label if self.name is None else f"{self.name}, {label}"
        (self.line_,) = above.plot(
            self.probability[filled], self.frequency[filled], "o-", color=BLUE, ms=4, label=label
        )
        above.set(ylabel="share of foreground", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        above.legend(frameon=False, fontsize=9, loc="upper left")
        edges = np.linspace(0, 1, len(self.n_pixels) + 1)
        share = np.asarray(self.n_pixels) / max(1, np.sum(self.n_pixels))
        below.stairs(share, edges, fill=True, color=BLUE, alpha=0.6)
        below.set(xlabel="predicted probability", ylabel="pixels", xlim=(-0.02, 1.02))
        if share.any():
            below.set_yscale("log")
            below.set_ylim(share[share > 0].min() / 2, 2)
        for panel in (above, below):
            panel.spines[["top", "right"]].set_visible(False)
            panel.tick_params(labelsize=8)
        return self
