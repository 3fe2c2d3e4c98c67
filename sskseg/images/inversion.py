"""Images in which dark is bright."""

from __future__ import annotations

from typing import Any

import numpy as np

from .stack import wrap_like
from .validation import unwrap


def invert_images(X: Any) -> Any:
    """Invert images, for a model that knows objects of the opposite brightness.

    Parameters
    ----------
    X : array-like of shape (n_samples, *spatial) or (n_samples, *spatial, n_channels)
        Images, a list of images of different sizes, an `ImageStack`, or a dask array.

    Returns
    -------
    array-like
        Unsigned integers are subtracted from the largest number of their type, floats from 0, and
        other integers from -1; those of 32 and 64 bits without a sign become int64. The range does
        not matter if a ``PercentileScaler(scope="image")`` follows. A second call restores the
        numbers.

    Examples
    --------
    >>> import numpy as np
    >>> from sskseg.images import invert_images
    >>> invert_images(np.array([[[0, 55, 255]]], np.uint8))
    array([[[255, 200,   0]]], dtype=uint8)
    """
    images = unwrap(X)
    if isinstance(images, list | tuple) or images.dtype.kind == "O":
        inverted: Any = [_inverted(np.asarray(image)) for image in images]
    else:
        inverted = _inverted(images)
    return wrap_like(X, inverted, invert_images)


def _inverted(image):
    if image.dtype.kind == "u" and image.dtype.itemsize >= 4:
        image = image.astype(np.int64)  # float32 has no contrast at the largest numbers
    return ~image if image.dtype.kind in "biu" else -image
