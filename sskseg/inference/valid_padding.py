"""Output of the size of the image from networks with valid padding."""

from functools import partial

import numpy as np
import torch
import torch.nn.functional as F

from ..nn import crop_center

TILINGS = ("overlap-tile", "average", "resize", "legacy_resize")


def restore_size(forward, network, tiling, tile):
    """Wrap a network with valid padding so that its output has the size of its input.

    Parameters
    ----------
    forward : callable
        Maps (batch, n_channels, *size) to something that lacks ``network.margin`` on each side.
    network : torch.nn.Module
        Its ``margin`` and ``valid_input_size`` are used.
    tiling : {"overlap-tile", "average", "resize", "legacy_resize"}
        ``"overlap-tile"``: the image is continued by reflection, so that nothing is missing [1]_.
        ``"average"``: the same in tiles evenly spaced from one end of each axis to the other,
        whose outputs are averaged where they overlap. ``"resize"``: the image is shrunk to the size
        of one tile's output, and the output enlarged. ``"legacy_resize"``: the output of the tile
        in the middle is stretched over the whole image, though it shows its middle only.
    tile : tuple of int
        Legal input size; not used by ``"overlap-tile"``.

    Returns
    -------
    callable
        Maps (batch, n_channels, *spatial) to (batch, n_outputs, *spatial), for any size.

    References
    ----------
    .. [1] Ronneberger, Fischer, Brox. U-Net: Convolutional networks for biomedical image
       segmentation. MICCAI 2015. :doi:`10.1007/978-3-319-24574-4_28`
    """
    if tiling == "overlap-tile":
        return partial(_overlap_tile, forward, network)
    outputs = tuple(side - 2 * m for side, m in zip(tile, network.margin, strict=True))
    function = {"average": _average, "resize": _resize, "legacy_resize": _legacy_resize}[tiling]
    return partial(function, forward, network.margin, outputs)


def _overlap_tile(forward, network, x):
    spatial = x.shape[2:]
    wanted = [
        network.valid_input_size(size + 2 * margin)
        for size, margin in zip(spatial, network.margin, strict=True)
    ]
    after = [
        total - size - margin
        for total, size, margin in zip(wanted, spatial, network.margin, strict=True)
    ]
    result = forward(_reflect(x, network.margin, after))
    return result[(..., *(slice(size) for size in spatial))]


def _average(forward, margin, outputs, x):
    spatial = x.shape[2:]
    missing = [max(0, out - size) for out, size in zip(outputs, spatial, strict=True)]
    x = _reflect(x, margin, [m + more for m, more in zip(margin, missing, strict=True)])
    sizes = [size + more for size, more in zip(spatial, missing, strict=True)]
    axes = [_even_starts(size, out) for size, out in zip(sizes, outputs, strict=True)]
    total, counts = None, torch.zeros(sizes)
    for start in np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, len(axes)):
        write = tuple(slice(a, a + out) for a, out in zip(start, outputs, strict=True))
        read = tuple(
            slice(a, a + out + 2 * m) for a, out, m in zip(start, outputs, margin, strict=True)
        )
        result = forward(x[(..., *read)])
        if total is None:
            total = result.new_zeros(*result.shape[:2], *sizes)
            counts = counts.to(result.device)
        total[(..., *write)] += result
        counts[write] += 1
    return (total / counts)[(..., *(slice(size) for size in spatial))]


def _even_starts(size, tile):
    """Starts of as few tiles as cover an axis, evenly spaced from end to end."""
    return np.linspace(0, size - tile, -(-size // tile)).round().astype(int)


def _resize(forward, margin, outputs, x):
    small = _interpolate(x, outputs).to(x.dtype)
    return _interpolate(forward(_reflect(small, margin, margin)), x.shape[2:])


def _legacy_resize(forward, margin, outputs, x):
    tile = [out + 2 * m for out, m in zip(outputs, margin, strict=True)]
    missing = [max(0, side - size) for side, size in zip(tile, x.shape[2:], strict=True)]
    padded = _reflect(x, [m // 2 for m in missing], [m - m // 2 for m in missing])
    return _interpolate(forward(crop_center(padded, tile)), x.shape[2:])


def _interpolate(x, spatial):
    mode = {2: "bilinear", 3: "trilinear"}[len(spatial)]
    smooth = len(spatial) == 2  # torch has no antialiasing in volumes
    return F.interpolate(x.float(), size=tuple(spatial), mode=mode, antialias=smooth)


def _reflect(x, before, after):
    """Continue an image by its mirror image, as far as need be."""
    for axis, (first, last) in enumerate(zip(before, after, strict=True), start=2):
        index = np.pad(np.arange(x.shape[axis]), (first, last), mode="reflect")
        x = x.index_select(axis, torch.from_numpy(index).to(x.device))
    return x
