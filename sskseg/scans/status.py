"""How far a run of `count_scan` is."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..io.storage import Storage, open_storage
from .checkpoints import Ledger
from .shards import shard_status


@dataclass(frozen=True)
class ScanStatus:
    """What is finished of a run.

    Parameters
    ----------
    done : bool
    n_objects : int or None
        None before all blocks are joined.
    shape, block_shape : tuple of int
        Of the scan, and of the blocks that are split into objects, pixels.
    finished, total : dict of str to int
        Blocks of each task; of runs of earlier versions the total is unknown, and empty.
    n_shards : int or None
        Processes that share the blocks; None without shards.
    shards : tuple of int
        Indices of those that have a heartbeat; a process that was killed leaves its last one.
    """

    done: bool
    n_objects: int | None
    shape: tuple[int, ...]
    block_shape: tuple[int, ...]
    finished: dict[str, int]
    total: dict[str, int]
    n_shards: int | None = None
    shards: tuple[int, ...] = ()


def scan_status(
    destination: str | os.PathLike, storage_options: Mapping[str, Any] | None = None
) -> ScanStatus:
    """Read how far a run is, also while it runs.

    Parameters
    ----------
    destination : str or path-like
        A path or a URL.
    storage_options : dict, default=None
        Options of a URL, as in `open_scan`.

    Returns
    -------
    ScanStatus

    Raises
    ------
    ValueError
        If it is no destination of `count_scan`, or damaged.
    """
    ledger = Ledger(open_storage(destination, storage_options))
    run = ledger.run()
    if not run:
        raise ValueError(f"{destination} is no destination of a scan: it has no record of a run.")
    total = json.loads(run.get("blocks", "{}"))
    shape = tuple(total.pop("shape", ()))
    done = ledger.has("done", 0)
    n_objects, last = None, total.get("objects", -1)
    entry = ("done", 0) if done else ("join", last)
    if ledger.has(*entry):
        n_objects = int(ledger.read(*entry)["n_objects"])
    counted = ledger.n_finished()  # of a run that is done, nothing else is kept
    finished = dict(total) if done else {task: counted.get(task, 0) for task in total or counted}
    return ScanStatus(
        done, n_objects, shape, tuple(json.loads(run["block_shape"])), finished, total,
        *shard_status(ledger),
    )  # fmt: skip


def recorded_diameter(storage: Storage) -> float | None:
    """Read the diameter of the objects in pixels that a run was given or has measured.

    Parameters
    ----------
    storage : Storage
        Destination of the run.

    Returns
    -------
    float or None
        None: that of the training images, or the segmenter does not resample images.
    """
    return json.loads(Ledger(storage).run().get("object_diameter", "null"))
