"""Measure the parameters of a `CellSimulator` on real images of cells."""

import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import ndimage as ndi
from scipy.special import ndtr, ndtri

from ..images.annotations import Annotations
from ..morphology import complete_objects
from ._shapes import brightness_at
from ._textures import deviation_of, fit_spectrum, mean_inside, remaining_variance

POLARITIES = ("auto", "bright", "dark")
_MAX_PIXELS = 2**22  # that are measured
_WIDE = 12.0  # pixels, standard deviation of the mean that shows the uneven background
_MIN_HALO = 3  # pixels around cells that their light reaches
_OUTLINE = 2  # pixels inside outlines, excluded from the texture
_MIN_WHOLE = 0.5  # share of the labeled objects with a known outline, for sizes to be theirs
_MAX_TEXTURE = 0.5  # standard deviation inside cells, in units of the contrast
MIN_BRIGHTNESS = 0.15  # of a drawn cell, in units of the contrast
_MIN_CONTRAST = 3.0  # in units of the deviation of the background; images without cells have 2.3


def find_polarity(images: Sequence[np.ndarray]) -> dict[str, int]:
    """Find whether objects are brighter or darker than the background.

    Parameters
    ----------
    images : sequence of ndarray of shape (*spatial)

    Returns
    -------
    votes : dict
        Number of images in which objects are ``"bright"`` and ``"dark"``: the smaller side of
        Otsu's threshold, if its contrast is distinct. Images without objects do not vote.

    Examples
    --------
    >>> from sskseg.datasets import make_cells
    >>> from sskseg.simulation import find_polarity
    >>> X, _ = make_cells(n_samples=3, random_state=0)
    >>> find_polarity(X), find_polarity(1 - X)
    ({'bright': 3, 'dark': 0}, {'bright': 0, 'dark': 3})
    """
    votes = {"bright": 0, "dark": 0}
    for image in images:
        smooth = ndi.gaussian_filter(np.asarray(image, np.float32), 1.0)
        mask = _above_otsu(smooth)
        is_bright = mask.mean() <= 0.5
        if _is_distinct(smooth, mask if is_bright else ~mask):
            votes["bright" if is_bright else "dark"] += 1
    return votes


