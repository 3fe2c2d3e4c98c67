"""A counter as scans use it: `sskseg.scans.protocol.BlockObjects`."""

from __future__ import annotations

import math
import threading
from copy import copy
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..morphology import label_components
from ._checks import spacing_of, unit_of

_RADII = 8  # of a typical object, that cover a large one
_NETWORK = threading.Lock()  # of one process: torch has threads of its own, a GPU its own queue


class Found(NamedTuple):
    """Objects of a block: see `sskseg.scans.protocol.BlockFound`."""

    labels: np.ndarray
    scores: np.ndarray | None = None
    contours: np.ndarray | None = None


@dataclass(frozen=True)
class ProbabilityObjects:
    """Split the probabilities of a block into objects: see `BlockObjects`."""

    counter: Any  # of planes or volumes by themselves
    ndim: int
    consecutive: bool
    exact: bool
    min_size: int
    spacing: tuple[float, ...] | None
    unit: str | None
    source = "probabilities"
    halo = None
    n_channels = 1
    contour_points = 0

    @property
    def reads_cores(self) -> bool:
        reads = self.counter._method().reads_cores
        return reads and getattr(self.counter, "seeds_", "core") == "core"

    @property
    def margin(self) -> tuple[int, ...]:
        return (0,) * self.ndim

    @property
    def stride(self) -> tuple[int, ...]:
        return (1,) * self.ndim

    def memory(self, n_pixels: int) -> int:
        return 0

    def find(self, array: Any, *, device: str | None = None) -> Found:
        probability = array[..., 0] if array.ndim > self.ndim else array
        if not (probability > self.counter.threshold_).any():
            return Found(np.zeros(probability.shape, np.int32))
        samples = array if self.consecutive else array[None]
        if self.exact:
            sections = probability if self.consecutive else probability[None]
            labels = [label_components(section > self.counter.threshold_) for section in sections]
        else:
            labels = list(self.counter.label(samples))
        return Found(_distinct(labels) if self.consecutive else labels[0])


@dataclass(frozen=True)
class ContourObjects:
    """Detect the objects of a block of images by their contours: see `BlockObjects`."""

    detector: Any
    min_size: int
    spacing: tuple[float, ...] | None
    unit: str | None
    margin: tuple[int, ...]
    stride: tuple[int, ...]
    source = "images"
    ndim = 2
    consecutive = False
    exact = False

    @property
    def n_channels(self) -> int:
        return self.detector.n_channels_

    @property
    def halo(self) -> int:
        return math.ceil(_RADII * float(self.detector.network_.scale))

    @property
    def contour_points(self) -> int:
        return self.detector.network_.samples

    def memory(self, n_pixels: int) -> int:
        return self.detector.block_bytes(n_pixels)

    def find(self, array: Any, *, device: str | None = None) -> Found:
        detector = self.detector
        if detector.device == "auto" and device is not None:
            detector = copy(detector)
            detector.device = device
        with _NETWORK:
            outputs = detector.block_outputs(array[None])
        found = detector.block_objects(outputs, array.shape[:2])
        return Found(found.labels, found.scores, found.contours)


def counter_blocks(counter: Any) -> ProbabilityObjects | ContourObjects:
    """Find the objects of blocks with a fitted counter."""
    if counter.margin:
        raise ValueError(
            "The counter of a scan must have margin=0, since all objects of the scan are counted, "
            f"got {counter.margin}; the column touches_border of the table marks those at its "
            "border."
        )
    spacing = spacing_of(counter)
    consecutive = counter.sections == "consecutive"
    if counter.detector_ is None:
        ndim = counter.spatial_ndim_ + consecutive
        plain = _of_single_sections(counter)
        return ProbabilityObjects(
            plain, ndim, consecutive, counter.exact, counter.min_size_, spacing, unit_of(counter)
        )
    if consecutive or counter.spatial_ndim_ != 2:
        raise ValueError(
            "method='contours' detects objects in independent two-dimensional images, got "
            f"spatial_ndim={counter.spatial_ndim_} and sections={counter.sections!r}."
        )
    detector = counter.detector_
    return ContourObjects(
        detector, counter.min_size_, spacing, unit_of(counter), *detector.block_halo()
    )


def _of_single_sections(counter):
    """A counter that labels each section by itself."""
    if counter.sections == "independent":
        return counter
    spacing = spacing_of(counter)
    counter = copy(counter)
    counter.sections = "independent"
    counter.spacing = None if spacing is None else spacing[1:]
    counter.spacing_ = counter.spacing
    return counter


def _distinct(labels):
    """Sections in one array, with labels that differ between sections."""
    offsets = np.cumsum([0, *(int(label.max(initial=0)) for label in labels)])
    return np.stack([np.where(x > 0, x + o, 0) for x, o in zip(labels, offsets[:-1], strict=True)])
