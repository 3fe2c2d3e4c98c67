"""Optimizers, learning-rate schedules and moving averages."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from math import cos, pi

import numpy as np
import torch
from torch import Tensor

from .lean_optimizers import AdamW
from .muon import Muon, is_matrix

_WARM_UP = 0.05  # share of the training in which the learning rate rises

ParameterGroup = tuple[list[torch.nn.Parameter], Callable[[float], float]]


def warm_up_cosine(progress: float) -> float:
    """Return the share of the learning rate: it rises linearly and falls as a half cosine."""
    if progress < _WARM_UP:
        return (progress + 1e-3) / (_WARM_UP + 1e-3)
    return cosine((progress - _WARM_UP) / (1 - _WARM_UP))


def cosine(progress: float) -> float:
    """Return the share of the learning rate: it falls from 1 to 0 as a half cosine."""
    return 0.5 * (1 + cos(pi * min(1.0, progress)))


def make_optimizers(
    groups: Sequence[ParameterGroup], learning_rate: float, weight_decay: float
) -> list[torch.optim.Optimizer]:
    """Make `Muon` for weight matrices and AdamW for all other parameters.

    Parameters
    ----------
    groups : list of (list of Parameter, callable)
        Both optimizers have these groups, in this order.
    learning_rate, weight_decay : float

    Returns
    -------
    list of torch.optim.Optimizer
    """
    matrices, others = (
        [{"params": [p for p in group if is_matrix(p) == wanted]} for group, _ in groups]
        for wanted in (True, False)
    )
    return [
        Muon(matrices, learning_rate, weight_decay=weight_decay),
        AdamW(others, learning_rate, weight_decay=weight_decay, fused=True),
    ]


def set_learning_rates(
    optimizers: Sequence[torch.optim.Optimizer],
    groups: Sequence[ParameterGroup],
    learning_rate: float,
    progress: float,
) -> None:
    """Set the learning rate of each group, and freeze groups whose share of it is 0.

    Parameters
    ----------
    optimizers : list of torch.optim.Optimizer
        Of `make_optimizers`.
    groups : list of (list of Parameter, callable)
        ``share(progress)`` of the learning rate for each.
    learning_rate, progress : float
    """
    for at, (_, share) in enumerate(groups):
        frozen = share(progress) == 0
        for group in (optimizer.param_groups[at] for optimizer in optimizers):
            group["lr"] = learning_rate * share(progress)
            if frozen != group.get("frozen", False):
                group["frozen"] = frozen
                for parameter in group["params"]:
                    parameter.requires_grad_(not frozen)
                    parameter.grad = None


def descend(
    network: torch.nn.Module, optimizers: Sequence[torch.optim.Optimizer], loss: Tensor
) -> None:
    """Make one step of gradient descent, with gradients clipped to norm 1."""
    for optimizer in optimizers:
        optimizer.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    for optimizer in optimizers:
        optimizer.step()


class MovingAverage:
    """Exponential moving average of the weights and buffers of a network.

    `torch.optim.swa_utils.AveragedModel` reads its counter from the GPU in each step, which waits.

    Parameters
    ----------
    network : torch.nn.Module
    decay : float
        It is lower in the first steps, so that a short training forgets its start.

    Attributes
    ----------
    module : torch.nn.Module
        A copy with the averages, in evaluation mode.
    """

    def __init__(self, network: torch.nn.Module, decay: float):
        self.module = copy.deepcopy(network).eval()
        self._decay, self._n = decay, 0
        self._network = network

    @torch.no_grad()
    def update(self) -> None:
        """Average after a training step; the weights of the first are copied."""
        averaged: list[tuple[torch.Tensor, torch.Tensor]] = []
        copied: list[tuple[torch.Tensor, torch.Tensor]] = []
        for pair in zip(_tensors(self.module), _tensors(self._network), strict=True):
            # Counters of batch normalization are copied.
            is_averaged = self._n > 0 and pair[0].is_floating_point()
            (averaged if is_averaged else copied).append(pair)
        n = np.float32(self._n)
        weight = 1 - min(self._decay, float((1 + n) / (10 + n)))
        if averaged:
            ours, theirs = (list(each) for each in zip(*averaged, strict=True))
            torch._foreach_lerp_(ours, theirs, weight)
        for target, source in copied:
            target.copy_(source)
        self._n += 1


def _tensors(network):
    return [*network.parameters(), *network.buffers()]
