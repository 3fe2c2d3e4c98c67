"""Scans whose objects are detected by contours: blocks give the objects of the whole scan."""

import warnings
from copy import copy, deepcopy

import dask.array as da
import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

from sskseg import (
    ContourDetector,
    InstanceCounter,
    PercentileScaler,
    ProxyPretrainer,
    SemiSupervisedSegmenter,
)
from sskseg.counting import Contours
from sskseg.datasets import make_cells
from sskseg.io import read_object_table
from sskseg.scans import ScanError, count_scan, open_scan, plan_scan
from sskseg.scans.scheduler import TASKS
from sskseg.scans.tasks import objects

DETECTOR = {"width": 8, "depth": 2, "batch_size": 4, "precision": "float32", "random_state": 0}
BLOCKS = [None, 48, (33, 170), (200, 50)]  # of which most are no multiples of the stride, 8


@pytest.fixture(scope="module")
def cells():
    return make_cells(8, (64, 64), radius=6, separation=1.3, random_state=0)


@pytest.fixture(scope="module")
def model(cells):
    """A detector that learned a little."""
    detector = ContourDetector(**DETECTOR, max_steps=80)
    return make_pipeline(PercentileScaler(), InstanceCounter(Contours(detector))).fit(*cells)


def changed(counter, **values):
    """A fitted counter with other parameters or attributes."""
    counter = copy(counter)
    vars(counter).update(values)
    return counter


@pytest.fixture(scope="module")
def plane():
    return make_cells(1, (150, 170), radius=6, separation=1.3, random_state=3)[0][0]


@pytest.fixture(scope="module")
def whole(model, plane):
    """Labels and table of the image in memory."""
    images = model[:-1].transform(plane[None])
    return model[-1].label(images)[0], model[-1].measure(images).drop(columns=["sample"])


def same(labels, expected):
    pairs = np.unique(np.stack([labels.ravel(), expected.ravel()], axis=1), axis=0)
    return all(len(np.unique(column)) == len(pairs) for column in pairs.T)


def assert_same_tables(table, expected):
    """Up to ids; scores and outlines up to the rounding of the network."""
    columns = [c for c in expected.columns if c not in ("id", "polygon")]
    order = ["min_y", "min_x", "max_y", "max_x"]
    table, expected = (
        each.sort_values(order, ignore_index=True) for each in (table, expected)
    )  # fmt: skip
    pd.testing.assert_frame_equal(
        table[columns], expected[columns], check_dtype=False, rtol=1e-4
    )  # fmt: skip
    points = (np.stack([*map(points_of, each.polygon)]) for each in (table, expected))
    np.testing.assert_allclose(*points, atol=0.02)


def points_of(polygon):
    assert polygon.startswith("POLYGON ((")
    return np.array(polygon[10:-2].replace(",", "").split(), float)


def content(folder):
    """All files of a result, byte by byte; the ledger's too."""
    return {str(f.relative_to(folder)): f.read_bytes() for f in folder.rglob("*") if f.is_file()}


@pytest.mark.parametrize("block_shape", BLOCKS)
def test_objects_and_table_are_those_of_the_whole(model, plane, whole, tmp_path, block_shape):
    source = da.from_array(plane, chunks=64)
    found = count_scan(model, source, tmp_path / "out", block_shape=block_shape, halo=30)
    labels, table = whole
    assert same(found.labels.compute(), labels)
    assert found.n_objects == len(found.table) == labels.max() > 20
    assert found.table.id.tolist() == list(range(1, found.n_objects + 1))
    assert not len(found.cut)
    assert_same_tables(found.table, table)
    pd.testing.assert_frame_equal(
        read_object_table(tmp_path / "out" / "objects.csv"), found.table, check_dtype=False
    )


def test_earlier_steps_and_units(model, cells, plane, tmp_path):
    """Intensities of the whole scan, a backbone, small objects, spacing."""
    scaler = PercentileScaler(scope="image").fit(cells[0])
    pretrainer = ProxyPretrainer(("rotation",), width=4, depth=1, max_steps=2, random_state=0)
    counter = changed(model[-1], min_size_=100, spacing=(0.5, 0.25))
    model = make_pipeline(scaler, pretrainer.fit(cells[0]), counter)
    image = plane * np.linspace(1, 2, 170)
    expected = model[-1].measure(model[:-1].transform(image[None]), intensity=image[None])
    expected = expected.drop(columns=["sample"])
    assert len(expected) > 3
    assert expected.area.min() >= 100 / 8
    scan = open_scan(save_zarr(tmp_path / "scan.zarr", image), spacing=(0.5, 0.25))
    found = count_scan(model, scan, tmp_path / "out", block_shape=64, halo=30, intensity=True)
    assert_same_tables(found.table, expected)


def save_zarr(path, image):
    import zarr

    zarr.save_array(path, image)
    return path


def test_a_counter_may_stand_alone(model, plane, tmp_path):
    alone = make_pipeline(model[-1])
    image = model[0].transform(plane[None])[0]
    found = count_scan(alone, da.from_array(image), tmp_path / "out", block_shape=80, halo=30)
    assert same(found.labels.compute(), alone.transform(image[None])[0])


