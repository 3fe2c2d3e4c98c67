"""Objects of a scan larger than memory: found, joined, counted and measured, block by block."""

import os
import shutil
import time
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from .job import make_job
from .joining import clean, finish, join_blocks
from .ledger import Ledger
from .opening import Scan, open_scan
from .workers import Workers

_BYTES = 40  # a voxel of a block needs: probabilities, mask, relief, labels, and their copies


@dataclass(frozen=True)
class ScanPlan:
    """What `count_scan` would do.

    Parameters
    ----------
    shape : tuple of int
        Of the scan, pixels.
    predict_shape, block_shape, halo, network_halo : tuple of int
        Blocks that the network predicts and that are split into objects, and what each reads
        beyond them.
    n_predict, n_blocks : int
        How many.
    overhead : float
        Pixels that the network sees, by those of the scan.
    memory : int
        Bytes that a worker needs at most, the network's own memory excluded: ``40 * voxels`` of a
        block with its halo.
    seconds : float or None
        Of the network on one worker, from one block that was measured.
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


@dataclass(frozen=True)
class ScanResult:
    """What `count_scan` found.

    Parameters
    ----------
    n_objects : int
    labels : dask array of int64
        From ``destination/labels/0``.
    table : pandas.DataFrame
        One row an object, as `InstanceCounter.measure` gives it.
    cut : pandas.DataFrame
        Objects that are larger than the halo, or that two blocks see differently: their ``id`` and
        ``reason``. They are counted as the blocks see them.
    destination : Path
    """

    n_objects: int
    labels: Any
    table: pd.DataFrame
    cut: pd.DataFrame
    destination: Path


def plan_scan(estimator, source, *, block_shape=None, halo=None, measure=True):
    """Tell blocks, overhead, memory and time before anything is computed.

    Parameters
    ----------
    estimator, source, block_shape, halo
        As in `count_scan`.
    measure : bool, default=True
        Whether to predict one block, in the middle of the scan, to estimate the time.

    Returns
    -------
    ScanPlan
    """
    job = make_job(estimator, _as_scan(source), block_shape, halo, None)
    plan = _plan(job)
    if not measure:
        return plan
    start = time.perf_counter()
    job.predict(len(job.predict_grid) // 2)
    seconds = (time.perf_counter() - start) * plan.n_predict
    return replace(plan, seconds=seconds)


def count_scan(
    estimator, source, destination, *, block_shape=None, halo=None, client=None, resume=True,
    keep_probabilities=False, skip_below=None, n_workers=None, verbose=False,
):  # fmt: skip
    """Count the objects of a scan that fits in no memory.

    Parameters
    ----------
    estimator : Pipeline
        Fitted: steps that work on images, a segmenter, and an `InstanceCounter` at the end.
    source : path, Scan or dask array of shape (*spatial) or (*spatial, n_channels)
        One scan; a path as `open_scan` takes it. Where segmenter and counter have
        ``sections="consecutive"``, its first axis counts the sections.
    destination : str or path-like
        A folder, which becomes an OME-Zarr image of labels with its pyramid, beside
        ``objects.parquet`` and ``objects.csv``.
    block_shape : tuple of int, default=None
        Pixels of the blocks that are split into objects; None is 2048 x 2048 or 128 x 512 x 512, or
        the scan.
    halo : int or tuple of int, default=None
        What such a block reads beyond itself, for objects that reach over its border; larger than
        they are. None is a quarter of the block. Components (without holes filled or fragments
        merged) need none.
    client : distributed.Client, default=None
        Of a cluster whose workers see `source` and `destination`; None: threads of this process.
    resume : bool, default=True
        Go on where an earlier call of the same model, source and parameters ended. False: anew.
    keep_probabilities : bool, default=False
        Keep ``destination/probabilities``.
    skip_below : float, default=None
        Blocks whose pixels, with the halo, are nowhere above this are background, without a look
        of the network.
    n_workers : int, default=None
        Threads where there is no client; None is one for each core. The network runs in one, since
        torch has threads of its own.
    verbose : bool, default=False
        Show a progress bar.

    Returns
    -------
    ScanResult

    Raises
    ------
    ValueError
        For an estimator or source that does not serve, and a destination that holds something else;
        before anything is written.
    ScanError
        If blocks failed for good; all others are finished.

    Notes
    -----
    Three stages: the network predicts blocks of the size of its tiles, with its own halo, so that
    probabilities are those of the whole scan in memory; blocks of these are split into objects; and
    objects of neighboring blocks are joined (components by the pixels that touch, others by their
    IoU where both blocks look) and numbered. After each stage a block's result is in a ledger.
    """
    scan = _as_scan(source)
    job = make_job(estimator, scan, block_shape, halo, skip_below)
    destination = Path(destination)
    _check_destination(destination)
    run = {**job.fingerprint(), "keep_probabilities": str(keep_probabilities)}
    if not resume and destination.exists():
        shutil.rmtree(destination)
    ledger = Ledger.open(destination / "ledger", run)
    job.create(destination)
    workers = Workers(job, client, n_workers, verbose)
    if not ledger.has("done", 0):
        workers.run("predict", range(len(job.predict_grid)), threads=1)
        workers.run("label", range(len(job.grid)))
        join_blocks(job, ledger)
        workers.run("write", range(len(job.grid)))
        finish(job, ledger)
    clean(job, ledger, keep_probabilities)
    return _result(job, ledger)


def _result(job, ledger):
    import dask.array as da

    table = pd.read_parquet(job.destination / "objects.parquet")
    found = ledger.read("join", len(job.grid))
    cut = pd.DataFrame({"id": found["ids"], "reason": found["reasons"].astype(str)})
    cut = cut.drop_duplicates().sort_values(["id", "reason"], ignore_index=True)
    if len(cut):
        warnings.warn(
            f"{cut.id.nunique()} object(s) are larger than the halo {job.halo}, or two blocks see "
            "them differently: their ids are in `cut`. A larger halo or block_shape helps.",
            stacklevel=3,
        )
    labels = da.from_zarr(job.destination / "labels" / "0")
    return ScanResult(len(table), labels, table, cut, job.destination)


def _plan(job):
    grown = (job.predict_box(i) for i in range(len(job.predict_grid)))
    seen = sum(int(np.prod([s.stop - s.start for s in box])) for box in grown)
    largest = [
        min(block + 2 * halo, size)
        for block, halo, size in zip(job.block_shape, job.halo, job.shape, strict=True)
    ]
    return ScanPlan(
        job.shape, job.core, job.block_shape, job.halo, job.network_halo,
        len(job.predict_grid), len(job.grid), seen / float(np.prod(job.shape)),
        _BYTES * int(np.prod(largest)),
    )  # fmt: skip


def _as_scan(source):
    if isinstance(source, (str, os.PathLike)):
        return open_scan(source)
    if isinstance(source, Scan):
        return source
    if not hasattr(source, "dask"):
        raise ValueError(
            "source must be a path, a Scan or a dask array, got "
            f"{type(source).__name__}; an array in memory needs no blocks."
        )
    return source  # its axes are known with the estimator


def _check_destination(destination):
    if destination.exists() and not destination.is_dir():
        raise ValueError(f"{destination} is a file; a folder is wanted.")
    if (
        destination.is_dir()
        and any(destination.iterdir())
        and not (destination / "ledger" / "run.json").exists()
    ):
        raise ValueError(f"{destination} holds something else than a scan of count_scan.")
    existing = next(p for p in (destination, *destination.absolute().parents) if p.exists())
    if not os.access(existing, os.W_OK):
        raise ValueError(f"{destination} cannot be written to.")
