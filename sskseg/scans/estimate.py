"""Estimates of blocks, memory and time before a scan is counted."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from joblib import cpu_count
from sklearn.pipeline import Pipeline

from ..io.scans import Scan
from .boxes import n_pixels
from .domain import check_domain
from .object_diameter import measure_diameter
from .plan import INPUT_BYTES, OBJECT_BYTES, Plan, make_plan
from .reading import allowed_blocks
from .scaling import freeze_scaling
from .timing import block_seconds
from .validation import as_scan, check_options

if TYPE_CHECKING:
    from dask.array import Array
    from distributed import Client


@dataclass(frozen=True)
class ScanPlan:
    """What `count_scan` would do.

    Parameters
    ----------
    shape : tuple of int
        Size of the scan in pixels.
    predict_shape, block_shape, halo, network_halo : tuple of int
        Blocks that the network predicts, blocks that are split into objects, and what each reads
        beyond them. With ``method="contours"`` the network reads each block with its `halo`, and
        `network_halo` beyond that.
    n_predict, n_blocks : int
        How many of these blocks the mask leaves.
    overhead : float
        Pixels that the network reads, divided by those of the scan.
    memory : int
        Bytes that a worker needs, besides those of the libraries: ``40 * voxels`` of a block with
        its halo, ``20 * voxels`` of what the network reads at once, and an estimate of what the
        network keeps of these: eight times the output of its largest layer, in float32. With
        ``method="contours"`` that is for a tile of `predict`, with ``128 * voxels`` more for the
        network's outputs and proposals.
    seconds : float or None
        Estimate for one worker: predicting, splitting into objects, measuring and writing, from one
        block measured in this process, with its threads and its GPU. Matching, joining, the table
        and coarser levels come in addition.
    object_diameter : float or None
        Diameter of the objects in pixels, as given to `count_scan` or measured on the scan. None:
        that of the training images, or the segmenter does not resample images.
    """

    shape: tuple[int, ...]
    predict_shape: tuple[int, ...]
    block_shape: tuple[int, ...]
    halo: tuple[int, ...]
    network_halo: tuple[int, ...]
    n_predict: int
    n_blocks: int
    overhead: float
    memory: int
    seconds: float | None = None
    object_diameter: float | None = None


def plan_scan(
    estimator: Pipeline,
    source: str | os.PathLike | Scan | Array,
    *,
    block_shape: int | tuple[int, ...] | None = None,
    halo: int | tuple[int, ...] | None = None,
    client: Client | None = None,
    mask: Any = None,
    n_workers: int | None = None,
    object_diameter: float | None = None,
    measure: bool = True,
    storage_options: Mapping[str, Any] | None = None,
) -> ScanPlan:
    """Estimate blocks, overhead, memory and time before a scan is counted.

    Parameters
    ----------
    estimator, source, block_shape, halo, client, mask, n_workers, object_diameter
        As in `count_scan`: with the same ones it makes the same blocks.
    measure : bool, default=True
        Whether to process one block, in the middle of those that the mask leaves, to estimate the
        time. What it writes goes to a temporary folder, which is removed.
    storage_options : dict, default=None
        Options of a URL, as in `open_scan`.

    Returns
    -------
    ScanPlan
    """
    memory, scan = worker_memory(client, n_workers), as_scan(source, storage_options)
    check_options(object_diameter=object_diameter)
    plan = make_plan(
        estimator, scan, block_shape, halo, mask=mask, memory=memory,
        object_diameter=object_diameter, measure=measure_diameter,
    )  # fmt: skip
    blocks = allowed_blocks(plan, plan.grid if plan.from_images else plan.network_grid)
    estimate = _summarize(plan, blocks)
    if not measure or not blocks:
        return estimate
    frozen = freeze_scaling(check_domain(plan))
    seconds = block_seconds(frozen, blocks[len(blocks) // 2])
    of_objects = (seconds["objects"] + seconds["write"]) * estimate.n_blocks
    return replace(estimate, seconds=seconds["predict"] * estimate.n_predict + of_objects)


def _summarize(plan: Plan, blocks: list[int]) -> ScanPlan:
    """Summarize a plan, of whose network the mask leaves some blocks."""
    reader, grid = plan.predictor or plan.objects, plan.network_grid
    inputs = [grid.input_box(i) for i in blocks]
    n_inputs = [n_pixels(box) for box in inputs]
    sample_sizes = [n_pixels(box[1:] if plan.consecutive else box) for box in inputs]
    sides = zip(plan.grid.core, plan.grid.halo, plan.shape, strict=True)
    block_size = math.prod(min(side + 2 * halo, size) for side, halo, size in sides)
    return ScanPlan(
        shape=plan.shape,
        predict_shape=grid.core,
        block_shape=plan.grid.core,
        halo=plan.grid.halo,
        network_halo=grid.halo,
        n_predict=len(blocks),
        n_blocks=len(allowed_blocks(plan, plan.grid)),
        overhead=sum(n_inputs) / math.prod(plan.shape),
        memory=OBJECT_BYTES * block_size
        + INPUT_BYTES * max(n_inputs, default=0)
        + reader.memory(max(sample_sizes, default=0)),
        object_diameter=plan.object_diameter,
    )


def worker_memory(client: Client | None, n_workers: int | None) -> int | None:
    """Return the bytes of a worker; None where they are not limited."""
    from distributed.system import MEMORY_LIMIT

    if client is None:
        return MEMORY_LIMIT // (n_workers or cpu_count())
    workers = client.scheduler_info(n_workers=-1)["workers"].values()
    if not workers:  # of a cluster that starts them for tasks
        client.submit(int, pure=False).result()
        workers = client.scheduler_info(n_workers=-1)["workers"].values()
    limits = [w["memory_limit"] // w["nthreads"] for w in workers if w["memory_limit"]]
    return min(limits, default=None)
