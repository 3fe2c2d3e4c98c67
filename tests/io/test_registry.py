"""Objects of registered classes in model files: nothing else is built from a file."""

import inspect
import json
import pickle
from dataclasses import dataclass
from numbers import Real
from typing import ClassVar

import numpy as np
import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.utils._param_validation import Interval

from sskseg import counting, detection, nn, proxies, segmentation, simulation, training
from sskseg.images.augmentation import Augmentation
from sskseg.io.registry import decode, encode, register
from sskseg.segmentation import semi_supervised
from sskseg.segmentation.semi_supervised import METHODS, SelfTraining, SemiSupervisedMethod
from sskseg.simulation import CellSimulator
from sskseg.training import SegmentationLoss


@register
class Toy(BaseEstimator):
    _parameter_constraints: ClassVar = {
        "size": [Interval(Real, 0, 1, closed="both")],
        "inside": [object],
    }

    def __init__(self, size=1, *, inside=None):
        self.size = size
        self.inside = inside


@register
@dataclass(frozen=True)
class Frozen:
    sides: tuple[float, ...] = ()


class Stranger(Toy):
    """Not registered, though a subclass of what is."""


def through_json(value):
    return decode(json.loads(json.dumps(encode(value))))


def parameter_objects():
    """Public estimators without `fit`, which are parameters of those with it."""
    modules = counting, detection, nn, proxies, segmentation, semi_supervised, simulation, training
    public = [getattr(module, name) for module in modules for name in module.__all__]
    found = {each for each in public if inspect.isclass(each) and issubclass(each, BaseEstimator)}
    abstract = counting.InstanceMethod, SemiSupervisedMethod
    needed = {nn.PretrainedEncoder: ("resnet18",)}
    return [
        each(*needed.get(each, ()))
        for each in sorted(found, key=lambda each: each.__name__)
        if each not in abstract and not hasattr(each, "fit")
    ]


@pytest.mark.parametrize("value", parameter_objects(), ids=repr)
def test_parameter_objects_are_cloned_pickled_and_saved(value):
    for copied in (clone(value), pickle.loads(pickle.dumps(value)), through_json(value)):
        assert type(copied) is type(value)
        assert copied is not value
        assert repr(copied.get_params()) == repr(value.get_params())


def test_parameter_objects_are_found():
    names = {type(value).__name__ for value in parameter_objects()}
    assert {"Watershed", "Contours", "SelfTraining", "SegmentationLoss"} <= names


@pytest.mark.parametrize(
    "value",
    [
        None,
        (1, [2.5, "x"], {"a": (True,)}),
        Toy(0.5, inside=[Toy(0), Frozen((1.0, 2.0))]),
        {"loss": SegmentationLoss(("dice",)), "augmentation": Augmentation(grid=7)},
        (SelfTraining(), "continuity"),
        CellSimulator(shape=(32, 32)),
        np.float32(0.5),
    ],
    ids=repr,
)
def test_values_come_back_equal(value):
    assert repr(through_json(value)) == repr(value if not isinstance(value, np.generic) else 0.5)
    assert type(through_json(value)) is type(value) or isinstance(value, np.generic)


def test_names_are_stored_and_no_import_paths():
    assert encode(Toy(inside=Toy())) == {
        "(object)": ["Toy", {"inside": {"(object)": ["Toy", {"inside": None, "size": 1}]},
                             "size": 1}]
    }  # fmt: skip


@pytest.mark.parametrize("value", [Stranger(), np.zeros(2), {1: 2}, print, {"a": object()}])
def test_what_is_not_registered_is_refused_by_name(value):
    with pytest.raises(ValueError, match=r"loss.* cannot be saved without executing code"):
        encode({"loss": value})


@pytest.mark.parametrize(
    "stored",
    [
        ["os.system", {"command": "true"}],
        ["Stranger", {}],
        ["sskseg.io.registry.Toy", {}],
        [["Toy"], {}],
        [{"Toy": 1}, {}],
        [None, {}],
        ["Toy"],
        ["Toy", {}, {}],
        ["Toy", []],
        ["Toy", {"self": 1}],
        ["Toy", {"surprise": 1}],
        ["Toy", {"size": 2.0}],
        ["Toy", {"size": {"(object)": ["Toy", {}]}}],
        ["Frozen", {"sides": {"(object)": ["Stranger", {}]}}],
        "Toy",
        3,
        None,
    ],
    ids=repr,
)
def test_forged_objects_are_refused(stored):
    with pytest.raises((TypeError, ValueError)):
        decode({"(object)": stored})


def test_names_of_the_library_are_not_taken_by_others():
    with pytest.raises(ValueError, match="Augmentation is a registered class already"):
        register(type("Augmentation", (Toy,), {}))
    assert type(through_json(Augmentation())) is Augmentation


def test_a_method_of_ones_own_is_registered_with_its_name():
    class Mine(SemiSupervisedMethod):
        name = "mine"

        def __init__(self, strength=1.0):
            self.strength = strength

    try:
        assert through_json(Mine(0.5)).strength == 0.5
    finally:
        del METHODS["mine"]
