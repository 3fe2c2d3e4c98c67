"""Fits that start from the network of a trained model."""

import dataclasses
import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline

from sskseg import ImageStack, InstanceCounter, OtsuWatershed, SemiSupervisedSegmenter
from sskseg.datasets import make_cells
from sskseg.models import PretrainedBackbone, load_model, save_model
from sskseg.training import SegmentationLoss

TINY = {"width": 4, "depth": 1, "batch_size": 2, "random_state": 0, "semi_supervision": None}
CORES = SegmentationLoss(("cross-entropy", "dice", "core"))


@pytest.fixture(scope="module")
def trained():
    X, y = make_cells(n_samples=4, shape=(48, 48), random_state=0)
    segmenter = SemiSupervisedSegmenter(**TINY, max_steps=20, loss=CORES)
    return make_pipeline(segmenter, InstanceCounter()).fit(X, y), X, y


def start(model, X, y, **options):
    """The network from which a fit starts: nothing is learned at such a rate."""
    options = {"width": None, "depth": None, "learning_rate": 1e-12, "max_steps": 1, **options}
    segmenter = SemiSupervisedSegmenter(**{**TINY, **options})
    return segmenter.fit(PretrainedBackbone(model).fit_transform(X), y)


def test_weights_and_last_layer_are_taken_over(trained):
    model, X, y = trained
    assert start(model, X, y).has_cores_  # as the backbone, whatever the labels
    fitted = start(model, X, y, loss=CORES)
    assert fitted.architecture_ == ("unet-shuffle", 4, 1)
    before, after = (s.network_.state_dict() for s in (model[0], fitted))
    for name in before:
        if "running" not in name and "num_batches" not in name:
            torch.testing.assert_close(before[name], after[name], atol=1e-6, rtol=0)


def test_other_outputs_get_a_new_last_layer(trained):
    model, X, y = trained
    fitted = start(model, X, y, loss=SegmentationLoss(("cross-entropy", "dice")))
    assert not fitted.has_cores_
    same = {
        name: torch.equal(a, fitted.network_.state_dict()[name])
        for name, a in model[0].network_.state_dict().items()
        if name.endswith("weight") and a.shape == fitted.network_.state_dict()[name].shape
    }
    assert any(name.startswith("encoder") for name in same)
    assert not any(name.startswith("head") for name in same)


def test_channels_are_repeated_and_added_up(trained):
    model, X, y = trained
    rgb = np.stack([X, X, X], -1)
    wide = start(model, rgb, y, loss=CORES)
    assert wide.n_channels_ == 3
    gray = start(wide, X, y, loss=CORES)
    (first, *_), (again, *_) = (list(s.network_.state_dict().values()) for s in (model[0], gray))
    torch.testing.assert_close(first, again, atol=1e-6, rtol=0)
    with pytest.raises(ValueError, match="must be a multiple of the other"):
        start(wide, np.stack([X, X], -1), y)


def test_files_clones_and_saved_pipelines(trained, tmp_path):
    model, X, y = trained
    save_model(model, tmp_path / "model.sskseg")
    segmenter = SemiSupervisedSegmenter(semi_supervision=None, max_steps=2, random_state=0)
    step = PretrainedBackbone(str(tmp_path / "model.sskseg"))
    fitted = make_pipeline(clone(step), segmenter, InstanceCounter()).fit(X, y)
    save_model(fitted, tmp_path / "fine.sskseg")
    (tmp_path / "model.sskseg").unlink()  # what is saved needs it no more
    loaded = load_model(tmp_path / "fine.sskseg")
    assert loaded[0].backbone_ is None
    assert np.array_equal(loaded.predict(X), fitted.predict(X))
    with pytest.raises(FileNotFoundError, match=r"model\.sskseg"):
        loaded.fit(X, y)


def test_clones_share_a_fitted_model(trained):
    """Cross-validation clones, and a clone of the model has no network to start from."""
    model, X, y = trained
    segmenter = SemiSupervisedSegmenter(semi_supervision=None, max_steps=2, random_state=0)
    step = PretrainedBackbone(model)
    assert clone(step).model is model
    scores = cross_val_score(make_pipeline(step, segmenter), X, y, cv=2, error_score="raise")
    assert np.isfinite(scores).all()


def test_a_backbone_survives_a_cache(trained):
    import pickle

    backbone = trained[0][0].backbone()
    copied = pickle.loads(pickle.dumps(backbone))
    assert (copied.outputs, copied.n_channels) == (("foreground", "core"), 1)
    for a, b in zip(backbone.module.parameters(), copied.module.parameters(), strict=True):
        assert torch.equal(a, b)


