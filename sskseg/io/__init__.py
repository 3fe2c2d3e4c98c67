"""Read and write files; nothing else opens them."""

from .atomic import atomic_path, write_atomically
from .folders import list_images
from .images import read_image, read_images
from .label_writing import write_labels
from .labels import read_labels
from .object_tables import read_object_table, write_object_table
from .points import read_points

__all__ = [
    "atomic_path",
    "list_images",
    "read_image",
    "read_images",
    "read_labels",
    "read_object_table",
    "read_points",
    "write_atomically",
    "write_labels",
    "write_object_table",
]
