"""Scans in blocks: objects, counts and tables are those of the whole scan."""

import copy
import logging
import os
import signal
import subprocess
import sys
import time
import warnings
from contextlib import contextmanager
from functools import cache, partial
from itertools import product

import dask.array as da
import numpy as np
import pandas as pd
import pytest
import torch
import zarr
from scipy import ndimage as ndi
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from sskseg import InstanceCounter, PercentileScaler, SemiSupervisedSegmenter
from sskseg.counting import Watershed
from sskseg.datasets import make_cells
from sskseg.images import ImageStack
from sskseg.io import read_object_table
from sskseg.io.storage import open_storage
from sskseg.scans import (
    ScanError,
    count_by_region,
    count_scan,
    density_map,
    open_scan,
    plan_scan,
)
from sskseg.scans.checkpoints import Ledger
from sskseg.scans.digest import hash_of
from sskseg.scans.scheduler import TASKS
from sskseg.segmentation._blocks import SegmenterBlocks
from sskseg.training import SegmentationLoss

PLAIN = SegmentationLoss(("cross-entropy", "dice", "distance"))  # no cores: of odd shapes


@cache
def network(ndim, scope):
    """A scaler and a network, what they give, and labels: fitted once for all counters.

    The network has hardly learned anything, so that objects have all shapes.
    """
    shape = (64, 64) if ndim == 2 else (16, 32, 32)
    X, y = make_cells(2, shape, random_state=0)
    scaler = PercentileScaler(spatial_ndim=ndim, scope=scope)
    segmenter = SemiSupervisedSegmenter(
        semi_supervision=None, spatial_ndim=ndim, width=4, depth=1, max_steps=60 * (ndim - 1),
        batch_size=2, precision="float32", random_state=0, loss=PLAIN,
    )  # fmt: skip
    return scaler, segmenter, segmenter.fit_transform(scaler.fit_transform(X, y), y), y


def fitted(counter, ndim=2, scope="dataset"):
    """A pipeline of copies of `network`, and a counter that is fitted to their outputs."""
    scaler, segmenter, outputs, y = network(ndim, scope)
    return make_pipeline(*copy.deepcopy((scaler, segmenter)), counter.fit(outputs, y))


@pytest.fixture(scope="module")
def components():
    return fitted(InstanceCounter("components", fill_holes=False))


@pytest.fixture(scope="module")
def watershed():
    return fitted(InstanceCounter())


