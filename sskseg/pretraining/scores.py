"""Scores of a pretrained network on the tasks of its proxies."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from sklearn.metrics import recall_score
from torch import nn

from .batches import ProxyBatch, ProxyBatches


def draw_batches(batches: ProxyBatches, n_patches: int) -> list[ProxyBatch]:
    """Draw batches of `n_patches` patches or a few more."""
    return [next(batches) for _ in range(-(-n_patches // batches.batch_size))]


def true_classes(batches: Sequence[ProxyBatch], name: str) -> np.ndarray:
    """Return the classes of all patches for the proxy `name`."""
    return torch.cat([batch.targets[name] for batch in batches]).cpu().numpy()


def balanced_accuracy(true: np.ndarray, predicted: np.ndarray) -> float:
    """Compute the mean recall of the classes that occur in `true`."""
    return float(recall_score(true, predicted, labels=np.unique(true), average="macro"))


def predict_classes(network: nn.Module, batches: Sequence[ProxyBatch]) -> dict[str, np.ndarray]:
    """Predict the classes of all patches, for each proxy that has classes.

    Parameters
    ----------
    network : ProxyNetwork
        In evaluation mode, on the device of the batches.
    batches : list of ProxyBatch

    Returns
    -------
    dict of str to ndarray of int
    """
    with torch.inference_mode():
        logits = [network(batch.images, restores=False)[0] for batch in batches]
    return {
        name: torch.cat([each[name].argmax(1) for each in logits]).cpu().numpy()
        for name in batches[0].targets
    }


def score_proxies(
    network: nn.Module, batches: Sequence[ProxyBatch]
) -> tuple[dict[str, float], float | None]:
    """Score a network on the tasks of proxies.

    Parameters
    ----------
    network : ProxyNetwork
        In evaluation mode, on the device of the batches.
    batches : list of ProxyBatch

    Returns
    -------
    accuracies : dict of str to float
        Balanced accuracy of each proxy with classes.
    restored : float or None
        Explained share of the variance of what is to be restored; None if there is nothing.
    """
    restores = batches[0].clean is not None
    predicted: dict[str, list[torch.Tensor]] = {name: [] for name in batches[0].targets}
    error, moments = 0.0, np.zeros(3)
    with torch.inference_mode():
        for batch in batches:
            logits, image = network(batch.images, restores=restores)
            for name, values in logits.items():
                predicted[name].append(values.argmax(1).cpu())
            if batch.clean is not None and batch.weights is not None:
                error += float((batch.weights * (image.float() - batch.clean) ** 2).sum())
                moments += [float((batch.weights * batch.clean**k).sum()) for k in range(3)]
    accuracies = {
        name: balanced_accuracy(true_classes(batches, name), torch.cat(classes).numpy())
        for name, classes in predicted.items()
    }
    n, total, squares = moments
    variance = squares - total**2 / max(n, 1.0)
    return accuracies, 1 - error / max(variance, 1e-9) if restores else None