def test_an_object_in_two_blocks_has_the_score_of_each_of_its_pixels(
    model, plane, tmp_path, monkeypatch
):
    original = objects.find_in_images

    def scored_by_block(plan, i, block):
        found = original(plan, i, block)
        return found._replace(score=found.score + np.float32(i))

    monkeypatch.setattr(objects, "find_in_images", scored_by_block)
    options = {"block_shape": (150, 85), "halo": 30}
    found = count_scan(model, da.from_array(plane), tmp_path / "out", **options)
    share = np.array([
        (found.labels[:, 85:] == i).sum().compute() / (found.labels == i).sum().compute()
        for i in found.table.id
    ])  # fmt: skip
    between = (share > 0) & (share < 1)
    assert between.any()
    score = found.table.score - share
    assert (score > model[-1].threshold_).all()
    assert (score < 1).all()


def test_objects_larger_than_the_halo_are_listed(model, plane, tmp_path):
    with pytest.warns(UserWarning, match="larger than the halo"):
        found = count_scan(
            model, da.from_array(plane), tmp_path / "x", block_shape=20, halo=(2, 3)
        )  # fmt: skip
    assert set(found.cut.id) <= set(found.table.id)
    assert "larger than the halo" in set(found.cut.reason)


def test_a_scan_without_objects(model, plane, tmp_path):
    empty = da.zeros((150, 170), dtype=plane.dtype)
    found = count_scan(model, empty, tmp_path / "out", block_shape=80, skip_below=0)
    assert (found.n_objects, len(found.table)) == (0, 0)
    assert found.table.columns[-1] == "polygon"


# Blocks that are skipped


@pytest.fixture
def evaluations(monkeypatch):
    """One for each time that the network evaluations."""
    calls, original = [], ContourDetector.block_outputs
    monkeypatch.setattr(
        ContourDetector, "block_outputs", lambda *a: calls.append(1) or original(*a)
    )  # fmt: skip
    return calls


def test_a_mask_excludes_blocks_and_objects(model, plane, whole, tmp_path, evaluations):
    mask = np.zeros((15, 17), np.uint8)
    mask[:, 9:] = 3
    expected = np.where(np.arange(170) < 90, 0, whole[0])
    options = {"block_shape": (75, 50), "halo": 30}
    for i, each in enumerate((mask, da.from_array(mask, chunks=4))):
        evaluations.clear()
        out = tmp_path / str(i)
        found = count_scan(model, da.from_array(plane), out, **options, mask=each)
        assert same(found.labels.compute(), expected)
        assert found.n_objects == len(np.unique(expected)) - 1 > 3
        assert len(evaluations) == 6  # of 8: two have nothing in the mask
    none = np.zeros((1, 1), bool)
    evaluations.clear()
    assert count_scan(model, da.from_array(plane), tmp_path / "none", mask=none).n_objects == 0
    assert not evaluations


def test_small_parts_at_a_mask_are_no_objects(model, plane, whole, tmp_path):
    large = make_pipeline(model[0], changed(model[-1], min_size_=30))
    parts = whole[0], whole[0][:, 77:]
    sizes = [np.bincount(x.ravel(), minlength=whole[0].max() + 1)[1:] for x in parts]
    assert ((sizes[0] >= 30) & (sizes[1] > 0) & (sizes[1] < 30)).any()
    mask = np.arange(170) >= np.full((150, 1), 77)
    found = count_scan(large, da.from_array(plane), tmp_path / "out", mask=mask)
    assert found.n_objects == (sizes[1] >= 30).sum()
    assert found.table.area.min() >= 30


def test_dark_blocks_are_skipped(model, plane, whole, tmp_path, evaluations):
    image = np.concatenate([plane, np.zeros((150, 400), plane.dtype)], axis=1)
    found = count_scan(
        model, da.from_array(image), tmp_path / "out", block_shape=(150, 60), halo=30, skip_below=0
    )
    assert len(evaluations) == 5  # up to column 240, whose block with its halo begins before 170
    assert found.n_objects == pytest.approx(len(whole[1]), abs=2)


# Restart


@pytest.mark.parametrize("task", ["objects", "match", "write"])
def test_interrupted_runs_resume_and_end_with_the_same_bytes(
    model, plane, tmp_path, monkeypatch, task
):
    options = {"block_shape": 48, "halo": 30, "n_workers": 1}
    count_scan(model, da.from_array(plane), tmp_path / "whole", **options)
    original, calls = TASKS[task], []

    def interrupted(plan, store, i):
        calls.append(i)
        if len(calls) > 4:
            raise KeyboardInterrupt
        return original(plan, store, i)

    with monkeypatch.context() as context:
        context.setitem(TASKS, task, interrupted)
        with pytest.raises(KeyboardInterrupt):
            count_scan(model, da.from_array(plane), tmp_path / "out", **options)
    calls.clear()
    monkeypatch.setitem(TASKS, task, lambda *work: calls.append(work[-1]) or original(*work))
    count_scan(model, da.from_array(plane), tmp_path / "out", **options)
    assert len(calls) == 16 - 4
    assert content(tmp_path / "out") == content(tmp_path / "whole")


