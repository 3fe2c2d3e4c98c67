"""Losses of unlabeled patches, disturbances of sections."""

import numpy as np
import pytest
import torch

from sskseg.nn import ContinuityNet
from sskseg.segmentation.semi_supervised import Consistency, MeanTeacher
from sskseg.segmentation.semi_supervised.consistency import cut_mix
from sskseg.segmentation.semi_supervised.disturbances import DisturbedSections, disturb_sections
from sskseg.training import Batch, ClassObjective, ForegroundObjective, MixedBatches

FOREGROUND = ForegroundObjective(("cross-entropy", "dice"), 0.0, 5.0)
CLASSES = ClassObjective(("cross-entropy", "dice"), np.arange(3))


class Pixelwise(torch.nn.Module):
    """The logit is the pixel times a weight."""

    def __init__(self, outputs=1):
        super().__init__()
        self.conv = torch.nn.Conv2d(1, outputs, 1, bias=False)
        torch.nn.init.constant_(self.conv.weight, 1.0)

    def forward(self, x):
        return self.conv(x)


class Training:
    """What the methods use of a training."""

    objective = FOREGROUND

    def __init__(self, value=0.0):
        self.value = value

    def unlabeled_batches(self):
        return patches(self.value)

    def child_generator(self):
        return np.random.default_rng(0)


def started(kind, value=0.0):
    """A method and its loss."""
    method = kind()
    method.start(Training(value))
    return method, method.loss(FOREGROUND.loss)


def patches(value=0.0):
    torch.manual_seed(0)
    while True:
        labels = torch.zeros(4, 16, 16, dtype=torch.long)
        yield Batch(torch.randn(4, 1, 16, 16) + value, labels)


@pytest.mark.parametrize("kind", [Consistency, MeanTeacher])
def test_the_teacher_teaches(kind):
    network = Pixelwise()
    batch = next(patches())
    method, loss = started(kind)
    alone = loss(network, batch, 0.9)
    assert torch.equal(alone, FOREGROUND.loss(network, batch, 0.9))
    teacher = Pixelwise()
    torch.nn.init.constant_(teacher.conv.weight, 20.0)
    method.set_teacher(teacher)
    more = loss(network, batch, 0.9) - alone
    more.backward()
    assert more > 0
    assert network.conv.weight.grad.item() < 0  # towards the teacher's larger weight
    assert teacher.conv.weight.grad is None


@pytest.mark.parametrize("kind", [Consistency, MeanTeacher])
def test_statistics_for_predictions_are_of_labeled_patches_alone(kind):
    def trained(with_teacher):
        network = torch.nn.Sequential(Pixelwise(), torch.nn.BatchNorm2d(1))
        method, loss = started(kind, 50.0)
        if with_teacher:
            method.set_teacher(Pixelwise())
        loss(network, next(patches()), 0.9)
        return network

    alone, together = trained(False), trained(True)
    assert together[1].track_running_stats
    for name, value in alone.state_dict().items():
        assert torch.equal(together.state_dict()[name], value)
    together(torch.full((2, 1, 8, 8), 100.0))
    assert together[1].running_mean > 5


def test_pixels_without_confidence_teach_nothing():
    method, loss = started(Consistency)
    network, teacher = Pixelwise(), Pixelwise()
    torch.nn.init.zeros_(teacher.conv.weight)
    method.set_teacher(teacher)
    batch = next(patches())
    assert torch.isclose(loss(network, batch, 0.9), FOREGROUND.loss(network, batch, 0.9))


def test_confident_labels():
    probabilities = torch.tensor([0.95, 0.5, 0.05]).view(1, 1, 1, 3)
    assert FOREGROUND.confident_labels(probabilities, 0.9).tolist() == [[[1, -1, 0]]]
    probabilities = torch.tensor([[0.95, 0.4, 0.0], [0.05, 0.3, 0.09], [0.0, 0.3, 0.91]])
    assert CLASSES.confident_labels(probabilities.view(1, 3, 1, 3), 0.9).tolist() == [[[0, -1, 2]]]


