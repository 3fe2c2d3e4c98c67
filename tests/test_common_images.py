"""Checks that hold for every estimator on images."""

import inspect
import random
from functools import cache

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils import get_tags

import sskseg
from sskseg import (
    ContourDetector,
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
    SimulatedRefiner,
)
from sskseg.counting import Contours
from sskseg.datasets import make_cells

ESTIMATORS = [
    PercentileScaler(),
    PercentileScaler(scope="image"),
    InstanceCounter(),
    InstanceCounter("components"),
    ContourDetector(width=2, depth=1, max_steps=3, batch_size=2, random_state=0),
    InstanceCounter(
        Contours(ContourDetector(width=2, depth=1, max_steps=3, batch_size=2, random_state=0))
    ),
    OtsuWatershed(),
    LogBlobs(),
    DomainCheck(),
    PretrainedBackbone("nuclei"),
    PixelForest(n_estimators=3, sigma_max=2.0, random_state=0),
    ProxyPretrainer(("rotation",), width=2, depth=1, max_steps=3, batch_size=2, random_state=0),
    SimulatedRefiner(width=2, depth=1, max_steps=2, batch_size=2, random_state=0),
    SemiSupervisedSegmenter(width=2, depth=1, max_steps=3, batch_size=2, random_state=0),
    SemiSupervisedSegmenter(
        width=2, depth=1, max_steps=3, batch_size=2, random_state=0, sections="consecutive"
    ),
]
each = pytest.mark.parametrize("estimator", ESTIMATORS, ids=repr)


@pytest.fixture(scope="module")
def cells():
    X, y = make_cells(6, (48, 56), random_state=0)
    y[4:] = -1
    return np.clip(X, 0, 1), y


pytestmark = pytest.mark.usefixtures("small_reports")


@pytest.fixture(scope="module")
def fitted(cells):
    """Return an estimator that is fitted to the cells, once for all tests."""

    @cache
    def fit(index):
        fresh = clone(ESTIMATORS[index])
        assert fresh.fit(*cells) is fresh
        return fresh

    return lambda estimator: fit(ESTIMATORS.index(estimator))


@each
def test_fit_returns_self_and_init_only_assigns(estimator, fitted):
    assert {name for name in vars(clone(estimator)) if name.endswith("_")} == set()
    names = set(inspect.signature(type(estimator).__init__).parameters) - {"self"}
    assert set(fitted(estimator).get_params(deep=False)) == names
    assert {name for name in vars(fitted(estimator)) if not name.endswith("_")} == names


def test_tags_say_which_estimators_require_labels(cells):
    required = [e for e in ESTIMATORS if get_tags(e).target_tags.required]
    assert {type(estimator) for estimator in required} == {PixelForest, SemiSupervisedSegmenter}
    for estimator in required:
        with pytest.raises(ValueError, match="y is None"):
            clone(estimator).fit(cells[0], None)


@each
def test_neither_inputs_nor_anything_global_change(estimator, cells):
    def state():
        return (
            np.random.get_state()[1].tobytes(),
            random.getstate(),
            torch.get_rng_state().numpy().tobytes(),
            torch.get_num_threads(),
            torch.get_default_dtype(),
            torch.is_grad_enabled(),
        )

    X, y = cells[0].copy(), cells[1].copy()
    X.flags.writeable = y.flags.writeable = False
    before = state()
    fitted = clone(estimator)
    if "random_state" in fitted.get_params():
        fitted.set_params(random_state=None)
    fitted.fit(X, y).transform(X)
    assert state() == before
    assert np.array_equal(X, cells[0])
    assert np.array_equal(y, cells[1])


@each
def test_lists_stacks_and_orders_of_memory_agree(estimator, cells, fitted):
    X = cells[0]
    expected = np.asarray(fitted(estimator).transform(X))
    for variant in (list(X), ImageStack(X), np.asfortranarray(X), X[:, ::-1][:, ::-1]):
        assert np.array_equal(np.asarray(fitted(estimator).transform(variant)), expected)


@each
def test_dtypes_are_taken(estimator, cells):
    X, y = cells
    assert X.dtype == np.float32  # of all other tests
    for dtype in (np.float16, np.float64, bool):
        values = (X > 0.3) if dtype is bool else X.astype(dtype)
        assert len(clone(estimator).fit(values, y).transform(values)) == len(X)


@each
def test_use_before_fit_is_refused(estimator, cells):
    with pytest.raises(NotFittedError):
        clone(estimator).transform(cells[0])


@each
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused(estimator, cells, fitted, bad):
    X, y = cells
    broken = X.copy()
    broken[3, 2, 1] = bad
    for call in (
        lambda: clone(estimator).fit(broken, y),
        lambda: fitted(estimator).transform(broken),
    ):
        with pytest.raises(ValueError, match=r"X\[3\] contains NaN or infinity"):
            call()


@each
def test_wrong_shapes_are_refused(estimator, cells, fitted):
    X = cells[0]
    for wrong in (X[0], X[:0], X[None], "path"):
        with pytest.raises(ValueError, match="X"):
            fitted(estimator).transform(wrong)


def test_every_public_estimator_is_checked():
    public = {
        name
        for name in sskseg.__all__
        if isinstance(getattr(sskseg, name), type) and hasattr(getattr(sskseg, name), "fit")
    }
    # CrossFitted is tested with the segmenter that it wraps
    assert public - {"CrossFitted"} == {type(estimator).__name__ for estimator in ESTIMATORS}
