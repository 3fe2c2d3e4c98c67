"""A session: images, what is painted on them, its history, and its files."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..images import ImageStack, check_images
from ..io import atomic_path, read_labels, write_atomically, write_labels
from .annotations import annotations_of, only_complete

_MAX_HISTORY = 50  # states of what is painted
_KINDS = ("images", "sections", "volume")


@dataclass
class Sample:
    """An image and what is painted on it.

    Parameters
    ----------
    name : str
    image : ndarray of shape (*spatial, n_channels)
        With a leading axis of sections where they are consecutive.
    spacing : tuple of float, default=None
        Size of a pixel along each spatial axis; None is unknown.
    unit : str, default=None
        Of `spacing`.

    Attributes
    ----------
    painted : ndarray of int32, shape (*spatial)
        0 unpainted, 1 background, 2 objects, each connected patch of which is one, and 3 and above
        one object each.
    complete : ndarray of bool, shape (*spatial)
        Where unpainted pixels are background.
    """

    name: str
    image: np.ndarray
    spacing: tuple[float, ...] | None = None
    unit: str | None = None
    painted: np.ndarray = field(init=False)
    complete: np.ndarray = field(init=False)

    def __post_init__(self):
        self.painted = np.zeros(self.image.shape[:-1], np.int32)
        self.complete = np.zeros(self.image.shape[:-1], bool)

    @property
    def y(self) -> np.ndarray:
        """Annotations: -1 unlabeled, 0 background, > 0 objects."""
        return annotations_of(self.painted, self.complete)


class Session:
    """Images of one kind, and what is painted on them.

    Parameters
    ----------
    folder : str or path-like, default=None
        Where labels are saved as they are painted, and read from in a later session. None: nowhere.
    kind : {"images", "sections", "volume"}, default="images"
        What a sample is: a plane, a stack of consecutive sections, or a volume.

    Attributes
    ----------
    samples : dict of Sample
        By name.

    Examples
    --------
    >>> import numpy as np
    >>> from sskseg.datasets import make_cells
    >>> from sskseg.napari import Session
    >>> X, y = make_cells(n_samples=1, shape=(32, 32), random_state=0)
    >>> session = Session()
    >>> sample = session.add("cells", X[0])
    >>> session.paint("cells", np.where(y[0] > 0, 2, 1))
    >>> len(session.training_data()[1])
    1
    """

    def __init__(self, folder: str | os.PathLike[str] | None = None, *, kind: str = "images"):
        if kind not in _KINDS:
            raise ValueError(f"kind must be one of {_KINDS}, got {kind!r}.")
        self.kind = kind
        self.folder = None if folder is None else Path(folder)
        self.samples: dict[str, Sample] = {}
        self._past: list[tuple[str, np.ndarray, np.ndarray]] = []
        self._future: list[tuple[str, np.ndarray, np.ndarray]] = []

    @property
    def image_ndim(self) -> int:
        """Spatial axes of a sample, with the one that counts sections."""
        return 2 if self.kind == "images" else 3

    def add(
        self, name: str, image: Any, *, spacing: Iterable[float] | None = None,
        unit: str | None = None,
    ) -> Sample:  # fmt: skip
        """Add an image, and read what an earlier session painted on it.

        Parameters
        ----------
        name : str
        image : array-like of shape (*spatial) or (*spatial, n_channels)
        spacing : iterable of float, default=None
            Size of a pixel along each spatial axis.
        unit : str, default=None
            Of `spacing`.

        Returns
        -------
        Sample

        Raises
        ------
        ValueError
            For an image of other axes or channels than the others, or values that are no numbers.
        """
        image = check_images([image], self.image_ndim)[0]
        for other in self.samples.values():
            if image.shape[-1] != other.image.shape[-1]:
                raise ValueError(
                    f"All images must have the same channels: {other.name!r} has "
                    f"{other.image.shape[-1]}, {name!r} has {image.shape[-1]}."
                )
            if self.kind == "sections" and image.shape[1:] != other.image.shape[1:]:
                raise ValueError(
                    f"Stacks of sections must have planes of one shape: {other.name!r} has "
                    f"{other.image.shape[1:-1]}, {name!r} has {image.shape[1:-1]}."
                )
        spacing = None if spacing is None else tuple(float(size) for size in spacing)
        sample = Sample(name, image, spacing, unit)
        self._recover(sample)
        self.samples[name] = sample
        return sample

    def paint(self, name: str, painted: np.ndarray, complete: np.ndarray | None = None) -> None:
        """Replace what is painted on an image, and save it.

        Parameters
        ----------
        name : str
        painted : ndarray of int, shape (*spatial)
            0 unpainted, 1 background, 2 objects, 3 and above one object each.
        complete : ndarray of bool, shape (*spatial), default=None
            Where unpainted pixels are background; None leaves it.

        Raises
        ------
        ValueError
            For another shape, or negative numbers.
        OSError
            If it cannot be saved; it is kept in memory.
        """
        sample = self.samples[name]
        complete = sample.complete if complete is None else complete
        for argument, value in (("painted", painted), ("complete", complete)):
            if value.shape != sample.painted.shape:
                raise ValueError(
                    f"{argument} must have the shape of {name!r}, {sample.painted.shape}, got "
                    f"{value.shape}."
                )
        if painted.min() < 0:
            raise ValueError(f"painted must not be negative, got {painted.min()}.")
        unchanged = np.array_equal(painted, sample.painted)
        if unchanged and np.array_equal(complete, sample.complete):
            return
        self._past = [*self._past[1 - _MAX_HISTORY :], (name, sample.painted, sample.complete)]
        self._future = []
        sample.painted, sample.complete = painted.astype(np.int32), complete.copy()
        self.save(name)

    def undo(self) -> str | None:
        """Take back the last change; return the name of its image, or None."""
        return self._move(self._past, self._future)

    def redo(self) -> str | None:
        """Repeat what `undo` took back; return the name of its image, or None."""
        return self._move(self._future, self._past)

    def _move(self, source, target):
        if not source:
            return None
        name, painted, complete = source.pop()
        sample = self.samples[name]
        target.append((name, sample.painted, sample.complete))
        sample.painted, sample.complete = painted, complete
        self.save(name)
        return name

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
        y = [sample.y for sample in self.samples.values()]
        _check_painted(y)
        return self.stack(), self._planes(y), self.positions()

    def complete_annotations(self) -> list[np.ndarray | None] | None:
        """Return annotations of complete regions alone, or None if there are none with an object.

        Returns
        -------
        y : list of ndarray of int32 and None, or None
        """
        pairs = [(s.y, s.complete) for s in self.samples.values()]
        planes = zip(*(self._planes([pair[i] for pair in pairs]) for i in (0, 1)), strict=True)
        y = [only_complete(label, complete) for label, complete in planes]
        return y if any(label is not None and label.max() > 0 for label in y) else None

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

    def save(self, name: str) -> None:
        """Save what is painted on an image; an older file stays until the new one is complete."""
        if self.folder is None:
            return
        sample, folder = self.samples[name], self.folder / "painted"
        folder.mkdir(parents=True, exist_ok=True)
        write_labels(folder / f"{name}.tif", [sample.painted])
        write_labels(folder / f"{name}_complete.tif", [sample.complete.astype(np.uint8)])

    def save_data(self, folder: str | os.PathLike[str]) -> None:
        """Write all images and annotations, for a script: ``images/NAME.npy, labels/NAME.tif``.

        Parameters
        ----------
        folder : str or path-like
        """
        folder = Path(folder)
        for part in ("images", "labels"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        for name, sample in self.samples.items():
            with atomic_path(folder / "images" / f"{name}.npy") as path, path.open("wb") as file:
                np.save(file, sample.image)
            write_labels(folder / "labels" / f"{name}.tif", [sample.y])
        content = {"kind": self.kind, "names": list(self.samples)}
        write_atomically(folder / "session.json", json.dumps(content, indent=1).encode())

    def _recover(self, sample):
        if self.folder is None or not (self.folder / "painted" / f"{sample.name}.tif").is_file():
            return
        files = {"painted": sample.name, "complete": f"{sample.name}_complete"}
        for attribute, stem in files.items():
            path = self.folder / "painted" / f"{stem}.tif"
            label = read_labels(path, spatial_ndim=self.image_ndim)[1][0] if path.exists() else None
            if label is not None and label.shape == sample.painted.shape:
                setattr(sample, attribute, label.astype(getattr(sample, attribute).dtype))
            elif label is not None:
                raise ValueError(
                    f"{path} is of an image of shape {label.shape}, but {sample.name!r} has "
                    f"{sample.painted.shape}: rename the image, or move the file away."
                )

    def _planes(self, arrays):
        if self.kind == "sections":
            return [plane for array in arrays for plane in array]
        return list(arrays)


def _check_painted(y):
    if not y:
        raise ValueError("There is no image in the session: add one.")
    if all((label < 0).all() for label in y):
        raise ValueError("Nothing is painted: paint background (1) and objects (2).")
    for kind, found in (("background (1)", 0), ("objects (2)", 1)):
        if not any((np.minimum(label, 1) == found).any() for label in y):
            raise ValueError(f"No {kind} is painted: paint some pixels of it, too.")
