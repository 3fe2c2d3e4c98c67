"""What the library asks of a network."""


def network_margin(network, ndim):
    """Pixels that the output of a network lacks on each side of each axis."""
    return getattr(network, "margin", (0,) * ndim)
