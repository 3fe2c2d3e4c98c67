"""Which planes of files are neighbors: those of one stack."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from .pictures import Picture, planes_of


def depths(picture: Picture) -> list[int]:
    """Count the planes of the stacks of a picture.

    Parameters
    ----------
    picture : Picture

    Returns
    -------
    list of int
        The depth of the volume of each time or position; of a picture without z, all planes.
    """
    sizes = planes_of(picture.axes, picture.pixels.shape)
    n = prod(size for _, size in sizes)
    depth = dict(sizes).get("z", n)
    return [depth] * (n // depth) if depth else []


def stack_positions(stacks: Sequence[int]) -> list[int] | None:
    """Compute positions of sections, with a gap beside each stack of several.

    Parameters
    ----------
    stacks : sequence of int
        Numbers of sections, in the order of the files.

    Returns
    -------
    list of int, or None
        None for a single stack: one of several sections, or sections in a file each.
    """
    positions: list[int] = []
    start, was_stack = 0, False
    for n in stacks:
        start += bool(positions) and (n > 1 or was_stack)
        positions += range(start, start + n)
        start, was_stack = start + n, n > 1
    return positions if positions and positions[-1] >= len(positions) else None
