"""Find the objects of simulated images."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from ..morphology import normalized_distance
from ..simulation import CellSimulator
from ._base import Crop, Proxy


@dataclass
class Simulation(Proxy):
    """Predict foreground, borders and cores of the objects that a simulator draws.

    The target is -1 in the background, and in objects the normalized distance to the border: 0 at
    the border, also of objects that touch, and 1 in the middle. It is the only proxy of a
    pretrainer, whose patches are all simulated; real images calibrate the simulator.

    Parameters
    ----------
    simulator : object, default=None
        Has ``sample(n, random_state) -> (X, y)``, images of one channel at least as large as
        patches. None is the simulator of the `ImageStack` that is fitted, as it is, or a
        `CellSimulator`. One with `calibrate` and without `variants` is calibrated to the images,
        and a `CellSimulator` draws in the shape of patches.

    See Also
    --------
    sskseg.simulation.CellSimulator
    """

    simulator: Any = None

    name = "simulation"
    restores = True
    draws = True

    def adapt(self, images: Sequence[np.ndarray], simulator: Any) -> Self:
        """Return a copy whose simulator is calibrated to images."""
        adapted = copy(self)
        given_by_stack = self.simulator is None and simulator is not None
        adapted.simulator = simulator if given_by_stack else _calibrated(self.simulator, images)
        return adapted

    def make(self, crop: Crop, rng: np.random.Generator) -> tuple[Crop, np.ndarray]:
        """Draw a patch in the place of the crop."""
        simulator = self.simulator
        if isinstance(simulator, CellSimulator):
            simulator = replace(simulator, shape=crop.shape)
        with warnings.catch_warnings():  # of cells without a place, which few images have
            warnings.simplefilter("ignore", UserWarning)
            X, y = simulator.sample(1, rng)
        image, labels = np.asarray(X[0]), np.asarray(y[0])
        if image.ndim > len(crop.shape):  # one channel
            image = image[..., 0]
        if any(size < side for size, side in zip(image.shape, crop.shape, strict=True)):
            raise ValueError(
                "The simulator of the proxy 'simulation' must draw images of at least the shape of "
                f"patches, {crop.shape}, got {image.shape}."
            )
        first = [
            int(rng.integers(size - side + 1))
            for size, side in zip(image.shape, crop.shape, strict=True)
        ]
        box = tuple(slice(a, a + side) for a, side in zip(first, crop.shape, strict=True))
        target = np.where(labels > 0, normalized_distance(labels), -1)[box]
        return crop.with_image(image[box][None]), target.astype(np.float32)


def _calibrated(simulator, images):
    """The simulator, calibrated to images (*spatial, n_channels) if it is not yet."""
    if simulator is None:
        simulator = CellSimulator(shape=(64,) * (images[0].ndim - 1))
    if not hasattr(simulator, "sample"):
        raise ValueError(
            "simulator of the proxy 'simulation' must have sample(n, random_state) -> (X, y), got "
            f"{simulator!r}."
        )
    if not hasattr(simulator, "calibrate") or getattr(simulator, "variants", None):
        return simulator
    return simulator.calibrate([plane for image in images for plane in np.moveaxis(image, -1, 0)])
