"""Counts of a fitted estimator in the tiles of images."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ..images import ImageStack
from ..morphology import measure_objects
from ._tiles import count_tiles


def predict_tiles(
    estimator: Any,
    images: Iterable[ArrayLike],
    tile: int | Sequence[int],
    *,
    regions: Sequence[Any] | None = None,
) -> pd.DataFrame:
    """Count the objects of images in equal tiles, in two orientations.

    Images are predicted one by one as they are and mirrored along their first axis. Where the two
    counts of a tile differ, errors are likely, and `plan_audit` draws it more often.

    Parameters
    ----------
    estimator : object
        Fitted, with `transform` to label images: a pipeline that ends with an `InstanceCounter`,
        or `OtsuWatershed`. Sections must be independent.
    images : iterable of arrays of shape (*spatial[, n_channels])
        Those of one animal. An iterator, or lazy arrays, are read one image at a time.
    tile : int or sequence of int
        As in `count_tiles`, pixels.
    regions : sequence of label images or paths, default=None
        As in `count_tiles`, one for each image.

    Returns
    -------
    pandas.DataFrame
        As `count_tiles` returns it for each image, and ``image``, its position.

    Raises
    ------
    ValueError
        If there is no image, the estimator predicts no label images or joins sections, or the
        number of regions differs.

    Warns
    -----
    UserWarning
        What the estimator warns of, with the position of the image: `sskseg.DomainCheck` finds it
        unlike the training images, so audit all of its tiles (`certain` of `plan_audit`).

    See Also
    --------
    count_tiles : For tables of objects, such as those of `sskseg.scans.count_scan`.

    Examples
    --------
    >>> from sskseg import OtsuWatershed
    >>> from sskseg.datasets import make_cells
    >>> from sskseg.totals import plan_audit, predict_tiles
    >>> X, y = make_cells(n_samples=3, shape=(64, 64), random_state=0)
    >>> tiles = predict_tiles(OtsuWatershed().fit(X, y), X, tile=32)
    >>> tiles["image"].unique().tolist(), len(tiles)
    ([0, 1, 2], 12)
    >>> plan = plan_audit(tiles, k=4, random_state=0)
    """
    steps = [step for _, step in getattr(estimator, "steps", [("", estimator)])]
    if any(getattr(step, "sections", None) == "consecutive" for step in steps):
        raise ValueError(
            "estimator must have independent sections, got consecutive ones: measure the objects"
            " of the whole stack, and pass their table to count_tiles."
        )
    parts = []
    for i, image in enumerate(images):
        if regions is not None and i >= len(regions):
            raise ValueError(f"regions must be one for each image, got {len(regions)}.")
        sample = images[i : i + 1] if isinstance(images, ImageStack) else np.asarray(image)[None]
        with _naming(i):
            labels = _labels(estimator, sample)
            tables = [labels, _labels(estimator, _mirrored(sample))[::-1]]
        place = None if regions is None else regions[i]
        counted = count_tiles(
            [measure_objects(x, columns=["centroid"]) for x in tables],
            labels.shape, tile, regions=place,
        )  # fmt: skip
        parts.append(counted.assign(image=i))
    if not parts:
        raise ValueError("images must hold one image at least, got none.")
    if regions is not None and len(regions) != len(parts):
        raise ValueError(f"regions must be {len(parts)}, one for each image, got {len(regions)}.")
    return pd.concat(parts, ignore_index=True)


@contextmanager
def _naming(i):
    """Issue each warning once, and name the image, which the estimator has alone."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for text, category in dict.fromkeys((str(w.message), w.category) for w in caught):
        has_name, name = "X[0]" in text, f"images[{i}]"
        text = text.replace("X[0]", name) if has_name else f"{name}: {text}"
        warnings.warn(text, category, stacklevel=4)


def _mirrored(sample):
    images = np.asarray(sample)[:, ::-1]
    if isinstance(sample, ImageStack):
        return sample.with_images(images, lambda X: np.asarray(X)[:, ::-1])
    return images


def _labels(estimator, sample):
    labels = np.asarray(estimator.transform(sample)[0])
    if labels.dtype.kind not in "iu":
        raise ValueError(
            f"estimator must predict label images, got values of {labels.dtype} from"
            f" {type(estimator).__name__}: expected a counter, or a pipeline that ends with one."
        )
    return labels
