"""Tiles, halos and memory of networks, from their stride and receptive field."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from ..nn import network_margin
from .tiling import TileSettings, round_up

_TILE = {2: (1024, 1024), 3: (96, 192, 192)}
_MIN_HALOS_PER_TILE = 10  # of networks with a large receptive field
_MAX_TILE_SIDE = 4096
_UNLIMITED = 2**31


def tile_settings(
    network: Any, ndim: int, block_shape: tuple[int, ...] | None = None, *, margin: int = 0
) -> TileSettings:
    """Choose the tiles in which a network predicts images.

    Parameters
    ----------
    network : DenseNetwork or torch.nn.Module
        One without ``reach`` predicts whole images.
    ndim : {2, 3}
    block_shape : tuple of int, default=None
        Of the blocks of a scan, which are predicted in one piece where the halo covers the
        receptive field.
    margin : int, default=0
        Pixels that are read around those of the receptive field.

    Returns
    -------
    TileSettings
    """
    if not hasattr(network, "reach"):
        return TileSettings((_UNLIMITED,) * ndim, (0,) * ndim, (1,) * ndim)
    tile, reach = _TILE[ndim], network.reach
    if any(network_margin(network, ndim)):
        # A shorter halo would show it a mirror image where the image continues.
        tile = tuple(max(side, 3 * r) for side, r in zip(tile, reach, strict=True))
    else:
        if ndim == 2:  # in a volume such tiles would fit in no memory
            longest = (min(_MIN_HALOS_PER_TILE * r, _MAX_TILE_SIDE) for r in reach)
            tile = tuple(map(max, tile, longest))
        reach = tuple(min(r, side // 8) for side, r in zip(tile, reach, strict=True))
    halo = tuple(round_up(r, step) for r, step in zip(reach, network.stride, strict=True))
    if block_shape is not None and covers_reach(halo, network):
        tile = tuple(max(pair) for pair in zip(tile, block_shape, strict=True))
    sides = zip(halo, network.stride, strict=True)
    return TileSettings(
        tile, tuple(h + round_up(margin, step) for h, step in sides), network.stride
    )


def covers_reach(halo: tuple[int, ...], network: Any) -> bool:
    """Whether a halo covers the receptive field, so that any tiles give the same."""
    return all(h >= r for h, r in zip(halo, network.reach, strict=True))


def values_per_pixel(network: Any, n_channels: int, ndim: int) -> float:
    """Estimate how many values a network keeps for each pixel: eight outputs of its largest layer.

    Parameters
    ----------
    network : DenseNetwork
    n_channels : int
        Of its input.
    ndim : {2, 3}

    Returns
    -------
    float
    """
    sides = [4 * step for step in network.stride]
    if any(network_margin(network, ndim)):
        sides = [network.valid_input_size(side) for side in sides]
    sizes: list[int] = []
    hooks = [
        module.register_forward_hook(lambda *call: sizes.append(call[-1].numel()))
        for module in network.modules()
        if not list(module.children())
    ]
    try:
        with torch.inference_mode():
            network(torch.zeros(1, n_channels, *sides))
    finally:
        for hook in hooks:
            hook.remove()
    return float(max(1.0, 8 * max(sizes, default=1) / np.prod(sides)))
