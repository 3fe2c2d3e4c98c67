"""Save and load fitted estimators and pipelines."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

import sskseg

from ..base import ImageEstimator, state_of
from ..io.models import DAMAGE, read_model, shortened, split_steps, write_model
from ..io.registry import registered_class
from ..io.trained import did_you_mean, trained_file
from .cards import list_models

_PIPELINE = "Pipeline"


def save_model(
    model: Pipeline | ImageEstimator,
    path: str | os.PathLike[str],
    *,
    half_precision: bool = False,
    metadata: Mapping[str, Any] | None = None,
) -> None:
    """Write a fitted pipeline or estimator to a file that holds only numbers and strings.

    The format is safetensors with a JSON header: loading it cannot execute code. The file appears
    when it is complete; an older one of that name stays until then.

    Parameters
    ----------
    model : Pipeline or estimator
        Fitted. The steps of a pipeline are estimators of this library, or `"passthrough"`; its
        `memory` and `verbose` are not saved.
    path : str or path-like
    half_precision : bool, default=False
        Whether to store the weights of networks as float16: half the size, and predictions that
        differ by about a thousandth. They are float32 again when the file is loaded.
    metadata : dict of str to object, default=None
        What else the file says of the model, for `load_metadata`: numbers, strings, lists, tuples
        and dicts. ``channel``, ``{"index": 1, "name": "GFP"}``, is the only channel that the model
        was trained on, of images that have several; commands of `sskseg` read it by default.

    Raises
    ------
    NotFittedError
        If the model, or a step of it, is not fitted.
    TypeError
        If it is, or holds, an estimator that only joblib or pickle can store.
    ValueError
        If a parameter is an object that only joblib or pickle can store, such as a network of your
        own. If the channel of `metadata` is another value.

    See Also
    --------
    load_model : Read the file.
    load_metadata : Read the metadata, which a loaded model does not have.

    Examples
    --------
    >>> import os, tempfile
    >>> from sklearn.pipeline import make_pipeline
    >>> from sskseg import InstanceCounter, OtsuWatershed, PercentileScaler
    >>> from sskseg.datasets import make_cells
    >>> from sskseg.models import load_model, save_model
    >>> X, y = make_cells(n_samples=2, shape=(64, 64), random_state=0)
    >>> model = make_pipeline(PercentileScaler(), OtsuWatershed()).fit(X, y)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "cells.sskseg")
    ...     save_model(model, path)
    ...     loaded = load_model(path)
    >>> bool((loaded.predict(X) == model.predict(X)).all())
    True
    """
    if not isinstance(model, Pipeline):
        _check_step(model)
        check_is_fitted(model)
        values, inside = state_of(model)
        _write(path, type(model).__name__, values, inside, half_precision, metadata)
        return
    steps: list[tuple[str, str, dict]] = []
    tensors: dict[str, Any] = {}
    for i, (name, step) in enumerate(model.steps):
        if step is None or step == "passthrough":
            steps.append((name, "passthrough", {}))
            continue
        _check_step(step, name)
        check_is_fitted(step)
        values, inside = state_of(step)
        steps.append((name, type(step).__name__, values))
        tensors |= {f"{i}.{key}": tensor for key, tensor in inside.items()}
    _write(path, _PIPELINE, {"steps": steps}, tensors, half_precision, metadata)


def _write(path, class_name, values, tensors, half_precision, metadata):
    _check_channel(metadata or {})
    values = values if metadata is None else {**values, "metadata": dict(metadata)}
    write_model(path, class_name, values, tensors, half_precision=half_precision)


def _check_channel(metadata):
    match metadata.get("channel"):
        case None:
            return
        case {"index": int(index), "name": str()} if index >= 0:
            return
        case other:
            raise ValueError(
                "metadata['channel'] must have an index from 0 and a name, such as "
                f"{{'index': 1, 'name': 'GFP'}}, got {other!r}."
            )


def load_metadata(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read the metadata that `save_model` wrote to a file.

    Parameters
    ----------
    path : str or path-like
        As in `load_model`.

    Returns
    -------
    dict of str to object
        Empty if the file has none.

    Raises
    ------
    FileNotFoundError, ValueError, OSError
        As `load_model` does.
    """
    _, values, _ = read_model(trained_file(path) or path)
    metadata = values.get("metadata", {}) if isinstance(values, dict) else None
    if not isinstance(metadata, dict):
        raise ValueError(f"{path} is damaged: its metadata must be a dict.")
    try:
        _check_channel(metadata)
    except ValueError as error:
        raise ValueError(f"{path} is damaged: {error}") from error
    return metadata


def load_model(path: str | os.PathLike[str]) -> Any:
    """Load a trained pipeline of the package, or a model from a file.

    Parameters
    ----------
    path : str or path-like
        Name of a trained pipeline that comes with the package (see `list_models`), or path of a
        file that `save_model` or the method `save` of an estimator wrote. If there is a file with
        the name of a trained pipeline, the file is loaded.

    Returns
    -------
    Pipeline or estimator
        The fitted model. It can be used on any device.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is damaged, or was not written by this library. The message names the file.
    OSError
        If it cannot be read.

    See Also
    --------
    model_card : Data, scores and limits of a trained pipeline.

    Examples
    --------
    >>> from sskseg.models import load_model
    >>> [name for name, _ in load_model("nuclei").steps]
    ['check', 'scaler', 'segmenter', 'counter']
    """
    file = trained_file(path) or path
    if not os.path.exists(file) and str(path).replace("-", "_").isidentifier():
        raise FileNotFoundError(
            f"No model file at {path}, and no trained model of that name; there are "
            f"{', '.join(list_models())}.{did_you_mean(str(path), list_models())}"
        )
    return _read(file)


def _read(path):
    class_name, values, tensors = read_model(path)
    try:
        if class_name != _PIPELINE:
            return _built(class_name, values, tensors)
        parts = split_steps(values["steps"], tensors)
        pipeline = Pipeline([(name, _built(*state)) for name, *state in parts])
        pipeline._validate_steps()
    except DAMAGE as error:
        raise ValueError(f"{path} is damaged: {str(error)[:1000]}") from error
    return pipeline


def _built(class_name, values, tensors):
    if class_name == "passthrough":
        return class_name
    return _estimator_class(class_name)._from_state(values, tensors)


def _estimator_class(name):
    """The class of an estimator of this library, or of one that a user registered."""
    kind = getattr(sskseg, name) if name in sskseg.__all__ else registered_class(name)
    if not (isinstance(kind, type) and issubclass(kind, ImageEstimator)):
        raise ValueError(f"{shortened(name)} is not the name of an estimator.")
    return kind


def _check_step(step, name=None):
    kind = type(step).__name__
    known = isinstance(step, ImageEstimator) and _is_found(type(step))
    if not known:
        of = "" if name is None else f"Step {name!r} of the pipeline: "
        raise TypeError(
            f"{of}{kind} cannot be saved without executing code when it is loaded: expected an "
            "estimator of sskseg, or a subclass of ImageEstimator that is registered (see "
            "sskseg.io.registry.register). Use joblib or pickle instead."
        )


def _is_found(kind):
    try:
        return _estimator_class(kind.__name__) is kind
    except ValueError:
        return False
