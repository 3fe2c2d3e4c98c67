"""Networks by name."""

from functools import partial

from .unet import UNet

NETWORKS = {"unet": UNet, "unet-shuffle": partial(UNet, shuffle=True)}


def make_network(name, in_channels, out_channels, width=32, depth=3, *, ndim=2):
    """Build a network by its name.

    Parameters
    ----------
    name : {"unet", "unet-shuffle"} or callable
        ``"unet"``: same padding; ``"unet-shuffle"``: the same with its first level at half the
        resolution, several times faster. A callable is called with the other arguments.
    in_channels, out_channels : int
    width : int, default=32
        Channels of the first level.
    depth : int, default=3
        Number of poolings.
    ndim : {2, 3}, default=2

    Returns
    -------
    torch.nn.Module
        Maps (batch, in_channels, *spatial) to (batch, out_channels, *spatial).

    Raises
    ------
    ValueError
        For an unknown name.

    Examples
    --------
    >>> from sskseg.nn import count_parameters, make_network
    >>> count_parameters(make_network("unet", 1, 1, width=4, depth=1))
    1677
    """
    if not callable(name) and name not in NETWORKS:
        raise ValueError(f"network must be one of {sorted(NETWORKS)} or a callable, got {name!r}.")
    factory = name if callable(name) else NETWORKS[name]
    return factory(in_channels, out_channels, width=width, depth=depth, ndim=ndim)


def count_parameters(module):
    """Count the trainable parameters of a torch module.

    Parameters
    ----------
    module : torch.nn.Module

    Returns
    -------
    int
    """
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)
