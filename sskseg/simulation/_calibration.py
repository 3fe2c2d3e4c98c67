"""What real images of cells look like, in the numbers of a simulator."""

import math
import warnings

import numpy as np
from scipy import ndimage as ndi

from ..images.annotations import Annotations
from ._textures import deviation_of, fit_spectrum, left_of, mean_inside

POLARITIES = ("auto", "bright", "dark")
_MAX_PIXELS = 2**22  # that are looked at
_WIDE = 12.0  # pixels, of a mean that shows how the background differs from place to place
_HALO = 3  # pixels around cells to which their light spreads, at least
_OUTLINE = 2  # pixels inside of outlines that are not looked at for it
_MAX_TEXTURE = 0.5  # standard deviation inside of cells, in units of the contrast
DIMMEST = 0.15  # least brightness of a drawn cell, in units of the contrast
_DISTINCT = 3.0  # contrast of cells, in units of what is around them: 2.3 where there are none


def find_polarity(images):
    """Tell whether objects are brighter or darker than what is around them.

    Parameters
    ----------
    images : sequence of ndarray of shape (*spatial)

    Returns
    -------
    votes : dict
        Number of images in which objects are ``"bright"`` and ``"dark"``: those on the smaller side
        of Otsu's threshold, where it parts the image distinctly. Images without objects have no
        vote.

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
    """Parameters of a `CellSimulator` for each image.

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
        For an image without cells, the medians with a coverage of 0; and the medians of what cannot
        be seen in an image.

    Raises
    ------
    ValueError
        If there is no cell in any image, or only cells are labeled.
    """
    step = max(1, sum(image.size for image in images) // _MAX_PIXELS)
    labels, is_mask = [None] * len(images), True
    if y is not None:
        annotations = Annotations(y, [image[..., None] for image in images])
        labels, is_mask = annotations.label_images, annotations.is_mask
    known = [i for i, label in enumerate(labels) if label is not None and (label == 0).any()]
    if not known and any(label is not None and (label > 0).any() for label in labels):
        raise ValueError(
            "y must label background, too, in one image at least, got foreground only."
        )
    rows = list(known or range(len(images)))[::step]
    images = [images[i] for i in rows]
    labels = [labels[i] if known else None for i in rows]
    sign = _sign(images, labels, polarity)
    looks = [
        _look(image, label, sign, is_mask) for image, label in zip(images, labels, strict=True)
    ]
    found = [look for look in looks if look["coverage"] > 0]
    if not found:
        raise ValueError("No cell was found in X; is it empty, or are there labels to give?")
    names = {name for look in found for name in look}
    medians = {name: _median([x[name] for x in found if name in x]) for name in sorted(names)}
    return medians, [{**medians, **look} for look in looks]


def _median(values):
    """Of numbers; of spectra that of the whole, in the mean shares of their parts."""
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
    found = max(votes, key=votes.get)  # "bright" where there is nothing to tell by
    if polarity not in ("auto", found) and votes[found] > votes[polarity]:
        warnings.warn(
            f"polarity={polarity!r} was given, but cells look {found} in {votes[found]} of "
            f"{sum(votes.values())} images with cells. Set polarity={found!r}, unless cells are "
            "the larger part of the images.",
            stacklevel=4,
        )
    return {"auto": 1 if found == "bright" else -1, "bright": 1, "dark": -1}[polarity]


def _look(image, label, sign, is_mask):
    """Parameters of one image, of what can be seen; without cells, only those of its background."""
    smooth = ndi.gaussian_filter(image, 1.0)
    mask = _cells_in(smooth, sign) if label is None else label > 0
    around = ~mask if label is None else label == 0
    objects = None if is_mask else label
    noise = _noise_of(image)
    if not mask.any() or not around.any() or image.min() == image.max():
        everywhere = around if around.any() else np.ones(image.shape, bool)
        return {"coverage": 0.0, "noise": noise, **_background(image, everywhere, noise)}
    foreground, between = (float(np.median(image[where])) for where in (mask, around))
    contrast = foreground - between or 1e-6
    psf = _psf_of(image, mask, contrast)
    background = _background(image, around, noise, halo=max(_HALO, math.ceil(2 * psf)))
    radius, spread = _sizes(mask, objects)
    found = {
        "coverage": float(np.clip(mask.sum() / (mask | around).sum(), 0, 0.9)),
        "radius": radius,
        "radius_spread": spread,
        "foreground": foreground,
        "foreground_spread": _contrast_spread(smooth, mask, contrast),
        **background,
        "psf": psf,
        "noise": noise,
    }
    behind = np.divide(background.get("background_texture", 0), contrast)
    texture = _texture((image - between) / contrast, mask, objects, noise / abs(contrast), radius)
    if texture is not None:
        texture = np.sqrt(np.maximum(texture**2 - behind**2, 0))  # is drawn in cells, too
        too_much = max(1.0, np.linalg.norm(texture) / _MAX_TEXTURE)
        found["texture"] = tuple(map(float, texture / too_much))
    return found


def _above_otsu(image):
    from skimage.filters import threshold_otsu

    if image.min() == image.max():
        return np.zeros(image.shape, bool)
    return image > threshold_otsu(image)


def _is_distinct(image, mask):
    """Is what is inside of a mask no mere tail of what is outside?"""
    if not mask.any() or mask.all():
        return False
    middle = np.median(image[~mask])
    return abs(np.median(image[mask]) - middle) > _DISTINCT * deviation_of(image[~mask])


def _cells_in(image, sign):
    """The bright or the dark side of Otsu's threshold; empty where nothing is distinct."""
    mask = _above_otsu(sign * image)
    smaller = mask if mask.mean() <= 0.5 else ~mask
    return mask if _is_distinct(image, smaller) else np.zeros(image.shape, bool)


