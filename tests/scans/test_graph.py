"""The graph of tasks: what waits for what, and what runs at the same time."""

import threading
from itertools import pairwise

import dask.array as da
import distributed.system
import numpy as np
import pytest
import torch

from sskseg.datasets import make_cells
from sskseg.scans import count_scan, devices
from sskseg.scans.dependencies import task_graph
from sskseg.scans.plan import make_plan
from sskseg.scans.pyramid import finer_region
from sskseg.scans.scheduler import TASKS
from sskseg.segmentation import _block_shapes
from sskseg.segmentation._blocks import SegmenterBlocks


@pytest.fixture(scope="module")
def model(components):
    return components


@pytest.fixture(scope="module")
def scan():
    return da.from_array(make_cells(1, (300, 520), random_state=0)[0][0], name="scan")


@pytest.fixture
def small_networks(monkeypatch, model):
    """Let the network have several blocks."""
    tiles = 130**2 * model[1].block_predictor((300, 520)).memory(1000) / 1000
    monkeypatch.setattr(_block_shapes, "_NETWORK_BYTES", tiles)
    monkeypatch.setattr(_block_shapes, "core_size", lambda *_: 16)


def test_each_block_needs_what_it_reads(model, scan):
    plan = make_plan(model, scan, (100, 64))
    needs = task_graph(plan)
    assert set(needs) >= {need for each in needs.values() for need in each}
    made = {0: np.zeros(plan.shape, int)}
    for i, box in enumerate(plan.grid.boxes):
        made[0][box] = i
        assert needs["write", i] == [("objects", i), ("join", 0)]
    for k, (level, box) in enumerate(plan.pyramid):
        made.setdefault(level, np.zeros([-(-n // 2**level) for n in plan.shape], int))[box] = k
    for k, (level, box) in enumerate(plan.pyramid):
        read = np.unique(made[level - 1][finer_region(plan.shape, level, box)])
        task = "write" if level == 1 else "downsample"
        assert needs["downsample", k] == [(task, i) for i in read.tolist()]
    assert {task for task, _ in needs["join", 0]} == {"match"}
    for i in range(len(plan.grid)):  # whose sums are merged
        assert needs["rows", i] == [("join", 0), *needs["match", i]]
    assert needs["table", 0] == [("rows", i) for i in range(len(plan.grid))]


@pytest.mark.parametrize("block_shape", [(101, 64), (100, 37)])
def test_coarse_labels_are_every_second_pixel(model, scan, tmp_path, block_shape):
    """Also where blocks begin at odd pixels; they come from records, not from the arrays."""
    count_scan(model, scan, tmp_path, block_shape=block_shape)
    levels = [da.from_zarr(str(tmp_path / f"labels/{level}")).compute() for level in range(3)]
    assert levels[0].any()
    for fine, coarse in pairwise(levels):
        assert np.array_equal(fine[::2, ::2], coarse)


def test_cores_are_predicted_only_where_they_are_read(model, scan):
    plan, segmenter = make_plan(model, scan), model[1]
    assert segmenter.has_cores_
    assert not plan.predictor.has_cores
    block = scan[:64, :64].compute()
    with_cores = segmenter.block_predictor((300, 520)).predict(block)
    assert np.array_equal(plan.predictor.predict(block), with_cores[..., 0])


def test_no_task_waits_for_all_blocks_of_another(model, scan, tmp_path, monkeypatch):
    """Coarse labels are written before all fine ones, and the table at the same time."""
    order, lock = [], threading.Lock()

    def noted(task, original):
        def run(plan, store, block):
            with lock:
                order.append(task)
            return original(plan, store, block)

        return run

    for task, original in TASKS.items():
        monkeypatch.setitem(TASKS, task, noted(task, original))
    count_scan(model, scan, tmp_path / "out", block_shape=(100, 64), n_workers=1)
    assert order.index("downsample") < len(order) - 1 - order[::-1].index("write")
    assert order.index("rows") < order.index("table") < order.index("write")
    assert order[-1] == "finish"


def test_networks_of_one_thread_run_at_the_same_time(
    model, scan, tmp_path, monkeypatch, small_networks
):
    """Each of two threads waits in the network until the other one is there."""
    n_threads, meeting, lock = torch.get_num_threads(), threading.Barrier(2), threading.Lock()
    predictor, seen = make_plan(model, scan, 100).predictor.predictor, []
    predict = type(predictor).predict

    def met(self, *arguments):
        with lock:
            seen.append(torch.get_num_threads())
        if len(seen) <= 2:
            meeting.wait(60)
        return predict(self, *arguments)

    monkeypatch.setattr(type(predictor), "predict", met)
    torch.set_num_threads(2)
    try:
        count_scan(model, scan, tmp_path / "two", block_shape=100, n_workers=2)
        assert set(seen) == {1}
        assert torch.get_num_threads() == _in_new_thread(torch.get_num_threads) == 2
        meeting.abort()
        seen += [1, 1]
        count_scan(model, scan, tmp_path / "one", block_shape=100, n_workers=1)
        assert set(seen[-2:]) == {2}
    finally:
        torch.set_num_threads(n_threads)
    labels = [da.from_zarr(str(tmp_path / name / "labels/0")) for name in ("one", "two")]
    assert (labels[0] == labels[1]).all().compute()


def _in_new_thread(function):
    found = []
    thread = threading.Thread(target=lambda: found.append(function()))
    thread.start()
    thread.join()
    return found[0]


def test_torch_has_one_thread_where_memory_and_cores_allow(model, scan, monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4)
    plan = make_plan(model, scan, 100)
    assert [devices.torch_threads(plan, n) for n in (1, 3, 4, 8)] == [4, 4, 1, 1]
    with monkeypatch.context() as context:
        context.setattr(distributed.system, "MEMORY_LIMIT", 10**6)
        assert devices.torch_threads(plan, 4) == 4
    monkeypatch.setattr(devices, "select_device", lambda: torch.device("cuda"))
    assert devices.torch_threads(plan, 4) == 4


def test_one_network_at_a_time_has_all_threads(model, monkeypatch):
    """Two threads with several threads of torch each; the second one waits."""
    blocks, inside, most = make_plan(model, da.zeros((64, 64)), 64).predictor, [], []
    predictor = blocks.predictor
    predict = type(predictor).predict

    def counted(self, *arguments):
        inside.append(1)
        most.append(len(inside))
        yield from predict(self, *arguments)
        inside.pop()

    monkeypatch.setattr(type(predictor), "predict", counted)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    assert isinstance(blocks, SegmenterBlocks)
    image = np.zeros((64, 64), np.float32)
    threads = [threading.Thread(target=blocks.predict, args=(image,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1, 1, 1, 1]
