"""Settings, scores and versions, for the page."""

import inspect
import platform
from importlib.metadata import PackageNotFoundError, version
from types import FunctionType

import numpy as np
import pandas as pd

from .. import __version__
from ..metrics import (
    count_error,
    dice,
    expected_calibration_error,
    f1_instances,
    iou,
    panoptic_quality,
)
from ._html import plain
from ._terms import meaning

DICE, POINTS = "Dice of the foreground", "F1 of points"
WAPE = "relative count error (WAPE)"
_PACKAGES = ("numpy", "scipy", "scikit-learn", "scikit-image", "torch", "matplotlib")
_SMALL_TYPES = (str, bool, int, float, tuple, dict, np.integer, np.floating, type(None))
_COUNT_ERRORS = {
    "wape": (WAPE, "WAPE"),
    "bias": ("bias of counts", "bias of counts"),
    "concordance": ("concordance correlation", "concordance correlation"),
}


def settings(step):
    """List the parameters of a step that are no private ones of its author.

    Parameters
    ----------
    step : object

    Returns
    -------
    changed : list of str
        ``name=value`` of parameters that differ from the default.
    table : pandas.DataFrame
    """
    if not hasattr(step, "get_params"):
        return [], pd.DataFrame()
    signature = inspect.signature(type(step).__init__).parameters
    rows, changed = [], []
    public = {k: v for k, v in step.get_params(deep=False).items() if not k.startswith("_")}
    for name, value in public.items():
        default = signature[name].default if name in signature else inspect.Parameter.empty
        differs = repr(value) != repr(default)
        rows.append((name, "*" if differs else "", _plain(value)))
        if differs:
            changed.append(f"{name}={_plain(value)}")
    return changed, pd.DataFrame(rows, columns=["parameter", "changed", "value"])


def fitted_attributes(step):
    """List fitted attributes that are numbers, texts or small collections, as text."""
    attributes = []
    for name, value in vars(step).items():
        if not name.endswith("_") or name.startswith("_"):
            continue
        is_small = isinstance(value, np.ndarray) and value.size <= 12
        if isinstance(value, _SMALL_TYPES) or is_small:
            attributes.append((name, _plain(value.tolist() if is_small else value)))
    return attributes


def score_outputs(outputs, reference, counts, has_points):
    """Compute scores on the labeled samples.

    Parameters
    ----------
    outputs : Outputs
    reference : Reference
    counts : ndarray of int, or None
        Predicted counts.
    has_points : bool
        Whether predictions are points, which have no overlap.

    Returns
    -------
    list of (str, float, int, str)
        Name of the score, value, number of images, and meaning.
    """
    indices = [i for i, label in enumerate(reference.labels) if label is not None]
    true, n = [reference.labels[i] for i in indices], len(indices)
    scores: list[tuple[str, float, int, str]] = []
    if indices and outputs.probability is not None:
        scores += _foreground_scores(true, [outputs.probability[i] for i in indices])
    if indices and outputs.labels is not None and not has_points:
        labels = [outputs.labels[i] for i in indices]
        scores += [
            ("F1 of objects at IoU 0.5", f1_instances(true, labels), n, meaning("F1")),
            (
                "panoptic quality",
                panoptic_quality(true, labels),
                n,
                meaning("panoptic quality"),
            ),
        ]
    known = np.isfinite(reference.counts)
    if counts is not None and known.any():
        errors = count_error(reference.counts[known], counts[known])
        scores += [
            (text, errors[key], int(known.sum()), meaning(term))
            for key, (text, term) in _COUNT_ERRORS.items()
            if key != "concordance" or known.sum() > 1  # of one count there is none
        ]
    n_points = sum(points is not None for points in reference.points)
    if n_points and outputs.labels is not None and outputs.positions is None:
        _, step, inputs = outputs.steps[-1]
        f1 = step.score(inputs, reference.points)
        scores.append((POINTS, f1, n_points, meaning("F1")))
    return scores


def _foreground_scores(true, probabilities):
    masks = [(np.sign(t), p > 0.5) for t, p in zip(true, probabilities, strict=True)]
    n, error = len(true), expected_calibration_error(true, probabilities)
    return [
        (DICE, np.mean([dice(*pair) for pair in masks]), n, meaning("Dice")),
        ("IoU of the foreground", np.mean([iou(*pair) for pair in masks]), n, meaning("IoU")),
        ("expected calibration error", error, n, meaning("ECE")),
    ]


def installed_versions():
    """Names and versions of packages, of Python and of the machine's system."""
    rows = [("sskseg", __version__)] + [(name, _version(name)) for name in _PACKAGES]
    return [*rows, ("Python", platform.python_version()), ("system", platform.platform())]


def _plain(value):
    if isinstance(value, FunctionType):  # not the address of its code
        return value.__name__
    return plain(repr(value) if isinstance(value, str) else value)


def _version(package):
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed as a package"
