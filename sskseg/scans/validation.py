"""Checks of what `count_scan` is given, before a pixel is read."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.exceptions import NotFittedError
from sklearn.utils._param_validation import Interval, Options, validate_parameter_constraints

from ..base import ImageEstimator
from ..images.extents import check_extent
from ..images.validation import channel_advice
from ..io.ome_zarr.metadata import OME_VERSIONS
from ..io.scans import Scan, open_scan
from ..io.storage import FileStorage, Storage, is_url, open_storage
from ..preprocessing import PercentileScaler
from .checkpoints import Ledger
from .protocol import BlockObjects, BlockPredictor

_OPTIONS = {
    "resume": ["boolean"],
    "keep_probabilities": ["boolean"],
    "verbose": ["boolean"],
    "skip_below": [Interval(Real, None, None, closed="neither"), None],
    "n_workers": [Interval(Integral, 1, None, closed="left"), None],
    "object_diameter": [Interval(Real, 0, None, closed="neither"), None],
    "zarr_format": [Options(Integral, {*OME_VERSIONS})],
}


def split_pipeline(estimator: Any) -> tuple[tuple[Any, ...], Any, BlockObjects]:
    """Split a fitted pipeline into preprocessing, segmenter and what finds objects.

    Returns
    -------
    steps : tuple of transformers
    segmenter : estimator with ``block_predictor``, or None
        None where objects are found in images.
    objects : BlockObjects
    """
    steps = [step for _, step in getattr(estimator, "steps", ())]
    objects = _block_objects(steps)
    from_images = objects is not None and objects.source == "images"
    if objects is None or len(steps) < 2 - from_images:
        raise ValueError(
            "estimator must be a fitted pipeline of a segmenter and an InstanceCounter at its end, "
            "or of an InstanceCounter(method='contours') that works on images, got "
            f"{estimator!r}."
        )
    preprocessing = [step for step in steps[:-1] if step not in (None, "passthrough")]
    segmenter = None
    if from_images:
        _check_no_segmenter(preprocessing)
    else:
        segmenter = preprocessing.pop() if preprocessing else None
        if not hasattr(segmenter, "block_predictor"):
            raise ValueError(f"The step before the counter must be a segmenter, got {segmenter!r}.")
    return tuple(preprocessing), segmenter, objects


def _block_objects(steps):
    """What finds the objects of blocks, or None for a step that cannot or is not fitted."""
    if not steps or not hasattr(steps[-1], "block_objects"):
        return None
    try:
        return steps[-1].block_objects()
    except NotFittedError:
        return None


def _check_no_segmenter(steps):
    for step in steps:
        if hasattr(step, "predict_proba"):
            raise ValueError(
                "InstanceCounter(method='contours') finds objects in images: no segmenter goes "
                f"before it in estimator, got {step!r}."
            )


def check_scan(source: Any, objects: BlockObjects, steps: Sequence[Any]) -> Scan:
    """Return a scan with the axes and the spacing that the estimator expects."""
    ndim = objects.ndim
    if not isinstance(source, Scan):
        if source.ndim not in (ndim, ndim + 1):
            raise ValueError(
                f"source must have {ndim} spatial axes, and perhaps channels, got {source.shape}."
            )
        axes = "zyx"[-ndim:] + "c" * (source.ndim - ndim)
        source = Scan(source, axes, (1.0,) * ndim, None, f"dask {source.name}")
    if len(source.spacing) != ndim:
        raise ValueError(
            f"source must have {ndim} spatial axes, as the estimator does, got the axes "
            f"{source.axes!r}."
        )
    _check_min_size(objects, source.data.shape[:ndim])
    if objects.consecutive:
        _check_scaling(steps)
    return _with_spacing(source, objects.spacing, getattr(objects, "unit", None))


def _check_min_size(objects, shape):
    """Raise if no object of the scan, or of one of its sections, can be as large as `min_size`."""
    inside = shape[1:] if objects.consecutive else shape
    what = "a section" if objects.consecutive else "a scan"
    check_extent("min_size of the counter", objects.min_size, math.prod(inside), inside, what)


def _check_scaling(steps):
    for step in steps:
        if isinstance(step, PercentileScaler) and step.scope == "image":
            raise ValueError(
                f"{type(step).__name__}(scope='image') scales each section by itself, but a block "
                "holds only a part of it: use scope='dataset'."
            )


def _with_spacing(scan, spacing, unit):
    """The scan with its own size of a pixel, or the counter's without one; their ratios agree."""
    if spacing is None:
        return scan
    if not scan.has_size:
        return replace(scan, spacing=spacing, unit=unit)
    ratio = np.divide(scan.spacing, spacing)
    if not np.allclose(ratio, ratio[0], rtol=1e-3):
        raise ValueError(
            f"The counter was fitted with pixels of {spacing}, and the source has pixels of "
            f"{scan.spacing}: spacing must have the same ratios."
        )
    return scan


