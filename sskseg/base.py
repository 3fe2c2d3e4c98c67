"""Base classes of the estimators."""

from __future__ import annotations

import copy
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from inspect import signature
from numbers import Integral, Real
from typing import Any, Self, cast

import numpy as np
import torch
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from . import __version__
from .images import check_generator
from .io.models import DAMAGE, check_fitted, check_weights, read_model, shortened, write_model
from .nn import weights_of
from .training import (
    Budget,
    LoopSettings,
    as_fitted,
    isolated_seed,
    keep_parameters,
    last_network,
    optimize,
    own_defaults,
    random_numbers,
    select_device,
    select_precision,
)
from .training.callbacks import CallbackSupportMixin

_DEFAULT_STEPS = 1000
_VERSION = "_sskseg_version"  # in pickles


@contextmanager
def transaction(estimator: BaseEstimator) -> Iterator[None]:
    """Restore all attributes, and the weights of networks, if a fit raises an error.

    A fit that Ctrl-C ends during training raises none, and keeps what it has learned.

    Parameters
    ----------
    estimator : estimator
    """
    before = dict(vars(estimator))
    keep_parameters(estimator)
    # A warm start trains in place. Other fits make new networks, so that nothing is copied.
    in_place = getattr(estimator, "warm_start", False)
    modules = [v for v in before.values() if in_place and isinstance(v, torch.nn.Module)]
    weights = [copy.deepcopy(module.state_dict()) for module in modules]
    try:
        yield
    except BaseException:
        estimator.__dict__.clear()
        estimator.__dict__.update(before)
        for module, state in zip(modules, weights, strict=True):
            module.load_state_dict(state, assign=True)  # whatever the device
            module.cpu().eval()
        raise


class ImageEstimator(CallbackSupportMixin, TransformerMixin, BaseEstimator):
    """Base of the estimators on images: tags, and model files that cannot execute code.

    Parameters that are objects are saved if their class is registered, see
    `sskseg.io.registry.register`.
    """

    _not_saved: tuple[str, ...] = ()  # fitted attributes that describe the training images only
    _kept: tuple[str, ...] = ()  # parameters that describe what `fit` learned, see `as_fitted`
    # Classes of the fitted attributes that are estimators, or the parameter of which each is one.
    _inner: dict = {}  # noqa: RUF012
    _fitted: dict[str, str] = {}  # noqa: RUF012 - kinds of the fitted attributes: `check_fitted`

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        y = signature(type(self).fit).parameters.get("y")
        tags.target_tags.required = y is not None and y.default is y.empty
        tags.transformer_tags.preserves_dtype = []  # outputs are float32 or integers
        return tags

    def __reduce__(self):
        """Pickle weights of networks as arrays: unlike tensors, they always have one hash.

        So a cache (`memory` of a pipeline) finds what it has computed of an estimator.
        """
        state = {**cast("dict[str, Any]", self.__getstate__())}
        for name, value in state.items():
            if isinstance(value, torch.nn.Module) and _is_network(self, name):
                state[name] = _Weights(weights_of(last_network(self, name)))
        return _unpickle, (type(self), {**state, _VERSION: __version__})

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted estimator to a file that holds only numbers and strings.

        The format is safetensors with a JSON header: loading it cannot execute code. The file
        appears when it is complete; an older one of that name stays until then. Attributes that
        describe the training images only (`transduction_`) are not saved.

        Parameters
        ----------
        path : str or path-like

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            If a parameter is invalid, or an object that only joblib or pickle can store, such as a
            network of your own.
        """
        check_is_fitted(self)
        as_fitted(self)._validate_params()  # else the file could not be read
        write_model(path, type(self).__name__, *state_of(self))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read an estimator that `save` wrote, whatever device it was trained on.

        Parameters
        ----------
        path : str or path-like

        Returns
        -------
        estimator : object
            Of this class.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If the file is damaged, foreign, or holds another estimator; the message names it.
        OSError
            If it cannot be read.
        """
        class_name, values, tensors = read_model(path)
        if class_name != cls.__name__:
            raise ValueError(
                f"{path} holds a {shortened(class_name).strip(chr(39))}, expected a {cls.__name__}."
            )
        try:
            return cls._from_state(values, tensors)
        except DAMAGE as error:
            raise ValueError(f"{path} is damaged: {str(error)[:1000]}") from error

    @classmethod
    def _from_state(cls, values, tensors):
        estimator = cls(**values["params"])
        estimator._validate_params()
        keep_parameters(estimator)
        estimator._restore(values["fitted"], tensors)
        return estimator

    def _restore(self, fitted, tensors):
        modules: dict[str, dict[str, torch.Tensor]] = {}
        for key, tensor in tensors.items():
            name, _, inside = key.partition(".")
            if inside:
                modules.setdefault(name, {})[inside] = tensor
            else:
                fitted = {**fitted, name: tensor.numpy()}
        fitted = {**dict.fromkeys(self._not_saved), **fitted}
        for name in (*fitted, *modules):
            is_legal = name.isidentifier() and name.endswith("_") and not name.startswith("_")
            is_double = name in fitted and name in modules and name not in self._inner
            if not is_legal or is_double or hasattr(type(self), name):
                raise ValueError(f"{shortened(name)} is not the name of a fitted attribute.")
        for name, value in fitted.items():
            if name in self._inner and value is not None:
                value = _inner_class(self, name)._from_state(value, modules.pop(name, {}))
            setattr(self, name, value)
        expected = {name: kind for name, kind in self._fitted.items() if name not in modules}
        check_fitted(vars(self), expected)
        for name, state in modules.items():
            if not _is_network(self, name):
                raise ValueError(f"{type(self).__name__} has no network {name!r}.")
            with own_defaults():
                setattr(self, name, _load_network(self, name, state))

    def _make_module(self, name):
        """Build the network of the attribute `name`; its weights are replaced."""
        raise ValueError(f"{type(self).__name__} has no network {name!r}.")


