"""Simulate images of cells: shapes, placement, fibers, textures, optics and noise."""

from ._annotations import boundary_shifts, hallucinated, label_conditioning, surviving
from ._calibration import find_polarity
from ._cells import CellSimulator
from ._contours import Outlines, fill_outlines, sample_outlines, trace_outlines
from ._fibers import Fibers, fiber_pattern, sample_fibers, snap_to_fibers
from ._junctions import Junction, draw_junction, sample_junction
from ._noise import add_camera_noise
from ._optics import blur, defocus, fractal_noise, magnified, smooth_noise, vignette
from ._painting import draw_cells
from ._placement import place_apart
from ._shapes import Blob, draw_blob, overlap_slices

__all__ = [
    "Blob",
    "CellSimulator",
    "Fibers",
    "Junction",
    "Outlines",
    "add_camera_noise",
    "blur",
    "boundary_shifts",
    "defocus",
    "draw_blob",
    "draw_cells",
    "draw_junction",
    "fiber_pattern",
    "fill_outlines",
    "find_polarity",
    "fractal_noise",
    "hallucinated",
    "label_conditioning",
    "magnified",
    "overlap_slices",
    "place_apart",
    "sample_fibers",
    "sample_junction",
    "sample_outlines",
    "smooth_noise",
    "snap_to_fibers",
    "surviving",
    "trace_outlines",
    "vignette",
]
