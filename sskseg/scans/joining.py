"""Joining the blocks of a scan: numbers, table, pyramid."""

import shutil

import numpy as np

from ..morphology import best_matches, count_overlaps, merge_sums, sums_to_table
from .blocks import cut
from .job import boxes, inside
from .ledger import checksum, write_atomically
from .stitching import (
    block_faces,
    boundary_pairs,
    merge_ids,
    neighbor_offsets,
    overlap_pairs,
)

_SMALLEST_LEVEL = 256  # pixels; the pyramid ends where a level fits in that


def join_blocks(job, ledger):
    """Number the objects of all blocks; for each block the final ids of its labels."""
    if ledger.has("join", len(job.grid)):
        return
    at = {tuple(s.start for s in core): i for i, core in enumerate(job.grid)}
    pairs, doubtful, counts = [], [], []
    for i in range(len(job.grid)):
        found = ledger.read("label", i)
        counts.append(int(found["n"]))
        doubtful += [(i, int(k), "larger than the halo") for k in found["cut"]]
        for offset in neighbor_offsets(len(job.shape), 1 if job.exact else len(job.shape)):
            if job.consecutive and offset[0] != 0:
                continue
            start = tuple(
                s.start + o * b
                for s, o, b in zip(job.grid[i], offset, job.block_shape, strict=True)
            )
            if start in at:
                other = ledger.read("label", at[start])
                same, unmatched = _pairs(job, found, other, i, at[start], offset)
                pairs.append((i, at[start], same))
                doubtful += [(i, int(k), "seen differently by two blocks") for k in unmatched]
    numbering = merge_ids(counts, pairs)
    kept = _large_enough(job, ledger, numbering)
    if job.consecutive:
        kept = _over_sections(job, ledger, numbering, kept, at)
    for i in range(len(job.grid)):
        # Labels beyond those of the core are other blocks' to write.
        n_all = int(ledger.read("label", i)["labels"].max(initial=0))
        table = kept[numbering.table(i)]
        ledger.write("join", i, ids=np.append(table, np.zeros(n_all + 1 - len(table), np.int64)))
    ids = [kept[numbering.table(i)[k]] for i, k, _ in doubtful]
    reasons = np.array([reason for _, _, reason in doubtful], dtype="U32")
    ledger.write("join", len(job.grid), ids=np.array(ids, np.int64), reasons=reasons)


def _pairs(job, found, other, i, j, offset):
    if job.exact:
        a, b = block_faces(found["labels"]), block_faces(other["labels"])
        return boundary_pairs(a, b, offset), ()
    one, two = job.box(i), job.box(j)
    shared = tuple(
        slice(max(a.start, b.start), min(a.stop, b.stop)) for a, b in zip(one, two, strict=True)
    )
    core = tuple(
        slice(max(c.start, s.start) - s.start, max(0, min(c.stop, s.stop) - s.start))
        for c, s in zip(job.grid[j], shared, strict=True)
    )
    a, b = found["labels"][inside(shared, one)], other["labels"][inside(shared, two)]
    pairs, unmatched = overlap_pairs(a, b, core)
    n_a, n_b = int(found["n"]), int(other["n"])
    real = (pairs[:, 0] <= n_a) & (pairs[:, 1] <= n_b)
    return pairs[real], unmatched[unmatched <= n_a]


def _large_enough(job, ledger, numbering):
    """Final ids by their numbers, 0 for components that are too small as a whole."""
    kept = np.arange(numbering.n_objects + 1)
    if not job.exact or job.counter.min_size_ == 0:
        return kept
    sizes = np.zeros(len(kept), np.int64)
    for i in range(len(job.grid)):
        found = ledger.read("label", i)
        np.add.at(sizes, numbering.table(i)[found["sums_label"]], found["sums_size"])
    large = sizes >= job.counter.min_size_
    large[0] = False
    return np.where(large, np.cumsum(large), 0)