@pytest.fixture
def one_thread():
    """With one thread everywhere: on some machines, two of them sum in another order."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


@pytest.fixture(scope="module")
def plane():
    return make_cells(1, (150, 170), random_state=3)[0][0]


def same(labels, expected):
    pairs = np.unique(np.stack([labels.ravel(), expected.ravel()], axis=1), axis=0)
    return all(len(np.unique(column)) == len(pairs) for column in pairs.T)


def compare(model, image, path, *, intensity=False, **options):
    """Whether the scan in blocks gives what the image in memory gives."""
    scan = da.from_array(image, chunks=64)
    found = count_scan(model, scan, path, intensity=intensity, **options)
    expected = np.asarray(model.transform(image[None]))[0]
    labels = found.labels.compute()
    assert same(labels, expected)
    assert found.n_objects == len(found.table) == expected.max() > 3
    images = image[None] if intensity else None
    table = model[-1].measure(model[:-1].transform(image[None]), intensity=images)
    table = table.drop(columns=["sample"])
    columns = [c for c in table.columns if c != "id"]
    order = [c for c in columns if c.startswith(("min", "max", "centroid"))]
    pd.testing.assert_frame_equal(
        found.table[columns].sort_values(order, ignore_index=True),
        table[columns].sort_values(order, ignore_index=True), check_dtype=False, rtol=1e-6,
    )  # fmt: skip
    return found


@pytest.mark.parametrize("block_shape", [None, 16, (31, 170), (200, 50)])
def test_components_are_those_of_the_whole(components, plane, tmp_path, block_shape):
    compare(components, plane, tmp_path / "out", block_shape=block_shape)


def test_row_groups_of_parquet_are_those_of_many_blocks(components, plane, tmp_path, monkeypatch):
    parquet = pytest.importorskip("pyarrow.parquet")
    whole = count_scan(components, da.from_array(plane), tmp_path / "whole", block_shape=40)
    assert parquet.ParquetFile(tmp_path / "whole" / "objects.parquet").num_row_groups == 1
    monkeypatch.setattr("sskseg.scans.output._GROUP_ROWS", 3)
    found = count_scan(components, da.from_array(plane), tmp_path / "out", block_shape=40)
    assert parquet.ParquetFile(tmp_path / "out" / "objects.parquet").num_row_groups > 2
    pd.testing.assert_frame_equal(found.table, whole.table)
    assert sorted(f.name for f in (tmp_path / "out" / "ledger").iterdir()) == ["done", "run.json"]


def test_small_components_are_removed_as_a_whole(plane, tmp_path):
    model = fitted(InstanceCounter("components", fill_holes=False, min_size=40))
    compare(model, plane, tmp_path / "out", block_shape=20)


@pytest.mark.parametrize("block_shape", [None, 48, (60, 170)])
def test_the_watershed_is_that_of_the_whole(watershed, plane, tmp_path, block_shape):
    options = {"block_shape": block_shape, "halo": 40, "intensity": block_shape is not None}
    found = compare(watershed, plane, tmp_path / "out", **options)
    assert not len(found.cut)
    assert ("mean_intensity" in found.table) == (block_shape is not None)


def test_the_progress_bar_counts_objects_at_borders_once(
    watershed, plane, tmp_path, monkeypatch, capsys
):
    def count(name):
        scan = da.from_array(plane, chunks=64)
        options = {"block_shape": 48, "halo": 40, "verbose": True}
        return count_scan(watershed, scan, tmp_path / name, **options).n_objects

    expected = f"16/16 blocks, {count('whole')} objects"
    assert expected in capsys.readouterr().err.splitlines()[-1]
    with monkeypatch.context() as context:
        context.setitem(TASKS, "join", lambda *_: 1 / 0)
        with pytest.raises(ScanError):
            count("resumed")
    capsys.readouterr()
    count("resumed")
    assert expected in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize("method", ["components", "watershed"])
def test_fragments_are_merged_across_blocks(plane, tmp_path, method):
    # The watershed at 0.5, where objects grow together to components larger than the halo.
    options = {"threshold": 0.6, "min_size": 16, "fill_holes": False, "merge_distance": 3.0}
    if method == "watershed":
        method, options["threshold"] = Watershed(seed_height=0.03), 0.5
    counter = InstanceCounter(method, **options)
    compare(fitted(counter), plane, tmp_path / "out", block_shape=60, halo=60)


def test_volumes(tmp_path):
    volume = make_cells(1, (20, 60, 50), random_state=3)[0][0]
    for method in ("components", "watershed"):
        model = fitted(InstanceCounter(method, fill_holes=False, spatial_ndim=3), ndim=3)
        options = {"intensity": True} if method == "components" else {"halo": 15}
        compare(model, volume, tmp_path / method, block_shape=(20, 30, 25), **options)


def test_each_channel_is_measured(tmp_path):
    X, y = make_cells(3, (64, 64), random_state=0)
    X = np.stack([X, 200 * y / y.max()], axis=-1).astype(np.uint8)
    segmenter = SemiSupervisedSegmenter(
        semi_supervision=None, width=4, depth=1, max_steps=20, batch_size=2, precision="float32",
        random_state=0,
    )  # fmt: skip
    model = make_pipeline(segmenter, InstanceCounter("components", fill_holes=False)).fit(X, y)
    image = np.concatenate([np.concatenate(X, axis=1), np.zeros((64, 192, 2), np.uint8)])
    found = compare(model, image, tmp_path / "out", block_shape=40, intensity=True)
    assert {"mean_intensity_0", "mean_intensity_1"} < set(found.table)
    nothing = count_scan(
        model, da.zeros((64, 64, 2), dtype=np.uint8), tmp_path / "empty", skip_below=1,
        intensity=True,
    )  # fmt: skip
    assert nothing.n_objects == 0
    assert list(nothing.table) == list(found.table)
    with pytest.raises(ValueError, match="holds a run of another intensity"):
        count_scan(model, da.from_array(image, chunks=64), tmp_path / "out", block_shape=40)


def test_intensities_are_read_again_only_where_objects_are(components, plane, tmp_path):
    image = np.concatenate([plane, np.zeros_like(plane)])
    reads = []

    def read(block, block_info=None):
        reads.append(block_info[0]["chunk-location"])
        if len(reads) in fails:
            raise OSError("Input/output error")
        return block

    scan, fails = da.from_array(image, chunks=50).map_blocks(read, dtype=image.dtype), ()
    reads.clear()
    options = {"block_shape": 50, "mask": np.array([[1], [0]]), "n_workers": 1}
    plain = count_scan(components, scan, tmp_path / "plain", **options)
    once = len(reads)
    found = count_scan(components, scan, tmp_path / "out", intensity=True, **options)
    busy = {tuple(np.array(at) // 50) for at in np.argwhere(found.labels.compute() > 0)}
    assert len(reads) - once == once + len(busy)
    intensities = [f"{name}_intensity" for name in ("mean", "min", "max")]
    assert found.table.drop(columns=intensities).equals(plain.table)
    labels = found.labels.compute()
    expected = ndi.mean(image, labels, found.table.id)
    assert np.allclose(found.table.mean_intensity, expected)
    assert np.array_equal(found.table.max_intensity, ndi.maximum(image, labels, found.table.id))
    # A second read that fails is repeated, at the latest by the next call.
    reads.clear()
    fails = range(once + 2, 10**6)
    with pytest.raises(ScanError, match="Input/output error"):
        count_scan(components, scan, tmp_path / "again", intensity=True, **options)
    fails = ()
    again = count_scan(components, scan, tmp_path / "again", intensity=True, **options)
    assert again.table.equals(found.table)


def test_intensity_must_be_a_bool(components, plane, tmp_path):
    image = da.from_array(plane)
    for wrong in ("yes", 1, plane):
        with pytest.raises(ValueError, match="intensity must be True or False"):
            count_scan(components, image, tmp_path / "new", intensity=wrong)
    assert not (tmp_path / "new").exists()


def test_a_channel_axis_of_one_is_none(tmp_path):
    X, y = make_cells(2, (64, 64), random_state=0)
    segmenter = SemiSupervisedSegmenter(
        semi_supervision=None, width=4, depth=1, max_steps=30, batch_size=2, precision="float32",
        random_state=0, loss=PLAIN,
    )  # fmt: skip
    model = make_pipeline(segmenter, InstanceCounter("components", fill_holes=False))
    found = compare(model.fit(X[..., None], y), X[0][..., None], tmp_path / "out", intensity=True)
    assert "mean_intensity" in found.table


class Middle(torch.nn.Module):
    """Foreground is what is bright in the middle one of three sections."""

    stride, reach = (1, 1), (0, 0)

    def __init__(self, in_channels, out_channels, *, width, depth, ndim):
        super().__init__()
        self.outputs, self.gain = out_channels, torch.nn.Parameter(torch.tensor(4.0))

    def forward(self, x):
        return (self.gain * (x[:, 1:2] - 0.5)).expand(-1, self.outputs, -1, -1)


@pytest.fixture(scope="module")
def sections():
    """Segmenters of consecutive sections, without and with a second network."""
    X = make_cells(1, (8, 48, 48), radius=9, noise=0.02, random_state=0)[0][0]
    y = np.where(np.arange(8)[:, None, None] % 4 == 1, X > 0.5, -1)
    options = {"network": Middle, "sections": "consecutive", "section_context": 1}
    options |= {"max_steps": 1, "learning_rate": 1e-9, "precision": "float32", "random_state": 0}
    options["loss"] = SegmentationLoss(("cross-entropy", "dice", "distance", "core"))
    return {
        methods: make_pipeline(
            PercentileScaler(), SemiSupervisedSegmenter(semi_supervision=methods, **options)
        ).fit(X, y)
        for methods in (None, "continuity")
    }


@pytest.mark.parametrize("methods", [None, "continuity"])
@pytest.mark.parametrize("method", ["components", "watershed"])
@pytest.mark.parametrize("block_shape", [(3, 64, 30), (20, 24, 30)])
def test_consecutive_sections(sections, tmp_path, methods, method, block_shape):
    stack = make_cells(1, (11, 64, 70), radius=4, noise=0.02, random_state=3)[0][0]
    model, halo = sections[methods], None if method == "components" else (0, 24, 24)
    assert (model[1].continuity_ is None) == (methods is None)
    probabilities = model.transform(stack)
    counter = InstanceCounter(method, fill_holes=method == "watershed", sections="consecutive")
    model = make_pipeline(*(step for _, step in model.steps), counter.fit(probabilities))
    options = {"block_shape": block_shape, "halo": halo, "keep_probabilities": True}
    options["intensity"] = True
    found = count_scan(model, da.from_array(stack), tmp_path / "out", **options)
    found_probabilities = zarr.open_array(tmp_path / "out" / "probabilities")[:]
    assert np.array_equal(found_probabilities, probabilities[..., 0])
    assert same(found.labels.compute(), np.asarray(counter.label(probabilities)))
    assert found.n_objects == counter.predict(probabilities).sum() > 5
    table = counter.measure(probabilities, intensity=stack)
    order = ["min_z", "min_y", "min_x", "max_z", "max_y", "max_x", "centroid_x"]
    columns = [c for c in table.columns if c != "id"]
    pd.testing.assert_frame_equal(
        found.table[columns].sort_values(order, ignore_index=True),
        table[columns].sort_values(order, ignore_index=True), check_dtype=False, rtol=1e-6,
    )  # fmt: skip


@cache
def consecutive(methods, depth, shape):
    """Sections, and a segmenter that is fitted to them once for both values of `augmented`."""
    X, y = make_cells(9, shape, radius=6, random_state=0)
    options = {"sections": "consecutive", "width": 4, "depth": depth, "max_steps": 30}
    options |= {"patch_size": 32}
    options |= {"precision": "float32", "random_state": 0, "semi_supervision": methods}
    known = np.where(np.arange(9)[:, None, None] % 3 == 1, y, -1)
    return X, SemiSupervisedSegmenter(**options).fit(X, known)


@pytest.mark.parametrize("augmented", [False, True])
@pytest.mark.parametrize(
    ("methods", "depth", "shape", "block"),
    [(None, 2, (50, 58), 24), ("continuity", 2, (50, 58), 24), ("continuity", 4, (50, 730), 32)],
)
def test_orientations_in_blocks_are_those_of_the_whole(
    tmp_path, methods, depth, shape, block, augmented
):
    X, segmenter = consecutive(methods, depth, shape)
    segmenter = copy.deepcopy(segmenter).set_params(test_time_augmentation=augmented)
    probabilities = segmenter.transform(X)
    counter = InstanceCounter("components", fill_holes=False, sections="consecutive").fit(
        probabilities
    )
    model = make_pipeline(segmenter, counter)
    blocks = (4, block, block)
    count_scan(
        model, da.from_array(X), tmp_path / "out", block_shape=blocks, keep_probabilities=True
    )
    found = zarr.open_array(tmp_path / "out" / "probabilities")[:]
    assert np.abs(found - probabilities[..., 0]).max() < 1e-5
    lazy = segmenter.transform(da.from_array(X, chunks=blocks)).compute()
    assert np.abs(lazy - probabilities).max() < 1e-5


class Clipped(TransformerMixin, BaseEstimator):
    """A step of the user's own that learns nothing and has no attributes."""

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return np.clip(X, 0, 1)


