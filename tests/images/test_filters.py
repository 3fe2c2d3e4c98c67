"""Filters of a batch are those of each image: scipy's blur, torch's averages and interpolation."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy import ndimage as ndi

from sskseg.images.filters import (
    blur_matrices,
    coarse_blur_matrices,
    filter_axes,
    resampling_matrices,
)

CPU = torch.device("cpu")


@pytest.mark.parametrize("shape", [(40, 33), (9, 20, 24), (3, 5)])
def test_each_image_is_blurred_by_its_own_gaussian(shape):
    rng = np.random.default_rng(0)
    images, sigma = rng.normal(size=(5, 2, *shape)), np.append(rng.uniform(0.5, 3, 4), 0)
    matrices = [blur_matrices(sigma, side, CPU, truncate=4.0) for side in shape]
    ours = filter_axes(torch.from_numpy(images).float(), matrices, 2).numpy()
    for image, blurred, width in zip(images, ours, sigma, strict=True):
        for channel, result in zip(image, blurred, strict=True):
            expected = ndi.gaussian_filter(channel, width, mode="nearest") if width else channel
            np.testing.assert_allclose(result, expected, atol=1e-5)


@pytest.mark.parametrize("side", [7, 32, 41])
def test_each_line_is_averaged_over_its_grid_and_back(side):
    lines = torch.randn(side, 1, side)
    coarse = np.arange(1, side + 1)
    ours = filter_axes(lines, [resampling_matrices(coarse, side, CPU)], -1)
    for line, n, result in zip(lines, coarse, ours, strict=True):
        grid = F.interpolate(line[None], size=int(n), mode="area")
        expected = F.interpolate(grid, size=side, mode="linear")[0]
        torch.testing.assert_close(result, expected, atol=1e-4, rtol=0)


def test_a_wide_blur_is_that_of_coarse_pixels():
    sigma, factor, side = np.array([8.0, 30.0, 4.0]), np.array([4, 15, 1]), 50
    lines = torch.randn(3, 1, side)
    matrices = coarse_blur_matrices(sigma, factor, side, CPU, truncate=3.0)
    for line, matrix, s, f in zip(lines, matrices, sigma, factor.tolist(), strict=True):
        grid = F.avg_pool1d(line[None], f, ceil_mode=True, count_include_pad=False)[0, 0]
        blurred = ndi.gaussian_filter1d(
            grid.numpy(), s / f, mode="nearest", radius=int(3 * s / f + 0.5)
        )
        fine = F.interpolate(
            torch.from_numpy(blurred)[None, None], size=f * len(grid), mode="linear"
        )
        torch.testing.assert_close(line[0] @ matrix.mT, fine[0, 0, :side], atol=1e-5, rtol=0)
