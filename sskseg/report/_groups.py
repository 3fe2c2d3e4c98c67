"""Images that were trained on, validation images and new images stand apart."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from ..images import check_numbers

_NAMES = ("training", "validation", "training or validation", "new")
_HELD = ("segmenter_", "detector_")  # estimators inside of steps


class Group(NamedTuple):
    """Images that a model used in the same way.

    Parameters
    ----------
    name : str
        "training", "validation", "training or validation" (which of both is unknown) or "new"; ""
        if it is unknown.
    indices : ndarray of int
    """

    name: str
    indices: np.ndarray

    def titled(self, text: str) -> str:
        """Append the name to a title."""
        return f"{text}, {self.name} images" if self.name else text


def image_groups(outputs: Any, n_images: int, trained_on: Any) -> list[Group]:
    """Group images by their use in `fit`.

    Parameters
    ----------
    outputs : Outputs
    n_images : int
    trained_on : array-like of int or str, or None
        Indices of the labeled images of `fit`; the validation set of the steps is taken out. Or the
        name of the group of each image.

    Returns
    -------
    list of Group
        Without empty ones.

    Raises
    ------
    ValueError
        If an index is out of range, a validation image is missing in `trained_on`, or there is not
        one name for each image.
    """
    everything = np.arange(n_images)
    if trained_on is None:
        return [Group("", everything)]
    given = np.asarray(trained_on, object)  # of pandas too
    if given.ndim and given.size and all(isinstance(word, str) for word in given.flat):
        return _named_groups(given, n_images)
    used, is_mask = check_numbers(trained_on, "trained_on"), any(x is True for x in given.flat)
    if is_mask or used.ndim != 1 or not np.isin(used, everything).all():
        raise ValueError(
            f"trained_on must be indices of images between 0 and {n_images - 1}, got "
            f"{trained_on!r}."
        )
    validation = validation_indices([step for _, step, _ in outputs.steps])
    if not np.isin(validation, used).all():
        raise ValueError(
            "trained_on must hold all labeled images of fit, in X of the same order: validation "
            f"images {validation.tolist()} are missing in {used.astype(int).tolist()}."
        )
    groups = [
        Group("training", np.setdiff1d(used, validation).astype(np.intp)),
        Group("validation", validation),
        Group("new", np.setdiff1d(everything, used)),
    ]
    return [group for group in groups if len(group.indices)]


def _named_groups(names, n_images):
    if len(names) != n_images or not np.isin(names, _NAMES).all():
        raise ValueError(
            f"trained_on must have one of the words {', '.join(_NAMES)} for each of {n_images} "
            f"images, got {names.tolist()}."
        )
    groups = [Group(name, np.flatnonzero(names == name)) for name in _NAMES]
    return [group for group in groups if len(group.indices)]


def validation_indices(steps: Iterable[Any]) -> np.ndarray:
    """Return the indices of the images of `fit` that steps held out, or steps inside, sorted."""
    found: list[np.ndarray] = [np.empty(0, np.intp)]
    for step in steps:
        inside = [getattr(step, name) for name in _HELD if getattr(step, name, None) is not None]
        own = np.asarray(getattr(step, "validation_indices_", ()), np.intp)
        found += [own, validation_indices(inside)]
    return np.unique(np.concatenate(found))


def only(reference: Any, group: Group) -> Any:
    """Return the reference of the images of a group; the others have none."""
    inside = set(group.indices.tolist())
    n = len(reference.labels)
    return reference._replace(
        labels=[label if i in inside else None for i, label in enumerate(reference.labels)],
        points=[points if i in inside else None for i, points in enumerate(reference.points)],
        counts=np.where(np.isin(np.arange(n), group.indices), reference.counts, np.nan),
        labeled=np.intersect1d(reference.labeled, group.indices),
    )
