"""Claims: which of several processes does a block."""

from __future__ import annotations

from itertools import count

from ...io.storage import Storage
from .heartbeats import Pulse

_FOLDER = "ledger/claims"


class Claims:
    """Claim blocks by the exclusive creation of an entry in the ledger.

    The entry holds the id of the process. If that process is dead, the entry of the next generation
    is created, which one process can do. A process that only seemed to be dead continues its
    block. This does no harm: tasks are deterministic and write atomically, so that both write the
    same bytes.

    Parameters
    ----------
    storage : Storage
    run_id : str
        Of this process.
    pulse : Pulse
    """

    def __init__(self, storage: Storage, run_id: str, pulse: Pulse):
        self.storage, self.run_id, self.pulse = storage, run_id, pulse

    def take(self, task: str, block: int) -> str | None:
        """Claim a block, and return who else holds it, or None if this process does."""
        for generation in count():
            key = _key(task, block, generation)
            if self.storage.create(key, self.run_id.encode()):
                return None
            holder = self._holder(key)
            if holder is not None and self.pulse.is_alive(holder):
                return holder
        raise AssertionError("unreachable")

    def _holder(self, key):
        content = self.storage.read(key)
        return None if content is None else content.decode()


def _key(task, block, generation):
    return f"{_FOLDER}/{task}/{block // 1000:06d}/{block:09d}.{generation}"
