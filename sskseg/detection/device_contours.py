"""Contours of a batch as elliptic Fourier descriptors, on a device."""

import math

import torch
from torch import Tensor


def redraw_contours(contours: Tensor, order: int, samples: int) -> Tensor:
    """Draw polygons from the elliptic Fourier descriptors of polygons.

    Parameters
    ----------
    contours : Tensor of shape (n_contours, n_points, 2)
        Row and column.
    order : int
        Number of harmonics.
    samples : int
        Vertices of each new polygon.

    Returns
    -------
    Tensor of shape (n_contours, samples, 2)
        As `sskseg.morphology.contour_points` draws what `sskseg.morphology.fourier_descriptors`
        computes, up to rounding.
    """
    after = contours.roll(-1, 1)
    steps = after - contours
    lengths = steps.norm(dim=-1, keepdim=True)
    total = lengths.sum(1).clamp_min(1e-12)
    locations = ((contours + after) / 2 * lengths).sum(1) / total
    locations = torch.where(lengths.any(1), locations, contours.mean(1))
    harmonics = torch.arange(1, order + 1, device=contours.device)[:, None]
    ends = 2 * math.pi * lengths.squeeze(2).cumsum(1) / total
    angles = harmonics * torch.cat([torch.zeros_like(total), ends], dim=1).unsqueeze(1)
    speeds = steps / lengths.clamp_min(1e-12)
    scale = total.unsqueeze(2) / (2 * (harmonics * math.pi) ** 2)
    real, imaginary = (wave.diff(dim=2) @ speeds * scale for wave in (angles.cos(), angles.sin()))
    real, imaginary = _aligned(real, imaginary, harmonics)
    phase = harmonics * (2 * math.pi / samples * torch.arange(samples, device=contours.device))
    shapes = real.mT @ phase.cos() + imaginary.mT @ phase.sin()
    return locations.unsqueeze(1) + shapes.mT


def _aligned(real, imaginary, harmonics):
    """The same curves, starting at their rightmost point and running toward greater rows."""
    (c, a), (d, b) = real[:, 0].unbind(1), imaginary[:, 0].unbind(1)
    sign = torch.where(a * d - b * c < 0, -1.0, 1.0)
    imaginary = imaginary * sign[:, None, None]
    phase = (harmonics * torch.atan2(sign * b, a)).mT.unsqueeze(2)
    cosine, sine = phase.cos(), phase.sin()
    return real * cosine + imaginary * sine, imaginary * cosine - real * sine
