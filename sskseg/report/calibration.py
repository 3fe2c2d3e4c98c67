"""Display of the calibration of probabilities."""

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from ..metrics import expected_calibration_error, reliability_curve
from ._axes import BLUE, GRAY, Display
from ._outputs import apply, read_reference


class ReliabilityDisplay(Display):
    """Reliability curve of foreground probabilities.

    Parameters
    ----------
    n_pixels, probability, frequency : ndarray of shape (n_bins,)
        Bins, as returned by `sskseg.metrics.reliability_curve`.
    calibration_error : float
        Expected calibration error.
    name : str, default=None

    Attributes
    ----------
    line_ : matplotlib.lines.Line2D
    ax_ : matplotlib.axes.Axes
        Panel of the reliability curve.
    axes_ : ndarray of matplotlib.axes.Axes, shape (2,)
        The reliability curve, and below it the share of pixels in each bin.
    figure_ : matplotlib.figure.Figure

    Examples
    --------
    >>> import numpy as np
    >>> from sskseg.report import ReliabilityDisplay
    >>> true, probability = np.array([[1, 0, 1, -1]]), np.array([[0.5, 0.5, 1.0, 0.0]])
    >>> ReliabilityDisplay.from_predictions(true, probability).calibration_error
    0.0
    """

    def __init__(
        self,
        *,
        n_pixels: Any,
        probability: Any,
        frequency: Any,
        calibration_error: float,
        name: str | None = None,
    ):
        self.n_pixels = n_pixels
        self.probability = probability
        self.frequency = frequency
        self.calibration_error = calibration_error
        self.name = name

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        *,
        positions: ArrayLike | None = None,
        n_bins: int = 15,
        ax: Any = None,
        name: str | None = None,
    ) -> Self:
        """Draw the calibration of a fitted segmenter or of a pipeline with one.

        Parameters
        ----------
        estimator : object
        X : array-like of shape (n_samples, *spatial) or (n_samples, *spatial, n_channels)
            Use images that were not used for training: the segmenter is overconfident on the
            others.
        y : array-like of int
            Label images; -1 is ignored.
        positions : array-like of int, shape (n_samples,), default=None
            Positions of consecutive sections.
        n_bins : int, default=15
        ax : Axes, array of two Axes or Figure, default=None
            As in `plot`.
        name : str, default=None

        Returns
        -------
        ReliabilityDisplay
            The display, drawn.
        """
        outputs = apply(estimator, X, positions)
        if outputs.probability is None:
            raise ValueError(f"{type(estimator).__name__} predicts no probabilities.")
        labels = read_reference(y, [p.shape for p in outputs.probability]).labels
        indices = [i for i, label in enumerate(labels) if label is not None]
        if not indices:
            raise ValueError("y must hold a label image of one sample or more, got none.")
        parts = ([part[i] for i in indices] for part in (labels, outputs.probability))
        return cls.from_predictions(*parts, n_bins=n_bins, ax=ax, name=name)

    @classmethod
    def from_predictions(
        cls, y_true: Any, y_proba: Any, *, n_bins: int = 15, ax: Any = None, name: str | None = None
    ) -> Self:
        """Draw the calibration of probabilities.

        Parameters
        ----------
        y_true : ndarray of int, or list of ndarray
            > 0 foreground, 0 background, -1 ignored.
        y_proba : ndarray of float, or list of ndarray
            Foreground probabilities, in [0, 1].
        n_bins : int, default=15
        ax : Axes, array of two Axes or Figure, default=None
            As in `plot`.
        name : str, default=None

        Returns
        -------
        ReliabilityDisplay
            The display, drawn.
        """
        n_pixels, probability, frequency = reliability_curve(y_true, y_proba, n_bins=n_bins)
        error = expected_calibration_error(y_true, y_proba, n_bins=n_bins)
        display = cls(
            n_pixels=n_pixels, probability=probability, frequency=frequency,
            calibration_error=error, name=name,
        )  # fmt: skip
        return display.plot(ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw the display.

        Parameters
        ----------
        ax : Axes, array of two Axes or Figure, default=None
            One axes is divided, a figure is resized. None: a new figure.

        Returns
        -------
        ReliabilityDisplay
            The display.
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
