"""OME-Zarr: write images, and labels into the images they belong to."""

from .images import write_ome_zarr
from .label_images import write_ome_zarr_labels

__all__ = ["write_ome_zarr", "write_ome_zarr_labels"]
