"""Fast answers for what is in view: a random forest, in a thread."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from ..baselines import PixelForest
from .sample import check_labeled
from .session import Session

_CACHE = 2**30  # bytes of features that stay in memory
_TILE = 64 * 512**2  # bytes of the features of a tile, of each channel
_MIN_TILES = 4


class View(NamedTuple):
    """The pixels of an image that are in view.

    Parameters
    ----------
    section : int or None
        Of a stack or a volume.
    region : tuple of two slices
        Of the plane.
    """

    section: int | None
    region: tuple[slice, slice]


class Part(NamedTuple):
    """An answer for a tile of an image.

    Parameters
    ----------
    name : str
        Of the image.
    place : tuple of int and slice
        Of the tile, in the image.
    probability : ndarray of float32
        Of the foreground, of the shape of the tile.
    """

    name: str
    place: tuple
    probability: np.ndarray


class ForestView:
    """Classify the pixels in view, in a thread, by a forest that is trained on all that is painted.

    A stroke costs a training and the prediction of the tiles in view, whatever the size of the
    image: features stay in memory. Tiles come one by one, from the center of the view, and a new
    request ends the last one. Planes of stacks and volumes are classified one by one. The answer is
    that of `PixelForest`, to the bit.

    Parameters
    ----------
    session : Session
    n_estimators : int, default=30
    random_state : int, RandomState, Generator or None, default=0

    Attributes
    ----------
    forest : PixelForest
    error : Exception or None
        Why there is no answer to the last request, such as that nothing is painted.

    Examples
    --------
    >>> import numpy as np
    >>> from sskseg.datasets import make_cells
    >>> from sskseg.napari import ForestView, Session, View
    >>> X, y = make_cells(n_samples=1, shape=(64, 64), random_state=0)
    >>> session = Session()
    >>> sample = session.add("cells", X[0])
    >>> session.paint("cells", np.where(y[0] > 0, 2, 1) * (np.arange(64) < 16))
    >>> forest = ForestView(session, n_estimators=5)
    >>> forest.request({"cells": View(None, (slice(0, 64), slice(0, 40)))})
    >>> forest.wait()
    >>> [(part.name, part.probability.shape) for part in forest.take()]
    [('cells', (64, 64))]
    """

    def __init__(self, session: Session, n_estimators: int = 30, *, random_state: Any = 0):
        self.session = session
        self.forest = PixelForest(n_estimators, random_state=random_state)
        self.error: Exception | None = None
        self._waiting: Mapping[str, View] | None = None
        self._parts: deque[Part] = deque()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._trained_on: dict[str, tuple] = {}
        self._y: dict[str, tuple] = {}  # annotations, and the state that they are of
        self._answered: dict[tuple, tuple] = {}  # the last region of a plane, by this forest

    @property
    def is_running(self) -> bool:
        """Whether a request is being answered."""
        return self._thread is not None

    @property
    def is_outdated(self) -> bool:
        """Whether what is painted is not what the forest was trained on."""
        return {n: _state(s) for n, s in self.session.samples.items()} != self._trained_on

    def request(self, views: Mapping[str, View]) -> None:
        """Ask for answers, in place of those that were asked for before.

        Parameters
        ----------
        views : dict of View
            By name of the image.
        """
        with self._lock:
            self._waiting = views
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, daemon=True)
                self._thread.start()

    def take(self) -> list[Part]:
        """Return the answers since the last call."""
        return [self._parts.popleft() for _ in range(len(self._parts))]

    def wait(self) -> None:
        """Wait for the answer, and raise the error in its place, if any."""
        thread = self._thread
        if thread is not None:
            thread.join()
        if self.error is not None:
            raise self.error

    def _run(self):
        while True:
            with self._lock:
                views, self._waiting = self._waiting, None
                if views is None:
                    self._thread = None
                    return
            try:
                self.error = None
                self._answer(views)
            except Exception as error:  # the window shows it, and `wait` raises it
                self.error = error

    def _answer(self, views):
        self._train()
        for name, view in views.items():
            index = () if view.section is None else (view.section,)
            if _contains(self._answered.get((name, *index)), view.region):
                continue
            image = self.session.samples[name].image[index]
            for tile, probability in self.forest.predict_region(image, view.region):
                self._parts.append(Part(name, (*index, *tile), probability))
                if self._waiting is not None:
                    return
            self._answered[name, *index] = view.region

    def _train(self):
        """Train on what is painted, if it is not what the forest was trained on."""
        samples = dict(self.session.samples)
        self._y = {name: self._annotations(name, sample) for name, sample in samples.items()}
        states = {name: state for name, (state, _) in self._y.items()}
        if states and states == self._trained_on:
            return
        labels_of = {name: y for name, (_, y) in self._y.items()}
        check_labeled(labels_of.values())
        images, labels = [], []
        for name, label in labels_of.items():
            for index in np.ndindex(label.shape[:-2]):
                if (label[index] >= 0).any():
                    images.append(samples[name].image[index])
                    labels.append(label[index])
        n_channels = images[0].shape[-1]
        self.forest.set_params(cache_size=max(_MIN_TILES, _CACHE // (_TILE * n_channels)))
        self.forest.fit(images, labels)
        self._trained_on, self._answered = states, {}

    def _annotations(self, name, sample):
        """Return the state of a sample, and its annotations."""
        known = self._y.get(name)
        if known is not None and known[0] == _state(sample):
            return known
        sample = sample.snapshot()
        return _state(sample), sample.y


def _state(sample):
    return sample.version, sample.point_radius


def _contains(outer, inner):
    return outer is not None and all(
        a.start <= b.start and b.stop <= a.stop for a, b in zip(outer, inner, strict=True)
    )
