"""A refiner of simulated images with spatially-adaptive modulation, and its discriminator."""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm


class SpatiallyAdaptiveNorm(nn.Module):
    """Normalize features, then scale and shift them from place to place as a map tells (SPADE).

    Parameters
    ----------
    channels, map_channels : int
    hidden : int, default=32

    References
    ----------
    .. [1] Park, Liu, Wang, Zhu. Semantic image synthesis with spatially-adaptive normalization.
       CVPR 2019. :doi:`10.1109/CVPR.2019.00244`
    """

    def __init__(self, channels, map_channels, hidden=32):
        super().__init__()
        self.norm = nn.InstanceNorm2d(channels)
        self.shared = nn.Conv2d(map_channels, hidden, 3, padding=1)
        self.scale = nn.Conv2d(hidden, channels, 3, padding=1)
        self.shift = nn.Conv2d(hidden, channels, 3, padding=1)

    def forward(self, x, maps):
        """Modulate features (batch, channels, height, width) by maps of their size."""
        hidden = F.relu(self.shared(maps))
        return self.norm(x) * (1 + self.scale(hidden)) + self.shift(hidden)


class RefinerBlock(nn.Module):
    """Two modulated convolutions around which the features pass.

    Parameters
    ----------
    channels, map_channels : int
    """

    def __init__(self, channels, map_channels):
        super().__init__()
        self.norms = nn.ModuleList(SpatiallyAdaptiveNorm(channels, map_channels) for _ in range(2))
        self.convs = nn.ModuleList(nn.Conv2d(channels, channels, 3, padding=1) for _ in range(2))

    def forward(self, x, maps):
        """Features of the same shape."""
        result = x
        for norm, conv in zip(self.norms, self.convs, strict=True):
            result = conv(F.leaky_relu(norm(result, maps), 0.2))
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
    """

    def __init__(self, map_channels, *, width=32, n_blocks=4, amplitude=0.5):
        super().__init__()
        self.amplitude = amplitude
        self.stem = nn.Conv2d(2, width, 3, padding=1)
        self.blocks = nn.ModuleList(RefinerBlock(width, map_channels) for _ in range(n_blocks))
        self.head = nn.Conv2d(width, 1, 3, padding=1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, x, maps, noise):
        """Refine images.

        Parameters
        ----------
        x, noise : Tensor of shape (batch, 1, height, width)
            Images, and what textures are made of.
        maps : Tensor of shape (batch, map_channels, height, width)

        Returns
        -------
        Tensor of shape (batch, 1, height, width)
        """
        features = self.stem(torch.cat([x, noise], dim=1))
        for block in self.blocks:
            features = block(features, maps)
        return x + self.amplitude * torch.tanh(self.head(F.leaky_relu(features, 0.2)))


class PatchDiscriminator(nn.Module):
    """Tell real from refined, patch by patch and at two scales.

    Parameters
    ----------
    width : int, default=32
    n_layers : int, default=3
        Convolutions that halve the resolution.

    References
    ----------
    .. [1] Wang, Liu, Zhu, Tao, Kautz, Catanzaro. High-resolution image synthesis with conditional
       GANs. CVPR 2018. :doi:`10.1109/CVPR.2018.00917`
    """

    def __init__(self, *, width=32, n_layers=3):
        super().__init__()
        self.scales = nn.ModuleList(_patch_network(width, n_layers) for _ in range(2))

    def forward(self, x):
        """Scores of patches, positive for real ones: a list of tensors, one a scale."""
        coarse = F.avg_pool2d(x, 3, stride=2, padding=1, count_include_pad=False)
        return [network(image) for network, image in zip(self.scales, (x, coarse), strict=True)]


def _patch_network(width, n_layers):
    widths = [1, *(width * 2**i for i in range(n_layers))]
    layers = []
    for before, after in pairwise(widths):
        # Reflected, since zeros would tell where the border is.
        conv = nn.Conv2d(before, after, 4, stride=2, padding=1, padding_mode="reflect")
        layers += [spectral_norm(conv), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, spectral_norm(nn.Conv2d(widths[-1], 1, 3)))
