import numpy as np
import pytest

from sskseg.images import PatchSampler
from sskseg.training import falling_share


def labels_of(n_real, n_simulated=3):
    """Real images of one size, the first without a label, and simulated ones of another."""
    unlabeled = np.full((10, 10), -1)
    return [unlabeled, *[np.zeros((30, 10), int)] * n_real, *[np.zeros((8, 8), int)] * n_simulated]


def simulated_shares(n_labeled):
    """Share of simulated patches after each change."""
    labels = labels_of(n_labeled)
    weight, n_real = np.ones(len(labels)), 1 + n_labeled
    sampler = PatchSampler(labels, (4, 4), weights=weight)
    shares, rng = [], np.random.default_rng(0)
    changes = falling_share(sampler, weight, n_real)
    assert changes[0][0] == 0
    assert all(0 <= progress < 1 for progress, _ in changes)
    for _, change in changes:
        change(None)
        shares.append(np.mean([patch.sample >= n_real for patch in sampler.draw(rng, 1000)]))
    return np.array(shares)


@pytest.mark.parametrize(("n_labeled", "last"), [(1, 0.45), (5, 0.25), (10, 0.0), (30, 0.0)])
def test_the_share_falls_by_as_many_images_as_are_labeled(n_labeled, last):
    shares = simulated_shares(n_labeled)
    expected = np.linspace(0.5, last, len(shares))
    assert np.abs(shares - expected).max() < 0.06
    assert (shares[-1] == 0) == (last == 0)


@pytest.mark.parametrize("weight", [[1, 0, 1, 1, 1], [0, 0, 1, 1, 1], [0, 1, 0, 0, 0]])
def test_it_stays_where_it_is_if_nothing_real_is_labeled_or_nothing_is_simulated(weight):
    weight = np.array(weight, float)
    assert falling_share(PatchSampler(labels_of(1), (4, 4), weights=weight), weight, 2) == []
