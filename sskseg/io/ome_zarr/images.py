"""Write images, with their labels, as OME-Zarr."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np

from ...images.spacing import check_spacing
from ...images.validation import check_unmasked
from ..folders import stem
from ..scans.scan import Scan
from .checks import check_label_name, check_labels
from .label_images import write_ome_zarr_labels
from .levels import average, write_pyramid
from .metadata import (
    OME_VERSIONS,
    axes_metadata,
    create_group,
    multiscales,
    set_attributes,
    transformations,
    warn_of_unit,
)
from .publishing import temporary_folder
from .pyramid import pyramid_levels

_ORDER = "tczyx"
_AXES = {2: "yx", 3: "zyx", 4: "zyxc"}  # by the number of axes
_CHUNK = {"z": 128, "y": 128, "x": 128}  # pixels of a chunk; along other axes 1
_FLAT_CHUNK = {"z": 16, "y": 512, "x": 512}


@dataclass(frozen=True)
class _Image:
    """An image in the order of axes of OME-Zarr."""

    data: Any
    axes: str
    spacing: tuple[float, ...]  # of each axis
    unit: str | None

    def levels(self) -> list[tuple[tuple[int, ...], np.ndarray]]:
        """Shape and factor of each level; only spatial axes become shorter."""
        n_others = len(self.axes) - sum(axis in "zyx" for axis in self.axes)
        others = self.data.shape[:n_others]
        return [
            ((*others, *shape), np.concatenate([np.ones(n_others, int), factor]))
            for shape, factor in pyramid_levels(self.data.shape[n_others:])
        ]


def write_ome_zarr(
    path: str | os.PathLike[str],
    image: Any,
    *,
    axes: str | None = None,
    spacing: Sequence[float] | None = None,
    unit: str | None = None,
    labels: Any = None,
    zarr_format: int = 3,
) -> Path:
    """Write an image as OME-Zarr, with labels that belong to it.

    Parameters
    ----------
    path : str or path-like
        A new folder, whose suffix is .zarr, such as ``cells.ome.zarr``.
    image : ndarray, dask array or Scan
        Image to write. Each block of a dask array, or of a scan that `sskseg.scans.open_scan`
        opened, is read once, and only a few blocks are in memory.
    axes : str, default=None
        One letter for each axis of `image`, in its order: "t", "c", "z", "y" or "x". None: the axes
        of the scan, or "yx", "zyx" or "zyxc". They are stored in the order t, c, z, y, x.
    spacing : sequence of float, default=None
        Size of a pixel along each of the axes z, y and x that `image` has. None is that of the
        scan, or 1.
    unit : str, default=None
        Unit of `spacing`, such as "micrometer". Without `spacing`, that of the scan.
    labels : ndarray, dask array or dict of them by name, default=None
        Labels, as `write_ome_zarr_labels` takes them. An array is named "objects".
    zarr_format : {2, 3}, default=3
        Version of Zarr that is written: 3 is OME-Zarr 0.5. 2 is OME-Zarr 0.4, for programs that do
        not read Zarr 3.

    Returns
    -------
    Path
        Of the group.

    Raises
    ------
    ValueError
        If `path` exists or has another suffix, for an image of other dtypes than bool, int and
        float, other axes, formats or names, and for labels that do not fit the image. Nothing is
        written.
    FileNotFoundError
        If the folder around `path` does not exist.
    ImportError
        Without zarr and dask, which the extra "scans" installs.

    Warns
    -----
    UserWarning
        If OME-Zarr does not have the unit.

    See Also
    --------
    write_ome_zarr_labels : Adds labels to an image.

    Notes
    -----
    The resolution pyramid has means over 2 pixels along each spatial axis, until a level fits in
    256 pixels, and its translations say that coarse pixels lie in the center of the fine ones.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from sskseg.io import write_ome_zarr
    >>> from sskseg.scans import open_scan
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = write_ome_zarr(
    ...         f"{folder}/cells.ome.zarr", np.zeros((300, 400), np.uint16), spacing=(0.5, 0.5),
    ...         unit="micrometer",
    ...     )
    ...     open_scan(path), open_scan(path, level=1)
    (Scan(axes='yx', shape=(300, 400), dtype=uint16, spacing=(0.5, 0.5), unit='micrometer'),
     Scan(axes='yx', shape=(150, 200), dtype=uint16, spacing=(1.0, 1.0), unit='micrometer'))
    """
    path = Path(path)
    _check_path(path, zarr_format)
    parsed = _parse(image, axes, spacing, unit)
    every = labels if isinstance(labels, Mapping) else {} if labels is None else {"objects": labels}
    _check_every_label(every, parsed, path)
    with temporary_folder(path) as part:
        _write_group(part / path.name, parsed, OME_VERSIONS[zarr_format])
        for name, each in every.items():
            write_ome_zarr_labels(part / path.name, each, name)
        (part / path.name).rename(path)
    return path


def _check_path(path, zarr_format):
    if not isinstance(zarr_format, Integral) or zarr_format not in OME_VERSIONS:
        raise ValueError(f"zarr_format must be 2 or 3, got {zarr_format!r}.")
    if path.suffix.lower() != ".zarr":
        raise ValueError(f"{path} must have the suffix .zarr, got {path.suffix!r}.")
    if path.exists():
        raise ValueError(f"{path} exists: choose another path.")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"No folder {path.parent}, in which to write {path.name}.")
    if not os.access(path.parent, os.W_OK):
        raise ValueError(f"{path} cannot be written to.")


def _parse(image, axes, spacing, unit):
    """The image with its axes in the order of OME-Zarr."""
    if unit is not None and spacing is None:
        raise ValueError(f"unit must be given with spacing, got {unit!r} alone.")
    if isinstance(image, Scan):
        axes = image.axes if axes is None else axes
        spacing, unit = (image.spacing, image.unit) if spacing is None else (spacing, unit)
        image = image.data
    check_unmasked(image, "image", "fill them")
    image = image if hasattr(image, "dask") else np.asarray(image)
    axes = (_AXES.get(image.ndim, "") if axes is None else axes).lower()
    if len(axes) != image.ndim or len({*axes}) < len(axes) or not {*"yx"} <= {*axes} <= {*_ORDER}:
        raise ValueError(
            f"axes must have a letter of {_ORDER!r} for each axis of an image of shape "
            f"{image.shape}, y and x among them, got {axes!r}."
        )
    if image.dtype.kind not in "buif" or not all(image.shape):
        raise ValueError(
            f"image must hold bools, integers or floats, got {image.dtype} of shape {image.shape}."
        )
    order = [letter for letter in _ORDER if letter in axes]
    spatial = [letter for letter in order if letter in "zyx"]
    sizes = dict(zip(spatial, check_spacing(spacing, len(spatial)) or [1.0] * 3, strict=False))
    steps = tuple(sizes.get(letter, 1.0) for letter in order)
    return _Image(image.transpose([axes.index(a) for a in order]), "".join(order), steps, unit)


def _check_every_label(labels, image, path):
    kept = [i for i, axis in enumerate(image.axes) if axis != "c"]
    shapes = [tuple(shape[i] for i in kept) for shape, _ in image.levels()]
    for name, each in labels.items():
        check_label_name(name)
        check_labels(each, image.axes.replace("c", ""), shapes, path)


def _write_group(folder, image, version):
    """Write the group of the image, its metadata last."""
    group = create_group(folder, version)
    levels = image.levels()
    factors = [factor for _, factor in levels]
    chunks = [_preferred_chunks(image)] * len(levels)
    write_pyramid(
        group, image.data, axes=image.axes, shapes=[shape for shape, _ in levels], chunks=chunks,
        check=lambda block: None,
        coarser=lambda fine, level: average(fine, factors[level] // factors[level - 1]),
    )  # fmt: skip
    spacing = np.array(image.spacing)
    changes = [transformations(spacing * f, spacing * (f - 1) / 2) for f in factors]
    warn_of_unit(image.unit, stacklevel=3)
    axes = axes_metadata(image.axes, image.unit)
    pyramid = multiscales(stem(folder), axes, changes, version, type="mean")
    set_attributes(group, version, {"multiscales": pyramid})


def _preferred_chunks(image):
    """Chunks with large planes where an image has few of them, or is read plane by plane."""
    z = image.axes.find("z")
    depth = 1 if z < 0 else getattr(image.data, "chunksize", image.data.shape)[z]
    sides = _FLAT_CHUNK if depth <= _FLAT_CHUNK["z"] else _CHUNK
    return [sides.get(axis, 1) for axis in image.axes]
