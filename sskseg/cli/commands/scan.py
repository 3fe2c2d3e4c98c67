"""``sskseg scan``: count the objects of a scan larger than memory."""

from __future__ import annotations

import argparse
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ...scans import count_scan, plan_scan
from ...scans.checkpoints import Ledger
from ..record import Record
from ._common import model_file, read_model, say


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Estimate, run, or show the progress of a scan."""
    if options.action == "status":
        return _status(options)
    if options.model is None:
        raise ValueError(f"--model is missing: sskseg scan {options.action} needs one.")
    model = read_model(options.model)
    shapes = {"block_shape": options.block_shape, "halo": options.halo}
    if options.action == "plan":
        plan = asdict(plan_scan(model, options.source, n_workers=options.workers, **shapes))
        for name, value in plan.items():
            say(options, f"{name}: {value}")
        return plan
    if options.out is None:
        raise ValueError("--out is missing: sskseg scan run needs a destination folder.")
    record = Record(options.arguments, [model_file(options.model)])
    with _client(options.scheduler) as client:
        result = count_scan(
            model, options.source, options.out, client=client, n_workers=options.workers,
            resume=not options.fresh, intensity=options.intensity, skip_below=options.skip_below,
            verbose=not options.json, **shapes,
        )  # fmt: skip
    found = {"objects": result.n_objects, "cut": len(result.cut)}
    record.write(Path(options.out) / "run.json", result=found)
    say(options, f"{result.n_objects} objects; {len(result.cut)} of them are cut by blocks")
    return found


def _client(address):
    """A client of a dask scheduler, which closes at the end of a block; None without an address."""
    if address is None:
        return nullcontext()
    from distributed import Client

    return Client(address)


def _status(options):
    folder = Path(options.source)
    ledger = Ledger(folder / "ledger")
    if not ledger.run():
        raise ValueError(f"{folder} is not a destination of sskseg scan run.")
    finished = ledger.n_finished()
    result = {"done": ledger.has("done", 0), "finished blocks": finished}
    say(options, "done" if result["done"] else "not done")
    for task, n_blocks in finished.items():
        say(options, f"{task}: {n_blocks} blocks")
    return result
