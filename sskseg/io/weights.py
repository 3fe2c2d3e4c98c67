"""Weights of networks that others trained, from files that cannot execute code."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from safetensors.torch import load_file

_INSIDE = ("state_dict", "model")  # where training programs store weights beside other things


def read_weights(path: str | os.PathLike[str]) -> dict[str, torch.Tensor]:
    """Read the weights of a network.

    Parameters
    ----------
    path : str or path-like
        A .safetensors file, or a file of ``torch.save`` (.pth, .pt), of which only tensors are
        read: what could execute code is refused.

    Returns
    -------
    dict of str to Tensor
        On the CPU.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    OSError
        If it cannot be read.
    ValueError
        If it holds anything but named tensors of finite numbers; the message names it.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"No file of weights at {path}.")
    path.open("rb").close()  # raises the error of the file system
    is_safetensors = path.suffix == ".safetensors"
    try:
        state = load_file(path) if is_safetensors else _load_tensors(path)
    except Exception as error:  # each of its own, where bytes are no tensors
        raise ValueError(
            f"{path} is damaged, or no file of weights alone: {str(error)[:300]}"
        ) from error
    for name in _INSIDE:
        if isinstance(state, dict) and isinstance(state.get(name), dict):
            state = state[name]
    if not isinstance(state, dict) or not state or not all(map(_is_weight, state.items())):
        raise ValueError(f"{path} must hold a dict of named tensors, got {_kind(state)}.")
    for name, tensor in state.items():
        if not torch.isfinite(tensor).all():
            raise ValueError(f"{path} holds NaN or infinity in {name}.")
    return dict(state)


def _load_tensors(path):
    return torch.load(path, map_location="cpu", weights_only=True)


def _is_weight(item):
    name, value = item
    return isinstance(name, str) and isinstance(value, torch.Tensor)


def _kind(state):
    if not isinstance(state, dict):
        return type(state).__name__
    others = [repr(key) for key, value in state.items() if not _is_weight((key, value))]
    return f"a dict with {', '.join(others[:3])}" if others else "an empty dict"
