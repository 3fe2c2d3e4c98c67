"""Scorers that leave unlabeled samples out, for ``scoring=``."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.metadata_routing import MetadataRequest

from ..images import check_images, check_lazy_images, check_positions, is_lazy, positions_of
from ..images.annotations import Annotations
from ..metrics import dice
from .reference import score_counts


def _takes_positions(scorer: Callable) -> Callable:
    """Request ``positions``, for ``enable_metadata_routing=True``."""

    def get_metadata_routing():
        request = MetadataRequest(owner=scorer.__name__)
        request.score.add_request(param="positions", alias=True)
        return request

    scorer.get_metadata_routing = get_metadata_routing  # type: ignore[attr-defined]
    return scorer


@_takes_positions
def dice_scorer(estimator: Any, X: ArrayLike, y: ArrayLike, **params: Any) -> float:
    """Compute the mean Dice coefficient of the foreground over the labeled samples.

    Parameters
    ----------
    estimator : object
        Its `predict` gives masks or label images; with ``target="classes"`` classes, of which the
        first of its `classes_` is background. If `predict` gives counts, the label images are those
        of `transform`.
    X : array-like
    y : label images, points or Annotations
        -1 is left out.
    **params
        Passed to `predict` (``positions``). Metadata routing passes ``positions`` without a
        request.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If nothing is labeled.
    """
    _check_lengths(X, y)
    predicted = _predict_images(estimator, X, params)
    step, background = _final_step(estimator), 0
    target = getattr(step, "target", "instances")
    annotations = Annotations(y, [label[..., None] for label in predicted], target=target)
    if target == "classes":
        background = step.classes_[0]
        predicted = [label != background for label in predicted]
    indices = annotations.require_labeled()
    scores = [dice(annotations.foreground(i, background), predicted[i]) for i in indices]
    return float(np.mean(np.asarray(scores)))


@_takes_positions
def count_scorer(estimator: Any, X: ArrayLike, y: ArrayLike, **params: Any) -> float:
    """Compute ``1 - sum |error| / sum`` of the counts.

    Parameters
    ----------
    estimator : object
        Its `predict` gives counts. If it has parameters `margin` and `sections`, objects of label
        images are counted accordingly; of a pipeline those of the last step, of a search those of
        the best estimator.
    X : array-like
    y : counts of shape (n_samples,), label images, points or Annotations
        Whose objects are counted. Samples with unlabeled pixels, and those without annotation, are
        left out.
    **params
        As in `dice_scorer`.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If no sample is fully labeled, or `predict` gives no counts.
    """
    _check_lengths(X, y)
    predicted = _predict_counts(estimator, X, params)
    annotations, step, positions = _annotations_of(estimator, X, y), _final_step(estimator), None
    if getattr(step, "sections", "independent") == "consecutive":
        positions = check_positions(positions_of(X, params.get("positions")), len(annotations))
    margin = getattr(step, "margin", 0)
    return score_counts(annotations, predicted, margin=margin, positions=positions)


def _predict_images(estimator, X, params):
    """Masks or label images; those of `transform` if `predict` gives counts."""
    predicted = list(estimator.predict(X, **params))
    if all(np.ndim(item) == 0 for item in predicted):
        predicted = estimator.transform(X, **params)
    return [np.asarray(label) for label in predicted]


def _predict_counts(estimator, X, params):
    predicted = estimator.predict(X, **params)
    shapes = {np.shape(item) for item in predicted}
    if shapes != {()}:
        raise ValueError(
            f"predict must return one count for each sample, got arrays of shape {max(shapes)}: "
            "put an InstanceCounter after the segmenter, or use dice_scorer."
        )
    return np.asarray(predicted)


def _check_lengths(X, y):
    if y is not None and len(y) != len(X):
        raise ValueError(f"X and y must have as many samples, got {len(X)} and {len(y)}.")


def _annotations_of(estimator, X, y):
    """Annotations of images, the number of whose spatial axes is a parameter of the estimator."""
    step = _final_step(estimator)
    spatial_ndim = getattr(step, "spatial_ndim_", getattr(step, "spatial_ndim", None))
    if spatial_ndim is None:  # a user's estimator: as many as a label image has
        spatial_ndim = 3 if any(np.ndim(item) == 3 for item in y if item is not None) else 2
    check = check_lazy_images if is_lazy(X) else check_images
    return Annotations(y, check(X, spatial_ndim))


def _final_step(estimator):
    """Return the estimator that predicts, inside of pipelines, searches and `CrossFitted`."""
    for wrapped in ("best_estimator_", "segmenter_"):  # of a search, of CrossFitted
        if hasattr(estimator, wrapped):
            return _final_step(getattr(estimator, wrapped))
    steps = getattr(estimator, "steps", None)
    return _final_step(steps[-1][1]) if steps else estimator
