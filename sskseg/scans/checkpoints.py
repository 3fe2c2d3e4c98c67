"""The ledger of finished blocks, as files or objects: a run that is killed resumes where it was."""

from __future__ import annotations

import json
import time
import uuid
import zlib
from collections import Counter
from typing import Any

import numpy as np
from safetensors.numpy import load, save

from ..io.storage import Storage

_VERSION = "8"  # of the files below
_RUN, _OWNER = "ledger/run.json", "ledger/owner"
_NOT_COMPARED = {"stamps", "blocks"}  # of a run
GROUP_SIZE = 1000  # blocks of a folder
MAX_REQUESTS = 16  # at the same time: an object store takes long for each
_PAUSES = (1.0, 4.0, 0.0)  # seconds between reads of it
_PIECE = 2**30  # bytes that the compressor takes at a time


class TakenOver(RuntimeError):
    """Another run writes to the same destination."""


class Ledger:
    """The record of finished blocks of each task, with their results.

    An entry appears as a whole, and begins with a checksum: it is complete, or counts as missing.

    Parameters
    ----------
    storage : Storage
        Destination of the run, with the ledger below ``ledger``.
    owner : str, default=None
        Of `take_over`: nothing is written once another run has taken over.
    """

    def __init__(self, storage: Storage, owner: str | None = None):
        self.storage, self.owner = storage, owner

    @classmethod
    def open(cls, storage: Storage, run: dict[str, str]) -> Ledger:
        """Start a ledger, or resume that of the same run.

        Parameters
        ----------
        storage : Storage
        run : dict of str to str
            What the result depends on: model, source, parameters. Other "stamps", of the files of
            the source, do not make it another run: see `update_stamps`. Nor do "blocks", which say
            how many there are.

        Raises
        ------
        ValueError
            If the ledger is of another run, with what changed in the message, or damaged.
        """
        ledger, run = cls(storage), {**run, "format": _VERSION}
        earlier = ledger.start(run)
        names = {*earlier, *run} - _NOT_COMPARED
        changed = sorted(k for k in names if earlier.get(k) != run.get(k))
        if len(changed) > 1:  # it follows from the others
            changed = [name for name in changed if name != "predict_shape"]
        if changed:
            raise ValueError(
                f"{storage.place} holds a run of another {', '.join(changed)}: give another "
                "destination, or resume=False to start anew."
            )
        return ledger

    def start(self, run: dict[str, str]) -> dict[str, str]:
        """Record a run where there is none, and return what is recorded."""
        earlier = self.run()
        if not earlier:
            self.storage.create(_RUN, _run_content({**run, "format": _VERSION}))
            earlier = self.run()  # of another process that started at the same time, or this one
        return earlier

    def update_stamps(self, stamps: str) -> None:
        """Record new stamps of a source whose pixels are the same."""
        self.storage.put(_RUN, _run_content({**self.run(), "stamps": stamps}))

    def take_over(self, owner: str | None = None) -> str:
        """Become the only run that writes, and return the `owner` for its other workers.

        Parameters
        ----------
        owner : str, default=None
            Of several processes that write together; None is a new one.
        """
        self.owner = owner or uuid.uuid4().hex
        self.storage.put(_OWNER, self.owner.encode())
        return self.owner

    def release(self) -> None:
        """Let no run write any more."""
        self.storage.remove(_OWNER)

    def check_owner(self) -> None:
        """Raise `TakenOver` where another run has taken over."""
        if self.owner is None:
            return
        for pause in _PAUSES:  # file servers show an older file for some seconds
            if self.read_owner() == self.owner:
                return
            time.sleep(pause)
        raise TakenOver(
            f"Another call of count_scan has taken over {self.storage.place}, or has ended."
        )

    def read_owner(self) -> str | None:
        """Return who writes; None where a run has ended, or none has begun."""
        content = self.storage.read(_OWNER)
        return None if content is None else content.decode()

    def exists(self) -> bool:
        """Whether a run is recorded, which may be damaged."""
        return self.storage.read(_RUN) is not None

    def run(self) -> dict[str, str]:
        """Return what the recorded run depends on; empty where there is none."""
        content = self.storage.read(_RUN)
        return {} if content is None else _parse_run(content, f"{self.storage.place}/{_RUN}")

    def n_finished(self) -> dict[str, int]:
        """Count the recorded blocks of each task."""
        keys = (key.split("/") for key in self.storage.list("ledger"))
        return dict(Counter(key[1] for key in keys if len(key) == 4 and len(key[-1]) == 9))

    def has(self, task: str, block: int) -> bool:
        """Whether the entry of a block exists and is undamaged."""
        return self._read(task, block) is not None

    def read(self, task: str, block: int) -> dict[str, np.ndarray]:
        """Read the entry of a block.

        Raises
        ------
        KeyError
            If the block is not finished.
        """
        payload = self._read(task, block)
        if payload is None:
            raise KeyError(f"Block {block} of task {task!r} is not finished.")
        return load(_decompressed(payload))

    def write(self, task: str, block: int, **values: Any) -> None:
        """Record that a block is finished, with its results."""
        arrays = {name: np.asarray(array, order="C") for name, array in values.items()}
        payload = _compressed(save(arrays))
        crc = zlib.crc32(payload).to_bytes(4, "big")
        self.check_owner()
        self.storage.put(_key(task, block), crc + payload)

    def recorded(self, task: str, group: int) -> set[int]:
        """List the recorded blocks of a task, of a group of `GROUP_SIZE`, without reading them."""
        names = (key.rpartition("/")[2] for key in self.storage.list(_folder(task, group)))
        return {int(name) for name in names if name.isdecimal()}

    def discard(self, task: str, block: int) -> None:
        """Remove the entry of a block, which is damaged."""
        self.storage.remove(_key(task, block))

    def remove(self, task: str) -> None:
        """Remove the entries of a task that are not needed any more."""
        self.storage.remove_all(f"ledger/{task}")

    def _read(self, task, block):
        content = self.storage.read(_key(task, block))
        if content is None:
            return None
        crc, payload = content[:4], content[4:]
        return payload if zlib.crc32(payload).to_bytes(4, "big") == crc else None


