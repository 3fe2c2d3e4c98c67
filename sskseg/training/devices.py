"""Devices and precision."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import torch

from ..nn import fold_batch_norm

_DTYPES = {"bfloat16": torch.bfloat16, "float32": torch.float32}
_CONVOLUTIONS = tuple(
    getattr(torch.nn, f"Conv{kind}{ndim}d") for kind in ("", "Transpose") for ndim in (2, 3)
)
_SMALL_INPUT = 20480  # values without the last axis of volumes


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
    """Copy a network for inference: evaluation mode, folded batch norm, channels last.

    The last copy of a network of this library is returned again as long as no layer, parameter or
    buffer changes, and there is no hook. Do not modify it.
    """
    if not _is_known(network):
        return _copy(network, device, dtype, ndim)
    made_for = device, dtype, ndim, [type(module) for module in network.modules()]
    weights = [*network.parameters(), *network.buffers()]
    last = _last_copies.get(network)
    if last is None or last.made_for != made_for or not _are_equal(last.weights, weights):
        copy = _copy(network, device, dtype, ndim)
        last = _Copy(made_for, [x.detach().clone() for x in weights], copy)
        _last_copies[network] = last
    return last.network


def _copy(network, device, dtype, ndim):
    folded: Any = fold_batch_norm(network)  # torch's annotation of `to` lacks memory_format
    copy = folded.to(device, dtype, memory_format=memory_format(ndim))
    if device.type == "cpu" and dtype == torch.float32:
        for module in copy.modules():
            if isinstance(module, _CONVOLUTIONS):
                kind: Any = type(module)
                module.__class__ = _of_any_size(kind)
    return copy


@cache
def _of_any_size(layer):
    """Derive a convolution that computes float32 by the same algorithm for inputs of any size.

    On CPUs, torch (2.13) computes batches of one small input by another algorithm, which rounds
    differently: tiles would not agree with the whole image to the bit.
    """

    def forward(self, x, *args, **options):
        is_batch = x.ndim == len(self.kernel_size) + 2
        if not is_batch or len(x) != 1 or x.shape[:4].numel() > _SMALL_INPUT:
            return layer.forward(self, x, *args, **options)
        if layer in (torch.nn.Conv2d, torch.nn.Conv3d) and _is_plain(self):
            settings = self.padding, self.stride, self.dilation, self.groups
            return torch.mkldnn_convolution(x, self.weight, self.bias, *settings)
        return layer.forward(self, torch.cat([x, x]), *args, **options)[:1]

    return type(layer.__name__, (layer,), {"forward": forward})


def _is_plain(layer):
    """Whether torch computes large inputs of a convolution by `torch.mkldnn_convolution`.

    To call it takes half the time of computing a small input twice. For kernels of one pixel, the
    number of threads decides.
    """
    return (
        max(layer.kernel_size[-2:]) > 1
        and isinstance(layer.padding, tuple)
        and layer.padding_mode == "zeros"
        and torch.backends.mkldnn.is_available()
        and torch.backends.mkldnn.enabled
    )


def _is_known(network):
    """Whether layers and weights alone decide what a network computes: it has no class of a user,
    which may have other attributes, and no hook.
    """
    return not any(
        not type(module).__module__.startswith(("torch.nn.", "sskseg.nn."))
        or module._forward_hooks
        or module._forward_pre_hooks
        for module in network.modules()
    )


class _Copy(NamedTuple):
    """A copy of a network, and what it was made of."""

    made_for: tuple[torch.device, torch.dtype, int, list[type]]
    weights: list[torch.Tensor]
    network: torch.nn.Module


# A copy takes a third of the time in which a small image is predicted.
_last_copies: WeakKeyDictionary[torch.nn.Module, _Copy] = WeakKeyDictionary()


def _are_equal(tensors, others):
    """Whether all values are equal. Optimizers do not always raise the version of a tensor."""
    if len(tensors) != len(others):
        return False
    return all(
        (a.device, a.dtype) == (b.device, b.dtype) and torch.equal(a, b)
        for a, b in zip(tensors, others, strict=True)
    )
