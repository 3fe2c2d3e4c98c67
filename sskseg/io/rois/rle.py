"""Run-length encoding of masks, as COCO and CVAT write it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def decode_runs(counts: Any, shape: Sequence[int], order: str, where: str) -> np.ndarray:
    """Decode lengths of runs of 0 and 1 in turn, the first of 0.

    Parameters
    ----------
    counts : list of int
    shape : sequence of 2 ints
        Height and width.
    order : {"C", "F"}
        Along rows (CVAT) or columns (COCO).
    where : str
        File and region, for the message.

    Returns
    -------
    ndarray of bool

    Raises
    ------
    ValueError
        If they are no integers, or their sum is not the number of pixels.
    """
    try:
        lengths = np.asarray(counts)
    except (ValueError, OverflowError):
        lengths = np.empty(0, object)
    n = int(shape[0]) * int(shape[1])
    is_valid = lengths.ndim == 1 and lengths.dtype.kind == "i" and lengths.min(initial=0) >= 0
    if not is_valid or sum(lengths.tolist()) != n:
        raise ValueError(
            f"{where} must have lengths of runs, integers whose sum is the number of pixels, "
            f"{shape[0]} x {shape[1]}."
        )
    values = np.arange(len(lengths)) % 2 == 1
    pixels = np.repeat(values, lengths)
    return pixels.reshape(shape) if order == "C" else pixels.reshape(tuple(shape)[::-1]).T


def encode_runs(mask: np.ndarray, order: str) -> list[int]:
    """Encode a mask as `decode_runs` decodes it."""
    flat = np.concatenate([[False], (mask if order == "C" else mask.T).ravel()])
    change = np.flatnonzero(flat[1:] != flat[:-1])
    return np.diff(np.concatenate([[0], change, [mask.size]])).tolist()


def decompressed(text: str, where: str) -> list[int]:
    """Decode the compressed lengths of runs of COCO.

    Parameters
    ----------
    text : str
        Of each length, groups of five bits, the lowest first, as characters from "0": the sixth
        bit says that another group follows. From the fourth length on, differences to the one
        before the last.
    where : str
        File and region, for the message.

    Returns
    -------
    list of int

    Raises
    ------
    ValueError
        If it ends within a length, or has a character of no group.
    """
    lengths: list[int] = []
    value = bits = 0
    for character in text:
        group = ord(character) - 48
        if not 0 <= group < 64 or bits > 60:
            raise ValueError(f"{where} must have a compressed mask, got {text[:40]!r}.")
        value |= (group & 31) << bits
        bits += 5
        if group & 32:
            continue
        value -= (1 << bits) if group & 16 else 0
        lengths.append(value + lengths[-2] if len(lengths) > 2 else value)
        value = bits = 0
    if bits:
        raise ValueError(f"{where} has a compressed mask that is cut off.")
    return lengths