def test_steps_without_attributes_are_applied(components, plane, tmp_path):
    *_, segmenter, counter = (step for _, step in components.steps)
    compare(make_pipeline(Clipped(), segmenter, counter), plane, tmp_path / "out", block_shape=50)


@pytest.mark.parametrize("seed", range(24))
def test_random_stacks_of_sections(sections, tmp_path, seed):
    rng = np.random.default_rng(seed)
    shape = (int(rng.integers(2, 9)), *(int(side) for side in rng.integers(20, 50, 2)))
    stack = ndi.gaussian_filter(rng.normal(size=shape), (1, 2, 2))
    method = ["components", "watershed"][seed % 2]
    block_shape = tuple(int(rng.integers(1, n + 1)) for n in shape[:1])
    block_shape += tuple(int(rng.integers(16, n + 1)) for n in shape[1:])
    model = make_pipeline(PercentileScaler().fit(stack), sections[None][1])
    probabilities = model.transform(stack)
    counter = InstanceCounter(method, fill_holes=method == "watershed", sections="consecutive")
    model = make_pipeline(*(step for _, step in model.steps), counter.fit(probabilities))
    options = {"block_shape": block_shape, "halo": (0, 16, 16) if method == "watershed" else None}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of objects that are larger than the halo
        found = count_scan(model, da.from_array(stack), tmp_path / "out", **options)
    expected = np.asarray(counter.label(probabilities))
    if len(found.cut) == 0:
        assert same(found.labels.compute(), expected)
        assert found.n_objects == expected.max()
    else:
        assert method == "watershed"


def test_intensities_of_an_image_are_those_of_the_whole_scan(plane, tmp_path, monkeypatch):
    model = fitted(InstanceCounter("components", fill_holes=False), scope="image")
    image = plane * np.linspace(1, 3, 170)
    compare(model, image, tmp_path / "out", block_shape=50)

    def fit(*_):
        raise AssertionError("the whole scan is read again")

    monkeypatch.setattr(PercentileScaler, "fit", fit)
    count_scan(model, da.from_array(image, chunks=64), tmp_path / "out", block_shape=50)
    plan_scan(model, da.from_array(image, chunks=64), block_shape=50, measure=False)


def test_the_spacing_of_the_counter_where_the_scan_has_none(plane, tmp_path):
    model = fitted(InstanceCounter("components", fill_holes=False, spacing=(0.5, 2.0)))
    image = da.from_array(plane)
    found = count_scan(model, image, tmp_path / "out", block_shape=50)
    probabilities = model[:-1].transform(plane[None])
    assert np.isclose(found.table.area.sum(), model[-1].measure(probabilities).area.sum())
    model[-1].set_params(margin=3)
    with pytest.raises(ValueError, match="must have margin=0"):
        plan_scan(model, image)


@pytest.fixture(scope="module")
def sized():
    """A pipeline whose training images have pixels of 0.5 µm."""
    X, y = make_cells(2, (64, 64), random_state=0)
    segmenter = SemiSupervisedSegmenter(
        semi_supervision=None, width=4, depth=1, max_steps=30, batch_size=2, random_state=0
    )
    counter = InstanceCounter("components", fill_holes=False)
    X = ImageStack(X, spacing=(0.5, 0.5), unit="µm")
    return make_pipeline(PercentileScaler(), segmenter, counter).fit(X, y)


def test_the_size_of_the_training_images_where_the_scan_has_none(sized, plane, tmp_path, recwarn):
    found = count_scan(sized, da.from_array(plane), tmp_path / "out")
    assert found.table.attrs["units"]["area"] == "micrometer^2"
    labels = open_scan(tmp_path / "out")
    assert (labels.spacing, labels.unit) == ((0.5, 0.5), "micrometer")
    assert not [each for each in recwarn if "A pixel of" in str(each.message)]


