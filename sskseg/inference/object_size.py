"""One size of objects: images are predicted at the magnification at which they have it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage as ndi

from ..morphology import split_by_seeds
from ..training.prediction_callbacks import advance_prediction
from .sections import SectionPredictor

_FACTORS = (0.4, 3.0)  # least and largest magnification
_SAME = 1.1  # smaller magnifications are left out
_TRUSTED = 1.5  # of the magnification that a measured diameter asks for to that of the measurement
_MIN_OBJECT = 20  # pixels: smaller objects may be debris
_MIN_SIDE = 16  # pixels of a resampled image
_SMOOTHING = 1.0  # standard deviation, pixels


def typical_diameter(objects: np.ndarray) -> float:
    """Compute the diameter of a disk with the median area of the objects.

    Parameters
    ----------
    objects : ndarray of int, shape (height, width)
        Each value > 0 is an object; those of fewer than 20 pixels do not count.

    Returns
    -------
    float
        Pixels; NaN without an object.
    """
    _, sizes = np.unique(objects[objects > 0], return_counts=True)
    sizes = sizes[sizes >= _MIN_OBJECT]
    return 2 * float(np.sqrt(np.median(sizes) / np.pi)) if sizes.size else np.nan


def magnification(diameter: Any, object_size: float) -> Any:
    """Compute by how much images are magnified; 1 for objects of about the right size.

    Parameters
    ----------
    diameter : float or ndarray
        Of objects, pixels; NaN is unknown.
    object_size : float

    Returns
    -------
    float or ndarray
    """
    factor = np.clip(np.nan_to_num(object_size / np.asarray(diameter), nan=1.0), *_FACTORS)
    return np.where((factor > 1 / _SAME) & (factor < _SAME), 1.0, factor)[()]


def resampled_shape(shape: Sequence[int], factor: float) -> tuple[int, ...]:
    """Return the sides of an image that is magnified by a factor; 16 pixels at least, or as now."""
    factor = max(factor, min(1.0, _MIN_SIDE / min(shape)))
    return tuple(round(side * factor) for side in shape)


def resample(image: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Resample an image (height, width, n_channels) linearly, without aliasing.

    Small integers keep their dtype.
    """
    if image.shape[:2] == tuple(shape):
        return image
    # Float32 would round large numbers, such as those of images with a large offset.
    dtype = np.float32 if np.can_cast(image.dtype, np.float32) else np.float64
    x = torch.from_numpy(np.require(np.moveaxis(image, -1, 0), dtype, ["C", "W"]))[None]
    shrinks = any(new < old for new, old in zip(shape, image.shape[:2], strict=True))
    x = F.interpolate(x, tuple(shape), mode="bilinear", antialias=shrinks, align_corners=False)
    result = np.moveaxis(x[0].numpy(), 0, -1)
    is_small = image.dtype.kind in "iu" and dtype == np.float32
    return np.rint(result).astype(image.dtype) if is_small else result