def test_a_failed_block_is_retried_then_reported(model, plane, tmp_path, monkeypatch):
    options, tries = {"block_shape": 80, "halo": 30}, []
    count_scan(model, da.from_array(plane), tmp_path / "whole", **options)
    original = objects.find_in_images

    def fails(plan, i, block):
        tries.append(i)
        if i == 3 and tries.count(3) <= failures:
            raise OSError("out of memory")
        return original(plan, i, block)

    monkeypatch.setattr(objects, "find_in_images", fails)
    failures = 2
    count_scan(model, da.from_array(plane), tmp_path / "a", **options)
    assert len(tries) == 6 + 2
    tries.clear()
    failures = 3
    with pytest.raises(ScanError, match="1 block.* in task 'objects', block 3.*out of memory"):
        count_scan(model, da.from_array(plane), tmp_path / "b", **options)
    assert len(tries) == 6 + 2
    count_scan(model, da.from_array(plane), tmp_path / "b", **options)
    for name in "ab":
        assert content(tmp_path / name) == content(tmp_path / "whole")


def test_another_model_is_refused(model, plane, tmp_path):
    image = da.from_array(plane)
    count_scan(model, image, tmp_path / "out", block_shape=80, halo=30)
    other = deepcopy(model)
    with torch.no_grad():
        next(other[-1].detector_.network_.parameters()).mul_(1.001)
    with pytest.raises(ValueError, match="holds a run of another model: give another destination"):
        count_scan(other, image, tmp_path / "out", block_shape=80, halo=30)


def test_a_cluster_does_what_threads_do(model, plane, tmp_path):
    import random

    from distributed import Client, LocalCluster

    before = random.getstate()  # which distributed draws from
    options = {"block_shape": 80, "halo": 30}
    count_scan(model, da.from_array(plane), tmp_path / "a", **options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with (
            LocalCluster(
                n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None
            ) as cluster,
            Client(cluster) as client,
        ):
            count_scan(model, da.from_array(plane), tmp_path / "b", **options, client=client)
    random.setstate(before)
    assert content(tmp_path / "b") == content(tmp_path / "a")


def test_each_worker_has_a_gpu_of_its_own(model, plane, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(objects, "worker_device", lambda: "cuda:3")
    monkeypatch.setattr(
        ContourDetector, "block_outputs", lambda this, X: asked.append(this.device) or [][0]
    )
    with pytest.raises(ScanError):
        count_scan(model, da.from_array(plane), tmp_path / "out")
    assert set(asked) == {"cuda:3"}
    assert model[-1].detector_.device == "auto"


# Plans, and what is refused


def test_a_plan_has_blocks_overhead_and_memory(model, plane):
    plan = plan_scan(model, da.from_array(plane), block_shape=(60, 170), halo=20)
    assert (plan.n_predict, plan.n_blocks) == (3, 3)
    assert (plan.predict_shape, plan.network_halo) == ((100, 170), (48, 48))
    ranges = [0, 128], [0, 150], [48, 150]  # multiples of 8, within the scan
    assert plan.overhead == sum(stop - start for start, stop in ranges) / 150
    network = model[-1].detector_.block_bytes(150 * 170)
    assert network > 128 * 150 * 170
    assert plan.memory == 40 * 100 * 170 + 20 * 150 * 170 + network
    assert plan.seconds > 0
    large = plan_scan(model, da.zeros((4000, 3000), chunks=500), measure=False)
    diameter = 2 * float(model[-1].detector_.network_.scale)
    assert 10 < diameter < 16
    assert large.halo == (np.ceil(4 * diameter),) * 2


def test_unsuitable_input_is_refused_before_anything_is_written(model, plane, tmp_path):
    image, out = da.from_array(plane), tmp_path / "out"
    consecutive = make_pipeline(model[0], changed(model[-1], sections="consecutive"))
    volumes = make_pipeline(model[0], changed(model[-1], spatial_ndim_=3))
    segmenter = SemiSupervisedSegmenter()
    for estimator, source, options, message in [
        (model, image, {"keep_probabilities": True}, "keep_probabilities must be False with met"),
        (consecutive, image[None], {}, "independent two-dimensional .* sections='consecutive'"),
        (volumes, image[None], {}, "independent two-dimensional .* got spatial_ndim=3"),
        (model, image[None, None], {}, r"source must have 2 spatial axes.* got \(1, 1, 150, 170\)"),
        (model, da.stack([image, image], -1), {}, r"source must have 1 channel\(s\), got 2"),
        (model[1:], da.stack([image, image], -1), {}, r"source must have 1 channel\(s\), got 2"),
        (model[-1], image, {}, "estimator must be a fitted pipeline"),
        (make_pipeline(clone(model[-1])), image, {}, "estimator must be a fitted pipeline"),
        (make_pipeline(segmenter, model[-1]), image, {}, "no segmenter goes before it"),
        (model, image, {"block_shape": 20, "halo": 21}, "as long as the halo, got 20 and 21"),
    ]:
        with pytest.raises(ValueError, match=message):
            count_scan(estimator, source, out, **options)
    assert not out.exists()
