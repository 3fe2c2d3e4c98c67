"""Parameters that are lengths or areas, compared with the size of images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Integral


def check_extent(
    name: str, value: float, most: float, shape: Sequence[int], image: str = "images"
) -> None:
    """Raise an error if a parameter is too large for images of this shape.

    Parameters
    ----------
    name : str
        Of the parameter.
    value, most : float
        Its value, and the largest one that makes sense.
    shape : sequence of int
        Spatial shape of the image, pixels.
    image : str, default="images"
        What has this shape.

    Raises
    ------
    ValueError
        If `value` exceeds `most`.
    """
    if value > most:
        sides = " x ".join(str(side) for side in shape)
        raise ValueError(
            f"{name} must be at most {_text(most)} for {image} of {sides} pixels, got "
            f"{_text(value)}."
        )


def _text(value):
    """A number: six digits, and all of an integer."""
    return str(value) if isinstance(value, Integral) else f"{value:g}"


def check_margin(margin: int, shape: Sequence[int], image: str = "images") -> None:
    """Raise an error if a frame of `margin` pixels covers an image."""
    check_extent("margin", margin, (min(shape) - 1) // 2, shape, image)


def check_sigma(name: str, sigma: float, shapes: Sequence[Sequence[int]]) -> None:
    """Raise an error if a Gaussian is wider than the largest of some images, which it flattens."""
    shape = largest_shape(shapes)
    check_extent(name, sigma, max(shape), shape)


def largest_shape(shapes: Sequence[Sequence[int]]) -> tuple[int, ...]:
    """Return the shape with the most pixels."""
    return tuple(max(shapes, key=math.prod))
