"""Networks by name."""

import copy
from collections.abc import Sequence
from functools import partial
from inspect import signature
from typing import Any

from torch import nn

from .dmcn import DMCN
from .unet import UNet

_FEATURES = ("features", "read_out", "stride", "reach")  # of a network that learns from proxies

NETWORKS: dict[str, Any] = {
    "unet": UNet,
    "unet-shuffle": partial(UNet, shuffle=True),
    "unet-valid": partial(UNet, padding="valid", batch_norm=False),
    "unet-lite": partial(UNet, batch_norm=False, up_kernel=3, dropout=0.5, inner_dropout=0.1),
    "dmcn": DMCN,
}
# Default width and depth: as published, and for the one of our own what trains in minutes
_SIZES = {
    "unet": (64, 4), "unet-shuffle": (16, 4), "unet-valid": (64, 4), "unet-lite": (32, 4),
    "dmcn": (64, 3),
}  # fmt: skip
_SIZE = (16, 4)  # of a callable
_SPACED = ("unet", "unet-shuffle", "unet-lite")


def make_network(
    name: Any,
    in_channels: int,
    out_channels: int,
    width: int | None = None,
    depth: int | None = None,
    *,
    ndim: int = 2,
    spacing: Sequence[float] | None = None,
) -> nn.Module:
    """Build a network by its name.

    Parameters
    ----------
    name : {"unet", "unet-shuffle", "unet-valid", "unet-lite", "dmcn"}, callable or Module
        ``"unet"``: U-Net with same padding and batch normalization. ``"unet-shuffle"``: the same
        with its first level at half the resolution, several times faster. ``"unet-valid"``: the
        U-Net as published, with valid padding and without batch normalization. ``"unet-lite"``:
        same padding, 3x3 transposed convolutions and dropout, without batch normalization.
        ``"dmcn"``: the deep multilevel contextual network. A callable is called with the other
        arguments; a `torch.nn.Module` is copied.
    in_channels, out_channels : int
    width, depth : int, default=None
        Channels of the first level, and number of poolings. None is the published size: 64 and 4,
        for ``"unet-lite"`` 32 and 4, for ``"dmcn"`` 64 and 3. For ``"unet-shuffle"`` and a callable
        it is 16 and 4.
    ndim : {2, 3}, default=2
    spacing : sequence of float, default=None
        Size of a pixel along each axis, see `UNet`; U-Nets with same padding use it, other networks
        do not.

    Returns
    -------
    torch.nn.Module
        Maps (batch, in_channels, *spatial) to (batch, out_channels, *spatial), and with valid
        padding to something smaller.

    Raises
    ------
    ValueError
        For an unknown name, a callable with other arguments, or one that returns no module.

    Examples
    --------
    >>> from sskseg.nn import count_parameters, make_network
    >>> count_parameters(make_network("unet-valid", 1, 1))
    31030593
    """
    if isinstance(name, nn.Module):
        return copy.deepcopy(name)
    if not callable(name) and name not in NETWORKS:
        raise ValueError(
            f"network must be one of {sorted(NETWORKS)}, a callable or a torch module, got "
            f"{name!r}."
        )
    arguments = in_channels, out_channels
    if not callable(name):
        network, arguments_by_name = network_class(
            name, *arguments, width, depth, ndim=ndim, spacing=spacing
        )
        return network(**arguments_by_name)
    width, depth = network_size(name, width, depth)
    options: dict[str, Any] = {"width": width, "depth": depth, "ndim": ndim}
    _check_callable(name, arguments, options)
    module = name(*arguments, **options)
    if not isinstance(module, nn.Module):
        raise ValueError(
            f"network must return a torch module where it is a callable, got {module!r}."
        )
    return module


def network_class(
    name: str,
    in_channels: int,
    out_channels: int,
    width: int | None = None,
    depth: int | None = None,
    *,
    ndim: int = 2,
    spacing: Sequence[float] | None = None,
) -> tuple[type[nn.Module], dict[str, Any]]:
    """Return the class of a network, and the arguments with which `make_network` calls it.

    Parameters
    ----------
    name : str
    in_channels, out_channels, width, depth, ndim, spacing
        As `make_network` takes them.

    Returns
    -------
    network : type
    arguments : dict
    """
    factory = NETWORKS[name]
    network, options = factory, {}
    if isinstance(factory, partial):
        network, options = factory.func, dict(factory.keywords)
    width, depth = network_size(name, width, depth)
    options |= {
        "in_channels": in_channels, "out_channels": out_channels, "width": width, "depth": depth,
        "ndim": ndim,
    }  # fmt: skip
    if spacing is not None and name in _SPACED:
        options["spacing"] = spacing
    return network, options


def network_size(name: Any, width: int | None = None, depth: int | None = None) -> tuple[int, int]:
    """Return width and depth of a network, with the network's own where they are None.

    Parameters
    ----------
    name, width, depth
        As `make_network` takes them.

    Returns
    -------
    tuple of (width, depth)
    """
    default = _SIZES.get(name, _SIZE) if isinstance(name, str) else _SIZE
    return width or default[0], depth or default[1]


def make_feature_network(
    name: Any,
    in_channels: int,
    width: int | None = None,
    depth: int | None = None,
    *,
    ndim: int = 2,
) -> nn.Module:
    """Build a network whose decoder features are wanted, one a pixel.

    Parameters
    ----------
    name, in_channels, width, depth, ndim
        As `make_network` takes them.

    Returns
    -------
    torch.nn.Module
        With one output channel; has ``features(x)``.

    Raises
    ------
    ValueError
        As `make_network`, and for a network without decoder features or with valid padding.
    """
    network = make_network(name, in_channels, 1, width, depth, ndim=ndim)
    missing = [part for part in _FEATURES if not hasattr(network, part)]
    if missing or any(getattr(network, "margin", ())):
        raise ValueError(
            "network must have decoder features and same padding ('unet-shuffle', 'unet' or "
            f"'unet-lite'; a module of your own has {', '.join(_FEATURES)}), got {name!r}"
            f"{f' without {missing}' if missing else ''}."
        )
    return network


def _check_callable(network, arguments, options):
    try:
        known = signature(network)
    except ValueError:  # of compiled functions
        return
    try:
        known.bind(*arguments, **options)
    except TypeError as error:
        raise ValueError(
            "network must be callable as (in_channels, out_channels, *, width, depth, ndim), got "
            f"{network!r}: {error}."
        ) from error


def count_parameters(module: nn.Module) -> int:
    """Count the trainable parameters of a torch module.

    Parameters
    ----------
    module : torch.nn.Module

    Returns
    -------
    int
    """
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)