def measure_cells(images, y, polarity):
    """Measure the parameters of a `CellSimulator` on each image.

    Parameters
    ----------
    images : list of ndarray of float32, shape (*spatial)
    y : list of ndarray of int, or None
    polarity : {"auto", "bright", "dark"}

    Returns
    -------
    medians : dict
        Over the images with cells.
    each : list of dict
        Parameters of each image. Parameters that cannot be measured in an image are the medians;
        an image without cells has a coverage of 0.

    Raises
    ------
    ValueError
        If no image has cells, or no background is labeled.
    """
    labels, is_mask = _read_labels(images, y)
    known = [i for i, label in enumerate(labels) if label is not None and (label == 0).any()]
    if not known and any(label is not None and (label > 0).any() for label in labels):
        raise ValueError(
            "y must label background, too, in at least one image, got foreground only."
        )
    indices = known or list(range(len(images)))
    labels = labels if known else [None] * len(labels)
    step = max(1, sum(images[i].size for i in indices) // _MAX_PIXELS)
    with_cells: list[dict[str, Any]] = []
    for first in range(min(step, len(indices))):  # few images may have cells
        chosen = indices[first::step]
        each = _measure_each(
            [images[i] for i in chosen], [labels[i] for i in chosen], polarity, is_mask
        )
        with_cells = [parameters for parameters in each if parameters["coverage"] > 0]
        if with_cells:
            break
    else:
        raise ValueError("No cell was found in X; is it empty, or are there labels to give?")
    names = {name for parameters in with_cells for name in parameters}
    medians = {name: _median([x[name] for x in with_cells if name in x]) for name in sorted(names)}
    return medians, [{**medians, **parameters} for parameters in each]


def _read_labels(images, y):
    """Objects of each image, -1 unlabeled (None: no labels), and whether they are components."""
    if y is None:
        return [None] * len(images), True
    annotations = Annotations(y, [image[..., None] for image in images])
    return [annotations.objects(i) for i in range(len(images))], annotations.is_mask


def _measure_each(images, labels, polarity, is_mask):
    """Parameters of each image."""
    sign = _sign(images, labels, polarity)
    whole = [None if label is None else complete_objects(label) for label in labels]
    n_whole, n_objects = map(_count, (whole, labels))
    if n_whole < _MIN_WHOLE * n_objects:  # in small windows, small objects are whole
        whole = [None] * len(images)
    triples = zip(images, labels, whole, strict=True)
    return [_measure(*triple, sign, is_mask) for triple in triples]


def _count(labels):
    """Number of objects in label images, some of which may be None."""
    return sum(len(np.unique(label[label > 0])) for label in labels if label is not None)


def _median(values):
    """Median of numbers; of spectra, the median of the totals in the mean shares of their parts."""
    if not isinstance(values[0], tuple):
        return float(np.median(values))
    variances = np.square(values)
    totals = variances.sum(axis=1)
    shares = (variances / np.maximum(totals, 1e-30)[:, None])[totals > 0]
    shares = shares.mean(axis=0) if len(shares) else variances[0]
    return tuple(map(float, np.sqrt(np.median(totals) * shares)))


def _sign(images, labels, polarity):
    """1 where cells are bright, -1 where dark."""
    labeled = [(image, label) for image, label in zip(images, labels, strict=True)
                if label is not None and (label > 0).any() and (label == 0).any()]  # fmt: skip
    if labeled:
        rises = [np.median(x[label > 0]) > np.median(x[label == 0]) for x, label in labeled]
        votes = {"bright": sum(rises), "dark": len(rises) - sum(rises)}
    else:
        votes = find_polarity(images)
    found = max(votes, key=lambda name: votes[name])  # "bright" without any vote
    if polarity not in ("auto", found) and votes[found] > votes[polarity]:
        warnings.warn(
            f"polarity={polarity!r} was given, but cells look {found} in {votes[found]} of "
            f"{sum(votes.values())} images with cells. Set polarity={found!r}, unless cells are "
            "the larger part of the images.",
            stacklevel=5,
        )
    return {"auto": 1 if found == "bright" else -1, "bright": 1, "dark": -1}[polarity]


def _measure(image, label, whole, sign, is_mask):
    """Parameters that can be measured in an image; without cells, those of the background.

    Sizes are those of the objects of the label image `whole`. None: labels show no outlines, such
    as those of points and strokes, and sizes and coverage are measured as without labels.
    """
    smooth = ndi.gaussian_filter(image, 1.0)
    mask = _cells_in(smooth, sign) if label is None else label > 0
    around = ~mask if label is None else label == 0
    noise = _noise_of(image)
    if not mask.any() or not around.any() or image.min() == image.max():
        everywhere = around if around.any() else np.ones(image.shape, bool)
        return {"coverage": 0.0, "noise": noise, **_background(image, everywhere, noise)}
    middle, between = (float(np.median(image[where])) for where in (mask, around))
    contrast = middle - between or 1e-6
    psf = _psf_of(image, mask, around, contrast)
    halo = _MIN_HALO if psf is None else max(_MIN_HALO, math.ceil(2 * psf))
    parameters: dict[str, Any] = {
        "foreground_spread": _contrast_spread(smooth, mask, contrast),
        **_background(image, around, noise, halo=halo),
        **_extent(smooth, mask, around, whole, sign, is_mask),
        "noise": noise,
    }
    if psf is not None:
        parameters["psf"] = psf
    objects = None if is_mask else label
    texture = _texture_in_cells(image, mask, objects, contrast, parameters)
    if texture is not None:
        parameters["texture"] = texture
    share = _drawn_contrast(parameters, abs(contrast), image.ndim)
    return {**parameters, "foreground": between + contrast / share}


def _extent(smooth, mask, around, whole, sign, is_mask):
    """Sizes and coverage; no sizes where no object is whole."""
    cells = _cells_in(smooth, sign) if whole is None else whole > 0
    if whole is None and cells.any():
        mask, around = cells, ~cells
    parameters = {"coverage": float(np.clip(mask.sum() / (mask | around).sum(), 0, 0.9))}
    if whole is None or cells.any():
        objects = None if is_mask or whole is None else whole
        sizes = _sizes(mask if whole is None else cells, objects)
        parameters |= dict(zip(("radius", "radius_spread"), sizes, strict=True))
    return parameters


def _texture_in_cells(image, mask, objects, contrast, parameters):
    """Spectrum of the texture inside cells, without that of the background; None: unknown."""
    light = (image - parameters["background"]) / contrast
    noise, radius = parameters["noise"] / abs(contrast), parameters.get("radius", np.inf)
    texture = _texture(light, mask, objects, noise, radius)
    if texture is None:
        return None
    # The texture of the background is drawn in cells, too.
    behind = np.divide(parameters.get("background_texture", 0), contrast)
    texture = np.sqrt(np.maximum(texture**2 - behind**2, 0))
    excess = max(1.0, np.linalg.norm(texture) / _MAX_TEXTURE)
    return tuple(map(float, texture / excess))


def _drawn_contrast(parameters, contrast, ndim):
    """Median contrast of the pixels of drawn cells, in units of the contrast in their middle.

    Cells are darker at their outlines, which are blurred. The median is lower than that of the
    brightness alone, since what is added at random to the skewed brightness makes it symmetric.
    """
    quantiles = (np.arange(32) + 0.5) / 32
    normal = ndtri(quantiles)
    depth = 1 - quantiles ** (1 / ndim)  # pixels of a ball
    radius, psf = parameters.get("radius", np.inf), parameters.get("psf", 0.0)
    inside = ndtr(depth * radius / max(psf, 1e-6))  # share of the light after the blur
    light = brightness_at(depth) * inside
    relative = np.maximum(MIN_BRIGHTNESS, 1 + parameters["foreground_spread"] * normal)
    added = np.linalg.norm([
        parameters["noise"], parameters.get("background_spread", 0.0),
        *parameters.get("background_texture", ()),
    ]) / contrast  # fmt: skip
    added = np.hypot(added, np.linalg.norm(parameters.get("texture", 0.0)))
    values = light[:, None, None] * relative[:, None] + added * normal
    return float(np.median(values))


def _above_otsu(image):
    from skimage.filters import threshold_otsu

    if image.min() == image.max():
        return np.zeros(image.shape, bool)
    return image > threshold_otsu(image)


def _is_distinct(image, mask):
    """Whether the inside of a mask differs from the outside by more than its tail."""
    if not mask.any() or mask.all():
        return False
    middle = np.median(image[~mask])
    return abs(np.median(image[mask]) - middle) > _MIN_CONTRAST * deviation_of(image[~mask])


def _cells_in(image, sign):
    """Bright or dark side of Otsu's threshold; empty if its contrast is not distinct."""
    mask = _above_otsu(sign * image)
    smaller = mask if mask.mean() <= 0.5 else ~mask
    return mask if _is_distinct(image, smaller) else np.zeros(image.shape, bool)


def _background(image, around, noise, halo=0):
    """Parameters of the background; its spectrum only if there are enough pixels."""
    parameters: dict[str, Any] = {"background": float(np.median(image[around]))}
    apart = ndi.binary_erosion(around, iterations=halo, border_value=1) if halo else around
    spectrum = fit_spectrum(image, apart, noise=noise)
    if spectrum is not None:
        parameters["background_texture"] = tuple(map(float, spectrum))
    wide, where = mean_inside(image, apart, _WIDE)
    if where.any():
        rest = remaining_variance(() if spectrum is None else spectrum, _WIDE, image.ndim)
        parameters["background_spread"] = math.sqrt(max(0.0, deviation_of(wide[where]) ** 2 - rest))
    return parameters


def _contrast_spread(smooth, mask, contrast):
    """Standard deviation of the contrast between cells, in units of the mean."""
    components, n = ndi.label(mask)
    index = np.arange(1, n + 1)
    large = ndi.sum_labels(mask, components, index) >= 9
    if large.sum() <= 2:
        return 0.2
    return min(0.6, float(np.std(ndi.mean(smooth, components, index)[large]) / abs(contrast)))


def _texture(light, mask, label, noise, radius):
    """Spectrum of the texture inside cells, in units of the mean of each, or None.

    The mean profile of cells, with brighter middles and blurred outlines, is not texture.
    """
    if label is None:
        cells, n = ndi.label(mask)
    else:  # ids may be large, with gaps
        ids, cells = np.unique(np.where(mask, label, 0), return_inverse=True)
        cells, n = cells.reshape(mask.shape), len(ids) - 1
    level = np.append(1.0, ndi.mean(light, cells, np.arange(1, n + 1)))
    relative = light / np.maximum(level, MIN_BRIGHTNESS).astype(np.float32)[cells]
    seams = ndi.maximum_filter(cells, 3) != ndi.minimum_filter(np.where(mask, cells, n + 1), 3)
    depth = ndi.distance_transform_edt(mask & ~seams).astype(np.float32)
    ring = depth.astype(np.int32)
    profile = np.bincount(ring.ravel(), relative.ravel()) / np.bincount(ring.ravel())
    rest = relative - profile.astype(np.float32)[ring]
    return fit_spectrum(rest, depth > _OUTLINE, noise=noise, longest=radius)


def _sizes(mask, label):
    """Median radius and the standard deviation of its logarithm, without outliers."""
    logs, weights = _log_radii(mask, label)
    middle = _weighted_median(logs, weights)
    spread = 1.4826 * _weighted_median(np.abs(logs - middle), weights)
    return max(0.5, float(np.exp(middle))), float(np.clip(spread, 0.1, 0.6))


def _weighted_median(values, weights):
    order = np.argsort(values)
    shares = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(shares, shares[-1] / 2)])


