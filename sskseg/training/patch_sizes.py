"""Sizes of training patches."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
import torch

from ..nn import network_margin

_BATCH_NORM = (torch.nn.BatchNorm2d, torch.nn.BatchNorm3d)


def patch_sides(patch_size: Any, ndim: int) -> tuple[int, ...]:
    """Return the sides of patches of a given size, one for each axis.

    Parameters
    ----------
    patch_size : int or sequence of int
    ndim : {2, 3}

    Returns
    -------
    tuple of int

    Raises
    ------
    ValueError
        For other than one or `ndim` integers, or any below 8.
    """
    sides = np.atleast_1d(np.asarray(patch_size, dtype=object))
    is_valid = all(isinstance(side, Integral) and int(side) >= 8 for side in sides.flat)
    if sides.shape not in ((1,), (ndim,)) or not is_valid:
        raise ValueError(
            f"patch_size must be 'auto', an integer or {ndim} integers, of at least 8, got "
            f"{patch_size!r}."
        )
    return tuple(int(side) for side in np.broadcast_to(sides, ndim))


def check_batch(batch_size: int, patch_shape: tuple[int, ...], network: Any) -> None:
    """Raise an error if batch normalization would get a single value per channel.

    Parameters
    ----------
    batch_size : int
    patch_shape : tuple of int
        Of the training patches, pixels.
    network : torch.nn.Module
        One without ``stride``, or with a margin, is not checked.
    """
    if not hasattr(network, "stride") or any(network_margin(network, len(patch_shape))):
        return
    sides = zip(patch_shape, network.stride, strict=True)
    n_coarsest = batch_size * int(np.prod([-(-side // step) for side, step in sides]))
    if n_coarsest == 1 and any(isinstance(m, _BATCH_NORM) for m in network.modules()):
        raise ValueError(
            f"batch_size must be at least 2 with patches of {tuple(patch_shape)}, of which the "
            f"coarsest level of the network has one pixel, got {batch_size}. Or use a smaller "
            "depth."
        )
