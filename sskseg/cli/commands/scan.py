"""``sskseg scan``: count the objects of a scan larger than memory."""

from __future__ import annotations

import argparse
import json
import re
import shlex
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ...io.scans import open_scan
from ...io.storage import Storage, open_storage
from ...scans import ScanError, count_scan, plan_scan
from ...scans.status import ScanStatus, recorded_diameter, scan_status
from ...training import prediction_callbacks
from ..main import CommandFailed
from ..record import RECORD, Record
from ..sizes import bytes_text, count_text, duration_text, of_total, shape_text
from ._common import (
    OF_TRAINING,
    model_file,
    model_of,
    say,
    say_size,
    size_of_training,
    source_of_size,
)
from ._scans import open_source

_CUT = "cut.csv"
# Tasks of a scan, as a user knows them.
_TASKS = {
    "predict": "predicted by the network", "objects": "split into objects",
    "match": "compared with their neighbors", "write": "written as labels",
    "downsample": "written at lower resolutions",
}  # fmt: skip


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Estimate, run, or show the progress of a scan."""
    if options.action == "status":
        return _status(options, open_storage(options.source))
    model, scan = model_of(options), open_source(options.source, options)
    return _plan(options, model, scan) if options.action == "plan" else _run(options, model, scan)


def _mask(options):
    if options.mask is None:
        return None
    scan = open_scan(options.mask)
    is_color = scan.data.shape[len(scan.spacing) :] == (3,)
    return scan.data.any(axis=-1) if is_color else scan.data  # black is background


def _plan(options, model, scan):
    shapes = {"block_shape": options.block_shape, "halo": options.halo}
    mask = _mask(options)
    plan = plan_scan(
        model, scan, n_workers=options.workers, mask=mask,
        object_diameter=options.object_diameter, **shapes,
    )  # fmt: skip
    network = f"{count_text(plan.n_predict, 'block')} of {shape_text(plan.predict_shape)} pixels"
    objects = f"{count_text(plan.n_blocks, 'block')} of {shape_text(plan.block_shape)} pixels"
    lines = {
        "scan": f"{shape_text(plan.shape)} pixels, {bytes_text(scan.data.nbytes)}",
        "size of a pixel": _size_text(*_size(options, model, scan)),
        "network": f"{network}, and {shape_text(plan.network_halo)} around each: it reads "
        f"{plan.overhead:.2f} times the pixels of the scan",
        "objects": f"{objects}, and {shape_text(plan.halo)} around each",
        "memory": f"{bytes_text(plan.memory)} for each worker, and the libraries",
        "time": "unknown" if plan.seconds is None else
        f"about {duration_text(plan.seconds)} on one worker of this computer",
    }  # fmt: skip
    for name, text in lines.items():
        say(options, f"{name + ':':<17}{text}")
    _say_diameter(options, plan.object_diameter)
    arguments = [argument for argument in options.arguments if argument != "--json"]
    arguments[arguments.index("plan")] = "run"
    out = [] if options.out is not None else ["--out", "DESTINATION"]
    command = shlex.join(["sskseg", *arguments, *out])
    say(options, f"\nCount with: {command}")
    return {**asdict(plan), "continue": command}


def _say_diameter(options, diameter):
    if diameter is not None:
        say(options, f"object diameter: {diameter:.3g} pixels")


def _size(options, model, scan):
    """Size of a pixel that `count_scan` uses, its unit, and where it comes from."""
    if scan.has_size:
        return scan.spacing, scan.unit, source_of_size(options)
    return *size_of_training(model), OF_TRAINING


def _size_text(spacing, unit, source):
    if spacing is None:
        return "unknown; give it by --spacing if results should have units"
    size = f"{shape_text(f'{step:g}' for step in spacing)} {unit or ''}".strip()
    return f"{size} ({source})"


def _run(options, model, scan):
    shapes = {"block_shape": options.block_shape, "halo": options.halo}
    record = Record(options.arguments, [model_file(options.model)])
    storage, mask = open_storage(options.out), _mask(options)
    say_size(options, *_size(options, model, scan))
    start = _Start(record, storage, options)
    with _client(options.scheduler) as client, prediction_callbacks(start):
        try:
            result = count_scan(
                model, scan, options.out, client=client, n_workers=options.workers, mask=mask,
                resume=not options.fresh, intensity=options.intensity,
                zarr_format=options.zarr_format or 3, object_diameter=options.object_diameter,
                skip_below=options.skip_below, verbose=not options.json, shard=options.shard,
                **shapes,
            )  # fmt: skip
        except ScanError as error:
            raise CommandFailed(str(error)) from error
    start.begin()  # where the run was finished
    found: dict[str, Any] = {"objects": result.n_objects, "cut": len(result.cut)}
    found |= {} if start.diameter is None else {"object_diameter": start.diameter}
    storage.put(RECORD, record.content(result=found))
    storage.put(_CUT, result.cut.to_csv(index=False).encode())
    objects = count_text(result.n_objects, "object")
    say(options, f"{objects}; {len(result.cut)} of them are cut by blocks")
    tables = f"objects.csv, objects.parquet, {_CUT}"
    say(options, f"Wrote {tables} and labels (OME-Zarr) to {options.out}")
    return found


class _Start:
    """Write the record when the first block is finished, for `status` of a run that is killed, and
    show the diameter of the objects.

    Not before, since nothing may be written where the input is refused.
    """

    def __init__(self, record: Record, storage: Storage, options: argparse.Namespace):
        self.record, self.storage, self.options = record, storage, options
        self.has_begun = False
        self.diameter: float | None = None

    def on_prediction_progress(self, estimator, progress, seconds_left):
        self.begin()

    def begin(self):
        if self.has_begun:
            return
        self.has_begun = True
        self.storage.put(RECORD, self.record.content(result=None))
        self.diameter = recorded_diameter(self.storage)
        _say_diameter(self.options, self.diameter)


def _client(address):
    """A client of a dask scheduler, which closes at the end of a block; None without an address."""
    if address is None:
        return nullcontext()
    from distributed import Client

    return Client(address)


def _status(options: argparse.Namespace, storage: Storage) -> dict[str, Any]:
    """Show what is done of what, and which command resumes it."""
    status = scan_status(options.source)
    command = None if status.done else _command(storage)
    if status.done:
        n = "" if status.n_objects is None else f": {count_text(status.n_objects, 'object')}"
        say(options, f"Done{n}.")
        place = options.source.rstrip("/")
        say(options, f"The table is {place}/objects.csv, the labels are {place}/labels.")
    else:
        _say_progress(options, status)
        say(options, f"\nResume with: {command or 'the sskseg scan run that wrote this folder'}")
    blocks = {
        task: {"finished": n, "total": status.total.get(task)}
        for task, n in status.finished.items()
    }
    found = {"done": status.done, "blocks": blocks, "continue": command}
    if status.n_shards is not None:
        found["shards"] = {"count": status.n_shards, "running": list(status.shards)}
    return found if status.n_objects is None else {**found, "objects": status.n_objects}


def _say_progress(options: argparse.Namespace, status: ScanStatus) -> None:
    scan = f"a scan of {shape_text(status.shape)} pixels" if status.shape else "the scan"
    say(options, f"Not done. Blocks of {scan}:")
    for task, n in status.finished.items():
        total = status.total.get(task)
        text = count_text(n, "block") if total is None else of_total(n, total)
        say(options, f"  {_TASKS.get(task, task) + ':':<30}{text}")
    if status.n_shards is not None:
        numbers = ", ".join(map(str, status.shards)) or "none"
        say(options, f"Of {status.n_shards} shards these have started and not ended: {numbers}")


def _command(storage):
    """The command that wrote a destination, from its record."""
    content = storage.read(RECORD)
    if content is None:
        return None
    record = json.loads(content)
    arguments = [argument for argument in record["command"] if argument != "--fresh"]
    # All shards write this record: each is resumed with its own index.
    arguments = [re.sub(r"^((?:--shard=)?)\d+/(\d+)$", r"\1I/\2", each) for each in arguments]
    command, directory = shlex.join(arguments), record.get("directory")
    if directory in (None, str(Path.cwd())):
        return command
    return f"cd {shlex.quote(directory)} && {command}"