def state_of(estimator):
    """Return the values and the tensors of a model file."""
    fitted: dict[str, Any] = {}
    tensors: dict[str, Any] = {}
    for name, value in vars(estimator).items():
        if not name.endswith("_") or name.startswith("_") or name in estimator._not_saved:
            continue
        if isinstance(value, torch.nn.Module):
            state = last_network(estimator, name).state_dict().items()
            tensors |= {f"{name}.{key}": tensor.cpu() for key, tensor in state}
        elif name in estimator._inner and value is not None:
            fitted[name], inside = state_of(value)
            tensors |= {f"{name}.{key}": tensor for key, tensor in inside.items()}
        elif isinstance(value, np.ndarray):
            tensors[name] = value
        else:
            fitted[name] = value
    return {"params": _params_of(as_fitted(estimator)), "fitted": fitted}, tensors


def _params_of(estimator):
    """Parameters in a model file, without fitted estimators: what these learned would be lost."""
    params = estimator.get_params(deep=False)
    for name, value in params.items():
        is_cloned = name in estimator._inner.values()
        if isinstance(value, ImageEstimator) and _is_fitted(value) and not is_cloned:
            raise ValueError(
                f"{name} cannot be saved, since it is a fitted {type(value).__name__}: save it to "
                "its own file, and give the path; or use joblib or pickle instead."
            )
    return params


def _is_fitted(estimator):
    return any(name.endswith("_") and not name.startswith("_") for name in vars(estimator))


def _inner_class(estimator, name):
    kind = estimator._inner[name]
    return type(getattr(estimator, kind)) if isinstance(kind, str) else kind


def _is_network(estimator, name):
    return estimator._fitted.get(name, "").startswith("a network")


def _load_network(estimator, name, state):
    """Build a network, and give it the weights of a file."""
    estimator = as_fitted(estimator)
    with torch.device("meta"):  # without memory: a file may claim any size
        check_weights(estimator._make_module(name), state)
    with isolated_seed(0, torch.device("cpu")), random_numbers():  # initial weights are random
        module = estimator._make_module(name)
    module.load_state_dict(state)
    return module.eval()


