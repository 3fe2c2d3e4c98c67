"""Read and write files; nothing else opens them."""

from .atomic import atomic_path, write_atomically
from .images import list_images, read_image, read_images

__all__ = ["atomic_path", "list_images", "read_image", "read_images", "write_atomically"]
