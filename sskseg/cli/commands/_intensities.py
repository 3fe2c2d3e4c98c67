"""Mean intensities of objects in all channels of their files, for ``objects.csv``."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ...io.images import image_files, images_of, read_pictures
from ...morphology import object_sums

_COLUMN = "mean_intensity"


def with_intensities(
    objects: pd.DataFrame, labels: Sequence[np.ndarray], path: Path, spatial_ndim: int
) -> pd.DataFrame:
    """Append a column for each channel of the files: the mean of its values over each object.

    The channels that the model does not read are often those to measure. Files are read once more,
    one after the other: memory holds all channels of one of them.

    Parameters
    ----------
    objects : DataFrame
        With ``id``, and with ``sample`` unless the label images are sections of one stack.
    labels : sequence of ndarray of int
        Of each image.
    path : Path
        File or folder of the images.
    spatial_ndim : {2, 3}
    """
    keys = ["sample", "id"] if "sample" in objects else ["id"]
    images = zip(labels, _images(path, spatial_ndim), strict=True)
    parts = [_sums(label, *image).assign(sample=i) for i, (label, image) in enumerate(images)]
    means = _means(pd.concat(parts).set_index(keys))
    found = objects.join(means, on=keys)
    found.attrs = objects.attrs
    return found


def _images(path: Path, spatial_ndim: int) -> Iterator[tuple[np.ndarray, list[str]]]:
    """Images as `sskseg.io.read_images` reads them, with a channel axis, and names of columns."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the images have been read
        files = image_files(path)
    spelled: dict[str, str] = {}
    for file in files:
        for picture in read_pictures(file):
            for image in images_of(picture, spatial_ndim):
                image = image if image.ndim > spatial_ndim else image[..., None]
                yield image, _columns(image.shape[-1], picture.channels, spelled)


def _columns(n, names, spelled):
    """Names of columns by those of the channels, or else by their numbers.

    Names that differ in case alone are one between files, as for ``--channel``.
    """
    plain = [re.sub(r"[\[\]]", "", name).strip() for name in names]  # brackets are of units
    if len({name.casefold() for name in plain}) == len(plain):
        plain = [spelled.setdefault(name.casefold(), name) for name in plain]
    if len(plain) == n and all(plain) and len({*plain}) == n:
        return [f"{_COLUMN}_{name}" for name in plain]
    return [_COLUMN] if n == 1 else [f"{_COLUMN}_{i}" for i in range(n)]


def _sums(label, image, columns):
    """Sum of each channel over each object of an image, and its size."""
    sums = object_sums(label, intensity=image)
    table = pd.DataFrame(sums["intensity"], columns=columns)
    return table.assign(id=sums["label"], size=sums["size"])


def _means(sums: pd.DataFrame) -> pd.DataFrame:
    """Means of the objects, over all of the images in which they are, as one row each."""
    values = sums.drop(columns=["size", "sample"], errors="ignore")
    sizes = values.notna().mul(sums["size"], axis=0)  # files may have different channels
    levels = list(range(values.index.nlevels))
    totals, counted = (table.groupby(level=levels).sum() for table in (values, sizes))
    return totals / counted.where(counted > 0)
