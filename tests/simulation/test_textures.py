"""Textures: what is drawn, and what is found in images."""

import numpy as np
import pytest
from scipy import ndimage as ndi

from sskseg.simulation._textures import fit_spectrum, remaining_variance, texture_noise

SPECTRA = [
    (0.1, 0.0, 0.0, 0.0),
    (0.0, 0.1, 0.0, 0.1),
    (0.02, 0.05, 0.1, 0.05),
    (0.1, 0.1, 0.1, 0.1),
]


def of_field(shape, spectrum, seed=0):
    return texture_noise(np.random.default_rng(seed), shape, spectrum)


def wrong_share(found, spectrum):
    """Of the variance, the largest part that is found at a wrong correlation length."""
    found, spectrum = np.square(found), np.square(spectrum)
    return np.abs(found - spectrum).max() / spectrum.sum()


def test_a_texture_has_the_given_spectrum():
    for spectrum in SPECTRA:
        field = of_field((300, 300), spectrum)
        assert field.dtype == np.float32
        assert abs(field.std() / np.linalg.norm(spectrum) - 1) < 0.15
    assert not of_field((20, 30), ()).any()
    steps = [np.diff(of_field((300, 300), s)).std() for s in ((0.1,), (0, 0.1), (0, 0, 0.1))]
    assert steps[0] > 1.5 * steps[1] > 2.25 * steps[2]


@pytest.mark.parametrize("shape", [(400, 400), (64, 64, 64)])
@pytest.mark.parametrize("spectrum", SPECTRA)
def test_the_spectrum_of_a_texture_is_recovered(shape, spectrum):
    rng = np.random.default_rng(1)
    field = of_field(shape, spectrum)
    noisy = field + rng.normal(0, 0.05, shape).astype(np.float32)
    everywhere = np.ones(shape, bool)
    found = fit_spectrum(noisy, everywhere, noise=0.05)
    assert wrong_share(found, spectrum) < 0.15
    # What is masked out has no influence, however bright it is.
    mask = everywhere.copy()
    for start in rng.integers(0, min(shape) - 20, (6, len(shape))):
        mask[tuple(slice(a, a + 20) for a in start)] = False
    found = fit_spectrum(np.where(mask, noisy, 7), mask, noise=0.05)
    assert wrong_share(found, spectrum) < 0.2


@pytest.mark.parametrize("shape", [(8, 8), (12, 12, 12)])
def test_an_image_may_show_a_part_of_a_coarse_texture(shape):
    fields = np.stack([of_field(shape, (0,) * 5 + (0.1,), seed) for seed in range(400)])
    assert abs(fields.mean()) < 0.02
    assert abs(fields.std() - 0.1) < 0.01
    assert fields.std(axis=tuple(range(1, fields.ndim))).mean() < 0.03


def test_there_is_no_spectrum_without_enough_pixels():
    flat, mask = np.ones((40, 40), np.float32), np.zeros((40, 40), bool)
    assert fit_spectrum(flat, mask) is None
    assert np.abs(fit_spectrum(flat, ~mask)).max() < 1e-3
    mask[20, 20] = True
    assert fit_spectrum(flat, mask) is None
    mask[19:22, 19:22] = True  # what is coarser is not known, and does not weigh
    found = fit_spectrum(of_field((40, 40), (0.1,)), mask)
    assert found[0] > 0
    assert not found[2:].any()


def test_variance_of_a_blurred_texture():
    for length in range(4):
        spectrum = (0,) * length + (0.1,)
        blurred = ndi.gaussian_filter(of_field((1000, 1000), spectrum), 6.0)
        assert abs(blurred.var() / remaining_variance(spectrum, 6.0, 2) - 1) < 0.25
