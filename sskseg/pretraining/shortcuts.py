"""Detect shortcuts: what solves a proxy without the content of images."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ..proxies import probe_features
from .batches import ProxyBatch
from .scores import balanced_accuracy, true_classes

_MAX_PROBE = 0.4  # of the way from chance to certainty


def probe_proxies(
    training: Sequence[ProxyBatch], validation: Sequence[ProxyBatch], n_classes: dict[str, int]
) -> dict[str, dict[str, float]]:
    """Predict the classes of proxies from the histograms and power spectra of patches.

    Parameters
    ----------
    training, validation : list of ProxyBatch
        To fit logistic regression, and to score it.
    n_classes : dict of str to int
        Of each proxy with classes.

    Returns
    -------
    dict of str to dict
        For each proxy ``chance`` and ``probe``, the balanced accuracy.
    """
    if not n_classes:
        return {}
    known, new = (
        probe_features(torch.cat([batch.images[:, 0] for batch in batches]).cpu().numpy())
        for batches in (training, validation)
    )
    report = {}
    for name, n in n_classes.items():
        answers, true = true_classes(training, name), true_classes(validation, name)
        report[name] = {"chance": 1 / n, "probe": _probe(known, answers, new, true, 1 / n)}
    return report


def _probe(known, answers, new, true, chance):
    """Compute the balanced accuracy of logistic regression; chance if there is one class only."""
    if min(np.unique(answers).size, np.unique(true).size) < 2:
        return chance
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    with warnings.catch_warnings():  # good enough to detect a shortcut
        warnings.simplefilter("ignore", ConvergenceWarning)
        predicted = probe.fit(known, answers).predict(new)
    return balanced_accuracy(true, predicted)


def warn_of_shortcuts(report: dict[str, dict[str, float]]) -> None:
    """Warn of each proxy that the probe solves.

    Parameters
    ----------
    report : dict of str to dict
        Of `probe_proxies`.

    Warns
    -----
    UserWarning
        If the probe comes 0.4 of the way from chance to certainty.
    """
    for name, row in report.items():
        if "probe" in row and row["probe"] > row["chance"] + _MAX_PROBE * (1 - row["chance"]):
            warnings.warn(
                f"Histogram and power spectrum alone predict the {name} with a balanced accuracy "
                f"of {row['probe']:.2f} (chance is {row['chance']:.2f}): the network may have "
                "learned little of the content.",
                stacklevel=3,
            )
