"""Outputs of an estimator or a pipeline, and the annotations to compare them with."""

import inspect
from dataclasses import dataclass, field
from functools import cached_property
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from ..images import check_images, check_positions, positions_of, spatial_ndim_of, unwrap
from ..images.annotated_sections import objects_over_sections
from ..images.annotations import Annotations
from ..morphology import count_objects, join_sections, label_components

_MAKERS = {"features": "ProxyPretrainer", "refine": "SimulatedRefiner"}


@dataclass
class Outputs:
    """Outputs of the steps of a pipeline, each computed once.

    Attributes
    ----------
    X : array-like
    steps : list of (name, estimator, array-like)
        With the input of each.
    spatial_ndim : int
    probability : list of ndarray, or None
        Foreground probabilities.
    labels : list of ndarray of int, or None
        Label images.
    positions : ndarray of int, or None
    seconds : float
    cautions : list of str
        What the steps warned of.
    """

    X: object
    steps: list = field(default_factory=list)
    spatial_ndim: int = 2
    probability: list | None = None
    labels: list | None = None
    positions: np.ndarray | None = None
    seconds: float = 0.0
    cautions: list = field(default_factory=list)

    @cached_property
    def images(self):
        """List of ndarray of shape (*spatial, n_channels)."""
        return check_images(self.X, self.spatial_ndim)

    @cached_property
    def objects(self):
        """Label images as predicted, or components of the foreground, joined over sections."""
        if self.labels is not None or self.probability is None:
            return self.labels
        found = [label_components(p > 0.5) for p in self.probability]
        if not self.consecutive:
            return found
        return join_sections(found, check_positions(self.positions, len(found)))

    @cached_property
    def visible(self):
        """Number of objects in each label image."""
        return np.array([count_objects(label) for label in self.labels or ()])

    def last(self, name, default=None):
        """Attribute of the last step that has it."""
        values = [getattr(step, name) for _, step, _ in self.steps if hasattr(step, name)]
        return values[-1] if values else default

    @property
    def consecutive(self):
        return self.last("sections") == "consecutive"

    @property
    def stacked(self):
        """Whether objects span samples, and have one id in all of them."""
        return self.consecutive and self.labels is not None

    def counts(self, coverage=0.9):
        """Compute counts and their intervals, or the reason why there are none.

        Returns
        -------
        counts : ndarray of int64, or None
            None if the last step does not count.
        intervals : ndarray of int64, shape (n_samples, 2), or None
        reason : str
        """
        _, step, inputs = self.steps[-1]
        if self.labels is None:
            return None, None, "No step counts objects."
        if "return_interval" in inspect.signature(step.predict).parameters:
            more = {} if self.positions is None else {"positions": self.positions}
            try:
                counts, intervals = step.predict(
                    inputs, return_interval=True, coverage=coverage, **more
                )
            except ValueError as error:
                return step.predict(inputs, **more), None, str(error)
            return counts, intervals, ""
        reason = f"{type(step).__name__} predicts no intervals."
        counts = step.predict(inputs)
        if np.ndim(counts[0]):  # label images
            counts = [np.count_nonzero(np.unique(label) > 0) for label in self.labels]
        return np.asarray(counts), None, reason


def flatten(estimator, name=None):
    """Yield names and steps of an estimator or a pipeline, including nested pipelines."""
    if isinstance(estimator, Pipeline):
        for inner, step in estimator.steps:
            if step is not None and step != "passthrough":
                yield from flatten(step, inner)
    else:
        yield name or type(estimator).__name__.lower(), estimator


def find_step(estimator, X, method):
    """Find the first step of an estimator or a pipeline that has a method, and its input.

    Raises
    ------
    ValueError
        If no step has it.
    """
    for _, step in flatten(estimator):
        if callable(getattr(step, method, None)):
            return step, X
        X = step.transform(X)
    raise ValueError(f"A {_MAKERS[method]} is needed, got {type(estimator).__name__}.")


def apply(estimator, X, positions=None):
    """Run fitted steps over images.

    Parameters
    ----------
    estimator : object
        Fitted; each step has ``transform``.
    X : array-like
        Images in memory; probabilities for a single `InstanceCounter`.
    positions : array-like of int, default=None
        Positions of consecutive sections, passed to steps that accept them.

    Returns
    -------
    Outputs

    Raises
    ------
    TypeError
        If a step has no ``transform``.
    NotFittedError
    """
    if any(getattr(step, "sections", "") == "consecutive" for _, step in flatten(estimator)):
        positions = positions_of(X, positions)
    outputs = Outputs(X, positions=positions)
    start = perf_counter()
    inputs = X
    for name, step in flatten(estimator):
        if not hasattr(step, "transform"):
            raise TypeError(
                f"Every step must have a method transform, got {type(step).__name__} ({name})."
            )
        check_is_fitted(step)
        outputs.steps.append((name, step, inputs))
        inputs = _transform(step, inputs, positions, outputs)
    if not outputs.steps:
        raise TypeError("A pipeline must have at least one step, got none.")
    outputs.spatial_ndim = spatial_ndim_of(estimator)
    outputs.seconds = perf_counter() - start
    return outputs


