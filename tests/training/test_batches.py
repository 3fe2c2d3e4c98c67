from functools import partial
from itertools import islice

import numpy as np
import pytest
import torch
from skimage.segmentation import find_boundaries

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


def background_mean(batch):
    return float(batch.weights[batch.labels == 0].mean())


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
    mean = background_mean(batch)
    assert mean == pytest.approx(1)
    expected = [weight_map(np.where(x > 0, x + 1, x)) for x in batch.labels.numpy()]
    mean = background_mean(batch._replace(weights=torch.from_numpy(np.stack(expected))))
    assert mean > 1.5
    for labels, weights, weight in zip(batch.labels.numpy(), batch.weights.numpy(), expected):
        weight = np.where(labels == 0, weight / mean, weight)
        inside = (slice(8, -8),) * 2  # objects beyond the patch count where the whole is known
        assert np.abs(weights - weight)[inside].max() < (0.1 if warp_probability else 0.6)
        assert (weights[labels < 0] == 0).all()


def test_weights_rise_from_one():
    objective = ForegroundObjective(("cross-entropy",), 10.0, 5.0)
    options = Augmentation(dihedral=False, warp_probability=0, photometric_probability=0, warm_up=4)
    drawn = batches(options, weigh=objective.weigh)
    first, second, *_, last = (next(drawn) for _ in range(5))
    assert torch.equal(first.weights, (first.labels >= 0).float())
    weights = torch.from_numpy(weight_map(cells())).expand(last.weights.shape)
    for batch, share in ((second, 0.25), (last, 1.0)):
        risen = batch._replace(weights=torch.where(weights > 0, 1 + share * (weights - 1), 0))
        scaled = torch.where(batch.labels == 0, risen.weights / background_mean(risen), weights)
        assert torch.allclose(batch.weights, scaled.clamp_max(weights), atol=0.02)


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


def test_the_background_is_normalized_where_the_network_has_outputs():
    rigid = Augmentation(warp_probability=0.0, photometric_probability=0.0, warm_up=0)
    weigh = ForegroundObjective(("cross-entropy",), 10.0, 5.0).weigh
    batch = next(batches(rigid, (16, 16), margin=(8, 8), weigh=weigh))
    assert background_mean(batch.crop((16, 16))) == pytest.approx(1)
    assert background_mean(batch) != pytest.approx(1, abs=0.01)


def test_pseudo_labels_do_not_change_the_weights_of_labels():
    """Each source of a mixed batch is normalized by itself."""
    options = Augmentation(warp_probability=0.0, photometric_probability=0.0, warm_up=0)
    weigh = ForegroundObjective(("cross-entropy",), 10.0, 5.0).weigh
    mixed = next(MixedBatches(batches(options, weigh=weigh), batches(options)))
    alone = next(batches(options, weigh=weigh))
    assert torch.equal(mixed.weights[:3], alone.weights)
    assert mixed.weights[3:].eq(1).all()
    objective = ForegroundObjective(("cross-entropy",), 10.0, 5.0)
    wrong = mixed.labels == 0
    wrong[:3] = False  # in the background of pseudo-labels, which has its share of the pixels
    loss = objective.loss(lambda _: wrong.float().unsqueeze(1), mixed, 0)
    share = float(wrong.sum() / (mixed.labels >= 0).sum())
    expected = share * np.log1p(np.e) + (1 - share) * np.log(2)
    assert float(loss) == pytest.approx(expected, rel=1e-5)


def test_distance_maps_come_with_the_labels():
    objective = ForegroundObjective(("cross-entropy", "distance"), 0.0, 5.0)
    assert objective.weigh is None
    labels, targets = objective.prepare([cells(), cells()], [True, False])
    assert targets[1] is None
    assert labels[0].dtype == np.int8
    batch = next(batches(Augmentation(warm_up=0), targets=targets[:1]))
    assert batch.targets.shape == batch.labels.shape
    assert batch.weights is None


def warped(shape=(40, 44), **changes):
    options = {"warp_probability": 1.0, "photometric_probability": 0.0, "warm_up": 0}
    return batches(Augmentation(**options, **changes), shape)


def test_unknown_targets_are_not_interpolated():
    """A warp moves what is unknown as it moves labels, and distances do not change beside it."""
    labels = cells()
    drawn = warped()
    drawn.targets = [np.where(labels < 0, np.nan, 0.5).astype(np.float16)]
    batch = next(drawn)
    assert (batch.labels < 0).any()
    assert torch.equal(batch.targets.isnan(), batch.labels < 0)
    assert torch.allclose(batch.targets[batch.labels >= 0], torch.tensor(0.5))


