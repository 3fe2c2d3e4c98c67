"""U-Nets for 2-D and 3-D images."""

import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from ._layers import CONV, DROPOUT, POOL, UPCONV, conv_relu, crop_center, pad_to_multiple
from .initialization import initialize
from .parts import decoder_parts, shifted

_ABOUT_CUBIC = math.sqrt(2)  # ratio of sides above which half of the longer one is nearer to 1


class UNet(nn.Module):
    """U-Net.

    With same padding, images of any size are accepted: they are padded (edge values) to the next
    multiple of `stride` and the output is cropped back. With valid padding the output is smaller
    than the input by `margin` on each side, and only some sizes are accepted.

    Parameters
    ----------
    in_channels, out_channels : int
    width : int, default=64
        Channels of the first level; doubled at each level below.
    depth : int, default=4
        Number of poolings.
    ndim : {2, 3}, default=2
    padding : {"same", "valid"}, default="same"
        ``"valid"``: convolutions without padding; skip connections are cropped.
    shuffle : bool, default=False
        Whether to run the first level at half the in-plane resolution: pixels are rearranged into
        channels before it and back after the last (sub-pixel convolution [2]_). With the same
        number of parameters this is several times faster, since convolutions at full resolution
        dominate the cost. With same padding only.
    batch_norm : bool, default=True
        Whether to use batch normalization between convolution and ReLU.
    up_kernel : {2, 3}, default=2
        Side of the kernels of the transposed convolutions.
    dropout : float, default=0.0
        Probability of dropping a channel of the lowest level in training.
    inner_dropout : float, default=0.0
        The same for the output of every other level.
    spacing : sequence of float, default=None
        Size of a pixel along each axis, of which only the ratios matter; None is 1. Volumes are
        pooled along their first axis only from the level on at which pixels are about cubic. With
        same padding only.

    Attributes
    ----------
    stride : tuple of int
        Tiles start at multiples of this, so that poolings are aligned.
    reach : tuple of int
        Receptive-field radius, pixels: how far an output pixel depends on pixels beyond its
        `stride`-aligned block, in both directions of each axis.
    margin : tuple of int
        Pixels that the output lacks on each side; 0 with same padding.

    Raises
    ------
    ValueError
        If padding is unknown, or valid with `shuffle` or `spacing`, or `up_kernel` is not 2 or 3.

    References
    ----------
    .. [1] Ronneberger, Fischer, Brox. U-Net: Convolutional networks for biomedical image
       segmentation. MICCAI 2015. :doi:`10.1007/978-3-319-24574-4_28`
    .. [2] Shi et al. Real-time single image and video super-resolution using an efficient
       sub-pixel convolutional neural network. CVPR 2016. :doi:`10.1109/CVPR.2016.207`
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, width: int = 64, depth: int = 4,
        ndim: int = 2, padding: str = "same", shuffle: bool = False, batch_norm: bool = True,
        up_kernel: int = 2, dropout: float = 0.0, inner_dropout: float = 0.0,
        spacing: Sequence[float] | None = None,
    ):  # fmt: skip
        super().__init__()
        is_plain = not shuffle and spacing is None
        if padding not in ("same", "valid") or (padding == "valid" and not is_plain):
            raise ValueError(
                "padding must be 'same', or 'valid' without shuffle and spacing, got "
                f"padding={padding!r}, shuffle={shuffle!r}, spacing={spacing!r}."
            )
        if up_kernel not in (2, 3):
            raise ValueError(f"up_kernel must be 2 or 3, got {up_kernel}.")
        self.ndim, self.depth, self.valid = ndim, depth, padding == "valid"
        self.shuffle = (1,) * (ndim - 2) + ((2, 2) if shuffle else (1, 1))
        factor, inner = 4 if shuffle else 1, 0 if self.valid else 1

        def block(before, after):
            first = conv_relu(before, after, ndim, padding=inner, batch_norm=batch_norm)
            second = conv_relu(after, after, ndim, padding=inner, batch_norm=batch_norm)
            return nn.Sequential(*first, *second)

        widths = [width * 2**level for level in range(depth + 1)]
        befores = [in_channels * factor, *widths[:-1]]
        self.encoder = nn.ModuleList(map(block, befores, widths))
        factors = _pooling_factors(spacing, self.shuffle, depth)
        self.pools = nn.ModuleList(POOL[ndim](factor) for factor in factors)
        self.dropout = DROPOUT[ndim](dropout)
        self.inner_dropout = DROPOUT[ndim](inner_dropout)
        self.up = nn.ModuleList(
            _up(2 * w, w, up_kernel, factor)
            for w, factor in zip(widths[-2::-1], factors[::-1], strict=True)
        )
        self.decoder = nn.ModuleList(block(2 * w, w) for w in widths[-2::-1])
        self.head = CONV[ndim](width, out_channels * factor, 1)
        by_axis = list(zip(self.shuffle, zip(*factors, strict=True), strict=True))
        self.stride = tuple(s * math.prod(pools) for s, pools in by_axis)
        self.margin = ((6 * 2**depth - 4) * self.valid,) * ndim
        self.reach = tuple(s * _reach(pools, up_kernel, self.valid) for s, pools in by_axis)
        initialize(self, [self.head])

    def valid_input_size(self, size: int) -> int:
        """Return the smallest accepted size of an axis of at least `size` pixels."""
        if not self.valid:
            return max(1, size)
        smallest = 2 * self.margin[0] + _min_output_size(self.depth)
        return smallest + -(-max(0, size - smallest) // 2**self.depth) * 2**self.depth

    def check_size(self, spatial: Sequence[int]) -> None:
        """Raise ValueError with the nearest valid sizes if `spatial` is not accepted."""
        for size in spatial:
            above = self.valid_input_size(size)
            if above != size:
                below = self.valid_input_size(size - 2**self.depth)
                nearest = f"{below} and {above}" if below < size else f"{above} (the smallest)"
                raise ValueError(
                    f"A U-Net of depth {self.depth} with valid padding takes sizes of "
                    f"{above % 2**self.depth} modulo {2**self.depth} pixels, got {size}; the "
                    f"nearest legal: {nearest}."
                )

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """Compute the features of the last decoder level, at its own resolution."""
        x, skips = self._encode(x)
        for up, block in zip(self.up, self.decoder, strict=True):
            x = up(x)
            x = block(torch.cat([crop_center(skips.pop(), x.shape[2:]), x], dim=1))
            x = self.inner_dropout(x)
        return x

    def _encode(self, x):
        """The coarsest features, and those of the other levels."""
        x = _space_to_depth(x, self.shuffle)
        skips = []
        for level, block in enumerate(self.encoder):
            x = block(x if level == 0 else self.pools[level - 1](x))
            skips.append(x)
            x = self.inner_dropout(x) if level < self.depth else self.dropout(x)
        return x, skips[:-1]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (batch, in_channels, *spatial) to logits (batch, out_channels, *spatial).

        With valid padding, to logits that lack `margin` on each side.
        """
        spatial = x.shape[2:]
        if self.valid:
            self.check_size(spatial)
            return self.head(self.features(x))
        x = self.read_out(self.features(pad_to_multiple(x, self.stride)))
        inside: Any = (..., *(slice(size) for size in spatial))
        return x[inside]

    def predict_part(self, x: torch.Tensor, part: tuple[slice, ...]) -> torch.Tensor:
        """Compute a part of `forward` with same padding, for prediction.

        The decoder is not evaluated for pixels that no pixel of the part depends on.
        """
        x = pad_to_multiple(x, self.stride)
        inner = list(zip(part, self.shuffle, strict=True))
        first = tuple(slice(p.start // step, -(-p.stop // step)) for p, step in inner)
        shape = [size // step for size, step in zip(x.shape[2:], self.shuffle, strict=True)]
        pools: Any = self.pools  # torch's annotations lack their attributes
        ups: Any = self.up
        up_reach = max(max(up.kernel_size) for up in ups) - 2
        levels, coarsest = decoder_parts(first, shape, [p.kernel_size for p in pools], up_reach)
        x, skips = self._encode(x)
        x = _inside(x, coarsest)
        for up, block, level in zip(self.up, self.decoder, levels[::-1], strict=True):
            x = _inside(up(x), level.upsampled)
            x = block(torch.cat([_inside(skips.pop(), level.read), x], dim=1))
            x = _inside(x, level.exact)
        starts = [step * p.start for p, step in zip(first, self.shuffle, strict=True)]
        return _inside(self.read_out(x), tuple(map(shifted, part, starts)))

    def read_out(self, features: torch.Tensor) -> torch.Tensor:
        """Compute logits, at the resolution of the image, from `features`."""
        return _depth_to_space(self.head(features), self.shuffle)

    def last_layers(self) -> list[nn.Module]:
        """List the modules of the last decoder level and the head."""
        return [self.decoder[-1], self.head]


def _inside(x: Any, part: tuple[slice, ...]) -> torch.Tensor:
    return x[(..., *part)]


def _pooling_factors(spacing, shuffle, depth):
    """Factors along each axis of each pooling."""
    ndim = len(shuffle)
    factors = [[2] * ndim for _ in range(depth)]
    if spacing is None or ndim == 2:
        return [tuple(factor) for factor in factors]
    sizes = [size * step for size, step in zip(spacing, shuffle, strict=True)]
    ratio = sizes[0] / math.sqrt(sizes[1] * sizes[2])
    for factor in factors:
        if ratio > _ABOUT_CUBIC:
            factor[0], ratio = 1, ratio / 2
    return [tuple(factor) for factor in factors]


def _up(before, after, kernel, factor):
    """Transposed convolution to exactly `factor` times the size; none along axes of factor 1."""
    kernels = [kernel if step == 2 else 1 for step in factor]
    trim = [max(0, side - 2) for side in kernels]
    layer: Any = UPCONV[len(factor)]  # torch's annotations lack lists of sizes
    return layer(before, after, kernels, stride=factor, padding=trim, output_padding=trim)


def _reach(pools, up_kernel, valid):
    """Receptive-field radius along an axis with the factors `pools`."""
    reach = 2  # two 3x3 convolutions; a pooling rounds up to whole cells
    for factor in pools:
        reach = -(-reach // factor) + 2
    for factor in pools[::-1]:
        reach = factor * (reach + (up_kernel - 2) * (factor - 1)) + 2
    # With valid padding pooled blocks start at 4 modulo the stride.
    return reach + 4 * (valid and len(pools) > 2)


def _min_output_size(depth):
    """Smallest output size with valid padding: 4 modulo ``2**depth``."""
    return 4 if depth > 1 else 2


def _space_to_depth(x, factors):
    if all(factor == 1 for factor in factors):
        return x
    if x.ndim == 4:
        return F.pixel_unshuffle(x, factors[-1]).contiguous(memory_format=torch.channels_last)
    batch, _, depth, *_ = x.shape
    planes = F.pixel_unshuffle(x.transpose(1, 2).flatten(0, 1), factors[-1])
    x = planes.unflatten(0, (batch, depth)).transpose(1, 2)
    return x.contiguous(memory_format=torch.channels_last_3d)


def _depth_to_space(x, factors):
    if all(factor == 1 for factor in factors):
        return x
    if x.ndim == 4:
        return F.pixel_shuffle(x, factors[-1])
    batch, _, depth, *_ = x.shape
    planes = F.pixel_shuffle(x.transpose(1, 2).flatten(0, 1), factors[-1])
    return planes.unflatten(0, (batch, depth)).transpose(1, 2)
