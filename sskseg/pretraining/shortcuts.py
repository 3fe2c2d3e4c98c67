"""Shortcuts: can a classifier without shapes predict the classes of a proxy?"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import recall_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

_MAX_PROBE_SHARE = 0.4  # of the way from chance to certainty


def probe_accuracy(
    features: np.ndarray,
    new_features: np.ndarray,
    classes: np.ndarray,
    true: np.ndarray,
    chance: float,
) -> float:
    """Compute the balanced accuracy of logistic regression; chance if there is one class."""
    if min(np.unique(classes).size, np.unique(true).size) < 2:
        return chance
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    with warnings.catch_warnings():  # where it does not converge it finds enough for a warning
        warnings.simplefilter("ignore", ConvergenceWarning)
        predicted = probe.fit(features, classes).predict(new_features)
    return balanced_accuracy(true, predicted)


def balanced_accuracy(true: np.ndarray, predicted: np.ndarray) -> float:
    """Compute the mean recall over the classes that occur."""
    return float(recall_score(true, predicted, labels=np.unique(true), average="macro"))


def warn_of_shortcuts(report: Mapping[str, Mapping[str, Any]]) -> None:
    """Warn if the probe predicts the classes of a proxy too well.

    Parameters
    ----------
    report : dict of str to dict
        As `ProxyPretrainer.report_`.
    """
    for name, row in report.items():
        share = _MAX_PROBE_SHARE * (1 - row["chance"]) if "chance" in row else 0.0
        if "probe" in row and row["probe"] > row["chance"] + share:
            warnings.warn(
                f"Histogram and power spectrum alone predict the {name} with a balanced accuracy "
                f"of {row['probe']:.2f} (chance is {row['chance']:.2f}): the network may have "
                "learned little of the content.",
                stacklevel=3,
            )
