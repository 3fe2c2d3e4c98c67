"""Where to compute, in which precision, and seeding without touching global state."""

from contextlib import contextmanager
from threading import RLock

import torch

from ..nn import fold_batch_norm

# Torch has one random state for all threads: who draws from it waits for the one before.
_SEEDING = RLock()
_DTYPES = {"bfloat16": torch.bfloat16, "float32": torch.float32}


def select_device(device="auto"):
    """Resolve ``"auto"`` to the GPU where there is one; returns a `torch.device`.

    Raises ValueError for a device that torch does not know or that is not there.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        found = torch.device(device)
    except RuntimeError as error:
        raise ValueError(f"device must be 'auto' or one of torch's, got {device!r}.") from error
    if found.type not in ("cpu", "cuda") and not _is_there(found):
        raise ValueError(f"device {device!r} is not there.")
    if found.type == "cuda" and (found.index or 0) >= torch.cuda.device_count():
        raise ValueError(
            f"device {device!r} is not there: {torch.cuda.device_count()} GPUs were found."
        )
    return found


def _is_there(device):
    try:
        torch.zeros(1, device=device).cpu()
    except (RuntimeError, AssertionError, ImportError):
        return False
    return True


def select_precision(precision, device):
    """Resolve ``"auto"`` to bfloat16 where `device` computes it natively, else float32.

    Returns
    -------
    torch.dtype
    """
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


@contextmanager
def isolated_seed(seed, device):
    """Seed torch inside the block; its global random state is as before afterwards.

    Blocks in other threads wait, so that each draws what it would draw by itself.
    """
    devices = [device.index or 0] if device.type == "cuda" else []
    with _SEEDING, torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield


def memory_format(ndim):
    """Channels last, in two or three dimensions."""
    return torch.channels_last if ndim == 2 else torch.channels_last_3d


def inference_copy(network, device, dtype, ndim):
    """Copy a network, ready to predict: evaluation mode, batch norm folded in, channels last."""
    return fold_batch_norm(network).to(device, dtype, memory_format=memory_format(ndim))
