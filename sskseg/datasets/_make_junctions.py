"""`make_neuromuscular_junctions`: simulated two-channel scans of muscle."""

from numbers import Real

import numpy as np

from ..images import check_generator
from ..simulation import (
    add_camera_noise,
    blur,
    draw_junction,
    fiber_pattern,
    place_apart,
    sample_junction,
    smooth_noise,
)
from ._make_cells import check_shape


def make_neuromuscular_junctions(
    n_samples=4, shape=(128, 128), *, magnification=1.0, n_junctions=None, radius=11.0,
    fragmentation=0.5, bleed_through=0.15, noise=0.08, random_state=None,
):  # fmt: skip
    """Simulate scans of muscle with stained neuromuscular junctions.

    Channel 0 is the signal (receptors in the junctions), channel 1 the autofluorescence background
    (muscle fibers). Junctions are pretzel-shaped plaques with holes, some in fragments, that lie
    along the fibers; fragments of one junction have one label.

    Parameters
    ----------
    n_samples : int, default=4
    shape : tuple of 2 or 3 ints, default=(128, 128)
        Of the field of view, pixels at magnification 1.
    magnification : float or sequence of float, default=1.0
        Pixels per unit of the tissue. A sequence gives the same tissue at each magnification.
    n_junctions : int, default=None
        In an image, fewer where they do not fit; None is about 15 % of its area (4 % of its
        volume).
    radius : float, default=11.0
        Half the mean length of a junction, pixels at magnification 1.
    fragmentation : float in [0, 1], default=0.5
        Share of the junctions that are cut into fragments.
    bleed_through : float, default=0.15
        Share of the background channel that the signal channel sees too.
    noise : float, default=0.08
        Standard deviation of the noise where the image is bright.
    random_state : int, RandomState, Generator or None, default=None
        Image i is the same however many are made.

    Returns
    -------
    X : ndarray of float32, shape (n_samples, *spatial, 2)
        With ``spatial = round(magnification * shape)``.
    y : ndarray of int32, shape (n_samples, *spatial)
        0 background; 1, 2, ... junctions, the same ids at every magnification (very small ones may
        be missing at low magnification).
        With a sequence of magnifications, a list of such pairs (X, y).

    Raises
    ------
    ValueError
        For a shape that is not 2-D or 3-D, or numbers that are not positive.

    Examples
    --------
    >>> from sskseg.datasets import make_neuromuscular_junctions
    >>> X, y = make_neuromuscular_junctions(2, (64, 96), random_state=0)
    >>> X.shape, y.shape
    ((2, 64, 96, 2), (2, 64, 96))
    >>> (low, _), (high, _) = make_neuromuscular_junctions(1, (64, 64), magnification=(1, 4))
    >>> low.shape, high.shape
    ((1, 64, 64, 2), (1, 256, 256, 2))
    """
    shape = check_shape(n_samples, shape)
    single = isinstance(magnification, Real)
    magnifications = [float(m) for m in ([magnification] if single else magnification)]
    if not magnifications or min(*magnifications, radius) <= 0 or noise < 0:
        raise ValueError(
            "magnification and radius must be positive and noise not negative, got "
            f"{magnification!r}, {radius!r} and {noise!r}."
        )
    tissues = [
        _Tissue(rng, shape, n_junctions, radius, fragmentation)
        for rng in check_generator(random_state).spawn(n_samples)
    ]
    results = []
    for m in magnifications:
        images, labels = zip(*(t.image(m, bleed_through, noise) for t in tissues), strict=True)
        results.append((np.stack(images), np.stack(labels)))
    return results[0] if single else results


class _Tissue:
    """Fibers and junctions of one sample, to be seen at any magnification."""

    def __init__(self, rng, shape, n_junctions, radius, fragmentation):
        self.shape, self.radius = shape, radius
        angle = rng.uniform(0, np.pi)
        self.direction = np.zeros(len(shape))
        self.direction[-2:] = np.sin(angle), np.cos(angle)
        if n_junctions is None:
            ball = np.pi * radius**2 if len(shape) == 2 else 4 / 3 * np.pi * radius**3
            n_junctions = max(1, round((0.15 if len(shape) == 2 else 0.04) * np.prod(shape) / ball))
        radii = radius * np.exp(rng.normal(0, 0.18, n_junctions))
        centers, placed = place_apart(rng, radii, shape, separation=0.85)
        self.junctions = [
            sample_junction(rng, c, r, self.direction, fragmentation=fragmentation)
            for c, r in zip(centers, radii[placed], strict=True)
        ]
        # Seeds, not a generator, so that every magnification sees the same fibers.
        self.fiber_seed, self.noise_seed = rng.integers(2**62, size=2).tolist()

    def image(self, magnification, bleed_through, noise):
        """Both channels and the label image."""
        shape = tuple(max(1, round(side * magnification)) for side in self.shape)
        tissue = np.random.default_rng(self.fiber_seed)
        camera = np.random.default_rng([self.noise_seed, round(1000 * magnification)])
        fibers = fiber_pattern(tissue, shape, magnification, self.direction, 1.6 * self.radius)
        uneven = 1 + 0.25 * smooth_noise(tissue, shape, max(self.shape) * magnification / 2)
        background = (0.1 + 0.4 * fibers) * np.clip(uneven, 0.3, 2)
        light, labels = self._plaques(shape, magnification)
        signal = light * np.clip(uneven, 0.5, 1.5) + bleed_through * background + 0.05
        sigma = 0.6 + 0.35 * magnification**0.5  # optics of a fixed aperture, and the camera's own
        channels = [
            add_camera_noise(camera, blur(c, sigma), photons=1 / max(noise, 1e-3) ** 2)
            for c in (signal, background)
        ]
        return np.stack(channels, axis=-1), labels

    def _plaques(self, shape, magnification):
        light, labels = np.zeros(shape, np.float32), np.zeros(shape, np.int32)
        for number, junction in enumerate(self.junctions, start=1):
            start, inside, depth = draw_junction(junction, magnification)
            low = np.maximum(start, 0)
            high = np.minimum(start + inside.shape, shape)
            if (low >= high).any():
                continue
            here = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
            there = tuple(slice(a, b) for a, b in zip(low - start, high - start, strict=True))
            brightness = 0.8 * junction.brightness * (0.6 + 0.4 * depth[there])
            brighter = inside[there] & (brightness > light[here])
            light[here][brighter] = brightness[brighter]
            labels[here][brighter] = number
        return light, labels
