"""Which blocks must be finished before others."""

from __future__ import annotations

from itertools import groupby

from ..inference.blocks import cut
from ..io.ome_zarr.pyramid import pyramid_levels
from .boxes import boxes
from .grid import Grid
from .plan import Plan
from .pyramid import finer_region
from .scaling import needs_scan

Block = tuple[str, int]  # task and index


def scaling_tasks(plan: Plan) -> dict[Block, list[Block]]:
    """List the steps of the pipeline that need the whole scan; all other tasks need them."""
    return {("scaling", index): [] for index, step in enumerate(plan.steps) if needs_scan(step)}


def task_graph(plan: Plan) -> dict[Block, list[Block]]:
    """List the blocks of all tasks, in the order in which they are best done.

    Tasks of the whole scan, such as join, are one block.

    Returns
    -------
    dict of (task, block) to list of (task, block)
        What must be finished before.
    """
    blocks, join = range(len(plan.grid)), ("join", 0)
    # One tuple for each block, however many others need it: graphs of large scans are large.
    predicted, found, matched, written, rows = (
        [(task, i) for i in range(plan.n_blocks.get(task, 0))]
        for task in ("predict", "objects", "match", "write", "rows")
    )
    needs: dict[Block, list[Block]] = {block: [] for block in predicted}
    for i in blocks:
        read = [] if plan.from_images else plan.network_grid.overlapping(plan.grid.input_box(i))
        needs[found[i]] = [predicted[k] for k in read]
    for i in blocks:
        needs[matched[i]] = [found[j] for j in (i, *plan.neighbors(i).values())]
    needs[join] = matched
    needs.update({written[i]: [found[i], join] for i in blocks})
    needs.update(_pyramid_needs(plan, written))
    # Rows also need the few blocks further away in which their objects continue. Those are finished
    # by then, unless their record is damaged and the run was killed.
    needs.update({rows[i]: [join, *needs[matched[i]]] for i in blocks})
    needs["table", 0] = rows
    labels = [block for block in needs if block[0] in ("write", "downsample")]
    needs["finish", 0] = [("table", 0), *labels]
    return needs


def _pyramid_needs(plan, names):
    """Each block of a coarser level needs the blocks of the finer one that it covers."""
    needs, finer = {}, plan.grid
    shapes = [shape for shape, _ in pyramid_levels(plan.shape)]
    for level, entries in groupby(enumerate(plan.pyramid), key=lambda entry: entry[1][0]):
        below, names = names, []
        for k, (_, box) in entries:
            read = finer.overlapping(finer_region(plan.shape, level, box))
            names.append(("downsample", k))
            needs[names[-1]] = [below[j] for j in read]
        cuts = [cut(*axis, 0) for axis in zip(shapes[level], plan.grid.core, strict=True)]
        finer = Grid(shapes[level], plan.grid.core, plan.grid.halo, boxes(cuts), plan.grid.stride)
    return needs
