"""Images of one kind and their annotations, as estimators take them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..images import ImageStack
from .calibration import Region, regions_of
from .sample import Sample, check_painted

_KINDS = ("images", "sections", "volume")


class SampleSet:
    """Images of one kind and their annotations, as estimators take them.

    Parameters
    ----------
    kind : {"images", "sections", "volume"}, default="images"
        What a sample is: a plane, a stack of consecutive sections, or a volume.

    Attributes
    ----------
    samples : dict of Sample
        By name.
    """

    def __init__(self, kind: str = "images"):
        if kind not in _KINDS:
            raise ValueError(f"kind must be one of {_KINDS}, got {kind!r}.")
        self.kind = kind
        self.samples: dict[str, Sample] = {}

    @property
    def image_ndim(self) -> int:
        """Spatial axes of a sample, with the one that counts sections."""
        return 2 if self.kind == "images" else 3

    def training_data(self) -> tuple[ImageStack, list[np.ndarray], np.ndarray | None]:
        """Return all images as estimators take them, with annotations and positions.

        Returns
        -------
        X : ImageStack
            Samples are planes of consecutive sections, and images or volumes otherwise.
        y : list of ndarray of int32
            -1 unlabeled, 0 background, > 0 objects.
        positions : ndarray of int, or None
            Of consecutive sections; those of two stacks are no neighbors.

        Raises
        ------
        ValueError
            If there is no image, or no annotation of objects or of background.
        """
        check_painted(self.samples.values())
        y = [sample.y for sample in self.samples.values()]
        return self.stack(), self._planes(y), self.positions()

    def complete_regions(self) -> list[Region]:
        """Return complete regions, on which a counter is calibrated.

        Returns
        -------
        list of Region
            Each region of an image or a volume; of consecutive sections, each section with one.
        """
        samples = self.samples.values()
        y, complete = ([getattr(s, name) for s in samples] for name in ("y", "complete"))
        points = [self._points_of_planes(sample) for sample in samples]
        flat = [each for planes in points for each in planes]
        return regions_of(
            self._planes(y), self._planes(complete), flat, as_boxes=self.kind != "sections"
        )

    def _points_of_planes(self, sample):
        if not sample.sections:
            return [sample.points]
        planes = np.rint(sample.points[:, 0])
        return [sample.points[planes == i][:, 1:] for i in range(len(sample.painted))]

    def stack(self) -> ImageStack:
        """Return all images, with the size of a pixel where all have the same."""
        samples = list(self.samples.values())
        spacings = {(sample.spacing, sample.unit) for sample in samples}
        spacing, unit = spacings.pop() if len(spacings) == 1 else (None, None)
        images = self._planes([sample.image for sample in samples])
        return ImageStack(images, spacing=spacing, unit=unit)

    def positions(self) -> np.ndarray | None:
        """Return the positions of sections along z, or None."""
        if self.kind != "sections":
            return None
        lengths = [len(sample.image) for sample in self.samples.values()]
        starts = np.cumsum([0, *lengths[:-1]]) + 2 * np.arange(len(lengths))
        return np.concatenate([start + np.arange(n) for start, n in zip(starts, lengths)])

    def by_sample(self, planes: Any) -> dict[str, np.ndarray]:
        """Return arrays in the order of `stack` by the name of their sample."""
        if self.kind != "sections":
            return dict(zip(self.samples, planes, strict=True))
        ends = np.cumsum([len(sample.image) for sample in self.samples.values()])[:-1]
        return dict(zip(self.samples, np.split(np.asarray(planes), ends), strict=True))

    def _planes(self, arrays):
        if self.kind == "sections":
            return [plane for array in arrays for plane in array]
        return list(arrays)
