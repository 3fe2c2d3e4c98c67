"""What the workers of a scan do: each stage is a function of one block, and may be done again."""

import hashlib
import json
from copy import copy
from dataclasses import dataclass, field
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import clone

from ..images import unwrap
from ..morphology import count_overlaps, label_components, object_sums
from .blocks import cut
from .ledger import Ledger, checksum
from .opening import Scan

_BLOCK = {2: (2048, 2048), 3: (128, 512, 512)}
_FOREVER = 2**30


@dataclass
class Job:
    """All that a worker needs to know; the same for every block."""

    estimator: Any
    scan: Scan
    block_shape: tuple[int, ...]
    halo: tuple[int, ...]
    core: tuple[int, ...]
    network_halo: tuple[int, ...]
    skip_below: float | None
    destination: Path | None = None
    grid: list = field(default_factory=list)
    predict_grid: list = field(default_factory=list)

    @property
    def shape(self):
        return self.scan.data.shape[: len(self.scan.spacing)]

    @property
    def counter(self):
        return self.estimator[-1]

    @property
    def consecutive(self):
        """Whether the first axis of the scan counts sections, in which objects are found."""
        return self.counter.sections == "consecutive"

    @property
    def exact(self):
        """Whether objects are components, whose pixels touch across boundaries."""
        counter = self.counter
        plain = not counter.fill_holes and counter.merge_distance == 0
        return counter.method == "components" and plain

    @property
    def ledger(self):
        return Ledger(self.destination / "ledger")

    def fingerprint(self):
        """What the result depends on."""
        return {
            "model": _hash_of(self.estimator),
            "source": _hash_source(self.scan),
            "block_shape": str(self.block_shape),
            "halo": str(self.halo),
            "skip_below": str(self.skip_below),
        }

    def create(self, destination):
        """Make the arrays, which are left as they are where they exist."""
        import zarr

        self.destination = destination
        root = zarr.open_group(destination, mode="a")
        for name, dtype, chunks in (("probabilities", np.float32, self.core),
                                    ("labels", np.int64, self.block_shape)):  # fmt: skip
            path = "labels/0" if name == "labels" else name
            if path not in root and not self.ledger.has("done", 0):
                root.create_array(path, shape=self.shape, chunks=chunks, dtype=dtype)

    def array(self, name):
        import zarr

        return zarr.open_array(self.destination / name, mode="r+")

    def box(self, i):
        return _grown(self.grid[i], self.halo, self.shape)

    def predict_box(self, i):
        return _grown(self.predict_grid[i], self.network_halo, self.shape)

    # Stages; each is a function of the block only, and may be done again

    def predict(self, i):
        """Probabilities of a block of the network's grid."""
        box, core = self.predict_box(i), self.predict_grid[i]
        block = np.asarray(self.scan.data[box].compute(scheduler="synchronous"))
        if self.skip_below is not None and not (block > self.skip_below).any():
            probability = np.zeros([s.stop - s.start for s in core], np.float32)
        else:
            block = block if self.consecutive else block[None]
            found = np.asarray(unwrap(self.estimator[:-1].transform(block)))
            found = found if self.consecutive else found[0]
            probability = found[inside(core, box)]
        if self.destination is not None:
            self.array("probabilities")[core] = probability
            self.ledger.write("predict", i, crc=checksum(probability))
        return probability

    def label(self, i):
        """Objects of a block as it sees them by itself; those in its core come first."""
        box, core = self.box(i), self.grid[i]
        probability = self.array("probabilities")[box]
        at = inside(core, box)
        labels, n = _core_first(self._split(probability), at)
        start = [s.start for s in core]
        sums = object_sums(labels[at], start=start, probability=probability[at])
        found = {f"sums_{key}": value for key, value in sums.items()}
        if self.consecutive:
            found["pairs"], found["overlap"] = _links(labels[at])
            found["first"] = _first_pixels(labels[at], core, self.shape)
        self.ledger.write(
            "label", i, labels=labels, n=np.int64(n), cut=self._cut(labels, n, box), **found
        )

    def _split(self, probability):
        """Objects of a block, or of each section of it."""
        planes = probability if self.consecutive else probability[None]
        if self.exact:
            found = [label_components(plane > self.counter.threshold_) for plane in planes]
        else:
            found = np.asarray(_by_section(self.counter).label(planes))
        if not self.consecutive:
            return found[0]
        offsets = np.cumsum([0, *(int(label.max(initial=0)) for label in found)])
        return np.stack(
            [np.where(x > 0, x + o, 0) for x, o in zip(found, offsets[:-1], strict=True)]
        )

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
        found = self.ledger.read("label", i)
        final = ids[found["labels"][inside(self.grid[i], self.box(i))]]
        self.array("labels/0")[self.grid[i]] = final
        self.ledger.write("write", i, crc=checksum(final))


