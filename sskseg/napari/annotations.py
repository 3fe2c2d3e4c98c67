"""What is painted, as annotations: 0 unpainted, 1 background, 2 objects, 3 and above one each."""

from __future__ import annotations

import cc3d
import numpy as np

UNPAINTED, BACKGROUND, OBJECTS = 0, 1, 2


def annotations_of(painted: np.ndarray, complete: np.ndarray) -> np.ndarray:
    """Return annotations: -1 unlabeled, 0 background, > 0 objects.

    Parameters
    ----------
    painted : ndarray of int, shape (*spatial)
        0 unpainted, 1 background, 2 objects, each connected patch of which is one, and 3 and above
        one object each.
    complete : ndarray of bool, shape (*spatial)
        Where everything that is an object is painted, so that unpainted pixels are background.

    Returns
    -------
    y : ndarray of int32, shape (*spatial)
    """
    y = painted.astype(np.int32) - 1
    patches = cc3d.connected_components(painted == OBJECTS, connectivity=6 if y.ndim == 3 else 4)
    several = patches > 0
    y[several] = patches[several].astype(np.int32) + max(int(y.max()), 1)
    y[complete & (painted == UNPAINTED)] = 0
    return y


def only_complete(y: np.ndarray, complete: np.ndarray) -> np.ndarray | None:
    """Return the annotations of complete regions, or None if there are none.

    A stroke does not show how large an object is, so sizes and splits are learned from complete
    regions alone.
    """
    return np.where(complete, y, -1) if complete.any() else None


def next_object(painted: np.ndarray) -> int:
    """Return the number of the next object that is painted by itself."""
    return max(int(painted.max()), OBJECTS) + 1


def delete_object(painted: np.ndarray, labels: np.ndarray, number: int) -> np.ndarray:
    """Return what is painted, with the background in place of an object of the answer."""
    check_object(labels, number)
    return np.where(labels == number, BACKGROUND, painted)


def merge_objects(painted: np.ndarray, labels: np.ndarray, numbers: list[int]) -> np.ndarray:
    """Return what is painted, with objects of the answer as one."""
    if len(set(numbers)) < 2:
        raise ValueError(f"Click at least two objects to merge, got {len(set(numbers))}.")
    for number in numbers:
        check_object(labels, number)
    return np.where(np.isin(labels, numbers), next_object(painted), painted)


def split_object(painted: np.ndarray, labels: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return what is painted, with an object of the answer cut in parts, one around each point.

    Parameters
    ----------
    painted, labels : ndarray of int, shape (*spatial)
    points : ndarray of float, shape (k, spatial_ndim)
        Pixels, at least two, all in one object.
    """
    places = [tuple(place) for place in np.unique(np.round(points).astype(int), axis=0)]
    numbers = {int(labels[place]) for place in places}
    if len(places) < 2 or len(numbers) != 1:
        raise ValueError(
            f"Click two places or more in one object to split it, got {len(places)} in "
            f"{len(numbers)} objects."
        )
    inside = labels == check_object(labels, numbers.pop())
    axes = np.argwhere(inside)
    nearest = ((axes[:, None] - np.array(places)) ** 2).sum(-1).argmin(1)
    result = painted.copy()
    result[inside] = next_object(painted) + nearest
    return result


def check_object(labels: np.ndarray, number: int) -> int:
    """Return the number of an object, if there is one."""
    if number <= 0 or not (labels == number).any():
        raise ValueError(f"Click an object of the answer; there is none of number {number}.")
    return number
