"""Neighbors of sections."""

import numpy as np


def section_indices(positions: np.ndarray, context: int) -> np.ndarray:
    """List the neighbors of each section.

    Two sections are neighbors exactly if their positions differ by one. At the end of a stack (or
    beside a missing position) the last section is repeated.

    Parameters
    ----------
    positions : ndarray of shape (n,), int
        Unique; in any order.
    context : int
        Number of neighbors on each side.

    Returns
    -------
    ndarray of shape (n, 2 * context + 1), int
        Indices of sections; column `context` is the section itself.

    Examples
    --------
    >>> import numpy as np
    >>> from sskseg.images import section_indices
    >>> section_indices(np.array([4, 5, 9]), 1)
    array([[0, 0, 1],
           [0, 1, 1],
           [2, 2, 2]])
    """
    index_of = {int(position): i for i, position in enumerate(positions)}
    indices = np.tile(np.arange(len(positions))[:, None], (1, 2 * context + 1))
    for side in (-1, 1):
        for distance in range(1, context + 1):
            column = context + side * distance
            for i, position in enumerate(positions):
                nearer = indices[i, column - side]
                # Beyond a gap nothing is a neighbor, however near its position.
                unbroken = positions[nearer] == position + side * (distance - 1)
                neighbor = index_of.get(int(position) + side * distance) if unbroken else None
                indices[i, column] = nearer if neighbor is None else neighbor
    return indices


def consecutive_runs(positions: np.ndarray) -> list[np.ndarray]:
    """Split sections into stacks in which each section is the neighbor of the next.

    Parameters
    ----------
    positions : ndarray of shape (n,), int
        Unique; in any order.

    Returns
    -------
    list of ndarray of int
        Indices of the sections of each stack, in the order of their positions.

    Examples
    --------
    >>> import numpy as np
    >>> from sskseg.images import consecutive_runs
    >>> consecutive_runs(np.array([4, 9, 5]))
    [array([0, 2]), array([1])]
    """
    order = np.argsort(positions)
    return np.split(order, np.flatnonzero(np.diff(positions[order]) != 1) + 1)


def groups_of_sections(positions: np.ndarray, distance: int) -> list[list[int]]:
    """Group sections that are at most `distance` behind the first one of their group.

    Parameters
    ----------
    positions : ndarray of shape (n,), int
        In any order.
    distance : int

    Returns
    -------
    list of list of int
        Indices of the sections of each group, in the order of their positions.

    Examples
    --------
    >>> import numpy as np
    >>> from sskseg.images import groups_of_sections
    >>> groups_of_sections(np.array([4, 19, 5, 12]), 8)
    [[0, 2, 3], [1]]
    """
    groups: list[list[int]] = []
    for i in np.argsort(positions).tolist():
        if not groups or positions[i] > positions[groups[-1][0]] + distance:
            groups.append([])
        groups[-1].append(i)
    return groups