def _over_sections(job, ledger, numbering, kept, at):
    """Final ids where objects of neighboring sections are one: see `join_sections`."""
    pairs, overlaps = [np.empty((0, 2), np.int64)], [np.empty(0, np.int64)]
    areas = np.zeros(int(kept.max(initial=0)) + 1, np.int64)
    firsts = np.full(len(areas), np.iinfo(np.int64).max)
    for i, core in enumerate(job.grid):
        found, ids = ledger.read("label", i), kept[numbering.table(i)]
        np.add.at(areas, ids[found["sums_label"]], found["sums_size"])
        np.minimum.at(firsts, ids[1:], found["first"])
        pairs.append(ids[found["pairs"]])
        overlaps.append(found["overlap"])
        above = at.get((core[0].stop, *(s.start for s in core[1:])))
        if above is not None:
            other = ledger.read("label", above)
            last = found["labels"][inside(core, job.box(i))][-1]
            first = other["labels"][inside(job.grid[above], job.box(above))][0]
            between, overlap = count_overlaps(last, first)
            next_ids = kept[numbering.table(above)]
            pairs.append(np.stack([ids[between[:, 0]], next_ids[between[:, 1]]], axis=1))
            overlaps.append(overlap)
    pairs, overlaps = np.concatenate(pairs), np.concatenate(overlaps)
    real = (pairs > 0).all(axis=1)
    pairs, index = np.unique(pairs[real], axis=0, return_inverse=True)
    overlap = np.bincount(index.ravel(), overlaps[real], len(pairs)).astype(np.int64)
    same = best_matches(pairs, overlap, areas[pairs.T], firsts[pairs.T])
    joined = merge_ids([len(areas) - 1], [(0, 0, same)])
    return joined.table(0)[kept]


def clean(job, ledger, keep_probabilities):
    """Remove what a finished run does not need."""
    if not keep_probabilities:
        shutil.rmtree(job.destination / "probabilities", ignore_errors=True)
    for stage in ("predict", "label", "write"):
        ledger.remove(stage)


def finish(job, ledger):
    """Write the table, the pyramid and the metadata."""
    parts = []
    for i in range(len(job.grid)):
        found, ids = ledger.read("label", i), ledger.read("join", i)["ids"]
        sums = {k.removeprefix("sums_"): v for k, v in found.items() if k.startswith("sums_")}
        sums["label"] = ids[sums["label"]]
        kept = sums["label"] > 0
        parts.append({key: value[kept] for key, value in sums.items()})
    table = sums_to_table(merge_sums(parts), job.shape, job.scan.spacing)
    write_atomically(job.destination / "objects.csv", table.to_csv(index=False).encode())
    temporary = job.destination / "objects.parquet.part"
    table.to_parquet(temporary, index=False)
    temporary.replace(job.destination / "objects.parquet")
    _write_pyramid(job)
    ledger.write("done", 0, crc=checksum(np.array(len(table))))


def _write_pyramid(job):
    """Levels of half the resolution, of every second pixel so that ids stay, and the metadata."""
    import zarr

    root = zarr.open_group(job.destination / "labels", mode="a")
    factor, sets = np.ones(len(job.shape), int), []
    while True:
        level = len(sets)
        scale = (np.array(job.scan.spacing) * factor).tolist()
        sets.append({"path": str(level),
                     "coordinateTransformations": [{"type": "scale", "scale": scale}]})  # fmt: skip
        finer = root[str(level)]
        if max(finer.shape) <= _SMALLEST_LEVEL:
            break
        halved = np.array([2 if size > _SMALLEST_LEVEL // 2 else 1 for size in finer.shape])
        factor = factor * halved
        shape = [-(-size // h) for size, h in zip(finer.shape, halved, strict=True)]
        coarse = root.create_array(
            str(level + 1), shape=shape, chunks=tuple(np.minimum(finer.chunks, shape).tolist()),
            dtype=np.int64, overwrite=True,
        )  # fmt: skip
        chunks = [cut(*axis, 0) for axis in zip(coarse.shape, coarse.chunks, strict=True)]
        for block in boxes(chunks):
            region = tuple(
                slice(s.start * h, s.stop * h, h) for s, h in zip(block, halved, strict=True)
            )
            coarse[block] = finer[region]
    axes = [{"name": name, "type": "space", **({"unit": job.scan.unit} if job.scan.unit else {})}
            for name in job.scan.axes if name != "c"]  # fmt: skip
    multiscales = [{"name": "labels", "axes": axes, "datasets": sets}]
    root.attrs["ome"] = {"version": "0.5", "multiscales": multiscales, "image-label": {}}
