"""Batches of a refiner that are cut and turned on the device, here the CPU."""

import numpy as np
import pytest
import torch

from sskseg import SimulatedRefiner, refinement
from sskseg.refinement.patches import SimulatedPool, TurnedPatches, random_crop, real_batches
from sskseg.simulation import CellSimulator
from sskseg.training import device_arrays

CPU = torch.device("cpu")


def turned(array, ndim):
    """All flips and quarter turns of (*spatial) that `random_crop` draws."""
    for k in range(4):
        image = np.rot90(array, k, axes=(-2, -1))
        for bits in range(2 ** (ndim - 1)):
            axes = [axis for axis in range(-ndim, 0) if axis != -2]
            yield np.flip(image, [axis for i, axis in enumerate(axes) if bits >> i & 1])


@pytest.mark.parametrize("ndim", [2, 3])
def test_all_turns_of_a_patch_are_drawn_equally(ndim):
    image = np.arange(4.0**ndim, dtype=np.float32).reshape((4,) * ndim)
    patches = next(TurnedPatches([image], image.shape, 4000, np.random.default_rng(0), CPU))
    found = [patch.tobytes() for patch in patches.numpy()[:, 0]]
    expected = {each.tobytes() for each in turned(image, ndim)}
    assert set(found) == expected
    counts = np.array([found.count(each) for each in expected])
    assert (np.abs(counts - 4000 / len(expected)) < 5 * (4000 / len(expected)) ** 0.5).all()
    rng = np.random.default_rng(0)
    theirs = {random_crop(image, image.shape, rng).tobytes() for _ in range(400)}
    assert theirs == expected


def test_patches_start_anywhere():
    images = [np.full((12, 20), i, np.float32) + np.linspace(0, 0.9, 20, dtype=np.float32)
              for i in range(3)]  # fmt: skip
    patches = next(TurnedPatches(images, (8, 8), 3000, np.random.default_rng(0), CPU))
    index = patches.flatten(1).amin(1).floor().long()
    assert (torch.bincount(index) - 1000).abs().max() < 150
    starts = torch.round((patches.flatten(1).amin(1) - index) / 0.9 * 19).long()
    assert (torch.bincount(starts) - 3000 / 13).abs().max() < 75


def test_conditioning_turns_with_the_image(monkeypatch):
    _, y = CellSimulator(shape=(40, 40)).sample(4, 0)
    pool = SimulatedPool((y > 0).astype(np.float32), y)
    made = TurnedPatches(
        list(np.moveaxis(np.concatenate([pool.X[:, None], pool.conditioning], 1), 1, -1)),
        (24, 24), 50, np.random.default_rng(0), CPU,
    )  # fmt: skip
    patches = next(made)
    assert patches.shape == (50, 4, 24, 24)
    assert torch.equal(patches[:, 0] > 0, patches[:, 1] > 0)
    monkeypatch.setattr(device_arrays, "_MAX_BYTES", 0)
    there = pool.batches((24, 24), 50, np.random.default_rng(0), CPU)
    assert next(there).shape == patches.shape


def test_the_same_seed_gives_the_same_patches():
    images = list(np.random.default_rng(0).random((3, 30, 30), dtype=np.float32))
    one, other = (
        TurnedPatches(images, (16, 16), 5, np.random.default_rng(0), CPU) for _ in range(2)
    )
    make = one.draw()  # in a thread, perhaps, after others have been drawn
    one.draw()
    assert torch.equal(make(), next(other))


def test_batches_that_do_not_fit_are_cut_on_the_cpu(device_path, monkeypatch):
    images = list(np.random.default_rng(0).random((3, 30, 30), dtype=np.float32))
    here = next(real_batches(images, (16, 16), 5, np.random.default_rng(0), CPU))
    monkeypatch.setattr(device_arrays, "_MAX_BYTES", 0)
    assert torch.equal(here, next(real_batches(images, (16, 16), 5, np.random.default_rng(0), CPU)))


def test_it_trains_on_the_device(device_path, monkeypatch):
    monkeypatch.setattr(refinement._refiner, "_POOL", 32)
    monkeypatch.setattr(refinement.monitor, "N_PATCHES", 24)
    monkeypatch.setattr(refinement.monitor, "N_EVALUATED", 4)
    real = CellSimulator(shape=(64, 80), noise=0.08, psf=2.0, radius=7).sample(6, 3)[0]
    refiner = SimulatedRefiner(width=8, depth=1, batch_size=2, random_state=0, max_steps=6)
    X, y = refiner.fit(real).sample(2, random_state=0)
    assert X.shape == y.shape == (2, 64, 64)
    assert all(np.isfinite(row["discriminator"]) for row in refiner.history_)
    assert all(parameter.device == CPU for parameter in refiner.network_.parameters())
