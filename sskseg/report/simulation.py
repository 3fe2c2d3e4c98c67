"""Display of what a refiner makes of simulated images."""

import numpy as np

from ..images import check_generator, check_images
from ._axes import ORANGE, Display, all_lines, draw_lines, outlines, show_plane, title
from ._outputs import find_step

_ROWS = ("simulated", "refined", "real")


class SimulationDisplay(Display):
    """Simulated, refined and real images above each other, in one gray scale.

    Parameters
    ----------
    simulated, refined : ndarray of shape (n_images, height, width)
    labels : ndarray of int, shape (n_images, height, width)
        Of both.
    real : list of ndarray of shape (height, width)
    spacing : sequence of float, default=None
        Size of a pixel along y and x; draws a scale bar.
    unit : str, default="µm"
        Of `spacing`.

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

    def __init__(self, *, simulated, refined, labels, real, spacing=None, unit="µm"):
        self.simulated = simulated
        self.refined = refined
        self.labels = labels
        self.real = real
        self.spacing = spacing
        self.unit = unit

    @classmethod
    def from_estimator(cls, estimator, X, *, n_images=4, random_state=0, ax=None, **options):
        """Draw images of a fitted refiner, or of a pipeline with one.

        Parameters
        ----------
        estimator : SimulatedRefiner or Pipeline
        X : array-like of shape (n_samples, height, width)
            Real images, as for `fit`.
        n_images : int, default=4
            In each row.
        random_state : int, RandomState, Generator or None, default=0
        ax : Axes, array of Axes or Figure, default=None
            As for `plot`.
        **options
            Of the class and of `plot`: `spacing`, `unit`, `outlined`.

        Returns
        -------
        SimulationDisplay
            Drawn.

        Raises
        ------
        ValueError
            If there is no refiner.
        """
        step, X = find_step(estimator, X, "refine")
        outlined = options.pop("outlined", True)
        rng = check_generator(random_state)
        images, labels = step.simulator_.sample(n_images, rng)
        refined = step.refine(images, labels, random_state=rng)
        real = [x[..., 0] for x in check_images(X, 2, n_channels=1)]
        rows = np.linspace(0, len(real) - 1, n_images).round().astype(int)
        parts = [_part(real[i], images.shape[1:], rng) for i in rows]
        display = cls(simulated=images, refined=refined, labels=labels, real=parts, **options)
        return display.plot(ax, outlined=outlined)

    def plot(self, ax=None, *, outlined=True):
        """Draw.

        Parameters
        ----------
        ax : Axes, array of Axes or Figure, default=None
            Three axes for each image; one axes is divided, and a figure resized. None is a new
            figure.
        outlined : bool, default=True
            Whether the labels are drawn in the first simulated and refined image.

        Returns
        -------
        SimulationDisplay
            Itself.
        """
        n = len(self.simulated)
        axes = self._place(ax, 3 * n, n, size=(2.2, 2.3)).reshape(3, n)
        rows = [self.simulated, self.refined, self.real]
        low, high = np.percentile(np.concatenate([np.ravel(x) for x in self.real]), (1, 99.8))
        for name, panels, images in zip(_ROWS, axes, rows, strict=True):
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


def _part(image, shape, rng):
    """A part of an image as large as the simulated ones, where it is larger."""
    first = [int(rng.integers(max(1, a - b + 1))) for a, b in zip(image.shape, shape, strict=True)]
    return image[tuple(slice(a, a + b) for a, b in zip(first, shape, strict=True))]
