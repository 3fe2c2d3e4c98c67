"""Labels in OME-Zarr images, as ome-zarr, ome-zarr-models and napari-ome-zarr read them."""

import numpy as np
import ome_zarr_models.v04 as v04
import ome_zarr_models.v05 as v05
import pandas as pd
import pytest
import zarr
from ome_zarr import OMEZarrMultiscale
from ome_zarr.io import parse_url
from ome_zarr.reader import Label, Multiscales, Reader
from ome_zarr_images import (
    SHAPES,
    VERSIONS,
    bare_image,
    other_image,
    pyramid_of,
    random_labels,
    without,
)
from ome_zarr_models import open_ome_zarr

from sskseg.io import read_labels, write_ome_zarr_labels
from sskseg.io.ome_zarr.pyramid import nearest_pixels
from sskseg.scans import open_scan


def nearest_by_position(fine, changes, finest):
    """Pixels of a level by the positions of their centers, slowly; and their positions."""
    (scale,) = (change["scale"] for change in changes if change["type"] == "scale")
    shift = next(
        (c["translation"] for c in changes if c["type"] == "translation"), [0] * len(scale)
    )
    chosen = []
    for axis, size in enumerate(finest):
        target = np.arange(size) * scale[axis] + shift[axis]
        distance = np.abs(fine[axis][None] - target[:, None])
        chosen.append(np.argmax(distance <= distance.min(1, keepdims=True) + 1e-6, axis=1))
    return chosen


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("axes", SHAPES)
def test_labels_lie_on_an_image_of_ome_zarr_at_each_level(axes, version, tmp_path):
    path = other_image(tmp_path / "a.ome.zarr", axes, version)
    labels = random_labels(without(SHAPES[axes], axes))
    target = write_ome_zarr_labels(path, labels, "nuclei")
    assert target == path / "labels" / "nuclei"
    image, arrays = pyramid_of(zarr.open_group(path, mode="r"))
    found, levels = pyramid_of(zarr.open_group(target, mode="r"))
    assert found["axes"] == without(image["axes"], axes)
    assert [level.shape for level in levels] == [tuple(without(a.shape, axes)) for a in arrays]
    assert np.array_equal(levels[0], labels)
    for one, other in zip(found["datasets"], image["datasets"], strict=True):
        for mine, its in zip(*(d["coordinateTransformations"] for d in (one, other)), strict=True):
            assert mine["type"] == its["type"]
            assert mine[mine["type"]] == without(its[mine["type"]], axes)
    changes = [dataset["coordinateTransformations"] for dataset in found["datasets"]]
    first = changes[0][0]["scale"]
    positions = [np.arange(n) * s for n, s in zip(labels.shape, first, strict=True)]
    for level in range(1, len(levels)):
        chosen = nearest_by_position(positions, changes[level], levels[level].shape)
        assert np.array_equal(levels[level], levels[level - 1][np.ix_(*chosen)])
        positions = [axis[i] for axis, i in zip(positions, chosen, strict=True)]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("axes", SHAPES)
def test_they_are_valid(axes, version, tmp_path):
    path = other_image(tmp_path / "a.ome.zarr", axes, version)
    labels = random_labels(without(SHAPES[axes], axes))
    for name in ("nuclei", "cells"):
        write_ome_zarr_labels(path, labels, name)
    models = v04 if version == "0.4" else v05
    whole = open_ome_zarr(path, version=version)
    assert isinstance(whole, models.Image)
    group = open_ome_zarr(path / "labels", version=version)
    assert isinstance(group, models.labels.Labels)
    names = group.attributes.labels if version == "0.4" else group.label_paths
    assert names == ["nuclei", "cells"]
    assert group.attributes.labels if version == "0.4" else whole.ome_attributes
    for name in names:
        one = open_ome_zarr(path / "labels" / name, version=version)
        assert isinstance(one, models.image_label.ImageLabel)
        content = one.attributes if version == "0.4" else one.ome_attributes
        assert content.image_label.source.image == "../../"
        assert content.image_label.version == version
        assert content.multiscales[0].name == name
    for array in zarr.open_group(path / "labels" / "cells", mode="r").array_values():
        names = array.metadata.dimension_names if version == "0.5" else None
        assert names == (tuple(without(axes, axes)) if version == "0.5" else None)
        assert version == "0.5" or array.metadata.dimension_separator == "/"


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("axes", ["yx", "tczyx"])
def test_ome_zarr_finds_image_and_labels(axes, version, tmp_path):
    path = other_image(tmp_path / "a.ome.zarr", axes, version)
    labels = random_labels(without(SHAPES[axes], axes))
    table = pd.DataFrame({"id": [1, 2], "area": [3.5, 4.5]})
    write_ome_zarr_labels(path, labels, "nuclei", properties=table)
    image, whole, mine = Reader(parse_url(path))()
    assert image.load(Multiscales)
    assert not image.load(Label)
    assert whole.metadata == {}
    assert mine.load(Label)
    assert mine.load(Multiscales)
    assert mine.metadata["name"] == "nuclei"
    assert mine.metadata["properties"] == {1: {"area": 3.5}, 2: {"area": 4.5}}
    assert [axis["name"] for axis in mine.metadata["axes"]] == without(axes, axes)
    assert len(mine.data) == len(image.data)
    assert np.array_equal(mine.data[0].compute(), labels)
    # From the labels, too, it finds the image.
    nodes = list(Reader(parse_url(path / "labels" / "nuclei"))())
    assert sum(bool(node.load(Label)) for node in nodes) == 1
    assert len(nodes) > 1
    again = OMEZarrMultiscale.from_ome_zarr(str(path))
    assert [*again.labels] == ["nuclei"]
    assert again.labels["nuclei"].images[1].scale["y"] == again.images[1].scale["y"]


