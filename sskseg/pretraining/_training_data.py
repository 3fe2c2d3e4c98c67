"""Images for pretraining: domains, magnifications and what is held out."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..images import check_numbers
from ..inference import round_up
from ..proxies import Proxy
from ..training import patch_sides
from .batches import field_shape

_MIN_TO_HOLD_OUT = 4  # images of a domain
_MAX_PATCH = {2: 128, 3: 32}  # pixels along a side
_MIN_PATCH = 16


class PretrainingData(NamedTuple):
    """Images, and how they are sampled.

    Parameters
    ----------
    images : list of ndarray of shape (*spatial, n_channels)
    strata : list of ndarray of int
        Indices of the images of each domain and known magnification; constant images are left out.
    magnifications : ndarray of shape (n_samples,), or None
        Known magnifications.
    proxies : list of Proxy
        Proxies, as `Proxy.prepare` returns them.
    """

    images: list[np.ndarray]
    strata: list[np.ndarray]
    magnifications: np.ndarray | None
    proxies: list[Proxy]


def read_pretraining_data(
    images: list[np.ndarray],
    magnification: ArrayLike | None,
    domains: ArrayLike | None,
    proxies: Sequence[Proxy],
    simulator: Any = None,
) -> PretrainingData:
    """Check what comes with images, and prepare proxies for them.

    Parameters
    ----------
    images : list of ndarray of shape (*spatial, n_channels)
    magnification, domains : array-like of shape (n_samples,), or None
    proxies : list of Proxy
    simulator : object, default=None
        That of an `ImageStack`.

    Returns
    -------
    PretrainingData

    Raises
    ------
    ValueError
        If an argument breaks the contract, or the images do not suit a proxy.
    """
    magnifications = _check_magnification(magnification, len(images))
    spatial = tuple(range(images[0].ndim - 1))
    varied = np.array([(x.min(spatial) < x.max(spatial)).any() for x in images])
    strata = _make_strata(varied, domains, magnifications)
    names = [proxy.name for proxy in proxies]
    if not names or len(set(names)) < len(names):
        raise ValueError(f"proxies must be one or several different ones, got {names}.")
    known = None if magnifications is None else magnifications[varied]
    drawing = [proxy.name for proxy in proxies if proxy.draws]
    if drawing and len(names) > 1:
        raise ValueError(
            f"The proxy {drawing[0]!r} draws its patches and must be alone, got {names}."
        )
    prepared = [proxy.prepare(images[0].shape[-1], known) for proxy in proxies]
    used = [images[i] for i in np.flatnonzero(varied)]
    prepared = [proxy.adapt(used, simulator) for proxy in prepared]
    return PretrainingData(images, strata, magnifications, prepared)


def check_channels(images: list[np.ndarray]) -> None:
    """Raise if a channel is constant in all images."""
    for channel in range(images[0].shape[-1]):
        planes = [image[..., channel] for image in images]
        if all(plane.min() == plane.max() for plane in planes):
            raise ValueError(f"Channel {channel} of X is constant in all images: leave it out.")


def choose_patch_shape(
    data: PretrainingData, patch_size: int | Sequence[int] | str, stride: Sequence[int]
) -> tuple[int, ...]:
    """Return the size of the patches.

    Parameters
    ----------
    data : PretrainingData
    patch_size : int, tuple of int or "auto"
        "auto" is the largest size for which the proxies' field fits into the smallest image.
    stride : tuple of int
        Of the network; sides are multiples of it.

    Returns
    -------
    tuple of int

    Raises
    ------
    ValueError
        If an image is smaller than the proxies' field.
    """
    if isinstance(patch_size, str):
        shape = _largest_patch(data, stride)
    else:
        sides = patch_sides(patch_size, len(stride))
        shape = tuple(round_up(s, step) for s, step in zip(sides, stride, strict=True))
    check_field(data, shape)
    return shape


def _largest_patch(data, stride):
    smallest = np.min([image.shape[:-1] for image in data.images], axis=0)
    field = max(proxy.field for proxy in data.proxies)
    sides = [
        min(_MAX_PATCH[len(stride)], int(size / field) // step * step)
        for size, step in zip(smallest, stride, strict=True)
    ]
    if any(proxy.name == "rotation" for proxy in data.proxies):
        sides[-2:] = [min(sides[-2:])] * 2
    lowest = [round_up(_MIN_PATCH, step) for step in stride]
    return tuple(max(side, low) for side, low in zip(sides, lowest, strict=True))


def check_field(data: PretrainingData, patch_shape: Sequence[int]) -> None:
    """Raise if an image is smaller than the region that patches are made from."""
    field = field_shape(data.proxies, patch_shape)
    for i, image in enumerate(data.images):
        if any(size < side for size, side in zip(image.shape, field, strict=False)):
            raise ValueError(
                f"X[{i}] has shape {image.shape[:-1]}, smaller than {field}, which the proxies "
                "make patches of: choose a smaller patch_size, a smaller depth (sides of "
                "patches are multiples of the network's stride) or a proxy with a smaller "
                "field, such as Magnification(factors=(1, 2))."
            )


def hold_out(
    strata: list[np.ndarray], fraction: float
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Divide each stratum into a validation set at its end and a training set.

    Successive images may be neighboring sections, which resemble each other: the one before the
    validation set is in neither set.

    Parameters
    ----------
    strata : list of ndarray of int
        Each rising.
    fraction : float
        Of each stratum to hold out, at least one image; both sets are the whole stratum if it has
        few images.

    Returns
    -------
    validation, training : list of ndarray of int
    """
    validation, training = [], []
    for indices in strata:
        few = fraction == 0 or len(indices) < _MIN_TO_HOLD_OUT
        n = min(max(1, round(fraction * len(indices))), len(indices) - 2)
        first = 0 if few else indices[-n]
        validation.append(indices[indices >= first])
        training.append(indices if few else indices[indices < first - 1])
    return validation, training


def _check_magnification(magnification, n_samples):
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


def _make_strata(varied, domains, magnifications):
    if not varied.any():
        raise ValueError("All images of X are constant: there is nothing to learn.")
    keys = [_domain_numbers(domains, len(varied))]
    if magnifications is not None:
        keys.append(magnifications)
    _, stratum = np.unique(np.stack(keys), axis=1, return_inverse=True)
    strata = [np.flatnonzero(varied & (stratum.ravel() == s)) for s in range(stratum.max() + 1)]
    return [indices for indices in strata if indices.size]


def _domain_numbers(domains, n_samples):
    domains = np.zeros(n_samples) if domains is None else domains
    if np.shape(domains) != (n_samples,):
        raise ValueError(
            f"domains must name a domain for each of {n_samples} samples, got shape "
            f"{np.shape(domains)}."
        )
    names = [isinstance(domain, str) for domain in domains]
    numbers = [
        isinstance(domain, (Real, np.bool_)) and np.isfinite(float(domain)) for domain in domains
    ]
    if not all(names) and not all(numbers):
        raise ValueError(f"domains must be of one type, numbers or names, got {list(domains)}.")
    return np.unique(np.asarray(domains), return_inverse=True)[1]
