"""How a scan is cut into blocks: everything that is fixed before a pixel is read."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline

from ..inference.blocks import cut
from ..io.scans import Scan
from .boxes import Box, boxes
from .grid import Grid
from .protocol import BlockObjects, BlockPredictor
from .pyramid import finer_region, pyramid_grids
from .stitching import neighbor_offsets
from .validation import (
    check_halo,
    check_mask,
    check_predictor,
    check_scan,
    check_sizes,
    split_pipeline,
)

_BLOCK = {2: (2048, 2048), 3: (128, 512, 512)}
_HALO = {2: 128, 3: 32}
_MIN_SIDE = 64  # of a block that is made smaller to fit in memory
OBJECT_BYTES = 40  # per voxel of a block: probabilities, mask, relief, labels and their copies
INPUT_BYTES = 20  # per voxel that the network reads: image, scaled, standardized, probability


@dataclass(frozen=True)
class Plan:
    """All that a worker needs, the same for every block.

    Parameters
    ----------
    scan : Scan
    steps : tuple of transformers
        Preprocessing of the pipeline, fitted.
    predictor : BlockPredictor or None
        None where objects are found in images, without probabilities.
    objects : BlockObjects
    grid : Grid
        Blocks in which objects are found, with the halo around them.
    network_grid : Grid
        Blocks that the network evaluates, with what it reads around them. Where objects are found
        in images, these are the blocks of `grid` with their halo.
    skip_below : float or None
    mask : array or None
    object_diameter : float or None
    keep_probabilities, intensity, zarr_format : bool, bool, int
        As `count_scan` takes them.
    """

    scan: Scan
    steps: tuple[Any, ...]
    predictor: BlockPredictor | None
    objects: BlockObjects
    grid: Grid
    network_grid: Grid
    skip_below: float | None = None
    mask: Any = None
    object_diameter: float | None = None
    keep_probabilities: bool = False
    intensity: bool = False
    zarr_format: int = 3

    @property
    def shape(self) -> tuple[int, ...]:
        return self.grid.shape

    @property
    def axes(self) -> list[str]:
        """Names of the spatial axes."""
        return [name for name in self.scan.axes if name != "c"]

    @property
    def consecutive(self) -> bool:
        """Whether the first axis of the scan counts sections."""
        return self.objects.consecutive

    @property
    def exact(self) -> bool:
        """Whether objects are components, which join by the pixels that touch."""
        return self.objects.exact

    @property
    def from_images(self) -> bool:
        """Whether objects are found in images, and not in probabilities."""
        return self.predictor is None

    @property
    def probability_arrays(self) -> tuple[str, ...]:
        """Names of the arrays that hold what the network predicts."""
        if self.predictor is None:
            return ()
        cores = predicts_cores(self.predictor) and getattr(self.objects, "reads_cores", False)
        return ("probabilities", "cores") if cores else ("probabilities",)

    @property
    def n_blocks(self) -> dict[str, int]:
        """How many blocks each task has."""
        of_network = {} if self.from_images else {"predict": len(self.network_grid)}
        of_objects = dict.fromkeys(("objects", "match", "rows", "write"), len(self.grid))
        return {**of_network, **of_objects, "downsample": len(self.pyramid)}

    @cached_property
    def levels(self) -> list[Grid]:
        """Blocks of each level of the labels, the finest first."""
        return pyramid_grids(self.grid)

    @cached_property
    def pyramid(self) -> list[tuple[int, Box]]:
        """Blocks of the coarser levels of the labels, as (level, box)."""
        return [(i, box) for i, grid in enumerate(self.levels) if i for box in grid.boxes]

    def finer_blocks(self, k: int) -> tuple[str, list[int]]:
        """Find the blocks of the next finer level that block k of the pyramid is made from, and the
        task that writes them."""
        level, box = self.pyramid[k]
        found = self.levels[level - 1].overlapping(finer_region(self.shape, level, box))
        if level == 1:
            return "write", found
        first = sum(map(len, self.levels[1 : level - 1]))
        return "downsample", [first + j for j in found]

    def neighbors(self, i: int) -> dict[tuple[int, ...], int]:
        """Find the blocks after block i that may hold parts of its objects, by the step to them."""
        found = {}
        for offset in neighbor_offsets(len(self.shape), 1 if self.exact else len(self.shape)):
            if self.consecutive and offset[0] != 0:
                continue
            sides = zip(self.grid.boxes[i], offset, self.grid.core, strict=True)
            j = self.grid.find(tuple(s.start + o * side for s, o, side in sides))
            if j is not None:
                found[offset] = j
        return found

    def next_sections(self, i: int) -> int | None:
        """Find the block of the sections that follow those of block i."""
        box = self.grid.boxes[i]
        return self.grid.find((box[0].stop, *(part.start for part in box[1:])))


def predicts_cores(predictor: BlockPredictor) -> bool:
    """Whether a predictor returns the probabilities of cores, too."""
    return getattr(predictor, "has_cores", False)


def make_plan(
    estimator: Pipeline,
    source: Any,
    block_shape: Any = None,
    halo: Any = None,
    *,
    memory: int | None = None,
    chosen: tuple[int, ...] | None = None,
    mask: Any = None,
    object_diameter: float | None = None,
    measure: Callable[[Any, Plan], float | None] | None = None,
    **options: Any,
) -> Plan:
    """Check all that needs no pixel, and cut the scan into blocks.

    Parameters
    ----------
    estimator, block_shape, halo, mask, object_diameter
        As `count_scan` takes them.
    source : Scan or dask array
    memory : int, default=None
        Bytes of a worker, from which a `block_shape` of None is chosen.
    chosen : tuple of int, default=None
        What an earlier call chose for a `block_shape` of None.
    measure : callable, default=None
        Returns an `object_diameter` of None, from the segmenter and the plan without its network.
    **options
        Other fields of `Plan`.

    Returns
    -------
    Plan
    """
    steps, segmenter, objects = split_pipeline(estimator)
    scan = check_scan(source, objects, steps)
    shape = scan.data.shape[: objects.ndim]
    if chosen is None:
        chosen = choose_block_shape(
            shape, scan.data.chunksize[: objects.ndim], memory, *_block_needs(objects)
        )
    sides = check_sizes("block_shape", block_shape, chosen, shape, 1)
    halo = check_halo(halo, sides, shape, objects, _default_halo(objects))
    blocks = boxes([cut(*axis, 0) for axis in zip(shape, sides, strict=True)])
    grid = Grid(shape, sides, halo, blocks, (1,) * len(shape))
    mask = check_mask(mask, shape)
    plan = Plan(scan, steps, None, objects, grid, grid, mask=mask, **options)
    if segmenter is not None and object_diameter is None and measure is not None:
        object_diameter = measure(segmenter, plan)
    wanted = None if block_shape is None else sides
    predictor = _predictor(segmenter, objects, shape, wanted, object_diameter)
    check_predictor(predictor or objects, objects, scan, steps)
    return replace(
        plan, predictor=predictor, network_grid=_network_grid(grid, predictor, objects),
        object_diameter=None if object_diameter is None else float(object_diameter),
    )  # fmt: skip


def _predictor(segmenter, objects, shape, wanted, object_diameter):
    """What predicts blocks; None where objects are found in images."""
    if segmenter is None and object_diameter is not None:
        raise ValueError(
            "object_diameter must be None with method='contours', which does not resample images, "
            f"got {object_diameter!r}."
        )
    if segmenter is None:
        return None
    options = {} if object_diameter is None else {"object_diameter": float(object_diameter)}
    if getattr(segmenter, "has_cores_", False) and not getattr(objects, "reads_cores", False):
        options["with_cores"] = False
    return segmenter.block_predictor(shape, wanted, **options)


def _network_grid(grid, predictor, objects):
    """Blocks of the network's own, or those of the objects with their halo."""
    shape = grid.shape
    if predictor is not None:
        axes = zip(shape, predictor.core, predictor.halo, strict=True)
        blocks = boxes([cut(*axis) for axis in axes])
        return Grid(shape, predictor.core, predictor.halo, blocks, grid.stride)
    sides = zip(grid.core, grid.halo, shape, strict=True)
    core = tuple(min(side + 2 * halo, size) for side, halo, size in sides)
    blocks = [grid.input_box(i) for i in range(len(grid))]
    return Grid(shape, core, objects.margin, blocks, objects.stride)


