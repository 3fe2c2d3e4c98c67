"""Values of model files as JSON: numbers, strings, tuples and objects of registered classes."""

from __future__ import annotations

import os
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

import numpy as np

from ..images.augmentation import Augmentation
from ..simulation import CellSimulator

_REGISTERED: dict[str, type] = {}
_TUPLE, _OBJECT = "(tuple)", "(object)"  # keys that no dict of parameters has

Class = TypeVar("Class", bound=type)


def register(cls: Class) -> Class:
    """Allow objects of a class in model files, as the name of the class and its parameters.

    Files hold no import paths: only registered classes are built, from parameters that the file
    claims. The constructor must therefore be cheap and do nothing but store or check them.

    Parameters
    ----------
    cls : type
        A dataclass, or a subclass of `sklearn.base.BaseEstimator`, whose parameters are checked
        against its `_parameter_constraints` on loading.

    Returns
    -------
    type
        The class itself, so that this is a decorator.

    Raises
    ------
    ValueError
        If the name is that of a registered class of this library.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> from sskseg.io.registry import decode, encode, register
    >>> @register
    ... @dataclass
    ... class Stain:
    ...     name: str
    >>> encode({"stain": Stain("DAPI")})
    {'stain': {'(object)': ['Stain', {'name': 'DAPI'}]}}
    >>> decode(encode((1, Stain("DAPI"))))
    (1, Stain(name='DAPI'))
    """
    other = _REGISTERED.get(cls.__name__, cls)
    is_ours = other.__module__.partition(".")[0] == __package__.partition(".")[0]
    if is_ours and other.__module__ != cls.__module__:
        raise ValueError(f"{cls.__name__} is a registered class already, {other!r}: rename yours.")
    _REGISTERED[cls.__name__] = cls
    return cls


for _cls in (Augmentation, CellSimulator):  # of a lower layer, which knows nothing of files
    register(_cls)


def registered_class(name: str) -> type | None:
    """Return the registered class of a name, or None."""
    return _REGISTERED.get(name)


def encode(value: Any, where: str = "") -> Any:
    """Turn a value into what JSON can hold.

    Parameters
    ----------
    value : None, bool, int, float, str, list, tuple, dict of str or object of a registered class
        A path becomes a string.
    where : str, default=""
        Name of the value, for the message.

    Returns
    -------
    None, bool, int, float, str, list or dict

    Raises
    ------
    ValueError
        If it holds anything else, which only pickle can store.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, tuple):
        return {_TUPLE: [encode(v, f"{where}[{i}]") for i, v in enumerate(value)]}
    if isinstance(value, list):
        return [encode(v, f"{where}[{i}]") for i, v in enumerate(value)]
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {key: encode(v, f"{where}.{key}" if where else key) for key, v in value.items()}
    if _REGISTERED.get(type(value).__name__) is type(value):
        return {_OBJECT: [type(value).__name__, encode(_parameters(value), where)]}
    raise ValueError(
        f"{where} cannot be saved without executing code: expected numbers, strings, lists, "
        f"tuples or dicts, got {type(value).__name__}. Use joblib or pickle instead."
    )


def _parameters(value):
    if is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    return value.get_params(deep=False)


def decode(value: Any) -> Any:
    """Turn what `encode` returned into the value.

    Parameters
    ----------
    value : None, bool, int, float, str, list or dict

    Returns
    -------
    object

    Raises
    ------
    Exception
        Of any kind where a file claims parameters that a class does not take.
    """
    if isinstance(value, list):
        return [decode(v) for v in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {_TUPLE}:
        return tuple(decode(v) for v in value[_TUPLE])
    if set(value) == {_OBJECT}:
        name, parameters = value[_OBJECT]
        return _build(name, decode(parameters))
    return {key: decode(v) for key, v in value.items()}


def _build(name, parameters):
    if name not in _REGISTERED:
        raise ValueError(f"{str(name)[:80]!r} is not the name of a registered class.")
    built = _REGISTERED[name](**parameters)
    if hasattr(built, "_parameter_constraints"):
        built._validate_params()
    return built
