"""A hash of all that a value computes with: parameters, weights and code."""

from __future__ import annotations

import hashlib
import logging
import re
import types
from functools import cached_property, partial
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator

from .code import (
    OTHER_VERSIONS,
    cell_values,
    instructions,
    is_own,
    is_own_module,
    referenced_names,
    top_level_version,
)

_IRRELEVANT = ("history_", "transduction_", "verbose", "device", "memory")  # change no prediction
_PLAIN = (str, bytes, bool, int, float, complex, type(None), np.generic)
_WEIGHTS = ("_parameters", "_buffers", "_modules")
# Hooks and other state of torch's own.
_OF_TORCH = {*vars(torch.nn.Module())} - {*_WEIGHTS}


def hash_of(value: Any) -> str:
    """Compute the SHA-256 of all that a value computes with: parameters, weights, and the
    instructions of functions and classes.

    Functions and classes of installed libraries are known by their names and versions. All others,
    of scripts and of the user's own modules, enter with their instructions and with the global
    names that these load; comments and line numbers do not matter.
    """
    digest = _Digest()
    digest.add(value)
    return digest.sha.hexdigest()


class _Digest:
    def __init__(self):
        self.sha = hashlib.sha256()
        self.visited = {}  # with the objects themselves, so that Python reuses no id

    def put(self, kind, content):
        content = content if isinstance(content, bytes) else str(content).encode()
        self.sha.update(f"{kind}:{len(content)}:".encode() + content)

    def add(self, value):
        if isinstance(value, (np.random.Generator, np.random.RandomState)):
            return  # its state is what fitting left
        if isinstance(value, _PLAIN):
            self.put(type(value).__name__, repr(value))
        elif isinstance(value, (list, tuple)):
            self._add_all(type(value).__name__, value)
        elif isinstance(value, (set, frozenset)):
            self._add_all("set", sorted(map(hash_of, value)))
        elif isinstance(value, dict):
            items = sorted(value.items(), key=lambda item: str(item[0]))
            self._add_all("dict", [part for key, item in items for part in (str(key), item)])
        elif id(value) in self.visited:
            self.put("again", self.visited[id(value)][0])
        else:
            self.visited[id(value)] = (len(self.visited), value)
            self._add_object(value)

    def _add_all(self, kind, items):
        self.put(kind, len(items))
        for item in items:
            self.add(item)

    def _add_object(self, value):
        if isinstance(value, types.ModuleType):
            self.put("module", _named(value.__name__, value.__name__))
        elif isinstance(value, logging.Logger):
            self.put("logger", value.name)
        elif hasattr(value, "dask") and hasattr(value, "name"):
            self.put("dask", value.name)
        elif isinstance(value, types.MethodType):
            self._add_all("method", [value.__func__, value.__self__])
        elif isinstance(value, partial):
            self._add_all("partial", [value.func, value.args, value.keywords])
        elif isinstance(value, type):
            self._add_class(value)
        elif callable(value) and hasattr(value, "__qualname__"):
            self._add_function(value)
        elif isinstance(value, torch.Tensor):
            value = value.detach().cpu()
            self.add((value.float() if value.is_floating_point() else value).numpy())
        elif isinstance(value, np.ndarray):
            self._add_array(value)
        elif hasattr(value, "__array__"):
            self.add(np.asarray(value))
        else:
            self._add_instance(value)

    def _add_array(self, array):
        self.put("array", f"{array.dtype}{array.shape}")
        if array.dtype.hasobject:
            self.add(array.tolist())
        else:
            self.sha.update(np.ascontiguousarray(array).tobytes())

    def _add_instance(self, value):
        """Its class and its state."""
        if isinstance(value, torch.nn.Module):
            state = {name: v for name, v in vars(value).items() if name not in _OF_TORCH}
        else:
            state = _state(value)
        if isinstance(state, dict):
            state = {name: v for name, v in state.items() if name not in _IRRELEVANT}
        self._add_all("object", [type(value), state])

    def _add_class(self, kind):
        self.put("class", _name(kind))
        if is_own(kind):
            parts = {name: part for name, part in vars(kind).items() if _is_relevant(name, part)}
            self._add_all("parts", [parts, list(kind.__bases__)])

    def _add_function(self, function):
        """Its name, and its instructions where the name does not define them."""
        self.put("function", _name(function))
        if hasattr(function, "__wrapped__"):  # in a cache, say
            self.add(function.__wrapped__)
        code = getattr(function, "__code__", None)
        if code is None or not is_own(function):
            return
        names = referenced_names(function)
        self._add_all("instructions", [instructions(code), cell_values(function), names])
        self._add_all("defaults", [function.__defaults__, function.__kwdefaults__])


def _is_relevant(name, part):
    """Whether a part of a class may be code or a constant of its own."""
    if isinstance(part, (types.FunctionType, classmethod, staticmethod, property, cached_property)):
        return True
    constant = isinstance(part, (*_PLAIN, list, tuple, set, dict, np.ndarray, torch.Tensor, type))
    return name[:2] != "__" and (constant or callable(part) or is_own(type(part)))


def _state(value):
    """What a copy of an object would need; its text, without the address, if there is no such."""
    if isinstance(value, (classmethod, staticmethod)):
        return [value.__func__]
    if isinstance(value, property):
        return [value.fget, value.fset, value.fdel]
    if isinstance(value, cached_property):
        return [value.func]
    kind = type(value)
    try:
        plain = kind.__reduce__ is object.__reduce__ and kind.__reduce_ex__ is object.__reduce_ex__
        if plain or isinstance(value, BaseEstimator):
            state = value.__getstate__()
        else:  # such as objects of C
            state = value.__reduce_ex__(4)
            state = [list(x) if hasattr(x, "__next__") else x for x in state]
    except Exception:  # locks, files and the like have none
        state = None
    if isinstance(state, tuple):  # its dictionary or None, and its slots
        state = {**(state[0] or {}), **state[1]}
    if isinstance(state, dict):
        return {name: part for name, part in state.items() if not _is_cached(kind, name)}
    return _without_address(value) if state is None else state


def _is_cached(kind, name):
    return isinstance(getattr(kind, name, None), cached_property)


def _without_address(value):
    """The text of an object, whose address differs between processes."""
    return re.sub(r" at 0x[0-9a-fA-F]+", "", repr(value))


def _name(value):
    module = getattr(value, "__module__", None) or ""
    return _named(module, f"{module}.{value.__qualname__}")


def _named(module, name):
    """A name, with the version of its library where a run does not record it anyway."""
    top = module.partition(".")[0]
    known = top in OTHER_VERSIONS or is_own_module(module)
    return name if known else f"{name} {top_level_version(top)}"
