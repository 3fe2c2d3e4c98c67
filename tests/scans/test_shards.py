"""Shards: processes that count one scan together give what one process gives."""

import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from multiprocessing import get_context

import dask.array as da
import joblib
import pytest
import torch
from shard_process import PRELOADED, hurry, run
from sklearn.pipeline import make_pipeline

from sskseg import InstanceCounter, PercentileScaler, SemiSupervisedSegmenter
from sskseg.datasets import make_cells
from sskseg.io.storage import FileStorage
from sskseg.scans import ScanError, count_scan
from sskseg.scans.checkpoints import Ledger
from sskseg.scans.scheduler import TASKS
from sskseg.scans.shards import Shard, heartbeats, workers
from sskseg.scans.shards.claims import Claims
from sskseg.scans.shards.heartbeats import Heartbeat, Pulse

OPTIONS = {"block_shape": 30, "n_workers": 2}


@pytest.fixture(scope="module")
def model():
    X, y = make_cells(2, (64, 64), random_state=0)
    segmenter = SemiSupervisedSegmenter(
        semi_supervision=None, width=4, depth=1, max_steps=60, batch_size=2, precision="float32",
        random_state=0,
    )  # fmt: skip
    scaler = PercentileScaler(scope="image")
    counter = InstanceCounter("components", fill_holes=False, min_size=3)
    return make_pipeline(scaler, segmenter, counter).fit(X, y)


@pytest.fixture(scope="module")
def scan():
    return da.from_array(make_cells(1, (150, 170), random_state=3)[0][0], name="image")