def _unpickle(kind, state):
    """Build an estimator from a pickle, whose version may know other attributes than this one."""
    state = dict(state)
    version = state.pop(_VERSION, "before 0.1.0")
    if version == __version__:
        return _build(kind, state)
    warnings.warn(
        InconsistentVersionWarning(
            estimator_name=kind.__name__,
            original_sklearn_version=f"sskseg {version}",
            current_sklearn_version=f"sskseg {__version__}",
        ),
        stacklevel=2,
    )
    try:
        return _build(kind, state)
    except DAMAGE as error:
        raise ValueError(
            f"A pickle of {kind.__name__} from sskseg {version} cannot be read by sskseg "
            f"{__version__}: {error}. Read it with that version, and write a model file by save."
        ) from error


def _build(kind, state):
    weights = {name: value for name, value in state.items() if isinstance(value, _Weights)}
    estimator = kind.__new__(kind)
    estimator.__setstate__({name: v for name, v in state.items() if name not in weights})
    for name, value in weights.items():
        tensors = {key: torch.tensor(array) for key, array in value.arrays.items()}
        with own_defaults():
            setattr(estimator, name, _load_network(estimator, name, tensors))
    return estimator


class _Weights:
    """Weights of a network in a pickle."""

    def __init__(self, arrays):
        self.arrays = arrays


class TorchEstimator(ImageEstimator):
    """Base of the estimators that train a network.

    Subclasses have the parameters in `_parameter_constraints`. Networks are kept on the CPU
    between calls, so that a model that was trained on a GPU loads anywhere.
    """

    _parameter_constraints: dict = {  # noqa: RUF012 - scikit-learn's name and form
        "width": [Interval(Integral, 1, None, closed="left"), None],
        "depth": [Interval(Integral, 1, 6, closed="both"), None],
        "max_steps": [Interval(Integral, 1, None, closed="left"), None],
        "time_budget": [Interval(Real, 0, None, closed="neither"), None],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "patch_size": [
            Interval(Integral, 8, None, closed="left"), tuple, list, StrOptions({"auto"})
        ],
        "device": [str],
        "precision": [StrOptions({"auto", "float32", "bfloat16"})],
        "random_state": ["random_state", np.random.Generator],
        "warm_start": ["boolean"],
        "verbose": ["verbose"],
    }  # fmt: skip

    @contextmanager
    def _session(self) -> Iterator[tuple[np.random.Generator, torch.device, torch.dtype]]:
        """Give the generator, device and dtype of a call; keep torch's global random state."""
        rng = check_generator(self.random_state)
        device, dtype = self._place()
        with own_defaults(), isolated_seed(int(rng.integers(2**62)), device):
            yield rng, device, dtype

    def _place(self) -> tuple[torch.device, torch.dtype]:
        """Return device and dtype, without a session: threads can predict at the same time."""
        device = select_device(self.device)
        return device, select_precision(self.precision, device)

    def _budget(self) -> Budget:
        """Start the clock of a fit."""
        steps = self.max_steps
        if steps is None and self.time_budget is None:
            steps = _DEFAULT_STEPS
        return Budget(steps, self.time_budget, report=getattr(self, "_fit_progress", None))

    def _resumes(self, network: torch.nn.Module) -> bool:
        """Whether a network is that of the last fit (warm start)."""
        return network is getattr(self, "network_", None)

    def _optimize(
        self,
        network: torch.nn.Module,
        batches: Iterator,
        compute_loss: Any,
        budget: Budget,
        device: torch.device,
        dtype: torch.dtype,
        *,
        phase: str = "network",
        is_first: bool = True,
        **options: Any,
    ) -> torch.nn.Module:
        """Train a network, extend `history_`, and return the network on the CPU.

        Parameters
        ----------
        network, batches, compute_loss, budget
            Of `optimize`.
        device : torch.device
        dtype : torch.dtype
        phase : str, default="network"
            Name of this training in the history.
        is_first : bool, default=True
            Whether it is the first of this fit. The history of an earlier fit is then kept only
            with `warm_start`.
        **options
            Of `optimize`.

        Returns
        -------
        torch.nn.Module
        """
        settings = LoopSettings(
            self.learning_rate, device, dtype, patience=getattr(self, "patience", None),
            verbose=bool(self.verbose),
        )  # fmt: skip
        keeps_history = self.warm_start or not is_first
        earlier = getattr(self, "history_", []) if keeps_history else []
        history = optimize(network, batches, compute_loss, budget, settings, **options)
        self.history_ = [*earlier, *({"phase": phase, **row} for row in history)]
        return network.cpu()