def _background(image, around, noise, halo=0):
    """Of what lies between cells; spectra only where there is enough of it."""
    found = {"background": float(np.median(image[around]))}
    apart = ndi.binary_erosion(around, iterations=halo, border_value=1) if halo else around
    spectrum = fit_spectrum(image, apart, noise=noise)
    if spectrum is not None:
        found["background_texture"] = tuple(map(float, spectrum))
    wide, where = mean_inside(image, apart, _WIDE)
    if where.any():
        rest = left_of(() if spectrum is None else spectrum, _WIDE, image.ndim)
        found["background_spread"] = math.sqrt(max(0.0, deviation_of(wide[where]) ** 2 - rest))
    return found


def _contrast_spread(smooth, mask, contrast):
    """Standard deviation between cells, in units of the mean."""
    components, n = ndi.label(mask)
    index = np.arange(1, n + 1)
    large = ndi.sum_labels(mask, components, index) >= 9
    if large.sum() <= 2:
        return 0.2
    return min(0.6, float(np.std(ndi.mean(smooth, components, index)[large]) / abs(contrast)))


def _texture(light, mask, label, noise, radius):
    """Spectrum of what cells are filled with, in units of the mean of each; None if not seen.

    What cells have in common, brighter middles and blurred outlines, is no texture.
    """
    if label is None:
        cells, n = ndi.label(mask)
    else:  # numbers may be large, with gaps
        ids, cells = np.unique(np.where(mask, label, 0), return_inverse=True)
        cells, n = cells.reshape(mask.shape), len(ids) - 1
    level = np.append(1.0, ndi.mean(light, cells, np.arange(1, n + 1)))
    relative = light / np.maximum(level, DIMMEST).astype(np.float32)[cells]
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
    """Of the objects of a label image, or of the peaks of the distance transform of a mask.

    Peaks are weighted by their size: specks, and parts of a cell with an uneven stain, are many.
    """
    ball = {2: np.pi, 3: 4 / 3 * np.pi}[mask.ndim]
    if label is not None:
        sizes = np.unique(label[np.asarray(label) > 0], return_counts=True)[1]
        return np.log(np.maximum(sizes / ball, 0.2)) / mask.ndim, np.ones(len(sizes))
    mask = ndi.binary_fill_holes(mask)
    distance = ndi.gaussian_filter(ndi.distance_transform_edt(mask), 1.0)
    peaks = (distance == ndi.maximum_filter(distance, size=5)) & (distance > 1.0)
    # A smoothed peak is a little lower, and half a pixel of the radius is outside of the mask.
    radii = distance[peaks] + 0.5 if peaks.any() else np.array([max(0.5, distance.max())])
    return np.log(radii), radii**mask.ndim


def _noise_of(image):
    """Standard deviation of the noise, from second differences that smooth content leaves small."""
    axes = [axis for axis, size in enumerate(image.shape) if size > 2]
    for axis in axes:
        image = np.diff(image, 2, axis=axis)
    gain = np.sqrt(6.0) ** len(axes)
    return float(1.4826 * np.median(np.abs(image)) / gain)


def _psf_of(image, mask, contrast, first=0.7):
    """Standard deviation of the blur, from the slope at outlines."""
    smooth = ndi.gaussian_gradient_magnitude(image, first)
    outline = mask ^ ndi.binary_erosion(mask)
    if not outline.any():
        return 1.0
    slope = float(np.median(smooth[outline]))
    sigma = abs(contrast) / (np.sqrt(2 * np.pi) * slope) if slope > 0 else 3.0
    return float(np.sqrt(np.clip(sigma**2 - first**2, 0.1, 9.0)))
