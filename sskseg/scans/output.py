"""What a finished scan leaves: table and metadata."""

import shutil
from itertools import chain

import numpy as np

from ..io.scans import unit_name
from ..morphology import merge_sums, sums_to_table
from .checkpoints import Ledger

_SUMS = ("label", "size", "position", "low", "high", "score", "intensity", "contour")
_TABLES = ("objects.parquet", "objects.csv")
_STAGES = ("scaling", "predict", "edges", "sums", "label", "match", "write", "shrink")


def finish(job, ledger):
    """Write the table and the metadata."""
    _write_table(job, _tables(job, ledger))
    _write_metadata(job)
    seen = job.seen()
    ledger.write("done", 0, blocks=np.array([*seen]), seen=np.array([*seen.values()]))


def clean(job, ledger):
    """Remove what a finished run does not need."""
    if not job.keep_probabilities:
        shutil.rmtree(job.destination / "probabilities", ignore_errors=True)
    for stage in _STAGES:
        ledger.remove(stage)
    ledger.release()


def remove(destination):
    """Remove what an earlier run left. What told that it was finished goes first, and what tells
    that a run was there last, so that a removal that is killed can be repeated."""
    names = ["labels", "probabilities", "zarr.json", *_TABLES, *map(_part, _TABLES)]
    ledger = destination / "ledger"
    Ledger(ledger).release()  # so that what is left of it writes no more
    for path in [*ledger.glob("*"), *(destination / name for name in names)]:
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != "run.json":
            path.unlink(missing_ok=True)
    shutil.rmtree(ledger, ignore_errors=True)


def _part(name):
    """A table while it is written."""
    return f"{name}.part"


def _tables(job, ledger):
    """Tables of the objects that begin in one block after the other, by their ids.

    In memory are those of a block, and of all blocks the objects that are in several.
    """
    n_blocks = len(job.grid)
    several = ledger.read("join", n_blocks)["parts"]
    together = merge_sums([
        _select(sums, np.isin(sums["label"], several))
        for sums in (_sums(ledger, i) for i in range(n_blocks))
    ])  # fmt: skip
    told = 0
    for i in range(n_blocks):
        sums, largest = _sums(ledger, i), int(ledger.read("join", i)["ids"].max())
        begun = (together["label"] > told) & (together["label"] <= largest)
        alone = _select(sums, ~np.isin(sums["label"], several))
        told = max(told, largest)
        found = merge_sums([alone, _select(together, begun)])
        yield sums_to_table(found, job.shape, job.scan.spacing)


def _sums(ledger, i):
    """Sums of the objects of a block under their final ids."""
    found, ids = ledger.read("sums", i), ledger.read("join", i)["ids"]
    sums = {name: found[name] for name in _SUMS if name in found}
    sums["label"] = ids[sums["label"]]
    return _select(sums, sums["label"] > 0)


def _select(sums, rows):
    return {name: values[rows] for name, values in sums.items()}


def _write_table(job, tables):
    """Parquet and CSV, block by block."""
    import pyarrow as pa
    from pyarrow import csv, parquet

    parts = [job.destination / _part(name) for name in _TABLES]
    first = next(tables)
    schema = pa.Schema.from_pandas(first, preserve_index=False)
    with (
        parquet.ParquetWriter(parts[0], schema) as columns,
        csv.CSVWriter(parts[1], schema) as rows,
    ):
        for table in chain([first], tables):
            _append(table, schema, columns, rows)
    for part, name in zip(parts, _TABLES, strict=True):
        part.replace(job.destination / name)


def _append(table, schema, *writers):
    import pyarrow as pa

    if len(table):
        found = pa.Table.from_pandas(table, schema=schema, preserve_index=False)
        for writer in writers:
            writer.write_table(found)


def _write_metadata(job):
    """What tells viewers the axes, and the size of a pixel at each level of the pyramid."""
    import zarr

    unit = {"unit": unit_name(job.scan.unit)} if job.scan.unit else {}
    axes = [{"name": name, "type": "space", **unit} for name in job.axes]
    levels = [(np.array(job.scan.spacing) * factor).tolist() for _, factor in job.levels()]
    # The labels are an image of their own, and all that there is of this one.
    for group, prefix, more in (("", "labels/", {}), ("labels", "", {"image-label": {}})):
        sets = [
            {
                "path": f"{prefix}{level}",
                "coordinateTransformations": [{"type": "scale", "scale": scale}],
            }
            for level, scale in enumerate(levels)
        ]
        multiscales = [{"name": "labels", "axes": axes, "datasets": sets}]
        root = zarr.open_group(job.destination / group, mode="a")
        root.attrs["ome"] = {"version": "0.5", "multiscales": multiscales, **more}