@pytest.fixture(scope="module")
def whole(model, scan, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "out"
    count_scan(model, scan, folder, **OPTIONS)
    return content(folder)


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    """Notice dead processes soon."""
    for module in (heartbeats, workers):
        for name, value in vars(module).items():
            if isinstance(value, float):
                monkeypatch.setattr(module, name, value)  # and back again
    hurry()


def content(folder):
    """All files of a result, byte by byte, but those of writes that were cut off."""
    files = (f for f in folder.rglob("*") if f.is_file() and ".part" not in f.name)
    return {f.relative_to(folder).as_posix(): f.read_bytes() for f in files}


@pytest.fixture
def start(model, scan, tmp_path):
    """Start a shard as a process of its own; all end with the test."""
    running = []
    # Processes are forked from one that has imported everything, where there is such a thing.
    context = get_context("spawn" if sys.platform == "win32" else "forkserver")
    if sys.platform != "win32":
        context.set_forkserver_preload(PRELOADED)

    def start(destination, shard, zarr_format=3, **options):
        job = tmp_path / f"job{zarr_format}"
        if not job.exists():
            joblib.dump((model, scan.compute(), {**OPTIONS, "zarr_format": zarr_format}), job)
        arguments = job, destination, shard, torch.get_num_threads()
        process = context.Process(target=run, args=arguments, kwargs=options)
        process.start()
        running.append(process)
        return process

    yield start
    for process in running:
        process.kill()
        process.join()


def exit_code(process):
    process.join(300)
    return process.exitcode


def test_shards_are_processes_that_give_the_bytes_of_one(start, whole, model, scan, tmp_path):
    out = tmp_path / "out"
    processes = [start(out, (i, 3)) for i in range(3)]
    assert [exit_code(process) for process in processes] == [0, 0, 0]
    assert content(out) == whole
    assert len(count_scan(model, scan, out, **OPTIONS).table) > 5


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize(
    "kill",
    [("scaling", 1), ("predict", -1), ("objects", 2), ("join", -1), ("rows", 2), ("write", 2),
     ("table", 1), ("finish", -1)],
)  # fmt: skip
def test_others_take_over_from_a_shard_that_was_killed(
    start, whole, model, scan, tmp_path, monkeypatch, kill
):
    """The killed one begins alone, so that it comes to this task; the other one ends the run."""
    out = tmp_path / "out"
    assert exit_code(start(out, (0, 2), kill=kill)) == -signal.SIGKILL
    monkeypatch.setattr(heartbeats, "LOST_AFTER", 0.5)
    count_scan(model, scan, out, shard=(1, 2), **OPTIONS)
    assert content(out) == whole


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("kill", [("predict", -1), ("join", -1), ("write", 2)])
def test_a_shard_takes_over_in_zarr_2(start, model, scan, tmp_path, monkeypatch, kill):
    """Each block writes four files of an array."""
    monkeypatch.setattr("sskseg.scans.store._MAX_CHUNK", {2: (15, 15)})
    options = {**OPTIONS, "zarr_format": 2}
    count_scan(model, scan, tmp_path / "whole", **options)
    out = tmp_path / "out"
    killed = start(out, (0, 2), zarr_format=2, chunks=(15, 15), kill=kill)
    assert exit_code(killed) == -signal.SIGKILL
    monkeypatch.setattr(heartbeats, "LOST_AFTER", 0.5)
    count_scan(model, scan, out, shard=(1, 2), **options)
    assert content(out) == content(tmp_path / "whole")


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_a_shard_that_was_killed_while_others_run_may_start_again(
    start, whole, model, scan, tmp_path, monkeypatch
):
    out, found, dead = tmp_path / "out", TASKS["objects"], threading.Event()
    monkeypatch.setattr(heartbeats, "LOST_AFTER", 1.0)
    monkeypatch.setitem(TASKS, "objects", lambda *work: dead.wait(300) and found(*work))
    with ThreadPoolExecutor(2) as pool:
        survivor = pool.submit(count_scan, model, scan, out, shard=(1, 2), **OPTIONS)
        assert exit_code(start(out, (0, 2), kill=("objects", 1))) == -signal.SIGKILL
        dead.set()
        again = pool.submit(count_scan, model, scan, out, shard=(0, 2), **OPTIONS)
        assert survivor.result().n_objects == again.result().n_objects
    assert content(out) == whole


def test_the_last_to_finish_joins_and_blocks_are_done_once(
    whole, model, scan, tmp_path, monkeypatch
):
    done, lock = [], threading.Lock()

    def noted(task, original):
        def run(plan, store, block):
            with lock:
                done.append((task, block))
            return original(plan, store, block)

        return run

    for task, original in TASKS.items():
        monkeypatch.setitem(TASKS, task, noted(task, original))
    with ThreadPoolExecutor(3) as pool:
        for result in [
            pool.submit(count_scan, model, scan, tmp_path / "out", shard=(i, 3), **OPTIONS)
            for i in range(3)
        ]:
            result.result()
    assert content(tmp_path / "out") == whole
    assert sorted(done) == sorted(set(done))
    tasks = [task for task, _ in done]
    assert tasks.index("join") > max(i for i, task in enumerate(tasks) if task == "match")


def test_a_shard_that_only_seemed_dead_writes_the_same_bytes(
    whole, model, scan, tmp_path, monkeypatch
):
    """Its heartbeat stops while a block runs; another shard does everything meanwhile."""
    out, found, late = tmp_path / "out", TASKS["objects"], threading.Event()
    asleep, name = threading.Event(), []

    def slow(plan, store, block):
        if not name:
            name.append(threading.current_thread().name)
            asleep.set()
            assert late.wait(60)
        return found(plan, store, block)

    monkeypatch.setitem(TASKS, "objects", slow)
    monkeypatch.setattr(heartbeats, "LOST_AFTER", 0.5)
    beat = Heartbeat._beat
    monkeypatch.setattr(Heartbeat, "_beat", lambda self: None)
    with ThreadPoolExecutor(1) as pool:
        slow_one = pool.submit(count_scan, model, scan, out, shard=(0, 2), **OPTIONS)
        assert asleep.wait(60)
        monkeypatch.setattr(Heartbeat, "_beat", beat)
        try:
            count_scan(model, scan, out, shard=(1, 2), **OPTIONS)
        finally:
            late.set()
        assert slow_one.result().n_objects > 5
    assert content(out) == whole


def test_a_block_that_fails_in_one_shard_is_done_by_another(
    whole, model, scan, tmp_path, monkeypatch
):
    out, original, fails = tmp_path / "out", TASKS["match"], threading.Event()

    def broken(plan, store, block):
        if not fails.is_set() and block == 0:
            raise OSError("Input/output error")
        return original(plan, store, block)

    monkeypatch.setitem(TASKS, "match", broken)
    with pytest.raises(ScanError, match=r"1 block.* in task 'match', block 0.*Input/output"):
        count_scan(model, scan, out, shard=(0, 2), **OPTIONS)
    fails.set()
    count_scan(model, scan, out, shard=(1, 2), **OPTIONS)
    assert content(out) == whole


def test_the_first_shard_chooses_blocks_and_a_call_without_shards_takes_over(
    whole, model, scan, tmp_path, monkeypatch
):
    from sskseg.scans import plan

    monkeypatch.setattr(plan, "_BLOCK", {2: (30, 30)})
    out, found = tmp_path / "out", TASKS["objects"]
    n_calls = []

    def interrupted(*work):
        n_calls.append(1)
        if len(n_calls) == 3:
            raise KeyboardInterrupt
        return found(*work)

    with monkeypatch.context() as context:
        context.setitem(TASKS, "objects", interrupted)
        with pytest.raises(KeyboardInterrupt):
            count_scan(model, scan, out, shard=(0, 2), n_workers=1)
    monkeypatch.setattr(plan, "_BLOCK", {2: (50, 50)})
    store = FileStorage(out)
    with Heartbeat(store, "other"):
        Ledger(store).take_over("shards of 2 x")
        count_scan(model, scan, out)
    assert content(out) == whole


def test_two_shards_with_one_number(model, scan, tmp_path, monkeypatch):
    out, found, late = tmp_path / "out", TASKS["objects"], threading.Event()
    started = threading.Event()

    def slow(*work):
        started.set()
        assert late.wait(60)
        return found(*work)

    monkeypatch.setitem(TASKS, "objects", slow)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(count_scan, model, scan, out, shard=(1, 2), **OPTIONS)
        assert started.wait(60)
        try:
            with pytest.raises(ValueError, match="Shard 1 of 2 already runs on .*another index"):
                count_scan(model, scan, out, shard=(1, 2), **OPTIONS)
            with pytest.raises(ValueError, match="counted by 2 shards.*got shard 0 of 3"):
                count_scan(model, scan, out, shard=(0, 3), **OPTIONS)
        finally:
            late.set()
        assert first.result().n_objects > 5


def test_another_number_of_shards_takes_over_when_none_runs(
    whole, model, scan, tmp_path, monkeypatch
):
    out, original = tmp_path / "out", TASKS["join"]
    with monkeypatch.context() as context:
        context.setitem(TASKS, "join", lambda *_: 1 / 0)
        with pytest.raises(ScanError):
            count_scan(model, scan, out, shard=(0, 2), **OPTIONS)
    assert original is TASKS["join"]
    count_scan(model, scan, out, shard=(4, 5), **OPTIONS)
    assert content(out) == whole


def test_what_was_damaged_before_is_done_again(whole, model, scan, tmp_path, monkeypatch):
    out = tmp_path / "out"
    with monkeypatch.context() as context:
        context.setitem(TASKS, "finish", lambda *_: 1 / 0)
        with pytest.raises(ScanError):
            count_scan(model, scan, out, **OPTIONS)
    chunk = sorted(f for f in (out / "labels" / "0" / "c").rglob("*") if f.is_file())[0]
    chunk.write_bytes(b"nonsense")
    entry = sorted((out / "ledger" / "sums").rglob("0*"))[-1]
    entry.write_bytes(entry.read_bytes()[:-3])
    count_scan(model, scan, out, shard=(0, 2), **OPTIONS)
    assert content(out) == whole


def test_shards_are_refused_before_anything_is_written(model, scan, tmp_path):
    out = tmp_path / "out"
    for shard, options, message in [
        ((2, 2), {}, "shard must have an index from 0 to 1 for 2 shards, got 2"),
        ((-1, 2), {}, "shard must have an index from 0 to 1"),
        ((0, 0), {}, "shard must be one of at least 1, got one of 0"),
        ("0/2", {}, "shard must be two integers"),
        (0, {}, "shard must be two integers"),
        ((0, True), {}, "shard must be two integers"),
        ((0, 2), {"client": object()}, "client must be None with a shard"),
        ((0, 2), {"resume": False}, "resume=False with a shard would remove"),
    ]:
        with pytest.raises(ValueError, match=message):
            count_scan(model, scan, out, shard=shard, **options)
    assert not out.exists()


def test_ranges_of_shards_cover_all_blocks():
    for n in (1, 7, 12):
        for count in (1, 3, 20):
            ranks = [[Shard(i, count).rank(b, n) for b in range(n)] for i in range(count)]
            owners = [[b for b in range(n) if not rank[b][0]] for rank in ranks]
            assert list(chain(*owners)) == list(range(n))
            foreign = [sorted(r for is_foreign, r in rank if is_foreign) for rank in ranks]
            assert all(len(set(rank)) == len(rank) for rank in foreign)


def test_a_claim_is_taken_over_from_the_dead_alone(tmp_path, monkeypatch):
    storage = FileStorage(tmp_path)
    monkeypatch.setattr(heartbeats, "LOST_AFTER", 0.2)
    mine, other = (Claims(storage, name, Pulse(storage)) for name in ("mine", "other"))
    with Heartbeat(storage, "other"):
        assert other.take("predict", 3) is None
        assert mine.take("predict", 3) == "other"
        assert mine.take("predict", 4) is None
        time.sleep(0.4)
        assert mine.take("predict", 3) == "other"
    assert mine.take("predict", 3) is None  # it has ended
    storage.put("ledger/heartbeats/silent", b"7")
    silent = Claims(storage, "silent", Pulse(storage))
    assert silent.take("predict", 5) is None
    assert mine.take("predict", 5) == "silent"
    time.sleep(0.3)
    assert mine.take("predict", 5) is None
    assert silent.take("predict", 3) is None  # nobody has a heartbeat any more


def test_a_heartbeat_survives_faults_of_the_store(tmp_path, monkeypatch):
    storage, put, fails = FileStorage(tmp_path), FileStorage.put, []

    def faulty(self, key, content):
        if content == b"2":
            fails.append(1)
            raise OSError("unreachable")
        return put(self, key, content)

    monkeypatch.setattr(FileStorage, "put", faulty)
    with Heartbeat(storage, "one"):
        pulse = Pulse(storage)
        deadline = time.monotonic() + 30
        while not fails or int(storage.read("ledger/heartbeats/one")) < 4:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert pulse.wait_for_any(["one"])
    assert not pulse.wait_for_any(["one"])
    assert pulse.others("two") == []
