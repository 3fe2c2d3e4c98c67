"""Model files that cannot execute code: tensors and JSON in one safetensors file."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from .atomic import atomic_path
from .registry import decode, encode, register

__all__ = ["DAMAGE", "check_fitted", "check_weights", "read_model", "register", "shortened",
           "split_steps", "write_model"]  # fmt: skip

_FORMAT = "sskseg-1"
_HALF = torch.float16, torch.float32  # stored, and in the network
# Errors of building objects from the values that a file claims (RuntimeError: RecursionError, too).
DAMAGE = (TypeError, ValueError, RuntimeError, AttributeError, ArithmeticError, LookupError)


def write_model(
    path: str | os.PathLike[str],
    class_name: str,
    values: dict,
    tensors: dict[str, Any],
    *,
    half_precision: bool = False,
) -> None:
    """Write a model file; an older file stays until the new one is complete.

    Parameters
    ----------
    path : str or path-like
    class_name : str
    values : dict
        See `sskseg.io.registry.encode`.
    tensors : dict of str to Tensor or ndarray
    half_precision : bool, default=False
        Whether to store float32 matrices and kernels as float16.

    Raises
    ------
    ValueError
        If a value cannot be stored without executing code when it is loaded.
    """
    header = {"format": _FORMAT, "class": class_name, "values": json.dumps(encode(values))}
    tensors = {name: torch.as_tensor(value).contiguous() for name, value in tensors.items()}
    if half_precision:
        tensors = {name: _halved(name, tensor) for name, tensor in tensors.items()}
    header["checksum"] = _checksum(header, tensors)
    with atomic_path(path) as temporary:
        save_file(tensors, temporary, metadata=header)


def _halved(name, tensor):
    if tensor.dtype != torch.float32 or tensor.ndim < 2:  # statistics and offsets are small
        return tensor
    half = tensor.half()
    if not torch.isfinite(half).all():
        raise ValueError(f"{name} exceeds the range of float16; save the model in float32.")
    return half


def read_model(path: str | os.PathLike[str]) -> tuple[str, dict, dict[str, torch.Tensor]]:
    """Read a model file.

    Returns
    -------
    class_name : str
    values : dict
    tensors : dict of str to Tensor

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    OSError
        If it cannot be read.
    ValueError
        If the file is damaged or was not written by `write_model`; the message names it.

    Notes
    -----
    The checksum detects damage, not tampering: whoever changes a file can change its checksum.
    """
    path = Path(path)
    if not path.is_file():
        inside = sorted(path.glob("*.sskseg")) if path.is_dir() else []
        advice = f" It is a folder: load {inside[0]}." if inside else ""
        raise FileNotFoundError(f"No model file at {path}.{advice}")
    path.open("rb").close()  # raises the error of the file system
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise ValueError(f"{path} is damaged or not a model file: {error}") from error
    if header.get("format") != _FORMAT:
        raise ValueError(
            f"{path} was not written by this library (expected format {_FORMAT!r}, got "
            f"{shortened(header.get('format'))})."
        )
    if header.get("checksum") != _checksum(header, tensors):
        raise ValueError(f"{path} is damaged: its checksum is not that of its content.")
    try:
        values = decode(json.loads(header["values"]))
        return header["class"], values, tensors
    except DAMAGE as error:
        message = f"{path} is damaged: its header cannot be read: {str(error)[:1000]}"
        raise ValueError(message) from error


def split_steps(
    steps: Sequence[tuple[str, str, dict]], tensors: Mapping[str, torch.Tensor]
) -> list[tuple[str, str, dict, dict[str, torch.Tensor]]]:
    """Split the tensors in the file of a pipeline between its steps.

    Parameters
    ----------
    steps : list of (name, class_name, values)
    tensors : dict of str to Tensor
        Each name begins with the number of its step, and a dot.

    Returns
    -------
    list of (name, class_name, values, tensors)

    Raises
    ------
    ValueError
        If there is no step, or a tensor of none.
    """
    parts: dict[str, dict[str, torch.Tensor]] = {}
    for key, tensor in tensors.items():
        number, _, inside = key.partition(".")
        parts.setdefault(number, {})[inside] = tensor
    result = [(*step, parts.pop(str(i), {})) for i, step in enumerate(steps)]
    if parts or not result:
        raise ValueError(f"{len(result)} steps do not have the tensors of {sorted(parts)}.")
    return result


def is_model_file(path: Path) -> bool:
    """Return whether a file begins as model files do: the size of a JSON header, and the header."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        start = file.read(9)
    return start[8:] == b"{" and int.from_bytes(start[:8], "little") < path.stat().st_size


