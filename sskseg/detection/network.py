"""Contour proposal network: contours of objects, each from a pixel in its middle."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..nn._layers import conv_relu, pad_to_multiple
from ..nn.initialization import initialize

_N_BUCKETS = 4  # parts of a contour that are refined by outputs of their own


class ContourProposalNetwork(nn.Module):
    """Propose a contour at each pixel of a U-Net's last features, and refine it.

    Head outputs per pixel [1]_: the score, which is high in the middle of an object; the offset of
    the object's center; elliptic Fourier descriptors of its contour; and a field of displacements
    that refine points of contours.

    Parameters
    ----------
    unet : torch.nn.Module
        Has ``features(x)``, ``stride``, ``reach`` and ``last_layers()``, as `UNet` has; its head
        is removed.
    n_features : int
        Channels of its features.
    order : int, default=5
        Harmonics of the contours.
    samples : int, default=32
        Points of a contour.
    iterations : int, default=4
        Number of iterations of the refinement.
    largest_move : float, default=3.0
        Maximum displacement of a point in one iteration, pixels.

    Attributes
    ----------
    factor : int
        Pixels of the image along the side of an output pixel.
    n_outputs : int
        Channels of the head.
    samples : int
        Number of points of a contour, as given.
    stride, reach : tuple of int
        Stride and radius of the receptive field, as those of `UNet`.
    scale : Tensor, scalar
        Typical radius of objects, pixels, which is the unit of the outputs. Initially 1.

    References
    ----------
    .. [1] Upschulte, Harmeling, Amunts, Dickscheid. Contour proposal networks for biomedical
       instance segmentation. Medical Image Analysis 2022. :doi:`10.1016/j.media.2022.102371`
    """

    unet: Any
    scale: Tensor
    waves: Tensor
    buckets: Tensor

    stride: tuple[int, ...]

    def __init__(
        self,
        unet: Any,
        n_features: int,
        *,
        order: int = 5,
        samples: int = 32,
        iterations: int = 4,
        largest_move: float = 3.0,
    ):
        super().__init__()
        self.unet, self.order, self.iterations = unet, order, iterations
        self.samples, self.largest_move = samples, largest_move
        self.factor = getattr(unet, "shuffle", (1, 1))[-1]
        self.stride = self.unet.stride
        self.reach = tuple(r + self.factor for r in self.unet.reach)  # and the head's convolution
        self.n_outputs = 3 + 4 * order + 2 * _N_BUCKETS
        unet.head = nn.Identity()
        last = nn.Conv2d(2 * n_features, self.n_outputs, 1)
        self.head = nn.Sequential(*conv_relu(n_features, 2 * n_features, 2, batch_norm=True), last)
        initialize(self.head, [last])
        with torch.no_grad():  # start from circles of the typical radius
            last.weight[1:].mul_(0.1)
            last.get_parameter("bias")[3 + 1 : 3 + 3] = 1.0
        self.register_buffer("scale", torch.ones(()))
        self.register_buffer("waves", _waves(order, samples), persistent=False)
        self.register_buffer("buckets", _bucket_weights(samples), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Compute outputs (batch, n_outputs, h, w) of images (batch, in_channels, height, width).

        Their sides are those of the image divided by `factor`, rounded up.
        """
        sides = [-(-size // self.factor) for size in x.shape[2:]]
        outputs = self.head(self.unet.features(pad_to_multiple(x, self.stride)))
        return outputs[..., : sides[0], : sides[1]]

    def last_layers(self) -> list[nn.Module]:
        """Return the modules after the pretrained ones: the last decoder level and the head."""
        return [*self.unet.last_layers()[:-1], self.head]

    def contours(self, outputs: Tensor, locations: Tensor) -> Tensor:
        """Draw the contours of pixels, before refinement.

        Parameters
        ----------
        outputs : Tensor of shape (..., n_outputs, n)
            At the pixels.
        locations : Tensor of shape (..., n, 2)
            Row and column of the pixels in the outputs.

        Returns
        -------
        Tensor of shape (..., n, samples, 2)
            Row and column of points in the image.
        """
        outputs = outputs.transpose(-1, -2) * self.scale
        waves = self.waves.to(outputs.dtype)
        coefficients = outputs[..., 3 : 3 + 4 * self.order].unflatten(-1, (self.order, 2, 2))
        centers = self.factor * locations + (self.factor - 1) / 2 + outputs[..., 1:3]
        shapes = torch.einsum("...haw,whs->...sa", coefficients, waves)
        return centers.unsqueeze(-2) + shapes

    def refine(self, contours: Tensor, outputs: Tensor) -> list[Tensor]:
        """Displace the points of contours by the field at their places, several times.

        Parameters
        ----------
        contours : Tensor of shape (batch, n, samples, 2)
        outputs : Tensor of shape (batch, n_outputs, h, w)

        Returns
        -------
        list of Tensor of shape (batch, n, samples, 2)
            After each iteration. Gradients reach the outputs through the displacements, not
            through the places at which the field is read.
        """
        field = self.largest_move * torch.tanh(outputs[:, -2 * _N_BUCKETS :])
        # Displacements of a point are adjacent in memory, which halves the time.
        field = field.contiguous(memory_format=torch.channels_last).to(contours.dtype)
        buckets = self.buckets.to(contours.dtype)
        height, width = (self.factor * side for side in outputs.shape[2:])
        results = []
        for _ in range(self.iterations):
            contours = contours.detach()
            at = 2 * contours + 1
            grid = torch.stack([at[..., 1] / width, at[..., 0] / height], dim=-1) - 1
            moves = F.grid_sample(field, grid, padding_mode="border", align_corners=False)
            moves = moves.unflatten(1, (_N_BUCKETS, 2))
            contours = contours + torch.einsum("bkans,ks->bnsa", moves, buckets)
            results.append(contours)
        return results

    @torch.inference_mode()
    def propose(self, outputs: Tensor, threshold: float) -> tuple[Tensor, Tensor]:
        """Propose refined contours at the local maxima of the score.

        Parameters
        ----------
        outputs : Tensor of shape (n_outputs, h, w)
        threshold : float in (0, 1)
            Minimum score.

        Returns
        -------
        contours : Tensor of shape (n, samples, 2), float64
            Contours. In float32, rounding would depend on their position in the image.
        scores : Tensor of shape (n,), float32
        """
        above = outputs[0] > math.log(threshold / (1 - threshold))
        locations = (_local_maxima(outputs[0]) & above).nonzero()
        values = outputs[:, locations[:, 0], locations[:, 1]].double()
        contours = self.contours(values, locations)
        if self.iterations and len(locations):
            contours = self.refine(contours[None], outputs[None])[-1][0]
        return contours, values[0].sigmoid().float()


def _local_maxima(score):
    """Find pixels of (h, w) above their neighbors; of equal ones the first in reading order."""
    padded = F.pad(score, (1, 1, 1, 1), value=-torch.inf)
    height, width = score.shape
    shifted = [padded[i : i + height, j : j + width] for i in range(3) for j in range(3)]
    before, after = torch.stack(shifted[:4]).amax(0), torch.stack(shifted[5:]).amax(0)
    return (score > before) & (score >= after)


def _waves(order, samples):
    """Cosine and sine (2, order, samples) of each harmonic at each point."""
    # On the device "meta", where models are checked, `arange` would import torch's compiler.
    t = 2 * math.pi * torch.arange(samples, device="cpu") / samples
    phase = torch.arange(1, order + 1, device="cpu")[:, None] * t
    return torch.stack([phase.cos(), phase.sin()])


def _bucket_weights(samples):
    """Weights (n_buckets, samples) of the fields at each point, linear along the contour."""
    place = torch.arange(samples, device="cpu") / samples * _N_BUCKETS
    distance = (place - torch.arange(_N_BUCKETS, device="cpu")[:, None]).abs()
    return (1 - torch.minimum(distance, _N_BUCKETS - distance)).clamp_min(0)
