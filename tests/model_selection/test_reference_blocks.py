"""Statistics of the blocks of a single label image, over which standard errors are computed."""

import numpy as np
import pytest

from sskseg import InstanceCounter
from sskseg.images.annotations import Annotations
from sskseg.metrics import match_instances
from sskseg.model_selection.parameter_search import ParameterSearch
from sskseg.model_selection.reference import reference_of


def grid(n=6, side=8, ndim=2):
    """One square object in each cell of a grid."""
    shape = (n * side,) * ndim
    cells = np.indices(shape) // side
    ids = 1 + np.ravel_multi_index(tuple(cells), (n,) * ndim)
    inside = ((np.indices(shape) % side >= 2) & (np.indices(shape) % side < 6)).all(axis=0)
    return np.where(inside, ids, 0)


def reference(labels):
    return reference_of(Annotations(labels, [label[..., None] for label in labels]))


@pytest.mark.parametrize("ndim", [2, 3])
def test_blocks_sum_to_the_image(ndim):
    true = grid(ndim=ndim)
    rng = np.random.default_rng(0)
    found = np.where(rng.random(true.max() + 1)[true] < 0.7, true, 0)
    found[:3] = true.max() + 1  # a false object, and others that are too large
    statistics, counts = reference([true]).evaluate([found])
    assert statistics.shape == (3**ndim, 3, 3)
    expected = [matches[:3] for matches in match_instances([true], [found], (0.5, 0.6, 0.7))]
    assert statistics.sum(axis=0).tolist() == [list(each) for each in expected]
    assert counts.tolist() == [len(np.unique(found[found > 0]))]


def test_an_object_belongs_to_the_block_of_its_centroid():
    true = grid()
    statistics, _ = reference([true]).evaluate([np.where(true == 1, 0, true)])
    assert statistics[:, 0, 2].tolist() == [1, *[0] * 8]  # missed in the first block
    assert statistics[:, 0, 0].tolist() == [3, *[4] * 8]


def test_objects_in_unlabeled_pixels_do_not_count():
    true = np.where(grid() <= 6, grid(), 0)
    true[8:] = -1
    statistics, _ = reference([true]).evaluate([grid()])
    assert statistics.sum(axis=0).tolist() == [[6, 0, 0]] * 3


def test_two_images_have_a_row_each():
    statistics, _ = reference([grid(), grid()]).evaluate([grid(), 0 * grid()])
    assert statistics[:, 0].tolist() == [[36, 0, 0], [0, 0, 36]]


def test_a_gain_in_one_block_alone_is_not_taken():
    """Of a single sample with nine parts, a value must be better in most of them."""
    losses = {0: np.full((9, 1), 5.0), 1: np.array([[2.0], *[[5.0]] * 8]), 2: np.full((9, 1), 4.9)}
    search = ParameterSearch(
        lambda value: (losses[value], np.zeros(1)), lambda statistics: float(statistics[0]), 1,
        {"value": 0}, ["value"], {"value": (0, 1, 2)},
    )  # fmt: skip
    assert search.search() == {"value": 2}


def test_a_single_image_keeps_the_default_threshold():
    """One object of 36 is found at a lower threshold alone: that may be chance."""
    y = grid()
    probability = np.where(y > 0, 0.9, 0.1)
    probability[y == 8] = 0.45
    counter = InstanceCounter().fit(probability[None], y[None])
    assert counter.threshold_ == 0.5
    probability[np.isin(y, range(1, 37, 2))] = 0.45  # half of them, everywhere
    assert InstanceCounter().fit(probability[None], y[None]).threshold_ == 0.4
