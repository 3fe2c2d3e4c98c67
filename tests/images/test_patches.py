import numpy as np
import pytest

from sskseg.images import PatchSampler, read_region


@pytest.mark.parametrize("start", [(-3, 2), (0, 0), (5, -20), (9, 7)])
def test_regions_equal_numpys_reflection(start):
    array = np.arange(10 * 8 * 2).reshape(10, 8, 2)
    padded = np.pad(array, [(30, 30), (30, 30), (0, 0)], mode="reflect")
    a, b = start[0] + 30, start[1] + 30
    assert np.array_equal(read_region(array, start, (6, 5)), padded[a : a + 6, b : b + 5])


def test_a_constant_stands_outside():
    labels = np.ones((4, 4), int)
    region = read_region(labels, (-1, 2), (3, 4), outside=-1)
    assert region.tolist() == [[-1, -1, -1, -1], [1, 1, -1, -1], [1, 1, -1, -1]]
    assert labels.all()


@pytest.mark.parametrize("shape", [(40, 30), (6, 7), (20, 9, 12)])
def test_every_patch_holds_a_labeled_pixel(shape):
    labels = [np.full(shape, -1) for _ in range(3)]
    labels[1][(slice(2, 5),) * len(shape)] = 0
    labels[1][(3,) * len(shape)] = 1
    side = (8,) * len(shape)
    sampler = PatchSampler(labels, side)
    for patch in sampler.draw(np.random.default_rng(0), 50):
        start = [center - 4 for center in patch.center]
        assert patch.sample == 1
        assert (read_region(labels[1], start, side, outside=-1) >= 0).any()


def test_foreground_is_sought():
    labels = [np.zeros((100, 100), int)]
    labels[0][90:92, 90:92] = 1
    rng = np.random.default_rng(0)

    def share(fraction):
        sampler = PatchSampler(labels, (16, 16), foreground_fraction=fraction)
        patches = sampler.draw(rng, 200)
        starts = [[center - 8 for center in patch.center] for patch in patches]
        return np.mean([(read_region(labels[0], s, (16, 16)) > 0).any() for s in starts])

    assert share(1.0) == 1
    assert share(0.0) < 0.2


def test_weights_choose_the_images():
    labels = [np.zeros((20, 20), int)] * 3
    rng = np.random.default_rng(0)
    drawn = PatchSampler(labels, (8, 8), weights=[1, 0, 3]).draw(rng, 400)
    counts = np.bincount([patch.sample for patch in drawn], minlength=3)
    assert counts[1] == 0
    assert 2.2 < counts[2] / counts[0] < 4
    with pytest.raises(ValueError, match="positive sample_weight"):
        PatchSampler(labels, (8, 8), weights=[0, 0, 0])


def test_patches_lie_inside_where_they_fit():
    sampler = PatchSampler([np.zeros((20, 30), int)], (16, 16))
    for patch in sampler.draw(np.random.default_rng(0), 100):
        assert 8 <= patch.center[0] <= 12
        assert 8 <= patch.center[1] <= 22


def test_weights_change_between_draws():
    sampler = PatchSampler([np.zeros((20, 20), int)] * 2, (8, 8))
    sampler.set_weights(np.array([0.0, 2.0]))
    assert {patch.sample for patch in sampler.draw(np.random.default_rng(0), 20)} == {1}
    with pytest.raises(ValueError, match="positive sample_weight"):
        sampler.set_weights(np.zeros(2))
