"""Domains and magnifications of images: checks, strata, and what is held out."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from typing import Any

import numpy as np

from ..images import check_numbers

_MIN_TO_HOLD_OUT = 4  # images of a stratum


def check_magnification(magnification: Any, n_samples: int) -> np.ndarray | None:
    """Validate the magnification of each sample.

    Raises
    ------
    ValueError
        For another number of them, and values that are not positive numbers.
    """
    if magnification is None:
        return None
    magnification = check_numbers(magnification, "magnification")
    if magnification.shape != (n_samples,):
        raise ValueError(
            f"magnification must be {n_samples} numbers, one a sample, got shape "
            f"{magnification.shape}."
        )
    if not (magnification > 0).all() or not np.isfinite(magnification).all():
        raise ValueError(
            "magnification must be a positive number for every sample, got "
            f"{magnification.tolist()}; magnification=None makes magnifications from the scans."
        )
    return magnification


def check_channels(images: Sequence[np.ndarray]) -> None:
    """Raise a ValueError if a channel is constant in all images."""
    for channel in range(images[0].shape[-1]):
        planes = [image[..., channel] for image in images]
        if all(plane.min() == plane.max() for plane in planes):
            raise ValueError(f"Channel {channel} of X is constant in all images: leave it out.")


def find_strata(
    varied: np.ndarray, domains: Any, magnification: np.ndarray | None
) -> list[np.ndarray]:
    """Find the images of each domain and magnification that are not constant.

    Parameters
    ----------
    varied : ndarray of bool
        Which images are not constant.
    domains : array-like of shape (n_samples,), or None
    magnification : ndarray of shape (n_samples,), or None

    Returns
    -------
    list of ndarray of int
    """
    if not varied.any():
        raise ValueError("All images of X are constant: there is nothing to learn.")
    domains = np.zeros(len(varied)) if domains is None else domains
    if np.shape(domains) != (len(varied),):
        raise ValueError(
            f"domains must name a domain for each of {len(varied)} samples, got shape "
            f"{np.shape(domains)}."
        )
    names = [isinstance(domain, str) for domain in domains]
    numbers = [
        isinstance(domain, (Real, np.bool_)) and np.isfinite(float(domain)) for domain in domains
    ]
    if not all(names) and not all(numbers):
        raise ValueError(f"domains must be of one type, numbers or names, got {list(domains)}.")
    keys = [np.unique(np.asarray(domains), return_inverse=True)[1]]
    if magnification is not None:
        keys.append(magnification)
    _, stratum = np.unique(np.stack(keys), axis=1, return_inverse=True)
    found = [np.flatnonzero(varied & (stratum.ravel() == s)) for s in range(stratum.max() + 1)]
    return [indices for indices in found if indices.size]


def hold_out(
    strata: Sequence[np.ndarray], fraction: float, rng: np.random.Generator
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Split each stratum into held-out and training images; small ones serve as both."""
    held, trained = [], []
    for indices in strata:
        few = fraction == 0 or len(indices) < _MIN_TO_HOLD_OUT
        order = rng.permutation(indices)
        n = min(max(1, round(fraction * len(indices))), len(indices) - 1)
        held.append(indices if few else np.sort(order[:n]))
        trained.append(indices if few else np.sort(order[n:]))
    return held, trained
