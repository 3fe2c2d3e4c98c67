"""A sample of a session: an image, and what is painted and clicked on it."""

from __future__ import annotations

import copy
import itertools
import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ..images.points import POINT_RADIUS
from .annotations import BACKGROUND, UNPAINTED, annotations_of
from .boxes import Box, union, whole_box

if TYPE_CHECKING:
    from .answers import Answer

_VERSIONS = itertools.count(1)
_MAX_CHANGES = 100  # whose boxes are known


@dataclass(eq=False)
class Sample:
    """An image, and what is painted and clicked on it.

    What is painted changes in place, while `lock` is held: a stroke on a large image copies the
    pixels of the stroke alone. Threads read a `snapshot`.

    Parameters
    ----------
    name : str
    image : ndarray of shape (*spatial, n_channels)
        With a leading axis of sections where they are consecutive.
    spacing : tuple of float, default=None
        Size of a pixel along each spatial axis; None is unknown.
    unit : str, default=None
        Unit of `spacing`.
    sections : bool, default=False
        Whether the first axis counts sections.

    Attributes
    ----------
    painted : ndarray of int32, shape (*spatial)
        0 unpainted, 1 background, 2 objects, each connected patch of which is one, and 3 and above
        one object each.
    complete : ndarray of bool, shape (*spatial)
        Where unpainted pixels are background.
    points : ndarray of float64, shape (k, spatial_ndim)
        Pixels; one for each object that is clicked.
    point_radius : float
        Of the discs that points are, pixels.
    answer : Answer or None
        What the last model predicts, with corrections.
    version : int
        Of what is painted and clicked; no two changes of any samples have the same.
    lock : lock
        Held while it changes.
    """

    name: str
    image: np.ndarray
    spacing: tuple[float, ...] | None = None
    unit: str | None = None
    sections: bool = False
    painted: np.ndarray = field(init=False)
    complete: np.ndarray = field(init=False)
    points: np.ndarray = field(init=False)
    point_radius: float = field(default=POINT_RADIUS, init=False)
    answer: Answer | None = field(default=None, init=False)
    version: int = field(default=0, init=False)
    lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)
    _changes: deque[tuple[int, Box]] = field(init=False, repr=False)

    def __post_init__(self):
        self.painted = np.zeros(self.image.shape[:-1], np.int32)
        self.complete = np.zeros(self.image.shape[:-1], bool)
        self.points = np.zeros((0, self.painted.ndim))
        self._changes = deque(maxlen=_MAX_CHANGES)
        self.set_changed()

    def set_changed(self, box: Box | None = None) -> None:
        """Give what is painted and clicked, and objects, a new version.

        Parameters
        ----------
        box : tuple of slice, default=None
            Of the pixels that changed; None is the whole image.
        """
        self.version = next(_VERSIONS)
        self._changes.append((self.version, whole_box(self.painted.shape) if box is None else box))

    def changed_since(self, version: int) -> Box | None:
        """Return the box of all pixels that changed after a version; None if none did.

        Parameters
        ----------
        version : int
            Of many changes ago, the box is the whole image.
        """
        if self._changes[0][0] > version:
            return whole_box(self.painted.shape)
        return union(box for later, box in self._changes if later > version)

    def snapshot(self) -> Sample:
        """Return the sample as it is now, for a thread; it shares the image and the answer."""
        with self.lock:
            other = copy.copy(self)
            other.painted, other.complete = self.painted.copy(), self.complete.copy()
        other.lock = threading.Lock()
        return other

    @property
    def y(self) -> np.ndarray:
        """Annotations: -1 unlabeled, 0 background, > 0 objects."""
        return annotations_of(
            self.painted, self.complete, self.points, self.point_radius, sections=self.sections
        )


def check_painted(samples: Iterable[Sample]) -> None:
    """Check that objects and background are painted or clicked.

    Parameters
    ----------
    samples : iterable of Sample

    Raises
    ------
    ValueError
        If there is no sample, or one of both is missing.
    """
    samples = list(samples)
    has_objects = any((s.painted > BACKGROUND).any() or len(s.points) for s in samples)
    has_background = any(
        (s.painted == BACKGROUND).any() or (s.complete & (s.painted == UNPAINTED)).any()
        for s in samples
    )
    _check_both(len(samples), has_background, has_objects)


def check_labeled(y: Iterable[np.ndarray]) -> None:
    """Check that annotations have objects and background; see `check_painted`.

    Parameters
    ----------
    y : iterable of ndarray of int
        -1 unlabeled, 0 background, > 0 objects.
    """
    y = list(y)
    has_background = any((label == 0).any() for label in y)
    _check_both(len(y), has_background, any((label > 0).any() for label in y))


def _check_both(n_samples, has_background, has_objects):
    if not n_samples:
        raise ValueError("There is no image in the session: add one.")
    if not has_objects and not has_background:
        raise ValueError("Nothing is painted: paint background (1) and objects (2).")
    for kind, found in (("background (1)", has_background), ("objects (2)", has_objects)):
        if not found:
            raise ValueError(f"Nothing is painted as {kind}: paint some pixels.")
