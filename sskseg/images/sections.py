"""Which sections lie next to which."""

import numpy as np


def section_indices(positions, context):
    """Find the sections around each section.

    Two rows are neighbors exactly if their positions differ by one. Where a stack ends (or a
    position is missing) the last section on that side is repeated.

    Parameters
    ----------
    positions : ndarray of shape (n,), int
        Unique; in any order.
    context : int
        How many sections on each side.

    Returns
    -------
    ndarray of shape (n, 2 * context + 1), int
        Column `context` is the section itself.

    Examples
    --------
    >>> import numpy as np
    >>> from sskseg.images import section_indices
    >>> section_indices(np.array([4, 5, 9]), 1)
    array([[0, 0, 1],
           [0, 1, 1],
           [2, 2, 2]])
    """
    row_of = {int(position): row for row, position in enumerate(positions)}
    rows = np.tile(np.arange(len(positions))[:, None], (1, 2 * context + 1))
    for side in (-1, 1):
        for distance in range(1, context + 1):
            column = context + side * distance
            for row, position in enumerate(positions):
                nearer = rows[row, column - side]
                # Beyond a gap nothing is a neighbor, however near its position.
                unbroken = positions[nearer] == position + side * (distance - 1)
                found = row_of.get(int(position) + side * distance) if unbroken else None
                rows[row, column] = nearer if found is None else found
    return rows


def consecutive_runs(positions):
    """Split sections into stacks in which each is the neighbor of the next.

    Parameters
    ----------
    positions : ndarray of shape (n,), int
        Unique; in any order.

    Returns
    -------
    list of ndarray of int
        Rows, in the order of their positions; a jump of the positions starts another stack.

    Examples
    --------
    >>> import numpy as np
    >>> from sskseg.images import consecutive_runs
    >>> consecutive_runs(np.array([4, 9, 5]))
    [array([0, 2]), array([1])]
    """
    order = np.argsort(positions)
    return np.split(order, np.flatnonzero(np.diff(positions[order]) != 1) + 1)
