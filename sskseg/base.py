"""What all estimators share."""

from contextlib import contextmanager
from numbers import Integral, Real

import numpy as np
import torch
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from .images import check_generator
from .io.models import DAMAGE, check_fitted, check_weights, read_model, shortened, write_model
from .training import (
    Budget,
    LoopSettings,
    isolated_seed,
    optimize,
    select_device,
    select_precision,
)

_DEFAULT_STEPS = 1000


class ImageEstimator(TransformerMixin, BaseEstimator):
    """Base of the estimators on images: tags, and model files that cannot execute code."""

    _not_saved: tuple[str, ...] = ()  # attributes that are about the training images
    _inner: dict = {}  # noqa: RUF012 - fitted attributes that are estimators: their classes
    _fitted: dict[str, str] = {}  # noqa: RUF012 - what a model file must hold, see `check_fitted`

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        tags.target_tags.required = False
        tags.transformer_tags.preserves_dtype = []  # float32 or integers come out
        return tags

    def save(self, path):
        """Write the fitted estimator to a file that holds numbers and strings only.

        What is about the training images alone (`transduction_`) is left out.

        The format is safetensors with a JSON header: loading it cannot execute code. The file
        appears when it is complete; an older one of that name stays until then.

        Parameters
        ----------
        path : str or path-like

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            If a parameter is an object of the caller's (a network of his own, say), which only
            joblib or pickle can store.
        """
        check_is_fitted(self)
        write_model(path, type(self).__name__, *self._state())

    def _state(self):
        """Values and tensors of a model file."""
        values, tensors = {"params": self.get_params(deep=False), "fitted": {}}, {}
        for name, value in vars(self).items():
            if not name.endswith("_") or name.startswith("_") or name in self._not_saved:
                continue
            if isinstance(value, torch.nn.Module):
                state = value.state_dict().items()
                tensors |= {f"{name}.{key}": tensor.cpu() for key, tensor in state}
            elif name in self._inner and value is not None:
                values["fitted"][name], inside = value._state()
                tensors |= {f"{name}.{key}": tensor for key, tensor in inside.items()}
            elif isinstance(value, np.ndarray):
                tensors[name] = value
            else:
                values["fitted"][name] = value
        return values, tensors

    @classmethod
    def load(cls, path):
        """Read an estimator that `save` wrote, on whatever device it was trained.

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
        estimator._restore(values["fitted"], tensors)
        return estimator

    def _restore(self, fitted, tensors):
        modules = {}
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
                value = self._inner[name]._from_state(value, modules.pop(name, {}))
            setattr(self, name, value)
        expected = {name: kind for name, kind in self._fitted.items() if name not in modules}
        check_fitted(vars(self), expected)
        for name, state in modules.items():
            if not self._fitted.get(name, "").startswith("a network"):
                raise ValueError(f"{type(self).__name__} has no network {name!r}.")
            with torch.device("meta"):  # no larger than what the file holds
                check_weights(self._make_module(name), state)
            with isolated_seed(0, torch.device("cpu")):  # first weights, which are drawn
                module = self._make_module(name)
            module.load_state_dict(state)
            setattr(self, name, module.eval())

    def _make_module(self, name):
        """Build the network that is stored as the attribute `name`, with any weights."""
        raise ValueError(f"{type(self).__name__} has no network {name!r}.")


class TorchEstimator(ImageEstimator):
    """Base of the estimators that train a network.

    Subclasses have the parameters that are named in `_parameter_constraints`; networks are kept
    on the CPU between calls, so that a model which was trained on a GPU loads anywhere.
    """

    _parameter_constraints: dict = {  # noqa: RUF012 - scikit-learn's name and form
        "width": [Interval(Integral, 1, None, closed="left")],
        "depth": [Interval(Integral, 1, 6, closed="both")],
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
    def _session(self):
        """Generator, device and dtype of one call; torch's global random state is kept."""
        rng = check_generator(self.random_state)
        device, dtype = self._place()
        with isolated_seed(int(rng.integers(2**62)), device):
            yield rng, device, dtype

    def _place(self):
        """Device and dtype of a call in which nothing is drawn, which threads may share."""
        device = select_device(self.device)
        return device, select_precision(self.precision, device)

    def _budget(self):
        """Start the clock of one fit."""
        steps = self.max_steps
        if steps is None and self.time_budget is None:
            steps = _DEFAULT_STEPS
        return Budget(steps, self.time_budget)

    def _goes_on(self, network):
        """Whether a network is that of the last fit, which has learned already."""
        return network is getattr(self, "network_", None)

    def _optimize(
        self, network, batches, compute_loss, budget, device, dtype, *, stage="network", **options
    ):
        """Train `network`, extend `history_`, and bring the network back to the CPU.

        Parameters
        ----------
        stage : str
            Stands in the history; "continuity" goes on from another.
        **options
            Of `optimize`.
        """
        settings = LoopSettings(
            self.learning_rate,
            device,
            dtype,
            patience=getattr(self, "patience", None),
            verbose=bool(self.verbose),
        )
        goes_on = stage == "continuity" or self.warm_start
        earlier = getattr(self, "history_", []) if goes_on else []
        history = optimize(network, batches, compute_loss, budget, settings, **options)
        self.history_ = [*earlier, *({"phase": stage, **row} for row in history)]
        return network.cpu()
