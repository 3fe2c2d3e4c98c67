"""Objects of a scan larger than memory: found, joined, counted and measured, block by block."""

import json
import os
import time
import warnings
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..io.scans import Scan, open_scan
from .boxes import n_pixels
from .checkpoints import Ledger
from .fingerprint import fingerprint, predict_shape
from .joining import REASONS, join_blocks
from .output import clean, finish, remove
from .plan import BYTES, PREDICTED_BYTES, freeze, make_job, needs, pyramid_levels
from .scheduler import Progress, Workers

_N_VERIFIED_BLOCKS = 8  # finished blocks, whether the scan is what it was


@dataclass(frozen=True)
class ScanPlan:
    """What `count_scan` would do.

    Parameters
    ----------
    shape : tuple of int
        Of the scan, pixels.
    predict_shape, block_shape, halo, network_halo : tuple of int
        Blocks that the network predicts and that are split into objects, and what each reads
        beyond them. With ``method="contours"`` the network sees each block with its `halo`, and
        `network_halo` beyond that.
    n_predict, n_blocks : int
        How many, of which the mask leaves something.
    overhead : float
        Pixels that the network sees, by those of the scan.
    memory : int
        Bytes that a worker needs, besides the libraries': ``40 * voxels`` of a block with its halo,
        ``20 * voxels`` of what the network sees at once, and about what the network keeps of these:
        eight times the output of its largest layer, in float32. With ``method="contours"`` that is
        of a tile of `predict`, and there are ``128 * voxels`` more, for maps and proposals.
    seconds : float or None
        Of the network on one worker, from one block that was measured in this process, with its
        threads and its GPU; with ``method="contours"`` of finding objects, too.
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
    cut : pandas.DataFrame
        Objects that are larger than the halo, or that two blocks see differently: their ``id`` and
        ``reason``. They are counted as the blocks see them.
    destination : Path
    """

    n_objects: int
    labels: Any
    cut: pd.DataFrame
    destination: Path

    @cached_property
    def table(self):
        """One row an object, as `InstanceCounter.measure` gives it; a `pandas.DataFrame`, read from
        ``destination/objects.parquet`` when it is first asked for."""
        return pd.read_parquet(self.destination / "objects.parquet")


