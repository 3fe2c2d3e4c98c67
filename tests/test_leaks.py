"""Fits leave nothing behind: networks, arrays and threads go with the estimator."""

import gc
import threading
import warnings
import weakref

import numpy as np
import pytest
import torch
from sklearn.base import clone

from sskseg import InstanceCounter, ProxyPretrainer, SemiSupervisedSegmenter, SimulatedRefiner
from sskseg.datasets import make_cells

SMALL = {"width": 2, "depth": 1, "max_steps": 2, "batch_size": 2, "random_state": 0}
ESTIMATORS = [
    InstanceCounter(),
    ProxyPretrainer(("rotation",), **SMALL),
    SimulatedRefiner(**SMALL),
    SemiSupervisedSegmenter(**SMALL),
    SemiSupervisedSegmenter(semi_supervision=("consistency",), **SMALL),
    SemiSupervisedSegmenter(
        sections="consecutive", semi_supervision=("continuity", "self-training"), **SMALL
    ),
]


def new_tensors():
    """Count the tensors since the last call; older objects are not searched."""
    gc.collect()
    found = sum(issubclass(type(thing), torch.Tensor) for thing in gc.get_objects())
    gc.freeze()
    return found


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=repr)
@pytest.mark.filterwarnings("ignore")
@pytest.mark.usefixtures("small_reports")
def test_what_was_fitted_goes(estimator):
    X, y = make_cells(4, (48, 48), random_state=0)
    y[2:] = -1

    def fit():
        images = np.clip(X, 0, 1)
        fitted = clone(estimator).fit(images, y)
        fitted.predict(y if isinstance(estimator, SimulatedRefiner) else images)
        return weakref.ref(fitted), weakref.ref(images)

    fit()
    new_tensors()
    threads = threading.active_count()
    left = [fit() for _ in range(3)]
    assert new_tensors() == 0
    assert threading.active_count() <= threads
    assert not [ref for pair in left for ref in pair if ref() is not None]


def test_loading_and_predicting_lazily_leave_nothing(tmp_path):
    da = pytest.importorskip("dask.array")
    X, y = make_cells(2, (48, 48), random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        SemiSupervisedSegmenter(**SMALL).fit(X, y).save(tmp_path / "model")

    def use():
        loaded = SemiSupervisedSegmenter.load(tmp_path / "model")
        loaded.transform(da.from_array(X, chunks=(1, 24, 48))).compute(scheduler="synchronous")
        return weakref.ref(loaded)

    use()
    new_tensors()
    left = [use() for _ in range(5)]
    assert new_tensors() == 0
    assert not [ref for ref in left if ref() is not None]