def _checksum(header, tensors):
    """Compute the SHA-256 of everything in a model file."""
    digest = hashlib.sha256()
    for name in ("format", "class", "values"):
        digest.update(f"{name}={header.get(name)}\n".encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name}: {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        flat = tensor.flatten().clone(memory_format=torch.contiguous_format)
        digest.update(flat.view(torch.uint8).numpy())
    return digest.hexdigest()


def shortened(value: Any, max_length: int = 80) -> str:
    """Return the representation of a value, shortened for a message."""
    text = repr(value)
    return text if len(text) <= max_length else text[: max_length - 3] + "..."


def check_fitted(attributes: Mapping[str, Any], expected: Mapping[str, str]) -> None:
    """Raise if a fitted attribute is missing or not of its kind.

    Parameters
    ----------
    attributes : dict
    expected : dict of str to str
        Kind of each attribute, of `_KINDS`, followed by " or None" if it may be None.

    Raises
    ------
    ValueError
        The message names the attribute.
    """
    for name, kind in expected.items():
        if name not in attributes:
            raise ValueError(f"{name} is missing.")
        value, optional = attributes[name], kind.endswith(" or None")
        if not ((optional and value is None) or _KINDS[kind.removesuffix(" or None")](value)):
            raise ValueError(f"{name} must be {kind}, got {shortened(value)}.")


def _is_count(value):
    is_integer = isinstance(value, Integral) and not isinstance(value, bool)
    return is_integer and 0 <= int(value) < 2**31


def _is_number(value):
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


_KINDS = {
    "a count": _is_count,
    "a number": _is_number,
    "a boolean": lambda x: isinstance(x, bool),
    "a text": lambda x: isinstance(x, str),
    "numbers": lambda x: isinstance(x, np.ndarray) and x.ndim == 1 and x.dtype.kind in "iuf",
    "rows of numbers": lambda x: (
        isinstance(x, np.ndarray) and x.ndim == 2 and x.size > 0 and bool(np.isfinite(x).all())
    ),
    "pairs of numbers": lambda x: (
        isinstance(x, np.ndarray) and x.shape[1:] == (2,) and x.dtype.kind in "iuf"
    ),
    "a shape": lambda x: isinstance(x, tuple) and len(x) > 0 and all(map(_is_count, x)),
    "a spacing": lambda x: isinstance(x, tuple) and all(_is_number(s) and s > 0 for s in x),
    "a number, text, boolean or tuple of numbers": lambda x: (
        isinstance(x, (bool, str))
        or _is_number(x)
        or (isinstance(x, tuple) and all(map(_is_number, x)))
    ),
    "text": lambda x: isinstance(x, str),
    "a tuple": lambda x: isinstance(x, tuple),
    "a list": lambda x: isinstance(x, list),
    "a dict": lambda x: isinstance(x, dict),
    "an object": lambda x: not isinstance(x, (str, bytes, list, dict, int, float, type(None))),
    "a network": lambda x: isinstance(x, torch.nn.Module),
}


def check_weights(module: torch.nn.Module, state: dict[str, torch.Tensor]) -> None:
    """Raise if tensors are not those of a module; float16 may stand for float32.

    Parameters
    ----------
    module : torch.nn.Module
        On the device "meta", that is, without memory, whatever sizes a file claims.
    state : dict of str to Tensor

    Raises
    ------
    ValueError
        If a tensor is of another type or holds NaN or infinity.
    RuntimeError
        If one is missing, unexpected, or of another shape.
    """
    for name, expected in module.state_dict().items():
        tensor = state.get(name)
        is_half = (
            expected.dtype == torch.float32 and getattr(tensor, "dtype", None) == torch.float16
        )
        if tensor is not None and tensor.dtype != expected.dtype and not is_half:
            raise ValueError(f"{name} must be of {expected.dtype}, got {tensor.dtype}.")
        if tensor is not None and not torch.isfinite(tensor).all():
            raise ValueError(f"{name} holds NaN or infinity.")
    module.load_state_dict(state, assign=True)
