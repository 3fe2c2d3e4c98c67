"""A GPU, or where there is none, tensors that have a device, a shape and a dtype, and no values.

What a GPU refuses is an error of these, too: operations on tensors of two devices, and pinned
memory of a tensor that is not on the CPU. So is what waits for a GPU: to read a value, results
whose shape depends on values, and copies from the CPU that block.
"""

import sys
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from unittest.mock import patch

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

GPU = torch.device("cuda:0")
HAS_GPU = torch.cuda.is_available()
_MEMORY = 2**34  # bytes
_COPY, _CONTIGUOUS = torch.Tensor.copy_, torch.Tensor.contiguous
_GET_ITEM, _SET_ITEM = torch.Tensor.__getitem__, torch.Tensor.__setitem__


class _BlockingCopy(AssertionError):
    """A copy that waits for the GPU."""


class _NoBlockingCopies(TorchDispatchMode):
    """Refuse copies between devices that wait for the GPU."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if function is torch.ops.aten._to_copy.default:
            source, target = args[0].device, kwargs.get("device") or args[0].device
            _check_copy(source, target, kwargs.get("non_blocking", False))
        elif function is torch.ops.aten.copy_.default:
            waits = len(args) < 3 or not args[2]
            _check_copy(args[1].device, args[0].device, not waits)
        return function(*args, **kwargs)


def _check_copy(source, target, non_blocking):
    if source.type != target.type and (target.type == "cpu" or not non_blocking):
        raise _BlockingCopy(f"A copy from {source} to {target} waits for the GPU.")


def _pin_memory(tensor):
    if tensor.is_cuda:
        raise RuntimeError("only dense CPU tensors can be pinned")
    return tensor


def _unchanged(tensor, *args, **kwargs):
    return tensor


def _copied(tensor, source, non_blocking=False):
    if not tensor.is_cuda:
        return _COPY(tensor, source, non_blocking)
    assert source.is_cuda, "What is copied to a part of a tensor should be on the GPU already."
    return tensor


def _contiguous(tensor, **kwargs):
    return tensor.clone() if tensor.is_cuda else _CONTIGUOUS(tensor, **kwargs)


def _randn(*shape, generator=None, **kwargs):
    return torch.empty(*shape, **kwargs)


def _empty_caches():
    """Forget tensors that functions have cached: fake ones are of no use outside."""
    for name, module in list(sys.modules.items()):
        if name.startswith("sskseg"):
            for value in list(vars(module).values()):
                if hasattr(value, "cache_clear"):
                    value.cache_clear()


def _indexed(tensor, key):
    """Index a tensor by operations that need no driver, unlike those of square brackets."""
    key = list(key) if isinstance(key, tuple) else [key]
    n_axes = sum(part is not None and part is not Ellipsis for part in key)
    if any(part is Ellipsis for part in key):
        at = next(i for i, part in enumerate(key) if part is Ellipsis)
        key[at : at + 1] = [slice(None)] * (tensor.ndim - n_axes)
    axis, tensors = 0, []
    for part in key:
        if isinstance(part, int):
            tensor = tensor.select(axis, part)
            continue
        if part is None:
            tensor = tensor.unsqueeze(axis)
        elif isinstance(part, slice):
            step = part.step or 1
            tensor = torch.ops.aten.slice.Tensor(tensor, axis, part.start, part.stop, step)
        elif isinstance(part, torch.Tensor) and part.is_cuda:
            tensors += [None] * (axis - len(tensors)) + [part]
        else:
            raise _BlockingCopy(f"An index must be moved to the GPU, which waits: {part!r}.")
        axis += 1
    return torch.ops.aten.index.Tensor(tensor, tensors) if tensors else tensor


def _get_item(tensor, key):
    return _indexed(tensor, key) if tensor.is_cuda else _GET_ITEM(tensor, key)


def _set_item(tensor, key, value):
    if not tensor.is_cuda:
        _SET_ITEM(tensor, key, value)
    elif isinstance(value, torch.Tensor):
        _indexed(tensor, key).copy_(value)
    else:
        _indexed(tensor, key).fill_(value)


class _SameThread(ThreadPoolExecutor):
    """Run what is submitted at once: the modes of torch are those of one thread."""

    def submit(self, function, *args, **kwargs):
        future = Future()
        future.set_result(function(*args, **kwargs))
        return future


def on_gpu(module):
    """Move a network to `GPU`, in place; `Module.to` cannot where it is none."""
    if HAS_GPU:
        return module.to(GPU)
    for each in module.modules():
        for group, make in ((each._parameters, torch.nn.Parameter), (each._buffers, lambda x: x)):
            for name, value in group.items():
                if value is not None:
                    group[name] = make(torch.empty(value.shape, dtype=value.dtype, device=GPU))
    return module


@contextmanager
def some_gpu():
    """Let tensors on `GPU` be made and computed with."""
    if HAS_GPU:
        yield GPU
        return
    generator, mode = torch.Generator, FakeTensorMode()
    _empty_caches()
    with ExitStack() as stack:
        for name, replacement in (
            ("torch.Tensor.pin_memory", _pin_memory),
            ("torch.Tensor.normal_", _unchanged),
            ("torch.Tensor.copy_", _copied),
            ("torch.Tensor.contiguous", _contiguous),
            ("torch.Tensor.__invert__", lambda tensor: torch.bitwise_not(tensor)),
            ("torch.Tensor.__getitem__", _get_item),
            ("torch.Tensor.__setitem__", _set_item),
            ("torch.randn", _randn),
            ("sskseg.training.prefetch.ThreadPoolExecutor", _SameThread),
            ("torch.Generator", lambda device="cpu": generator()),
            ("torch.cuda.mem_get_info", lambda device: (_MEMORY, _MEMORY)),
        ):
            stack.enter_context(patch(name, replacement))
        stack.enter_context(mode)
        try:
            yield GPU
        finally:
            _empty_caches()


@contextmanager
def no_waiting():
    """Refuse what waits for the GPU."""
    if not HAS_GPU:
        with _NoBlockingCopies():
            yield
        return
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")