@pytest.mark.parametrize(("step", "unit", "n"), [(5.0, "µm", 1), (600.0, "nm", 0)])
def test_pixels_unlike_those_of_the_training(sized, plane, tmp_path, recwarn, step, unit, n):
    path = save_tiff(tmp_path / "scan.tif", plane)
    scan = open_scan(path, spacing=(step, step), unit=unit)
    count_scan(sized, scan, tmp_path / "out")
    texts = [text for text in (str(each.message) for each in recwarn) if "A pixel of" in text]
    assert len(texts) == n
    assert all(f"{path} is 5 µm, and one of the images that the model" in each for each in texts)


def test_objects_larger_than_the_halo_are_listed(watershed, plane, tmp_path):
    with pytest.warns(UserWarning, match="larger than the halo"):
        found = count_scan(watershed, da.from_array(plane), tmp_path / "x", block_shape=16, halo=1)
    assert set(found.cut.id) <= set(found.table.id)
    assert "larger than the halo" in set(found.cut.reason)


def test_parameters_may_be_larger_than_a_block():
    """A block at the border is small."""
    labels = np.zeros((1, 60, 60), int)
    labels[0, 10:30, 10:30] = 1
    method = Watershed("distance", smoothing=14.0)
    counter = InstanceCounter(method, min_size=300, merge_distance=20.0).fit(labels * 1.0, labels)
    objects = counter.block_objects()
    assert objects.find(labels[0] * 1.0).labels.max() == 1
    assert not objects.find(labels[0, 5:17, 5:18] * 1.0).labels.any()
    assert not counter.label(labels[:, 5:17, 5:18] * 1.0).any()  # as of a small image
    with pytest.raises(ValueError, match="min_size must be at most 156 for images of 12 x 13"):
        counter.fit(labels[:, 5:17, 5:18] * 1.0)


def test_labels_probabilities_and_tables_are_written(components, plane, tmp_path, one_thread):
    scan = open_scan(save_tiff(tmp_path / "scan.tif", plane), spacing=(0.5, 2.0), unit="µm")
    found = count_scan(
        components, scan, tmp_path / "out", block_shape=64, keep_probabilities=True
    )  # fmt: skip
    probability = zarr.open_array(tmp_path / "out" / "probabilities")[:]
    assert np.array_equal(probability, components[:-1].transform(plane[None])[0])
    again = open_scan(tmp_path / "out" / "labels")
    assert (again.axes, again.spacing, again.unit) == ("yx", (0.5, 2.0), "micrometer")
    assert np.array_equal(again.data.compute(), found.labels.compute())
    csv = read_object_table(tmp_path / "out" / "objects.csv")
    pd.testing.assert_frame_equal(csv, found.table, check_dtype=False)
    assert csv.attrs == found.table.attrs
    assert csv.attrs["units"]["area"] == "micrometer^2"
    assert "area [micrometer^2]" in pd.read_csv(tmp_path / "out" / "objects.csv").columns
    np.testing.assert_allclose(csv.area.sum(), (found.labels.compute() > 0).sum())


def test_the_pyramid_keeps_ids(components, tmp_path):
    image = make_cells(1, (300, 520), random_state=0)[0][0]
    found = count_scan(components, da.from_array(image), tmp_path / "out", block_shape=(128, 100))
    coarse = open_scan(tmp_path / "out" / "labels", level=1)
    assert coarse.spacing == (2.0, 2.0)
    assert np.array_equal(coarse.data.compute(), found.labels.compute()[::2, ::2])
    assert open_scan(tmp_path / "out" / "labels", level=2).data.shape == (75, 130)


