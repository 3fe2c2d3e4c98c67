"""Model files that cannot execute code: tensors and JSON in one safetensors file."""

import json
import os
import tempfile
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

_FORMAT = "sskseg-1"


def write_model(path, class_name, values, tensors):
    """Write a model file, atomically: an older file stays until the new one is complete.

    Parameters
    ----------
    path : str or path-like
    class_name : str
    values : dict
        What JSON can hold, and tuples.
    tensors : dict of str to Tensor or ndarray

    Raises
    ------
    ValueError
        If a value cannot be stored without executing code when it is loaded.
    """
    path = Path(path)
    header = {"format": _FORMAT, "class": class_name, "values": json.dumps(_encode(values, ""))}
    tensors = {name: torch.as_tensor(value).contiguous() for name, value in tensors.items()}
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".part")
    os.close(handle)
    try:
        save_file(tensors, temporary, metadata=header)
        Path(temporary).replace(path)
    finally:
        Path(temporary).unlink(missing_ok=True)


def read_model(path):
    """Read a model file.

    Returns
    -------
    class_name : str
    values : dict
    tensors : dict of str to Tensor

    Raises
    ------
    FileNotFoundError
        If there is none.
    ValueError
        If the file is damaged or was not written by `write_model`; the message names it.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"No model file at {path}.")
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise ValueError(f"{path} is damaged or not a model file: {error}") from error
    if header.get("format") != _FORMAT:
        raise ValueError(
            f"{path} was not written by this library (expected format {_FORMAT!r}, got "
            f"{header.get('format')!r})."
        )
    try:
        values = _decode(json.loads(header["values"]))
        return header["class"], values, tensors
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{path} is damaged: its header cannot be read: {error}") from error


def _encode(value, where):
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, tuple):
        return {"(tuple)": [_encode(v, f"{where}[{i}]") for i, v in enumerate(value)]}
    if isinstance(value, list):
        return [_encode(v, f"{where}[{i}]") for i, v in enumerate(value)]
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {key: _encode(v, f"{where}.{key}" if where else key) for key, v in value.items()}
    raise ValueError(
        f"{where} cannot be saved without executing code: expected numbers, strings, lists, "
        f"tuples or dicts, got {type(value).__name__}. Use joblib or pickle instead."
    )


def _decode(value):
    if isinstance(value, list):
        return [_decode(v) for v in value]
    if isinstance(value, dict):
        if set(value) == {"(tuple)"}:
            return tuple(_decode(v) for v in value["(tuple)"])
        return {key: _decode(v) for key, v in value.items()}
    return value
