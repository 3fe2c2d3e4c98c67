"""Labels that lie beside the image: the offset is found, used and given back."""

import logging

import numpy as np
import pytest
import torch
from scipy import ndimage as ndi

from sskseg import SemiSupervisedSegmenter
from sskseg.datasets import make_cells
from sskseg.images.displacement import displace, displacement_margin
from sskseg.morphology import estimate_label_offset
from sskseg.training import SegmentationLoss

TINY = {"width": 8, "depth": 2, "batch_size": 2, "random_state": 0, "semi_supervision": None,
        "precision": "float32", "max_steps": 3, "augmentation": {"object_size": None}}  # fmt: skip


def cells(n=5, side=96):
    return make_cells(n_samples=n, shape=(side, side), random_state=0)


def moved(X, offset):
    """Images whose content lies by `offset` beside where it was."""
    return np.stack([ndi.shift(x.astype(float), offset, order=3, mode="nearest") for x in X])


@pytest.mark.parametrize("offset", [(0.5, -0.4), (1.0, 0.0), (-0.3, 1.2)])
@pytest.mark.parametrize("n", [2, 6])
def test_estimate(offset, n):
    X, y = cells(n, 192)
    found = estimate_label_offset(moved(X, offset)[..., None], y)
    np.testing.assert_allclose(found.offset, np.negative(offset), atol=0.06)
    assert found.p_value < 1e-3
    assert (found.standard_error < 0.05).all()


def test_no_offset_is_not_significant():
    X, y = cells(6, 192)
    found = estimate_label_offset(X[..., None], y)
    np.testing.assert_allclose(found.offset, 0, atol=0.03)
    assert found.p_value > 0.01


@pytest.mark.parametrize("smoothing", [0, 2])
@pytest.mark.parametrize("seed", range(4))
def test_images_that_do_not_show_the_outlines_have_no_offset(seed, smoothing):
    _, y = cells(3)
    noise = np.random.default_rng(seed).random(y.shape)
    images = np.stack([ndi.gaussian_filter(image, smoothing) for image in noise])
    assert estimate_label_offset(images[..., None], y) is None


def test_faint_outlines_are_enough():
    X, y = cells(6, 192)
    noise = np.random.default_rng(0).standard_normal(X.shape)
    images = moved(X / X.std(), (0.8, 0.0)) / 2 + noise
    found = estimate_label_offset(images[..., None], y)
    np.testing.assert_allclose(found.offset, (-0.8, 0.0), atol=0.2)
    assert found.p_value < 0.01


def test_estimate_of_volumes_with_unlabeled_pixels():
    X, y = make_cells(n_samples=2, shape=(32, 96, 96), random_state=0)
    labels = y.astype(int)
    labels[:, :, :10] = -1
    found = estimate_label_offset(moved(X, (0.5, 0.0, -0.6))[..., None], labels)
    np.testing.assert_allclose(found.offset, (-0.5, 0.0, 0.6), atol=0.12)


def test_estimate_without_outlines():
    X, y = cells(2)
    assert estimate_label_offset(X[..., None], np.zeros_like(y)) is None
    strokes = np.where(y > 0, y.astype(int), -1)
    assert estimate_label_offset(X[..., None], strokes) is None
    assert estimate_label_offset(np.zeros((*X.shape, 1)), y) is None


def test_displace_moves_content():
    x = np.random.default_rng(0).normal(size=(40, 50))
    smooth = torch.from_numpy(ndi.gaussian_filter(x, 2)).float()
    result = displace(smooth, (0.5, -1.3))
    expected = ndi.shift(smooth.numpy(), (0.5, -1.3), order=3)
    inner = (slice(6, -6),) * 2
    np.testing.assert_allclose(result[inner], expected[inner], atol=3e-3)
    assert torch.equal(displace(smooth, (2, 0))[2:], smooth[:-2])


def test_displace_parts_equals_displace_whole():
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(3, 61, 53))).float()
    offset = (0.62, -1.17)
    whole, margin = displace(x, offset), displacement_margin(offset)
    part = displace(x[:, 10:50, 7:40], offset)
    inner = (slice(None), slice(margin, -margin), slice(margin, -margin))
    assert torch.equal(part[inner], whole[:, 10:50, 7:40][inner])


def test_fit_finds_an_offset_and_keeps_it(tmp_path, caplog):
    X, y = cells()
    model = SemiSupervisedSegmenter(**TINY)
    assert model.fit(X, y).label_offset_ is None
    with caplog.at_level(logging.INFO, "sskseg"):
        model.fit(moved(X, (0.6, -0.5)), y)
    np.testing.assert_allclose(model.label_offset_, (-0.6, 0.5), atol=0.1)
    assert "pixels (y, x) beside the image" in caplog.text
    model.save(tmp_path / "m.sskseg")
    loaded = SemiSupervisedSegmenter.load(tmp_path / "m.sskseg")
    np.testing.assert_array_equal(loaded.label_offset_, model.label_offset_)
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))


def test_warm_start_keeps_the_offset():
    X, y = cells()
    model = SemiSupervisedSegmenter(**TINY, warm_start=True).fit(moved(X, (0.6, -0.5)), y)
    offset = model.label_offset_
    np.testing.assert_array_equal(model.fit(X, y).label_offset_, offset)


