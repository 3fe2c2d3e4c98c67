"""Join: the ids of all objects, and the arrays of a type that holds them."""

from __future__ import annotations

from ..joining import join_blocks
from ..plan import Plan
from ..store import Store


def join_scan(plan: Plan, store: Store, _: int) -> None:
    """Number the objects of all blocks, create the arrays of labels, and record that last."""
    joined = join_blocks(plan, store.ledger)
    store.create_labels(plan, joined["n_objects"])
    store.ledger.write("join", len(plan.grid), **joined)
