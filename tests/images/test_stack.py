import copy
import pickle

import numpy as np
import pytest
from sklearn.model_selection import KFold
from sklearn.utils import _safe_indexing

from sskseg.images import ImageStack, positions_of


@pytest.fixture
def stack():
    return ImageStack(np.arange(48.0).reshape(3, 4, 4), backbone="net", simulator="sim")


@pytest.mark.parametrize("indices", [[0, 2], np.array([0, 2]), np.array([True, False, True])])
def test_parts_keep_backbone_and_simulator(stack, indices):
    for part in (stack[indices], stack[indices, ...]):
        assert np.array_equal(part, np.asarray(stack)[[0, 2]])
        assert (part.backbone, part.simulator) == ("net", "sim")


def test_parts_of_images_of_different_sizes():
    images = [np.zeros((2, 3)), np.ones((4, 5)), np.full((6, 7), 2)]
    stack = ImageStack(images, simulator="sim")
    assert stack[[True, False, True]].images[1] is images[2]
    assert stack[1:].simulator == "sim"
    assert stack[1] is stack[1, ...] is images[1]
    for key in ([0, 2], np.array([0, 2]), np.array([True, False, True])):
        assert stack[key, ...].images == [images[0], images[2]]
    assert stack[1:, ...].images[0] is images[1]
    with pytest.raises(ValueError, match="different sizes"):
        np.asarray(stack)
    with pytest.raises(IndexError, match="boolean index did not match"):
        stack[[True, False]]


def test_splitters_take_it_apart(stack):
    train, test = next(KFold(3).split(stack))
    assert len(_safe_indexing(stack, train)) == 2
    ragged = ImageStack([np.zeros((2, 3)), np.ones((4, 5)), np.zeros((6, 7))])
    assert len(_safe_indexing(ragged, train)) == 2
    assert isinstance(_safe_indexing(stack, test), ImageStack)


def test_stacks_of_stacks_keep_and_replace(stack):
    assert ImageStack(stack).backbone == "net"
    assert ImageStack(stack, backbone="other").backbone == "other"
    assert stack.with_images(np.zeros((1, 2, 2))).simulator == "sim"


def test_positions_are_those_of_the_samples(stack):
    placed = ImageStack(stack, positions=[0, 1, 5])
    assert placed[[0, 2]].positions.tolist() == [0, 5]
    assert placed[1:].positions.tolist() == [1, 5]
    for copied in (pickle.loads(pickle.dumps(placed)), placed.with_images(np.zeros((3, 2, 2)))):
        assert copied.positions.tolist() == [0, 1, 5]
    assert stack.positions is None
    assert positions_of(placed, None) is placed.positions
    assert positions_of(placed, [7, 8, 9]) == [7, 8, 9]


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda s: pickle.loads(pickle.dumps(s))])
def test_copies(stack, duplicate):
    other = duplicate(stack)
    assert np.array_equal(other, stack)
    assert other.backbone == "net"


def test_it_is_immutable(stack):
    with pytest.raises(AttributeError):
        stack.backbone = None
