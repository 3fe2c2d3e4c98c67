"""Optimizers of torch that do not import its compiler.

`torch.optim` imports `torch._dynamo` with the first optimizer, which takes seconds in each process,
to keep that compiler out of the methods of optimizers. Nothing is compiled here.
"""

from __future__ import annotations

import inspect

import torch


class LeanOptimizer(torch.optim.Optimizer):
    """Base of optimizers, with methods that do not import the compiler."""

    add_param_group = inspect.unwrap(torch.optim.Optimizer.add_param_group)
    zero_grad = inspect.unwrap(torch.optim.Optimizer.zero_grad)


class Adam(LeanOptimizer, torch.optim.Adam):
    """`torch.optim.Adam`."""

    step = torch.no_grad()(inspect.unwrap(torch.optim.Adam.step))


class AdamW(LeanOptimizer, torch.optim.AdamW):
    """`torch.optim.AdamW`."""

    step = torch.no_grad()(inspect.unwrap(torch.optim.AdamW.step))
