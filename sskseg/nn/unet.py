"""U-Net for 2-D and 3-D images."""

import torch
import torch.nn.functional as F
from torch import nn

_CONV = {2: nn.Conv2d, 3: nn.Conv3d}
_UPCONV = {2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
_POOL = {2: nn.MaxPool2d, 3: nn.MaxPool3d}
_NORM = {2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
_DROPOUT = {2: nn.Dropout2d, 3: nn.Dropout3d}


class ConvBlock(nn.Sequential):
    """Two 3x3 convolutions, each with batch normalization and ReLU.

    Batch (not instance) normalization: its statistics are fixed at prediction, so that a tile
    gives what the whole image gives, and it folds into the convolution at no cost.
    """

    def __init__(self, in_channels, out_channels, ndim):
        layers = []
        for channels in (in_channels, out_channels):
            layers += [
                _CONV[ndim](channels, out_channels, 3, padding=1, bias=False),
                _NORM[ndim](out_channels),
                nn.ReLU(inplace=True),
            ]
        super().__init__(*layers)


class UNet(nn.Module):
    """U-Net with same padding.

    Images of any size are accepted: they are padded (edge values) to the next multiple of
    `stride` and the output is cropped back.

    Parameters
    ----------
    in_channels, out_channels : int
    width : int, default=32
        Channels of the first level; doubled at each level below.
    depth : int, default=3
        Number of poolings.
    ndim : {2, 3}, default=2
    shuffle : bool, default=False
        Run the first level at half the in-plane resolution: pixels are rearranged into channels
        before it and back after it (sub-pixel convolution [2]_). At equal parameters this is
        several times faster, since the convolutions at full resolution, with few channels, cost
        most.
    dropout : float, default=0.0
        Probability of dropping a channel of the lowest level in training.

    Attributes
    ----------
    stride : tuple of int
        Sizes of tiles that are not multiples of this are padded.
    reach : tuple of int
        How far (pixels) an output pixel looks beyond the `stride`-aligned block that it is in, in
        each direction of each axis.

    References
    ----------
    .. [1] Ronneberger, Fischer, Brox. U-Net: Convolutional networks for biomedical image
       segmentation. MICCAI 2015. :doi:`10.1007/978-3-319-24574-4_28`
    .. [2] Shi et al. Real-time single image and video super-resolution using an efficient
       sub-pixel convolutional neural network. CVPR 2016. :doi:`10.1109/CVPR.2016.207`
    """

    def __init__(
        self, in_channels, out_channels, *, width=32, depth=3, ndim=2, shuffle=False, dropout=0.0
    ):
        super().__init__()
        self.ndim = ndim
        self.shuffle = (2,) * 2 if shuffle else (1,) * 2
        self.shuffle = (1,) * (ndim - 2) + self.shuffle
        factor = 4 if shuffle else 1
        widths = [width * 2**level for level in range(depth + 1)]
        self.encoder = nn.ModuleList(
            ConvBlock(before, after, ndim)
            for before, after in zip([in_channels * factor, *widths], widths, strict=False)
        )
        self.pool = _POOL[ndim](2)
        self.dropout = _DROPOUT[ndim](dropout)
        self.up = nn.ModuleList(
            _UPCONV[ndim](2 * w, w, kernel_size=2, stride=2) for w in widths[-2::-1]
        )
        self.decoder = nn.ModuleList(ConvBlock(2 * w, w, ndim) for w in widths[-2::-1])
        self.head = _CONV[ndim](width, out_channels * factor, 1)
        self.stride = tuple(s * 2**depth for s in self.shuffle)
        self.reach = tuple(s * _reach(depth) for s in self.shuffle)
        initialize(self)

    def features(self, x):
        """Dense features of the last decoder level, at the resolution that it runs at."""
        x = _space_to_depth(x, self.shuffle)
        skips = []
        for level, block in enumerate(self.encoder):
            x = block(x if level == 0 else self.pool(x))
            skips.append(x)
        x = self.dropout(skips.pop())
        for up, block in zip(self.up, self.decoder, strict=True):
            x = block(torch.cat([skips.pop(), up(x)], dim=1))
        return x

    def forward(self, x):
        """Map (batch, in_channels, *spatial) to logits (batch, out_channels, *spatial)."""
        spatial = x.shape[2:]
        x = pad_to_multiple(x, self.stride)
        x = _depth_to_space(self.head(self.features(x)), self.shuffle)
        return x[(..., *(slice(size) for size in spatial))]


def _reach(depth):
    reach = 2  # two 3x3 convolutions; a pooling rounds up to whole cells
    for _ in range(depth):
        reach = -(-reach // 2) + 2
    for _ in range(depth):
        reach = 2 * reach + 2
    return reach


def pad_to_multiple(x, multiple):
    """Repeat the last pixel of each spatial axis up to the next multiple of `multiple`.

    Parameters
    ----------
    x : Tensor of shape (batch, channels, *spatial)
    multiple : sequence of int
        One for each spatial axis.

    Returns
    -------
    Tensor
    """
    pad = [-size % step for size, step in zip(x.shape[2:], multiple, strict=True)]
    if not any(pad):
        return x
    amounts = [amount for last in reversed(pad) for amount in (0, last)]
    return F.pad(x, amounts, mode="replicate")


def initialize(module):
    """He-normal convolutions, zero biases, batch normalization at the identity."""
    for part in module.modules():
        if isinstance(part, (nn.Conv2d, nn.Conv3d, nn.ConvTranspose2d, nn.ConvTranspose3d)):
            nn.init.kaiming_normal_(part.weight, nonlinearity="relu")
            if part.bias is not None:
                nn.init.zeros_(part.bias)
    nn.init.xavier_uniform_(module.head.weight)


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