def test_training_sees_images_where_labels_lie():
    """Whole pixels need no interpolation: displaced images give the bits of aligned ones."""
    X, y = cells(3)
    shifted = np.roll(X, (1, 2), axis=(1, 2))
    loss = SegmentationLoss(label_offset=(-1, -2))
    plain = SegmentationLoss(label_offset=None)
    options = {**TINY, "augmentation": "dihedral", "patch_size": 48}
    ours = SemiSupervisedSegmenter(**options, loss=loss).fit(shifted, y)
    theirs = SemiSupervisedSegmenter(**options, loss=plain).fit(X, y)
    inner = (slice(None), slice(24, -24), slice(24, -24))
    np.testing.assert_allclose(
        ours.predict_proba(shifted)[inner], theirs.predict_proba(X)[inner], atol=3e-2
    )


@pytest.mark.parametrize("warp", [0.0, 1.0])
def test_patches_are_displaced(warp):
    """The images of training patches are those of an image that lies where its labels do."""
    from sskseg.images import PatchSampler
    from sskseg.images.augmentation import Augmentation
    from sskseg.training import PatchBatches

    X, y = cells(2, 128)
    smooth = np.stack([ndi.gaussian_filter(x.astype(float), 2) for x in X])[..., None]
    beside = np.stack([ndi.shift(x[..., 0], (0.7, -0.4), order=3, mode="nearest") for x in smooth])

    def batch(images, offset):
        return next(
            PatchBatches(
                list(images), list(y), section_indices=np.arange(2)[:, None],
                sampler=PatchSampler(y, (32, 32)), mean=np.zeros(1, np.float32),
                augmentation=Augmentation(warp_probability=warp, warm_up=0,
                                          photometric_probability=0),
                std=np.ones(1, np.float32), batch_size=8, rng=np.random.default_rng(0),
                device=torch.device("cpu"), offset=offset,
            )
        )  # fmt: skip

    ours, theirs = batch(beside[..., None], (-0.7, 0.4)), batch(smooth, None)
    assert torch.equal(ours.labels, theirs.labels)
    error = (ours.images - theirs.images).abs().mean() / theirs.images.std()
    plain = (batch(beside[..., None], None).images - theirs.images).abs().mean()
    assert error < 0.02 < plain / theirs.images.std()


@pytest.mark.parametrize("sections", ["independent", "consecutive"])
def test_dask_and_blocks_of_scans_equal_memory(monkeypatch, sections):
    import dask.array as da

    from sskseg.inference import tile_sizes

    monkeypatch.setattr(tile_sizes, "_MIN_HALOS_PER_TILE", 8)  # halos cover the receptive field
    monkeypatch.setattr(tile_sizes, "_TILE", {2: (96, 96), 3: (8, 32, 32)})
    X, y = cells(3, 320)
    loss = SegmentationLoss(("dice",), label_offset=(0.6, -0.3))
    model = SemiSupervisedSegmenter(**{**TINY, "depth": 1}, sections=sections, loss=loss).fit(X, y)
    expected = model.predict_proba(X)
    lazy = model.predict_proba(da.from_array(X, chunks=(3, 50, 70)))
    np.testing.assert_allclose(lazy.compute(), expected, atol=1e-6)
    if sections == "independent":
        blocks, z = model.block_predictor((320, 320), (48, 48)), ()
    else:
        blocks, z = model.block_predictor((3, 320, 320), (3, 48, 48)), (slice(None),)
    halo, core = blocks.halo[-2:], blocks.core[-2:]
    assert max(core) < 320
    for start in ((0, 0), core):
        read = [slice(max(0, s - h), s + c + h) for s, c, h in zip(start, core, halo, strict=True)]
        write = tuple(slice(s, s + c) for s, c in zip(start, core, strict=True))
        inner = tuple(slice(s - r.start, s - r.start + c)
                      for s, c, r in zip(start, core, read, strict=True))  # fmt: skip
        found = blocks.predict((X if z else X[0])[(*z, *read)])[(*z, *inner)]
        reference = (expected if z else expected[0])[(*z, *write)]
        np.testing.assert_allclose(found, reference, atol=1e-6)


def test_volumes_simulated_and_resampled_images_have_none():
    X, y = cells()
    shifted = moved(X, (0.6, -0.5))
    sized = SemiSupervisedSegmenter(**{**TINY, "augmentation": {"object_size": 30.0}})
    assert sized.fit(shifted, y).label_offset_ is None
    V, w = make_cells(n_samples=2, shape=(16, 32, 32), random_state=0)
    volumes = SemiSupervisedSegmenter(**TINY, spatial_ndim=3)
    assert volumes.fit(V, w).label_offset_ is None
    with pytest.raises(ValueError, match=r"label_offset=\(1, 0\) of the loss is for planes"):
        volumes.set_params(loss=SegmentationLoss(label_offset=(1, 0))).fit(V, w)


def test_large_offset_warns():
    X, y = cells(5, 128)
    with pytest.warns(UserWarning, match="too much to be corrected"):
        model = SemiSupervisedSegmenter(**TINY).fit(moved(X, (2.0, 0.0)), y)
    assert model.label_offset_ is None


@pytest.mark.parametrize("offset", ["left", (1,), (1, np.nan), (99, 0), ("a", "b")])
def test_bad_offset(offset):
    X, y = cells(2)
    model = SemiSupervisedSegmenter(**TINY, loss=SegmentationLoss(label_offset=offset))
    with pytest.raises(ValueError, match="label_offset"):
        model.fit(X, y)
