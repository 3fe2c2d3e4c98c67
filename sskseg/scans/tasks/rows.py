"""Rows: of the table of all objects, those that start in a block."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ...io.object_tables import names_with_units
from ...io.scans import ngff_unit
from ...morphology import merge_sums, sums_to_table
from ...morphology.columns import length_unit
from ..checkpoints import Ledger
from ..plan import Plan
from ..store import Store

_SUMS = (
    "label", "size", "position", "low", "high", "moments", "score", "intensity", "min_intensity",
    "max_intensity", "contour",
)  # fmt: skip


def make_rows(plan: Plan, store: Store, i: int) -> None:
    """Measure the objects that start in a block, and store their rows as the files have them.

    Objects that continue in other blocks are merged. The rows are complete, so that one process
    that joins those of all blocks has little to do.
    """
    joined = store.ledger.read("join", i)
    first, last = joined["range"].tolist()
    # In the order of the blocks: sums of floats depend on it.
    parts = [_sums(store.ledger, j, first, last) for j in (i, *np.sort(joined["others"]).tolist())]
    unit, spacing = plan.scan.unit, plan.scan.spacing
    unit = unit and (ngff_unit(unit) or unit)  # ASCII, for the header of CSV
    unit = length_unit(unit, None if set(spacing) == {1.0} else spacing)
    table = sums_to_table(merge_sums(parts), plan.shape, spacing, unit=unit)
    store.ledger.write("rows", i, **_encode(table))


def _sums(ledger: Ledger, i: int, first: int, last: int) -> dict[str, np.ndarray]:
    """Sums of the objects of a block that have the ids `first` + 1 to `last`."""
    entry, ids = ledger.read("sums", i), ledger.read("join", i)["ids"]
    label = ids[entry["label"]]
    chosen = (label > first) & (label <= last)
    sums = {name: entry[name][chosen] for name in _SUMS if name in entry}
    return sums | {"label": label[chosen]}


def _encode(table: pd.DataFrame) -> dict[str, np.ndarray]:
    """Bytes of a stream of Arrow, and of CSV with the header by itself."""
    import pyarrow as pa
    from pyarrow import csv

    rows = pa.Table.from_pandas(table, preserve_index=False)
    stream, header, text = (pa.BufferOutputStream() for _ in range(3))
    with pa.ipc.new_stream(stream, rows.schema) as writer:
        writer.write_table(rows)
    named = rows.rename_columns(names_with_units(rows.column_names, table.attrs.get("units", {})))
    csv.write_csv(named.slice(0, 0), header)
    csv.write_csv(named, text, csv.WriteOptions(include_header=False))
    sinks = {"arrow": stream, "header": header, "text": text}
    return {name: np.frombuffer(sink.getvalue(), np.uint8) for name, sink in sinks.items()}
