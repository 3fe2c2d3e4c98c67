"""Settings, scores and versions, for the page."""

import inspect
import platform
from importlib.metadata import PackageNotFoundError, version

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
from ._page import plain

_PACKAGES = ("numpy", "scipy", "scikit-learn", "scikit-image", "torch", "matplotlib")
_FACTS = (str, bool, int, float, tuple, dict, np.integer, np.floating, type(None))
_COUNT_ERRORS = {
    "wape": "relative count error (WAPE)",
    "bias": "bias of counts",
    "concordance": "concordance of counts",
}


def settings(step):
    """Parameters of a step.

    Parameters
    ----------
    step : object

    Returns
    -------
    changed : list of str
        ``name=value`` of those that are not the default.
    table : pandas.DataFrame
    """
    if not hasattr(step, "get_params"):
        return [], pd.DataFrame()
    signature = inspect.signature(type(step).__init__).parameters
    rows, changed = [], []
    for name, value in step.get_params(deep=False).items():
        default = signature[name].default if name in signature else inspect.Parameter.empty
        differs = repr(value) != repr(default)
        rows.append((name, "*" if differs else "", _plain(value)))
        if differs:
            changed.append(f"{name}={_plain(value)}")
    return changed, pd.DataFrame(rows, columns=["parameter", "changed", "value"])


def fitted_facts(step):
    """Attributes of `fit` that are numbers, texts or small collections, as text."""
    found = []
    for name, value in vars(step).items():
        if not name.endswith("_") or name.startswith("_"):
            continue
        is_small = isinstance(value, np.ndarray) and value.size <= 12
        if isinstance(value, _FACTS) or is_small:
            found.append((name, _plain(value.tolist() if is_small else value)))
    return found


def score_rows(outputs, truth, counts, has_points):
    """Scores on what is labeled.

    Parameters
    ----------
    outputs : Outputs
    truth : Reference
    counts : ndarray of int, or None
        Predicted.
    has_points : bool
        Whether the labels are points, which have no overlap.

    Returns
    -------
    list of (str, float, int)
        Score, value, and how many images it is of.
    """
    rows = [i for i, label in enumerate(truth.labels) if label is not None]
    true, found = [truth.labels[i] for i in rows], []
    if rows and outputs.probability is not None:
        maps = [outputs.probability[i] for i in rows]
        masks = [(np.sign(t), m > 0.5) for t, m in zip(true, maps, strict=True)]
        found += [
            ("Dice of the foreground", np.mean([dice(*pair) for pair in masks]), len(rows)),
            ("IoU of the foreground", np.mean([iou(*pair) for pair in masks]), len(rows)),
            ("expected calibration error", expected_calibration_error(true, maps), len(rows)),
        ]
    if rows and outputs.labels is not None and not has_points:
        labels = [outputs.labels[i] for i in rows]
        found += [
            ("F1 of objects at IoU 0.5", f1_instances(true, labels), len(rows)),
            ("panoptic quality", panoptic_quality(true, labels), len(rows)),
        ]
    known = np.isfinite(truth.counts)
    if counts is not None and known.any():
        errors = count_error(truth.counts[known], counts[known])
        found += [(text, errors[key], int(known.sum())) for key, text in _COUNT_ERRORS.items()]
    points = [i for i, p in enumerate(truth.points) if p is not None]
    if points and outputs.labels is not None and outputs.positions is None:
        _, step, inputs = outputs.steps[-1]
        found.append(("F1 of points", step.score(inputs, truth.points), len(points)))
    return found


def installed_versions():
    """Names and versions of packages, of Python and of the machine's system."""
    rows = [("sskseg", __version__)] + [(name, _version(name)) for name in _PACKAGES]
    return [*rows, ("Python", platform.python_version()), ("system", platform.platform())]


def _plain(value):
    return plain(repr(value) if isinstance(value, str) else value)


def _version(package):
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed as a package"