def test_cut_mix_moves_images_and_labels_alike():
    images = torch.arange(3.0).view(3, 1, 1, 1).expand(3, 2, 20, 24)
    labels = torch.arange(3).view(3, 1, 1).expand(3, 20, 24)
    mixed, mixed_labels = cut_mix(images, labels, np.random.default_rng(0))
    assert torch.equal(mixed[:, 0].long(), mixed_labels)
    for sample in range(3):
        found = set(mixed_labels[sample].unique().tolist())
        assert found == {sample, (sample + 1) % 3}
    assert (labels == torch.arange(3).view(3, 1, 1)).all()


class Middle(Pixelwise):
    """Valid padding of three pixels."""

    def forward(self, x):
        return super().forward(x)[:, :, 3:-3, 3:-3]


def test_labels_of_valid_padding_are_mixed_in_their_place(monkeypatch):
    given = {}

    def overlap_loss(self, logits, labels):
        given.setdefault("labels", labels)
        return logits.sum() * 0

    monkeypatch.setattr(ForegroundObjective, "overlap_loss", overlap_loss)
    method, loss = started(Consistency)
    teacher = Middle()
    torch.nn.init.constant_(teacher.conv.weight, 100.0)
    method.set_teacher(teacher)
    loss(Middle(), next(patches()), 0.9)
    images = next(patches()).images
    sources = [(images[i, 0, 3:-3, 3:-3] > 0).long() for i in range(2)]
    for sample in range(2):
        label = given["labels"][sample, 3:-3, 3:-3]
        known = label >= 0
        same = (label == sources[sample]) | (label == sources[1 - sample])
        assert same[known].all()


@pytest.mark.parametrize("shape", [(4, 9, 1, 16, 16), (2, 9, 3, 16, 16), (2, 9, 1, 4, 8, 8)])
def test_disturbed_sections_are_probabilities(shape):
    torch.manual_seed(0)
    stacks = torch.rand(shape)
    stacks = stacks if shape[2] == 1 else stacks.softmax(2)
    before = stacks.clone()
    rng = np.random.default_rng(0)
    disturbed = torch.stack([disturb_sections(stacks, rng) for _ in range(20)])
    assert torch.equal(stacks, before)
    assert disturbed.min() >= 0
    assert disturbed.max() <= 1
    changed = (disturbed != stacks).flatten(3).any(-1).float().mean()
    assert 0.1 < changed < 0.3
    if shape[2] > 1:
        assert torch.allclose(disturbed.sum(3), torch.ones(1), atol=1e-4)


def test_disturbed_batches_keep_their_labels():
    batch = Batch(torch.rand(2, 9, 8, 8), torch.ones(2, 8, 8))
    disturbed = next(DisturbedSections(iter([batch]), 1, np.random.default_rng(0)))
    assert disturbed.images.shape == batch.images.shape
    assert disturbed.labels is batch.labels


def test_mixed_batches_fill_what_is_missing():
    labels = torch.zeros(2, 4, 4)
    full = Batch(torch.zeros(2, 1, 4, 4), labels, labels + 0.5, labels + 3)
    bare = Batch(torch.ones(1, 1, 4, 4), torch.ones(1, 4, 4))
    mixed = next(MixedBatches(iter([full]), iter([bare])))
    assert mixed.images.shape == (3, 1, 4, 4)
    assert mixed.targets[:2].eq(0.5).all()
    assert mixed.targets[2].isnan().all()
    assert mixed.weights[2].eq(1).all()
    assert next(MixedBatches(iter([bare]), iter([bare]))).targets is None
    alone = Batch(torch.zeros(1, 1, 2, 2), torch.zeros(1, 2, 2))
    assert next(MixedBatches(iter([alone]))) is alone


@pytest.mark.parametrize("outputs", [1, 3])
def test_continuity_starts_as_the_mean(outputs):
    torch.manual_seed(0)
    network = ContinuityNet(9, outputs).eval()
    x = torch.rand(2, 9 * outputs, 20, 18)
    mean = x.unflatten(1, (9, outputs)).mean(1)
    given = network(x).sigmoid() if outputs == 1 else network(x).exp()
    assert torch.allclose(given, mean, atol=1e-4)
    assert network.stride == (8, 8)