def check_predictor(
    reader: BlockPredictor | BlockObjects,
    objects: BlockObjects,
    scan: Scan,
    steps: Sequence[Any],
) -> None:
    """Check sections and channels of the estimator that has the network."""
    if reader.consecutive != objects.consecutive:
        names = ["consecutive" if each.consecutive else "independent" for each in (reader, objects)]
        raise ValueError(
            "Segmenter and counter must both have sections='consecutive', or neither, got "
            f"{names[0]!r} and {names[1]!r}."
        )
    n_channels = scan.data.shape[objects.ndim] if scan.data.ndim > objects.ndim else 1
    # The steps of this library keep the channels; others may select some.
    keep_channels = all(isinstance(step, ImageEstimator) for step in steps)
    if keep_channels and reader.n_channels != n_channels:
        advice = channel_advice(reader.n_channels, n_channels) + _axes(scan)
        raise ValueError(
            f"source must have {reader.n_channels} channel(s), got {n_channels}.{advice}"
        )


def _axes(scan):
    """The axes of a scan of which one is that of the channels, perhaps a wrong one."""
    return f" Its axes are {scan.axes}, its shape is {scan.data.shape}." if "c" in scan.axes else ""


def check_mask(mask: Any, shape: tuple[int, ...]) -> Any:
    """Return the mask, an array that is nowhere finer than the scan."""
    if mask is None:
        return None
    if getattr(mask, "ndim", None) != len(shape) or getattr(mask, "dtype", None) is None:
        raise ValueError(f"mask must be an array of {len(shape)} axes, got {mask!r}.")
    if mask.dtype.kind not in "bui" or any(
        not 0 < coarse <= fine for coarse, fine in zip(mask.shape, shape, strict=True)
    ):
        raise ValueError(
            f"mask must be of bool or int and nowhere finer than the scan of shape {shape}, got "
            f"{mask.dtype} of shape {mask.shape}."
        )
    return mask


def check_halo(
    halo: Any,
    block_shape: tuple[int, ...],
    shape: tuple[int, ...],
    objects: BlockObjects,
    largest_default: int,
) -> tuple[int, ...]:
    """Return the halo of each axis: as given, or at most a quarter of the block.

    Components need none, nor do sections along z.
    """
    default = [
        0 if objects.exact or block == size else min(largest_default, block // 4)
        for block, size in zip(block_shape, shape, strict=True)
    ]
    if objects.consecutive:
        default[0] = 0
    halo = check_sizes("halo", halo, default, None, 0)
    for axis, (block, margin, size) in enumerate(zip(block_shape, halo, shape, strict=True)):
        if block < size and margin > block:
            raise ValueError(
                f"block_shape must be at least as long as the halo, got {block} and {margin} along "
                f"axis {axis}."
            )
    if objects.exact:
        return (0,) * len(shape)
    return (0, *halo[1:]) if objects.consecutive else halo


def check_sizes(
    name: str,
    sizes: Any,
    default: Sequence[int],
    shape: tuple[int, ...] | None,
    smallest: int,
) -> tuple[int, ...]:
    """Return one integer for each axis, at most the length of the scan if `shape` is given."""
    ndim = len(default)
    given = np.atleast_1d(default if sizes is None else sizes)
    if given.dtype.kind not in "iu" or given.shape not in ((1,), (ndim,)):
        raise ValueError(f"{name} must be {ndim} integers, got {sizes!r}.")
    if given.min() < smallest:
        raise ValueError(f"{name} must be at least {smallest}, got {sizes!r}.")
    sides = np.broadcast_to(given, ndim).tolist()
    return tuple(sides if shape is None else map(min, sides, shape))


def as_scan(source: Any, storage_options: Mapping[str, Any] | None = None) -> Any:
    """Open a path or a URL; return a Scan or a dask array as it is."""
    if isinstance(source, (str, os.PathLike)):
        return open_scan(source, storage_options=storage_options if is_url(source) else None)
    if isinstance(source, Scan):
        return source
    if not hasattr(source, "dask"):
        raise ValueError(
            "source must be a path, a Scan or a dask array, got "
            f"{type(source).__name__}; an array in memory needs no blocks."
        )
    return source  # the estimator defines its axes


def open_destination(
    destination: Any, storage_options: Mapping[str, Any] | None, source: Any
) -> Storage:
    """Open a destination; refuse one that holds something else, or cannot be written to."""
    if not is_url(destination) and is_url(source):
        storage_options = None  # of the source
    storage = open_storage(destination, storage_options)
    if isinstance(storage, FileStorage):
        folder = storage.folder
        if folder.exists() and not folder.is_dir():
            raise ValueError(f"{folder} is a file; destination must be a folder.")
        existing = next(p for p in (folder, *folder.parents) if p.exists())
        if not os.access(existing, os.W_OK):
            raise ValueError(f"{folder} cannot be written to.")
    if not Ledger(storage).exists() and storage.list():
        raise ValueError(f"{storage.place} holds something else than the output of count_scan.")
    return storage


def check_options(**options: Any) -> None:
    """Raise unless options of `count_scan` are of their kinds.

    Parameters
    ----------
    **options
        ``resume``, ``keep_probabilities``, ``verbose``, ``skip_below``, ``n_workers``,
        ``zarr_format``, ``object_diameter``.

    Raises
    ------
    ValueError
        The message names the option.
    """
    constraints = {name: _OPTIONS[name] for name in options}
    validate_parameter_constraints(constraints, options, caller_name="count_scan")


def check_intensity(intensity: Any) -> None:
    """Refuse what is not a bool."""
    if not isinstance(intensity, (bool, np.bool_)):
        raise ValueError(f"intensity must be True or False, got {type(intensity).__name__}.")