def plan_scan(
    estimator, source, *, block_shape=None, halo=None, client=None, mask=None, n_workers=None,
    measure=True,
):  # fmt: skip
    """Tell blocks, overhead, memory and time before anything is computed.

    Parameters
    ----------
    estimator, source, block_shape, halo, client, mask, n_workers
        As in `count_scan`: with the same ones it makes the same blocks.
    measure : bool, default=True
        Whether to predict one block, in the middle of those that the mask leaves, to estimate the
        time.

    Returns
    -------
    ScanPlan
    """
    memory = _memory(client, n_workers)
    job = make_job(estimator, _as_scan(source), block_shape, halo, mask=mask, memory=memory)
    left = job.allowed_blocks(job.grid if job.by_contours else job.predict_grid)
    plan = _plan(job, left)
    if not measure or not left:
        return plan
    freeze(job)
    start = time.perf_counter()
    job.look(left[len(left) // 2])
    seconds = (time.perf_counter() - start) * plan.n_predict
    return replace(plan, seconds=seconds)


def count_scan(
    estimator, source, destination, *, block_shape=None, halo=None, client=None, resume=True,
    keep_probabilities=False, intensity=False, skip_below=None, mask=None, n_workers=None,
    verbose=False,
):  # fmt: skip
    """Count the objects of a scan that fits in no memory.

    Parameters
    ----------
    estimator : Pipeline
        Fitted: steps that work on images, a segmenter, and an `InstanceCounter` at the end. With
        ``method="contours"`` the counter works on images, and there is no segmenter.
    source : path, Scan or dask array of shape (*spatial) or (*spatial, n_channels)
        One scan; a path as `open_scan` takes it. Where segmenter and counter have
        ``sections="consecutive"``, its first axis counts the sections.
    destination : str or path-like
        A folder, which becomes an OME-Zarr image of labels with its pyramid, beside
        ``objects.parquet`` and ``objects.csv``.
    block_shape : tuple of int, default=None
        Pixels of the blocks that are split into objects; None is 2048 x 2048 or 128 x 512 x 512,
        less where a worker has little memory, in whole chunks of the scan, or the scan; and what an
        earlier call had that is gone on with.
    halo : int or tuple of int, default=None
        What such a block reads beyond itself, for objects that reach over its border; larger than
        they are, with the gaps between their fragments. None is 128 pixels, in volumes 32, with
        ``method="contours"`` four diameters of the typical object that was learned, and at most a
        quarter of the block. Components (without holes filled or fragments merged) need none.
    client : distributed.Client, default=None
        Of a cluster whose workers see `source` and `destination`; None: threads of this process.
    resume : bool, default=True
        Go on where an earlier call of the same model, source and parameters ended. False: anew.
    keep_probabilities : bool, default=False
        Keep ``destination/probabilities``; with ``method="contours"`` there are none.
    intensity : bool, default=False
        Give the mean of the scan over each object in the table, ``mean_intensity``, or
        ``mean_intensity_0``, ... of each channel, as `InstanceCounter.measure` does. Blocks with
        objects are read once more for it, but with ``method="contours"``.
    skip_below : float, default=None
        Blocks whose pixels, with the halo, are nowhere above this are background, without a look
        of the network.
    mask : array of bool or int, default=None
        Of numpy or dask, as large as the scan or coarser, with an axis for each spatial axis of the
        scan, which it covers. Where it is 0 is background, for which objects are cut off there;
        blocks in which it is 0 everywhere are neither read nor predicted.
    n_workers : int, default=None
        Threads where there is no client; None is one for each core. The network runs in one of them
        at a time, since torch has threads of its own; meanwhile others split, measure and write.
    verbose : bool, default=False
        Show a progress bar: voxels and voxels per second, blocks, objects so far, time left.

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
    The network predicts blocks with its own halo, so that probabilities are those of the whole scan
    in memory; blocks of these are split into objects as soon as they are there; objects of
    neighboring blocks are joined (components by the pixels that touch, others by their IoU where
    both blocks look), numbered, and written. After each stage a block's result is in a ledger.

    With ``method="contours"`` each block is read once, with `halo` and what the network looks at
    beyond that, from a multiple of the network's stride on, so that the detector finds in it what
    it finds in the whole scan (up to the last digit of float32 numbers, which may depend on the
    size of what is convolved; and where an eighth of a tile of `predict` covers what the network
    looks at, as it does up to a depth of 4). The rest goes as for a watershed. ``score``,
    ``contour_area``, ``perimeter`` and ``polygon`` are those of `InstanceCounter.measure`. Of an
    object in several blocks each block's score and outline weigh as many pixels as it writes; they
    are the same unless the object is listed in `cut`.
    """
    scan, destination = _as_scan(source), Path(destination).absolute()
    _check_destination(destination)
    options = {"skip_below": skip_below, "mask": mask, "memory": _memory(client, n_workers)}
    earlier = Ledger(destination / "ledger").run() if block_shape is None and resume else {}
    if "block_shape" in earlier:
        options["chosen"] = json.loads(earlier["block_shape"])
    job = make_job(estimator, scan, block_shape, halo, **options)
    if earlier and predict_shape(job) != earlier.get("predict_shape"):  # it was given then
        job = make_job(estimator, scan, options.pop("chosen", None), halo, **options)
    if keep_probabilities and job.by_contours:
        raise ValueError(
            "keep_probabilities must be False with method='contours', which finds objects in the "
            f"scan itself and predicts no probabilities, got {keep_probabilities!r}."
        )
    if not isinstance(intensity, (bool, np.bool_)):
        raise ValueError(f"intensity must be True or False, got {type(intensity).__name__}.")
    job.keep_probabilities, job.intensity = keep_probabilities, bool(intensity)
    run = fingerprint(job, estimator)
    if not resume and destination.exists():
        remove(destination)
    ledger = Ledger.open(destination / "ledger", run)
    job.create(destination)
    _check_seen(job, ledger, run["stamps"])
    if not ledger.has("done", 0):
        job.owner = ledger.take_over()
        freeze(job, ledger)
        workers = Workers(job, client, n_workers)
        sizes = [n_pixels(box) for box in job.grid]
        progress = Progress(sizes, verbose, lambda i: int(ledger.read("sums", i)["n"]))
        try:
            workers.run(needs(job), progress)
        finally:
            progress.close()
        join_blocks(job, ledger)
        workers.run({("write", i): [] for i in range(len(job.grid))})
        for level in pyramid_levels(job):
            workers.run({("shrink", k): [] for k in level})
        finish(job, ledger)
    clean(job, ledger)
    return _result(job, ledger)


def _check_seen(job, ledger, stamps):
    """Refuse a scan whose pixels are others than those that finished blocks were made of.

    A few blocks are read again; all, where a file's size or time has changed. Those that failed may
    have been put right.
    """
    changed, all_read = ledger.run()["stamps"] != stamps, True
    for i, crc in job.seen(None if changed else _N_VERIFIED_BLOCKS).items():
        try:
            same = job.sees(i) == crc
        except Exception:  # what cannot be read now is told where a block needs it
            all_read = False
            continue
        if not same:
            raise ValueError(
                f"{job.destination} holds a run of another source: the scan has changed in what "
                f"the network saw for block {i}. Give another destination, or resume=False to "
                "start anew."
            )
    if changed and all_read:
        ledger.note(stamps)


def _memory(client, n_workers):
    """Bytes of a worker."""
    from distributed.system import MEMORY_LIMIT

    if client is None:
        return MEMORY_LIMIT // (n_workers or os.cpu_count() or 1)
    workers = client.scheduler_info(n_workers=-1)["workers"].values()
    if not workers:  # of a cluster that starts them for tasks
        client.submit(int, pure=False).result()
        workers = client.scheduler_info(n_workers=-1)["workers"].values()
    limits = [w["memory_limit"] // w["nthreads"] for w in workers if w["memory_limit"]]
    return min(limits, default=None)


def _result(job, ledger):
    import dask.array as da

    found = ledger.read("join", len(job.grid))
    cut = pd.DataFrame({"id": found["ids"], "reason": np.array(REASONS)[found["reasons"]]})
    cut = cut[cut.id > 0].drop_duplicates().sort_values(["id", "reason"], ignore_index=True)
    if len(cut):
        warnings.warn(
            f"{cut.id.nunique()} object(s) are larger than the halo {job.halo}, or two blocks see "
            "them differently: their ids are in `cut`. A larger halo or block_shape helps.",
            stacklevel=3,
        )
    labels = da.from_zarr(job.destination / "labels" / "0")
    return ScanResult(int(found["n_objects"]), labels, cut, job.destination)


def _plan(job, left):
    """What is to be done, with the blocks of the network that the mask leaves."""
    seen = [n_pixels(job.predict_box(i)) for i in left]
    one = max(seen, default=0) // (job.predict_box(0)[0].stop if job.consecutive else 1)
    network = job.network.block_bytes(one)
    largest = [
        min(block + 2 * halo, size)
        for block, halo, size in zip(job.block_shape, job.halo, job.shape, strict=True)
    ]
    return ScanPlan(
        job.shape, job.core, job.block_shape, job.halo, job.network_halo,
        len(left), len(job.allowed_blocks(job.grid)), sum(seen) / float(np.prod(job.shape)),
        BYTES * int(np.prod(largest)) + PREDICTED_BYTES * max(seen, default=0) + network,
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
    held = destination.is_dir() and not (destination / "ledger" / "run.json").exists()
    # A run that was killed at once leaves a part of the file that tells of it.
    if held and any(path.is_file() and path.suffix != ".part" for path in destination.rglob("*")):
        raise ValueError(f"{destination} holds something else than a scan of count_scan.")
    existing = next(p for p in (destination, *destination.absolute().parents) if p.exists())
    if not os.access(existing, os.W_OK):
        raise ValueError(f"{destination} cannot be written to.")
