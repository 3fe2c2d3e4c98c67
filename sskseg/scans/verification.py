"""Whether the pixels of a scan are those that finished blocks were computed from."""

from __future__ import annotations

from contextlib import suppress
from itertools import islice

import numpy as np

from .plan import Plan
from .reading import input_checksum, read_input
from .store import Store

_N_VERIFIED_BLOCKS = 8


def check_source(plan: Plan, store: Store, stamps: str) -> None:
    """Refuse a scan whose pixels have changed since blocks were finished.

    A few blocks are read again; all, where the size or time of a file has changed. The files may
    have been replaced by equal ones.
    """
    changed, all_read = store.ledger.run()["stamps"] != stamps, True
    limit = None if changed else _N_VERIFIED_BLOCKS
    for i, crc in finished_inputs(plan, store, limit).items():
        try:
            equal = int(input_checksum(read_input(plan, i))) == crc
        except Exception:  # reported where a block needs what cannot be read
            all_read = False
            continue
        if not equal:
            raise ValueError(
                f"{store.storage.place} holds a run of another source: the pixels of the scan have "
                f"changed where the network reads them for block {i}. Give another destination, or "
                "resume=False to start anew."
            )
    if changed and all_read:
        store.ledger.update_stamps(stamps)


def finished_inputs(plan: Plan, store: Store, limit: int | None = None) -> dict[int, int]:
    """Read the checksums of what the network read for finished blocks.

    Parameters
    ----------
    plan : Plan
    store : Store
    limit : int, default=None
        At most so many blocks, chosen at random; None is all.

    Returns
    -------
    dict of int to int
        Checksum by the index of the block.
    """
    ledger = store.ledger
    if ledger.has("done", 0):
        done = ledger.read("done", 0)
        checksums = zip(done["blocks"].tolist(), done["input_crc"].tolist(), strict=True)
        return dict(islice(checksums, limit))
    entry, n_blocks = "sums" if plan.from_images else "predict", len(plan.network_grid)
    found: dict[int, int] = {}
    for i in np.random.default_rng(0).permutation(n_blocks).tolist():
        if len(found) == limit:
            break
        with suppress(KeyError):  # of a block that is not finished
            found[i] = int(ledger.read(entry, i)["input_crc"])
    return found
