"""Display of what a refiner makes of simulated images."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from ..images import check_generator, check_images
from ._axes import ORANGE, Display, all_lines, draw_lines, outlines, show_plane, title
from ._outputs import find_step

_KINDS = ("simulated", "refined", "real")


class SimulationDisplay(Display):
    """Rows of simulated, refined and real images, in one gray scale.

    Parameters
    ----------
    simulated, refined : ndarray of shape (n_images, height, width)
    labels : ndarray of int, shape (n_images, height, width)
        Labels of simulated and refined images.
    real : list of ndarray of shape (height, width)
    spacing : sequence of float, default=None
        Size of a pixel along y and x; draws a scale bar.
    unit : str, default="µm"
        Unit of `spacing`.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        The first panel.
    axes_ : ndarray of matplotlib.axes.Axes, shape (3 * n_images,)
        Rows of simulated, refined and real images.
    figure_ : matplotlib.figure.Figure

    Examples
    --------
    >>> from sskseg import SimulatedRefiner
    >>> from sskseg.datasets import make_cells
    >>> from sskseg.report import SimulationDisplay
    >>> X, _ = make_cells(n_samples=4, shape=(64, 64), random_state=0)
    >>> refiner = SimulatedRefiner(width=8, depth=1, max_steps=3, batch_size=2, random_state=0)
    >>> len(SimulationDisplay.from_estimator(refiner.fit(X), X, n_images=2).axes_)
    6
    """

    def __init__(
        self,
        *,
        simulated: Any,
        refined: Any,
        labels: Any,
        real: Any,
        spacing: Sequence[float] | None = None,
        unit: str = "µm",
    ):
        self.simulated = simulated
        self.refined = refined
        self.labels = labels
        self.real = real
        self.spacing = spacing
        self.unit = unit

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        *,
        n_images: int = 4,
        random_state: Any = 0,
        ax: Any = None,
        **options: Any,
    ) -> Self:
        """Draw images of a fitted refiner, or of a pipeline with one.

        Parameters
        ----------
        estimator : SimulatedRefiner or Pipeline
        X : array-like of shape (n_samples, height, width)
            Real images, as in `fit`.
        n_images : int, default=4
            Number of images in each row.
        random_state : int, RandomState, Generator or None, default=0
        ax : Axes, array of Axes or Figure, default=None
            As in `plot`.
        **options
            Passed to the class and to `plot`: `spacing`, `unit`, `outlined`.

        Returns
        -------
        SimulationDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If no step is a refiner.
        """
        step, X = find_step(estimator, X, "refine")
        outlined = options.pop("outlined", True)
        rng = check_generator(random_state)
        images, labels = step.simulator_.sample(n_images, rng)
        refined = step.refine(images, labels, random_state=rng)
        real = [x[..., 0] for x in check_images(X, 2, n_channels=1)]
        indices = np.linspace(0, len(real) - 1, n_images).round().astype(int)
        crops = [_crop(real[i], images.shape[1:], rng) for i in indices]
        display = cls(simulated=images, refined=refined, labels=labels, real=crops, **options)
        return display.plot(ax, outlined=outlined)

    def plot(self, ax: Any = None, *, outlined: bool = True) -> Self:
        """Draw the display.

        Parameters
        ----------
        ax : Axes, array of Axes or Figure, default=None
            Three axes per image; a single axes is divided, a figure is resized. None: a new
            figure.
        outlined : bool, default=True
            Whether to draw the labels in the first simulated and refined image.

        Returns
        -------
        SimulationDisplay
            The display.
        """
        n = len(self.simulated)
        axes = self._place(ax, 3 * n, n, size=(2.2, 2.3)).reshape(3, n)
        images_of = [self.simulated, self.refined, self.real]
        low, high = np.percentile(np.concatenate([np.ravel(x) for x in self.real]), (1, 99.8))
        for name, panels, images in zip(_KINDS, axes, images_of, strict=True):
            for i, (panel, image) in enumerate(zip(panels, images, strict=True)):
                show_plane(
                    panel, np.asarray(image), spacing=self.spacing if i == n - 1 else None,
                    unit=self.unit, cmap="gray", vmin=low, vmax=max(high, low + 1e-9),
                )  # fmt: skip
                if outlined and i == 0 and name != "real":
                    draw_lines(panel, all_lines(outlines(self.labels[0])), ORANGE, 1.0)
            has_lines = outlined and name != "real"
            title(panels[0], f"{name}, with its labels" if has_lines else name)
        return self


def _crop(image, shape, rng):
    """Crop an image at random to the size of the simulated ones, if it is larger."""
    first = [int(rng.integers(max(1, a - b + 1))) for a, b in zip(image.shape, shape, strict=True)]
    return image[tuple(slice(a, a + b) for a, b in zip(first, shape, strict=True))]
