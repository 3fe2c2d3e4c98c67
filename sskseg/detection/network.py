"""Contour proposal network: outlines of objects, each from a pixel in its middle."""

import math

import torch
import torch.nn.functional as F
from torch import nn

from ..nn._layers import conv_relu, pad_to_multiple
from ..nn.initialization import initialize
from ..nn.losses import masked_soft_cross_entropy

_BUCKETS = 4  # parts of an outline that are refined by maps of their own
_MIN_RADIUS = 2.0  # pixels; errors of smaller objects are measured by this
_INSIDE = 0.5  # share of an outline that a patch must show


class ContourProposalNetwork(nn.Module):
    """Propose a contour at each pixel of a U-Net's last features, and refine it.

    The maps tell for each pixel how far in the middle of an object it is, where the middle of that
    object's outline lies, the outline's elliptic Fourier descriptors, and how points of outlines
    are to be moved [1]_.

    Parameters
    ----------
    unet : torch.nn.Module
        Has ``features(x)``, ``stride``, ``reach`` and ``last_layers()``, as `UNet` has; its head
        is taken off.
    n_features : int
        Channels of its features.
    order : int, default=5
        Harmonics of the outlines.
    samples : int, default=32
        Points of an outline.
    iterations : int, default=4
        How often points are moved.
    largest_move : float, default=3.0
        How far (pixels) a point is moved at most each time.

    Attributes
    ----------
    factor : int
        Pixels of the image along the side of one of the maps.
    n_maps : int
    samples : int
        As given.
    stride, reach : tuple of int
        As those of `UNet`.
    scale : Tensor, scalar
        Typical radius of objects, pixels; maps are in units of it. 1 at first.

    References
    ----------
    .. [1] Upschulte, Harmeling, Amunts, Dickscheid. Contour proposal networks for biomedical
       instance segmentation. Medical Image Analysis 2022. :doi:`10.1016/j.media.2022.102371`
    """

    def __init__(self, unet, n_features, *, order=5, samples=32, iterations=4, largest_move=3.0):
        super().__init__()
        self.unet, self.order, self.iterations = unet, order, iterations
        self.samples, self.largest_move = samples, largest_move
        self.factor = getattr(unet, "shuffle", (1, 1))[-1]
        self.stride = unet.stride
        self.reach = tuple(r + self.factor for r in unet.reach)  # of the convolution of the head
        self.n_maps = 3 + 4 * order + 2 * _BUCKETS
        unet.head = nn.Identity()
        last = nn.Conv2d(2 * n_features, self.n_maps, 1)
        self.head = nn.Sequential(*conv_relu(n_features, 2 * n_features, 2, batch_norm=True), last)
        initialize(self.head, [last])
        with torch.no_grad():  # at first circles of the typical radius
            last.weight[1:].mul_(0.1)
            last.bias[3 + 1] = last.bias[3 + 2] = 1.0
        self.register_buffer("scale", torch.ones(()))
        self.register_buffer("waves", _waves(order, samples), persistent=False)
        self.register_buffer("buckets", _bucket_weights(samples), persistent=False)

    def forward(self, x):
        """Map (batch, in_channels, height, width) to maps (batch, n_maps, h, w).

        Their sides are those of the image divided by `factor`, rounded up.
        """
        sides = [-(-size // self.factor) for size in x.shape[2:]]
        maps = self.head(self.unet.features(pad_to_multiple(x, self.stride)))
        return maps[..., : sides[0], : sides[1]]

    def last_layers(self):
        """The modules that turn decoder features into maps: the last level and the head."""
        return [*self.unet.last_layers()[:-1], self.head]

    def contours(self, values, at):
        """Contours of pixels, not refined.

        Parameters
        ----------
        values : Tensor of shape (..., n_maps, n)
            Of the maps at the pixels.
        at : Tensor of shape (..., n, 2)
            Row and column of the pixels in the maps.

        Returns
        -------
        Tensor of shape (..., n, samples, 2)
            Row and column of points in the image.
        """
        values = values.transpose(-1, -2) * self.scale
        waves = self.waves.to(values.dtype)
        coefficients = values[..., 3 : 3 + 4 * self.order].unflatten(-1, (self.order, 2, 2))
        locations = self.factor * at + (self.factor - 1) / 2 + values[..., 1:3]
        outline = torch.einsum("...haw,whs->...sa", coefficients, waves)
        return locations.unsqueeze(-2) + outline

    def refined(self, contours, maps):
        """Contours after each time that their points are moved.

        Parameters
        ----------
        contours : Tensor of shape (batch, n, samples, 2)
        maps : Tensor of shape (batch, n_maps, h, w)

        Returns
        -------
        list of Tensor of shape (batch, n, samples, 2)
            Gradients reach the maps by the moves alone, not by where these are read.
        """
        field = self.largest_move * torch.tanh(maps[:, -2 * _BUCKETS :])
        # What is read at a point lies together, which takes half of the time.
        field = field.contiguous(memory_format=torch.channels_last).to(contours.dtype)
        buckets = self.buckets.to(contours.dtype)
        sides = torch.tensor(maps.shape[2:], dtype=contours.dtype, device=maps.device)
        results = []
        for _ in range(self.iterations):
            contours = contours.detach()
            at = (2 * contours + 1) / (self.factor * sides) - 1
            moves = F.grid_sample(field, at.flip(-1), padding_mode="border", align_corners=False)
            moves = moves.unflatten(1, (_BUCKETS, 2))
            contours = contours + torch.einsum("bkans,ks->bnsa", moves, buckets)
            results.append(contours)
        return results

    @torch.inference_mode()
    def propose(self, maps, threshold):
        """Refined contours of the pixels that score more than those around them.

        Parameters
        ----------
        maps : Tensor of shape (n_maps, h, w)
        threshold : float in (0, 1)
            Of the score.

        Returns
        -------
        contours : Tensor of shape (n, samples, 2), float64
            The same wherever in an image the same is seen, which in float32 it would not be.
        scores : Tensor of shape (n,), float32
        """
        at = (_peaks(maps[0]) & (maps[0] > math.log(threshold / (1 - threshold)))).nonzero()
        values = maps[:, at[:, 0], at[:, 1]].double()
        contours = self.contours(values, at)
        if self.iterations and len(at):
            contours = self.refined(contours[None], maps[None])[-1][0]
        return contours, values[0].sigmoid().float()


def contour_loss(network, maps, labels, distance, outlines, *, pixels=128):
    """Loss of the maps of a `ContourProposalNetwork`.

    Parameters
    ----------
    network : ContourProposalNetwork
    maps : Tensor of shape (batch, n_maps, h, w)
    labels : integer Tensor of shape (batch, height, width)
        1, 2, ... objects, 0 background, -1 unlabeled.
    distance : Tensor of shape (batch, height, width)
        What the score is to be: 1 in the middle of an object, 0 outside; NaN where it is not
        known, from which no contour is learned either.
    outlines : Tensor of shape (batch, n_objects, samples, 2)
        Row and column of points of each object's outline in the patch, aligned as those of
        `sskseg.morphology.fourier_descriptors`; NaN where there is none.
    pixels : int, default=128
        Drawn from each patch, the middle of objects more often: their contours are judged.

    Returns
    -------
    Tensor, scalar
        Cross-entropy of the score, and distances of points before and after being moved, in units
        of the object's radius. Points outside of the patch are left out, and objects of whose
        outline it shows less than half.
    """
    maps, step = maps.float(), network.factor
    labels, distance = labels[:, ::step, ::step], distance[:, ::step, ::step]
    score = masked_soft_cross_entropy(maps[:, 0], distance)
    at, number, drawn = _draw_pixels(labels, distance, pixels)
    target, weight = _targets(outlines, number, [step * size for size in labels.shape[1:]])
    weight = weight * drawn[..., None, None]
    values = maps.flatten(2).gather(2, at.unsqueeze(1).expand(-1, maps.shape[1], -1))
    place = torch.stack([at // labels.shape[2], at % labels.shape[2]], dim=-1)
    contours = network.contours(values, place)
    stages = [contours, *network.refined(contours, maps)]
    errors = [((points - target).abs() * weight).sum() for points in stages]
    refined = sum(errors[1:]) / max(1, len(errors) - 1)
    return score + (errors[0] + refined) / (weight > 0).sum().clamp_min(1)


def _draw_pixels(labels, distance, n):
    """Flat indices (batch, n), the objects that they are in, and whether they are in one."""
    weight = (torch.nan_to_num(distance) * (labels > 0)).flatten(1).float()
    at = torch.multinomial(weight + 1e-9, n, replacement=True)
    number = labels.flatten(1).gather(1, at).clamp_min(1) - 1
    return at, number, weight.gather(1, at) > 0


def _targets(outlines, number, sides):
    """Points (batch, n, samples, 2) and their weights (batch, n, samples, 1)."""
    index = number[..., None, None].expand(-1, -1, *outlines.shape[2:])
    target = outlines.gather(1, index)
    limit = torch.tensor(sides, device=target.device)
    shown = ((target > -1) & (target < limit)).all(-1, keepdim=True)  # NaN is not
    shown = shown & (shown.float().mean(2, keepdim=True) >= _INSIDE)
    target = torch.nan_to_num(target)
    after = target.roll(-1, 2)
    area = (target[..., 1] * after[..., 0] - after[..., 1] * target[..., 0]).sum(-1).abs() / 2
    radius = (area / math.pi).sqrt().clamp_min(_MIN_RADIUS)
    return target, shown / radius[..., None, None]


def _peaks(score):
    """Pixels of (h, w) that exceed their neighbors; of equal ones the first in reading order."""
    padded = F.pad(score, (1, 1, 1, 1), value=-torch.inf)
    height, width = score.shape
    near = [padded[i : i + height, j : j + width] for i in range(3) for j in range(3)]
    before, after = torch.stack(near[:4]).amax(0), torch.stack(near[5:]).amax(0)
    return (score > before) & (score >= after)


def _waves(order, samples):
    """Cosine and sine (2, order, samples) of each harmonic at each point."""
    t = 2 * math.pi * torch.arange(samples) / samples
    phase = torch.arange(1, order + 1)[:, None] * t
    return torch.stack([phase.cos(), phase.sin()])


def _bucket_weights(samples):
    """Weights (n_buckets, samples) of the maps that move a point, linear along the outline."""
    at = torch.arange(samples) / samples * _BUCKETS
    away = (at - torch.arange(_BUCKETS)[:, None]).abs()
    return (1 - torch.minimum(away, _BUCKETS - away)).clamp_min(0)