@pytest.mark.parametrize("coarse", [False, True])
@pytest.mark.parametrize("scope", ["dataset", "image"])
def test_nan_outside_of_the_mask_is_read_as_zero(plane, tmp_path, scope, coarse):
    model = fitted(InstanceCounter("components", fill_holes=False), scope=scope)
    inside = np.ones((15, 17), bool) if coarse else np.ones(plane.shape, bool)
    inside[:, inside.shape[1] * 10 // 17 :] = False
    wide = inside.repeat(10, 0).repeat(10, 1) if coarse else inside
    options = {"block_shape": 50, "mask": inside, "intensity": True}
    zeros, nans = (
        count_scan(
            model, da.from_array(np.where(wide, plane, value), chunks=40), tmp_path / str(value),
            **options,
        )
        for value in (np.float32(0), np.float32(np.nan))
    )  # fmt: skip
    assert zeros.n_objects == nans.n_objects > 0
    assert (zeros.labels == nans.labels).all().compute()
    pd.testing.assert_frame_equal(zeros.table, nans.table)


@pytest.mark.parametrize("scope", ["dataset", "image"])
def test_nan_inside_of_the_mask_is_an_error(plane, tmp_path, scope):
    model = fitted(InstanceCounter("components", fill_holes=False), scope=scope)
    scan = da.from_array(np.where(np.arange(170) < 100, plane, np.float32(np.nan)))
    almost = np.broadcast_to(np.arange(170) < 101, plane.shape)
    for number, mask in enumerate((None, almost)):
        with pytest.raises(
            (ScanError, ValueError), match="contains NaN or infinity.*mask must be 0"
        ):
            count_scan(model, scan, tmp_path / str(number), block_shape=50, mask=mask)


def test_a_step_may_replace_nan(components, plane, tmp_path):
    holes = np.where(np.arange(170) < 100, plane, np.float32(np.nan))
    steps = [FunctionTransformer(np.nan_to_num), *(step for _, step in components.steps)]
    counts = [
        count_scan(model, da.from_array(image), tmp_path / name, block_shape=50).n_objects
        for name, model, image in (
            ("nan", make_pipeline(*steps), holes),
            ("zero", components, np.nan_to_num(holes)),
        )
    ]
    assert counts[0] == counts[1] > 0


def test_empty_blocks_are_skipped(components, plane, tmp_path, monkeypatch):
    empty = np.zeros_like(plane)
    calls = []
    predict = SegmenterBlocks.predict
    monkeypatch.setattr(
        SegmenterBlocks, "predict", lambda *a, **k: calls.append(1) or predict(*a, **k)
    )
    found = count_scan(components, da.from_array(empty), tmp_path / "out", skip_below=0.5)
    assert (found.n_objects, len(found.table), len(calls)) == (0, 0, 0)


def test_the_time_of_a_plan_is_that_of_all_tasks(components, plane, monkeypatch):
    ticks = iter(range(100))  # each task takes a second
    monkeypatch.setattr("sskseg.scans.timing.perf_counter", lambda: float(next(ticks)))
    assert plan_scan(components, da.from_array(plane), block_shape=50).seconds == 1 + 12 + 12


def test_a_plan_has_blocks_overhead_memory_and_time(components, plane, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    plan = plan_scan(components, da.from_array(plane), block_shape=50)
    assert (plan.n_predict, plan.n_blocks, plan.overhead) == (1, 12, 1.0)
    network = 4 * 8 * 2 * 150 * 170  # float32; the largest layer is the head of two outputs
    assert plan.memory == 40 * 50 * 50 + 20 * 150 * 170 + network
    assert plan.seconds > 0
    for mask, n_predict, n_blocks in (([[1, 0]], 1, 6), ([[0, 0]], 0, 0)):
        plan = plan_scan(components, da.from_array(plane), block_shape=50, mask=np.array(mask))
        assert (plan.n_predict, plan.n_blocks, plan.overhead) == (n_predict, n_blocks, n_predict)
        assert (plan.seconds is None) == (n_predict == 0)
    assert not list(tmp_path.iterdir())  # what was written for the measurement is removed
    few = plan_scan(components, da.zeros((9000, 9000), chunks=500), n_workers=10**6, measure=False)
    many = plan_scan(components, da.zeros((9000, 9000), chunks=500), n_workers=1, measure=False)
    assert few.block_shape < many.block_shape


@pytest.mark.parametrize(("block_shape", "halo"), [(1000, 128), (200, 50)])
def test_the_default_halo_is_at_most_a_quarter_of_a_block(watershed, block_shape, halo):
    scan = da.zeros((2000, 2000), chunks=500)
    assert plan_scan(watershed, scan, block_shape=block_shape, measure=False).halo == (halo, halo)


def test_plans_use_the_memory_of_a_cluster(components):
    class Client:
        def scheduler_info(self, n_workers):
            return {"workers": {i: {"memory_limit": 4 * 10**6, "nthreads": 2} for i in range(3)}}

    image = da.zeros((9000, 9000), chunks=500)
    plan = plan_scan(components, image, client=Client(), measure=False)
    assert 40 * np.prod(plan.block_shape) < 10**6


# Restart


def content(folder):
    """All files of a result, byte by byte; the ledger's too."""
    return {str(f.relative_to(folder)): f.read_bytes() for f in folder.rglob("*") if f.is_file()}


@contextmanager
def interrupted_at(task, monkeypatch):
    """Interrupt `count_scan` where a task begins; nowhere if that is None."""
    if task is None:
        yield
        return
    with monkeypatch.context() as context:
        context.setitem(TASKS, task, lambda *a: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            yield


@pytest.mark.parametrize("task", ["predict", "objects", "write"])
def test_a_failed_block_is_retried_then_reported_and_the_rest_is_done(
    components, plane, tmp_path, monkeypatch, task
):
    whole = count_scan(components, da.from_array(plane), tmp_path / "whole", block_shape=50)
    original = TASKS[task]
    tries = []

    def fails(plan, store, block):
        if block == 0:
            tries.append(block)
            raise OSError("No space left on device")
        return original(plan, store, block)

    monkeypatch.setitem(TASKS, task, fails)
    with pytest.raises(ScanError, match=f"1 block.* in task '{task}', block 0.*No space left"):
        count_scan(components, da.from_array(plane), tmp_path / "out", block_shape=50)
    assert len(tries) == 3
    monkeypatch.setitem(TASKS, task, original)
    found = count_scan(components, da.from_array(plane), tmp_path / "out", block_shape=50)
    assert content(tmp_path / "out") == content(tmp_path / "whole")
    assert found.table.equals(whole.table)


def test_functions_are_part_of_a_run(components):
    def model(function):
        return make_pipeline(FunctionTransformer(function), *(s for _, s in components.steps))

    def scaled(by):
        return lambda x: x * by

    class Gain:
        def __init__(self, by):
            self.by = by

        def __call__(self, x):
            return x * self.by

        def apply(self, x):
            return x * self.by

    class OtherGain(Gain):
        def __call__(self, x):
            return x + self.by

    def again(x, depth=1):
        return again(x, depth - 1) if depth else x

    functions = [lambda x: x + 1, lambda x: x + 2, lambda x: np.abs(x), scaled(2), scaled(3),
                 np.abs, np.sqrt, partial(np.add, 1), partial(np.add, 2), Gain(2), Gain(3),
                 Gain(2).apply, Gain(3).apply, OtherGain(2), again, (1, 11), (11, 1),
                 torch.tensor([1.0]), torch.tensor([2.0])]  # fmt: skip
    assert len({hash_of(model(function)) for function in functions}) == len(functions)
    assert hash_of(model(scaled(2))) == hash_of(model(scaled(2)))
    assert hash_of(model(Gain(2))) == hash_of(model(Gain(2)))


def test_globals_are_part_of_a_run():
    def of(gain):
        names = {"__name__": "__main__", "gain": gain}
        exec("function = lambda x: x * gain", names)
        return hash_of(names["function"])

    assert of(2) != of(3)
    assert of(2) == of(2)


def test_definitions_of_a_script_are_part_of_a_run():
    def of(limit, factor):
        names = {"__name__": "__main__", "LIMIT": limit, "np": np, "logging": logging}
        exec(
            "log = logging.getLogger('test')\n"
            "class Step:\n"
            f"    factor = {factor}\n"
            "    def transform(self, X):\n"
            "        log.info('step')\n"
            "        return [np.minimum(x, LIMIT).data for x in X]\n",
            names,
        )
        return hash_of(names["Step"]())

    assert len({of(1, 2), of(2, 2), of(1, 3)}) == 3
    before = of(1, 2)
    logging.getLogger("test").info("a message")
    logging.getLogger("another one")
    assert of(1, 2) == before


def test_other_runs_are_refused_and_finished_ones_are_read(components, watershed, plane, tmp_path):
    image, out = da.from_array(plane), tmp_path / "out"
    first = count_scan(components, image, out, block_shape=50)
    before = content(out)
    assert count_scan(components, image, out, block_shape=50).table.equals(first.table)
    assert content(out) == before
    for change, what in (
        ({"block_shape": 40}, "block_shape"),
        ({"skip_below": 0.1}, "skip_below"),
        ({"estimator": watershed, "halo": 0}, "model"),
        ({"source": image + 1}, "source"),
    ):
        options = {"estimator": components, "source": image, "block_shape": 50, **change}
        model, source = options.pop("estimator"), options.pop("source")
        with pytest.raises(ValueError, match=f"holds a run of another {what}"):
            count_scan(model, source, out, **options)
    assert content(out) == before
    anew = count_scan(components, image, out, block_shape=40, resume=False)
    assert anew.n_objects == first.n_objects


def test_a_generator_of_random_numbers_is_not_part_of_a_run(components, plane, tmp_path):
    image, out, tables = da.from_array(plane), tmp_path / "out", []
    for seed in (0, 1):
        model = copy.deepcopy(components)
        model[1].random_state = np.random.default_rng(seed)
        tables.append(count_scan(model, image, out, block_shape=50).table)
    assert tables[0].equals(tables[1])


def test_a_damaged_entry_counts_as_missing(components, plane, tmp_path, monkeypatch):
    image, out = da.from_array(plane), tmp_path / "out"
    with interrupted_at("finish", monkeypatch):
        count_scan(components, image, out, block_shape=50)
    entry = sorted((out / "ledger" / "objects").rglob("0*"))[-1]
    entry.write_bytes(entry.read_bytes()[:-5])
    count_scan(components, image, out, block_shape=50)
    count_scan(components, image, tmp_path / "whole", block_shape=50)
    assert content(out) == content(tmp_path / "whole")


KILLED = """
import os, sys, time, joblib, torch, dask.array as da
from sskseg.scans import count_scan
from sskseg.scans.scheduler import TASKS
from sskseg.segmentation._blocks import SegmenterBlocks
torch.set_num_threads(int(sys.argv[3]))  # sums in another order differ in the last bit
for task in ("predict", "objects", "write"):
    def slow(plan, store, block, original=TASKS[task]):
        time.sleep(0.02)
        return original(plan, store, block)
    TASKS[task] = slow
model, image = joblib.load(sys.argv[1])
for line in sys.stdin:  # a process for each line: importing takes longer than counting
    if os.fork() == 0:
        print(os.getpid(), flush=True)
        count_scan(model, da.from_array(image), sys.argv[2], block_shape=24, n_workers=2)
        print("done", flush=True)
        os._exit(0)
    os.wait()
"""


def test_killed_runs_resume_and_end_with_the_same_bytes(components, plane, tmp_path):
    import joblib

    joblib.dump((components, plane), tmp_path / "job")
    count_scan(components, da.from_array(plane), tmp_path / "whole", block_shape=24)
    rng, out = np.random.default_rng(0), tmp_path / "out"
    command = [sys.executable, "-c", KILLED, str(tmp_path / "job"), str(out),
               str(torch.get_num_threads())]  # fmt: skip
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, text=True, bufsize=1, **pipes) as run:
        for _ in range(5):
            run.stdin.write("count\n")
            pid = int(run.stdout.readline())
            time.sleep(rng.uniform(0.02, 0.4))
            os.kill(pid, signal.SIGKILL)
        assert "done" not in run.communicate()[0]
    assert run.returncode == 0
    count_scan(components, da.from_array(plane), out, block_shape=24)
    kept = {name for name in content(out) if ".part" not in name}  # of writes that were cut off
    whole = content(tmp_path / "whole")
    assert {name: content(out)[name] for name in kept} == whole


def test_a_cluster_does_what_threads_do(components, plane, tmp_path, one_thread):
    import random

    from distributed import Client, LocalCluster

    before = random.getstate()  # which distributed draws from
    expected = count_scan(components, da.from_array(plane), tmp_path / "a", block_shape=50)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with (
            LocalCluster(
                n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None
            ) as cluster,
            Client(cluster) as client,
        ):
            found = count_scan(
                components, da.from_array(plane), tmp_path / "b", block_shape=50, client=client
            )
    random.setstate(before)
    assert found.table.equals(expected.table)
    assert content(tmp_path / "b") == content(tmp_path / "a")


# What is refused


def test_unsuitable_input_is_refused_before_anything_is_written(
    components, sections, plane, tmp_path
):
    image = da.from_array(plane)
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "mine.txt").write_text("mine")
    file = tmp_path / "file"
    file.write_text("")
    mixed = make_pipeline(components[0], sections[None][1], components[-1])
    unfitted = make_pipeline(components[0], SemiSupervisedSegmenter(), components[-1])
    for arguments, options, message in [
        ((components, plane, tmp_path / "o"), {}, "must be a path, a Scan or a dask array"),
        ((components[-1], image, tmp_path / "o"), {}, "must be a fitted pipeline"),
        ((components[:-1], image, tmp_path / "o"), {}, "must be a fitted pipeline"),
        ((unfitted, image, tmp_path / "o"), {}, "not fitted yet"),
        ((mixed, image, tmp_path / "o"), {}, "must both have sections='consecutive', or neith"),
        ((components, image[None, None], tmp_path / "o"), {}, "must have 2 spatial axes"),
        ((components, image, tmp_path / "o"), {"block_shape": (3, 4, 5)}, "must be 2 integers"),
        ((components, image, tmp_path / "o"), {"block_shape": 0}, "must be at least 1"),
        ((components, image, tmp_path / "o"), {"block_shape": 8, "halo": 9}, "as long as the halo"),
        ((components, image, taken), {}, "holds something else"),
        ((components, image, file), {}, "is a file"),
    ]:
        with pytest.raises(ValueError, match=message):
            count_scan(*arguments, **options)
    assert not (tmp_path / "o").exists()
    assert os.listdir(taken) == ["mine.txt"]


def test_a_chunk_that_cannot_be_read_is_reported_and_nothing_is_lost(components, plane, tmp_path):
    array = zarr.create_array(
        tmp_path / "scan.zarr", shape=plane.shape, chunks=(50, 50), dtype=plane.dtype
    )
    array[:] = plane
    chunk = tmp_path / "scan.zarr" / "c" / "1" / "1"
    content_of_chunk = chunk.read_bytes()
    times = os.stat(tmp_path / "scan.zarr").st_mtime_ns
    chunk.write_bytes(b"nonsense")
    with pytest.raises(ScanError, match="task 'predict', block 0"):
        count_scan(components, tmp_path / "scan.zarr", tmp_path / "out", block_shape=50)
    chunk.write_bytes(content_of_chunk)
    os.utime(tmp_path / "scan.zarr", ns=(times, times))
    found = count_scan(components, tmp_path / "scan.zarr", tmp_path / "out", block_shape=50)
    assert same(found.labels.compute(), np.asarray(components.transform(plane[None]))[0])


def test_a_resumed_run_keeps_its_blocks(components, plane, tmp_path, monkeypatch):
    """The blocks of the network are not those in which objects are found."""
    from sskseg.scans import plan
    from sskseg.segmentation import _block_shapes

    monkeypatch.setattr(plan, "_BLOCK", {2: (50, 50)})
    tiles = 90**2 * components[1].block_predictor((150, 170)).memory(1000) / 1000
    monkeypatch.setattr(_block_shapes, "_NETWORK_BYTES", tiles)
    monkeypatch.setattr(_block_shapes, "core_size", lambda *_: 16)
    image = da.from_array(plane)
    plan = plan_scan(components, image, measure=False)
    assert 1 < plan.n_predict < plan.n_blocks
    count_scan(components, image, tmp_path / "whole")
    predict = TASKS["predict"]

    def fails(plan, store, block):
        if block == 0:
            raise OSError("cannot be read")
        return predict(plan, store, block)

    monkeypatch.setitem(TASKS, "predict", fails)
    with pytest.raises(ScanError, match="cannot be read"):
        count_scan(components, image, tmp_path / "out")
    monkeypatch.setitem(TASKS, "predict", predict)
    count_scan(components, image, tmp_path / "out")
    assert content(tmp_path / "out") == content(tmp_path / "whole")
    with pytest.raises(ValueError, match="another predict_shape"):
        count_scan(components, image, tmp_path / "out", block_shape=50)


@pytest.mark.parametrize(("step", "array"), [("join", "probabilities"), ("finish", "labels/0")])
def test_damaged_output_is_written_again(components, plane, tmp_path, monkeypatch, step, array):
    image, out = da.from_array(plane), tmp_path / "out"
    count_scan(components, image, tmp_path / "whole", block_shape=50)
    with interrupted_at(step, monkeypatch):
        count_scan(components, image, out, block_shape=50)
    files = sorted(f for f in (out / array).rglob("*") if f.is_file() and f.name != "zarr.json")
    files[0].unlink()
    files[-1].write_bytes(b"nonsense")
    if array == "probabilities":  # they are needed only where objects are not found yet
        for part in ("objects", "edges", "sums", "match"):
            Ledger(open_storage(out)).remove(part)
    count_scan(components, image, out, block_shape=50)
    assert content(out) == content(tmp_path / "whole")


def test_an_error_of_the_disk_is_no_damaged_chunk(components, plane, tmp_path, monkeypatch):
    image, out = da.from_array(plane), tmp_path / "out"
    with interrupted_at("finish", monkeypatch):
        count_scan(components, image, out, block_shape=50)
    before = content(out)

    def fails(*_):
        raise OSError("the disk is gone")

    with monkeypatch.context() as context:
        context.setattr(zarr.Array, "__getitem__", fails)
        with pytest.raises(OSError, match="the disk is gone"):
            count_scan(components, image, out, block_shape=50)
    assert {k: v for k, v in content(out).items() if k != "ledger/owner"} == {
        k: v for k, v in before.items() if k != "ledger/owner"
    }


def test_each_block_writes_one_file_of_an_array(components, plane, tmp_path, monkeypatch):
    """Its chunks are a shard, of which blocks at the end of an axis fill a part; a damaged one is
    written again."""
    image, out = da.from_array(plane), tmp_path / "out"
    options = {"block_shape": 50, "keep_probabilities": True}
    whole = count_scan(components, image, tmp_path / "whole", **options)
    monkeypatch.setattr("sskseg.scans.store._MAX_CHUNK", {2: (25, 25)})
    for damaged in (False, True):
        found = count_scan(components, image, out, **options)
        assert (found.labels == whole.labels).all().compute()
        for name in ("labels/0", "probabilities"):
            array = zarr.open_array(out / name, mode="r")
            assert array.chunks == (25, 25)
            assert np.array_equal(array[:], zarr.open_array(tmp_path / "whole" / name)[:])
            shards = sorted(f for f in (out / name / "c").rglob("*") if f.is_file())
            if name == "labels/0":
                assert array.shards == (50, 50)
                starts = product(range(0, 150, 50), range(0, 170, 50))
                assert len(shards) == sum(array[y : y + 50, x : x + 50].any() for y, x in starts)
            if not damaged:
                shards[0].unlink()
                shards[-1].write_bytes(b"nonsense")
        Ledger(open_storage(out)).remove("done")


def test_another_content_of_the_same_file_is_refused(components, plane, tmp_path):
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "scan.h5"
    for image in (plane, plane[::-1]):
        with h5py.File(path, "w") as file:
            file["image"] = image
        os.utime(path, ns=(0, int(image[0, 0] * 1e9)))
        if image is plane:
            count_scan(components, f"{path}:/image", tmp_path / "out", block_shape=50)
    with pytest.raises(ValueError, match="another source"):
        count_scan(components, f"{path}:/image", tmp_path / "out", block_shape=50)


@pytest.mark.parametrize("step", ["join", None])
def test_runs_resume_after_files_were_replaced_by_equal_ones(
    components, plane, tmp_path, monkeypatch, step
):
    """A file that was copied again later; other files in the folder; a relative path."""
    folder = tmp_path / "sections"
    folder.mkdir()
    path = save_tiff(folder / "a.tif", plane)
    expected = count_scan(components, da.from_array(plane), tmp_path / "whole", block_shape=50)
    with interrupted_at(step, monkeypatch):
        count_scan(components, path, folder / "out", block_shape=50)
    os.utime(path, ns=(0, 10**18))
    (folder / ".DS_Store").write_text("")
    monkeypatch.chdir(folder)
    found = count_scan(components, "a.tif", "out", block_shape=50)
    assert found.table.equals(expected.table)
    save_tiff(path, plane[::-1])
    with pytest.raises(ValueError, match="another source: the pixels of the scan have changed"):
        count_scan(components, "a.tif", "out", block_shape=50)


def test_a_run_that_was_overtaken_does_not_write(components, plane, tmp_path, monkeypatch):
    monkeypatch.setattr("sskseg.scans.checkpoints._PAUSES", (0.0,))
    ledger = Ledger.open(open_storage(tmp_path), {"stamps": ""})
    left = Ledger(ledger.storage, ledger.take_over())
    left.write("objects", 0, n=1)
    ledger.take_over()
    with pytest.raises(RuntimeError, match="Another call of count_scan has taken over"):
        left.write("objects", 1, n=1)
    ledger.write("objects", 1, n=1)
    ledger.release()
    with pytest.raises(RuntimeError, match="has taken over"):
        ledger.write("objects", 2, n=1)

    find_objects = TASKS["objects"]

    def overtaken(plan, store, i):
        Ledger(open_storage(tmp_path / "out")).take_over()
        return find_objects(plan, store, i)

    monkeypatch.setitem(TASKS, "objects", overtaken)
    with pytest.raises(RuntimeError, match="Another call of count_scan has taken over"):
        count_scan(components, da.from_array(plane), tmp_path / "out", block_shape=50, n_workers=1)


def test_an_interrupted_run_ends(components, plane, tmp_path, monkeypatch):
    """No block is being done when the call has returned."""
    running = []
    find_objects = TASKS["objects"]

    def slow(plan, store, i):
        running.append(i)
        if i == 0:
            raise KeyboardInterrupt
        time.sleep(0.2)
        found = find_objects(plan, store, i)
        running.remove(i)
        return found

    monkeypatch.setitem(TASKS, "objects", slow)
    with pytest.raises(KeyboardInterrupt):
        count_scan(components, da.from_array(plane), tmp_path / "out", block_shape=50, n_workers=3)
    assert running == [0]


@pytest.mark.parametrize("step", ["join", None])
def test_changed_pixels_are_another_source(components, plane, tmp_path, monkeypatch, step):
    """Even if no time of a file changes, in a run that stopped or was finished."""
    path = _saved(plane, tmp_path / "scan.zarr")
    with interrupted_at(step, monkeypatch):
        count_scan(components, path, tmp_path / "out", block_shape=50)
    before = content(tmp_path / "out")
    zarr.open_array(path)[:] = plane[::-1]
    with pytest.raises(ValueError, match="another source: the pixels of the scan have changed"):
        count_scan(components, path, tmp_path / "out", block_shape=50)
    assert content(tmp_path / "out") == before
    zarr.open_array(path)[:] = plane
    count_scan(components, path, tmp_path / "out", block_shape=50)


def test_a_run_that_was_killed_at_once_is_started_again(components, plane, tmp_path):
    (tmp_path / "out" / "ledger").mkdir(parents=True)
    (tmp_path / "out" / "ledger" / "run.json_x.part").write_bytes(b"{")
    count_scan(components, da.from_array(plane), tmp_path / "out", block_shape=50)


def test_starting_anew_keeps_other_files(components, plane, tmp_path):
    image, out = da.from_array(plane), tmp_path / "out"
    count_scan(components, image, out, block_shape=50)
    (out / "notes.txt").write_text("mine")
    count_scan(components, image, out, block_shape=75, resume=False)
    assert (out / "notes.txt").read_text() == "mine"


def test_the_result_is_a_scan(components, plane, tmp_path):
    scan = open_scan(_saved(plane, tmp_path / "scan.zarr"), spacing=(0.5, 0.25), unit="micrometer")
    found = count_scan(components, scan, tmp_path / "out", block_shape=50)
    for path in (tmp_path / "out", tmp_path / "out" / "labels"):
        again = open_scan(path)
        assert (again.axes, again.spacing, again.unit) == ("yx", (0.5, 0.25), "micrometer")
        assert (again.data == found.labels).all().compute()


def _saved(array, path):
    zarr.save_array(path, array)
    return path


# Regions and densities


def test_objects_of_a_scan_by_region(components, plane, tmp_path):
    scan = open_scan(save_tiff(tmp_path / "scan.tif", plane), spacing=(0.5, 2.0), unit="µm")
    found = count_scan(components, scan, tmp_path / "out", block_shape=64)
    rows, cols = np.indices(plane.shape)
    atlas = zarr.create_array(tmp_path / "atlas", data=(rows + cols) // 40, chunks=(17, 30))
    options = {"spacing": scan.spacing, "unit": scan.unit}
    counts = count_by_region(found.table, atlas, **options)
    assert counts.objects.sum() == found.n_objects > 5
    assert (counts.objects > 0).sum() > 2
    size = np.prod(plane.shape) * 0.5 * 2.0 / 1e6
    assert np.isclose(counts["size"].sum(), size)  # square millimeters
    pd.testing.assert_frame_equal(count_by_region(found.labels, atlas, **options), counts)
    majority = count_by_region(found.labels, da.from_array(atlas), by="majority", **options)
    assert majority.objects.sum() == found.n_objects
    with pytest.raises(ValueError, match="centroids in micrometer: give spacing"):
        count_by_region(found.table, atlas)


def test_densities_on_a_grid():
    table = pd.DataFrame({"centroid_y": [0.0, 10.0], "centroid_x": [0.0, 20.0]})
    density = density_map(table, (20, 30), grid=(10.0, 20.0))
    assert density.tolist() == [[1 / 200, 0], [0, 1 / 100]]
    for side, step, cell in ((3, 0.1, 0.1), (3000, 0.55, 16.5)):
        cells = density_map(table[:0], (side, 1), grid=(cell, 1.0), spacing=(step, 1.0))
        assert cells.shape == (round(side * step / cell), 1)
        assert np.isfinite(cells).all()
    with pytest.raises(ValueError, match="grid must be 2 positive numbers"):
        density_map(table, (20, 30), grid=(1.0,))
    for wrong in (-1.0, 30.5, np.nan):
        outside = table.assign(centroid_x=[0.0, wrong])
        with pytest.raises(ValueError, match=r"centroids inside of a scan .* got \[10.0, .*1 such"):
            density_map(outside, (20, 30), grid=(10.0, 20.0))


@pytest.mark.parametrize("size", [0.1, 0.65, 2.7, 1 / 3])
def test_densities_do_not_depend_on_the_size_of_pixels(size):
    centers = np.arange(3, 400, 4) + 0.5  # on the borders of cells of four pixels
    table = pd.DataFrame({"centroid_y": centers * size, "centroid_x": 0.0})
    density = density_map(table, (404, 1), grid=(4 * size, size), spacing=(size, size))
    counts = np.rint(density[:, 0] * 4 * size**2)
    assert counts.tolist() == [0] + [1] * 100


def save_tiff(path, image, **options):
    import tifffile

    tifffile.imwrite(path, image, **options)
    return path


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b"[" * 100_000])
def test_a_damaged_run_file_is_named(content, tmp_path):
    ledger = Ledger.open(open_storage(tmp_path), {"model": "a"})
    (tmp_path / "ledger" / "run.json").write_bytes(content)
    with pytest.raises(ValueError, match="run.json is damaged.*resume=False"):
        Ledger.open(ledger.storage, {"model": "a"})
