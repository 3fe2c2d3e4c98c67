"""Files of other vendors, read by bioio and the readers that are installed for it."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..channels import channel_names
from .scene import Box, Scene, axis_letters, long_axes

# Without formats that others read, and without files beside the one that is to be opened.
SUFFIXES = (
    ".bif", ".dm3", ".dm4", ".dv", ".flex", ".ics", ".ims", ".ipl", ".lof", ".lsm", ".mrc", ".mrxs",
    ".ndpi", ".oib", ".oif", ".oir", ".qptiff", ".r3d", ".scn", ".sld", ".sldy", ".stk", ".svs",
    ".vsi", ".xlef", ".zvi",
)  # fmt: skip
_HINT = "pip install bioio bioio-bioformats, or another reader of bioio, or convert it to TIFF"


def open_bioio(path: Path) -> list[Scene]:
    """Return the scenes of a file."""
    try:
        from bioio import BioImage
    except ImportError as error:
        raise ImportError(
            f"{path} needs the package bioio and its reader of {path.suffix}: {_HINT}."
        ) from error
    try:
        image = BioImage(str(path))
    except Exception as error:  # readers raise errors of many kinds
        raise ValueError(f"bioio does not read it ({error}): {_HINT}") from error
    return [_scene(str(path), number, image) for number in range(len(image.scenes))]


def _scene(path, number, image):
    image.set_scene(number)
    order = image.dims.order
    sizes = dict(zip(order, image.shape, strict=True))
    kept = long_axes(sizes)
    axes, shape = axis_letters(kept), tuple(sizes[name] for name in kept)
    spacing, units = _spacing(image, axes)
    chunks = dict(zip(order, image.dask_data.chunksize, strict=True))
    return Scene(
        axes, shape, np.dtype(image.dtype), partial(_read, path, number, "".join(kept)), spacing,
        units, channel_names(image.channel_names, axes, shape),
        tuple(chunks[name] for name in kept),
    )  # fmt: skip


def _spacing(image: Any, axes: str) -> tuple[dict[str, float], dict[str, str]]:
    """Sizes, and their units where the reader defines them."""
    sizes, properties = image.physical_pixel_sizes, getattr(image, "dimension_properties", None)
    found = {axis: getattr(sizes, axis.upper(), None) for axis in "zyx" if axis in axes}
    spacing = {axis: float(size) for axis, size in found.items() if size and size > 0}
    units = {
        axis: getattr(getattr(properties, axis.upper(), None), "unit", None) for axis in spacing
    }
    return spacing, {axis: str(unit) for axis, unit in units.items() if unit is not None}


def _read(path: str, number: int, kept: str, box: Box) -> np.ndarray:
    """Read a box of a scene: the chunks of its lazy array that the box touches."""
    from bioio import BioImage

    image = BioImage(path)
    image.set_scene(number)
    parts = dict(zip(kept, box, strict=True))
    pixels = image.dask_data[tuple(parts.get(name, 0) for name in image.dims.order)]
    return np.asarray(pixels.compute(scheduler="synchronous"))
