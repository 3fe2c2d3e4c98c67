"""Display of the foreground probability and its uncertainty."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from ._axes import Display, as_plane, numbered, plane_spacing, show_plane, title
from ._outputs import apply, choose_samples


class ProbabilityDisplay(Display):
    """Images with the foreground probability and its uncertainty.

    Parameters
    ----------
    images : list of ndarray of shape (*spatial) or (*spatial, n_channels)
        The middle section of a volume is shown.
    probability : list of ndarray of shape (*spatial)
        Foreground probabilities, in [0, 1].
    names : list of str, default=None
        Names of the images; None numbers them.
    spacing : sequence of float, default=None
        Size of a pixel along each axis; draws a scale bar.
    unit : str, default="µm"
        Unit of `spacing`.

    Attributes
    ----------
    uncertainty_ : list of ndarray of shape (*spatial)
        Entropy of the probability in bits: 0 at 0 or 1, 1 at 0.5.
    ax_ : matplotlib.axes.Axes
        The first panel.
    axes_ : ndarray of matplotlib.axes.Axes
        Image, probability and uncertainty of each image.
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

    def __init__(
        self,
        *,
        images: Any,
        probability: Any,
        names: Sequence[str] | None = None,
        spacing: Sequence[float] | None = None,
        unit: str = "µm",
    ):
        self.images = images
        self.probability = probability
        self.names = names
        self.spacing = spacing
        self.unit = unit

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        *,
        positions: ArrayLike | None = None,
        indices: Sequence[int] | None = None,
        max_images: int = 3,
        ax: Any = None,
        **options: Any,
    ) -> Self:
        """Draw the probabilities that a fitted segmenter, or a pipeline with one, predicts.

        Parameters
        ----------
        estimator : object
        X : array-like of shape (n_samples, *spatial) or (n_samples, *spatial, n_channels)
        positions : array-like of int, shape (n_samples,), default=None
            Positions of consecutive sections.
        indices : sequence of int, default=None
            Indices of the samples to show; None: up to `max_images`, evenly spaced.
        max_images : int, default=3
        ax : Axes, array of Axes or Figure, default=None
            As in `plot`.
        **options
            Passed to the class: `names`, `spacing`, `unit`.

        Returns
        -------
        ProbabilityDisplay
            The display, drawn.
        """
        outputs = apply(estimator, X, positions)
        if outputs.probability is None:
            raise ValueError(f"{type(estimator).__name__} predicts no probabilities.")
        images = outputs.images
        indices = choose_samples(len(images), (), max_images) if indices is None else indices
        options = {"spacing": outputs.last("spacing"), **options}
        options["names"] = [(options.get("names") or numbered(len(images)))[i] for i in indices]
        chosen = [images[i] for i in indices], [outputs.probability[i] for i in indices]
        return cls.from_predictions(*chosen, ax=ax, **options)

    @classmethod
    def from_predictions(cls, X: Any, y_proba: Any, *, ax: Any = None, **options: Any) -> Self:
        """Draw probabilities.

        Parameters
        ----------
        X : array-like of shape (n_samples, *spatial) or (n_samples, *spatial, n_channels)
        y_proba : array-like of float, shape (n_samples, *spatial), or list
            Foreground probabilities, in [0, 1].
        ax : Axes, array of Axes or Figure, default=None
            As in `plot`.
        **options
            Passed to the class: `names`, `spacing`, `unit`.

        Returns
        -------
        ProbabilityDisplay
            The display, drawn.
        """
        display = cls(images=list(X), probability=[np.asarray(p) for p in y_proba], **options)
        return display.plot(ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw the display.

        Parameters
        ----------
        ax : Axes, array of Axes or Figure, default=None
            Three axes per image; a single axes is divided, a figure is resized. None: a new
            figure.

        Returns
        -------
        ProbabilityDisplay
            The display.
        """
        names = self.names or numbered(len(self.images))
        axes = self._place(ax, 3 * len(self.images), 3).reshape(-1, 3)
        self.uncertainty_ = [entropy(p) for p in self.probability]
        options = {"spacing": plane_spacing(self.spacing), "unit": self.unit}
        for panels, image, probability, uncertainty, name in zip(
            axes, self.images, self.probability, self.uncertainty_, names, strict=True
        ):
            ndim = probability.ndim
            z = len(probability) // 2 if ndim == 3 else None
            show_plane(panels[0], as_plane(image, ndim, z), stretch=True, **options)
            shown = [
                show_plane(panel, as_plane(values, ndim, z), vmin=0, vmax=1, cmap=colors)
                for panel, values, colors in (
                    (panels[1], probability, "cividis"), (panels[2], uncertainty, "viridis")
                )
            ]  # fmt: skip
            title(panels[0], name if z is None else f"{name}, section {z}")
        for panel, quantity in zip(axes[0, 1:], ("probability", "uncertainty (bits)"), strict=True):
            title(panel, quantity)
        for column, image in zip(axes.T[1:], shown, strict=True):
            self.figure_.colorbar(image, ax=list(column), location="bottom", shrink=0.8, aspect=25)
        return self


def entropy(probability):
    """Compute the entropy of a foreground probability, in bits."""
    p = np.clip(np.asarray(probability, np.float32), 1e-7, 1 - 1e-7)
    return -(p * np.log2(p) + (1 - p) * np.log2(1 - p))
