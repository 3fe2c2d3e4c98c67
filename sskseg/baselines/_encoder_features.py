"""Feature maps of a pretrained encoder, at pixels of an image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F

from ..nn import Encoder, PretrainedEncoder
from ..training import isolated_seed, own_defaults, random_numbers, standardized_sections


def start_encoder(features: PretrainedEncoder, n_channels: int) -> Encoder:
    """Build an encoder with its weights, in evaluation mode."""
    # Initial weights are random, and replaced.
    with own_defaults(), isolated_seed(0, torch.device("cpu")), random_numbers():
        encoder = features.make_encoder(n_channels)
    features.load_weights(encoder)
    return encoder.eval()


def encoder_maps(
    encoder: Encoder, image: np.ndarray, mean: np.ndarray, std: np.ndarray
) -> list[torch.Tensor]:
    """Compute the feature maps of an image (height, width, n_channels), (n, h, w) each."""
    first = np.zeros((1, 1), int)
    with own_defaults(), torch.inference_mode():
        (x,) = standardized_sections([image], first, mean, std, torch.float32)
        return [found[0] for found in encoder(x[None])]


def interpolate_maps(
    feature_maps: Sequence[torch.Tensor],
    reductions: Sequence[int],
    shape: tuple[int, int],
    pixels: np.ndarray,
) -> np.ndarray:
    """Interpolate feature maps bilinearly at pixels.

    Parameters
    ----------
    feature_maps : list of Tensor of shape (n, h, w)
    reductions : sequence of int
        Pixels of the image, along an axis, for one of each map.
    shape : tuple of int
        Size of the image in pixels.
    pixels : ndarray of int, shape (n_pixels,)
        Flat indices.

    Returns
    -------
    ndarray of float32, shape (n_pixels, sum of n)
    """
    centers = np.stack(np.unravel_index(pixels, shape)[::-1], axis=-1) + 0.5  # x, y
    parts = []
    with own_defaults(), torch.inference_mode():
        for image, reduction in zip(feature_maps, reductions, strict=True):
            sides = np.array([image.shape[2], image.shape[1]]) * reduction
            grid = torch.from_numpy((2 * centers / sides - 1).astype(np.float32))
            parts.append(
                F.grid_sample(
                    image[None], grid[None, None], padding_mode="border", align_corners=False
                )[0, :, 0].T
            )
        return torch.cat(parts, dim=1).numpy()