def _transform(step, inputs, positions, outputs):
    """Transform the inputs of a step; keep foreground and objects in `outputs`."""
    takes = "positions" in inspect.signature(step.transform).parameters
    more = {"positions": positions} if takes and positions is not None else {}
    result = step.transform(inputs, **more)
    inside = unwrap(result)
    if np.asarray(inside[0]).dtype.kind in "iu" and hasattr(step, "predict"):
        outputs.labels = [np.asarray(x) for x in inside]
        if hasattr(step, "measure") and outputs.probability is None:
            outputs.probability = _input_probability(step, inputs)
    elif hasattr(step, "predict_proba"):  # of the foreground, and perhaps of cores
        ndim = spatial_ndim_of(step)
        outputs.probability = [x[..., 0] if x.ndim > ndim else x for x in map(np.asarray, inside)]
    return result


def _input_probability(counter, inputs):
    """Probabilities that were passed to a counter, or None if it takes images."""
    if counter.detector_ is not None:
        return None
    return [x[..., 0] for x in check_images(inputs, counter.spatial_ndim_)]


class Reference(NamedTuple):
    """Annotations of images, sample by sample.

    Attributes
    ----------
    labels : list of ndarray of int, or None
        Objects of each image, -1 unlabeled; None where it has no label image. An object of
        consecutive sections has one id in all of them.
    points : list of ndarray, or None
    counts : ndarray of float, shape (n_samples,)
        NaN where unknown: not every pixel is labeled.
    labeled : ndarray of int
        Indices of annotated samples.
    """

    labels: list
    points: list
    counts: np.ndarray
    labeled: np.ndarray


def read_reference(
    y: Any, shapes: list[tuple], *, consecutive: bool = False, positions: ArrayLike | None = None
) -> Reference:
    """Read label images, points or counts.

    Parameters
    ----------
    y : array-like, Annotations or None
    shapes : list of tuple of int
        Spatial shapes of the images.
    consecutive : bool, default=False
        Whether samples are sections, whose objects count once.
    positions : array-like of int, default=None

    Returns
    -------
    Reference

    Raises
    ------
    ValueError
        If numbers or shapes do not agree.
    """
    n = len(shapes)
    images = [np.broadcast_to(np.int8(0), (*shape, 1)) for shape in shapes]
    annotations = Annotations([None] * n if y is None else y, images)
    positions = check_positions(positions, n) if consecutive else None
    labels: list[np.ndarray | None] = [None] * n
    points: list[np.ndarray | None] = [None] * n
    for i in annotations.labeled if annotations.kind != "counts" else ():
        if annotations.has_points(i):
            points[i] = annotations.points(i)
        else:
            labels[i] = annotations.objects(i).astype(np.int64)
    counts = annotations.counts(positions=positions)
    if positions is not None and annotations.kind == "labels":
        labels = objects_over_sections(annotations, positions)
    return Reference(labels, points, counts, annotations.labeled)


def whole_objects(reference: Reference) -> list[np.ndarray | None]:
    """Return the label images of fully labeled samples: the sizes of their objects are known."""
    samples = zip(reference.labels, reference.counts, strict=True)
    return [label if np.isfinite(count) else None for label, count in samples]


def compared_counts(
    outputs: Outputs, reference: Reference, counts: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return true and predicted counts of each sample, NaN where unknown.

    Of labeled sections, the objects that are visible in each: which section is nearest to the
    center of an object says nothing of how well it was found.
    """
    if outputs.labels is None or not compares_visible(outputs, reference):
        return reference.counts, counts
    true = [
        count if label is None else np.nan if (label < 0).any() else count_objects(label)
        for label, count in zip(reference.labels, reference.counts, strict=True)
    ]
    return np.array(true, float), outputs.visible


def compares_visible(outputs: Outputs, reference: Reference) -> bool:
    """Return whether `compared_counts` are of sections with labels or points, not counts alone."""
    drawn = any(each is not None for each in (*reference.labels, *reference.points))
    return outputs.stacked and drawn


def count_in_stack(
    outputs: Outputs, reference: Reference, indices: np.ndarray
) -> tuple[int, int] | None:
    """Count labeled and predicted objects over sections; None if the labels do not say which
    cross-sections are of one object: those of a stack with an unlabeled section, and points.
    """
    has_points = any(points is not None for points in reference.points)
    is_known = outputs.stacked and np.isfinite(reference.counts[indices]).all()
    if has_points or outputs.labels is None or not is_known:
        return None
    true, counted = (
        count_objects(np.stack([labels[i] for i in indices]))
        for labels in (reference.labels, outputs.labels)
    )
    return true, counted


def choose_samples(n, labeled=(), max_samples=6):
    """Choose evenly spaced samples, of the labeled ones if there are any."""
    indices = np.asarray(labeled) if len(labeled) else np.arange(n)
    if len(indices) > max_samples:
        indices = indices[np.linspace(0, len(indices) - 1, max_samples).round().astype(int)]
    return indices.tolist()
