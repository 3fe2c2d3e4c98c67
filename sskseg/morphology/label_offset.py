"""By how much labels lie beside what they label."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from scipy import ndimage as ndi
from scipy.stats import f as f_distribution

from .distance import border_distance

_BAND = 6.0  # distance to outlines within which intensities are compared
_BIN = 0.5  # of distances
_MIN_PIXELS = 200  # of a sample within the band
_MIN_SAMPLES = 5  # that are independent of each other; of fewer their blocks are
_BLOCK = {2: 64, 3: 32}  # side, pixels
_MIN_Z_SCORE = 2.33  # of outlines that are visible: one-sided, 1 %
_MAX_ITERATIONS = 12
_CONVERGED = 0.01  # pixels


class LabelOffset(NamedTuple):
    """Result of `estimate_label_offset`.

    Parameters
    ----------
    offset : ndarray of shape (ndim,)
        Position of labels less that of what they label, pixels along each axis.
    standard_error : ndarray of shape (ndim,)
    p_value : float
        P-value of the hypothesis that there is no offset (Hotelling's test).
    """

    offset: np.ndarray
    standard_error: np.ndarray
    p_value: float


def estimate_label_offset(
    images: Iterable[np.ndarray], labels: Iterable[np.ndarray]
) -> LabelOffset | None:
    """Estimate the offset between labels and images by registration of their outlines.

    Intensities are modeled as a function of the signed distance to the outline of the labeled
    foreground: another function in each image and channel. The offset is where that model fits
    best (Gauss-Newton on least squares, as image registration does [1]_).

    Parameters
    ----------
    images : iterable of ndarray of shape (*spatial, n_channels)
    labels : iterable of ndarray of int, shape (*spatial)
        > 0 foreground, 0 background, -1 unlabeled. Only outlines between labeled pixels count.

    Returns
    -------
    LabelOffset or None
        The standard error and the p-value are those of independent images if there are at least
        five, and of independent blocks of 64 pixels (32 in volumes) otherwise. None without enough
        outlines, and if the images do not show them: the intensities near the outlines in one half
        of an image then do not predict those in the other half.

    Notes
    -----
    Light from one side, as in differential interference contrast, makes opposite sides of an object
    unlike, which looks like an offset.

    References
    ----------
    .. [1] Lucas, Kanade. An iterative image registration technique with an application to stereo
       vision. IJCAI 1981.

    Examples
    --------
    >>> import numpy as np
    >>> from sskseg.datasets import make_cells
    >>> from sskseg.morphology import estimate_label_offset
    >>> X, y = make_cells(n_samples=2, shape=(128, 128), random_state=0)
    >>> moved = np.roll(y, 1, axis=1)
    >>> estimate_label_offset(X[..., None], moved).offset.round(1)
    array([1., 0.])
    """
    pairs = zip(images, labels, strict=True)
    outlines = [o for image, label in pairs if (o := _Outline.of(image, label)) is not None]
    if not outlines or not _are_visible(outlines):
        return None
    ndim = len(outlines[0].positions)
    offset = np.zeros(ndim)
    by_block = len(outlines) < _MIN_SAMPLES
    for _ in range(_MAX_ITERATIONS):
        curvature, slopes = _normal_equations(outlines, offset, by_block)
        if np.linalg.cond(curvature) > 1e6:
            return None
        step = np.linalg.solve(curvature, slopes.sum(axis=0))
        offset -= step
        if np.abs(step).max() < _CONVERGED:
            break
    inverse, n = np.linalg.inv(curvature), len(slopes)
    if n <= ndim + 1:
        return None
    covariance = n / (n - 1) * inverse @ (slopes.T @ slopes) @ inverse
    statistic = float(offset @ np.linalg.solve(covariance, offset))
    p_value = f_distribution.sf(statistic * (n - ndim) / (ndim * (n - 1)), ndim, n - ndim)
    return LabelOffset(offset, np.sqrt(np.diag(covariance)), float(p_value))


class _Outline(NamedTuple):
    """Pixels near the outlines of a sample."""

    positions: np.ndarray  # (ndim, n)
    intensities: np.ndarray  # (n_channels, n), standardized
    distance: np.ndarray  # (*spatial), signed; positive inside
    gradient: Sequence[np.ndarray]
    blocks: np.ndarray  # (n,)

    @classmethod
    def of(cls, image, labels):
        distance = _signed_distance(labels)
        near = np.abs(distance) < _BAND
        if (labels < 0).any():
            near &= border_distance(labels >= 0) > _BAND + 1
        positions = np.stack(np.nonzero(near))
        if positions.shape[1] < _MIN_PIXELS:
            return None
        intensities = image[near].T.astype(np.float64)
        spread = intensities.std(axis=1)
        if not spread.any():
            return None
        intensities = intensities[spread > 0] / spread[spread > 0, None]
        side = _BLOCK[labels.ndim]
        shape = [size // side + 1 for size in labels.shape]
        number = np.ravel_multi_index(positions // side, shape)
        blocks = np.unique(number, return_inverse=True)[1].ravel()
        limited = np.clip(distance, -_BAND - 2, _BAND + 2)
        return cls(positions, intensities, limited, np.gradient(limited), blocks)


def _signed_distance(labels):
    inside = labels > 0
    distance = border_distance(inside) - np.float32(0.5)
    outside = border_distance(~inside) - np.float32(0.5)
    return np.where(inside, distance, -outside)


def _are_visible(outlines):
    """Whether the profiles of intensity across the outlines predict held-out intensities.

    If the images have nothing to do with the labels, the offset that fits best is far from zero
    and looks significant.
    """
    gains = np.concatenate([_gains(outline) for outline in outlines])
    error = gains.std(ddof=1) / np.sqrt(len(gains)) if len(gains) > 1 else np.inf
    return bool(gains.mean() > _MIN_Z_SCORE * error)


def _gains(outline):
    """By how much the profile of the other half of an image predicts a block better than a
    constant does: difference of squared errors.
    """
    side = _BLOCK[len(outline.positions)] // 2
    is_odd = (outline.positions // side).sum(axis=0) % 2 == 1
    distance = outline.distance[tuple(outline.positions)]
    gain = np.zeros(distance.size)
    for half in (is_odd, ~is_odd):
        if half.any() and not half.all():
            for values in outline.intensities:
                expected, _ = _profile(distance[half], values[half], distance[~half])
                constant = values[half].mean()
                held_out = values[~half]
                gain[~half] += (held_out - constant) ** 2 - (held_out - expected) ** 2
    return np.bincount(outline.blocks, gain)


def _normal_equations(outlines, offset, by_block):
    """Matrix of the normal equations, and the gradient of each independent part."""
    ndim = len(offset)
    curvature, parts = np.zeros((ndim, ndim)), []
    for outline in outlines:
        # The labels, moved onto what they label.
        at = outline.positions + offset[:, None]
        distance = ndi.map_coordinates(outline.distance, at, order=1, mode="nearest")
        direction = np.stack(
            [ndi.map_coordinates(g, at, order=1, mode="nearest") for g in outline.gradient]
        )
        slopes = np.zeros((ndim, distance.size))
        for values in outline.intensities:
            expected, change = _profile(distance, values)
            moved = -change * direction  # of the expected intensity, with the labels
            curvature += moved @ moved.T
            slopes += moved * (values - expected)
        if by_block:
            n_blocks = outline.blocks.max() + 1
            parts.append(
                np.stack([np.bincount(outline.blocks, s, n_blocks) for s in slopes], axis=1)
            )
        else:
            parts.append(slopes.sum(axis=1)[None])
    return curvature, np.concatenate(parts)


def _profile(distance, values, at=None):
    """Mean intensity at the distance of each pixel, or `at` others, and its derivative."""
    edges = np.arange(-_BAND - _BIN, _BAND + 2 * _BIN, _BIN)
    centers = edges + _BIN / 2
    bins = np.clip(np.floor((distance - edges[0]) / _BIN).astype(np.intp), 0, len(edges) - 1)
    count = ndi.gaussian_filter1d(np.bincount(bins, minlength=len(edges)).astype(float), 1.0)
    total = ndi.gaussian_filter1d(np.bincount(bins, values, len(edges)), 1.0)
    profile = total / np.maximum(count, 1e-9)
    change = np.gradient(profile, _BIN)
    at = distance if at is None else at
    return np.interp(at, centers, profile), np.interp(at, centers, change)
