"""Starting from a pretrained network: what is taken over, and which layers learn how fast."""

from inspect import signature

from ..nn import Backbone, transfer_weights
from . import channel_statistics

FINETUNE = ("last", "all", "gradual")
_SLOWER = 0.5  # rate of pretrained layers; at a tenth short trainings do not come round
_UNFREEZE = 0.3  # share of the training after which all layers learn with "gradual"


def take_over(backbone, estimator):
    """Network, width and depth of a backbone, which those of an estimator must not contradict.

    Parameters
    ----------
    backbone : Backbone
    estimator : object
        Has the parameters `network`, `width`, `depth` and `spatial_ndim`. Those that stand at their
        default contradict nothing.

    Returns
    -------
    tuple of (network, width, depth)

    Raises
    ------
    ValueError
        That says what conflicts.
    TypeError
        If the backbone is something else.
    """
    if not isinstance(backbone, Backbone):
        raise TypeError(
            f"stack.backbone must be a sskseg.nn.Backbone, as ProxyPretrainer hands it on, got "
            f"{type(backbone).__name__}."
        )
    if backbone.ndim != estimator.spatial_ndim:
        raise ValueError(
            f"spatial_ndim={estimator.spatial_ndim} conflicts with the backbone, which was "
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


def start_network(estimator, images, backbone=None, taken_over=lambda network: network):
    """Take statistics of the images and give the network that training starts from.

    Parameters
    ----------
    estimator : TorchEstimator
        Its `n_channels_`, `channel_mean_`, `channel_std_` and `architecture_` are set, unless it
        goes on from the last fit.
    images : list of ndarray of shape (*spatial, n_channels)
    backbone : Backbone, default=None
    taken_over : callable
        Gives the part of the network that the backbone's weights are for; all of it by default.

    Returns
    -------
    torch.nn.Module
        That of the last fit (`warm_start`), a new one, or one with the backbone's weights.

    Raises
    ------
    ValueError
        For another number of channels than in the last fit, or a backbone that conflicts.
    """
    n_channels = images[0].shape[-1]
    if estimator.warm_start and hasattr(estimator, "network_"):
        if n_channels != estimator.n_channels_:
            raise ValueError(f"X must have {estimator.n_channels_} channel(s), got {n_channels}.")
        return estimator.network_
    estimator.n_channels_ = n_channels
    estimator.channel_mean_, estimator.channel_std_ = channel_statistics(images)
    estimator.architecture_ = None if backbone is None else take_over(backbone, estimator)
    network = estimator._make_module("network_")
    if backbone is not None:
        transfer_weights(backbone.module, taken_over(network))
    return network


def rate_groups(network, finetune):
    """Parameters with their learning rates, as shares of the estimator's rate.

    Parameters
    ----------
    network : torch.nn.Module
        Has ``last_layers()``; its head is new, the others are pretrained.
    finetune : {"last", "all", "gradual"}

    Returns
    -------
    list of (list of Parameter, callable)
        ``callable(progress) -> share``; 0 throughout for a layer that is frozen.
    """
    *last, head = network.last_layers()
    new = list(head.parameters())
    late = [p for module in last for p in module.parameters()]
    known = {id(p) for p in (*new, *late)}
    early = [p for p in network.parameters() if id(p) not in known]
    if finetune == "last":
        return [(new + late, _constant(1.0)), (early, _constant(0.0))]
    if finetune == "all":
        return [(new, _constant(1.0)), (late + early, _constant(_SLOWER))]
    return [
        (new + late, lambda progress: 1.0 if progress < _UNFREEZE else _SLOWER),
        (early, lambda progress: 0.0 if progress < _UNFREEZE else _SLOWER),
    ]


def _constant(share):
    return lambda progress: share
