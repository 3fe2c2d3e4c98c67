"""Sentences about how images differ from those of a training."""

from __future__ import annotations

import math

from ..images.appearance import APPEARANCE

# By the start of the name of a measurement: what images say that have more of it, and less.
_SENTENCES = {
    "detail at 2 ": ("They show more fine structure or noise",
                     "They show less fine structure, as blurred images do"),
    "detail at 4 ": ("They show more fine structure", "They show less fine structure, as blurred "
                     "images do"),
    "detail at 8 ": ("They show more structures of about 8 pixels",
                     "They show fewer structures of about 8 pixels"),
    "detail at 16 ": ("They show more structures of about 16 pixels",
                      "They show fewer structures of about 16 pixels"),
    "detail at 32 ": ("They show more structures of about 32 pixels",
                      "They show fewer structures of about 32 pixels"),
    "detail at 64 ": ("Their brightness varies more over large areas",
                      "Their brightness varies less over large areas"),
    "coarse structure": ("Their brightness varies more over large areas",
                         "Their brightness varies less over large areas"),
    "area above": ("Bright parts cover more of them", "Bright parts cover less of them"),
    "median intensity": ("Their background is brighter, compared with their brightest parts",
                         "Their background is darker, compared with their brightest parts"),
    "intensity above": ("Their bright parts are more alike in brightness",
                        "Their bright parts are less alike in brightness"),
    "variation below": ("Their background is less even", "Their background is more even"),
    "contrast": ("Their objects stand out more from the background",
                 "Their objects stand out less from the background"),
    "object size": ("Their objects look larger", "Their objects look smaller"),
}  # fmt: skip


def describe_difference(measurement: str, new: float, known: float) -> str:
    """Describe how images differ from the most similar ones of a training.

    Parameters
    ----------
    measurement : str
        One of `sskseg.images.appearance.APPEARANCE`.
    new, known : float
        Of these images, and of those of the training.

    Returns
    -------
    str
        A sentence.

    Examples
    --------
    >>> import math
    >>> from sskseg.preprocessing._differences import describe_difference
    >>> describe_difference("object size", math.log(40), math.log(12))
    'Their objects look larger: about 40 pixels across, 12 in the most similar training images.'
    >>> describe_difference("contrast", 0.3, 0.5)
    'Their objects stand out less from the background.'
    """
    more, less = next(pair for start, pair in _SENTENCES.items() if measurement.startswith(start))
    sentence = more if new > known else less
    if measurement == APPEARANCE[-1]:  # logarithms of diameters
        sizes = f"about {math.exp(new):.0f} pixels across, {math.exp(known):.0f}"
        return f"{sentence}: {sizes} in the most similar training images."
    return f"{sentence}."
