"""One channel of images."""

import numpy as np

from ..images import check_images


def select_channel(X, spatial_ndim, channel, n_channels=None):
    """Select a channel of each image, as float32."""
    images = check_images(X, spatial_ndim, n_channels=n_channels)
    if channel >= images[0].shape[-1]:
        raise ValueError(f"channel must be below {images[0].shape[-1]}, got {channel}.")
    return [image[..., channel].astype(np.float32) for image in images]
