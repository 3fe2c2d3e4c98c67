"""What the workers of a scan do: each stage is a function of one block, and may be done again."""

import threading
from contextlib import suppress
from copy import copy
from dataclasses import dataclass, field
from itertools import islice, pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..images import unwrap
from ..inference.blocks import cut
from ..io.scans import Scan
from ..morphology import count_overlaps, label_components, object_sums, remove_small
from .boxes import aligned, boxes, chunk_side, grown, inside, intersection
from .checkpoints import Ledger, checksum
from .scheduler import worker_device
from .stitching import block_faces, boundary_pairs, neighbor_offsets, overlap_pairs

_CHUNK = {2: (512, 512), 3: (128, 128, 128)}  # pixels of a chunk on disk, at most
_CHUNK_OF_SECTIONS = (16, 512, 512)
_SMALLEST_LEVEL = 256  # pixels; the pyramid ends where a level fits in that
_NETWORK = threading.Lock()  # of one process: torch has threads of its own, a GPU its own queue


@dataclass
class Job:
    """All that a worker needs to know; the same for every block."""

    estimator: Any
    scan: Scan
    block_shape: tuple[int, ...]
    halo: tuple[int, ...] = ()
    core: tuple[int, ...] = ()
    network_halo: tuple[int, ...] = ()
    network_stride: tuple[int, ...] = ()
    skip_below: float | None = None
    mask: Any = None
    destination: Path | None = None
    grid: list = field(default_factory=list)
    predict_grid: list = field(default_factory=list)
    keep_probabilities: bool = False
    intensity: bool = False  # whether objects are measured in the scan, too
    owner: str | None = None  # of the ledger

    @property
    def shape(self):
        return self.scan.data.shape[: len(self.scan.spacing)]

    @property
    def axes(self):
        """Names of the spatial axes."""
        return [name for name in self.scan.axes if name != "c"]

    @property
    def counter(self):
        return self.estimator[-1]

    @property
    def by_contours(self):
        """Whether objects are found in the scan itself, and not in probabilities."""
        return self.counter.detector_ is not None

    @property
    def network(self):
        """The estimator whose network looks at the scan."""
        return self.counter.detector_ if self.by_contours else self.estimator[-2]

    @property
    def consecutive(self):
        """Whether the first axis of the scan counts sections, in which objects are found."""
        return self.counter.sections == "consecutive"

    @property
    def exact(self):
        """Whether objects are components, whose pixels touch across boundaries."""
        return self.counter.exact

    @property
    def ledger(self):
        return Ledger(self.destination / "ledger", self.owner)

    def create(self, destination):
        """Make the arrays, which are left as they are where they exist."""
        import zarr
        from zarr.codecs import BloscCodec

        self.destination = destination
        root = zarr.open_group(destination, mode="a")
        names = {"dimension_names": self.axes}
        # Probabilities hardly compress: the fastest that there is. Labels do, by any means.
        fast = {"compressors": BloscCodec(cname="lz4", clevel=5, shuffle="shuffle", typesize=4)}
        arrays = [("labels/0", np.int64, self.block_shape, {})]
        if not self.by_contours:
            arrays.append(("probabilities", np.float32, self.core, fast))
        for path, dtype, sides, options in arrays:
            if path not in root and not self.ledger.has("done", 0):
                # A chunk is in one block, so that nobody else writes to it.
                most = _CHUNK_OF_SECTIONS if self.consecutive else _CHUNK[len(self.shape)]
                chunks = tuple(map(chunk_side, sides, self.shape, most))
                options |= names
                root.create_array(path, shape=self.shape, chunks=chunks, dtype=dtype, **options)

        for level, (shape, _) in enumerate(self.levels()):
            path = f"labels/{level}"
            if path not in root:
                chunks = tuple(np.minimum(root["labels/0"].chunks, shape).tolist())
                root.create_array(path, shape=shape, chunks=chunks, dtype=np.int64, **names)

    def levels(self):
        """Shape of each level of the pyramid, and how many times coarser than the scan it is."""
        shape, factor = self.shape, np.ones(len(self.shape), int)
        found = [(shape, factor)]
        while max(shape) > _SMALLEST_LEVEL:
            halved = [2 if size > _SMALLEST_LEVEL // 2 else 1 for size in shape]
            shape = tuple(-(-size // h) for size, h in zip(shape, halved, strict=True))
            factor = factor * halved
            found.append((shape, factor))
        return found

    def shrinking(self):
        """Blocks of the levels of the pyramid but the first, as (level, box), level by level."""
        if "_shrinking" not in vars(self):
            self._shrinking = [
                (level, box)
                for level, (shape, _) in list(enumerate(self.levels()))[1:]
                for box in boxes([cut(*a, 0) for a in zip(shape, self.block_shape, strict=True)])
            ]
        return self._shrinking

    def array(self, name):
        import zarr

        return zarr.open_array(self.destination / name, mode="r+")

    def allowed_blocks(self, grid):
        """Rows of a grid's blocks in which the mask is anywhere not 0."""
        if self.mask is None:
            return list(range(len(grid)))
        return [i for i, box in enumerate(grid) if self._allowed(box).any()]

    def box(self, i):
        return grown(self.grid[i], self.halo, self.shape)

    def predict_box(self, i):
        box = grown(self.predict_grid[i], self.network_halo, self.shape)
        return aligned(box, self.network_stride, self.shape)

    def following(self, i):
        """Blocks that follow a block and may hold parts of its objects, by the step to them."""
        at = self._by_start()
        reach = 1 if self.exact else len(self.shape)
        found = {}
        for offset in neighbor_offsets(len(self.shape), reach):
            if self.consecutive and offset[0] != 0:
                continue
            sides = zip(self.grid[i], offset, self.block_shape, strict=True)
            j = at.get(tuple(s.start + o * b for s, o, b in sides))
            if j is not None:
                found[offset] = j
        return found

    def above(self, i):
        """The block of the next sections, or None."""
        core = self.grid[i]
        return self._by_start().get((core[0].stop, *(s.start for s in core[1:])))

    def _by_start(self):
        if "_starts" not in vars(self):
            starts = {tuple(s.start for s in core): i for i, core in enumerate(self.grid)}
            self._starts = starts
        return self._starts

    # Stages

    def finished(self, stage, i):
        """Whether everything that a stage writes of a block is there, and undamaged."""
        parts = ("label", "edges", "sums") if stage == "label" else (stage,)
        if not all(self.ledger.has(part, i) for part in parts):
            return False
        written = self._written(stage, i)
        return written is None or self._is_whole(*written, self.ledger.read(stage, i)["crc"])

    def lasts(self, stage):
        """Whether what a stage writes is needed when all that is made of it is finished."""
        return stage != "predict" or self.keep_probabilities

    def _written(self, stage, i):
        """Array and region that a stage writes of a block; None for what is in the ledger."""
        if stage == "predict":
            return "probabilities", self.predict_grid[i]
        if stage == "write":
            return "labels/0", self.grid[i]
        if stage == "shrink":
            level, box = self.shrinking()[i]
            return f"labels/{level}", box
        return None

    def _is_whole(self, name, region, crc):
        try:
            return checksum(self.array(name)[region]) == crc
        except Exception:  # of a chunk that cannot be read, which each codec tells in its way
            return False

    def predict(self, i):
        """Probabilities of a block of the network's grid."""
        core, seen = self.predict_grid[i], self._seen(i)
        probability = self._probability(i, seen)
        self._store("probabilities", core, probability)
        self.ledger.write("predict", i, crc=checksum(probability), seen=_crc_of(seen))

    def _store(self, name, region, values):
        self.ledger.check_owner()
        self.array(name)[region] = values

    def look(self, i):
        """What the network makes of a block."""
        seen = self._seen(i)
        return self.detect(i, seen) if self.by_contours else self._probability(i, seen)

    def seen(self, most=None):
        """Of finished blocks, the checksum of what the network saw: dict of int to int; of `most`
        at random, or of all."""
        if self.ledger.has("done", 0):
            done = self.ledger.read("done", 0)
            return dict(islice(zip(done["blocks"].tolist(), done["seen"].tolist()), most))
        stage, n_blocks = "sums" if self.by_contours else "predict", len(self.predict_grid)
        found = {}
        for i in np.random.default_rng(0).permutation(n_blocks).tolist():
            if len(found) == most:
                break
            with suppress(KeyError):  # of a block that is not finished
                found[i] = int(self.ledger.read(stage, i)["seen"])
        return found

    def sees(self, i):
        """Checksum of what the network sees for a block."""
        return int(_crc_of(self._seen(i)))

    def _seen(self, i):
        """The scan in what the network sees for a block; None where nothing is in it."""
        allowed = self._allowed(self.predict_grid[i])
        if allowed is not None and self.by_contours:
            allowed = allowed[inside(self.grid[i], self.box(i))]
        return self._read(self.predict_box(i), allowed)

    def _probability(self, i, block):
        """What `predict` writes."""
        box, core = self.predict_box(i), self.predict_grid[i]
        allowed = self._allowed(core)
        if block is None:
            return np.zeros([s.stop - s.start for s in core], np.float32)
        if self.consecutive:
            positions = np.arange(box[0].start, box[0].stop)
            found = self._predicted(block, positions=positions)[inside(core, box)]
        else:
            found = self._predicted(block[None])[0][inside(core, box)]
        return found if allowed is None else np.where(allowed, found, np.float32(0))

    def _read(self, box, allowed):
        """The scan in a box; None where nothing is in it, or the mask allows nothing."""
        if allowed is not None and not allowed.any():
            return None
        block = np.asarray(self.scan.data[box].compute(scheduler="synchronous"))
        if self.skip_below is not None and not (block > self.skip_below).any():
            return None
        return block

    def _predicted(self, images, **places):
        images, network = self._preprocessed(images, 2), self._on_worker()
        with _NETWORK:
            return np.asarray(unwrap(network.transform(images, **places)))

    def _preprocessed(self, images, n_last):
        """What all but the last steps of the pipeline make of images; one by one, since a pipeline
        of some of them may take itself for unfitted."""
        for _, step in self.estimator.steps[:-n_last]:
            images = images if step in (None, "passthrough") else step.transform(images)
        return images

    def _on_worker(self):
        """The estimator with the network, on the GPU of this worker."""
        network, device = self.network, worker_device()
        if network.device == "auto" and device is not None:
            network = copy(network)
            network.device = device
        return network

    def _allowed(self, box):
        """Pixels of a box where the mask, which may be coarser, is not 0."""
        if self.mask is None:
            return None
        rows = [
            (np.arange(part.start, part.stop) * coarse) // fine
            for part, coarse, fine in zip(box, self.mask.shape, self.shape, strict=True)
        ]
        part = self.mask[tuple(slice(r[0], r[-1] + 1) for r in rows)]
        if hasattr(part, "compute"):
            part = part.compute(scheduler="synchronous")
        return (np.asarray(part) > 0)[np.ix_(*(r - r[0] for r in rows))]

    def label(self, i):
        """Objects of a block as it sees them by itself; those in its core come first."""
        box, core = self.box(i), self.grid[i]
        at = inside(core, box)
        seen = self._seen(i) if self.by_contours else None
        labels, score, contours = self._objects(i, seen)
        if self.exact:  # which has no halo
            labels, n = labels.astype(_label_type(labels), copy=False), int(labels.max(initial=0))
        else:
            labels, kept = _core_first(labels, at)
            n = len(kept)
        edges = {"n": n}
        for (axis, side), where in self.edges(i).items():
            edges[f"{axis}{side}"] = labels[inside(where, box)]
        cut = self._cut(labels, n, box)
        labels = np.ascontiguousarray(labels[at])
        start = [s.start for s in core]
        found = object_sums(
            labels, start=start, probability=score[at], intensity=self._intensity(i, labels, seen)
        )
        if contours is not None:
            found["contour"] = contours[kept - 1] * found["size"][:, None, None]
        if self.consecutive:
            found["pairs"], found["overlap"] = _links(labels)
            found["first"] = _first_pixels(labels, core, self.shape)
            edges["first"], edges["last"] = labels[0], labels[-1]
        self.ledger.write("edges", i, **edges)
        self.ledger.write("sums", i, n=n, cut=cut, seen=_crc_of(seen), **found)
        self.ledger.write("label", i, labels=labels)
        return n

    def _intensity(self, i, labels, seen):
        """The scan where a block writes, if it is to be measured; not read without objects."""
        if not self.intensity:
            return None
        core, channels = self.grid[i], self.scan.data.shape[labels.ndim :]
        shape = labels.shape + (() if channels == (1,) else channels)
        if not labels.any():
            return np.zeros(shape, np.uint8)
        if seen is not None:
            return seen[inside(core, self.predict_box(i))].reshape(shape)
        return np.asarray(self.scan.data[core].compute(scheduler="synchronous")).reshape(shape)

    def _objects(self, i, seen):
        """Objects of a block with its halo."""
        if self.by_contours:
            return self.detect(i, seen)
        probability = self.array("probabilities")[self.box(i)]
        return _Objects(self._split(probability), probability)

    def detect(self, i, block):
        """Objects that the detector finds in a block with its halo."""
        box, seen = self.box(i), self.predict_box(i)
        allowed = self._allowed(box)
        if block is None:
            nothing = np.zeros([s.stop - s.start for s in box], np.float32)
            samples = self.network.network_.samples
            return _Objects(nothing.astype(np.int32), nothing, np.empty((0, samples, 2)))
        found = self._detected(block[None])
        labels = found.labels[inside(box, seen)]
        labels = labels if allowed is None else np.where(allowed, labels, 0)
        labels = remove_small(labels, self.counter.min_size_)
        score = np.concatenate([[0], found.scores]).astype(np.float32)[labels]
        return _Objects(labels, score, found.contours + [s.start for s in seen])

    def _detected(self, images):
        detector, shape = self._on_worker(), images.shape[1:3]
        images = self._preprocessed(images, 1)
        with _NETWORK:
            maps = detector.block_maps(images)
        return detector.block_objects(maps, shape)

    def _split(self, probability):
        """Objects of a block, or of each section of it."""
        if not (probability > self.counter.threshold_).any():
            return np.zeros(probability.shape, np.int32)
        planes = probability if self.consecutive else probability[None]
        if self.exact:
            found = [label_components(plane > self.counter.threshold_) for plane in planes]
        else:
            found = np.asarray(_by_section(self.counter).label(planes))
        if not self.consecutive:
            return self._without_specks(found[0]) if self.exact else found[0]
        offsets = np.cumsum([0, *(int(label.max(initial=0)) for label in found)])
        return np.stack(
            [np.where(x > 0, x + o, 0) for x, o in zip(found, offsets[:-1], strict=True)]
        )

    def _without_specks(self, labels):
        """Without components that are too small and do not touch another block."""
        if self.counter.min_size_ == 0:
            return labels
        kept = np.bincount(labels.ravel()) >= self.counter.min_size_
        for face in block_faces(labels).values():
            kept[face.ravel()] = True
        kept[0] = False
        return np.take(np.where(kept, np.cumsum(kept), 0).astype(labels.dtype), labels)

    def edges(self, i):
        """What other blocks need to see of a block: by axis and side a box of the scan.

        The outermost pixels of components; of others all that two blocks see both.
        """
        box, found = self.box(i), {}
        for axis, (part, margin) in enumerate(zip(box, self.halo, strict=True)):
            if axis == 0 and self.consecutive:
                continue
            width = 1 if self.exact else 2 * margin
            ends = {
                0: slice(part.start, min(part.start + width, part.stop)),
                -1: slice(max(part.stop - width, part.start), part.stop),
            }
            for side, end in ends.items():
                found[axis, side] = (*box[:axis], end, *box[axis + 1 :])
        return found

    def match(self, i):
        """Which objects of a block and of those that follow it are one."""
        mine, pairs, others, doubtful = self.ledger.read("edges", i), [], [], []
        for offset, j in self.following(i).items():
            same, *unmatched = self._pairs(mine, self.ledger.read("edges", j), i, j, offset)
            pairs.append(same)
            others.append(np.full(len(same), j))
            doubtful += [
                (block, label)
                for block, labels in zip((i, j), unmatched, strict=True)
                for label in labels.tolist()
            ]
        self.ledger.write(
            "match", i, pairs=np.concatenate([np.empty((0, 2), np.int64), *pairs]),
            others=np.concatenate([np.empty(0, np.int64), *others]),
            doubtful=np.array(sorted(set(doubtful)), np.int64).reshape(-1, 2),
        )  # fmt: skip

    def _pairs(self, mine, other, i, j, offset):
        """Labels of two blocks that are one object, and of each those that the other block sees
        differently."""
        if self.exact:
            faces = [_faces(each, len(self.shape)) for each in (mine, other)]
            return boundary_pairs(*faces, offset), *[np.empty(0, np.int64)] * 2
        axis = next(axis for axis, step in enumerate(offset) if step)
        shared = intersection(self.box(i), self.box(j))
        a = mine[f"{axis}-1"][inside(shared, self.edges(i)[axis, -1])]
        b = other[f"{axis}0"][inside(shared, self.edges(j)[axis, 0])]
        cores = [inside(intersection(self.grid[k], shared), shared) for k in (i, j)]
        pairs, of_a, of_b = overlap_pairs(a, b, *cores)
        n_a, n_b = int(mine["n"]), int(other["n"])
        real = (pairs[:, 0] <= n_a) & (pairs[:, 1] <= n_b)
        return pairs[real], of_a[of_a <= n_a], of_b[of_b <= n_b]

    def _cut(self, labels, n, box):
        """Objects of the core that reach the border of what is seen, where the scan goes on."""
        if self.exact:
            return np.empty(0, np.int64)
        reached = [np.empty(0, np.int64)]
        for axis, (part, size) in enumerate(zip(box, self.shape, strict=True)):
            if axis == 0 and self.consecutive:
                continue
            reached += [labels.take(0, axis).ravel()] if part.start > 0 else []
            reached += [labels.take(-1, axis).ravel()] if part.stop < size else []
        found = np.unique(np.concatenate(reached)).astype(np.int64)
        return found[(found > 0) & (found <= n)]

    def write(self, i):
        """Labels of a block under their final ids."""
        ids = self.ledger.read("join", i)["ids"]
        final = np.take(ids, self.ledger.read("label", i)["labels"])
        self._store("labels/0", self.grid[i], final)
        self.ledger.write("write", i, crc=checksum(final))

    def shrink(self, k):
        """A block of a coarser level: every second pixel of the finer one, so that ids stay."""
        level, box = self.shrinking()[k]
        (_, fine), (_, coarse) = self.levels()[level - 1 : level + 1]
        steps = (coarse // fine).tolist()
        region = tuple(
            slice(s.start * step, s.stop * step, step) for s, step in zip(box, steps, strict=True)
        )
        coarser = self.array(f"labels/{level - 1}")[region]
        self._store(f"labels/{level}", box, coarser)
        self.ledger.write("shrink", k, crc=checksum(coarser))


class _Objects(NamedTuple):
    """Objects as a block sees them by itself.

    Parameters
    ----------
    labels : ndarray of int
        Of the block with its halo.
    score : ndarray of float32, of that shape
        Of which the mean over an object is its score.
    contours : ndarray of shape (n_objects, n_points, 2) or None
        Outlines of the labels 1, 2, ..., in pixels of the scan.
    """

    labels: np.ndarray
    score: np.ndarray
    contours: np.ndarray | None = None


def _crc_of(seen):
    return np.array(0, np.uint32) if seen is None else checksum(seen)


def _faces(edges, ndim):
    """As `block_faces` gives them: without the axis that they are a pixel long along."""
    return {
        (axis, side): edges[f"{axis}{side}"].take(0, axis)
        for axis in range(ndim)
        for side in (0, -1)
        if f"{axis}{side}" in edges
    }


def _by_section(counter):
    """The counter as it labels sections by themselves."""
    if counter.sections == "independent":
        return counter
    counter = copy(counter)
    counter.sections = "independent"
    counter.spacing = None if counter.spacing is None else tuple(counter.spacing)[1:]
    return counter


def _links(labels):
    """Pixels that objects of neighboring sections share."""
    found = [count_overlaps(a, b) for a, b in pairwise(labels)]
    pairs = [np.empty((0, 2), np.int64), *(pairs for pairs, _ in found)]
    overlap = [np.empty(0, np.int64), *(overlap for _, overlap in found)]
    return np.concatenate(pairs), np.concatenate(overlap)


def _first_pixels(labels, core, shape):
    """Where the first pixel of each label, 1 to n, is in the scan, counted row by row."""
    _, first = np.unique(labels, return_index=True)
    first = first[-int(labels.max(initial=0)) or len(first) :]  # without the background
    at = np.unravel_index(first, labels.shape)
    at = tuple(a + part.start for a, part in zip(at, core, strict=True))
    return np.ravel_multi_index(at, shape).astype(np.int64)


def _core_first(labels, inside):
    """Number labels so that those in a part of the block are 1 to n; and what these were."""
    in_core, anywhere = (_present(labels[part], labels.max()) for part in (inside, ...))
    n = int(in_core.sum())
    rest = anywhere & ~in_core
    table = np.where(in_core, np.cumsum(in_core), n + np.cumsum(rest)) * anywhere
    return np.take(table.astype(_label_type(labels)), labels), np.flatnonzero(in_core)


def _label_type(labels):
    return np.int32 if labels.size < 2**31 else np.int64


def _present(labels, largest):
    """Which of 0 to `largest` occur; 0 counts as not there."""
    found = np.zeros(int(largest) + 1, bool)
    found[labels.ravel()] = True
    found[0] = False
    return found
