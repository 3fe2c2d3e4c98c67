"""A light decoder on the feature maps of an encoder."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import lcm
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from ._layers import conv_relu, pad_to_multiple
from .initialization import initialize

_PROBE = 224  # side of an image that all usual reductions divide
_COLORS = 3  # channels that networks of natural images take
_MAX_FACTOR = 8  # of the decoder's width at coarse levels


class Encoder(nn.Module):
    """Feature maps of an image, from fine to coarse.

    Images of any size are padded (edge values) to the next multiple of `stride`.

    Parameters
    ----------
    model : torch.nn.Module
    extract : callable
        ``extract(model, x)`` returns the feature maps (batch, n, height, width) of images. Of those
        of one size the last one is used.
    in_channels : int
        Number of channels of the images.
    mixes : bool, default=True
        Whether `model` takes three channels, to which those of the images are mapped: they are
        repeated or averaged, so that equal channels give the same maps.
    frozen : bool, default=True
        Whether weights and statistics of normalizations are fixed.

    Attributes
    ----------
    channels : tuple of int
        Number of channels of each map.
    reductions : tuple of int
        Pixels of the image, along an axis, for one of each map.
    stride : tuple of int

    Raises
    ------
    ValueError
        If `model` does not return such maps.
    """

    def __init__(
        self,
        model: nn.Module,
        extract: Callable[[nn.Module, torch.Tensor], Iterable[torch.Tensor]],
        in_channels: int,
        *,
        mixes: bool = True,
        frozen: bool = True,
    ):
        super().__init__()
        self.model, self.extract, self.frozen = model, extract, frozen
        mixing = _mixing(in_channels) if mixes and in_channels != _COLORS else None
        self.mixing: torch.Tensor | None
        self.register_buffer("mixing", mixing, persistent=False)
        if frozen:
            self.requires_grad_(False)
        self.channels, self.reductions = self._probe(in_channels)
        self.stride = (lcm(*self.reductions),) * 2

    def train(self, mode: bool = True) -> Encoder:
        """Set the mode; a frozen encoder stays in evaluation mode."""
        return super().train(mode and not self.frozen)

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Map (batch, in_channels, height, width) to feature maps."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            x = pad_to_multiple(x, self.stride)
            if self.mixing is not None:
                x = F.conv2d(x, self.mixing.to(x.dtype))
            return self._last_of_each_size(x)

    def _last_of_each_size(self, x):
        found: dict[Any, torch.Tensor] = {}
        for image in self.extract(self.model, x):
            found[image.shape[2:]] = image
        return list(found.values())

    def _probe(self, in_channels):
        example = torch.zeros(1, in_channels, _PROBE, _PROBE)
        self.stride = (1, 1)
        try:
            with torch.no_grad():
                found = self.eval()(example)
        except (RuntimeError, TypeError, ValueError, AttributeError) as error:
            raise ValueError(
                f"architecture must take float32 tensors of shape {tuple(example.shape)}, got: "
                f"{error}"
            ) from error
        self.train()
        shapes = [tuple(image.shape) for image in found]
        sides = [shape[-1] for shape in shapes]
        is_valid = all(
            len(shape) == 4 and shape[2] == shape[3] and _PROBE % shape[3] == 0 for shape in shapes
        )
        if not shapes or not is_valid or sides != sorted(sides, reverse=True):
            raise ValueError(
                "architecture must return feature maps (batch, n, height, width) from fine to "
                f"coarse, whose sides divide those of an image of {_PROBE} pixels, got shapes "
                f"{shapes}."
            )
        return tuple(shape[1] for shape in shapes), tuple(_PROBE // side for side in sides)


def _mixing(in_channels):
    """Weights (3, in_channels, 1, 1) of the mean of every third channel; few ones are repeated."""
    colors = torch.arange(_COLORS) % min(in_channels, _COLORS)
    hits = (torch.arange(in_channels) % _COLORS == colors[:, None]).float()
    return (hits / hits.sum(1, keepdim=True))[..., None, None]


class EncoderDecoder(nn.Module):
    """U-Net-like decoder on the feature maps of an encoder, for images of any size.

    Maps are reduced to few channels, upsampled bilinearly and joined with the next finer ones; the
    finest are two convolutions of the image itself, so that outlines are sharp. Where an encoder
    reads the whole image, so does the network: it has a `stride`, but no `reach`.

    Parameters
    ----------
    encoder : Encoder
    in_channels, out_channels : int
    width : int, default=16
        Channels at the resolution of the image; at a map of reduction `r` there are ``min(r, 8)``
        times as many.

    Attributes
    ----------
    stride : tuple of int
        Stride of the encoder in pixels.
    """

    def __init__(self, encoder: Encoder, in_channels: int, out_channels: int, *, width: int = 16):
        super().__init__()
        self.encoder, self.stride = encoder, encoder.stride
        widths = [width, *(width * min(r, _MAX_FACTOR) for r in encoder.reductions)]
        self.decoder = _Decoder(in_channels, encoder.channels, widths)
        self.head = nn.Conv2d(width, out_channels, 1)
        initialize(self.decoder, [])
        initialize(self.head, [self.head])

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """Compute the last features of the decoder, (batch, width, height, width)."""
        return self.decoder(x, self.encoder(x))

    def read_out(self, features: torch.Tensor) -> torch.Tensor:
        """Compute logits from `features`."""
        return self.head(features)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (batch, in_channels, *spatial) to logits (batch, out_channels, *spatial)."""
        height, width = x.shape[2:]
        x = pad_to_multiple(x, self.stride)
        return self.read_out(self.features(x))[..., :height, :width]

    def last_layers(self) -> list[nn.Module]:
        """List what is not pretrained: the decoder with the head."""
        return [nn.ModuleList([self.decoder, self.head])]


class _Decoder(nn.Module):
    """Join feature maps with the image, from coarse to fine; `widths` of the image come first."""

    def __init__(self, in_channels: int, channels: Sequence[int], widths: Sequence[int]):
        super().__init__()
        self.stem = _block(in_channels, widths[0])
        pairs = zip(channels, widths[1:], strict=True)
        self.reduce = nn.ModuleList(_conv(before, after, 1) for before, after in pairs)
        steps = list(zip(widths[1:], widths[:-1], strict=True))
        self.up = nn.ModuleList(nn.Conv2d(coarse, fine, 1) for coarse, fine in steps)
        self.blocks = nn.ModuleList(_block(2 * fine, fine) for _, fine in steps)

    def forward(self, x: torch.Tensor, pyramid: Sequence[torch.Tensor]) -> torch.Tensor:
        skips = [self.stem(x), *(f(m) for f, m in zip(self.reduce, pyramid, strict=True))]
        y = skips.pop()
        for up, block in zip(reversed(self.up), reversed(self.blocks), strict=True):
            skip = skips.pop()
            y = F.interpolate(up(y), size=skip.shape[2:], mode="bilinear", align_corners=False)
            y = block(torch.cat([skip, y], dim=1))
        return y


def _conv(before, after, kernel):
    layers = nn.Conv2d(before, after, kernel, bias=False), nn.BatchNorm2d(after)
    return nn.Sequential(*layers, nn.ReLU(inplace=True))


def _block(before, after):
    first = conv_relu(before, after, 2, batch_norm=True)
    return nn.Sequential(*first, *conv_relu(after, after, 2, batch_norm=True))
