"""Torch's global state, which belongs to the caller: random numbers, default dtype and device."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock, local
from typing import Any

import torch

_OURS = ("torch.", "sskseg.")  # modules of which it is known whether they draw random numbers
_RANDOM = (
    torch.nn.modules.dropout._DropoutNd, torch.nn.RReLU, torch.nn.FractionalMaxPool2d,
    torch.nn.FractionalMaxPool3d, torch.nn.MultiheadAttention, torch.nn.RNNBase,
)  # fmt: skip
# Torch has one random state for all threads, which one thread uses at a time.
_DRAWING = RLock()
_SESSION = local()  # of each thread: the random state of its session
_DEFAULTS_LOCK = RLock()
_DEFAULTS: dict[str, Any] = {"users": 0, "dtype": torch.float32}


@contextmanager
def isolated_seed(seed: int, device: torch.device) -> Iterator[None]:
    """Begin a sequence of random numbers, which `random_numbers` continues, in this thread.

    Parameters
    ----------
    seed : int
    device : torch.device
    """
    outer = getattr(_SESSION, "state", None)
    _SESSION.state = _RandomState(seed, device)
    try:
        yield
    finally:
        _SESSION.state = outer


@contextmanager
def random_numbers() -> Iterator[None]:
    """Let torch draw the next random numbers of this thread's session.

    Other threads wait, so that each draws the same numbers as alone; torch's global random state is
    restored. Outside of a session nothing changes.
    """
    state = getattr(_SESSION, "state", None)
    if state is None:
        yield
        return
    with _DRAWING, torch.random.fork_rng(devices=state.devices):
        state.apply()
        yield
        state.keep()


class _RandomState:
    """Random state of torch, of the CPU and of one GPU."""

    def __init__(self, seed, device):
        self.devices = [device.index or 0] if device.type == "cuda" else []
        with _DRAWING, torch.random.fork_rng(devices=self.devices):
            torch.manual_seed(seed)
            self.keep()

    def keep(self):
        self.cpu = torch.get_rng_state()
        self.gpus = [torch.cuda.get_rng_state(device) for device in self.devices]

    def apply(self):
        torch.set_rng_state(self.cpu)
        for device, state in zip(self.devices, self.gpus, strict=True):
            torch.cuda.set_rng_state(state, device)


def draws_random_numbers(network: torch.nn.Module) -> bool:
    """Return whether a network may draw random numbers in training.

    Parameters
    ----------
    network : torch.nn.Module

    Returns
    -------
    bool
        True for active dropout, and for modules that are neither torch's nor of this library.
    """
    for module in network.modules():
        if not type(module).__module__.startswith(_OURS):
            return True
        if isinstance(module, _RANDOM) and getattr(module, "p", None) != 0:
            return True
    return False


@contextmanager
def own_defaults() -> Iterator[None]:
    """Compute in float32 on the CPU with gradients, whatever the caller has set in torch.

    The default dtype is that of all threads: it is float32 until the last of them leaves.
    """
    with _DEFAULTS_LOCK:
        if not _DEFAULTS["users"]:
            _DEFAULTS["dtype"] = torch.get_default_dtype()
        _DEFAULTS["users"] += 1
        torch.set_default_dtype(torch.float32)
    try:
        with torch.inference_mode(False), torch.enable_grad(), _on_cpu():
            yield
    finally:
        with _DEFAULTS_LOCK:
            _DEFAULTS["users"] -= 1
            if not _DEFAULTS["users"]:
                torch.set_default_dtype(_DEFAULTS["dtype"])


@contextmanager
def _on_cpu():
    if torch.get_default_device().type == "cpu":  # a device context costs time in each call
        yield
        return
    with torch.device("cpu"):
        yield