@pytest.mark.parametrize("shape", [(12, 13), (6, 7, 8)])
def test_borders_of_objects_are_those_of_the_labels_after_the_warp(shape):
    """They have nine times the weight, and a distance of 0; other pixels keep theirs."""
    objective = ForegroundObjective(("cross-entropy", "distance"), 0.0, 5.0)
    labels = np.zeros((2, *shape), np.int64)
    labels[:, 2:8, 3:7], labels[:, 2:8, 7:11], labels[1, 9:] = 1, 2, -1
    targets = np.where(labels > 0, 0.3, 0.0)
    targets[labels < 0] = np.nan
    batch = Batch(torch.zeros(2, 1, *shape), *map(torch.from_numpy, (labels, targets)))
    logits = torch.randn(2, 2, *shape, generator=torch.Generator().manual_seed(0))
    both, without = (
        float(objective.loss(lambda _: logits, each, 0))
        for each in (batch, batch._replace(targets=None))
    )
    borders = np.stack(
        [find_boundaries(np.maximum(x, 0), connectivity=x.ndim, mode="thick") for x in labels]
    )
    targets, weight = np.where(borders, 0, targets), np.where(borders, 9.0, 1.0)
    known = labels >= 0
    x = logits[:, 1].numpy().astype(float)
    entropies = np.logaddexp(0, x) - np.where(known, targets, 0) * x
    expected = (entropies * weight)[known].sum() / weight[known].sum()
    assert both - without == pytest.approx(expected, rel=1e-4)


def test_cores_are_of_single_objects_after_the_warp():
    objective = ForegroundObjective(("cross-entropy", "dice", "core"), 0.0, 5.0)
    assert objective.n_outputs == 2
    assert objective.has_cores
    labels = np.zeros((1, 12, 13), np.int64)
    labels[:, 2:9, 1:6], labels[:, 2:9, 6:11], labels[:, 11] = 1, 2, -1
    _, (targets,) = objective.prepare([labels[0]], [True])
    batch = Batch(torch.zeros(1, 1, 12, 13), torch.from_numpy(labels), torch.tensor(targets)[None])
    core = (targets > 0.4).astype(np.int64)
    core[find_boundaries(np.maximum(labels[0], 0), connectivity=2, mode="thick")] = 0
    assert core[:, 5:7].max() == 0
    assert core[5, 3] == core[5, 8] == 1
    core[labels[0] < 0] = -1
    logits = torch.randn(1, 2, 12, 13, generator=torch.Generator().manual_seed(0))
    alone = ForegroundObjective(("cross-entropy", "dice"), 0.0, 5.0)
    one, other = Batch(batch.images, batch.labels), Batch(batch.images, torch.tensor(core)[None])
    expected = alone.loss(lambda _: logits[:, :1], one, 0)
    expected = expected + alone.loss(lambda _: logits[:, 1:], other, 0)
    assert float(objective.loss(lambda _: logits, batch, 0)) == pytest.approx(float(expected))
    both = objective.activate_with_cores(logits)
    assert torch.equal(both, logits.sigmoid())
    assert torch.equal(objective.activate(logits), both[:, :1])
    # A patch whose objects are all cut teaches no cores: it would teach that there are none.
    cut = torch.tensor(targets)[None].masked_fill(torch.from_numpy(labels) > 0, torch.nan)
    foreground = float(alone.loss(lambda _: logits[:, :1], one, 0))
    part = float(objective.loss(lambda _: logits, batch._replace(targets=cut), 0))
    assert part == pytest.approx(foreground)
    # Pseudo-labels have no objects, and teach no cores.
    unknown = batch._replace(targets=torch.full((1, 12, 13), torch.nan))
    foreground = float(alone.loss(lambda _: logits[:, :1], one, 0))
    assert float(objective.loss(lambda _: logits, unknown, 0)) == pytest.approx(foreground)


def test_distances_are_not_mixed_with_marks_of_borders():
    objective = ForegroundObjective(("cross-entropy", "distance"), 0.0, 5.0)
    _, targets = objective.prepare([cells()], [True])
    assert np.nanmin(targets[0]) == 0
    drawn = warped()
    drawn.targets = targets
    batch = next(drawn)
    assert (batch.targets[~batch.targets.isnan()] >= 0).all()


def test_weights_of_pixels_are_those_of_the_mean():
    objective = ForegroundObjective(("cross-entropy",), 10.0, 5.0)
    labels = torch.tensor([[0, 0, 0, 1, -1]])
    weights = torch.tensor([[0.5, 0.5, 2.0, 1.0, 0.0]])
    logits = torch.tensor([[[0.0, 0.0, 2.0, 0.0, 9.0]]])
    loss = objective.loss(lambda _: logits, Batch(torch.zeros(1, 1, 5), labels, None, weights), 0)
    certain, wrong = np.log(2), np.log1p(np.exp(2.0))
    assert float(loss) == pytest.approx((0.5 * certain + 0.5 * certain + 2 * wrong + certain) / 4)


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
