"""Parts that are cut on a device, here the CPU, are those that are read from the arrays."""

import numpy as np
import pytest
import torch

from sskseg.images import read_region
from sskseg.training import DeviceArrays, HostArrays, hold_arrays

CPU = torch.device("cpu")
DTYPES = [bool, np.uint8, np.int8, np.uint16, np.int16, np.int32, np.float16, np.float32]


def random_arrays(dtype, ndim, channels=()):
    rng = np.random.default_rng(0)
    shapes = [(*rng.integers(1, 9, ndim), *channels) for _ in range(5)]
    return [(rng.random(shape) * 60_000).astype(dtype) for shape in shapes]


@pytest.mark.parametrize("outside", ["reflect", 1])
@pytest.mark.parametrize(("ndim", "channels"), [(2, ()), (2, (3,)), (3, (2,))])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", [HostArrays, DeviceArrays])
def test_parts_are_those_of_the_arrays(kind, dtype, ndim, channels, outside):
    arrays, rng = random_arrays(dtype, ndim, channels), np.random.default_rng(1)
    held = kind(arrays, [array.shape for array in arrays], CPU, np.dtype(dtype))
    indices, starts = rng.integers(len(arrays), size=20), rng.integers(-9, 9, (20, ndim))
    shape = (6, 5, 4)[:ndim]
    parts = held.cut(indices, starts, shape, outside=outside)
    assert parts.shape == (20, *(channels or (1,)), *shape)
    expected = [
        np.moveaxis(
            read_region(arrays[i], start, shape, outside=outside).reshape(*shape, -1), -1, 0
        )
        for i, start in zip(indices, starts, strict=True)
    ]
    assert np.array_equal(parts.double().numpy(), np.stack(expected).astype(float))
    if channels:
        chosen = rng.integers(channels[0], size=20)
        one = held.cut(indices, starts, shape, outside=outside, channels=chosen)
        assert torch.equal(one[:, 0], parts[torch.arange(20), torch.from_numpy(chosen)])


def test_many_values_are_read_by_parts(monkeypatch):
    arrays, rng = random_arrays(np.int16, 2), np.random.default_rng(1)
    held = hold_arrays(arrays, CPU, np.int16)
    where = rng.integers(5, size=11), rng.integers(-9, 9, (11, 2)), (6, 5)
    expected = held.cut(*where, outside=-7)
    monkeypatch.setattr("sskseg.training.device_arrays._MAX_READ", 70)
    assert torch.equal(held.cut(*where, outside=-7), expected)


def test_arrays_are_read_where_they_are_first_cut():
    class Counting(list):
        read = ()

        def __getitem__(self, index):
            self.read = (*self.read, index)
            return super().__getitem__(index)

    arrays = Counting([np.ones((4, 4), np.int8), None, np.zeros((4, 4), np.int8)])
    shapes = [(4, 4), (0, 0), (4, 4)]
    held = hold_arrays(arrays, CPU, np.int8, shapes=shapes)
    assert arrays.read == ()
    for _ in range(2):
        assert held.cut([2, 2], np.zeros((2, 2), int), (3, 3)).sum() == 0
    assert arrays.read == (2,)
    assert held.cut([0], np.zeros((1, 2), int), (3, 3)).sum() == 9


def test_what_is_on_the_device_is_a_copy():
    array = np.zeros((4, 4), np.float32)
    array.flags.writeable = False
    held = hold_arrays([array], CPU, np.float32)
    held.cut([0], np.zeros((1, 2), int), (4, 4)).add_(1)
    assert held.cut([0], np.zeros((1, 2), int), (4, 4)).sum() == 0
    assert len(held) == 1
    assert held[0] is array


def test_only_what_fits_is_on_the_device(monkeypatch):
    arrays = [np.zeros((32, 32), np.uint8)]
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda device: (8 * 1024, 10**9))
    monkeypatch.setattr("torch.empty", lambda *shape, dtype, device: None)
    gpu = torch.device("cuda", 0)
    assert isinstance(hold_arrays(arrays, gpu, np.uint8), DeviceArrays)
    assert not isinstance(hold_arrays(arrays * 2, gpu, np.uint8), DeviceArrays)
    assert not isinstance(hold_arrays(arrays, gpu, np.int16), DeviceArrays)