def resample_labels(labels: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Resample a label image (height, width): the value of the nearest pixel."""
    if labels.shape == tuple(shape):
        return labels
    rows, columns = (
        ((np.arange(new) + 0.5) * old / new).astype(np.intp)
        for new, old in zip(shape, labels.shape, strict=True)
    )
    return labels[np.ix_(rows, columns)]


@dataclass(frozen=True)
class SizedPredictor:
    """Predict images at the magnification at which their objects have one size.

    The objects of a first prediction give their typical diameter. If they are far from the size
    that the network knows, or none are found, it is measured again in the image as it is. There is
    no further prediction if the last one has the right magnification.

    Parameters
    ----------
    predictor : SectionPredictor
        Of independent planes.
    object_size : float
        Pixels.
    n_outputs : int
        Of these, of the predictor's, that are returned.
    first_factor : float, default=1.0
        Magnification of the first prediction. The network knows objects of one size only: the
        closer they have it, the better their diameter is measured.
    """

    predictor: SectionPredictor
    object_size: float
    n_outputs: int
    first_factor: float = 1.0

    @property
    def n_passes(self) -> int:
        """How often the network predicts each sample: at most."""
        return (1 + len(self._factors)) * self.predictor.n_passes

    @property
    def _factors(self):
        return tuple(dict.fromkeys((self.first_factor, 1.0)))

    def resampled(self, images: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Resample images (height, width, n_channels) to one size of objects."""
        return [self._prepare(image)[0] for image in images]

    def diameter(self, image: np.ndarray) -> float:
        """Measure the typical diameter of the objects in an image; NaN without any."""
        return self._measure(image)[2]

    def _measure(self, image):
        """A magnified image, its prediction, the diameter of objects as they are, its factor."""
        n_left = len(self._factors)
        for factor in self._factors:
            n_left -= 1
            shown = resample(image, resampled_shape(image.shape[:2], factor))
            ((_, outputs),) = self.predictor.predict([shown])
            diameter = self._diameter(outputs) * image.shape[0] / shown.shape[0]
            if self._asks_for(diameter, factor, _TRUSTED):
                break
        advance_prediction(n_left * self.predictor.n_passes)
        return shown, outputs, diameter, factor

    def _asks_for(self, diameter, factor, tolerance):
        """Whether objects of this diameter ask for about this magnification."""
        ratio = magnification(diameter, self.object_size) / factor
        return bool(np.isfinite(diameter) and 1 / tolerance < ratio < tolerance)

    def _prepare(self, image):
        """An image at its magnification; what was predicted of it, if that is known."""
        shown, outputs, diameter, factor = self._measure(image)
        if np.isnan(diameter) or self._asks_for(diameter, factor, _SAME):
            advance_prediction(self.predictor.n_passes)  # of a further prediction
            return shown, outputs
        factor = magnification(diameter, self.object_size)
        return resample(image, resampled_shape(image.shape[:2], factor)), None

    def _diameter(self, outputs):
        n = self.predictor.n_outputs
        mask = outputs[0] > 0.5
        core = ndi.gaussian_filter(outputs[n if len(outputs) > n else 0], _SMOOTHING)
        return typical_diameter(split_by_seeds(mask, core, core > 0.5))

    def predict(
        self,
        images: Sequence[np.ndarray],
        positions: Any = None,
        wanted: np.ndarray | None = None,
    ) -> Iterator[tuple[int, np.ndarray]]:
        """Predict samples; see `SectionPredictor.predict`.

        Parameters
        ----------
        images : sequence of ndarray of shape (height, width, n_channels)
        positions : object
            Not used.
        wanted : ndarray of int, default=None

        Yields
        ------
        index : int
        prediction : ndarray of float32, shape (n_outputs, height, width)
        """
        for index in range(len(images)) if wanted is None else wanted:
            image, outputs = self._prepare(images[index])
            if outputs is None:
                ((_, outputs),) = self.predictor.predict([image])
            channels_last = np.moveaxis(outputs[: self.n_outputs], 0, -1)
            outputs = np.moveaxis(resample(channels_last, images[index].shape[:2]), -1, 0)
            yield int(index), outputs.clip(0, 1)  # interpolated, a 1 may be larger by rounding

    def predict_some(
        self, images: Sequence[np.ndarray], positions: Any, wanted: np.ndarray
    ) -> list[np.ndarray]:
        """Predict the samples of some indices, in their order; see `predict`."""
        return [output for _, output in self.predict(images, positions, wanted)]

    def predict_lazily(
        self, X: Any, positions: Any, finish: Callable[[np.ndarray], np.ndarray]
    ) -> Any:
        """Predict a dask array, each sample as a whole; see `SectionPredictor.predict_lazily`.

        Parameters
        ----------
        X : dask array of shape (n_samples, height, width, n_channels)
        positions : object
            Not used.
        finish : callable

        Returns
        -------
        dask array
        """
        import dask
        import dask.array as da

        example = finish(np.zeros((self.n_outputs, 1, 1), np.float32))
        channels = (example.shape[2:],) if example.ndim == 3 else ()
        X, meta = X.rechunk((1, *X.shape[1:])), np.empty((0,) * (1 + example.ndim), example.dtype)
        return da.map_blocks(
            _predict_samples, X, model=dask.delayed((self, finish), pure=True), meta=meta,
            dtype=example.dtype, chunks=(*X.chunks[:-1], *channels),
            drop_axis=[] if channels else 3,
        )  # fmt: skip


def _predict_samples(block, *, model):
    predictor, finish = model
    return np.stack([finish(output) for _, output in predictor.predict(list(block))])
