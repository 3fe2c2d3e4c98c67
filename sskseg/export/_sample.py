"""Test images of a package, and what the model predicts of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..images import check_images
from ..nn import crop_center
from ._parts import Parts
from ._sizes import InputSizes
from ._verification import channels_of, expected_probabilities

_MAX_SIDE = {2: 512, 3: 96}


def example_tensors(parts: Parts, sample: Any, sizes: InputSizes) -> tuple[np.ndarray, np.ndarray]:
    """Cut a test image out of the middle of a sample, and predict it.

    Parameters
    ----------
    parts : Parts
    sample : array-like
        Images as the model takes them; the first is used, or of consecutive sections the middle.
    sizes : InputSizes
        That the package takes. A smaller image is extended by its edge values.

    Returns
    -------
    inputs : ndarray of float32, shape (1, n_input_channels, *spatial)
        Before all preprocessing.
    probabilities : ndarray of float32, shape (1, n_outputs, *spatial)

    Raises
    ------
    ValueError
        For images of other axes or channels.
    """
    segmenter = parts.segmenter
    images = check_images(
        sample, segmenter.spatial_ndim_, n_channels=segmenter.n_channels_, name="sample"
    )
    is_stack = segmenter.sections == "consecutive"
    if is_stack and len({image.shape for image in images}) > 1:
        raise ValueError("sample must be consecutive sections of one shape.")
    chosen = np.stack(images if is_stack else images[:1]).astype(np.float32)
    limit = _MAX_SIDE[segmenter.spatial_ndim_]
    cut = _cut(chosen, sizes, [max(limit, least) for least in sizes.minimum])
    at = slice(len(cut) // 2, len(cut) // 2 + 1)
    inputs = sizes.pad(channels_of(parts, cut)) if any(sizes.margin) else channels_of(parts, cut)
    return inputs[at], expected_probabilities(parts, cut)[at]


def _cut(images: np.ndarray, sizes: InputSizes, limit: Sequence[int]) -> np.ndarray:
    """The middle of images (n, *spatial, n_channels), of a valid size less the margin."""
    pads, parts = [(0, 0)], [slice(None)]
    for side, most, least, step, margin in zip(
        images.shape[1:-1], limit, sizes.minimum, sizes.stride, sizes.margin, strict=True
    ):
        total = max(least, min(side + 2 * margin, most))
        wanted = least + (total - least) // step * step - 2 * margin
        pads.append((0, max(0, wanted - side)))
        start = max(0, (side - wanted) // 2)
        parts.append(slice(start, start + wanted))
    return np.pad(images, [*pads, (0, 0)], mode="edge")[tuple(parts)]


def cover(image: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Draw the first channel of an image beside the first output.

    Parameters
    ----------
    image : ndarray of shape (n_channels, *spatial)
        Of a volume the middle plane is drawn, and of consecutive sections the middle one.
    probabilities : ndarray of shape (n_outputs, *smaller)

    Returns
    -------
    ndarray of uint8, shape (height, 2 * width)
    """
    foreground = probabilities[0]
    plane = image[len(image) // 2]
    if plane.ndim == 3:
        plane, foreground = plane[len(plane) // 2], foreground[len(foreground) // 2]
    plane = crop_center(plane, foreground.shape)
    low, high = np.percentile(plane, (1, 99.8))
    scaled = np.clip((plane - low) / max(high - low, np.finfo(np.float32).tiny), 0, 1)
    return np.rint(255 * np.concatenate([scaled, foreground], axis=1)).astype(np.uint8)
