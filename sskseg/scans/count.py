"""Counting the objects of a scan larger than memory, block by block."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from ..io.ome_zarr.metadata import warn_of_unit
from ..io.scans import Scan
from ..io.storage import FileStorage, open_storage
from ..training.prediction_callbacks import Prediction
from .checkpoints import Ledger
from .digest import hash_of
from .domain import check_domain
from .estimate import worker_memory
from .fingerprint import fingerprint, predict_shape
from .joining import REASONS
from .object_diameter import measure_diameter
from .output import clean, remove
from .plan import make_plan
from .running import run_tasks
from .shards import check_shard
from .store import Store
from .validation import as_scan, check_intensity, check_options, open_destination
from .verification import check_source

if TYPE_CHECKING:
    from dask.array import Array
    from distributed import Client

_CHOSEN = ("block_shape", "object_diameter")  # by the first run, where they are unspecified


@dataclass(frozen=True)
class ScanResult:
    """The result of `count_scan`.

    Parameters
    ----------
    n_objects : int
    labels : dask array of int
        Read from ``destination/labels/0``, of the smallest unsigned type that holds all ids.
    cut : pandas.DataFrame
        Objects that are larger than the halo, or that two blocks segment differently: their ``id``
        and ``reason``. They are counted as the blocks segment them.
    destination : Path or str
        A URL is a str.
    storage_options : dict, default=None
        Options of a URL, as `count_scan` takes them.
    """

    n_objects: int
    labels: Any
    cut: pd.DataFrame
    destination: Path | str
    storage_options: dict[str, Any] | None = field(default=None, repr=False)

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row for each object, as `InstanceCounter.measure` returns it, with the units of its
        columns in ``attrs["units"]``; read from ``destination/objects.parquet`` at the first
        access."""
        storage = open_storage(self.destination, self.storage_options)
        with storage.explained():
            return pd.read_parquet(
                f"{storage.place}/objects.parquet", storage_options=storage.options
            )


