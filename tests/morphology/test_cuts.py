"""Cuts between touching objects."""

import numpy as np
import pytest

from sskseg.morphology import CUT_FEATURES, find_cuts, merge_objects


def boxes(shape, *corners):
    """Label boxes (low, high) 1, 2, ..."""
    labels = np.zeros(shape, np.int32)
    for i, (low, high) in enumerate(corners):
        labels[tuple(slice(a, b) for a, b in zip(low, high, strict=True))] = i + 1
    return labels


def column(cuts, name):
    return cuts.features[:, CUT_FEATURES.index(name)]


def test_features_of_two_squares():
    labels = boxes((16, 24), ((4, 4), (12, 12)), ((4, 12), (12, 20)))
    foreground = np.where(labels > 0, 0.9, 0.1)
    core = np.where(labels > 0, 0.8, 0.0)
    core[:, 11] = 0.2
    cuts = find_cuts(labels, foreground, core)
    assert cuts.pairs.tolist() == [[1, 2]]
    expected = {
        "core": 0.2,  # the lower of both sides of a face
        "foreground": 0.9,
        "neck": 1.0,  # 4 of 4 pixels
        "length": 1.0,  # 8 pixels, of a square of 8
        "size_ratio": 1.0,
        "distance": 8 / np.sqrt(128),
    }
    for name, value in expected.items():
        assert column(cuts, name) == pytest.approx(value), name


def test_a_neck_is_narrow():
    labels = boxes((16, 24), ((3, 2), (13, 12)), ((3, 12), (13, 22)))
    labels[3:7, 10:14] = labels[9:13, 10:14] = 0  # leaves a bridge of two pixels
    cuts = find_cuts(labels, labels > 0, labels > 0)
    assert column(cuts, "neck")[0] <= 0.35
    assert column(cuts, "length")[0] == pytest.approx(2 / np.sqrt(84))


@pytest.mark.parametrize("factor", [2, 3])
def test_features_do_not_depend_on_the_size(factor):
    labels = boxes((12, 20), ((2, 2), (9, 8)), ((3, 8), (8, 15)))
    core = np.random.default_rng(0).random((12, 20))

    def enlarge(image):
        return image.repeat(factor, 0).repeat(factor, 1)

    small = find_cuts(labels, core, core).features[0]
    large = find_cuts(enlarge(labels), enlarge(core), enlarge(core)).features[0]
    assert large == pytest.approx(small, abs=0.15)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_length_does_not_depend_on_the_direction(axis):
    """Two cubes of 24 x 24 x 24 units, of pixels of 4 x 1 x 1."""
    labels = np.zeros([48 if a == axis else 24 for a in range(3)], np.int32)
    labels[:] = 1
    labels[(*(slice(None),) * axis, slice(24, None))] = 2
    labels = np.pad(labels, 4)[::4]
    cuts = find_cuts(labels, labels > 0, labels > 0, (4.0, 1.0, 1.0))
    assert column(cuts, "length") == pytest.approx(1.0)
    assert column(cuts, "size_ratio") == pytest.approx(1.0)
    assert column(cuts, "distance") == pytest.approx(24 / (2 * 24**3) ** (1 / 3))


def test_pairs_are_those_that_share_a_face():
    labels = boxes((9, 9), ((0, 0), (3, 3)), ((3, 3), (6, 6)), ((0, 3), (3, 6)), ((7, 0), (9, 9)))
    cuts = find_cuts(labels, labels > 0, labels > 0)
    assert cuts.pairs.tolist() == [[1, 3], [2, 3]]
    assert np.isfinite(cuts.features).all()


@pytest.mark.parametrize("shape", [(5, 7), (3, 4, 5)])
def test_without_cuts(shape):
    for labels in (np.zeros(shape, int), np.ones(shape, int)):
        cuts = find_cuts(labels, labels, labels)
        assert cuts.pairs.shape == (0, 2)
        assert cuts.features.shape == (0, 6)


def test_an_image_without_background():
    labels = np.repeat([[1, 2]], 3, 0).repeat(4, 1)
    assert np.isfinite(find_cuts(labels, labels > 0, labels > 0).features).all()


def test_merging_is_transitive_and_keeps_the_rest():
    labels = np.array([[1, 2, 3, 0, 7], [0, 0, 5, 5, 9]])
    merged = merge_objects(labels, np.array([[2, 3], [9, 1], [1, 2]]))
    assert merged.tolist() == [[1, 1, 1, 0, 3], [0, 0, 2, 2, 1]]
    assert merge_objects(labels, np.zeros((0, 2), int)).tolist() == [
        [1, 2, 3, 0, 5],
        [0, 0, 4, 4, 6],
    ]
