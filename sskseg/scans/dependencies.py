"""Which blocks must be finished before others."""

from __future__ import annotations

from .plan import Plan
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


def _pyramid_needs(plan, written):
    """Each block of a coarser level needs the blocks of the finer one that it covers."""
    coarser = [("downsample", k) for k in range(len(plan.pyramid))]
    blocks, needs = {"write": written, "downsample": coarser}, {}
    for k, block in enumerate(coarser):
        task, finer = plan.finer_blocks(k)
        needs[block] = [blocks[task][j] for j in finer]
    return needs
