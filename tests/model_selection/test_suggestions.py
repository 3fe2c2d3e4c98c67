"""`suggest_samples`: images to label that represent all images."""

import numpy as np
import pytest

from sskseg import suggest_samples
from sskseg.datasets import make_cells
from sskseg.model_selection.suggestions import _standardized

SMALL, Y = make_cells(n_samples=6, shape=(96, 96), radius=4, random_state=0)
LARGE, _ = make_cells(n_samples=4, shape=(96, 96), radius=14, random_state=1)
DARK = SMALL[:2].max() - SMALL[:2]
X = np.concatenate([SMALL, LARGE, DARK])
KIND = np.repeat([0, 1, 2], [6, 4, 2])


def test_one_image_of_each_kind():
    indices = suggest_samples(X, 3)
    assert sorted(KIND[indices]) == [0, 1, 2]
    assert KIND[indices[0]] == 0  # the largest kind


def test_suggestions_are_nested_distinct_and_deterministic():
    everything = suggest_samples(X, len(X))
    assert sorted(everything) == list(range(len(X)))
    np.testing.assert_array_equal(suggest_samples(X, 4), everything[:4])


def test_kinds_that_are_labeled_are_left_out():
    y = [label if i == 0 else None for i, label in enumerate(Y)] + [None] * 6
    indices = suggest_samples(X, 2, y=y)
    assert sorted(KIND[indices]) == [1, 2]
    assert 0 not in suggest_samples(X, len(X) - 1, y=y)


def test_lists_and_units_do_not_matter():
    images = [image[: 80 + i].astype(np.float64) * 50 + 3 for i, image in enumerate(X)]
    assert sorted(KIND[suggest_samples(images, 3)]) == [0, 1, 2]


def test_equal_images():
    indices = suggest_samples(np.zeros((4, 32, 32)), 3)
    assert len(set(indices)) == 3


def test_volumes():
    volumes, _ = make_cells(n_samples=3, shape=(16, 32, 32), random_state=0)
    assert len(suggest_samples(volumes, 2, spatial_ndim=3)) == 2


@pytest.mark.parametrize("n", [0, 7, 2.0, "2", None])
def test_numbers_that_are_refused(n):
    with pytest.raises(ValueError, match=r"n must be an integer between 1 and .* 6, got"):
        suggest_samples(SMALL, n)


def test_what_is_equal_in_all_images_does_not_count():
    """Its deviation, 0 but for rounding, would make a difference of it."""
    varied = np.arange(7.0)
    features = _standardized(np.stack([varied, np.full(7, 0.1)], axis=1))
    assert np.abs(features[:, 1]).max() < 1e-9
    assert np.isclose(features[:, 0].std(), 1)
