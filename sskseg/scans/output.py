"""Output of a finished scan: table and metadata."""

from __future__ import annotations

import warnings
from concurrent.futures import ThreadPoolExecutor
from itertools import chain

import numpy as np

from ..io.ome_zarr.metadata import (
    OME_VERSIONS,
    axes_metadata,
    multiscales,
    set_attributes,
    transformations,
)
from ..io.ome_zarr.pyramid import pyramid_levels
from ..io.scans import ZARR_METADATA, image_group
from ..io.storage import Storage, relative_place
from .checkpoints import MAX_REQUESTS, Ledger
from .plan import Plan
from .store import TABLES, Store
from .verification import finished_inputs

_GROUP_ROWS = 2**18  # of a row group of Parquet, at least
_TEMPORARY = (
    "scaling", "predict", "edges", "sums", "objects", "match", "join", "rows", "write",
    "downsample", "table", "claims", "heartbeats",
)  # fmt: skip


def write_table(plan: Plan, store: Store, _: int) -> None:
    """Join the rows of all blocks to the files of the table."""
    from pyarrow import ipc, parquet

    blocks = _rows(plan, store.ledger)
    first = next(blocks)
    schema = ipc.open_stream(first["arrow"]).schema
    with (
        store.storage.new_file(TABLES[0]) as binary_path,
        store.storage.new_file(TABLES[1]) as text_path,
        parquet.ParquetWriter(binary_path, schema, use_dictionary=False) as binary,
        open(text_path, "wb") as text,
    ):
        text.write(first["header"])
        for group in _row_groups(chain([first], blocks), schema):
            binary.write_table(group["rows"])
            text.writelines(group["text"])
    store.ledger.write("table", 0)


def _rows(plan, ledger):
    """Yield the rows of one block after the other; some blocks are read at a time."""
    blocks = range(len(plan.grid))
    with ThreadPoolExecutor(MAX_REQUESTS) as pool:
        for start in range(0, len(blocks), MAX_REQUESTS):
            part = blocks[start : start + MAX_REQUESTS]
            yield from pool.map(lambda i: ledger.read("rows", i), part)


def _row_groups(blocks, schema):
    """Yield the rows of several blocks as a table of Arrow, and their lines of CSV.

    Readers of Parquet are slow where there is a group for each of many blocks.
    """
    import pyarrow as pa

    def group():
        return {"rows": pa.concat_tables(tables).combine_chunks(), "text": lines}

    tables, lines, n = [], [], 0
    for rows in blocks:
        tables.append(pa.ipc.open_stream(rows["arrow"]).read_all().cast(schema))
        lines.append(rows["text"])
        n += len(tables[-1])
        if n >= _GROUP_ROWS:
            yield group()
            tables, lines, n = [], [], 0
    if n:
        yield group()


def finish(plan: Plan, store: Store, _: int) -> None:
    """Write the metadata, and record that the run is done."""
    _write_metadata(plan, store.storage)
    inputs, joined = finished_inputs(plan, store), store.ledger.read("join", len(plan.grid))
    store.ledger.write(
        "done", 0, blocks=np.array([*inputs]), input_crc=np.array([*inputs.values()]), **joined
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
    for name in (*ZARR_METADATA, *TABLES):
        storage.remove(name)
    storage.remove_all("ledger")


def _write_metadata(plan, storage):
    """Write the metadata of NGFF: a group of labels that holds one image of labels, with the size
    of a pixel at each level of its pyramid."""
    import zarr

    # Without a translation: a coarse pixel is the first of the fine ones, at its center.
    levels = [
        transformations(np.array(plan.scan.spacing) * factor)
        for _, factor in pyramid_levels(plan.shape)
    ]
    axes, version = axes_metadata(plan.axes, plan.scan.unit), OME_VERSIONS[plan.zarr_format]
    labels = {
        "multiscales": multiscales("labels", axes, levels, version),
        "image-label": _image_label(plan.scan, storage, version),
    }
    with storage.explained():
        for path, content in (("", {"labels": ["labels"]}), ("labels", labels)):
            group = zarr.open_group(
                storage.zarr(), path=path, mode="a", zarr_format=plan.zarr_format
            )
            set_attributes(group, version, content)
        if plan.zarr_format == 2:
            _complete_attributes(plan, storage, len(levels))


def _complete_attributes(plan, storage, n_levels):
    """Write the empty attributes of the arrays: whoever created these may have been killed between
    the two files."""
    import zarr

    kept = plan.probability_arrays if plan.keep_probabilities else ()
    for name in (*(f"labels/{level}" for level in range(n_levels)), *kept):
        zarr.open_array(storage.zarr(), path=name, mode="r+").attrs.put({})


def _image_label(scan, storage, version):
    """Name the image of the labels, where it is an image of OME-Zarr, by its relative path."""
    own = {"version": version} if version == "0.4" else {}
    image = image_group(scan)
    path = None if image is None else relative_place(image, f"{storage.place}/labels")
    return own if path is None else {**own, "source": {"image": path}}
