"""Values of label images that come from interpolation, JPEG or photographs, and genuine ones."""

import io

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from sskseg.datasets import make_cells
from sskseg.images.label_values import count_components, is_interpolated

RNG = np.random.default_rng(0)


def jpeg(label, quality):
    file = io.BytesIO()
    Image.fromarray(label.astype(np.uint8)).save(file, "jpeg", quality=quality)
    return np.asarray(Image.open(file)).astype(int)


def cells():
    return make_cells(1, (128, 128), random_state=0)[1][0]


def cells_that_touch(n=100, side=128):
    seeds = np.ones((side, side), bool)
    seeds[tuple(RNG.integers(0, side, (n, 2)).T)] = False
    nearest = ndimage.distance_transform_edt(seeds, return_distances=False, return_indices=True)
    numbers = np.cumsum(~seeds).reshape(seeds.shape)
    return numbers[tuple(nearest)]


def curves(n=20, side=128):
    """Curves of one pixel, later ones over earlier ones."""
    label = np.zeros((side, side), int)
    t = np.linspace(0, 1, 2000)[:, None]
    for number in range(1, n + 1):
        a, b, c = RNG.uniform(0, side - 1, (3, 2))
        path = np.rint((1 - t) ** 2 * a + 2 * t * (1 - t) * b + t**2 * c).astype(int)
        label[tuple(path.T)] = number
    return label


GENUINE = {
    "cells": cells(),
    "cells of three pixels": ndimage.zoom(cells(), 0.3, order=0),
    "cells that touch": cells_that_touch(),
    "cells that touch, of a few pixels": cells_that_touch(300, 40),
    "a grid of 255 cells": np.kron(np.arange(256).reshape(16, 16), np.ones((3, 3), int)),
    "a grid of 255 pixels": np.arange(256).reshape(16, 16),
    "bands": np.repeat(np.arange(1, 120), 10)[None],
    "lines": np.repeat(np.arange(1, 120)[:, None], 10, axis=1),
    "curves": curves(),
    "thick curves": ndimage.grey_dilation(curves(), size=(3, 3)),
    "noisy classes": np.where(
        RNG.random((96, 96)) < 0.1, RNG.integers(0, 5, (96, 96)), np.arange(96)[:, None] // 20
    ),
    "nothing": np.zeros((5, 0), int),
    "unlabeled": np.full((5, 6), -1),
    "a volume": np.stack([cells()] * 20),
}


@pytest.mark.parametrize("name", GENUINE)
def test_genuine_labels_are_not_suspected(name):
    assert not is_interpolated(GENUINE[name])


@pytest.mark.parametrize("name", ["cells", "cells that touch", "bands", "curves"])
def test_genuine_colors_are_no_photograph(name):
    assert not count_components(GENUINE[name]).is_photograph


@pytest.mark.parametrize("name", ["cells", "cells that touch"])
@pytest.mark.parametrize("zoom", [0.5, 0.7, 1.5, 2])
def test_interpolated_numbers_are_recognized(name, zoom):
    resized = np.rint(ndimage.zoom(GENUINE[name].astype(float), zoom, order=1)).astype(int)
    assert is_interpolated(resized)
    assert is_interpolated(np.stack([resized] * 20))
    assert is_interpolated(np.tile(resized, (1, 12)))


@pytest.mark.parametrize("name", ["cells", "cells that touch"])
@pytest.mark.parametrize("quality", [50, 75, 95, 100])
def test_numbers_from_jpeg_are_recognized(name, quality):
    assert is_interpolated(jpeg(GENUINE[name], quality))


@pytest.mark.parametrize("side", [64, 256])
def test_numbers_of_the_colors_of_a_photograph_are_recognized(side):
    gray = ndimage.gaussian_filter(RNG.random((side, side)), 3)
    image = np.stack([255 * (gray - gray.min()) / np.ptp(gray)] * 3, -1)
    image = (image + RNG.normal(0, 4, image.shape)).clip(0, 255).astype(np.uint8)
    _, numbers = np.unique(image.reshape(-1, 3), axis=0, return_inverse=True)
    assert count_components(numbers.reshape(side, side)).is_photograph