def _default_halo(objects):
    return _HALO[objects.ndim] if objects.halo is None else objects.halo


def _object_bytes(n_pixels):
    return OBJECT_BYTES * n_pixels


def _block_needs(objects):
    """Bytes of a block as a function of its pixels; its halo; what the network reads beyond it."""
    if objects.source == "probabilities":
        return _object_bytes, _default_halo(objects), 0
    bytes_of = lambda n: (OBJECT_BYTES + INPUT_BYTES) * n + objects.memory(n)  # noqa: E731
    return bytes_of, objects.halo, max(objects.margin)


def choose_block_shape(
    shape: tuple[int, ...],
    chunks: tuple[int, ...],
    memory: int | None = None,
    bytes_of: Callable[[int], int] = _object_bytes,
    halo: int | None = None,
    margin: int = 0,
) -> tuple[int, ...]:
    """Choose the pixels of a block: as many as fit, in whole chunks of the scan.

    Parameters
    ----------
    shape, chunks : tuple of int
        Of the scan.
    memory : int, default=None
        Bytes of a worker, of which blocks may take half; None is no limit.
    bytes_of : callable, default=40 bytes per pixel
        Bytes of a block as a function of its pixels.
    halo : int, default=None
        Pixels that are read beyond it on each side, at most a quarter of it; None is 128 in a
        plane, 32 in a volume.
    margin : int, default=0
        Pixels that the network reads beyond these.

    Returns
    -------
    tuple of int
        Whole chunks along each axis where these are shorter than what fits.
    """
    sides = list(_BLOCK[len(shape)])
    halo = _HALO[len(shape)] if halo is None else halo
    while memory is not None and min(sides) > _MIN_SIDE:
        read = [side + 2 * (min(halo, side // 4) + margin) for side in sides]
        if bytes_of(math.prod(read)) <= memory // 2:
            break
        sides[int(np.argmax(sides))] //= 2
    sides = [s // c * c if c < s else s for s, c in zip(sides, chunks, strict=True)]
    return tuple(min(side, size) for side, size in zip(sides, shape, strict=True))
