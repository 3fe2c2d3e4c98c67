"""Torch's global state is the caller's: it neither changes fits, nor is changed by them."""

import threading

import numpy as np
import pytest
import torch

from sskseg import SemiSupervisedSegmenter
from sskseg.datasets import make_cells
from sskseg.training import Budget, isolated_seed, random_numbers
from sskseg.training.global_state import draws_random_numbers, own_defaults

CPU = torch.device("cpu")
SMALL = {"width": 4, "depth": 1, "max_steps": 3, "precision": "float32", "random_state": 0}


@pytest.fixture(scope="module")
def cells():
    X, y = make_cells(3, (32, 32), random_state=0)
    return X, y, SemiSupervisedSegmenter(semi_supervision=None, **SMALL).fit(X, y).transform(X)


@pytest.fixture
def default_dtype():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
def test_fits_need_gradients_and_take_them(cells, context):
    X, y, expected = cells
    with context():
        model = SemiSupervisedSegmenter(semi_supervision=None, **SMALL).fit(X, y)
        assert np.array_equal(model.transform(X), expected)
        assert not torch.is_grad_enabled()


def test_another_default_dtype_changes_nothing(cells, tmp_path, default_dtype):
    X, y, expected = cells
    model = SemiSupervisedSegmenter(semi_supervision=None, **SMALL).fit(X, y)
    assert np.array_equal(model.transform(X), expected)
    model.save(tmp_path / "model")
    assert np.array_equal(SemiSupervisedSegmenter.load(tmp_path / "model").transform(X), expected)
    assert torch.get_default_dtype() == torch.float64


def test_another_default_device_changes_nothing(cells):
    X, y, expected = cells
    torch.set_default_device("meta")
    try:
        model = SemiSupervisedSegmenter(semi_supervision=None, **SMALL).fit(X, y)
        assert np.array_equal(model.transform(X), expected)
        assert torch.get_default_device().type == "meta"
    finally:
        torch.set_default_device(None)


def test_the_dtype_is_restored_when_the_last_thread_leaves(default_dtype):
    inside, leave = threading.Barrier(2), threading.Event()

    def other():
        with own_defaults():
            inside.wait(10)
            leave.wait(10)

    thread = threading.Thread(target=other)
    thread.start()
    inside.wait(10)
    with own_defaults():
        pass
    assert torch.get_default_dtype() == torch.float32
    leave.set()
    thread.join(10)
    assert torch.get_default_dtype() == torch.float64


def test_fits_in_threads_run_at_the_same_time(cells, monkeypatch):
    X, y, expected = cells
    meeting = threading.Barrier(2)  # broken after 60 seconds: then an error is raised
    progress = Budget.progress

    def meet(self, n):
        if n == 1:
            meeting.wait(60)
        return progress(self, n)

    monkeypatch.setattr(Budget, "progress", meet)
    results = [None, None]

    def fit(i):
        model = SemiSupervisedSegmenter(semi_supervision=None, validation_fraction=0, **SMALL)
        results[i] = model.fit(X, y).transform(X)

    threads = [threading.Thread(target=fit, args=(i,)) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert all(np.array_equal(result, expected) for result in results)


def test_sessions_draw_what_they_draw_alone():
    with isolated_seed(1, CPU):
        with random_numbers():
            first = torch.rand(2)
        with isolated_seed(2, CPU), random_numbers():
            torch.rand(5)
        torch.rand(3)  # of the caller
        with random_numbers():
            second = torch.rand(2)
    with isolated_seed(1, CPU), random_numbers():
        assert torch.equal(torch.rand(4), torch.cat([first, second]))


def test_networks_that_draw_are_recognized():
    class Own(torch.nn.Module):
        pass

    assert not draws_random_numbers(torch.nn.Sequential(torch.nn.Conv2d(1, 1, 1)))
    assert not draws_random_numbers(torch.nn.Sequential(torch.nn.Dropout2d(0.0)))
    assert draws_random_numbers(torch.nn.Sequential(torch.nn.Dropout2d(0.1)))
    assert draws_random_numbers(Own())


def test_a_large_offset_costs_no_contrast(cells):
    X, y, _ = cells
    levels = np.rint(1000 * X)
    shifted = levels.astype(np.float64) + 1e8
    plain, other = (
        SemiSupervisedSegmenter(semi_supervision=None, **SMALL).fit(images, y).transform(images)
        for images in (levels, shifted)
    )
    np.testing.assert_allclose(other, plain, atol=1e-3)
