"""Other ways to predict whole images with networks with valid padding, to reproduce old results.

`predict_legacy(model, X, tiling)` is `model.predict_proba(X)` with one of `TILINGS`:

- "average": the image is extended by reflection, and evenly spaced tiles of the training patches'
  size are averaged where they overlap.
- "resize": the image is shrunk to the output of one tile, and the output enlarged.
- "legacy_resize": the output of the tile in the middle is stretched over the whole image, which
  displaces everything.
"""

from functools import partial

import numpy as np
import torch
import torch.nn.functional as F

from sskseg.inference.valid_padding import reflect
from sskseg.nn import crop_center

TILINGS = ("average", "resize", "legacy_resize")


def predict_legacy(model, X, tiling):
    """Probabilities of a fitted segmenter with a network with valid padding, in float32.

    Parameters
    ----------
    model : SemiSupervisedSegmenter
        With independent samples.
    X : ndarray of shape (n_samples, height, width)
    tiling : {"average", "resize", "legacy_resize"}

    Returns
    -------
    ndarray of float32, shape (n_samples, height, width)
    """
    network, results = model.network_.eval(), []
    forward = restore_size(network, network.margin, tiling, model.patch_shape_)
    for image in X:
        x = (image.astype(np.float32) - model.channel_mean_) / model.channel_std_
        with torch.inference_mode():
            logits = forward(torch.from_numpy(x)[None, None])
        results.append(logits[0, 0].sigmoid().numpy())
    return np.stack(results)


def restore_size(forward, margin, tiling, tile):
    """Wrap a network with valid padding so that its output has the size of its input."""
    outputs = tuple(side - 2 * m for side, m in zip(tile, margin, strict=True))
    function = {"average": _average, "resize": _resize, "legacy_resize": _legacy_resize}[tiling]
    return partial(function, forward, margin, outputs)


def _average(forward, margin, outputs, x):
    spatial = x.shape[2:]
    missing = [max(0, out - size) for out, size in zip(outputs, spatial, strict=True)]
    x = reflect(x, margin, [m + more for m, more in zip(margin, missing, strict=True)])
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
    return _interpolate(forward(reflect(small, margin, margin)), x.shape[2:])


def _legacy_resize(forward, margin, outputs, x):
    tile = [out + 2 * m for out, m in zip(outputs, margin, strict=True)]
    missing = [max(0, side - size) for side, size in zip(tile, x.shape[2:], strict=True)]
    padded = reflect(x, [m // 2 for m in missing], [m - m // 2 for m in missing])
    return _interpolate(forward(crop_center(padded, tile)), x.shape[2:])


def _interpolate(x, spatial):
    mode = {2: "bilinear", 3: "trilinear"}[len(spatial)]
    smooth = len(spatial) == 2  # torch has no antialiasing in volumes
    return F.interpolate(x.float(), size=tuple(spatial), mode=mode, antialias=smooth)
