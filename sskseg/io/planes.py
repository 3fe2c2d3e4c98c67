"""Times and sections in the files of images and of their labels."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

from .folders import without_number
from .images import read_headers
from .pictures import planes_of
from .tiff import is_of_write_labels

_WORDS = {"t": "times", "z": "sections"}


def plane_axes(file: Path) -> tuple[str, tuple[int, ...]]:
    """Return the axes along which the image in a file has several planes, and their lengths.

    Parameters
    ----------
    file : Path

    Returns
    -------
    axes : str
        ``"tz"`` for times of volumes; q and i for axes that the file does not explain. Empty for
        one plane, and for several images in the file.
    lengths : tuple of int
    """
    headers = read_headers(file)
    if len(headers) > 1:
        return "", ()
    several = [(a, n) for a, n in planes_of(headers[0].axes, headers[0].shape) if n > 1]
    return "".join(axis for axis, _ in several), tuple(n for _, n in several)


def check_planes(
    images: Mapping[str, Path], labels: Mapping[str, Path], names: Sequence[str]
) -> None:
    """Refuse labels whose times and sections are others than those of their image.

    Labels and images are paired plane by plane, and have the same number of planes.

    Parameters
    ----------
    images, labels : dict of str to Path
        Files, by the names of the images.
    names : sequence of str
        Of all planes: a file of one plane is not opened.

    Raises
    ------
    ValueError
        If the numbers of times and sections differ; the message names the files.

    Warns
    -----
    UserWarning
        If one of both has times and sections in one axis.
    """
    several = {without_number(name) for name in names if name not in images}
    for name in sorted(several & images.keys() & labels.keys()):
        of_image, own = plane_axes(images[name]), plane_axes(labels[name])
        if of_image[1] == own[1] or not (of_image[0] and own[0]):
            continue
        both = (
            f"{labels[name]} has {_described(*own)}, and its image {images[name]} has "
            f"{_described(*of_image)}"
        )
        if min(len(of_image[0]), len(own[0])) > 1:
            raise ValueError(f"{both}: save the labels with the axes of the image.")
        if not is_of_write_labels(labels[name]):
            warnings.warn(
                f"{both}: they are paired in this order, all sections of one time after the other.",
                UserWarning,
                stacklevel=3,
            )


def _described(axes, lengths):
    """Axes of planes in words, as 2 times of 5 sections."""
    pairs = zip(axes, lengths, strict=True)
    return " of ".join(f"{n} {_WORDS.get(axis, 'planes')}" for axis, n in pairs)