def test_inverted_backbones_and_other_channels(trained):
    backbone = trained[0][0].backbone()
    x = torch.randn(1, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    expected = backbone.module(x)
    inverted = backbone.inverted()
    assert torch.equal(inverted.module(-x), expected)
    assert not torch.allclose(backbone.module(-x), expected)  # the first one is as it was
    wide = backbone.with_channels(3)
    assert (wide.n_channels, wide.outputs, wide.module.training) == (3, backbone.outputs, False)
    torch.testing.assert_close(wide.module(x.expand(1, 3, 32, 32)), expected, atol=1e-5, rtol=0)
    assert backbone.with_channels(1) is backbone


def test_a_network_of_bright_objects_is_inverted_for_dark_ones(caplog):
    X, y = make_cells(n_samples=2, shape=(64, 64), random_state=0)
    with caplog.at_level("INFO", "sskseg"):
        bright = start("cells-simulated", X, y, network="auto")
        assert "its first layer is inverted" not in caplog.text
        dark = start("cells-simulated", X.max() - X, y, network="auto")
        assert "its first layer is inverted" in caplog.text
    first, again = (next(iter(s.network_.state_dict().values())) for s in (bright, dark))
    torch.testing.assert_close(first, -again, atol=1e-6, rtol=0)
    scores = [s.score(images, y) for s, images in ((bright, X), (dark, X.max() - X))]
    assert scores[0] > 0.9
    assert scores[0] == pytest.approx(scores[1], abs=0.01)


def test_bad_models(trained):
    _, X, _ = trained
    with pytest.raises(FileNotFoundError, match="no trained model of that name; there are"):
        PretrainedBackbone("nucleus").fit(X)
    with pytest.raises(NotFittedError):
        PretrainedBackbone(SemiSupervisedSegmenter()).fit(X)
    with pytest.raises(ValueError, match="must hold a SemiSupervisedSegmenter"):
        PretrainedBackbone(make_pipeline(OtsuWatershed()).fit(X)).fit(X)
    with pytest.raises(ValueError, match="model"):
        PretrainedBackbone(3).fit(X)


def test_network_conflicts(trained):
    model, X, y = trained
    stack = ImageStack(X, backbone=model[0].backbone())
    with pytest.raises(ValueError, match="depth=3 conflicts"):
        SemiSupervisedSegmenter(depth=3, max_steps=1, semi_supervision=None).fit(stack, y)


def test_half_precision_predicts_nearly_the_same(trained, tmp_path):
    model, X, _ = trained
    save_model(model, tmp_path / "a.sskseg")
    save_model(model, tmp_path / "b.sskseg", half_precision=True)
    loaded = load_model(tmp_path / "b.sskseg")
    assert next(loaded[0].network_.parameters()).dtype == torch.float32
    a, b = (m[0].predict_proba(X) for m in (model, loaded))
    assert 0 < np.abs(a - b).max() < 0.01
    sizes = [(tmp_path / name).stat().st_size for name in ("a.sskseg", "b.sskseg")]
    assert sizes[0] - sizes[1] > 2000  # bytes, of some 1,500 weights; the rest is the header
    large = pickle.loads(pickle.dumps(model))
    with torch.no_grad():
        next(large[0].network_.parameters()).mul_(1e9)
    with pytest.raises(ValueError, match="exceeds the range of float16"):
        save_model(large, tmp_path / "b.sskseg", half_precision=True)
    assert np.array_equal(load_model(tmp_path / "b.sskseg")[0].predict_proba(X), b)


def test_images_get_the_object_size_of_the_backbone():
    """The network knows objects of that size only: one labeled image cannot tell otherwise."""
    X, y = make_cells(2, (64, 80), radius=4, random_state=0)
    options = {"width": 4, "depth": 2, "max_steps": 2, "semi_supervision": None, "random_state": 0}
    source = SemiSupervisedSegmenter(**options, augmentation={"object_size": 18.0}).fit(X, y)
    assert source.backbone().object_size == 18
    first = PretrainedBackbone(source)
    tuned = make_pipeline(first, SemiSupervisedSegmenter(**options)).fit(X[:1], y[:1])
    assert tuned[-1].object_size_ == 18
    restored = pickle.loads(pickle.dumps(source.backbone()))
    assert restored.object_size == 18
    as_they_are = SemiSupervisedSegmenter(**options, augmentation={"object_size": None})
    assert make_pipeline(first, as_they_are).fit(X, y)[-1].object_size_ is None
    sections = SemiSupervisedSegmenter(**options, section_context=0, sections="consecutive")
    assert make_pipeline(first, sections).fit(X, y)[-1].object_size_ is None


def test_a_network_that_does_the_task_learns_at_a_tenth_of_the_rate(trained):
    model, X, y = trained
    backbone, moved = model[0].backbone(), []
    for outputs in (backbone.outputs, ()):
        stack = ImageStack(X, backbone=dataclasses.replace(backbone, outputs=outputs))
        options = {**TINY, "width": None, "depth": None, "max_steps": 1, "loss": CORES}
        fitted = SemiSupervisedSegmenter(**options).fit(stack, y)
        before, after = (s.network_.encoder.state_dict() for s in (model[0], fitted))
        kernels = [(before[name], after[name]) for name in before if before[name].ndim == 4]
        moved.append(sum(change_of_direction(*pair) for pair in kernels))
    assert moved[0] / moved[1] == pytest.approx(0.1, rel=0.1)


def change_of_direction(before, after):
    """How far a kernel moved, besides the norm that it is given at the start."""
    along = before * (before * after).sum() / before.square().sum()
    return float((after - along).norm())
