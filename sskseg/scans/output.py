"""Output of a finished scan: table and metadata."""

from __future__ import annotations

import warnings
from itertools import chain

import numpy as np

from ..io.object_tables import names_with_units
from ..io.ome_zarr.metadata import (
    axes_metadata,
    multiscales,
    set_attributes,
    transformations,
)
from ..io.ome_zarr.pyramid import pyramid_levels
from ..io.scans import image_group, ngff_unit
from ..io.storage import Storage, relative_place
from ..morphology import merge_sums, sums_to_table
from .checkpoints import Ledger
from .plan import Plan
from .store import TABLES, Store
from .verification import finished_inputs

_SUMS = (
    "label", "size", "position", "low", "high", "moments", "score", "intensity", "min_intensity",
    "max_intensity", "contour",
)  # fmt: skip
_TEMPORARY = (
    "scaling", "predict", "edges", "sums", "objects", "match", "write", "downsample", "table",
    "claims", "heartbeats",
)  # fmt: skip


def write_table(plan: Plan, store: Store, _: int) -> None:
    """Write the table of all objects."""
    _write_table(store.storage, _tables(plan, store.ledger))
    store.ledger.write("table", 0)


def finish(plan: Plan, store: Store, _: int) -> None:
    """Write the metadata, and record that the run is done."""
    _write_metadata(plan, store.storage)
    inputs = finished_inputs(plan, store)
    store.ledger.write(
        "done", 0, blocks=np.array([*inputs]), input_crc=np.array([*inputs.values()])
    )


def clean(plan: Plan, store: Store) -> None:
    """Remove what a finished run does not need."""
    probabilities = () if plan.keep_probabilities else plan.probability_arrays
    try:
        for name in (*probabilities, *(f"ledger/{entry}" for entry in _TEMPORARY)):
            store.storage.remove_all(name)
    except OSError as error:  # the result is complete
        warnings.warn(
            f"Temporary results in {store.storage.place} could not be removed: {error}. Another "
            "call of count_scan removes them.",
            stacklevel=3,
        )
    store.ledger.release()


def remove(storage: Storage) -> None:
    """Remove an earlier run.

    The record that it is finished goes first, and the record of the run last, so that a removal
    that is killed can be repeated.
    """
    Ledger(storage).release()  # so that workers of that run write no more
    entries = {key.split("/")[1] for key in storage.list("ledger")} - {"run.json", "done"}
    for name in ("done", *sorted(entries)):
        storage.remove_all(f"ledger/{name}")
    for name in ("labels", "probabilities", "cores"):
        storage.remove_all(name)
    for name in ("zarr.json", *TABLES):
        storage.remove(name)
    storage.remove_all("ledger")


def _tables(plan, ledger):
    """Yield the tables of the objects that start in one block after the other, by their ids.

    Memory holds the objects of one block, and those that lie in several blocks.
    """
    n_blocks, unit = len(plan.grid), plan.scan.unit
    unit = unit and (ngff_unit(unit) or unit)  # ASCII, for the header of CSV
    several = ledger.read("join", n_blocks)["parts"]
    merged = merge_sums([
        _select(sums, np.isin(sums["label"], several))
        for sums in (_sums(ledger, i) for i in range(n_blocks))
    ])  # fmt: skip
    last_id = 0
    for i in range(n_blocks):
        sums, largest = _sums(ledger, i), int(ledger.read("join", i)["ids"].max())
        new = (merged["label"] > last_id) & (merged["label"] <= largest)
        alone = _select(sums, ~np.isin(sums["label"], several))
        last_id = max(last_id, largest)
        block = merge_sums([alone, _select(merged, new)])
        yield sums_to_table(block, plan.shape, plan.scan.spacing, unit=unit)


def _sums(ledger, i):
    """Sums of the objects of a block under their final ids."""
    entry, ids = ledger.read("sums", i), ledger.read("join", i)["ids"]
    sums = {name: entry[name] for name in _SUMS if name in entry}
    sums["label"] = ids[sums["label"]]
    return _select(sums, sums["label"] > 0)


def _select(sums, mask):
    return {name: values[mask] for name, values in sums.items()}


def _write_table(storage, tables):
    """Write Parquet and CSV, block by block, with units in the header of CSV."""
    import pyarrow as pa
    from pyarrow import csv, parquet

    first = next(tables)
    schema = pa.Schema.from_pandas(first, preserve_index=False)
    header = names_with_units(schema.names, first.attrs.get("units", {}))
    fields = zip(schema, header, strict=True)
    text_schema = pa.schema([field.with_name(name) for field, name in fields])
    with (
        storage.new_file(TABLES[0]) as binary_path, storage.new_file(TABLES[1]) as text_path,
        parquet.ParquetWriter(binary_path, schema) as binary,
        csv.CSVWriter(text_path, text_schema) as text,
    ):  # fmt: skip
        for table in chain([first], tables):
            if len(table):
                rows = pa.Table.from_pandas(table, schema=schema, preserve_index=False)
                binary.write_table(rows)
                text.write_table(rows.rename_columns(header))


def _write_metadata(plan, storage):
    """Write the metadata of NGFF 0.5: a group of labels that holds one image of labels, with the
    size of a pixel at each level of its pyramid."""
    import zarr

    # Without a translation: a coarse pixel is the first of the fine ones, at its center.
    levels = [
        transformations(np.array(plan.scan.spacing) * factor)
        for _, factor in pyramid_levels(plan.shape)
    ]
    axes = axes_metadata(plan.axes, plan.scan.unit)
    labels = {
        "multiscales": multiscales("labels", axes, levels, "0.5"),
        "image-label": _image_label(plan.scan, storage),
    }
    with storage.explained():
        for path, content in (("", {"labels": ["labels"]}), ("labels", labels)):
            group = zarr.open_group(storage.zarr(), path=path, mode="a")
            set_attributes(group, "0.5", content)


def _image_label(scan, storage):
    """Name the image of the labels, where it is an image of OME-Zarr, by its relative path."""
    image = image_group(scan)
    path = None if image is None else relative_place(image, f"{storage.place}/labels")
    return {} if path is None else {"source": {"image": path}}
