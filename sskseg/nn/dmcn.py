"""The deep multilevel contextual network."""

import torch
from torch import nn

from ._layers import CONV, POOL, UPCONV, conv_relu, pad_to_multiple
from .initialization import initialize


class DMCN(nn.Module):
    """Deep multilevel contextual network.

    A trunk of convolutions and poolings. The features of each level except the first are upsampled
    to full resolution by one transposed convolution, classified by an auxiliary head, and
    concatenated for the main head. With one channel in and out, width 64 and depth 3 it has 16
    convolutions, 3 poolings, 3 transposed convolutions and 7,741,620 parameters.

    Images of any size are accepted: they are padded (edge values) to the next multiple of `stride`
    and the output is cropped back.

    Parameters
    ----------
    in_channels, out_channels : int
    width : int, default=64
        Channels of the first level; doubled at each level below. Each level contributes a quarter
        of `width` to the concatenation.
    depth : int, default=3
        Number of poolings.
    ndim : {2, 3}, default=2
    post_conv : bool, default=True
        Whether a 3x3 convolution follows each transposed convolution.
    dropout : float, default=0.5
        Probability of dropping an element of the features of a level in training.

    Attributes
    ----------
    stride, reach : tuple of int
        As in `UNet`.

    Notes
    -----
    The architecture follows Chen et al. [1]_, whose description is incomplete: we add a 1x1
    convolution before each transposed one, which their 7.7 million parameters imply.

    References
    ----------
    .. [1] Chen, Qi, Cheng, Heng. Deep contextual networks for neuronal structure segmentation.
       AAAI 2016. :doi:`10.1609/aaai.v30i1.10141`
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        width: int = 64,
        depth: int = 3,
        ndim: int = 2,
        post_conv: bool = True,
        dropout: float = 0.5,
    ):
        super().__init__()
        widths = [width * 2**level for level in range(depth + 1)]
        convs = [2 if level < 2 else 3 for level in range(depth + 1)]
        befores = [in_channels, *widths[:-1]]
        self.trunk = nn.ModuleList(
            nn.Sequential(
                *conv_relu(before, after, ndim),
                *(layer for _ in range(n - 1) for layer in conv_relu(after, after, ndim)),
            )
            for before, after, n in zip(befores, widths, convs, strict=True)
        )
        self.pool = POOL[ndim](2)
        narrow = max(1, width // 4)
        self.branches = nn.ModuleList(
            nn.Sequential(
                CONV[ndim](widths[level], narrow, 1),
                nn.ReLU(inplace=True),
                nn.Dropout(dropout),
                _Upscale(narrow, 2**level, ndim),
                nn.ReLU(inplace=True),
                *(conv_relu(narrow, narrow, ndim) if post_conv else []),
            )
            for level in range(1, depth + 1)
        )
        self.auxiliary = nn.ModuleList(CONV[ndim](narrow, out_channels, 1) for _ in range(depth))
        self.head = CONV[ndim](narrow * depth, out_channels, 1)
        self.stride = (2**depth,) * ndim
        self.reach = (_reach(convs),) * ndim
        initialize(self, [self.head, *self.auxiliary])

    def forward(self, x: torch.Tensor) -> torch.Tensor | tuple[torch.Tensor, ...]:
        """Map (batch, in_channels, *spatial) to logits (batch, out_channels, *spatial).

        In training, a tuple: these logits and those of the auxiliary heads.
        """
        inside = (..., *(slice(size) for size in x.shape[2:]))
        x = pad_to_multiple(x, self.stride)
        levels = []
        for level, block in enumerate(self.trunk):
            x = block(x if level == 0 else self.pool(x))
            if level > 0:
                levels.append(self.branches[level - 1](x))
        logits = self.head(torch.cat(levels, dim=1))[inside]
        if not self.training:
            return logits
        heads = zip(self.auxiliary, levels, strict=True)
        return logits, *(head(features)[inside] for head, features in heads)


class _Upscale(nn.Module):
    """Transposed convolution to exactly `factor` times the size.

    In float32 even with mixed precision: on CPUs, torch (2.13, oneDNN) computes wrong gradients in
    bfloat16 for kernels of 8 and 16 and some numbers of channels.
    """

    def __init__(self, channels, factor, ndim):
        super().__init__()
        self.up = UPCONV[ndim](channels, channels, 2 * factor, factor, factor // 2)

    def forward(self, x):
        with torch.autocast(x.device.type, enabled=False):
            return self.up(x.to(self.up.weight.dtype))


def _reach(convs):
    """Receptive-field radius of the lowest level: `cells` of it, and one more by the upsampling."""
    cells = convs[0]
    for n in convs[1:]:
        cells = -(-cells // 2) + n
    return (cells + 1) * 2 ** (len(convs) - 1)