@pytest.mark.filterwarnings("ignore")  # of its packages about each other
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("axes", ["yx", "cyx", "zyx", "tczyx"])
def test_napari_shows_labels_on_the_image(axes, version, tmp_path):
    napari_ome_zarr = pytest.importorskip("napari_ome_zarr")
    path = other_image(tmp_path / "a.ome.zarr", axes, version)
    labels = random_labels(without(SHAPES[axes], axes))
    write_ome_zarr_labels(path, labels, "nuclei")
    image, mine = napari_ome_zarr.napari_get_reader(str(path))()
    assert (image[2], mine[2]) == ("image", "labels")
    assert mine[1]["scale"] == image[1]["scale"]
    assert mine[1]["axis_labels"] == image[1]["axis_labels"]
    assert np.array_equal(np.asarray(mine[0][0]), labels)


def test_a_bioformats2raw_image_of_five_axes(tmp_path):
    """Levels of half the size, rounded down, and axes of length 1, as Bio-Formats writes them."""
    root = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=2)
    root.attrs["bioformats2raw.layout"] = 3
    shapes = [(1, 2, 1, 301, 203), (1, 2, 1, 150, 101), (1, 2, 1, 75, 50)]
    changes = [[{"type": "scale", "scale": [1, 1, 1, 2**n, 2**n]}] for n in range(3)]
    bare_image(
        tmp_path / "a.zarr" / "0", shapes, "tczyx", changes=changes, chunks=(1, 1, 1, 64, 64)
    )
    labels = random_labels((301, 203)).astype(np.uint32)
    target = write_ome_zarr_labels(tmp_path / "a.zarr", labels)
    assert target == tmp_path / "a.zarr" / "0" / "labels" / "objects"
    found, levels = pyramid_of(zarr.open_group(target, mode="r"))
    assert "".join(axis["name"] for axis in found["axes"]) == "tzyx"
    assert [level.shape[2:] for level in levels] == [shape[3:] for shape in shapes]
    for n, level in enumerate(levels):
        expected = labels[:: 2**n, :: 2**n][: level.shape[2], : level.shape[3]]
        assert np.array_equal(level[0, 0], expected)
    array = zarr.open_group(target, mode="r")["0"]
    assert array.chunks == (1, 1, 64, 64)
    assert array.dtype == np.uint32
    assert np.array_equal(open_scan(target).data[0].compute(), labels)
    # So are those of both levels, and of one section.
    write_ome_zarr_labels(tmp_path / "a.zarr", labels[None], "b")
    write_ome_zarr_labels(tmp_path / "a.zarr", labels[None, None], "c")
    for name in "bc":
        assert np.array_equal(read_labels(target.with_name(name))[1][0], labels)


@pytest.mark.parametrize(
    ("levels", "expected"),
    [
        ([(8, 1, 0), (4, 2, 0), (2, 4, 0)], [[0, 2, 4, 6], [0, 2]]),
        ([(8, 1, 0), (4, 2, 0.5), (2, 4, 1.5)], [[0, 2, 4, 6], [1, 3]]),  # coarse at their centers
        ([(8, 0.65, 9.1), (4, 1.3, 9.425)], [[0, 2, 4, 6]]),  # with the offset of a position
        ([(9, 1, 0), (4, 2, 0)], [[0, 2, 4, 6]]),  # rounded down
        ([(9, 1, 0), (5, 2, 0)], [[0, 2, 4, 6, 8]]),  # rounded up
        ([(9, 1, 0), (3, 3, 1)], [[1, 4, 7]]),
        ([(5, 1, 0), (5, 1, 0)], [[0, 1, 2, 3, 4]]),  # a z axis that stays
        ([(8, 1, 0), (4, 1, 0)], [[0, 2, 4, 6]]),  # a scale that contradicts the shapes
        ([(8, 1, 0), (4, 2, -7)], [[0, 2, 4, 6]]),
        ([(1, 1, 0), (1, 2, 0.5)], [[0]]),
        ([(2000, 0.1, 0), (1000, 0.2, 0.05)], [list(range(0, 2000, 2))]),  # rounding breaks no tie
    ],
)
def test_nearest_pixels(levels, expected):
    found = nearest_pixels(*zip(*levels, strict=True))
    assert [indices.tolist() for indices in found] == expected