def count_scan(
    estimator: Pipeline,
    source: str | os.PathLike | Scan | Array,
    destination: str | os.PathLike,
    *,
    block_shape: int | tuple[int, ...] | None = None,
    halo: int | tuple[int, ...] | None = None,
    client: Client | None = None,
    resume: bool = True,
    keep_probabilities: bool = False,
    intensity: bool = False,
    skip_below: float | None = None,
    mask: Any = None,
    n_workers: int | None = None,
    shard: tuple[int, int] | None = None,
    zarr_format: int = 3,
    object_diameter: float | None = None,
    verbose: bool = False,
    storage_options: Mapping[str, Any] | None = None,
) -> ScanResult:
    """Count the objects of a scan larger than memory.

    Parameters
    ----------
    estimator : Pipeline
        A fitted pipeline of preprocessing, a segmenter, and an `InstanceCounter` at the end. With
        ``method="contours"``, the counter works on images, and there is no segmenter. Estimators of
        your own must implement `sskseg.scans.protocol`.
    source : path, Scan or dask array of shape (*spatial) or (*spatial, n_channels)
        One scan: a path or URL that `open_scan` accepts, a `Scan`, or a dask array. If segmenter
        and counter have ``sections="consecutive"``, the first axis is that of the sections.
    destination : str or path-like
        A folder, or a URL of an object store such as ``s3://bucket/result``. It becomes an OME-Zarr
        group of labels with a pyramid [1]_. The tables ``objects.parquet`` and
        ``objects.csv`` are beside the labels. The first line of the CSV file contains units:
        ``area [micrometer^2]``.
    block_shape : tuple of int, default=None
        Size in pixels of the blocks that are split into objects. None is 2048 x 2048, or 128 x 512
        x 512 in volumes. It is less if a worker has little memory or the scan is smaller, and a
        multiple of the chunks of the scan. A resumed run keeps its blocks.
    halo : int or tuple of int, default=None
        Number of pixels that a block reads beyond its border, for objects that cross it. It should
        exceed the size of objects, including gaps between their fragments. None is 128 pixels, 32
        in volumes, and four diameters of the typical object with ``method="contours"``, but at most
        a quarter of the block. Components need no halo if holes are not filled and fragments are
        not merged.
    client : distributed.Client, default=None
        Client of a dask cluster whose workers can open `source` and `destination`. None uses
        threads of this process.
    resume : bool, default=True
        Whether to resume an earlier call with the same model, source and parameters. False starts
        from scratch.
    keep_probabilities : bool, default=False
        Whether to keep ``destination/probabilities``, and ``destination/cores`` if cores are the
        seeds of objects. With ``method="contours"`` there are no probabilities.
    intensity : bool, default=False
        Whether to add the mean, minimum and maximum intensity of each object to the table, as
        ``mean_intensity``, ``min_intensity`` and ``max_intensity``, or for each channel as
        ``mean_intensity_0`` and so on. Blocks with objects are then read once more, except with
        ``method="contours"``.
    skip_below : float, default=None
        If no pixel of a block and its halo exceeds this intensity, the block is background, and the
        network does not run.
    mask : array of bool or int, default=None
        Mask of the scan, of numpy or dask. It covers the scan, with the same or a coarser
        resolution, and has one axis for each spatial axis. Pixels where it is 0 are background;
        objects are cut at its border. Blocks in which it is 0 everywhere are neither read nor
        predicted. NaN and infinities of the scan are allowed where the mask is 0.
    n_workers : int, default=None
        Number of threads, if there is no client. None is the number of cores. On CPUs, each thread
        runs its own network, with one thread of torch, if there are as many workers as threads of
        torch and all networks fit in half of the memory. Otherwise, and on a GPU, one network runs
        at a time, while other threads split, measure and write.
    shard : (int, int), default=None
        Index of this process (from 0), and number of processes that count the scan together. Each
        process makes the same call, with a `destination` that all can write to. They share the
        blocks without a scheduler. If a process is killed, others take over its blocks. Each call
        returns the whole result. Not available with `client` or ``resume=False``.
    zarr_format : {2, 3}, default=3
        Version of Zarr that is written. 3 is OME-Zarr 0.5, with one file (a shard) for each block.
        2 is OME-Zarr 0.4, for programs that do not read Zarr 3. It has no shards: each chunk, of at
        most 512 x 512 pixels or 128 x 128 x 128 voxels, is a file. The voxels are the same.
    object_diameter : float, default=None
        Typical diameter of the objects of the scan in pixels, for segmenters that resample images
        to one size of objects (`object_size_`). None is that of the training images. If these have
        objects of different sizes, it is measured on the crops of the scan that vary most.
    verbose : bool, default=False
        Whether to show a progress bar with voxels, voxels per second, blocks, objects so far, and
        the remaining time.
    storage_options : dict, default=None
        Options of the file system of fsspec, if `destination` or `source` is a URL: for example
        ``endpoint_url``, ``key`` and ``secret`` of S3. Missing options are read from the
        environment. If the scan needs other options than the destination, open it with `open_scan`.

    Returns
    -------
    ScanResult

    Raises
    ------
    ValueError
        If the estimator or the source is unsuitable, or the destination holds something else.
        Nothing was written then. The source is also unsuitable if it, or a section of it, has fewer
        pixels than the `min_size_` of the counter. Also if another process runs the same shard.
    PermissionError
        If an object store refuses the credentials.
    ScanError
        If blocks failed repeatedly. All blocks that do not need them are finished.
    PredictionStopped
        If a callback of `sskseg.training.prediction_callbacks` requested a stop. Another call
        resumes the run.

    Warns
    -----
    UserWarning
        If objects are cut (see `ScanResult`), or NGFF does not support the unit of the scan.

    Notes
    -----
    The scan is processed in tasks. Each task is a function of one block:

    1. *predict*: the network predicts blocks with its own halo, so that probabilities are those of
       the whole scan in memory;
    2. *objects*: each block of probabilities, with `halo`, is split into objects as soon as it is
       available; they are measured in the block;
    3. *match*: objects of neighboring blocks are matched, components by the pixels that touch,
       others by their IoU where both blocks overlap;
    4. *join*: one process merges the matches and numbers all objects;
    5. *rows*: the sums of the objects that start in a block are merged into rows of the table;
    6. *table*: one process joins the rows of all blocks, meanwhile
    7. *write*: the labels of each block are written under their final ids, and
    8. *downsample*: coarser levels of the labels are written.

    After each task, the result of a block is entered in a ledger, with a checksum. If a run is
    killed, the next call computes only blocks that are missing or damaged.

    With ``method="contours"`` there is no *predict*. Each block is read once, with `halo` and,
    beyond that, the receptive field of the network. Blocks begin at multiples of the stride of the
    network, so that the detector finds the same objects as in the whole scan. Results are equal up
    to rounding of float32, if an eighth of a tile of `predict` covers the receptive field, which is
    true up to a depth of 4. ``score``, ``contour_area``, ``perimeter`` and ``polygon`` are those of
    `InstanceCounter.measure`. If an object lies in several blocks, its score and outline are means
    over the blocks, weighted by the number of pixels that each block writes. The blocks agree
    unless the object is listed in `cut`.

    References
    ----------
    .. [1] Moore et al. OME-NGFF: a next-generation file format for expanding bioimaging
       data-access strategies. Nature Methods 2021. :doi:`10.1038/s41592-021-01326-w`
    """
    scan = as_scan(source, storage_options)
    storage = open_destination(destination, storage_options, source)
    check_intensity(intensity)
    check_options(
        resume=resume, keep_probabilities=keep_probabilities, verbose=verbose,
        skip_below=skip_below, n_workers=n_workers, zarr_format=zarr_format,
        object_diameter=object_diameter,
    )  # fmt: skip
    one_of = check_shard(shard, client, resume)
    plan_run = partial(
        _plan_run, estimator, scan, block_shape, halo, memory=worker_memory(client, n_workers),
        mask=mask, skip_below=skip_below, keep_probabilities=keep_probabilities,
        intensity=bool(intensity), zarr_format=zarr_format, object_diameter=object_diameter,
    )  # fmt: skip
    plan = plan_run(Ledger(storage).run() if resume else {})
    run = fingerprint(plan, estimator)
    if not resume:
        remove(storage)
    recorded = Ledger(storage).start(run)
    if any(recorded.get(key) != run[key] for key in _CHOSEN):  # by a shard that started meanwhile
        plan = plan_run(recorded)
        run = fingerprint(plan, estimator)
    ledger = Ledger.open(storage, run)
    store = Store(storage)
    store.create(plan)
    check_source(plan, store, run["stamps"])
    if not ledger.has("done", 0):
        warn_of_unit(plan.scan.unit, stacklevel=2)
        run_tasks(
            estimator, check_domain(plan), store, client=client, n_workers=n_workers,
            shard=one_of, verbose=verbose,
        )  # fmt: skip
    clean(plan, store)
    Prediction(estimator, 1).end()
    return _result(plan, store)


