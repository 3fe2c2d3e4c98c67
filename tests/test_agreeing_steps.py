"""Settings that steps of a pipeline share: inferred, or refused before a training is lost."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.utils.validation import check_is_fitted

from sskseg import (
    CrossFitted,
    DomainCheck,
    ImageStack,
    InstanceCounter,
    LogBlobs,
    OtsuWatershed,
    PercentileScaler,
    PixelForest,
    PretrainedBackbone,
    ProxyPretrainer,
    SemiSupervisedSegmenter,
)
from sskseg.base import state_of
from sskseg.datasets import make_cells
from sskseg.io.models import write_model
from sskseg.models import load_model, save_model
from sskseg.report._outputs import apply

TINY = {"width": 2, "depth": 1, "max_steps": 2, "batch_size": 2, "random_state": 0}
VOLUMES = SemiSupervisedSegmenter(
    spatial_ndim=3, semi_supervision=None, patch_size=8, network="unet", **TINY
)
FOREST = PixelForest(n_estimators=2, sigma_max=1.0, spatial_ndim=3, random_state=0)
FOR_VOLUMES = "set spatial_ndim=3 in each step"


@pytest.fixture(scope="module")
def volumes():
    X, y = make_cells(n_samples=5, shape=(8, 16, 16), radius=3, n_cells=3, random_state=0)
    return np.clip(X, 0, 1), y


@pytest.mark.parametrize(
    "segmenter", [VOLUMES, FOREST, CrossFitted(VOLUMES, cv=2)], ids=lambda s: type(s).__name__
)
def test_the_counter_takes_the_axes_of_the_segmenter(segmenter, volumes):
    X, y = volumes
    model = make_pipeline(clone(segmenter), InstanceCounter()).fit(X, y)
    explicit = make_pipeline(clone(segmenter), InstanceCounter(spatial_ndim=3)).fit(X, y)
    assert model[-1].spatial_ndim is None
    assert model[-1].spatial_ndim_ == explicit[-1].spatial_ndim_ == 3
    assert np.array_equal(model.predict(X), explicit.predict(X))
    assert apply(model, X).spatial_ndim == 3
    assert apply(model, X).probability[0].shape == X[0].shape
    by_hand = clone(model[-1]).fit(model[0].transform(ImageStack(X)), y)
    assert by_hand.spatial_ndim_ == 3


@pytest.mark.parametrize("wrap", [lambda model: model, lambda model: CrossFitted(model, cv=2)])
def test_the_segmenter_takes_the_axes_of_the_pretrainer(wrap, volumes):
    """It failed after the pretraining, unless it had spatial_ndim=3, too."""
    X, y = volumes[0].repeat(2, axis=1), volumes[1].repeat(2, axis=1)
    options = {"semi_supervision": None, "max_steps": 2, "patch_size": 8, "random_state": 0}
    pretrainer = ProxyPretrainer(("rotation",), spatial_ndim=3, patch_size=16, **TINY)
    model, explicit = (
        make_pipeline(clone(pretrainer), wrap(SemiSupervisedSegmenter(**given, **options)),
                      InstanceCounter()).fit(X, y)
        for given in ({}, {"spatial_ndim": 3})
    )  # fmt: skip
    assert np.array_equal(model[:2].transform(X), explicit[:2].transform(X))
    assert np.array_equal(model.predict(X), explicit.predict(X))
    segmenter = getattr(model[1], "segmenter_", model[1])
    assert segmenter.get_params()["spatial_ndim"] is None
    assert segmenter.spatial_ndim_ == model[-1].spatial_ndim_ == 3
    segmenter.fit(X[:, 0], y[:, 0])
    assert segmenter.spatial_ndim_ == 2  # nothing says otherwise


def test_segmenters_of_earlier_versions_have_the_axes_of_their_parameter(volumes, tmp_path):
    X, y = volumes
    segmenter = clone(VOLUMES).fit(X, y)
    values, tensors = state_of(segmenter)
    del values["fitted"]["spatial_ndim_"]
    write_model(tmp_path / "segmenter", "SemiSupervisedSegmenter", values, tensors)
    earlier = SemiSupervisedSegmenter.load(tmp_path / "segmenter")
    assert earlier.spatial_ndim_ == 3
    assert np.array_equal(earlier.transform(X), segmenter.transform(X))


def test_the_axes_are_saved(volumes, tmp_path):
    X, y = volumes
    model = make_pipeline(clone(VOLUMES), InstanceCounter()).fit(X, y)
    save_model(model, tmp_path / "model")
    for copied in (load_model(tmp_path / "model"), pickle.loads(pickle.dumps(model))):
        assert copied[-1].spatial_ndim_ == 3
        assert np.array_equal(copied.predict(X), model.predict(X))


def test_counters_of_earlier_versions_have_the_axes_of_their_parameter(volumes, tmp_path):
    X, y = volumes
    counter = InstanceCounter(spatial_ndim=3).fit((y > 0).astype(float), y)
    values, tensors = state_of(counter)
    del values["fitted"]["spatial_ndim_"]
    write_model(tmp_path / "counter", "InstanceCounter", values, tensors)
    state = counter.__getstate__()
    del state["spatial_ndim_"]
    unpickled = InstanceCounter()
    unpickled.__setstate__(state)
    for earlier in (InstanceCounter.load(tmp_path / "counter"), unpickled):
        assert earlier.spatial_ndim_ == 3
        assert earlier.predict((y > 0).astype(float)).shape == (len(X),)


def test_axes_that_contradict_are_refused_and_the_segmenter_stays(volumes):
    model = make_pipeline(clone(VOLUMES), InstanceCounter(spatial_ndim=2))
    with pytest.raises(ValueError, match="spatial_ndim=2 conflicts with X, .* spatial_ndim=3"):
        model.fit(*volumes)
    check_is_fitted(model[0])
    refit = InstanceCounter().fit(ImageStack(model[0].transform(volumes[0]), spatial_ndim=3))
    assert refit.spatial_ndim_ == 3


@pytest.mark.parametrize(
    "step",
    [
        PercentileScaler(),
        DomainCheck(),
        ProxyPretrainer(("rotation",), **TINY),
        PretrainedBackbone("cells-simulated"),
        OtsuWatershed(),
        LogBlobs(),
        SemiSupervisedSegmenter(**TINY),
        PixelForest(),
    ],
    ids=lambda step: type(step).__name__,
)
def test_volumes_are_not_read_as_images_with_channels(step, volumes):
    """An axis of the volume would be scaled, measured or trained on as channels."""
    X, y = volumes
    for images, labels in ((X, y), (list(X), list(y)), (list(X), [None, *y[1:]])):
        with pytest.raises(ValueError, match=FOR_VOLUMES):
            clone(step).fit(images, labels)


@pytest.mark.parametrize("step", [PercentileScaler(), OtsuWatershed(), LogBlobs()])
def test_without_labels_the_shape_is_a_warning(step, volumes):
    with pytest.warns(UserWarning, match=f"8 x 16 pixels with 16 channels.*{FOR_VOLUMES}"):
        clone(step).fit(volumes[0])
    many_channels = np.random.default_rng(0).random((2, 20, 24, 6))
    clone(step).fit(many_channels)  # warnings are errors here
    assert clone(step).set_params(spatial_ndim=3).fit(volumes[0])


def test_lazy_volumes_are_no_images_with_channels(volumes):
    da = pytest.importorskip("dask.array")
    X = da.from_array(volumes[0], chunks=(1, 8, 16, 16))
    with pytest.warns(UserWarning, match=FOR_VOLUMES):
        PercentileScaler().fit(X)


def test_steps_hand_on_how_they_read_the_samples(volumes):
    X, y = np.concatenate([volumes[0], volumes[0]], axis=1), volumes[1]
    pretrainer = ProxyPretrainer(("rotation",), spatial_ndim=3, **TINY).fit(X)
    stack = PercentileScaler(spatial_ndim=3).fit(X).transform(pretrainer.transform(X))
    assert stack.spatial_ndim == stack[:2].spatial_ndim == 3
    assert pickle.loads(pickle.dumps(stack)).spatial_ndim == 3
    assert "spatial_ndim=3" in repr(stack)
    with pytest.raises(ValueError, match=r"spatial_ndim=2 conflicts .*: set spatial_ndim=3 in"):
        SemiSupervisedSegmenter(spatial_ndim=2, **TINY).fit(stack, y)
    with pytest.raises(ValueError, match="spatial_ndim must be 2, 3 or None, got 4"):
        ImageStack(X, spatial_ndim=4)


def test_contours_are_not_detected_in_probabilities():
    X, y = make_cells(n_samples=3, shape=(24, 24), random_state=0)
    for segmenter in (SemiSupervisedSegmenter(semi_supervision=None, **TINY), PixelForest(2)):
        model = make_pipeline(segmenter, InstanceCounter("contours"))
        with pytest.raises(ValueError, match="leave the segmenter out of the pipeline"):
            model.fit(X, y)
