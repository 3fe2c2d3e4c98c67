"""Starting from a pretrained network: what is taken over, and which layers learn how fast."""

from inspect import signature

from .nn import Backbone

FINETUNE = ("last", "all", "gradual")
_SLOWER = 0.1  # rate of pretrained layers
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
