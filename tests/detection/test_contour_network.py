import numpy as np
import pytest
import torch

from sskseg.detection import ContourProposalNetwork, contour_loss
from sskseg.morphology import contour_points, fourier_descriptors, trace_contours
from sskseg.nn import make_network


def network_of(name="unet-shuffle", **options):
    torch.manual_seed(0)
    network = ContourProposalNetwork(make_network(name, 1, 1, 4, 1), 4, **options)
    network.scale.fill_(5.0)
    return network.eval()


def disc(shape, center, radius):
    grid = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1)
    return np.linalg.norm(grid - center, axis=-1) < radius


def outputs_of(network, labels, shift=0.0):
    """Outputs that propose the objects of a label image, each outline moved by `shift` columns."""
    ids, contours = trace_contours(labels)
    locations, coefficients = fourier_descriptors(contours, network.order)
    step = network.factor
    here = labels[::step, ::step]
    outputs = np.full((network.n_outputs, *here.shape), -8.0)
    outputs[1:] = 0
    for i, location, values in zip(ids, locations, coefficients, strict=True):
        at = np.argwhere(here == i)
        offset = location - (step * at + (step - 1) / 2)
        outputs[(0, *at.T)] = 4 - np.linalg.norm(offset, axis=1)
        outputs[(slice(1, 3), *at.T)] = (offset + [0, shift]).T / 5
        outputs[(slice(3, 3 + 4 * network.order), *at.T)] = values.reshape(-1, 1) / 5
    return torch.from_numpy(outputs).float(), contours


@pytest.mark.parametrize("name", ["unet-shuffle", "unet"])
def test_proposals_are_those_of_the_outputs(name):
    labels = np.zeros((32, 40), int)
    labels[disc((32, 40), (10, 12), 6)] = 1
    labels[disc((32, 40), (20, 28), 8)] = 2
    network = network_of(name)
    outputs, contours = outputs_of(network, labels)
    found, scores = network.propose(outputs, 0.5)
    assert len(found) == 2
    assert (scores > 0.9).all()
    expected = contour_points(*fourier_descriptors(contours, 5), 32)
    assert found.numpy() == pytest.approx(expected, abs=1e-3)
    assert len(network.propose(outputs, 0.999)[0]) == 0


def test_proposals_do_not_depend_on_the_place_in_the_image():
    """Blocks of a scan, which count pixels from their own start, find the same outlines."""
    labels = np.zeros((32, 40), int)
    labels[disc((32, 40), (16, 19), 7)] = 1
    network = network_of()
    outputs, _ = outputs_of(network, labels)
    outputs[-8:] = torch.randn(outputs[-8:].shape, generator=torch.Generator().manual_seed(0))
    far = torch.nn.functional.pad(outputs, (2501, 10, 5, 7))
    far[0, :5], far[0, -7:], far[0, :, :2501], far[0, :, -10:] = -8, -8, -8, -8
    (near, score), (moved, moved_score) = network.propose(outputs, 0.5), network.propose(far, 0.5)
    assert torch.equal(score, moved_score)
    assert moved.numpy() - [10, 5002] == pytest.approx(near.numpy(), abs=1e-10)


def test_the_field_moves_points():
    network = network_of(iterations=3)
    outputs = torch.zeros(1, network.n_outputs, 20, 20)
    outputs[:, -8::2] = 100.0  # rows, the maximum
    contours = torch.full((1, 2, 32, 2), 5.0)
    refined = network.refine(contours, outputs)
    assert [float(points[..., 0].mean()) for points in refined] == pytest.approx([8, 11, 14])
    assert float((refined[-1][..., 1] - 5).abs().max()) < 1e-5


def test_the_loss_is_lowest_for_the_right_outputs():
    labels = np.zeros((32, 32), int)
    labels[disc((32, 32), (15, 14), 7)] = 1
    network = network_of()
    outlines = contour_points(*fourier_descriptors(trace_contours(labels)[1], 16), 32)
    outlines = torch.from_numpy(outlines).float()[None]
    labels_ = torch.from_numpy(labels)[None]
    distance = (labels_ > 0).float()

    def loss(shift, **changes):
        torch.manual_seed(0)
        given = {"labels": labels_, "distance": distance, "outlines": outlines, **changes}
        return float(contour_loss(network, outputs_of(network, labels, shift)[0][None], **given))

    assert loss(0.0) + 0.2 < loss(2.0) < loss(4.0)
    nothing = torch.full_like(outlines, torch.nan)
    assert loss(0.0, outlines=nothing) == loss(4.0, outlines=nothing) > 0
    unknown = torch.full_like(distance, torch.nan)
    assert loss(4.0, labels=torch.full_like(labels_, -1), distance=unknown, outlines=nothing) == 0
    away = outlines + 24  # less than half of it is in the patch
    assert loss(0.0, outlines=away) == loss(4.0, outlines=away)


def test_equal_scores_are_one_proposal():
    network = network_of()
    outputs = torch.zeros(network.n_outputs, 16, 16)
    assert len(network.propose(outputs, 0.4)[0]) == 1


def test_the_network_takes_any_size():
    network = network_of()
    for size in (16, 17, 19):
        outputs = network(torch.zeros(1, 1, size, size))
        assert outputs.shape == (1, network.n_outputs, -(-size // 2), -(-size // 2))
