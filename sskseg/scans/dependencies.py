"""Which blocks must be finished before others."""

from __future__ import annotations

from itertools import groupby

from .plan import Plan

Block = tuple[str, int]  # task and index


def object_tasks(plan: Plan) -> dict[Block, list[Block]]:
    """List the blocks of predict, objects and match, in the order in which they are best done.

    Returns
    -------
    dict of (task, block) to list of (task, block)
        What must be finished before.
    """
    n_blocks = len(plan.grid)
    needs: dict[Block, list[Block]] = {}
    if not plan.from_images:
        needs.update({("predict", i): [] for i in range(len(plan.network_grid))})
    for i in range(n_blocks):
        read = [] if plan.from_images else plan.network_grid.overlapping(plan.grid.input_box(i))
        needs["objects", i] = [("predict", k) for k in read]
    for i in range(n_blocks):
        needs["match", i] = [("objects", j) for j in (i, *plan.neighbors(i).values())]
    return needs


def write_tasks(plan: Plan) -> dict[Block, list[Block]]:
    """List the blocks of write, which need no other."""
    return {("write", i): [] for i in range(len(plan.grid))}


def downsample_tasks(plan: Plan) -> list[dict[Block, list[Block]]]:
    """List the blocks of each level of the pyramid; a level needs the one before."""
    levels = groupby(enumerate(plan.pyramid), key=lambda entry: entry[1][0])
    return [{("downsample", k): [] for k, _ in blocks} for _, blocks in levels]