def make_job(estimator, scan, block_shape, halo, skip_below):
    """Check everything that does not need a pixel, and plan the blocks.

    Parameters
    ----------
    estimator, block_shape, halo, skip_below
        As `count_scan` takes them.
    scan : Scan or dask array

    Returns
    -------
    Job
    """
    segmenter, counter = _check_estimator(estimator)
    consecutive = counter.sections == "consecutive"
    ndim = counter.spatial_ndim + consecutive
    scan = _check_scan(scan, ndim)
    shape = scan.data.shape[:ndim]
    core, network_halo = segmenter.block_sizes(shape)
    core = tuple(min(side, size) for side, size in zip(core, shape, strict=True))
    block_shape = _check_sizes("block_shape", block_shape, _BLOCK[ndim], shape, 1)
    job = Job(_freeze(estimator, scan), scan, block_shape, (), core, network_halo, skip_below)
    sides = zip(block_shape, shape, strict=True)
    default = [0 if job.exact or block == size else block // 4 for block, size in sides]
    if consecutive:
        default[0] = 0
    job.halo = _check_sizes("halo", halo, default, (_FOREVER,) * ndim, 0)
    for axis, (block, margin, size) in enumerate(zip(block_shape, job.halo, shape, strict=True)):
        if block < size and margin > block:
            raise ValueError(
                f"block_shape must be at least as long as the halo, got {block} and {margin} along "
                f"axis {axis}."
            )
    if job.exact:
        job.halo = (0,) * ndim
    elif consecutive:
        job.halo = (0, *job.halo[1:])
    job.grid = boxes([cut(*axis, 0) for axis in zip(shape, block_shape, strict=True)])
    axes = zip(shape, core, network_halo, strict=True)
    job.predict_grid = boxes([cut(*axis) for axis in axes])
    return job


def _check_scan(scan, ndim):
    """A scan of `ndim` axes, and perhaps channels."""
    if not isinstance(scan, Scan):
        if scan.ndim not in (ndim, ndim + 1):
            raise ValueError(
                f"source must have {ndim} spatial axes, and perhaps channels, got {scan.shape}."
            )
        axes = "zyx"[-ndim:] + "c" * (scan.ndim - ndim)
        scan = Scan(scan, axes, (1.0,) * ndim, None, f"dask {scan.name}")
    if len(scan.spacing) != ndim:
        raise ValueError(
            f"source has the axes {scan.axes!r}; the estimator wants {ndim} spatial axes."
        )
    return scan


def _check_estimator(estimator):
    """The segmenter and the counter of a fitted pipeline."""
    steps = getattr(estimator, "steps", None)
    last = steps[-1][1] if steps else None
    if last is None or not hasattr(last, "threshold_") or len(steps) < 2:
        raise ValueError(
            "estimator must be a fitted pipeline of a segmenter and an InstanceCounter at its end, "
            f"got {estimator!r}."
        )
    if getattr(last, "method", None) == "contours":
        raise ValueError(
            "Scans are counted from probabilities: method='contours' works on images in memory, or "
            "on dask arrays each sample of which fits in memory."
        )
    segmenter = steps[-2][1]
    if not hasattr(segmenter, "block_sizes"):
        raise ValueError(f"The step before the counter must be a segmenter, got {segmenter!r}.")
    if segmenter.sections != last.sections:
        raise ValueError(
            "Segmenter and counter must both have sections='consecutive', or neither, got "
            f"{segmenter.sections!r} and {last.sections!r}."
        )
    return segmenter, last


def _freeze(estimator, scan):
    """The pipeline with intensity statistics of the whole scan where it wants those of an image."""
    steps = []
    for name, step in estimator.steps:
        if getattr(step, "scope", None) == "image":
            if getattr(estimator[-1], "sections", None) == "consecutive":
                raise ValueError(
                    "PercentileScaler(scope='image') scales each section by itself, which a block "
                    "does not see whole: use scope='dataset'."
                )
            step = clone(step).set_params(scope="dataset").fit(scan.data[None])
        steps.append((name, step))
    return type(estimator)(steps)


def _check_sizes(name, sizes, default, shape, least):
    """One integer an axis, not longer than the scan."""
    given = default if sizes is None else sizes
    given = np.atleast_1d(given)
    if given.dtype.kind not in "iu" or given.shape not in ((1,), (len(shape),)):
        raise ValueError(f"{name} must be {len(shape)} integers, got {sizes!r}.")
    if given.min() < least:
        raise ValueError(f"{name} must be at least {least}, got {sizes!r}.")
    given = np.broadcast_to(given, len(shape))
    return tuple(min(int(side), size) for side, size in zip(given, shape, strict=True))


def _hash_of(estimator):
    """SHA-256 of all parameters and weights."""
    digest = hashlib.sha256()

    def add(value):
        if callable(value) and hasattr(value, "__qualname__"):
            value = f"{value.__module__}.{value.__qualname__}"  # its repr may tell an address
        elif hasattr(value, "state_dict"):
            value = {k: v.cpu().numpy() for k, v in value.state_dict().items()}
        if hasattr(value, "get_params"):
            value = {"class": type(value).__name__, **{
                k: v for k, v in vars(value).items()
                if k not in ("history_", "transduction_", "verbose", "device")}}  # fmt: skip
        if isinstance(value, dict):
            for key in sorted(value):
                digest.update(str(key).encode())
                add(value[key])
        elif isinstance(value, (list, tuple)):
            for item in value:
                add(item)
        elif isinstance(value, np.ndarray):
            digest.update(f"{value.dtype}{value.shape}".encode())
            digest.update(np.ascontiguousarray(value).tobytes())
        else:
            digest.update(repr(value).encode())

    add(estimator)
    return digest.hexdigest()


def _hash_source(scan):
    """Shape, type, place, and the times of the files at that place."""
    path = Path(scan.source)
    stamps = []
    if path.is_dir():
        stamps = sorted((f.name, f.stat().st_size, f.stat().st_mtime_ns) for f in path.iterdir())
    elif path.is_file():
        stamps = [(path.name, path.stat().st_size, path.stat().st_mtime_ns)]
    told = [scan.data.shape, str(scan.data.dtype), scan.axes, scan.spacing, scan.source, stamps]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


# Boxes and labels


def boxes(chunks):
    """Boxes of the blocks of an array, row by row; sizes along each axis are given."""
    starts = [np.concatenate([[0], np.cumsum(sizes)]).tolist() for sizes in chunks]
    axes = [[slice(a, b) for a, b in pairwise(x)] for x in starts]
    return [tuple(box) for box in product(*axes)]


def _grown(box, margin, shape):
    return tuple(
        slice(max(0, s.start - m), min(size, s.stop + m))
        for s, m, size in zip(box, margin, shape, strict=True)
    )


def inside(box, whole):
    """A box as seen from the start of another."""
    return tuple(
        slice(a.start - b.start, a.stop - b.start) for a, b in zip(box, whole, strict=True)
    )


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
    """Number labels so that those in a part of the block are 1 to n."""
    found = np.unique(labels[labels > 0])
    core = np.unique(labels[inside])
    core = core[core > 0]
    table = np.zeros(int(found.max(initial=0)) + 1, np.int32)
    table[core] = np.arange(1, len(core) + 1)
    rest = np.setdiff1d(found, core)
    table[rest] = np.arange(len(core) + 1, len(found) + 1)
    return table[labels], len(core)
