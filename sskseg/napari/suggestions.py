"""What to label next: a section, an image, or a crop."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import uniform_filter

from ..segmentation._suggestions import rank_sections
from .answers import Answer
from .session import Session
from .task import Task

CROP = 128  # pixels a side
_GAIN = (
    "How much it will bring is not known: where it was measured, on mitochondria, suggested "
    "sections brought as much as evenly spaced ones."
)


@dataclass(frozen=True)
class Suggestion:
    """What to label next.

    Parameters
    ----------
    name : str
        Of the image.
    section : int or None
        Along the first axis of three.
    box : tuple of two slices
        Of the plane.
    reason : str
        Why, and what it will bring.
    """

    name: str
    section: int | None
    box: tuple[slice, slice]
    reason: str


def suggest(session: Session, *, size: int = CROP) -> Suggestion:
    """Suggest what to label next, from the uncertainty of the last answers.

    Planes on which nothing is labeled come first; of consecutive sections those far from labeled
    ones. If all have labels, it is the plane with the most uncertain crop.

    Parameters
    ----------
    session : Session
        With answers.
    size : int, default=128
        Of the crop, pixels a side.

    Returns
    -------
    Suggestion

    Raises
    ------
    ValueError
        If there is no answer.
    """
    planes = [
        (name, section, uncertainty, labeled)
        for name, answer in session.answers.items()
        for section, uncertainty, labeled in _planes(answer, session.samples[name].y >= 0)
    ]
    if not planes:
        raise ValueError("There is no answer yet: label something, and train.")
    labeled = np.flatnonzero([each[3].any() for each in planes])
    if len(labeled) < len(planes):
        means = np.array([each[2].mean() for each in planes])
        best = int(rank_sections(means, 1, _positions(planes), labeled)[0])
        reason = "Nothing is labeled there, and the mean uncertainty is high."
    else:
        best = int(np.argmax([_crop_scores(*each[2:], size).max() for each in planes]))
        reason = "Everything has labels; this crop is the most uncertain one without."
    name, section, uncertainty, is_labeled = planes[best]
    return Suggestion(name, section, _crop(uncertainty, is_labeled, size), f"{reason} {_GAIN}")


class Suggesting(Task):
    """Look for what to label next in a thread: means over all crops of a large image take a second.

    Attributes
    ----------
    suggestion : Suggestion or None
        The last one.
    """

    def __init__(self):
        super().__init__()
        self.suggestion: Suggestion | None = None

    def start(self, session: Session) -> None:
        """Start to look, in the answers that the session has; see `suggest`."""
        self.suggestion = None
        self._start(session)

    def _work(self, session):
        self.suggestion = suggest(session.snapshot())


def _planes(answer: Answer, labeled):
    if answer.uncertainty.ndim == 2:
        return [(None, answer.uncertainty, labeled)]
    return list(zip(range(len(labeled)), answer.uncertainty, labeled))


def _positions(planes):
    """Positions of planes along z, with a gap between stacks; None of images."""
    if planes[0][1] is None:
        return None
    starts = np.array([section == 0 for _, section, *_ in planes])
    return np.arange(len(planes)) + len(planes) * np.cumsum(starts)


def _crop_scores(uncertainty, labeled, size):
    """Mean uncertainty of unlabeled pixels in the crop around each pixel."""
    return uniform_filter(np.where(labeled, 0, uncertainty), size, mode="constant")


def _crop(uncertainty, labeled, size):
    scores = _crop_scores(uncertainty, labeled, size)
    center = np.unravel_index(scores.argmax(), scores.shape)
    starts = [
        min(max(int(c) - size // 2, 0), max(n - size, 0)) for c, n in zip(center, scores.shape)
    ]
    return tuple(slice(start, min(start + size, n)) for start, n in zip(starts, scores.shape))
