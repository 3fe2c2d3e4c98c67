"""Masks in the `_seg.npy` files of Cellpose, which are pickles: nothing in them is executed."""

from __future__ import annotations

import io
import pickletools
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .regions import ImageRegions

_ARRAYS = {"numpy.core.multiarray", "numpy._core.multiarray", "numpy"}
_ALLOWED = {
    *((module, name) for module in _ARRAYS for name in ("_reconstruct", "scalar")),
    ("numpy", "ndarray"), ("numpy", "dtype"),
    ("numpy.core.numeric", "_frombuffer"), ("numpy._core.numeric", "_frombuffer"),
}  # fmt: skip
_PLAIN = {"BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES",
          "BINBYTES8", "BYTEARRAY8", "BININT", "BININT1", "BININT2", "LONG1", "LONG4",
          "BINFLOAT"}  # fmt: skip
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_EMPTY = {"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple, "EMPTY_SET": set}

_STEPS = {"PROTO", "FRAME", "MARK", "MEMOIZE", "BINPUT", "LONG_BINPUT", "BINGET", "LONG_BINGET",
          "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "APPEND", "APPENDS", "ADDITEMS", "SETITEM",
          "SETITEMS", "GLOBAL", "STACK_GLOBAL", "REDUCE", "BUILD"}  # fmt: skip


def read_cellpose(file: Path) -> list[ImageRegions]:
    """Read the masks of a file of Cellpose.

    Raises
    ------
    ValueError
        If it is damaged, holds no masks, or anything but arrays, containers, numbers and text.
    """
    opened = io.BytesIO(file.read_bytes())  # reads no more than there is, whatever sizes it claims
    try:
        masks = _masks(opened)
    except Exception as error:  # of many kinds, for damaged files
        raise ValueError(f"{file} cannot be read as a file of Cellpose: {error}.") from error
    if masks.dtype.kind not in "iu" or masks.ndim not in (2, 3) or not masks.size:
        raise ValueError(f"{file} must hold 'masks', integers of 2 or 3 axes, got {masks.dtype} "
                         f"of shape {masks.shape}.")  # fmt: skip
    if masks.min() < 0 or masks.max() > np.iinfo(np.int32).max:
        raise ValueError(f"{file} must hold 'masks', numbers from 0, got {masks.min()}.")
    return [ImageRegions(None, masks.shape, [], masks.astype(np.int32))]


def _masks(opened):
    """Masks in what `np.save` stored: a dict as an array of one object."""
    version = np.lib.format.read_magic(opened)
    reader = {(1, 0): np.lib.format.read_array_header_1_0,
              (2, 0): np.lib.format.read_array_header_2_0}[version]  # fmt: skip
    _, _, dtype = reader(opened)
    if dtype != np.dtype(object):
        raise ValueError(f"it is an array of {dtype}, and not what Cellpose saves")
    stored = _Machine().run(opened)
    state = stored.arguments[-1] if isinstance(stored, _Array) else ()
    objects = state[-1] if state and isinstance(state[-1], list) else [None]
    content = objects[0] if len(objects) == 1 else None
    if not isinstance(content, dict) or "masks" not in content:
        raise ValueError("it has no 'masks'")
    # Nothing else is made: what refers to itself, or many times to one, cannot fill the memory.
    return _array(content["masks"])


class _Call(NamedTuple):
    """A name that a pickle asks for; it is never imported."""

    name: tuple[str, str]


class _Array:
    """An array or a dtype in the making."""

    def __init__(self, kind, arguments):
        self.kind, self.arguments = kind, arguments


class _Machine:
    """Interpreter of pickles that builds containers, numbers, text and arrays of numbers only.

    The names of functions are compared with a list and never looked up, so that no content can
    execute code, unlike with `pickle`, whose `find_class` imports what it admits.
    """

    def __init__(self):
        self.stack, self.marks, self.memo = [], [], {}

    def run(self, opened) -> Any:
        for code, argument, _ in pickletools.genops(opened):
            if code.name == "STOP":
                break
            self._step(code.name, argument)
        return self.stack.pop()

    def _step(self, name, argument):
        if name in _PLAIN:
            self.stack.append(argument)
        elif name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name])
        elif name in _EMPTY:
            self.stack.append(_EMPTY[name]())
        else:
            if name not in _STEPS:
                raise ValueError(f"its pickle has the instruction {name}, which is not admitted")
            getattr(self, f"_{name.lower()}")(argument)

    def _proto(self, _):
        pass

    _frame = _proto

    def _mark(self, _):
        self.marks.append(len(self.stack))

    def _since_mark(self):
        first = self.marks.pop()
        items = self.stack[first:]
        del self.stack[first:]
        return items

    def _memoize(self, _):
        self.memo[len(self.memo)] = self.stack[-1]

    def _binput(self, argument):
        self.memo[argument] = self.stack[-1]

    _long_binput = _binput

    def _binget(self, argument):
        self.stack.append(self.memo[argument])

    _long_binget = _binget

    def _tuple(self, _):
        self.stack.append(tuple(self._since_mark()))

    def _tuple1(self, _):
        self.stack[-1:] = [tuple(self.stack[-1:])]

    def _tuple2(self, _):
        self.stack[-2:] = [tuple(self.stack[-2:])]

    def _tuple3(self, _):
        self.stack[-3:] = [tuple(self.stack[-3:])]

    def _append(self, _):
        self._add_to(list, [self.stack.pop()])

    def _appends(self, _):
        self._add_to(list, self._since_mark())

    def _additems(self, _):
        self._add_to(set, self._since_mark())

    def _add_to(self, kind, items):
        target = self.stack[-1]
        if type(target) is not kind:
            raise ValueError(f"its pickle adds items to {type(target).__name__}")
        (target.extend if kind is list else target.update)(items)

    def _setitem(self, _):
        value, key = self.stack.pop(), self.stack.pop()
        self._put([key, value])

    def _setitems(self, _):
        self._put(self._since_mark())

    def _put(self, items):
        if type(self.stack[-1]) is not dict:
            raise ValueError("its pickle sets items of something else than a dict")
        self.stack[-1].update(zip(items[0::2], items[1::2], strict=True))

    def _global(self, argument):
        self._name(*argument.split(" ", 1))

    def _stack_global(self, _):
        name, module = self.stack.pop(), self.stack.pop()
        self._name(module, name)

    def _name(self, module, name):
        if (module, name) not in _ALLOWED:
            raise ValueError(f"its pickle asks for {module}.{name}, which is not admitted")
        self.stack.append(_Call((module, name)))

    def _reduce(self, _):
        arguments, function = self.stack.pop(), self.stack.pop()
        if not isinstance(function, _Call) or not isinstance(arguments, tuple):
            raise ValueError("its pickle calls something that is not admitted")
        self.stack.append(_Array(function.name[1], arguments))

    def _build(self, _):
        state, target = self.stack.pop(), self.stack[-1]
        if not isinstance(target, _Array) or not isinstance(state, tuple):
            raise ValueError("its pickle sets a state that is not admitted")
        target.arguments = (*target.arguments, state)


def _array(built):
    """Make an array of numbers of what a pickle says about it."""
    if not isinstance(built, _Array):
        raise ValueError(f"it must hold 'masks', an array, got {type(built).__name__}")
    if built.kind == "_frombuffer":
        data, dtype, shape, order = built.arguments
    elif built.kind == "_reconstruct":
        _, shape, dtype, is_fortran, data = built.arguments[-1]
        order = "F" if is_fortran else "C"
    else:
        raise ValueError(f"it must hold 'masks', an array, got {built.kind}")
    return np.frombuffer(data, _dtype(dtype)).reshape(shape, order=order)


def _dtype(built):
    """A dtype of numbers or booleans: "f4", and the byte order of its state."""
    text = built.arguments[0]
    state = built.arguments[-1]
    order = state[1] if isinstance(state, tuple) and len(state) > 1 else "|"
    if not isinstance(text, str) or order not in ("<", ">", "|", "="):
        raise ValueError("its pickle has a dtype that is not admitted")
    dtype = np.dtype(order + text.lstrip("<>|="))
    if dtype.kind not in "biufc":
        raise ValueError(f"its pickle has the dtype {text}, which is not admitted")
    return dtype
