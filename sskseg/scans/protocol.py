"""What a scan asks of the estimators at the end of a pipeline."""

from __future__ import annotations

from typing import Any, Literal, Protocol

import numpy as np


class BlockPredictor(Protocol):
    """Predict the foreground probabilities of a scan, block by block.

    A segmenter returns one from ``block_predictor(shape, wanted=None)``: `shape` is that of the
    scan in pixels, sections first where they are consecutive; `wanted` is about how many pixels a
    block should have along each axis, None is as many as the network takes. It is pickled once for
    each worker, and several threads may call it.

    A segmenter that resamples images to one size of objects may have a method
    ``measure_diameter(read_images)``, which returns a diameter in pixels, or None if it needs none.
    `read_images` is a function that returns crops of the scan. The result is passed as
    ``block_predictor(..., object_diameter=...)``. One with an attribute ``has_cores_`` that is True
    leaves out the probabilities of cores with ``block_predictor(..., with_cores=False)``.

    Attributes
    ----------
    core : tuple of int
        Pixels of the block that are written, along each axis of the scan.
    halo : tuple of int
        Pixels that are read beyond `core` on each side, as far as the scan reaches. Probabilities
        of the core are then those of the whole scan.
    consecutive : bool
        Whether the first axis of the scan counts sections, each a sample for the network.
    n_channels : int
        Channels of the scan, 1 where it has no axis of channels.
    has_cores : bool
        Whether `predict` returns probabilities of cores, too; without this attribute it does not.
    takes_core : bool
        Whether `predict` takes `core`, and predicts that alone; without this attribute it predicts
        the block with its halo.
    """

    core: tuple[int, ...]
    halo: tuple[int, ...]
    consecutive: bool
    n_channels: int

    def memory(self, n_pixels: int) -> int:
        """Estimate the bytes of the network's largest outputs for `n_pixels` of one sample."""

    def predict(
        self,
        block: Any,
        *,
        positions: np.ndarray | None = None,
        device: str | None = None,
        core: tuple[slice, ...] | None = None,
    ) -> np.ndarray:
        """Predict a block with its halo, or the core of it.

        Parameters
        ----------
        block : array-like of shape (*shape) or (*shape, n_channels)
            After the preprocessing steps of the pipeline.
        positions : ndarray of int, shape (n_sections,), default=None
            Position of each section in the scan, where sections are consecutive.
        device : str, default=None
            Such as "cuda:1", where the estimator leaves the choice open; None is its own choice.
        core : tuple of slice, default=None
            The part of `block` that is needed; only passed if `takes_core`.

        Returns
        -------
        ndarray of float32, shape (*shape) or (*shape, 2)
            Probabilities between 0 and 1 of the foreground, or of foreground and cores, in `core`
            if that is given.
        """


class BlockObjects(Protocol):
    """Find the objects of a block.

    A counter returns one from ``block_objects()``. It is pickled once for each worker, and several
    threads may call it.

    Attributes
    ----------
    source : {"probabilities", "images"}
        Whether `find` takes probabilities, or images after the preprocessing steps of the pipeline.
    ndim : int
        Axes of the scan without channels.
    consecutive : bool
        Whether the first axis counts sections, each of which has objects of its own; objects of
        neighboring sections are joined later.
    exact : bool
        Whether objects are connected components, which join exactly by the pixels that touch across
        the boundary of blocks. They need no halo.
    min_size : int
        Pixels of the smallest object. `find` leaves smaller objects in where `source` is "images"
        or objects are `exact`, since a mask or a boundary may cut them.
    spacing : tuple of float or None
        Size of a pixel along each axis of the scan; None where it is not defined.
    unit : str or None
        Of `spacing`; without this attribute it is None.
    halo : int or None
        Pixels beyond a block that cover a large object; None where no size is known.
    margin, stride : tuple of int
        Of images: pixels that the network reads beyond the halo on each side, and steps at which
        what it reads starts. 0 and 1 of probabilities.
    n_channels : int
        Channels of the images; 1 of probabilities.
    contour_points : int
        Points of each contour; 0 where objects have none.
    reads_cores : bool
        Whether `find` takes the probabilities of cores, too, where the segmenter predicts them;
        without this attribute it does not.
    """

    source: Literal["probabilities", "images"]
    ndim: int
    consecutive: bool
    exact: bool
    min_size: int
    spacing: tuple[float, ...] | None
    halo: int | None
    margin: tuple[int, ...]
    stride: tuple[int, ...]
    n_channels: int
    contour_points: int

    def memory(self, n_pixels: int) -> int:
        """Estimate the bytes of a network and its outputs for `n_pixels` of images; 0 without."""

    def find(self, array: Any, *, device: str | None = None) -> BlockFound:
        """Find objects.

        Parameters
        ----------
        array : array-like of shape (*shape) or (*shape, n_channels)
            A block with its halo, and of images with `margin` beyond that. Of probabilities what a
            `BlockPredictor` returned.
        device : str, default=None
            As `BlockPredictor.predict` takes it.

        Returns
        -------
        BlockFound
        """


class BlockFound(Protocol):
    """Objects of a block.

    Attributes
    ----------
    labels : ndarray of int, shape (*shape)
        0 background; 1, 2, ... are objects, different ones in different sections.
    scores : ndarray of float32, shape (n_objects,), or None
        Score of each object in an image; None for objects of probabilities, whose score is the
        mean over their pixels.
    contours : ndarray of float64, shape (n_objects, contour_points, 2), or None
        Row and column of points on the outlines, counted from the first pixel of the block.
    """

    labels: np.ndarray
    scores: np.ndarray | None
    contours: np.ndarray | None
