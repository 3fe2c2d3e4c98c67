"""Write images."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from .atomic import atomic_path
from .tiff_metadata import MAX_CLASSIC, mark, with_size


def write_image(
    path: str | os.PathLike[str],
    image: Any,
    axes: str,
    *,
    spacing: Sequence[float] | None = None,
    unit: str | None = None,
    result: str | None = None,
) -> None:
    """Write one image to a TIFF file, with its axes.

    Channels are written as pages, as other programs expect, and three channels of 8 or 16 bits as
    colors.

    Parameters
    ----------
    path : str or path-like
        The file appears when it is complete.
    image : ndarray
        Of these axes, and perhaps channels as the last one.
    axes : str
        ``"YX"``, ``"ZYX"``, ``"TYX"`` or ``"TZYX"``.
    spacing, unit : sequence of float and str, default=None
        Size of a pixel, see `write_labels`.
    result : {"mask", "probability"}, default=None
        What a model predicted, which `read_images` refuses. None is an image.
    """
    import tifffile

    image = np.asarray(image)
    is_color = image.shape[len(axes) :] == (3,) and image.dtype in (np.uint8, np.uint16)
    if is_color:
        axes += "S"
    elif image.ndim > len(axes):
        image, axes = np.moveaxis(image, -1, -3), f"{axes[:-2]}CYX"
    options = with_size({"metadata": {"axes": axes, **mark(result)}}, image, spacing, unit)
    with atomic_path(path) as part:
        tifffile.imwrite(
            part, image, compression="zlib", photometric="rgb" if is_color else "minisblack",
            bigtiff=image.nbytes > MAX_CLASSIC, **options,
        )  # fmt: skip
