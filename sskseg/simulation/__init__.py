"""Parts of simulated images: shapes, placement, fibers, junctions, optics, noise."""

from ._fibers import Fibers, fiber_pattern, sample_fibers, snap_to_fibers
from ._junctions import Junction, draw_junction, sample_junction
from ._noise import add_camera_noise
from ._optics import blur, defocus, fractal_noise, magnified, smooth_noise, vignette
from ._placement import place_apart
from ._shapes import Blob, draw_blob, overlap_slices

__all__ = [
    "Blob",
    "Fibers",
    "Junction",
    "add_camera_noise",
    "blur",
    "defocus",
    "draw_blob",
    "draw_junction",
    "fiber_pattern",
    "fractal_noise",
    "magnified",
    "overlap_slices",
    "place_apart",
    "sample_fibers",
    "sample_junction",
    "smooth_noise",
    "snap_to_fibers",
    "vignette",
]
