"""Images in memory: container, validation, annotations, normalization, patches, augmentation.

Import `sskseg.images.augmentation`, which needs torch, and `sskseg.images.annotations`, which needs
`sskseg.morphology`, by their own names.
"""

from .channel_axis import check_channel_axis
from .inversion import invert_images
from .normalization import channel_percentiles, intensity_range, rescale, subsample_step
from .patches import Patch, PatchSampler, read_region
from .points import are_points, check_points, draw_points, points_from_table
from .random import check_generator, child_generator
from .sections import consecutive_runs, groups_of_sections, section_indices
from .spacing import check_spacing, relative_spacing, warn_of_spacing
from .stack import ImageStack, choose_spatial_ndim, positions_of, wrap_like
from .validation import (
    check_images,
    check_lazy_images,
    check_numbers,
    check_positions,
    check_sample_weight,
    is_lazy,
    like_input,
    spatial_ndim_of,
    unwrap,
)

__all__ = [
    "ImageStack",
    "Patch",
    "PatchSampler",
    "are_points",
    "channel_percentiles",
    "check_channel_axis",
    "check_generator",
    "check_images",
    "check_lazy_images",
    "check_numbers",
    "check_points",
    "check_positions",
    "check_sample_weight",
    "check_spacing",
    "child_generator",
    "choose_spatial_ndim",
    "consecutive_runs",
    "draw_points",
    "groups_of_sections",
    "intensity_range",
    "invert_images",
    "is_lazy",
    "like_input",
    "points_from_table",
    "positions_of",
    "read_region",
    "relative_spacing",
    "rescale",
    "section_indices",
    "spatial_ndim_of",
    "subsample_step",
    "unwrap",
    "warn_of_spacing",
    "wrap_like",
]