def _key(task, block):
    return f"{_folder(task, block // GROUP_SIZE)}/{block:09d}"


def _folder(task, group):
    return f"ledger/{task}/{group:06d}"


def _run_content(run):
    return json.dumps(run, indent=1).encode()


def _parse_run(content, file):
    try:
        run = json.loads(content.decode())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{file} is damaged: {error}; resume=False starts anew.") from error
    if not isinstance(run, dict):
        raise ValueError(f"{file} is damaged: it holds no run; resume=False starts anew.")
    return run


def _compressed(content):
    """Pieces, each after its length.

    Labels hardly differ from pixel to pixel, so that the cheapest compression is enough; its bytes
    are the same on every machine.
    """
    from numcodecs import lz4

    pieces = [
        lz4.compress(content[start : start + _PIECE]) for start in range(0, len(content), _PIECE)
    ]
    return b"".join(part for piece in pieces for part in (len(piece).to_bytes(8, "big"), piece))


def _decompressed(payload):
    from numcodecs import lz4

    pieces, at = [], 0
    while at < len(payload):
        size = int.from_bytes(payload[at : at + 8], "big")
        pieces.append(lz4.decompress(payload[at + 8 : at + 8 + size]))
        at += 8 + size
    return b"".join(pieces) if len(pieces) > 1 else pieces[0]


def checksum(array: np.ndarray) -> np.ndarray:
    """Compute the CRC-32 of the bytes of an array; uint32."""
    return np.array(zlib.crc32(np.ascontiguousarray(array).data), np.uint32)
