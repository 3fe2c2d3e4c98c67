"""What a run keeps in its destination: arrays, and the ledger of finished blocks."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from ..io.ome_zarr.checks import smallest_dtype
from ..io.ome_zarr.levels import LABEL_CODEC, Codec, create_array
from ..io.ome_zarr.pyramid import pyramid_levels
from ..io.storage import FileStorage, Storage
from .boxes import Box, chunk_side
from .checkpoints import Ledger, checksum
from .plan import Plan
from .raw_blocks import RawBlocks

_MAX_CHUNK = {2: (512, 512), 3: (128, 128, 128)}  # pixels of a chunk on disk
_MAX_CHUNK_OF_SECTIONS = (16, 512, 512)
_PROBABILITY_CODEC = Codec("lz4")  # they hardly compress: the fastest one
TABLES = ("objects.parquet", "objects.csv")
_ENTRIES = {"objects": ("objects", "edges", "sums")}  # of a task in the ledger; else one


@dataclass(frozen=True)
class Store:
    """The arrays and the ledger of a destination.

    Parameters
    ----------
    storage : Storage
    owner : str, default=None
        Of the ledger: nothing is written once another run has taken over.
    """

    storage: Storage
    owner: str | None = None

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.storage, self.owner)

    def create(self, plan: Plan) -> None:
        """Create the group, and the arrays of probabilities that do not exist."""
        # A finished run keeps no probabilities.
        has_arrays = self._raw(plan) is None and not self.ledger.has("done", 0)
        self._create(plan, _probability_arrays(plan) if has_arrays else {})

    def create_labels(self, plan: Plan, n_objects: int) -> None:
        """Create the arrays of the labels that do not exist, of a type that holds all ids."""
        self._create(plan, _label_arrays(plan, smallest_dtype(0, n_objects)))

    def _create(self, plan, arrays):
        from zarr.errors import ContainsArrayError

        with self.storage.explained():
            root = self._root(plan)
            for name, options in arrays.items():
                if name not in root:
                    with suppress(ContainsArrayError):  # another process has created it meanwhile
                        create_array(root, name, plan.axes, **options)

    def read(self, name: str, region: Box) -> np.ndarray:
        """Read a region of an array."""
        with self.storage.explained():
            return self._array(name)[region]

    def read_probabilities(self, plan: Plan, region: Box) -> np.ndarray:
        """Read what the network predicts of a region, as a `BlockPredictor` returns it."""
        source = self._raw(plan) or self
        arrays = [source.read(name, region) for name in plan.probability_arrays]
        return np.stack(arrays, axis=-1) if len(arrays) > 1 else arrays[0]

    def write_probabilities(self, plan: Plan, i: int, predicted: np.ndarray) -> dict[str, Any]:
        """Write what the network predicts of a block, and return the checksum of each array by its
        name in the ledger."""
        raw, region = self._raw(plan), plan.network_grid.boxes[i]
        self.ledger.check_owner()
        return {
            _checksum_name(name): raw.write(name, i, values)
            if raw is not None
            else self.write(name, region, values)
            for name, values in zip(plan.probability_arrays, predicted, strict=True)
        }

    def _raw(self, plan):
        """Plain files of probabilities, which are removed at the end; None where Zarr holds them:
        those that are kept, and of object stores, whose objects are read in parts."""
        if isinstance(self.storage, FileStorage) and not plan.keep_probabilities:
            return RawBlocks(self.storage, plan.network_grid)
        return None

    def write(self, name: str, region: Box, values: np.ndarray) -> np.ndarray:
        """Write a region of an array, in its type, and return its checksum."""
        self.ledger.check_owner()
        with self.storage.explained():
            array = self._array(name)
            values = values.astype(array.dtype, copy=False)
            if array.shards is not None and values.any():
                # A file holds all chunks: to look for empty ones takes longer than to write them.
                array = array.with_config({"write_empty_chunks": True})
            try:
                array[region] = values
            except OSError:
                raise
            except Exception:  # a damaged shard, which zarr reads before it writes
                self._remove_shards(name, array, region)
                array[region] = values
        return checksum(values)

    def _remove_shards(self, name, array, region):
        """Remove the files of a region, which hold nothing else."""
        sides = array.shards or array.chunks
        ranges = [
            range(part.start // side, -(-part.stop // side))
            for part, side in zip(region, sides, strict=True)
        ]
        for index in product(*ranges):
            self.storage.remove(f"{name}/{array.metadata.encode_chunk_key(index)}")

    def finished(self, plan: Plan, task: str, i: int) -> bool:
        """Whether all that a task writes for a block exists and is undamaged."""
        if task == "join":
            return self.ledger.has("join", len(plan.grid)) and self._has_labels(plan)
        if task == "finish":
            return self.ledger.has("done", 0)
        if not all(self.ledger.has(entry, i) for entry in _ENTRIES.get(task, (task,))):
            return False
        written = _written(plan, task, i)
        if not written:
            return True
        entry = self.ledger.read(task, i)
        raw = self._raw(plan) if task == "predict" else None
        return all(
            self._has_checksum(array, region, entry.get(key))
            if raw is None
            else raw.has_checksum(array, i, entry.get(key))
            for key, (array, region) in written.items()
        )

    def _has_labels(self, plan):
        with self.storage.explained():
            root = self._root(plan)
            return all(name in root for name in _label_arrays(plan, np.dtype(np.uint8)))

    def _has_checksum(self, name, region, crc):
        try:
            return checksum(self.read(name, region)) == crc
        except FileNotFoundError:
            return False
        except OSError:  # of the disk or the store, which says nothing about the chunk
            raise
        except Exception:  # each codec raises its own for a chunk that is damaged
            return False

    def _root(self, plan):
        import zarr
        from zarr.errors import ContainsGroupError

        try:
            return zarr.open_group(self.storage.zarr(), mode="a", zarr_format=plan.zarr_format)
        except ContainsGroupError:  # another process has created it meanwhile
            return zarr.open_group(self.storage.zarr(), mode="r+")

    def _array(self, name):
        import zarr

        return zarr.open_array(self.storage.zarr(), path=name, mode="r+")


def _written(plan: Plan, task: str, i: int) -> dict[str, tuple[str, Box]]:
    """Array and region that a task writes, by the name of their checksum in the ledger."""
    if task == "predict":
        region = plan.network_grid.boxes[i]
        return {_checksum_name(name): (name, region) for name in plan.probability_arrays}
    if task == "write":
        return {"crc": ("labels/0", plan.grid.boxes[i])}
    if task == "downsample":
        level, box = plan.pyramid[i]
        return {"crc": (f"labels/{level}", box)}
    return {}


def _checksum_name(array: str) -> str:
    """Return the name of the checksum of an array in the ledger of `predict`."""
    return "crc" if array == "probabilities" else f"{array}_crc"


def _label_arrays(plan: Plan, dtype: np.dtype) -> dict[str, dict[str, Any]]:
    """Options of the array of each level by its name."""
    chunks = _chunks(plan, plan.grid.core)
    arrays: dict[str, dict[str, Any]] = {}
    for level, (shape, _) in enumerate(pyramid_levels(plan.shape)):
        sides = chunks if level == 0 else tuple(np.minimum(chunks, shape).tolist())
        arrays[f"labels/{level}"] = {
            "shape": shape, "chunks": sides, "dtype": dtype, "codec": LABEL_CODEC,
            "shards": _shards(plan, plan.grid.core, shape, sides),
        }  # fmt: skip
    return arrays


def _probability_arrays(plan: Plan) -> dict[str, dict[str, Any]]:
    chunks = _chunks(plan, plan.network_grid.core)
    options = {
        "shape": plan.shape, "chunks": chunks,
        "shards": _shards(plan, plan.network_grid.core, plan.shape, chunks),
        "dtype": np.float32, "codec": _PROBABILITY_CODEC,
    }  # fmt: skip
    return dict.fromkeys(plan.probability_arrays, options)


def _chunks(plan, block_shape):
    """Chunks that lie in one block each, so that no two workers write to the same one."""
    largest = _MAX_CHUNK_OF_SECTIONS if plan.consecutive else _MAX_CHUNK[len(plan.shape)]
    return tuple(map(chunk_side, block_shape, plan.shape, largest))


def _shards(plan, block_shape, shape, chunks):
    """Shards of one block each: a file or object holds its chunks, which are still read singly.

    Zarr 2 has none. Then a block writes several files, which no other block writes.
    """
    if plan.zarr_format == 2:
        return None
    sides = zip(block_shape, shape, chunks, strict=True)
    shards = tuple(-(-min(block, size) // chunk) * chunk for block, size, chunk in sides)
    return None if shards == chunks else shards
