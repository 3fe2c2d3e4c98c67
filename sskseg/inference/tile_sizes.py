"""Tiles, halos and memory of networks."""

import numpy as np
import torch

from ..nn import network_margin
from .tiling import TileSettings, round_up

_TILE = {2: (1024, 1024), 3: (96, 192, 192)}
_HALOS, _LONGEST = 10, 4096  # halos that fit along a tile of networks that look far, and its side


def tile_settings(network, ndim):
    """How images are cut for a network that tells its reach and stride."""
    tile, reach = _TILE[ndim], network.reach
    if any(network_margin(network, ndim)):
        # A shorter halo would show it a mirror image where the image goes on.
        tile = tuple(max(side, 3 * r) for side, r in zip(tile, reach, strict=True))
    else:
        if ndim == 2:  # in a volume such tiles would fit in no memory
            longest = (min(_HALOS * r, _LONGEST) for r in reach)
            tile = tuple(map(max, tile, longest))
        reach = tuple(min(r, side // 8) for side, r in zip(tile, reach, strict=True))
    halo = tuple(round_up(r, step) for r, step in zip(reach, network.stride, strict=True))
    return TileSettings(tile, halo, network.stride)


def covers_reach(settings, network):
    """Whether tiles show each pixel all that the network looks at, so that any tiles will do."""
    return all(h >= r for h, r in zip(settings.halo, network.reach, strict=True))


def values_per_pixel(network, n_channels, ndim):
    """Values that a network keeps at one time for each pixel, about: eight times the output of its
    largest layer."""
    sides = [4 * step for step in network.stride]
    if any(network_margin(network, ndim)):
        sides = [network.valid_input_size(side) for side in sides]
    sizes = []
    hooks = [
        module.register_forward_hook(lambda *seen: sizes.append(seen[-1].numel()))
        for module in network.modules()
        if not list(module.children())
    ]
    try:
        with torch.inference_mode():
            network(torch.zeros(1, n_channels, *sides))
    finally:
        for hook in hooks:
            hook.remove()
    return max(1.0, 8 * max(sizes, default=1) / np.prod(sides))
