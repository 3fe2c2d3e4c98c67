import numpy as np
import pytest

from sskseg.images import section_indices


@pytest.mark.parametrize(
    ("positions", "expected"),
    [
        ([0, 1, 2], [[0, 0, 0, 1, 2], [0, 0, 1, 2, 2], [0, 1, 2, 2, 2]]),
        ([2, 0, 1], [[1, 2, 0, 0, 0], [1, 1, 1, 2, 0], [1, 1, 2, 0, 0]]),  # not sorted
        ([0, 2, 4], [[0] * 5, [1] * 5, [2] * 5]),  # every other one: no neighbors
        ([0, 1, 3], [[0, 0, 0, 1, 1], [0, 0, 1, 1, 1], [2] * 5]),  # a gap is not jumped over
        ([7], [[0] * 5]),
    ],
)
def test_neighbors_differ_by_one(positions, expected):
    assert section_indices(np.array(positions), 2).tolist() == expected


def test_no_context_is_the_section_itself():
    assert section_indices(np.array([5, 6]), 0).tolist() == [[0], [1]]
