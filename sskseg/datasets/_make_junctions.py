"""`make_neuromuscular_junctions`: simulated two-channel scans of muscle."""

from collections.abc import Sequence
from numbers import Real
from typing import Any, cast

import numpy as np

from ..images import check_generator
from ..simulation import (
    add_camera_noise,
    blur,
    defocus,
    draw_junction,
    fiber_pattern,
    fractal_noise,
    magnified,
    overlap_slices,
    place_apart,
    sample_fibers,
    sample_junction,
    snap_to_fibers,
    vignette,
)
from ._arguments import check_count, check_range, check_shape


def make_neuromuscular_junctions(
    n_samples: int = 4,
    shape: Sequence[int] = (128, 128),
    *,
    magnification: float | Sequence[float] = 1.0,
    n_junctions: int | None = None,
    radius: float = 11.0,
    fragmentation: float = 0.5,
    bleed_through: float = 0.15,
    noise: float = 0.08,
    random_state: Any = None,
) -> Any:
    """Simulate scans of muscle with stained neuromuscular junctions.

    Channel 0 is the signal (acetylcholine receptors, stained by alpha-bungarotoxin), channel 1 the
    autofluorescence background (muscle fibers). Junctions are pretzel-shaped plaques with holes,
    some in fragments, along the fibers; the fragments of a junction share one label. Bright specks
    in both channels are debris, not junctions.

    Parameters
    ----------
    n_samples : int, default=4
    shape : tuple of 2 or 3 ints, default=(128, 128)
        Shape of the field of view, pixels at magnification 1.
    magnification : float or sequence of float, default=1.0
        Pixels per unit of the tissue. A sequence returns the same tissue at each magnification:
        the same fibers and junctions, with the optics and the noise of another scan.
    n_junctions : int, default=None
        Number of junctions in each image, fewer if they do not fit; None draws it for each image
        (Poisson), to cover about 15 % of its area (4 % of its volume).
    radius : float, default=11.0
        Half the mean length of a junction, pixels at magnification 1.
    fragmentation : float in [0, 1], default=0.5
        Share of the junctions that are cut into fragments.
    bleed_through : float, default=0.15
        Share of the background channel that is added to the signal channel.
    noise : float, default=0.08
        Standard deviation of the noise in bright pixels.
    random_state : int, RandomState, Generator or None, default=None
        Image i does not depend on `n_samples`.

    Returns
    -------
    X : ndarray of float32, shape (n_samples, *spatial, 2)
        Images, with ``spatial = round(magnification * shape)``.
    y : ndarray of int32, shape (n_samples, *spatial)
        0 background; 1, 2, ... junctions, the same ids at every magnification (very small ones may
        be missing at low magnification).
        With a sequence of magnifications, a list of such pairs (X, y).

    Raises
    ------
    ValueError
        If the shape is not 2-D or 3-D, or a number is out of range.
    TypeError
        If a count is not an integer, or another number is not real.

    References
    ----------
    .. [1] Jones et al. Cellular and molecular anatomy of the human neuromuscular junction. Cell
       Reports 2017 (sizes, shapes and fragments of real plaques).
       :doi:`10.1016/j.celrep.2017.11.008`

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
    n_samples, shape = check_count("n_samples", n_samples, minimum=1), check_shape(shape)
    check_range("radius", radius, positive=True)
    check_range("fragmentation", fragmentation, maximum=1)
    check_range("bleed_through", bleed_through)
    check_range("noise", noise)
    single = isinstance(magnification, Real)
    magnifications = [
        check_range("magnification", m, positive=True)
        for m in cast("Sequence[float]", [magnification] if single else magnification)
    ]
    if not magnifications:
        raise ValueError("magnification must be a number or a sequence of them, got none.")
    if n_junctions is not None:
        check_count("n_junctions", n_junctions)
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
    """Fibers, junctions and debris of one sample, independent of the magnification."""

    def __init__(self, rng, shape, n_junctions, radius, fragmentation):
        self.shape = shape
        self.fibers = sample_fibers(rng, len(shape), 1.6 * radius)
        if n_junctions is None:
            ball = np.pi * radius**2 if len(shape) == 2 else 4 / 3 * np.pi * radius**3
            mean = (0.15 if len(shape) == 2 else 0.04) * np.prod(shape) / ball
            n_junctions = max(1, rng.poisson(mean))
        radii = radius * np.exp(rng.normal(0, 0.18, n_junctions))
        centers, placed = place_apart(
            rng,
            radii,
            shape,
            separation=1.0,
            snap=lambda points: snap_to_fibers(self.fibers, points),
        )
        self.junctions = [
            sample_junction(rng, c, r, self.fibers.direction, fragmentation=fragmentation)
            for c, r in zip(centers, radii[placed], strict=True)
        ]
        # A 2-D image shows a thick section, parts of which are out of focus.
        depth = rng.normal(0, 0.1 * radius, len(placed))
        self.depths = depth if len(shape) == 2 else np.zeros(len(placed))
        n_specks = rng.poisson(0.4 * n_junctions)
        self.specks = list(
            zip(
                rng.uniform(0, shape, (n_specks, len(shape))),
                radius * rng.uniform(0.08, 0.2, n_specks),
                rng.uniform(0.2, 0.7, n_specks),
            )
        )
        # Seeds, not generators, so that every magnification has the same field.
        self.field_seed, self.noise_seed = rng.integers(2**62, size=2).tolist()

    def image(self, magnification, bleed_through, noise):
        """Draw both channels and the label image."""
        light, labels = self._plaques(magnification)
        uneven = self._illumination(magnification)
        debris = self._debris(magnification)
        fibers = fiber_pattern(self.fibers, self.shape, magnification)
        background = (0.1 + 0.4 * fibers + debris) * uneven
        signal = (light + 0.6 * debris) * uneven + bleed_through * background + 0.05
        # Blur of a fixed aperture and of the camera; along depth optics are less sharp.
        sigma = 0.6 + 0.35 * magnification**0.5
        sigma = [1.5 * sigma] * (len(self.shape) - 2) + [sigma] * 2
        camera = np.random.default_rng([self.noise_seed, round(1000 * magnification)])
        channels = [
            add_camera_noise(camera, blur(c, sigma), photons=1 / max(noise, 1e-3) ** 2)
            for c in (signal, background)
        ]
        return np.stack(channels, axis=-1), labels

    def _illumination(self, magnification):
        """Draw uneven light, equal in the tissue at every magnification."""
        rng = np.random.default_rng(self.field_seed)
        scale = max(self.shape) / 2
        field = fractal_noise(rng, self.shape, scale, octaves=3, magnification=magnification)
        corners = vignette(magnified(self.shape, magnification), 0.25)
        return np.clip(1 + 0.2 * field, 0.4, 1.6) * corners

    def _plaques(self, magnification):
        """Draw the light of plaques, each out of focus by its own depth, and their labels."""
        shape = magnified(self.shape, magnification)
        light, labels = np.zeros(shape, np.float32), np.zeros(shape, np.int32)
        owner = np.zeros(shape, np.float32)
        gain = 1.0 if len(shape) == 2 else 1.6  # blur dims a tube more than a ribbon
        for number, (junction, depth) in enumerate(zip(self.junctions, self.depths), start=1):
            margin = int(np.ceil(1.5 * abs(depth) * magnification))
            start, inside, own = draw_junction(junction, magnification, margin=margin)
            here, there = overlap_slices(start, inside.shape, shape)
            if here is None:
                continue
            own = own * np.float32(junction.brightness * gain)
            on_top = inside[there] & (own[there] > owner[here])
            owner[here][on_top] = own[there][on_top]
            labels[here][on_top] = number
            blurred = defocus(own, depth * magnification)
            np.maximum(light[here], blurred[there], out=light[here])
        return light, labels

    def _debris(self, magnification):
        """Draw autofluorescent specks, which both channels show."""
        shape = magnified(self.shape, magnification)
        light = np.zeros(shape, np.float32)
        for center, size, brightness in self.specks:
            center, size = center * magnification, size * magnification
            start = np.floor(center - 3 * size).astype(int)
            side = np.ceil(center + 3 * size).astype(int) - start + 1
            here, there = overlap_slices(start, side, shape)
            if here is not None:
                grid = [np.arange(n) + s - c for n, s, c in zip(side, start, center)]
                squares = sum(x**2 for x in np.meshgrid(*grid, indexing="ij", sparse=True))
                light[here] += (brightness * np.exp(-squares / (2 * size**2)))[there]
        return light
