from functools import partial
from itertools import islice

import numpy as np
import pytest
import torch

from sskseg.images import PatchSampler
from sskseg.images.augmentation import Augmentation
from sskseg.morphology import weight_map
from sskseg.training import (
    Batch,
    ForegroundObjective,
    MixedBatches,
    PatchBatches,
    prefetch,
)
from sskseg.training.objectives import decaying_weight

CPU = torch.device("cpu")


def cells():
    labels = np.zeros((40, 44), np.int16)
    labels[5:15, 5:20], labels[17:30, 5:20], labels[5:30, 23:40] = 1, 2, 3
    labels[35:] = -1
    return labels


def batches(augmentation, patch=(40, 44), margin=None, weigh=None, targets=None):
    labels = cells()
    image = np.where(labels > 0, labels * 10.0, 0.0)[..., None]
    return PatchBatches(
        [image],
        [labels],
        targets,
        section_indices=np.zeros((1, 1), int),
        sampler=PatchSampler([labels], patch),
        augmentation=augmentation,
        mean=np.zeros(1, np.float32),
        std=np.ones(1, np.float32),
        batch_size=3,
        rng=np.random.default_rng(0),
        device=CPU,
        margin=margin,
        weigh=weigh,
    )


@pytest.mark.parametrize("warp_probability", [0.0, 1.0])
def test_weights_are_those_of_the_augmented_labels(warp_probability):
    objective = ForegroundObjective(("cross-entropy",), 10.0, 5.0)
    changes = {
        "warp_probability": warp_probability, "photometric_probability": 0.0, "warm_up": 0
    }  # fmt: skip
    options = Augmentation(**changes)
    side = (40, 40) if warp_probability == 0 else (40, 44)
    batch = next(batches(options, side, weigh=objective.weigh))
    assert batch.weights.shape == batch.labels.shape
    for labels, weights in zip(batch.labels.numpy(), batch.weights.numpy()):
        expected = weight_map(np.where(labels > 0, labels + 1, labels))
        inside = (slice(8, -8),) * 2  # objects beyond the patch count where the whole is known
        assert np.abs(weights - expected)[inside].max() < (0.02 if warp_probability else 0.6)
        assert (weights[labels < 0] == 0).all()


def test_weights_rise_from_one():
    objective = ForegroundObjective(("cross-entropy",), 10.0, 5.0)
    options = Augmentation(dihedral=False, warp_probability=0, photometric_probability=0, warm_up=4)
    drawn = batches(options, weigh=objective.weigh)
    first, second, *_, last = (next(drawn) for _ in range(5))
    assert torch.equal(first.weights, (first.labels >= 0).float())
    assert last.weights.max() > 5
    expected = torch.where(last.weights > 0, 1 + (last.weights - 1) / 4, 0)
    assert torch.allclose(second.weights, expected)


def test_patches_are_warped_more_often_as_the_training_goes_on():
    drawn = batches(Augmentation(warp_probability=1.0, warm_up=20))
    warped = [[not each.is_rigid for each in drawn._draw().geometry] for _ in range(30)]
    assert not any(warped[0])
    assert np.mean(warped[:10]) < np.mean(warped[10:20])
    assert np.all(warped[20:])


def test_a_margin_is_read_around_the_patches_of_the_sampler():
    rigid = Augmentation(dihedral=False, warp_probability=0.0, photometric_probability=0.0)
    batch = next(batches(rigid, (40, 44), margin=(6, 4)))
    assert batch.images.shape == (3, 1, 52, 52)
    assert torch.equal(batch.labels[0, 6:-6, 4:-4], torch.from_numpy(cells()).long())
    assert (batch.labels[0, :6] == -1).all()


def test_distance_maps_come_with_the_labels():
    objective = ForegroundObjective(("cross-entropy", "distance"), 0.0, 5.0)
    assert objective.weigh is None
    labels, targets = objective.prepare([cells(), cells()], [True, False])
    assert targets[1] is None
    assert labels[0].dtype == np.int8
    batch = next(batches(Augmentation(warm_up=0), targets=targets[:1]))
    assert batch.targets.shape == batch.labels.shape
    assert batch.weights is None


def test_weights_of_the_background_have_mean_one():
    objective = ForegroundObjective(("cross-entropy",), 10.0, 5.0)
    labels = torch.tensor([[0, 0, 0, 1, -1]])
    weights = torch.tensor([[1.0, 1.0, 4.0, 1.0, 0.0]])  # 0.5, 0.5, 2 of the background, 1
    logits = torch.tensor([[[0.0, 0.0, 2.0, 0.0, 9.0]]])
    loss = objective.loss(lambda _: logits, Batch(torch.zeros(1, 1, 5), labels, None, weights), 0)
    certain, wrong = np.log(2), np.log1p(np.exp(2.0))
    assert float(loss) == pytest.approx((0.5 * certain + 0.5 * certain + 2 * wrong + certain) / 4)
    nothing = objective.loss(
        lambda _: logits, Batch(torch.zeros(1, 1, 5), labels * 0 + 1, None, weights * 0 + 1), 0
    )
    assert bool(nothing.isfinite())


class TwoHeads(torch.nn.Module):
    """Constant logits, in training with an auxiliary head."""

    def __init__(self):
        super().__init__()
        self.main = torch.nn.Parameter(torch.zeros(()))
        self.side = torch.nn.Parameter(torch.zeros(()))

    def forward(self, x):
        x = x[:, :, 2:-2, 2:-2] * 0
        return (x + self.main, x + self.side) if self.training else x + self.main


@pytest.mark.parametrize("progress", [0.0, 1 / 3, 1.0])
def test_auxiliary_heads_fade_and_margins_are_cut(progress):
    objective = ForegroundObjective(("cross-entropy",), 0.0, 5.0)
    labels = torch.zeros(1, 10, 10, dtype=torch.long)
    labels[:, 2:-2, 2:-2] = 1
    network = TwoHeads()
    loss = objective.loss(network, Batch(torch.zeros(1, 1, 10, 10), labels), progress)
    assert float(loss.detach()) == pytest.approx(np.log(2) * (1 + decaying_weight(progress)))
    loss.backward()
    assert float(network.main.grad) == pytest.approx(-0.5)
    assert float(network.side.grad) == pytest.approx(-0.5 * 10 ** (-3 * progress))
    assert float(
        objective.loss(network.eval(), Batch(torch.zeros(1, 1, 10, 10), labels), 0).detach()
    ) == pytest.approx(np.log(2))


def test_batches_that_are_made_ahead_are_the_same_in_the_same_order():
    objective = ForegroundObjective(("cross-entropy",), 10.0, 5.0)
    pair = [batches(Augmentation(warm_up=4), weigh=objective.weigh) for _ in range(2)]
    for expected, made in zip(islice(pair[0], 8), prefetch(MixedBatches(pair[1]))):
        assert torch.equal(made.images, expected.images)
        assert torch.equal(made.weights, expected.weights)


def test_an_error_in_an_item_made_ahead_is_raised_where_it_would_be_given():
    class Numbers:
        def __init__(self):
            self.drawn = 0

        def draw(self):
            self.drawn += 1
            return partial(inverse, 3 - self.drawn)

    def inverse(number):
        return 1 / number

    made = prefetch(Numbers())
    assert [next(made), next(made)] == [0.5, 1.0]
    with pytest.raises(ZeroDivisionError):
        next(made)
