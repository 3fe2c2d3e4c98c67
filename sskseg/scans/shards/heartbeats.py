"""Heartbeats: which of several processes still run, without comparing clocks of machines."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from typing import Any

from ...io.storage import Storage

INTERVAL = 5.0  # seconds between two beats of a process
_FIRST_INTERVAL = 0.25  # of the first beats: processes that start together soon notice each other
_N_FIRST = 40
# Seconds without a beat after which a process counts as dead. Clients of NFS may show the file of a
# heartbeat as it was up to a minute before.
LOST_AFTER = 120.0
_POLL = 0.1
_FOLDER = "ledger/heartbeats"


class Heartbeat:
    """Count up in a thread while a ``with`` block runs.

    Parameters
    ----------
    storage : Storage
    run_id : str
        Of this process, unique.
    """

    def __init__(self, storage: Storage, run_id: str):
        self.storage, self.key = storage, f"{_FOLDER}/{run_id}"
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self) -> Heartbeat:
        self.storage.put(self.key, b"0")
        self.thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self.ended.set()
        self.thread.join()
        self.storage.remove(self.key)

    def _beat(self):
        n = 0
        while not self.ended.wait(_FIRST_INTERVAL if n < _N_FIRST else INTERVAL):
            n += 1
            try:
                self.storage.put(self.key, str(n).encode())
            except OSError:
                # The next beat may succeed. Blocks report a store that stays out of reach.
                continue


class Pulse:
    """Read the heartbeats of other processes.

    A process is dead if it has no heartbeat, or none that changes for `LOST_AFTER` seconds of the
    clock of this process. It may be slow and continue later.

    Parameters
    ----------
    storage : Storage
    """

    def __init__(self, storage: Storage):
        self.storage = storage
        self._seen: dict[str, tuple[bytes, float]] = {}  # last content, and since when

    def is_alive(self, run_id: str) -> bool:
        """Whether a process counts as running; a heartbeat that is read first counts."""
        content, now = self._read(run_id), time.monotonic()
        if content is None:
            return False
        if self._seen.get(run_id, (None, 0.0))[0] != content:
            self._seen[run_id] = content, now
        return now - self._seen[run_id][1] < LOST_AFTER

    def wait_for_any(self, run_ids: Iterable[str]) -> bool:
        """Wait until one of some processes beats, or all are dead; return whether one does."""
        run_ids = list(run_ids)
        first = {run_id: self._read(run_id) for run_id in run_ids}
        while any(self.is_alive(run_id) for run_id in run_ids):
            if any(self._read(run_id) not in (None, first[run_id]) for run_id in run_ids):
                return True
            time.sleep(_POLL)
        return False

    def others(self, run_id: str) -> list[str]:
        """List the processes that have a heartbeat, but one."""
        names = [key.rpartition("/")[2] for key in self.storage.list(_FOLDER)]
        return [name for name in names if name != run_id]

    def _read(self, run_id):
        return self.storage.read(f"{_FOLDER}/{run_id}")