def _log_radii(mask, label):
    """Radii of the objects of a label image, or of the peaks of the distance transform of a mask.

    Peaks are weighted by their size: specks and parts of unevenly stained cells are many.
    """
    ball = {2: np.pi, 3: 4 / 3 * np.pi}[mask.ndim]
    if label is not None:
        sizes = np.unique(label[np.asarray(label) > 0], return_counts=True)[1]
        return np.log(np.maximum(sizes / ball, 0.2)) / mask.ndim, np.ones(len(sizes))
    mask = ndi.binary_fill_holes(mask)
    distance = ndi.gaussian_filter(ndi.distance_transform_edt(mask), 1.0)
    peaks = (distance == ndi.maximum_filter(distance, size=5)) & (distance > 1.0)
    # A smoothed peak is a little lower, and half a pixel of the radius is outside the mask.
    radii = distance[peaks] + 0.5 if peaks.any() else np.array([max(0.5, distance.max())])
    return np.log(radii), radii**mask.ndim


def _noise_of(image):
    """Standard deviation of the noise, from second differences, small for smooth content."""
    axes = [axis for axis, size in enumerate(image.shape) if size > 2]
    for axis in axes:
        image = np.diff(image, 2, axis=axis)
    gain = np.sqrt(6.0) ** len(axes)
    return float(1.4826 * np.median(np.abs(image)) / gain)


def _psf_of(image, mask, around, contrast, first=0.7):
    """Standard deviation of the blur, from the slope at outlines near the background, or None."""
    smooth = ndi.gaussian_gradient_magnitude(image, first)
    # Edges of the image, and of what is labeled, are no outlines.
    outline = mask & ~ndi.binary_erosion(mask, border_value=1)
    outline &= ndi.binary_dilation(around, iterations=_MIN_HALO)
    if not outline.any():
        return None
    slope = float(np.median(smooth[outline]))
    sigma = abs(contrast) / (np.sqrt(2 * np.pi) * slope) if slope > 0 else 3.0
    return float(np.sqrt(np.clip(sigma**2 - first**2, 0.1, 9.0)))
