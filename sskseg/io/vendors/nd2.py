"""Nikon's nd2, read by the library nd2."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..channels import channel_names
from .scene import Box, Scene, axis_letters, long_axes, missing_library, read_planes

_POSITION = "P"
_FRAME = "CYXS"  # axes of what is read at once


class _Place(NamedTuple):
    """Where a position is in the sequence of frames."""

    loops: tuple[int, ...]  # lengths of the loops, that of the positions among them
    at: int | None  # which loop is that of the positions
    position: int


def open_nd2(path: Path) -> list[Scene]:
    """Return the positions of a file."""
    try:
        import nd2
    except ImportError as error:
        raise missing_library(path, "nd2", "nd2") from error
    with nd2.ND2File(path) as file:
        sizes = {"Y": 1, "X": 1, **file.sizes}
        loops = {name: n for name, n in sizes.items() if name not in _FRAME}
        _check_complete(file, math.prod(loops.values()))
        at = list(loops).index(_POSITION) if _POSITION in loops else None
        return [
            _scene(file, str(path), sizes, _Place(tuple(loops.values()), at, position))
            for position in range(sizes.get(_POSITION, 1))
        ]


def _scene(file, path, sizes, place):
    others = [name for name in sizes if name not in (*_FRAME, _POSITION)]
    kept = long_axes({name: sizes[name] for name in (*others, *_FRAME) if name in sizes})
    axes, shape = axis_letters(kept), tuple(sizes[name] for name in kept)
    channels, dtype = _channels(file), np.dtype(file.dtype)
    spacing = _spacing(channels, axes)
    return Scene(
        axes, shape, dtype, partial(_read, path, place, shape, dtype), spacing,
        dict.fromkeys(spacing, "µm"),
        channel_names([c.channel.name for c in channels], axes, shape),
        tuple(sizes[name] for name in kept if name in _FRAME),
    )  # fmt: skip


def _channels(file: Any) -> list[Any]:
    """Descriptions of the channels; none where they are damaged, as pixels can be read without."""
    try:
        return list(file.metadata.channels or [])
    except Exception:  # the library raises errors of many kinds
        return []


def _check_complete(file: Any, expected: int) -> None:
    """Refuse an acquisition that ended early: the library reads missing frames as zeros."""
    found = file.attributes.sequenceCount
    if found < expected:
        raise ValueError(
            f"its description says {expected} frames, and it holds {found}: it is not complete. "
            "Export the frames that are there to TIFF"
        )


def _spacing(channels, axes):
    """Sizes in micrometers along the axes that are calibrated."""
    if not channels:
        return {}
    volume = channels[0].volume
    described = zip(
        "xyz", volume.axesCalibration, volume.axesCalibrated, volume.axesInterpretation, strict=True
    )
    return {
        axis: float(size)
        for axis, size, is_known, kind in described
        if is_known and kind == "distance" and size > 0 and axis in axes
    }


def _read(path: str, place: _Place, shape: tuple[int, ...], dtype: np.dtype, box: Box):
    """Read a box of a position, frame by frame."""
    import nd2

    n_loops = len(place.loops) - (place.at is not None)
    with nd2.ND2File(path) as file:

        def read(indices, part):
            if place.at is not None:
                indices = (*indices[: place.at], place.position, *indices[place.at :])
            number = int(np.ravel_multi_index(indices, place.loops)) if place.loops else 0
            return file.read_frame(number).reshape(shape[n_loops:])[part]

        return read_planes(box, n_loops, dtype, read)
