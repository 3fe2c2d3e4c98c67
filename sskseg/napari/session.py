"""A session: images, what is painted on them, its history, and its files."""

from __future__ import annotations

import copy
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..images import check_images
from ..images.points import check_points
from ..io import write_labels
from . import storage
from .history import History, State
from .sample import Sample
from .sample_set import SampleSet

if TYPE_CHECKING:
    from .answers import Answer


class Session(SampleSet):
    """Images of one kind, and what is painted on them.

    Parameters
    ----------
    folder : str or path-like, default=None
        Where images and labels are saved as they are added and painted, and read from in a later
        session. None: nowhere.
    kind : {"images", "sections", "volume"}, default="images"
        What a sample is: a plane, a stack of consecutive sections, or a volume.

    Attributes
    ----------
    samples : dict of Sample
        By name.
    unsaved : set of str
        Names of images whose last change could not be saved; the next change saves it, too.

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
        super().__init__(kind)
        self.folder = None if folder is None else Path(folder)
        self.unsaved: set[str] = set()
        self._history = History()

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Session:
        """Read a session from its folder, and continue to save it there.

        Parameters
        ----------
        folder : str or path-like
            Of an earlier session, or of `save_data`.

        Returns
        -------
        Session

        Raises
        ------
        FileNotFoundError
            If there is no session, or an image of it is missing.
        ValueError
            If a file of it is damaged, or of another image.
        """
        path = Path(folder)
        content = storage.read_index(path)
        session = cls(kind=content["kind"])
        for entry in content["samples"]:
            image = storage.read_image_file(path, entry["name"])
            sample = session.add(
                entry["name"], image, spacing=entry.get("spacing"), unit=entry.get("unit")
            )
            sample.point_radius = float(entry.get("point_radius", sample.point_radius))
            storage.recover(path, sample)
        session.folder = path
        return session

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
        OSError
            If it cannot be saved; it is kept in memory.
        """
        image = check_images([image], self.image_ndim, name=f"image {name!r}")[0]
        for other in self.samples.values():
            self._check_like(other, name, image)
        spacing = None if spacing is None else tuple(float(size) for size in spacing)
        sample = Sample(name, image, spacing, unit, sections=self.kind == "sections")
        if self.folder is not None:
            storage.recover(self.folder, sample)
        self.samples[name] = sample
        if self.folder is not None:
            with storage.named_errors(self.folder, name):
                storage.write_image(self.folder, sample)
                storage.write_index(self.folder, self.kind, list(self.samples.values()))
        return sample

    def _check_like(self, other, name, image):
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

    def paint(
        self, name: str, painted: np.ndarray, complete: np.ndarray | None = None, *,
        points: np.ndarray | None = None, answer: Answer | None = None,
    ) -> None:  # fmt: skip
        """Replace what is painted and clicked on an image, and save it.

        Parameters
        ----------
        name : str
        painted : ndarray of int, shape (*spatial)
            0 unpainted, 1 background, 2 objects, 3 and above one object each.
        complete : ndarray of bool, shape (*spatial), default=None
            Where unpainted pixels are background; None leaves it.
        points : ndarray of float, shape (k, spatial_ndim), default=None
            One for each object that is clicked, pixels; None leaves them.
        answer : Answer, default=None
            Of the image, if objects of it were corrected; None leaves it.

        Raises
        ------
        ValueError
            For another shape, negative numbers, or points outside of the image.
        OSError
            If it cannot be saved; it is kept in memory.
        """
        sample = self.samples[name]
        complete = sample.complete if complete is None else complete
        points = sample.points if points is None else points
        points = _checked(sample, painted, complete, points)
        now = (painted, complete, points)
        before = (sample.painted, sample.complete, sample.points)
        if all(np.array_equal(*pair) for pair in zip(now, before)) and answer is None:
            if name in self.unsaved:
                self.save(name)
            return
        self._history.add(State.of(sample))
        sample.painted, sample.complete = painted.astype(np.int32), complete.copy()
        sample.points = points
        sample.answer = sample.answer if answer is None else answer
        self.save(name)

    def set_answers(self, answers: Mapping[str, Answer]) -> None:
        """Keep what a model predicts; corrections of earlier answers cannot be undone then.

        Parameters
        ----------
        answers : dict of Answer
            By name of the image.
        """
        for name, answer in answers.items():
            self.samples[name].answer = answer
        self._history.forget_answers()

    @property
    def answers(self) -> dict[str, Answer]:
        """The answers of the images that have one, with corrections."""
        return {n: s.answer for n, s in self.samples.items() if s.answer is not None}

    def undo(self) -> str | None:
        """Take back the last change; return the name of its image, or None."""
        return self._moved(self._history.undo(self.samples))

    def redo(self) -> str | None:
        """Repeat what `undo` took back; return the name of its image, or None."""
        return self._moved(self._history.redo(self.samples))

    def _moved(self, name):
        if name is not None:
            self.save(name)
        return name

    def set_point_radius(self, radius: float) -> None:
        """Set the radius of the discs that stand for points.

        Parameters
        ----------
        radius : float
            Pixels, above 0.
        """
        if not radius > 0:
            raise ValueError(f"radius must be above 0, got {radius}.")
        for sample in self.samples.values():
            sample.point_radius = float(radius)
        if self.folder is not None:
            storage.write_index(self.folder, self.kind, list(self.samples.values()))

    def snapshot(self) -> Session:
        """Return the session as it is, for a thread; it shares the arrays, and is not saved."""
        other = Session(kind=self.kind)
        other.samples = {name: copy.copy(sample) for name, sample in self.samples.items()}
        return other

    def save(self, name: str) -> None:
        """Save what is painted on an image; an older file stays until the new one is complete."""
        if self.folder is None:
            return
        self.unsaved.add(name)
        with storage.named_errors(self.folder, name):
            storage.write_painted(self.folder, self.samples[name])
        self.unsaved.discard(name)

    def save_in(self, folder: str | os.PathLike[str]) -> None:
        """Save all in a folder, now and as it is painted.

        Parameters
        ----------
        folder : str or path-like

        Raises
        ------
        ValueError
            If it holds another session.
        OSError
            If it cannot be written; the session is saved where it was before, if anywhere.
        """
        path = Path(folder)
        if storage.holds_session(path) and path != self.folder:
            raise ValueError(
                f"{path} holds another session: continue that one, or choose another folder."
            )
        self._write(path)
        self.folder, self.unsaved = path, set()

    def save_data(self, folder: str | os.PathLike[str]) -> None:
        """Write all images and annotations, for a script; `load` reads them.

        Parameters
        ----------
        folder : str or path-like
            ``session.json, images/NAME.npy, labels/NAME.tif`` and what `load` reads.
        """
        path = Path(folder)
        self._write(path)
        (path / "labels").mkdir(exist_ok=True)
        for name, sample in self.samples.items():
            write_labels(path / "labels" / f"{storage.file_name(name)}.tif", [sample.y])

    def _write(self, folder):
        for name, sample in self.samples.items():
            with storage.named_errors(folder, name):
                storage.write_image(folder, sample)
                storage.write_painted(folder, sample)
        storage.write_index(folder, self.kind, list(self.samples.values()))


def _checked(sample, painted, complete, points):
    """Check what is painted; return the points."""
    for argument, value in (("painted", painted), ("complete", complete)):
        if value.shape != sample.painted.shape:
            raise ValueError(
                f"{argument} must have the shape of {sample.name!r}, {sample.painted.shape}, got "
                f"{value.shape}."
            )
    if painted.min() < 0:
        raise ValueError(f"painted must not be negative, got {painted.min()}.")
    return check_points(points, sample.painted.shape, f"points of {sample.name!r}")