def _plan_run(estimator, scan, block_shape, halo, earlier, object_diameter, **options):
    """Plan a run, with the blocks and the diameter of an earlier run where they are unspecified."""
    if earlier and earlier.get("model") != hash_of(estimator):
        earlier = {}  # what another model chose; `Ledger.open` refuses its run
    if object_diameter is None:
        object_diameter = json.loads(earlier.get("object_diameter", "null"))
    plan_with: Any = partial(make_plan, estimator, scan, measure=measure_diameter, **options)
    earlier = earlier if block_shape is None else {}
    chosen = json.loads(earlier["block_shape"]) if "block_shape" in earlier else None
    plan = plan_with(block_shape, halo, chosen=chosen, object_diameter=object_diameter)
    if earlier and predict_shape(plan) != earlier.get("predict_shape"):  # it was specified
        plan = plan_with(chosen, halo, object_diameter=plan.object_diameter)
    if plan.keep_probabilities and plan.from_images:
        raise ValueError(
            "keep_probabilities must be False with method='contours', which finds objects in the "
            f"scan itself and predicts no probabilities, got {plan.keep_probabilities!r}."
        )
    return plan


def _result(plan, store):
    import dask.array as da
    import zarr

    done = store.ledger.read("done", 0)
    cut = pd.DataFrame({"id": done["ids"], "reason": np.array(REASONS)[done["reasons"]]})
    cut = cut[cut.id > 0].drop_duplicates().sort_values(["id", "reason"], ignore_index=True)
    if len(cut):
        warnings.warn(
            f"{cut.id.nunique()} object(s) are larger than the halo {plan.grid.halo}, or two "
            "blocks segment them differently: their ids are in `cut`. Use a larger "
            "halo or block_shape.",
            stacklevel=3,
        )
    storage = store.storage
    with storage.explained():
        labels = da.from_zarr(zarr.open_array(storage.zarr(), path="labels/0", mode="r"))
    destination = storage.folder if isinstance(storage, FileStorage) else storage.place
    return ScanResult(int(done["n_objects"]), labels, cut, destination, storage.options)
