"""Devices and precision."""

from __future__ import annotations

from typing import Any

import torch

from ..nn import fold_batch_norm

_DTYPES = {"bfloat16": torch.bfloat16, "float32": torch.float32}


def select_device(device: str = "auto") -> torch.device:
    """Return a device; ``"auto"`` is the GPU if there is one.

    Raises
    ------
    ValueError
        If torch does not know the device, or it is not there.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        selected = torch.device(device)
    except RuntimeError as error:
        raise ValueError(f"device must be 'auto' or one of torch's, got {device!r}.") from error
    if selected.type not in ("cpu", "cuda") and not _is_available(selected):
        raise ValueError(f"device {device!r} is not there.")
    if selected.type == "cuda" and (selected.index or 0) >= torch.cuda.device_count():
        raise ValueError(
            f"device {device!r} is not there: {torch.cuda.device_count()} GPUs were found."
        )
    return selected


def _is_available(device):
    try:
        torch.zeros(1, device=device).cpu()
    except (RuntimeError, AssertionError, ImportError):
        return False
    return True


def select_precision(precision: str, device: torch.device) -> torch.dtype:
    """Return a dtype; ``"auto"`` is bfloat16 if `device` computes it natively, else float32."""
    if precision != "auto":
        return _DTYPES[precision]
    return torch.bfloat16 if _has_native_bfloat16(device) else torch.float32


def _has_native_bfloat16(device):
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type != "cpu":
        return False
    probes = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, probe, bool)() for probe in probes)


def memory_format(ndim: int) -> torch.memory_format:
    """Return the format with channels last in two or three dimensions."""
    return torch.channels_last if ndim == 2 else torch.channels_last_3d


def inference_copy(
    network: torch.nn.Module, device: torch.device, dtype: torch.dtype, ndim: int
) -> torch.nn.Module:
    """Copy a network for inference: evaluation mode, folded batch norm, channels last."""
    folded: Any = fold_batch_norm(network)  # torch's annotation of `to` lacks memory_format
    return folded.to(device, dtype, memory_format=memory_format(ndim))
