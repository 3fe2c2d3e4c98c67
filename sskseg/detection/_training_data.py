"""Training data of a contour detector: real and simulated images with contours."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..images.annotations import Annotations
from ..training.simulated import draw_simulated
from .batches import Outlined, outline

_N_SIMULATED = 64  # images
_VALIDATION_SHARE = 0.1  # of the labeled images
_MIN_LABELED_FOR_VALIDATION = 5


class TrainingData(NamedTuple):
    """Images with contours, and their split.

    Parameters
    ----------
    images : list of ndarray of shape (height, width, n_channels)
        Real ones, then simulated ones.
    outlined : list of Outlined
    weights : ndarray of shape (n_images,)
        For sampling training patches, real and simulated ones each among themselves (see
        `sskseg.training.falling_share`); 0 for held-out images.
    n_real : int
        Images that are not simulated; they come first.
    evaluated : ndarray of int
        Images for the threshold search: the validation set, or all labeled ones if there is none.
    validation : ndarray of int
        Held-out real images.
    """

    images: list[np.ndarray]
    outlined: list[Outlined]
    weights: np.ndarray
    n_real: int
    evaluated: np.ndarray
    validation: np.ndarray

    @property
    def radii(self) -> np.ndarray:
        """Radii of the training objects, or of all if there are none."""
        used = [o.radii for o, w in zip(self.outlined, self.weights, strict=True) if w > 0]
        radii = np.concatenate(used)
        return radii if radii.size else np.concatenate([o.radii for o in self.outlined])


def make_training_data(images, annotations, simulator, rng) -> TrainingData:
    """Trace contours, add simulated images, and hold out a validation set.

    Parameters
    ----------
    images : list of ndarray of shape (height, width, n_channels)
    annotations : Annotations
        Of label images.
    simulator : object or None
    rng : numpy.random.Generator

    Returns
    -------
    TrainingData

    Raises
    ------
    ValueError
        If no object is labeled.
    """
    n_real = len(images)
    outlined = [outline(annotations.objects(i)) for i in range(n_real)]
    if simulator is not None:
        drawn, drawn_outlined = draw_outlined(
            simulator, images[0].shape[-1], int(rng.integers(2**31))
        )
        images, outlined = [*images, *drawn], [*outlined, *drawn_outlined]
    weights = np.ones(len(images))
    labeled = annotations_of(outlined).require_labeled()
    if not any(len(o.contours) for o in outlined):
        raise ValueError("y holds no object: nothing is above 0, so that no contour is known.")
    evaluated = labeled[labeled < n_real] if (labeled < n_real).any() else labeled
    if len(evaluated) < _MIN_LABELED_FOR_VALIDATION:
        return TrainingData(images, outlined, weights, n_real, evaluated, np.empty(0, np.intp))
    n_held_out = max(1, round(_VALIDATION_SHARE * len(evaluated)))
    evaluated = np.sort(rng.permutation(evaluated)[:n_held_out])
    weights[evaluated] = 0
    validation = evaluated[evaluated < n_real]
    return TrainingData(images, outlined, weights, n_real, evaluated, validation)


def draw_outlined(simulator, n_channels, seed):
    """Draw simulated images and their `Outlined` labels."""
    images, y, polygons = draw_simulated(
        simulator, _N_SIMULATED, seed, n_channels=n_channels, outlined=True
    )
    outlined = []
    annotations = Annotations(y, images)
    for i, outlines in enumerate(polygons):
        label = annotations.label_images[i]
        if outlines is not None and len(outlines) != label.max():
            raise ValueError(
                "stack.simulator.sample_contours must give one outline for each label 1, 2, ..., "
                f"got {len(outlines)} outlines of labels up to {label.max()}."
            )
        outlined.append(outline(annotations.objects(i) if outlines is None else label, outlines))
    return images, outlined


def annotations_of(outlined):
    """Return the annotations of `Outlined` images, whose objects are separate."""
    labels = [o.labels for o in outlined]
    return Annotations(labels, [label[..., None] for label in labels], is_mask=False)


def check_annotations(y, images, *, may_be_unlabeled=False) -> Annotations:
    """Return annotations by label images; of nothing if `may_be_unlabeled` and there are none."""
    if may_be_unlabeled and (y is None or not Annotations(y).labeled.size):
        return Annotations([None] * len(images), images)
    if isinstance(y, (np.ndarray, list, tuple)) and any(np.ndim(label) == 3 for label in y):
        raise ValueError(
            "Contours are of two-dimensional images, got label images of 3 axes. Volumes are for "
            "SemiSupervisedSegmenter and InstanceCounter(method='watershed')."
        )
    annotations = Annotations(y, images)
    if annotations.kind != "labels":
        raise ValueError(
            "y must be label images: contours are not learned from points or counts. Give -1 for "
            "what is not labeled, or use method='watershed' of InstanceCounter."
        )
    return annotations
