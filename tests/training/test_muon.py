import pytest
import torch

from sskseg.training import Budget, LoopSettings, optimize
from sskseg.training.muon import Muon, _by_gram_matrices, is_matrix, orthogonalize


def matrix(rows, columns, seed=0):
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))


def with_gradient(tensor, gradient):
    parameter = torch.nn.Parameter(tensor.clone())
    parameter.grad = gradient.clone()
    return parameter


@pytest.mark.parametrize("shape", [(16, 16), (16, 144), (144, 16)])
def test_singular_values_become_alike_and_vectors_stay(shape):
    given = matrix(*shape)
    left, values, right = torch.linalg.svd(given, full_matrices=False)
    found = orthogonalize(given[None])[0]
    inside = left.T @ found @ right.T
    strong = values > 0.05 * values.max()
    assert 0.5 < inside.diagonal()[strong].min() < inside.diagonal().max() < 1.35
    assert (inside - inside.diagonal().diag()).abs().max() < 0.01


def test_it_is_the_iteration_of_the_whole_matrix():
    x = matrix(24, 60).double()
    x = x * torch.logspace(0, -3, 24, dtype=x.dtype)[:, None]
    expected = x / x.norm()
    for _ in range(5):
        gram = expected @ expected.T
        expected = 3.4445 * expected + (-4.7750 * gram + 2.0315 * gram @ gram) @ expected
    assert torch.allclose(orthogonalize(x.float()[None])[0].double(), expected, atol=1e-3)


def test_the_size_of_a_gradient_does_not_matter():
    given = matrix(8, 20)[None]
    assert torch.allclose(orthogonalize(1000 * given), orthogonalize(given), atol=1e-4)
    assert not orthogonalize(torch.zeros(1, 8, 8)).any()


def test_what_is_a_matrix():
    assert is_matrix(torch.zeros(32, 1, 3, 3))
    assert is_matrix(torch.zeros(16, 8, 2, 2, 2))
    assert not is_matrix(torch.zeros(8, 8))
    assert not is_matrix(torch.zeros(64, 64, 1, 1))
    assert not is_matrix(torch.zeros(7, 8, 3, 3))
    assert not is_matrix(torch.zeros(1, 32, 3, 3))
    assert not is_matrix(torch.zeros(64))


def test_one_step():
    weight, gradient = torch.ones(8, 16, 3, 3), matrix(8, 144).view(8, 16, 3, 3)
    parameter = with_gradient(weight.to(memory_format=torch.channels_last), gradient)
    Muon([parameter], 0.1, weight_decay=0.01).step()
    update = 0.2 * 144**0.5 * orthogonalize(gradient.flatten(1)[None])[0].view_as(weight)
    assert torch.allclose(parameter, 0.999 * weight - 0.1 * update, atol=1e-5)
    moved = (0.999 * weight - parameter).square().mean().sqrt() / 0.1
    assert float(moved.detach()) == pytest.approx(0.2, rel=0.3)  # as those of Adam


def test_matrices_of_one_shape_do_not_mix():
    gradients = [matrix(8, 12, seed) for seed in (1, 2)]
    both = [with_gradient(torch.zeros(8, 12), gradient) for gradient in gradients]
    alone = with_gradient(torch.zeros(8, 12), gradients[1])
    Muon(both, 0.1).step()
    Muon([alone], 0.1).step()
    assert torch.allclose(both[1], alone, atol=1e-6)
    assert not torch.allclose(both[0], alone, atol=1e-2)


def test_matrices_of_almost_one_rank_where_products_have_few_bits():
    """A layer's first gradients are such; their Gram matrices in bfloat16 made endless numbers."""
    gradient = torch.outer(matrix(64, 1)[:, 0], matrix(576, 1, 1)[:, 0]) + 1e-4 * matrix(64, 576, 2)
    with torch.autocast("cpu", torch.bfloat16):
        assert not (_by_gram_matrices(gradient[None]).square().sum(2) < 4).all()
        found = orthogonalize(gradient[None])[0]
    assert found.dtype == torch.float32
    assert 0.5 < torch.linalg.matrix_norm(found, 2) < 1.4


def test_without_a_gradient_nothing_changes():
    still = torch.nn.Parameter(torch.ones(8, 8))
    moved = with_gradient(torch.ones(8, 8), matrix(8, 8))
    Muon([still, moved], 0.1).step()
    assert (still == 1).all()
    assert (moved != 1).any()


def test_the_loop_learns_matrices_and_vectors():
    wanted, offset = matrix(16, 16).view(16, 8, 2), matrix(1, 16, 1)[0]

    def batches():
        generator = torch.Generator().manual_seed(1)
        while True:
            yield torch.randn(64, 8, 2, generator=generator)

    def loss(network, batch, progress):
        expected = torch.nn.functional.conv1d(batch, wanted, offset)
        return (network(batch) - expected).square().mean()

    torch.manual_seed(0)
    network = torch.nn.Conv1d(8, 16, 2)
    settings = LoopSettings(0.3, torch.device("cpu"), torch.float32)
    optimize(network, batches(), loss, Budget(300), settings)
    assert (network.weight - wanted).abs().max() < 0.05
    assert (network.bias - offset).abs().max() < 0.05


def test_parameters_of_half_precision_do_not_diverge():
    gradient = (matrix(64, 1) @ matrix(1, 576, 1)).view(64, 64, 3, 3).bfloat16()
    parameter = with_gradient(torch.zeros(64, 64, 3, 3, dtype=torch.bfloat16), gradient)
    Muon([parameter], 1.0).step()
    assert 0 < torch.linalg.matrix_norm(parameter.detach().float().flatten(1), 2) < 10
