"""Run-length encoding of masks, as COCO and CVAT write it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

Box = tuple[int, int, np.ndarray]  # first row, first column, and pixels


def decode_runs(counts: Any, shape: Sequence[int], order: str, where: str) -> Box:
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
    top, left : int
    pixels : ndarray of bool
        A box around the pixels that are 1.

    Raises
    ------
    ValueError
        If they are no integers, or their sum is not the number of pixels.
    """
    try:
        lengths = np.asarray(counts)
    except (ValueError, OverflowError):
        lengths = np.empty(0, object)
    is_valid = lengths.ndim == 1 and lengths.dtype.kind == "i" and lengths.min(initial=0) >= 0
    if not is_valid or sum(lengths.tolist()) != shape[0] * shape[1]:
        raise ValueError(
            f"{where} must have lengths of runs, integers whose sum is the number of pixels, "
            f"{shape[0]} x {shape[1]}."
        )
    ends = np.cumsum(lengths)
    starts, stops = ends[0 : len(ends) // 2 * 2 : 2], ends[1::2]
    starts, stops = starts[stops > starts], stops[stops > starts]
    if not len(starts):
        return 0, 0, np.zeros((1, 1), bool)
    lines = _lines(starts, stops, shape[0] if order == "F" else shape[1])
    first, offset, pixels = lines
    return (first, offset, pixels) if order == "C" else (offset, first, pixels.T)


def _lines(starts, stops, side):
    """First line, first pixel and pixels of a box around runs along lines of some length."""
    first, last = int(starts[0] // side), int((stops[-1] - 1) // side)
    change = np.zeros((last - first + 1) * side + 1, np.int8)
    np.add.at(change, starts - first * side, 1)
    np.add.at(change, stops - first * side, -1)
    pixels = (np.cumsum(change[:-1], dtype=np.int8) > 0).reshape(-1, side)
    used = np.flatnonzero(pixels.any(axis=0))
    return first, int(used[0]), pixels[:, used[0] : used[-1] + 1].copy()


def encode_runs(box: Box, shape: Sequence[int], order: str) -> list[int]:
    """Encode the pixels of a box in an image as `decode_runs` decodes them."""
    top, left, pixels = box
    first, offset, side = (top, left, shape[1]) if order == "C" else (left, top, shape[0])
    lines = pixels if order == "C" else pixels.T
    change = np.diff(np.pad(lines.astype(np.int8), ((0, 0), (1, 1))), axis=1)
    line, start = np.nonzero(change > 0)
    _, stop = np.nonzero(change < 0)
    base = (first + line) * side + offset
    ends = np.stack([base + start, base + stop], axis=1).ravel()
    return np.diff(np.concatenate([[0], ends, [shape[0] * shape[1]]])).tolist()


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
