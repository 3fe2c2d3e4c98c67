"""Images written as OME-Zarr, with and without labels."""

import dask.array as da
import numpy as np
import ome_zarr_models.v04 as v04
import ome_zarr_models.v05 as v05
import pytest
import tifffile
import zarr
from ome_zarr.io import parse_url
from ome_zarr.reader import Label, Reader
from ome_zarr_images import VERSIONS, pyramid_of, random_labels
from ome_zarr_models import open_ome_zarr

from sskseg.io import read_labels, write_ome_zarr
from sskseg.io.ome_zarr.metadata import ZARR_FORMATS
from sskseg.scans import Scan, open_scan

IMAGES = {
    "yx": (601, 130), "cyx": (2, 300, 290), "yxc": (300, 290, 2), "zyx": (9, 300, 150),
    "zyxc": (9, 270, 150, 2), "xty": (40, 3, 50), "tczyx": (2, 2, 5, 30, 40),
}  # fmt: skip


def mean_of(image, steps):
    """Means over pixels of a coarser level, by their numbers."""
    shape = [-(-size // step) for size, step in zip(image.shape, steps, strict=True)]
    total, count = np.zeros(shape), np.zeros(shape)
    index = np.ix_(*(np.arange(n) // step for n, step in zip(image.shape, steps, strict=True)))
    np.add.at(total, index, image)
    np.add.at(count, index, 1)
    return total / count


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("axes", IMAGES)
def test_each_level_has_means_at_the_centers_of_its_pixels(axes, version, tmp_path):
    image = np.random.RandomState(0).rand(*IMAGES[axes])
    sizes = dict(zip("zyx", (2.0, 0.5, 0.25), strict=True))
    spatial = [axis for axis in "zyx" if axis in axes]
    spacing = [sizes[axis] for axis in spatial]
    source = image if "c" in axes else da.from_array(image, chunks=37)
    path = write_ome_zarr(
        tmp_path / "a.ome.zarr",
        source,
        axes=axes,
        spacing=spacing,
        unit="µm",
        zarr_format=ZARR_FORMATS[version],
    )
    pyramid, levels = pyramid_of(zarr.open_group(path, mode="r"))
    order = [axis for axis in "tczyx" if axis in axes]
    assert [axis["name"] for axis in pyramid["axes"]] == order
    assert [axis.get("unit") for axis in pyramid["axes"]] == [
        "micrometer" if axis in "zyx" else None for axis in order
    ]
    assert pyramid["name"] == "a"
    expected = image.transpose([axes.index(axis) for axis in order])
    finest = np.array([sizes.get(axis, 1.0) for axis in order])
    for level, dataset in zip(levels, pyramid["datasets"], strict=True):
        scale, shift = dataset["coordinateTransformations"]
        if level.shape != expected.shape:
            steps = [1 if n == m else 2 for n, m in zip(expected.shape, level.shape, strict=True)]
            expected = mean_of(expected, steps)
        factor = np.array(scale["scale"]) / finest
        assert np.allclose(level, expected)
        assert np.allclose(np.ceil(levels[0].shape / factor), level.shape)
        assert np.allclose(shift["translation"], finest * (factor - 1) / 2)
    assert max(level.shape) <= 256
    models = v04 if version == "0.4" else v05
    assert isinstance(open_ome_zarr(path, version=version), models.Image)
    if "t" not in axes:
        scan = open_scan(path)
        assert (scan.spacing, scan.unit) == (tuple(spacing), "micrometer")
        names = list(scan.axes)
        assert np.array_equal(scan.data.compute(), image.transpose([axes.index(n) for n in names]))


@pytest.mark.parametrize("dtype", [bool, "uint8", "int16", ">u2", "float16", "float32", "uint64"])
def test_means_are_of_the_dtype_of_the_image(dtype, tmp_path):
    image = (np.random.RandomState(0).rand(301, 8) * 200).astype(dtype)
    path = write_ome_zarr(tmp_path / "a.zarr", image)
    fine, coarse = pyramid_of(zarr.open_group(path, mode="r"))[1]
    stored = np.dtype("u1") if image.dtype.kind == "b" else image.dtype.newbyteorder("=")
    assert fine.dtype == coarse.dtype == stored
    assert np.array_equal(fine, image)
    means = mean_of(image.astype(float), (2, 1))
    expected = means if image.dtype.kind == "f" else np.rint(means)
    assert np.allclose(coarse, expected, rtol=1e-3)
    assert coarse[-1, 0] == fine[-1, 0]  # alone at the end


@pytest.mark.parametrize("version", VERSIONS)
def test_image_and_labels_together(version, tmp_path):
    image = np.random.RandomState(0).rand(300, 400, 2).astype("float32")
    labels = {"nuclei": random_labels((300, 400)), "cells": da.ones((300, 400), dtype=int)}
    path = write_ome_zarr(
        tmp_path / "a.ome.zarr", image, axes="yxc", labels=labels, spacing=(0.5, 0.5),
        zarr_format=ZARR_FORMATS[version],
    )  # fmt: skip
    nodes = list(Reader(parse_url(path))())
    named = {node.metadata["name"]: node.data for node in nodes if node.load(Label)}
    assert {*named} == {"nuclei", "cells"}
    assert np.array_equal(named["nuclei"][0].compute(), labels["nuclei"])
    # Coarse pixels of the image lie in the centers of fine ones, of which the first is as near.
    assert np.array_equal(named["nuclei"][1].compute(), labels["nuclei"][::2, ::2])
    assert [*tmp_path.iterdir()] == [path]
    one = write_ome_zarr(tmp_path / "b.zarr", image[..., 0], labels=labels["nuclei"])
    assert np.array_equal(read_labels(one)[1][0], labels["nuclei"])


def test_a_scan_becomes_ome_zarr(tmp_path):
    volume = np.random.RandomState(0).randint(0, 999, (7, 60, 50)).astype(np.uint16)
    tifffile.imwrite(
        tmp_path / "a.tif", volume, imagej=True, resolution=(2, 2),
        metadata={"axes": "ZYX", "spacing": 3.0, "unit": "um"},
    )  # fmt: skip
    scan = open_scan(tmp_path / "a.tif")
    found = open_scan(write_ome_zarr(tmp_path / "a.ome.zarr", scan))
    assert (found.axes, found.spacing, found.unit) == ("zyx", (3.0, 0.5, 0.5), "micrometer")
    assert np.array_equal(found.data.compute(), volume)
    other = open_scan(write_ome_zarr(tmp_path / "b.zarr", scan, spacing=(1, 1, 2), unit="nm"))
    assert (other.spacing, other.unit) == ((1.0, 1.0, 2.0), "nanometer")
    odd = Scan(scan.data, "zyx", (1.0, 1.0, 1.0), "furlong", "")
    with pytest.warns(UserWarning, match="NGFF has no unit of length 'furlong'") as caught:
        write_ome_zarr(tmp_path / "c.zarr", odd)
    assert caught[0].filename == __file__


@pytest.mark.parametrize(
    ("shape", "blocks", "chunks"),
    [
        ((1000, 700), None, (512, 512)),
        ((300, 200, 300), None, (128, 128, 128)),
        ((9, 600, 600), None, (9, 512, 512)),  # few planes
        ((40, 600, 600), (1, 600, 600), (1, 512, 512)),  # sections, one file each
        ((200, 300, 300), (64, 100, 256), (64, 100, 128)),  # no two blocks write to one chunk
        ((300, 300), (150, 300), (150, 300)),
    ],
)
def test_chunks(shape, blocks, chunks, tmp_path):
    image = np.zeros(shape, np.uint8)
    if blocks:
        image = da.from_array(image, chunks=blocks)
    path = write_ome_zarr(tmp_path / "a.zarr", image)
    assert zarr.open_array(path / "0", mode="r").chunks == chunks
