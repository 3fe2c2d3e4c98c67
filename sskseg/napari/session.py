"""A session: images, what is painted on them, its history, and its files."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..images import check_images
from ..images.points import check_points
from ..io import write_labels
from . import storage
from .boxes import Box, changed_box, union, whole_box
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
    saves_at_once : bool, default=True
        Whether each change is saved before the call that makes it returns. Otherwise `save` is to
        be called, which a thread may do.

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
        self.saves_at_once = True
        self._saved: dict[str, int] = {}  # versions
        self._history = History()

    @property
    def unsaved(self) -> set[str]:
        """Names of images whose last change is not saved; the next change saves it, too."""
        samples = {} if self.folder is None else self.samples
        return {name for name, each in samples.items() if self._saved.get(name) != each.version}

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
            Unit of `spacing`.

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
        self.samples[name], self._saved[name] = sample, sample.version
        if self.folder is not None:
            with storage.named_errors(self.folder, name):
                storage.write_image(self.folder, sample)
                storage.write_index(self.folder, self.kind, list(self.samples.values()))
        return sample

    def replace_image(self, name: str, image: Any) -> None:
        """Replace an image by another one, such as after a filter; what is painted stays.

        Parameters
        ----------
        name : str
        image : array-like of shape (*spatial) or (*spatial, n_channels)

        Raises
        ------
        ValueError
            For another shape, or values that are no numbers; the image before stays.
        OSError
            If it cannot be saved; it is kept in memory.
        """
        sample = self.samples[name]
        image = check_images([image], self.image_ndim, name=f"image {name!r}")[0]
        if image.shape != sample.image.shape:
            raise ValueError(
                f"The image {name!r} had the shape {sample.image.shape}, and its layer has "
                f"{image.shape} now: remove it from the session, and add it again."
            )
        with sample.lock:
            sample.image = image
            sample.set_changed()
        if self.folder is not None:
            with storage.named_errors(self.folder, name):
                storage.write_image(self.folder, sample)

    def remove(self, name: str) -> None:
        """Remove an image; what was saved of it stays in the folder, and `add` reads it again.

        Parameters
        ----------
        name : str

        Raises
        ------
        OSError
            If it, or the list of images, cannot be saved; the image stays then.
        """
        if name in self.unsaved:
            self.save(name)
        if self.folder is not None:
            others = [sample for other, sample in self.samples.items() if other != name]
            storage.write_index(self.folder, self.kind, others)
        del self.samples[name]
        self._history.forget(name)

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
        points: np.ndarray | None = None, within: Box | None = None,
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
        within : tuple of slice, default=None
            The box of a stroke; other pixels are not read. None is the whole image.

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
        box = _changed(sample, painted, complete, within or whole_box(painted.shape))
        if box is not None or not np.array_equal(points, sample.points):
            box = (slice(0, 0),) * painted.ndim if box is None else box
            self.change(State(name, box, painted[box], complete[box], points))
        elif self.saves_at_once and name in self.unsaved:
            self.save(name)

    def change(self, state: State) -> None:
        """Give an image another state, which `undo` takes back, and save it.

        Parameters
        ----------
        state : State
        """
        sample = self.samples[state.name]
        self._history.add(State.of(sample, state.box))
        state.restore(sample)
        if self.saves_at_once:
            self.save(state.name)

    def set_answers(self, answers: Mapping[str, Answer]) -> None:
        """Keep what a model predicts; corrections of earlier answers cannot be undone then.

        Parameters
        ----------
        answers : dict of Answer
            By name of the image. Those of images that were removed meanwhile are left out.
        """
        for name, sample in self.samples.items():
            answer = answers.get(name)
            if answer is not None and answer.labels.shape == sample.painted.shape:
                sample.answer = replace(answer, labels=answer.labels.copy())  # to be corrected
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
        if name is not None and self.saves_at_once:
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
        """Return the session as it is, for a thread; it shares the images, and is not saved."""
        other = Session(kind=self.kind)
        other.samples = {name: sample.snapshot() for name, sample in list(self.samples.items())}
        return other

    def save(self, name: str) -> None:
        """Save what is painted on an image; an older file stays until the new one is complete."""
        if self.folder is None:
            return
        sample = self.samples[name].snapshot()
        with storage.named_errors(self.folder, name):
            storage.write_painted(self.folder, sample)
        self._saved[name] = sample.version

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
        versions = self._write(path)
        self.folder, self._saved = path, versions

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
            file = path / "labels" / f"{storage.file_name(name)}.tif"
            write_labels(file, [sample.y], spacing=sample.spacing, unit=sample.unit)

    def _write(self, folder):
        """Write all; return the versions that were written."""
        samples = self.snapshot().samples
        for name, sample in samples.items():
            with storage.named_errors(folder, name):
                storage.write_image(folder, sample)
                storage.write_painted(folder, sample)
        storage.write_index(folder, self.kind, list(samples.values()))
        return {name: sample.version for name, sample in samples.items()}


def _changed(sample, painted, complete, within):
    """The box of all pixels that change; None if none does."""
    pairs = [(sample.painted, painted)]
    pairs += [] if complete is sample.complete else [(sample.complete, complete)]
    box = union(box for pair in pairs if (box := changed_box(*pair, within)) is not None)
    if box is not None and painted[box].min() < 0:
        raise ValueError(f"painted must not be negative, got {painted[box].min()}.")
    return box


def _checked(sample, painted, complete, points):
    """Check what is painted; return the points."""
    for argument, value in (("painted", painted), ("complete", complete)):
        if value.shape != sample.painted.shape:
            raise ValueError(
                f"{argument} must have the shape of {sample.name!r}, {sample.painted.shape}, got "
                f"{value.shape}."
            )
    return check_points(points, sample.painted.shape, f"points of {sample.name!r}")
