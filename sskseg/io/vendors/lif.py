"""Leica's LIF, read by the library liffile."""

from __future__ import annotations

import warnings
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..channels import channel_names
from ..units import per_millimeter
from .scene import Box, Scene, axis_letters, long_axes, missing_library

_DIMENSIONS = "./Data/Image/ImageDescription/Dimensions/DimensionDescription"
_CHANNELS = "./Data/Image/ImageDescription/Channels/ChannelDescription"
_SPATIAL = {"1": "x", "2": "y", "3": "z"}  # by DimID
_WAVELENGTH = "λ"  # of the emission


def open_lif(path: Path) -> list[Scene]:
    """Return the images of a file, without those that have no axes y and x.

    Warns
    -----
    UserWarning
        If images are left out.
    """
    try:
        import liffile
    except ImportError as error:
        raise missing_library(path, "liffile", "lif") from error
    scenes, left_out = [], []
    with liffile.LifFile(str(path), squeeze=False) as file:
        for number, image in enumerate(file.images):
            if image.is_flim or not {"Y", "X"} <= set(image.dims):
                left_out.append(image.path)
                continue
            _check_complete(image, path.stat().st_size)
            scenes.append(_scene(str(path), number, image))
    if left_out:
        warnings.warn(
            f"{path} holds images that are left out, since they have no axes y and x or are "
            f"histograms of lifetimes: {', '.join(left_out[:3])}"
            f"{f' and {len(left_out) - 3} more' if len(left_out) > 3 else ''}.",
            UserWarning,
            stacklevel=6,
        )
    return scenes


def _check_complete(image: Any, size: int) -> None:
    """Refuse an image of which pixels are missing at the end of the file."""
    try:
        block = image.memory_block
    except LookupError as error:
        raise ValueError(f"the pixels of {image.path} are missing: it is not complete") from error
    if block.offset + block.size > size or image.nbytes > block.size:
        raise ValueError(f"pixels of {image.path} are missing: it is not complete")


def _scene(path, number, image):
    sizes = dict(image.sizes)
    kept = long_axes(sizes)
    shape = tuple(sizes[name] for name in kept)
    is_spectrum = "C" not in kept  # whose wavelengths are its channels
    axes = axis_letters("C" if name == _WAVELENGTH and is_spectrum else name for name in kept)
    spacing = _spacing(image.xml_element, axes)
    channels = sorted(
        image.xml_element.iterfind(_CHANNELS), key=lambda e: int(e.get("BytesInc", 0))
    )
    return Scene(
        axes, shape, np.dtype(image.dtype), partial(_read, path, number, shape), spacing,
        dict.fromkeys(spacing, "µm"),
        channel_names([element.get("LUTName") for element in channels], axes, shape),
        shape if "s" in axes else None,
    )  # fmt: skip


def _spacing(element, axes):
    """Sizes in micrometers: the length is from the center of the first pixel to the last."""
    spacing = {}
    for dimension in element.iterfind(_DIMENSIONS):
        axis = _SPATIAL.get(dimension.get("DimID", ""), "")
        n, length = (
            int(dimension.get("NumberOfElements", 0)),
            abs(float(dimension.get("Length", 0))),
        )
        millimeters = per_millimeter(dimension.get("Unit", ""))
        if axis and axis in axes and n > 1 and millimeters and 0 < length < np.inf:
            spacing[axis] = float(f"{length / (n - 1) * millimeters * 1000:.12g}")
    return spacing


def _read(path: str, number: int, shape: tuple[int, ...], box: Box) -> np.ndarray:
    """Read a box of an image, from a memory map."""
    import liffile

    with liffile.LifFile(path, squeeze=False) as file:
        image: Any = file.images[number]
        # A map that is copied on writing: the library turns blue, green and red around in place.
        pixels = image.asarray(mode="c", out="memmap")
        return np.array(pixels.reshape(shape)[box])
