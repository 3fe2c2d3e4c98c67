"""Read and write files; nothing else opens them."""

from .atomic import atomic_path, write_atomically
from .folders import list_images
from .images import read_image, read_images
from .label_writing import write_labels
from .labels import read_labels
from .object_tables import read_object_table, write_object_table
from .ome_zarr import write_ome_zarr, write_ome_zarr_labels
from .pairs import read_pairs
from .points import read_points
from .rois import Rois, read_rois, write_rois

__all__ = [
    "Rois",
    "atomic_path",
    "list_images",
    "read_image",
    "read_images",
    "read_labels",
    "read_object_table",
    "read_pairs",
    "read_points",
    "read_rois",
    "write_atomically",
    "write_labels",
    "write_object_table",
    "write_ome_zarr",
    "write_ome_zarr_labels",
    "write_rois",
]
