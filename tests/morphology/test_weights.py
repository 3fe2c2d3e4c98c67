import numpy as np
import pytest
from scipy import ndimage as ndi

from sskseg.morphology import weight_map


def brute_force(labels, w0=10.0, sigma=5.0, spacing=None):
    """Distance transforms of the whole image, one for each object."""
    numbers = np.unique(labels[labels > 0])
    weights = (labels >= 0).astype(float)
    if len(numbers) < 2:
        return weights
    distances = [ndi.distance_transform_edt(labels != n, sampling=spacing) for n in numbers]
    d1, d2 = np.sort(distances, axis=0)[:2]
    return weights + (labels == 0) * w0 * np.exp(-((d1 + d2) ** 2) / (2 * sigma**2))


def random_objects(shape, n, seed, radius=3):
    rng = np.random.default_rng(seed)
    labels = np.zeros(shape, int)
    grid = np.indices(shape)
    for number in range(2, n + 2):
        center = [rng.integers(size) for size in shape]
        inside = sum((g - c) ** 2 for g, c in zip(grid, center)) <= radius**2
        labels[inside & (labels == 0)] = number
    return labels


@pytest.mark.parametrize(
    ("shape", "spacing"),
    [((60, 70), None), ((60, 70), (1.0, 2.5)), ((20, 30, 25), None), ((12, 30, 25), (3.0, 1, 1))],
)
@pytest.mark.parametrize("sigma", [2.0, 5.0])
def test_it_is_exact_to_a_thousandth_of_the_border_weight(shape, spacing, sigma):
    labels = random_objects(shape, 9, seed=0)
    labels[:4, :4] = -1
    weights = weight_map(labels, 10.0, sigma, spacing=spacing)
    assert weights.dtype == np.float32
    assert np.abs(weights - brute_force(labels, 10.0, sigma, spacing)).max() < 1e-3 * 10


def test_by_hand():
    labels = np.zeros((1, 9), int)
    labels[0, 0], labels[0, 4] = 2, 3
    between = 1 + 10 * np.exp(-(4**2) / 50)
    beyond = [1 + 10 * np.exp(-((d + d + 4) ** 2) / 50) for d in (1, 2, 3, 4)]
    expected = [1, between, between, between, 1, *beyond]
    assert weight_map(labels)[0] == pytest.approx(expected, abs=0.01)


def test_a_mask_falls_into_its_components():
    mask = np.array([[1, 1, 0, 1, 1]])
    assert np.array_equal(weight_map(mask), weight_map(np.array([[7, 7, 0, 9, 9]])))
    assert np.array_equal(weight_map(mask > 0), weight_map(mask))
    # one object in two pieces is no pair of objects
    assert np.array_equal(weight_map(np.array([[7, 7, 0, 7, 7]])), np.ones((1, 5)))


@pytest.mark.parametrize("value", [0, 1, 2**40, -1])
@pytest.mark.parametrize("shape", [(6, 7), (1, 1), (0, 5), (3, 4, 5)])
def test_fewer_than_two_objects_have_no_border_term(value, shape):
    weights = weight_map(np.full(shape, value))
    assert weights.shape == shape
    assert (weights == (value >= 0)).all()


def test_numbers_of_objects_do_not_matter():
    labels = random_objects((40, 40), 6, seed=1)
    large = np.where(labels > 0, labels.astype(np.int64) + 2**40, labels)
    assert np.array_equal(weight_map(labels), weight_map(large))
    assert np.array_equal(weight_map(labels), weight_map(labels.astype(np.uint8)))
    assert np.array_equal(weight_map(labels), weight_map(labels.astype(np.uint64) * 2**55))


def test_classes_are_balanced_with_mean_one():
    labels = random_objects((40, 40), 5, seed=2)
    labels[0] = -1
    weights = weight_map(labels, 0.0, class_weight="balanced")
    assert weights[labels > 0].sum() == pytest.approx(weights[labels == 0].sum(), rel=1e-5)
    assert weights[labels >= 0].mean() == pytest.approx(1, rel=1e-5)
    assert not weights[labels < 0].any()
    both = weight_map(labels, class_weight="balanced")
    assert np.allclose(both - weights, weight_map(labels) - (labels >= 0), atol=1e-5)
    assert np.array_equal(
        weight_map(np.ones((3, 3), int), class_weight="balanced"), np.ones((3, 3))
    )


def test_flipping_and_turning_commute():
    labels = random_objects((40, 50), 8, seed=3)
    assert np.allclose(np.rot90(weight_map(labels)), weight_map(np.rot90(labels)), atol=1e-5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"border_weight": -1}, "got -1 and 5.0"),
        ({"border_sigma": 0}, "got 10.0 and 0"),
        ({"border_weight": np.inf}, "got inf"),
        ({"class_weight": "equal"}, "got 'equal'"),
        ({"spacing": (1,)}, r"spacing must be 2 positive numbers, got \(1,\)"),
        ({"spacing": 2.0}, "spacing must be 2 positive numbers, got 2.0"),
        ({"spacing": (1, np.nan)}, "spacing must be 2 positive"),
        ({"spacing": (1, 0)}, "spacing must be 2 positive"),
        ({"labels": np.zeros((2, 2))}, "got float64"),
        ({"labels": np.zeros(4, int)}, r"got int64 of shape \(4,\)"),
    ],
)
def test_bad_input_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        weight_map(**{"labels": np.zeros((2, 2), int), **change})


def test_the_input_is_not_modified():
    labels = random_objects((20, 20), 4, seed=4)
    labels.flags.writeable = False
    weight_map(labels)
