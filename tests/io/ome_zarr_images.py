"""OME-Zarr images to write labels into."""

import warnings

import numpy as np
import zarr
from ome_zarr.format import FormatV04, FormatV05

with warnings.catch_warnings():  # of a part of ome-zarr about another one
    warnings.simplefilter("ignore", DeprecationWarning)
    from ome_zarr.writer import write_image

VERSIONS = ("0.4", "0.5")
FORMATS = {"0.4": FormatV04(), "0.5": FormatV05()}
SHAPES = {"yx": (301, 260), "cyx": (2, 301, 260), "tczyx": (2, 3, 9, 70, 60), "zyx": (40, 66, 50)}


def attributes(group):
    return dict(group.attrs).get("ome", dict(group.attrs))


def random_labels(shape, seed=0):
    return np.random.RandomState(seed).randint(0, 2**20, shape)


def other_image(path, axes="yx", version="0.5", **options):
    """Write an image with ome-zarr."""
    image = random_labels(SHAPES[axes]).astype(np.uint16)
    scale = {axis: 1.0 if axis in "tc" else 0.65 for axis in axes}
    group = zarr.open_group(path, mode="w", zarr_format=2 if version == "0.4" else 3)
    units = {axis: "micrometer" for axis in axes if axis in "zyx"}
    write_image(
        image, group, fmt=FORMATS[version], axes=list(axes), scale_factors=[2, 4, 8], scale=scale,
        axes_units=units, **options,
    )  # fmt: skip
    return path


def bare_image(path, shapes, axes, *, changes=None, version="0.4", chunks=None):
    """Write empty arrays and metadata with zarr alone."""
    group = zarr.open_group(path, mode="w", zarr_format=2 if version == "0.4" else 3)
    datasets = []
    for level, shape in enumerate(shapes):
        group.create_array(f"s{level}", shape=shape, chunks=chunks or shape, dtype="uint8")
        own = changes[level] if changes else [{"type": "scale", "scale": [2.0**level] * len(axes)}]
        datasets.append({"path": f"s{level}", "coordinateTransformations": own})
    types = {"t": "time", "c": "channel"}
    described = [{"name": axis, "type": types.get(axis, "space")} for axis in axes]
    pyramid = {"axes": described, "datasets": datasets}
    if version == "0.4":
        group.attrs["multiscales"] = [{"version": "0.4", **pyramid}]
    else:
        group.attrs["ome"] = {"version": version, "multiscales": [pyramid]}
    return path


def pyramid_of(group):
    (pyramid,) = attributes(group)["multiscales"]
    return pyramid, [group[dataset["path"]][:] for dataset in pyramid["datasets"]]


def without(values, axes, letter="c"):
    return [value for value, axis in zip(values, axes, strict=True) if axis != letter]


def tree(folder):
    """Bytes of each file."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
