"""PNG, JPEG and BMP."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .orientation import upright
from .pictures import Picture

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp")
_ORIENTATION = 274  # tag of EXIF and of TIFF
_CONVERTED = ("CMYK", "YCbCr", "LAB", "HSV")


def read_raster(path: Path) -> Picture:
    """Read a file, upright, with the depth that it has."""
    from PIL import Image

    with Image.open(path) as file:
        turn = file.getexif().get(_ORIENTATION, 1)
        is_lossy, palette = file.format == "JPEG", None
        if file.mode == "P":
            palette = np.array(file.getpalette(), np.uint8).reshape(-1, 3)
        image = file.convert("RGB") if file.mode in _CONVERTED else file
        pixels = _deep_colors(path) if _has_deep_colors(path) else np.asarray(image)
    if pixels.ndim == 3 and pixels.shape[-1] in (2, 4) and _is_opaque(pixels[..., -1]):
        pixels = pixels[..., 0] if pixels.shape[-1] == 2 else pixels[..., :3]
    axes = "yx" if pixels.ndim == 2 else "yxs"
    return Picture(upright(pixels, turn), axes, palette=palette, is_lossy=is_lossy)


def _is_opaque(alpha):
    return bool((alpha == np.iinfo(alpha.dtype).max).all())


def _has_deep_colors(path):
    """Whether the file is a PNG with colors or alpha of 16 bits, which Pillow reads as 8 bits."""
    with open(path, "rb") as file:
        head = file.read(26)
    return head[:8] == b"\x89PNG\r\n\x1a\n" and head[24] == 16 and head[25] in (2, 4, 6)


def _deep_colors(path):
    import imagecodecs

    return np.asarray(imagecodecs.png_decode(path.read_bytes()))
