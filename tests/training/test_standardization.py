"""Statistics of channels."""

import numpy as np
import pytest

from sskseg.training import channel_statistics


@pytest.mark.parametrize("value", [0.0, 0.1, 1 / 3, -7.7, 1e4 + 0.1])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_constant_channel_has_a_deviation_of_one(value, dtype):
    """Not what the mean of equal numbers is rounded by: a new value would be huge."""
    varied = np.random.default_rng(0).normal(3, 2, (50, 70))
    images = [np.stack([varied, np.full(varied.shape, value)], axis=-1).astype(dtype)] * 3
    mean, std = channel_statistics(images)
    assert std[1] == 1
    assert np.allclose(mean, [varied.mean(), value], rtol=1e-5)
    assert np.isclose(std[0], varied.std(), rtol=1e-5)
    assert std.dtype == np.float32
