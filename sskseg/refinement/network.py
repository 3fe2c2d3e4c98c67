"""A refiner of simulated images with spatially-adaptive modulation, and its discriminator."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from ..nn._layers import CONV

_INSTANCE_NORM = {2: nn.InstanceNorm2d, 3: nn.InstanceNorm3d}
_MEAN_POOL = {2: F.avg_pool2d, 3: F.avg_pool3d}


class SpatiallyAdaptiveNorm(nn.Module):
    """Normalize features, then scale and shift them by a conditioning map (SPADE).

    Parameters
    ----------
    channels, map_channels : int
    hidden : int, default=32
    ndim : {2, 3}, default=2

    References
    ----------
    .. [1] Park, Liu, Wang, Zhu. Semantic image synthesis with spatially-adaptive normalization.
       CVPR 2019. :doi:`10.1109/CVPR.2019.00244`
    """

    def __init__(self, channels: int, map_channels: int, hidden: int = 32, ndim: int = 2):
        super().__init__()
        self.norm = _INSTANCE_NORM[ndim](channels)
        self.shared = CONV[ndim](map_channels, hidden, 3, padding=1)
        self.scale = CONV[ndim](hidden, channels, 3, padding=1)
        self.shift = CONV[ndim](hidden, channels, 3, padding=1)

    def forward(self, x: Tensor, conditioning: Tensor) -> Tensor:
        """Modulate features (batch, channels, *spatial) by conditioning of their size."""
        hidden = F.relu(self.shared(conditioning))
        return self.norm(x) * (1 + self.scale(hidden)) + self.shift(hidden)


class RefinerBlock(nn.Module):
    """Two modulated convolutions around which the features pass.

    Parameters
    ----------
    channels, map_channels : int
    ndim : {2, 3}, default=2
    """

    def __init__(self, channels: int, map_channels: int, ndim: int = 2):
        super().__init__()
        self.norms = nn.ModuleList(
            SpatiallyAdaptiveNorm(channels, map_channels, ndim=ndim) for _ in range(2)
        )
        self.convs = nn.ModuleList(CONV[ndim](channels, channels, 3, padding=1) for _ in range(2))

    def forward(self, x: Tensor, conditioning: Tensor) -> Tensor:
        """Features of the same shape."""
        result = x
        for norm, conv in zip(self.norms, self.convs, strict=True):
            result = conv(F.leaky_relu(norm(result, conditioning), 0.2))
        return x + result


class Refiner(nn.Module):
    """Add to an image what makes it look real; the identity before training.

    No pooling: it looks a few pixels around, so that outlines stay where they are.

    Parameters
    ----------
    map_channels : int
    width : int, default=32
    n_blocks : int, default=4
    amplitude : float, default=0.5
        Largest change of a pixel, in units of the image.
    ndim : {2, 3}, default=2
    """

    def __init__(
        self, map_channels: int, *, width: int = 32, n_blocks: int = 4, amplitude: float = 0.5,
        ndim: int = 2,
    ):  # fmt: skip
        super().__init__()
        self.amplitude = amplitude
        self.stem = CONV[ndim](2, width, 3, padding=1)
        self.blocks = nn.ModuleList(
            RefinerBlock(width, map_channels, ndim) for _ in range(n_blocks)
        )
        self.head = CONV[ndim](width, 1, 3, padding=1)
        for parameter in self.head.parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Tensor, conditioning: Tensor, noise: Tensor) -> Tensor:
        """Refine images.

        Parameters
        ----------
        x, noise : Tensor of shape (batch, 1, *spatial)
            Images, and what textures are made of.
        conditioning : Tensor of shape (batch, map_channels, *spatial)

        Returns
        -------
        Tensor of shape (batch, 1, *spatial)
        """
        features = self.stem(torch.cat([x, noise], dim=1))
        for block in self.blocks:
            features = block(features, conditioning)
        return x + self.amplitude * torch.tanh(self.head(F.leaky_relu(features, 0.2)))


class PatchDiscriminator(nn.Module):
    """Distinguish real from refined, patch by patch and at two scales.

    Parameters
    ----------
    width : int, default=32
    n_layers : int, default=3
        Convolutions that halve the resolution.
    ndim : {2, 3}, default=2

    References
    ----------
    .. [1] Wang, Liu, Zhu, Tao, Kautz, Catanzaro. High-resolution image synthesis with conditional
       GANs. CVPR 2018. :doi:`10.1109/CVPR.2018.00917`
    """

    def __init__(self, *, width: int = 32, n_layers: int = 3, ndim: int = 2):
        super().__init__()
        self.ndim = ndim
        self.scales = nn.ModuleList(_patch_network(width, n_layers, ndim) for _ in range(2))

    def forward(self, x: Tensor) -> list[Tensor]:
        """Scores of patches, positive for real ones: a list of tensors, one a scale."""
        coarse = _MEAN_POOL[self.ndim](x, 3, stride=2, padding=1, count_include_pad=False)
        return [network(image) for network, image in zip(self.scales, (x, coarse), strict=True)]


def _patch_network(width, n_layers, ndim):
    widths = [1, *(width * 2**i for i in range(n_layers))]
    layers = []
    for before, after in pairwise(widths):
        # Reflected, since zeros would reveal the border.
        conv = CONV[ndim](before, after, 4, stride=2, padding=1, padding_mode="reflect")
        layers += [spectral_norm(conv), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, spectral_norm(CONV[ndim](widths[-1], 1, 3)))
