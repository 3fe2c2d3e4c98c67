"""Fine-tuning: starting from a pretrained network, and the learning rates of its layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from inspect import signature
from typing import Any

import numpy as np
import torch

from ..images import spatial_ndim_of
from ..nn import Backbone, PretrainedEncoder, transfer_weights
from .fitted import as_fitted
from .global_state import random_numbers
from .standardization import channel_statistics

FINETUNE = ("last", "all", "gradual")
# Learning rates of new and of pretrained layers, as shares of the estimator's, by what the network
# was trained for
_RATES = {"proxy": (1.0, 1.0), "encoder": (1.0, 0.5), "task": (0.2, 0.1)}
_UNFREEZE = 0.3  # share of the training after which all layers learn with "gradual"


def check_backbone(backbone: Any) -> None:
    """Raise a TypeError if it is not a `Backbone`."""
    if not isinstance(backbone, Backbone):
        raise TypeError(
            f"stack.backbone must be a sskseg.nn.Backbone, as ProxyPretrainer returns it, got "
            f"{type(backbone).__name__}."
        )


def starts_warm(estimator: Any) -> bool:
    """Whether a fit starts from the network of the last one."""
    return estimator.warm_start and hasattr(estimator, "network_")


def last_network(estimator: Any, name: str = "network_") -> Any:
    """Return a network of the last fit, which the parameters must still describe.

    Those that `as_fitted` returns do, except in a warm start. Otherwise a file or a pickle of the
    estimator could not be read.

    Parameters
    ----------
    estimator : TorchEstimator
    name : str
        The attribute, ``network_`` by default.

    Returns
    -------
    torch.nn.Module

    Raises
    ------
    ValueError
        If the parameters describe another network.
    """
    network = getattr(estimator, name)
    with torch.device("meta"):  # without memory
        described = _shapes(as_fitted(estimator)._make_module(name))
    if described != _shapes(network):
        raise ValueError(
            f"The parameters of {type(estimator).__name__} describe another network than the last "
            "fit trained. Set them back, or fit with warm_start=False."
        )
    return network


def _shapes(network):
    return {key: tuple(tensor.shape) for key, tensor in network.state_dict().items()}


def take_over(backbone: Any, estimator: Any) -> tuple[Any, int, int]:
    """Return network, width and depth of a backbone; those of the estimator must agree.

    Parameters
    ----------
    backbone : Backbone
    estimator : object
        Has the parameters `network`, `width`, `depth` and `spatial_ndim`. Default values agree with
        any backbone.

    Returns
    -------
    tuple of (network, width, depth)

    Raises
    ------
    ValueError
        If they conflict; the message names the parameter.
    TypeError
        If the backbone is not a `Backbone`.
    """
    check_backbone(backbone)
    if backbone.ndim != spatial_ndim_of(estimator):
        raise ValueError(
            f"spatial_ndim={spatial_ndim_of(estimator)} conflicts with the backbone, which was "
            f"pretrained with spatial_ndim={backbone.ndim}."
        )
    defaults = signature(type(estimator)).parameters
    for name in ("network", "width", "depth"):
        ours, theirs, default = getattr(estimator, name), getattr(backbone, name), defaults[name]
        if ours not in (theirs, default.default):
            raise ValueError(
                f"{name}={ours!r} conflicts with the backbone, which was pretrained with "
                f"{name}={theirs!r}: give the pretrainer the same, or leave it at its default here."
            )
    return backbone.network, backbone.width, backbone.depth


def start_network(
    estimator: Any,
    images: Sequence[np.ndarray],
    backbone: Backbone | None = None,
    outputs: tuple[str, ...] = (),
    pretrained_part: Callable[[Any], torch.nn.Module] = lambda network: network,
) -> Any:
    """Compute statistics of the images and return the network that training starts from.

    Parameters
    ----------
    estimator : TorchEstimator
        Its `n_channels_`, `channel_mean_`, `channel_std_` and `architecture_` are set, unless it
        has a warm start.
    images : list of ndarray of shape (*spatial, n_channels)
    backbone : Backbone, default=None
    outputs : tuple of str, default=()
        What the network predicts; the last layer of a backbone that does the same is taken over.
    pretrained_part : callable
        Returns the part of the network that gets the backbone's weights; all of it by default.

    Returns
    -------
    torch.nn.Module
        That of the last fit (`warm_start`), a new one, or one with the weights of the backbone or
        of a `PretrainedEncoder`.

    Raises
    ------
    ValueError
        For another number of channels than in the last fit, parameters that describe another
        network than that of a warm start, a backbone that conflicts, or weights that do not fit
        their encoder.
    FileNotFoundError
        If there is no file of weights.
    """
    n_channels = images[0].shape[-1]
    if starts_warm(estimator):
        if n_channels != estimator.n_channels_:
            raise ValueError(f"X must have {estimator.n_channels_} channel(s), got {n_channels}.")
        return last_network(estimator)
    estimator.n_channels_ = n_channels
    estimator.channel_mean_, estimator.channel_std_ = channel_statistics(images)
    estimator.architecture_ = None if backbone is None else take_over(backbone, estimator)
    with random_numbers():
        network = estimator._make_module("network_")
    if backbone is not None:
        with_head = does_task(backbone, outputs)
        transfer_weights(
            backbone.module, pretrained_part(network), with_head=with_head, rescale=not with_head
        )
    elif isinstance(estimator.network, PretrainedEncoder):
        estimator.network.load_weights(network.encoder)
    return network


def does_task(backbone: Backbone | None, outputs: tuple[str, ...]) -> bool:
    """Whether a backbone was trained to predict these outputs, and brings its last layer."""
    return backbone is not None and bool(outputs) and outputs == backbone.outputs


def rate_groups(network: Any, finetune: str, origin: str = "proxy") -> list:
    """Return groups of parameters with their learning rates, as shares of the estimator's.

    Parameters
    ----------
    network : torch.nn.Module
        Has ``last_layers()``; its head is new, the others are pretrained. Parameters that require
        no gradient are left out.
    finetune : {"last", "all", "gradual"}
    origin : {"proxy", "encoder", "task"}, default="proxy"
        What the network was trained for: a proxy task, at the full rate as all weights are
        rescaled (`transfer_weights`); other images, if it is a `PretrainedEncoder`; or the same
        outputs, head included (`does_task`), which few labels would make it forget.

    Returns
    -------
    list of (list of Parameter, callable)
        ``callable(progress) -> share``; 0 throughout for a layer that is frozen.
    """
    rate, pretrained = _RATES[origin]
    *last, head = network.last_layers()
    new = list(head.parameters())
    late = [p for module in last for p in module.parameters()]
    known = {id(p) for p in (*new, *late)}
    early = [p for p in network.parameters() if p.requires_grad and id(p) not in known]
    if finetune == "last":
        return [(new + late, _constant(rate)), (early, _constant(0.0))]
    if finetune == "all":
        return [(new, _constant(rate)), (late + early, _constant(pretrained))]
    return [
        (new + late, lambda progress: rate if progress < _UNFREEZE else pretrained),
        (early, lambda progress: 0.0 if progress < _UNFREEZE else pretrained),
    ]


def _constant(share):
    return lambda progress: share
