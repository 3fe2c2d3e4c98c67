"""Parts of simulated images: shapes, placement, optics, noise."""

from ._junctions import Junction, draw_junction, fiber_pattern, sample_junction
from ._noise import add_camera_noise
from ._optics import blur, smooth_noise
from ._placement import place_apart
from ._shapes import Blob, draw_blob

__all__ = [
    "Blob",
    "Junction",
    "add_camera_noise",
    "blur",
    "draw_blob",
    "draw_junction",
    "fiber_pattern",
    "place_apart",
    "sample_junction",
    "smooth_noise",
]
