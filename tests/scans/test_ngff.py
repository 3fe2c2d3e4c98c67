"""The output of a scan is OME-Zarr (NGFF 0.5) that other programs open."""

import json

import dask.array as da
import numpy as np
import ome_zarr_models.v04
import ome_zarr_models.v05 as ngff
import pytest
import zarr
from ome_zarr_models import open_ome_zarr
from sklearn.pipeline import make_pipeline

from sskseg import InstanceCounter, SemiSupervisedSegmenter
from sskseg.cli import main
from sskseg.datasets import make_cells
from sskseg.io import write_ome_zarr, write_ome_zarr_labels
from sskseg.io.ome_zarr.metadata import ZARR_FORMATS
from sskseg.io.scans import ngff_unit
from sskseg.scans import count_scan, open_scan
from sskseg.training import SegmentationLoss

NGFF = {"0.4": ome_zarr_models.v04, "0.5": ngff}
NGFF_UNITS = """
    angstrom attometer centimeter decimeter exameter femtometer foot gigameter hectometer inch
    kilometer megameter meter micrometer mile millimeter nanometer parsec petameter picometer
    terameter yard yoctometer yottameter zeptometer zettameter
"""


@pytest.fixture(scope="module")
def model():
    X, y = make_cells(2, (64, 64), random_state=0)
    segmenter = SemiSupervisedSegmenter(
        semi_supervision=None,
        width=4,
        depth=1,
        max_steps=60,
        batch_size=2,
        random_state=0,
        loss=SegmentationLoss(("cross-entropy", "dice", "distance")),
    )
    return make_pipeline(segmenter, InstanceCounter("components")).fit(X, y)


@pytest.fixture(scope="module")
def image():
    return make_cells(1, (150, 290), random_state=3)[0][0]


def save_image(image, path, *, scale=(0.5, 0.25), unit="micrometer"):
    """Write an image of NGFF 0.5 with one level."""
    group = zarr.open_group(path, mode="w")
    group.create_array("0", data=image, dimension_names=["y", "x"])
    axes = [{"name": name, "type": "space", "unit": unit} for name in "yx"]
    scales = [{"type": "scale", "scale": list(scale)}]
    datasets = [{"path": "0", "coordinateTransformations": scales}]
    group.attrs["ome"] = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": datasets}]}
    return path


def read_labels(path):
    """Open a group of labels as NGFF 0.5 defines it, with zarr alone: images of labels by name."""
    group = zarr.open_group(path, mode="r")
    attributes = group.attrs["ome"]
    assert attributes["version"] == "0.5"
    return {name: group[name] for name in attributes["labels"]}


def test_the_output_is_valid(model, image, tmp_path):
    scan = open_scan(save_image(image, tmp_path / "scan.zarr"))
    count_scan(model, scan, tmp_path / "out", block_shape=128)
    whole = open_ome_zarr(tmp_path / "out", version="0.5")
    assert isinstance(whole, ngff.labels.Labels)
    labels = open_ome_zarr(tmp_path / "out" / "labels", version="0.5")
    assert isinstance(labels, ngff.image_label.ImageLabel)
    (pyramid,) = labels.attributes.ome.multiscales
    assert [(axis.name, axis.type, axis.unit) for axis in pyramid.axes] == [
        (name, "space", "micrometer") for name in "yx"
    ]


def test_a_volume_is_valid(tmp_path):
    X, y = make_cells(2, (8, 32, 32), random_state=0)
    segmenter = SemiSupervisedSegmenter(
        semi_supervision=None, spatial_ndim=3, width=2, depth=1, max_steps=5, random_state=0
    )
    counter = InstanceCounter("components", spatial_ndim=3)
    model = make_pipeline(segmenter, counter).fit(X, y)
    count_scan(model, da.from_array(X[0]), tmp_path / "out")
    assert isinstance(open_ome_zarr(tmp_path / "out", version="0.5"), ngff.labels.Labels)
    (labels,) = read_labels(tmp_path / "out").values()
    assert [axis["name"] for axis in labels.attrs["ome"]["multiscales"][0]["axes"]] == [*"zyx"]


def test_another_reader_finds_labels_and_their_image(model, image, tmp_path):
    scan = open_scan(save_image(image, tmp_path / "scan.zarr"))
    found = count_scan(model, scan, tmp_path / "out", block_shape=128)
    (labels,) = read_labels(tmp_path / "out").values()
    attributes = labels.attrs["ome"]
    (pyramid,) = attributes["multiscales"]
    for level, dataset in enumerate(pyramid["datasets"]):
        (scaling,) = dataset["coordinateTransformations"]
        assert scaling == {"type": "scale", "scale": [0.5 * 2**level, 0.25 * 2**level]}
        array = labels[dataset["path"]]
        assert array.metadata.dimension_names == ("y", "x")
        assert np.array_equal(array[:], found.labels.compute()[:: 2**level, :: 2**level])
    assert level > 0
    source = tmp_path / "out" / "labels" / attributes["image-label"]["source"]["image"]
    assert np.array_equal(zarr.open_group(source, mode="r")["0"][:], image)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_labels_of_a_scan_go_into_its_image(version, model, image, tmp_path):
    path = write_ome_zarr(
        tmp_path / "scan.ome.zarr",
        image,
        spacing=(0.5, 0.25),
        unit="micrometer",
        zarr_format=ZARR_FORMATS[version],
    )
    result = count_scan(model, path, tmp_path / "out", block_shape=128)
    write_ome_zarr_labels(path, result.labels, properties=result.table[["id", "area"]])
    scan = open_scan(path)
    labels = open_scan(f"{path}:/labels/objects")
    assert (labels.axes, labels.spacing, labels.unit) == (scan.axes, scan.spacing, scan.unit)
    assert np.array_equal(labels.data.compute(), result.labels.compute())
    assert isinstance(open_ome_zarr(path / "labels", version=version), NGFF[version].labels.Labels)
    assert main(["convert", str(tmp_path / "out"), "--image", str(path), "--name", "again"]) == 0
    for name in ("objects", "again"):
        arrays = [
            zarr.open_array(path / "labels" / name / str(level), mode="r") for level in (0, 1)
        ]
        assert np.array_equal(arrays[0][:], result.labels.compute())
        assert np.array_equal(arrays[1][:], result.labels.compute()[::2, ::2])


def test_labels_of_other_sources_name_no_image(model, image, tmp_path):
    count_scan(model, da.from_array(image), tmp_path / "out")
    (labels,) = read_labels(tmp_path / "out").values()
    assert labels.attrs["ome"]["image-label"] == {}
    assert open_ome_zarr(tmp_path / "out" / "labels", version="0.5")


def test_units_are_those_of_ngff(model, image, tmp_path):
    assert {ngff_unit(unit) for unit in NGFF_UNITS.split()} == set(NGFF_UNITS.split())
    for unit, name in (("µm", "micrometer"), ("microns", "micrometer"), ("nm", "nanometer")):
        assert ngff_unit(unit) == name
    path = save_image(image, tmp_path / "scan.zarr", unit="pixel")
    assert open_scan(path).unit is None  # of a file, "pixel" is no unit
    scan = open_scan(path, spacing=(1, 1), unit="pixel")
    with pytest.warns(UserWarning, match="NGFF has no unit of length 'pixel'"):
        count_scan(model, scan, tmp_path / "out")
    (labels,) = read_labels(tmp_path / "out").values()
    assert "unit" not in json.dumps(dict(labels.attrs))
