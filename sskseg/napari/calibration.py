"""Calibration of a counter on complete regions: where every object is labeled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.ndimage import find_objects

from ..counting import InstanceCounter
from ..counting.candidates import MIN_OBJECTS
from ..images import ImageStack
from ..morphology import label_components
from ..morphology.counts import object_centroids


@dataclass(frozen=True)
class Region:
    """A region in which every object is labeled.

    Parameters
    ----------
    index : int
        Of its sample, as `Session.stack` has them.
    box : tuple of slice
        Around it, of the sample.
    y : ndarray of int32, shape of the box
        -1 outside of the region, 0 background, > 0 objects.
    points : ndarray of float64, shape (k, spatial_ndim), or None
        Pixels of the box; None where objects are painted, and nothing is clicked.
    """

    index: int
    box: tuple[slice, ...]
    y: np.ndarray
    points: np.ndarray | None = None

    @property
    def is_known(self) -> bool:
        """Whether its objects can be counted, since it fills its box."""
        return self.points is not None or bool((self.y >= 0).all())

    @property
    def n_pixels(self) -> int:
        """Pixels of the box."""
        return self.y.size


def regions_of(
    y: Sequence[np.ndarray], complete: Sequence[np.ndarray], points: Sequence[np.ndarray], *,
    as_boxes: bool,
) -> list[Region]:  # fmt: skip
    """Cut out complete regions.

    Parameters
    ----------
    y : sequence of ndarray of int32
        Annotations of each sample.
    complete : sequence of ndarray of bool
        Where they are complete.
    points : sequence of ndarray of float, shape (k, spatial_ndim)
        Clicks on each sample.
    as_boxes : bool
        Whether each connected region is cut out; otherwise all regions of a sample are one, as
        large as the sample.

    Returns
    -------
    list of Region
        Those of objects that are clicked only if they fill their box.
    """
    regions = []
    for index, (label, mask, clicks) in enumerate(zip(y, complete, points, strict=True)):
        if not mask.any():
            continue
        numbered = label_components(mask) if as_boxes else mask.astype(np.uint8)
        for number, box in enumerate(find_objects(numbered), start=1):
            box = box if as_boxes else tuple(slice(0, n) for n in mask.shape)
            inside = numbered[box] == number
            region = _region(index, box, np.where(inside, label[box], -1), inside, clicks)
            regions += [] if region is None else [region]
    return regions


def _region(index, box, y, inside, clicks):
    low, high = np.array([[side.start, side.stop] for side in box]).T
    pixels = np.rint(clicks)
    own = clicks[((pixels >= low) & (pixels < high)).all(1)] - low
    if not len(own):
        return Region(index, box, y)
    if not inside.all():  # clicks and pixels without them do not combine in one reference
        return None
    # A click on a painted object is no further one.
    painted = object_centroids(_without_discs(y, own))
    return Region(index, box, y, np.concatenate([own, painted]))


def _without_discs(y, points):
    numbers = np.unique(y[tuple(np.rint(points).astype(int).T)])
    return np.where(np.isin(y, numbers) | (y < 0), 0, y)


def fit_counter(
    counter: InstanceCounter, regions: Sequence[Region], probabilities: Any,
    positions: np.ndarray | None, *, in_sample: bool, y: Sequence[np.ndarray],
) -> InstanceCounter:  # fmt: skip
    """Calibrate a counter on complete regions.

    Without a complete region with an object, what is painted gives the minimum size alone: an
    object is at least as large as what is painted of it, and fragments are smaller. That is a rough
    guess, on which no count is based.

    The smallest of a few painted objects is larger than a small object, and people paint those that
    are large and clear. A minimum size from few objects is therefore a tenth of their median.

    Parameters
    ----------
    counter : InstanceCounter
    regions : sequence of Region
    probabilities : ImageStack
        As the segmenter's `transform` returns them.
    positions : ndarray of int, or None
        Of consecutive sections.
    in_sample : bool
        Whether the segmenter was trained on these regions.
    y : sequence of ndarray of int32
        Annotations of all samples.

    Returns
    -------
    InstanceCounter
        Fitted.
    """
    spacing, unit = (getattr(probabilities, name, None) for name in ("spacing", "unit"))
    if not is_calibrated(regions):
        counter.set_params(min_size=stroke_size(y))
        return counter.fit(probabilities, positions=positions)
    if all(region.points is None for region in regions):
        _limit_size(counter, _sizes(region.y for region in regions))
    if positions is None:
        images = [probabilities[region.index][region.box] for region in regions]
        reference = [_reference(region, regions) for region in regions]
    else:
        images, reference = list(probabilities), [None] * len(probabilities)
        for region in regions:
            reference[region.index] = _reference(region, regions)
    stack = ImageStack(images, spacing=spacing, unit=unit, in_sample=in_sample)
    return counter.fit(stack, reference, positions=positions)


def is_calibrated(regions: Sequence[Region]) -> bool:
    """Return whether there is a complete region with an object, so that counts can be trusted."""
    return any((region.y > 0).any() for region in regions)


def stroke_size(y: Sequence[np.ndarray]) -> int:
    """Return half of the median size of what is painted of an object, pixels.

    Parameters
    ----------
    y : sequence of ndarray of int32
        Annotations.

    Returns
    -------
    int
    """
    sizes = _sizes(y)
    return int(np.median(sizes)) // 2 if len(sizes) else 0


def _sizes(y):
    return np.concatenate([np.unique(label[label > 0], return_counts=True)[1] for label in y])


def _limit_size(counter, sizes):
    """Set the minimum size if there are few objects."""
    if len(sizes) < MIN_OBJECTS:
        counter.set_params(min_size=int(min(sizes.min() / 2, np.median(sizes) / 10)))


def _reference(region, regions):
    """Points in all regions if they are in one, label images otherwise."""
    if all(each.points is None for each in regions):
        return region.y
    if region.points is not None:
        return region.points
    return object_centroids(region.y) if region.is_known else None
