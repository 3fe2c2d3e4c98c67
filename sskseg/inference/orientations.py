"""Networks in each flip and turn of an image (test-time augmentation)."""

from itertools import product

from ..nn import pad_to_multiple
from ..training.devices import memory_format


def dihedral_orientations(forward, stride):
    """`forward` as it sees an image in each of its flips and quarter turns.

    Parameters
    ----------
    forward : callable
        (batch, channels, *spatial) to (batch, n_outputs, *spatial).
    stride : tuple of int
        Of the network, pixels, each axis. An image is continued to a multiple of it before it is
        flipped, so that its poolings begin at the same pixels in a part of it as in the whole.

    Returns
    -------
    list of callable
        8 for a plane, 16 for a volume (turned in the plane of its last two axes); their outputs
        are turned back.
    """
    return [
        _view(forward, stride, *turn) for turn in product((False, True), repeat=len(stride) + 1)
    ]


def _view(forward, stride, swap, *flips):
    axes = [2 + axis for axis, flip in enumerate(flips) if flip]

    def view(x):
        inside = (..., *(slice(size) for size in x.shape[2:]))
        x = pad_to_multiple(x, stride)
        x = (x.transpose(-1, -2) if swap else x).flip(axes)
        result = forward(x.contiguous(memory_format=memory_format(len(stride)))).float().flip(axes)
        return (result.transpose(-1, -2) if swap else result)[inside]

    return view


def dihedral_mean(forward, stride):
    """Average `forward` over flips and quarter turns (8 views of a plane, 16 of a volume)."""
    views = dihedral_orientations(forward, stride)

    def mean(x):
        return sum(view(x) for view in views) / len(views)

    return mean
