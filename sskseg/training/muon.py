"""`Muon`, the optimizer of weight matrices."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from .lean_optimizers import LeanOptimizer

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of [1]: singular values come to lie around 1
_ITERATIONS = 5
_MIN_SIDE = 8  # of a matrix; for smaller ones it does not pay
_MAX_SQUARED_ROW_NORM = 4.0  # of a nearly orthogonal matrix, with a margin
_ADAM_RMS = 0.2  # root mean square of the updates of Adam


def is_matrix(parameter: Tensor) -> bool:
    """Return whether `Muon` is for a parameter: a convolution of at least 8 x 8 weights.

    The kernel of a convolution is a matrix with a row for each output channel. Kernels of one pixel
    are left to Adam: most are those of a last layer, which learns better with it.
    """
    if math.prod(parameter.shape[2:]) == 1:
        return False
    rows = parameter.shape[0]
    return min(rows, parameter.numel() // rows) >= _MIN_SIDE


class Muon(LeanOptimizer):
    """Gradient descent with momentum whose updates are orthogonal matrices [1]_.

    All directions of a weight matrix are learned equally fast, whereas plain gradients and the
    updates of Adam are dominated by few of them. Updates are scaled to the size of those of Adam
    [2]_, so that both optimizers use the same learning rate.

    Parameters
    ----------
    params : iterable of Parameter or of dict
        For which `is_matrix` holds.
    lr : float
    momentum : float, default=0.95
        Of Nesterov.
    weight_decay : float, default=1e-4
        Times the learning rate.

    References
    ----------
    .. [1] Jordan, Jin, Boza, You, Cesista, Newhouse, Bernstein. Muon: An optimizer for hidden
       layers in neural networks. 2024. https://kellerjordan.github.io/posts/muon
    .. [2] Liu et al. Muon is scalable for LLM training. 2025. :doi:`10.48550/arXiv.2502.16982`
    """

    def __init__(
        self,
        params: Iterable[torch.nn.Parameter] | Iterable[dict[str, Any]],
        lr: float,
        *,
        momentum: float = 0.95,
        weight_decay: float = 1e-4,
    ):
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]
        """Update all parameters that have a gradient."""
        for group in self.param_groups:
            by_shape = defaultdict(list)
            for parameter in group["params"]:
                if parameter.grad is not None:
                    by_shape[parameter.shape].append(parameter)
            for parameters in by_shape.values():
                self._update(parameters, group)

    def _update(self, parameters, group):
        """Update parameters of one shape with one product of matrices."""
        for parameter in parameters:
            if not self.state[parameter]:
                self.state[parameter]["momentum"] = torch.zeros_like(parameter)
        averages = [self.state[parameter]["momentum"] for parameter in parameters]
        gradients = [parameter.grad for parameter in parameters]
        torch._foreach_lerp_(averages, gradients, 1 - group["momentum"])
        nesterov = torch._foreach_lerp(gradients, averages, group["momentum"])
        matrices = torch.stack([update.flatten(1) for update in nesterov])
        scale = _ADAM_RMS * max(matrices.shape[1:]) ** 0.5
        matrices = orthogonalize(matrices.float())  # Gram matrices in half precision diverge
        updates = [m.reshape(p.shape) for m, p in zip(matrices, parameters, strict=True)]
        torch._foreach_mul_(parameters, 1 - group["lr"] * group["weight_decay"])
        torch._foreach_add_(parameters, updates, alpha=-group["lr"] * scale)


def orthogonalize(matrices: Tensor) -> Tensor:
    """Compute nearly orthogonal matrices with the singular vectors of the given ones.

    Newton-Schulz iterations of a polynomial of fifth degree bring all singular values that are not
    almost 0 to about 0.7 to 1.2. All products but the last are of square matrices with the length
    of the shorter side.

    Parameters
    ----------
    matrices : Tensor of shape (n, rows, columns), float32

    Returns
    -------
    Tensor of the same shape
    """
    is_tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if is_tall else matrices
    if x.is_cuda:  # where products cost little, and reading a result waits for the GPU
        result = _by_matrices(x)
    else:
        result = _by_gram_matrices(x)
        # With products of reduced precision, Gram matrices have negative eigenvalues, which grow.
        if not bool((result.square().sum(2) < _MAX_SQUARED_ROW_NORM).all()):
            result = _by_matrices(x)
    result = result.to(matrices.dtype)
    return result.mT if is_tall else result


def _by_gram_matrices(x):
    gram = x @ x.mT
    scale = gram.diagonal(dim1=1, dim2=2).sum(1).clamp_min(1e-14).rsqrt()[:, None, None]
    identity = torch.eye(x.shape[1], dtype=x.dtype, device=x.device)
    gram, product = gram * scale**2, identity * scale
    a, b, c = _COEFFICIENTS
    for _ in range(_ITERATIONS):  # x becomes step @ x, and its Gram matrix step @ gram @ step
        step = a * identity + b * gram + c * gram @ gram
        product = step @ product
        gram = step @ gram @ step
    return product @ x


def _by_matrices(x):
    x = x / torch.linalg.matrix_norm(x, keepdim=True).clamp_min(1e-7)
    a, b, c = _COEFFICIENTS
    for _ in range(_ITERATIONS):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x
