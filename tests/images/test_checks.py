import dask.array as da
import numpy as np
import pytest
from sklearn.pipeline import make_pipeline

from sskseg import InstanceCounter, PercentileScaler
from sskseg.images import (
    ImageStack,
    check_generator,
    check_images,
    check_lazy_images,
    check_positions,
    check_sample_weight,
    spatial_ndim_of,
)


@pytest.mark.parametrize(
    ("X", "spatial_ndim", "message"),
    [
        (np.zeros((4, 5)), 2, "that is 3 or 4 axes"),
        (np.zeros((2, 3, 4, 5, 6)), 2, "that is 3 or 4 axes"),
        (np.zeros((0, 4, 4)), 2, "empty"),
        ([], 2, "empty"),
        (np.zeros((1, 0, 4)), 2, "empty"),
        (np.full((1, 4, 4), np.nan), 2, r"X\[0\] contains NaN or infinity"),
        ([np.zeros((4, 4)), np.full((4, 4), np.inf)], 2, r"X\[1\] contains NaN or infinity"),
        (np.zeros((1, 4, 4), complex), 2, "got dtype complex128"),
        (np.array([["a", "b"]])[None], 2, "got dtype <U1"),
        (
            [np.zeros((4, 4, 1)), np.zeros((4, 4, 2))],
            2,
            r"number of channels, got 1 \(X\[0\]\), 2 \(X\[1\]\)\.",
        ),
        ("images.tif", 2, "got str"),
        (np.zeros((1, 4, 4)), 4, "spatial_ndim must be 2 or 3, got 4"),
    ],
)
def test_bad_images_are_refused(X, spatial_ndim, message):
    with pytest.raises(ValueError, match=message):
        check_images(X, spatial_ndim)


def test_channel_mismatch_is_refused():
    with pytest.raises(ValueError, match=r"must have 2 channel\(s\), got 3"):
        check_images(np.zeros((1, 4, 4, 3)), 2, n_channels=2)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.uint16, np.int32, np.float16, np.float64])
def test_images_are_views_with_a_channel_axis(dtype):
    X = np.ones((2, 4, 5), dtype)
    images = check_images(X, 2)
    assert [image.shape for image in images] == [(4, 5, 1)] * 2
    assert all(np.shares_memory(image, X) for image in images)


def test_ragged_lists_and_stacks():
    X = [np.zeros((4, 5, 2)), np.zeros((6, 7, 2))]
    assert [i.shape for i in check_images(ImageStack(X), 2)] == [(4, 5, 2), (6, 7, 2)]


@pytest.mark.parametrize(
    ("positions", "message"),
    [
        ([0, 1], r"must have shape \(3,\)"),
        ([0.0, 1.0, 2.0], "must be integers"),
        ([0, 1, 1], r"\[1\] occur more than once"),
    ],
)
def test_bad_positions_are_refused(positions, message):
    with pytest.raises(ValueError, match=message):
        check_positions(positions, 3)


@pytest.mark.parametrize("weight", [[1, 2], [1, -1, 0], [1, np.nan, 0]])
def test_bad_sample_weights_are_refused(weight):
    with pytest.raises(ValueError, match="sample_weight must"):
        check_sample_weight(weight, 3)


def test_lazy_images_are_checked_by_shape_and_dtype():
    da = pytest.importorskip("dask.array")
    assert check_lazy_images(da.zeros((2, 4, 4)), 2).shape == (2, 4, 4, 1)
    with pytest.raises(ValueError, match="known, non-empty spatial axes"):
        check_lazy_images(da.zeros((4, 4)), 2)
    with pytest.raises(ValueError, match="complex"):
        check_lazy_images(da.zeros((2, 4, 4), dtype=complex), 2)


def test_generators_leave_global_state_alone():
    before = np.random.get_state()[1].copy()
    check_generator(None).random(10)
    assert check_generator(3).random() == check_generator(3).random()
    assert (np.random.get_state()[1] == before).all()
    with pytest.raises(ValueError, match="random_state must be"):
        check_generator("seed")


@pytest.mark.parametrize(("shape", "spatial_ndim"), [((2, 3, 32, 40), 2), ((2, 2, 9, 32, 40), 3)])
def test_channels_first_are_refused(shape, spatial_ndim):
    X = np.zeros(shape)
    for given in (X, list(X)):
        with pytest.raises(ValueError, match="X must have its channels in the last axis"):
            check_images(given, spatial_ndim)
    with pytest.raises(ValueError, match="X must have its channels in the last axis"):
        check_lazy_images(da.from_array(X), spatial_ndim)
    last = np.moveaxis(X, 1, -1)
    assert check_images(last, spatial_ndim)[0].shape == last.shape[1:]
    hyperspectral = np.zeros((2, 32, 40, 64))
    assert check_images(hyperspectral, 2)[0].shape == (32, 40, 64)


@pytest.mark.parametrize("shape", [(2, 3, 32, 40, 6), (1, 4, 400, 500, 40)])
def test_volumes_of_few_sections_may_have_many_channels(shape):
    assert check_images(np.zeros(shape, np.uint8), 3)[0].shape == shape[1:]
    assert check_lazy_images(da.zeros(shape, np.uint8), 3).shape == shape


def test_volumes_without_spatial_ndim_get_advice():
    advice = "For volumes, set spatial_ndim=3 in each step"
    with pytest.raises(ValueError, match=rf"got shape \(4, 8, 8, 2\)\. {advice}"):
        check_images([np.zeros((4, 8, 8, 2))], 2)
    with pytest.raises(ValueError, match=rf"got 32 channels\. .* {advice}"):
        InstanceCounter().fit([np.zeros((24, 30, 32))])


def test_spatial_axes_of_a_pipeline_are_the_most_of_its_steps():
    counter = InstanceCounter("components", spatial_ndim=3)
    assert spatial_ndim_of(counter) == 3
    assert spatial_ndim_of(make_pipeline(PercentileScaler(), counter)) == 3
    assert spatial_ndim_of(make_pipeline(make_pipeline(counter), "passthrough")) == 3
    assert spatial_ndim_of(make_pipeline(PercentileScaler(), InstanceCounter("components"))) == 2
