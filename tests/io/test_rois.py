"""Regions of interest: label images come back exactly, and as other programs fill them."""

import json
import zipfile
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sskseg.io import read_images, read_labels, read_points, read_rois, write_rois
from sskseg.io.rois import formats
from sskseg.io.rois.documents import load_json
from sskseg.io.rois.drawing import draw_regions
from sskseg.io.rois.imagej import read_zip
from sskseg.morphology import measure_objects
from sskseg.morphology.outlines import fill_rings, trace_outlines

IMAGEJ = Path(__file__).parent / "imagej"  # written by ImageJ 1.53t


def objects():
    """Objects with a hole, of two pieces, at the border, with gaps in the numbers, and -1."""
    labels = np.zeros((20, 24), np.int32)
    labels[2:8, 3:9] = 5
    labels[4:6, 5:7] = 0
    labels[10:15, 2:8] = 2
    labels[16:18, 16:18] = 2
    labels[3:6, 15:20] = 11
    labels[6, 20] = 11  # touches in a corner
    labels[8:10, 20:] = -1
    return labels


def simple():
    """Objects in one piece without holes."""
    labels = objects()
    labels[labels == 5] = 0
    labels[16:18, 16:18] = labels[6, 20] = 0
    return np.maximum(labels, 0)


FILES = {  # suffix, options of writing, what comes back
    "zip": (".zip", {}),
    "geojson": (".geojson", {}),
    "geojson in json": (".json", {"format": "geojson"}),
    "coco": (".json", {"format": "coco", "names": ["cells.tif"]}),
    "labelme": (".json", {"format": "labelme", "names": ["cells.tif"]}),
    "cvat": (".xml", {"names": ["cells.tif"]}),
}
every_format = pytest.mark.parametrize("kind", FILES)


def written(folder, kind, labels, points=None, **more):
    suffix, options = FILES[kind]
    write_rois(folder / f"cells{suffix}", labels, points, **options, **more)
    return folder / f"cells{suffix}"


@every_format
@pytest.mark.parametrize(
    "labels",
    [
        objects(), simple(), np.zeros((4, 5), int), np.ones((3, 3), int), np.full((2, 3), -1),
        np.arange(12).reshape(3, 4), 2**31 - 1 - np.arange(4).reshape(2, 2),
    ],
    ids=["objects", "simple", "empty", "full", "unlabeled", "pixels", "large"],
)  # fmt: skip
def test_labels_come_back(tmp_path, kind, labels):
    path = written(tmp_path, kind, labels)
    names, rois = read_rois(path, labels.shape)
    assert names == ["cells"]
    assert np.array_equal(rois[0].labels, labels)
    assert rois[0].table["id"].nunique() == len(np.unique(labels[labels > 0]))


@settings(max_examples=60, deadline=None)
@given(
    arrays(np.int8, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.integers(-1, 3))
)
def test_outlines_contain_exactly_their_pixels(labels):
    outlines = trace_outlines(labels)
    lengths = np.diff(outlines.starts)
    runs, crosses = fill_rings(outlines.vertices, lengths, outlines.parts, len(labels))
    drawn = np.zeros_like(labels)
    for part, row, start, stop in zip(*runs):
        assert not drawn[row, start:stop].any()
        drawn[row, start:stop] = outlines.ids[part]
    assert np.array_equal(drawn, labels)
    assert not crosses.any()


@settings(max_examples=40, deadline=None)
@given(arrays(np.int8, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.integers(0, 2)))
def test_outlines_are_valid_polygons(labels):
    geometry = pytest.importorskip("shapely.geometry")
    outlines = trace_outlines(labels)
    rings = np.split(outlines.vertices[:, ::-1], outlines.starts[1:-1])
    for part in range(len(outlines.ids)):
        outer, *holes = [ring for ring, p in zip(rings, outlines.parts) if p == part]
        polygon = geometry.Polygon(outer, holes)
        assert polygon.is_valid
        assert geometry.LinearRing(outer).is_ccw
        assert not any(geometry.LinearRing(hole).is_ccw for hole in holes)
        assert polygon.area == int(polygon.area)


@pytest.mark.parametrize("dtype", [np.uint8, ">u2", np.uint64, np.int8, ">i4"])
def test_outlines_of_any_integers(dtype):
    labels = np.asfortranarray(np.maximum(objects(), 0), dtype)
    labels.flags.writeable = False
    outlines, expected = trace_outlines(labels), trace_outlines(np.maximum(objects(), 0))
    assert all(np.array_equal(one, other) for one, other in zip(outlines, expected, strict=True))


def test_outlines_are_those_of_a_spiral():
    labels = np.zeros((40, 40), int)
    labels[1:-1, 1:-1] = 1
    for i in range(3, 19, 4):
        labels[i, i - 2 : -i] = labels[i:-i, -i - 1] = labels[-i - 1, i:-i] = 0
    outlines = trace_outlines(labels)
    runs, _ = fill_rings(
        outlines.vertices, np.diff(outlines.starts), np.zeros(len(outlines.parts), int), 40
    )
    assert (runs.stop - runs.start).sum() == labels.sum()


@every_format
def test_points_come_back(tmp_path, kind):
    points = np.array([[3.25, 4.5], [10, 11], [-0.5, 0]])
    _, rois = read_rois(written(tmp_path, kind, simple(), points), (20, 24))
    assert np.array_equal(rois[0].points, points)
    assert np.array_equal(rois[0].labels, simple())
    assert np.array_equal(read_points(tmp_path / f"cells{FILES[kind][0]}")[1][0], points)


@pytest.mark.parametrize("suffix", [".zip", ".geojson"])
def test_points_without_areas_need_no_shape(tmp_path, suffix):
    points = np.array([[2.0, 4.5, 3], [0, 1, 2]])
    write_rois(tmp_path / f"a{suffix}", points=points)
    found = np.concatenate(read_points(tmp_path / f"a{suffix}", spatial_ndim=3)[1])
    assert sorted(found.tolist()) == sorted(points.tolist())
    _, rois = read_rois(tmp_path / f"a{suffix}")
    assert rois[0].labels is None
    with pytest.raises(ValueError, match="points of several sections"):
        read_points(tmp_path / f"a{suffix}")


@every_format
def test_classes_and_measurements(tmp_path, kind):
    table = measure_objects(objects()).assign(name=["b", "a", "c"])
    table["class"] = ["Tumor", None, "Stroma"]
    _, rois = read_rois(
        written(tmp_path, kind, objects(), table=table, class_name="Other"), (20, 24)
    )
    found = rois[0].table.drop_duplicates("id").set_index("id")
    assert found["class"].to_dict() == {2: "Tumor", 5: "Other", 11: "Stroma"}
    if kind in ("zip", "geojson", "coco"):
        assert found["area"].to_dict() == table.set_index("id")["area"].to_dict()
        assert found["centroid_y"].to_numpy() == pytest.approx(table["centroid_y"].to_numpy())
    if kind in ("zip", "geojson"):
        assert found["name"].to_dict() == {2: "b", 5: "a", 11: "c"}


@pytest.mark.parametrize("kind", ["zip", "geojson", "coco"])
def test_measurements_have_the_units_of_the_table(tmp_path, kind):
    table = measure_objects(objects(), spacing=(0.5, 0.25), unit="micrometer")
    assert table.attrs["units"]["area"] == "micrometer^2"
    path = written(tmp_path, kind, objects(), table=table)
    _, (rois,) = read_rois(path, (20, 24))
    assert rois.table.attrs == table.attrs
    one_each = rois.table.drop_duplicates("id")  # COCO has a row for each piece of an object
    found = one_each.set_index("id").loc[table["id"]]
    for name in ("area", "max_x", "orientation", "extent"):
        assert found[name].tolist() == pytest.approx(table[name].tolist())
    again = written(tmp_path, kind, rois.labels, table=one_each)
    assert read_rois(again, (20, 24))[1][0].table.attrs == table.attrs


def test_names_of_measurements_in_files(tmp_path):
    roifile = pytest.importorskip("roifile")
    table = measure_objects(simple(), spacing=(2, 2), unit="nanometer", columns=["area", "extent"])
    write_rois(tmp_path / "a.zip", simple(), table=table)
    for roi in roifile.roiread(tmp_path / "a.zip"):
        assert {*roi.properties} == {"object", "area[nanometer^2]", "extent"}
    write_rois(tmp_path / "a.geojson", simple(), table=table)
    for feature in json.loads((tmp_path / "a.geojson").read_text())["features"]:
        assert {*feature["properties"]["measurements"]} == {"area [nanometer^2]", "extent"}


def test_names_of_other_programs_with_brackets_stay(tmp_path):
    table = pd.DataFrame({"id": [2, 11], "DAB [mean]": [0.5, 1.5], "Area µm^2": [3.0, 4.0]})
    write_rois(tmp_path / "a.geojson", simple(), table=table)
    _, (rois,) = read_rois(tmp_path / "a.geojson", (20, 24))
    assert [*rois.table.columns] == ["id", "name", "class", "DAB [mean]", "Area µm^2"]
    assert rois.table.attrs == {}
    both = table.rename(columns={"DAB [mean]": "area [micrometer^2]", "Area µm^2": "area"})
    write_rois(tmp_path / "b.geojson", simple(), table=both)
    _, (rois,) = read_rois(tmp_path / "b.geojson", (20, 24))
    assert [*rois.table.columns][3:] == ["area [micrometer^2]", "area"]


@pytest.mark.parametrize("suffix", [".zip", ".geojson"])
def test_stacks_come_back(tmp_path, suffix):
    stack = np.random.default_rng(0).integers(-1, 4, (4, 9, 11))
    stack[2] = 0
    path = tmp_path / f"s{suffix}"
    write_rois(path, stack)
    _, rois = read_rois(path, stack.shape, spatial_ndim=3, empty="background")
    assert np.array_equal(rois[0].labels, stack)
    names, rois = read_rois(path, stack.shape)
    assert names == ["s_0000", "s_0001", "s_0002", "s_0003"]
    assert np.array_equal(np.stack([each.labels for each in rois])[[0, 1, 3]], stack[[0, 1, 3]])
    assert (rois[2].labels == -1).all()
    assert len(rois[2].table) == 0
    assert set(rois[1].table["section"]) == {1}
    with pytest.raises(ValueError, match=r"regions in several sections \('0', '1', '3', counted"):
        read_rois(path, stack.shape[1:])
    with pytest.raises(ValueError, match="is in section 3 .* and the image has 3"):
        read_rois(path, (3, 9, 11))


def test_files_of_several_images(tmp_path):
    for path, options in ((tmp_path / "c.json", {"format": "coco"}), (tmp_path / "c.xml", {})):
        images = [objects(), simple()[:15]]
        points = [None, [[1, 2.5]]]
        write_rois(path, images, points, names=["b.tif", "sub/a.png"], **options)
        names, rois = read_rois(path)
        assert names == ["b", "a"]
        assert all(np.array_equal(r.labels, x) for r, x in zip(rois, images, strict=True))
        assert [len(each.points) for each in rois] == [0, 1]
        _, labels = read_labels(path, ["a", "x", "b"])
        assert labels[1] is None
        assert np.array_equal(labels[2], images[0])
        with pytest.raises(
            ValueError, match=r"c\.\w+ has regions of 'b', which pairs with no image of 'a'"
        ):
            read_labels(path, ["a", "c"])


def test_a_folder_of_images_with_a_zip_for_each(tmp_path):
    for name in ("cell1", "cell2", "cell10"):
        tifffile.imwrite(tmp_path / f"{name}.tif", np.zeros((20, 24), np.uint8))
    write_rois(tmp_path / "cell1.zip", objects())
    write_rois(tmp_path / "cell10_rois.zip", simple())
    (tmp_path / "cell2.json").write_text('{"sidecar": 1}')
    names, images = read_images(tmp_path)
    _, labels = read_labels(tmp_path, names)
    assert names == ["cell1", "cell2", "cell10"]
    assert labels[1] is None
    assert np.array_equal(labels[0], objects())
    assert np.array_equal(labels[2], simple())
    write_rois(tmp_path / "cell3.zip", simple())
    # Whether the shapes of the others are given, of each or of all, or not.
    for shape in (None, [image.shape for image in images], images[0].shape):
        with pytest.raises(
            ValueError, match=r"cell3\.zip .* 'cell3', which pairs with no image of"
        ):
            read_labels(tmp_path, names, shape=shape)


@pytest.mark.parametrize("has_images", [False, True])
@pytest.mark.parametrize("suffix", [".zip", ".geojson", ".csv"])
def test_a_file_without_a_region_is_an_image_without_objects(tmp_path, suffix, has_images):
    labels = [np.zeros((8, 9), int), np.pad(np.ones((2, 3), int), 3)]
    for name, label in zip("ab", labels, strict=True):
        write_rois(tmp_path / f"{name}{suffix}", label)
        if has_images:
            tifffile.imwrite(tmp_path / f"{name}.tif", label.astype(np.uint8))
    if has_images:
        with zipfile.ZipFile(tmp_path / "other.zip", "w"):
            pass  # of no image
    _, found = read_labels(tmp_path, ["a", "b"], shape=[label.shape for label in labels])
    for each, label in zip(found, labels, strict=True):
        assert np.array_equal(each, label)


def test_the_only_image_pairs_with_a_file_of_any_name(tmp_path):
    write_rois(tmp_path / "RoiSet.zip", objects())
    for shape in ((20, 24), [(20, 24)]):
        assert np.array_equal(
            read_labels(tmp_path / "RoiSet.zip", ["cell"], shape=shape)[1][0], objects()
        )
    with pytest.raises(ValueError, match=r"RoiSet\.zip does not define the size .*shape is needed"):
        read_labels(tmp_path / "RoiSet.zip", ["cell"])
    with pytest.raises(ValueError, match=r"'RoiSet', which pairs with no image of 'a', 'b'\."):
        read_labels(tmp_path / "RoiSet.zip", ["a", "b"], shape=[(20, 24), (20, 24)])


@pytest.mark.parametrize("beside", [False, True])
def test_json_is_parsed_once(tmp_path, monkeypatch, beside):
    """By the reader; other JSON is left out."""
    parsed = []
    monkeypatch.setattr(formats, "load_json", lambda file: parsed.append(file) or load_json(file))
    for name in ("a", "b"):
        write_rois(tmp_path / f"{name}.json", objects(), format="labelme", names=[f"{name}.tif"])
        if beside:
            tifffile.imwrite(tmp_path / f"{name}.tif", np.zeros((20, 24), np.uint8))
    (tmp_path / "run.json").write_text('{"images": 2}')
    names, labels = read_labels(tmp_path)
    assert names == ["a", "b"]
    assert all(np.array_equal(label, objects()) for label in labels)
    # Beside images, the first of them says that the folder holds regions.
    assert len(parsed) - len({*parsed}) == beside
    points = tmp_path / "points"
    points.mkdir()
    write_rois(points / "a.json", labels=objects(), points=[[1, 2]], format="coco", names=["a.tif"])
    parsed.clear()
    assert len(read_rois(points)[1][0].points) == 1
    assert len(parsed) == 1
    (points / "a.json").write_text("[1]")
    for read in (read_rois, read_points, read_labels):
        with pytest.raises(FileNotFoundError, match="No files of regions"):
            read(points)


def test_a_folder_of_regions_with_given_shapes(tmp_path):
    write_rois(tmp_path / "a.zip", objects())
    write_rois(tmp_path / "b.geojson", simple()[:18])
    names, labels = read_labels(tmp_path, ["b", "a"], shape=[(18, 24), (20, 24)])
    assert names == ["b", "a"]
    assert np.array_equal(labels[0], simple()[:18])
    assert np.array_equal(labels[1], objects())
    for shape, message in (
        ([(18, 24)], r"shape has 1 shapes of images: expected one for each of 2 names"),
        ([(18, 24), (20, 0)], r"shape\[1\] must be \(height, width\)"),
        ((1, 2, 3, 4), r"shape must be \(height, width\) or \(depth, height, width\)"),
    ):
        with pytest.raises(ValueError, match=message):
            read_labels(tmp_path, ["b", "a"], shape=shape)
    write_rois(tmp_path / "a.geojson", simple())
    with pytest.raises(ValueError, match=r"a\.geojson and .*a\.zip have regions of 'a'"):
        read_rois(tmp_path, (20, 24))


def test_a_stack_is_paired_page_by_page(tmp_path):
    stack = np.stack([objects(), simple(), objects()])
    tifffile.imwrite(tmp_path / "s.tif", stack.astype(np.uint8), photometric="minisblack")
    write_rois(tmp_path / "s.zip", stack)
    names, _ = read_images(tmp_path / "s.tif")
    for options in ({}, {"shape": stack.shape}, {"shape": [(20, 24)] * 3}):
        _, labels = read_labels(tmp_path / "s.zip", names, **options)
        assert np.array_equal(labels, stack)
    _, labels = read_labels(tmp_path, spatial_ndim=3)
    assert np.array_equal(labels[0], stack)


def test_an_image_has_one_file_of_labels(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((20, 24), np.uint8))
    tifffile.imwrite(tmp_path / "a_mask.tif", simple().astype(np.uint8))
    write_rois(tmp_path / "a.zip", objects())
    with pytest.raises(ValueError, match=r"files with labels of 'a': 'a_mask\.tif', 'a\.zip'\. K"):
        read_labels(tmp_path)
    assert np.array_equal(read_labels(tmp_path / "a_mask.tif", shape=(20, 24))[1][0], simple())


def test_areas_are_no_points_and_points_no_areas(tmp_path):
    write_rois(tmp_path / "a.zip", objects())
    with pytest.raises(ValueError, match=r"a\.zip holds areas of 'a', and no points"):
        read_points(tmp_path / "a.zip")
    write_rois(tmp_path / "p.zip", points=[[1, 2]])
    with pytest.raises(ValueError, match=r"p\.zip holds points of 'p', and no areas"):
        read_labels(tmp_path / "p.zip")
    with pytest.raises(ValueError, match="origin and spacing are of tables"):
        read_points(tmp_path / "p.zip", origin="corner")
    write_rois(tmp_path / "b.geojson", points=[[3, 4]])
    (tmp_path / "a.zip").unlink()
    _, points = read_points(tmp_path, ["b", "c", "p"])
    assert [None if each is None else each.tolist() for each in points] == [
        [[3, 4]], None, [[1, 2]]
    ]  # fmt: skip


# Files that ImageJ wrote, and the pixels that it filled.


@pytest.mark.parametrize("i", range(14))
def test_areas_are_filled_as_imagej_fills_them(i):
    masks = np.load(IMAGEJ / "areas.npz")["masks"]
    region = read_zip(IMAGEJ / "areas.zip")[0].regions[i]
    crosses = pytest.warns(UserWarning, match="'bow tie': polygons that intersect themselves")
    with crosses if region.name == "bow tie" else nullcontext():
        drawn = draw_regions([region], masks.shape[1:], IMAGEJ / "areas.zip")
    assert np.array_equal(drawn.labels > 0, masks[i]), region.name


def test_slices_of_imagej_count_from_1():
    _, rois = read_rois(IMAGEJ / "stack.zip", (5, 12, 16), spatial_ndim=3, empty="background")
    assert rois[0].table[["name", "section"]].values.tolist() == [["s1", 0], ["s3", 2], ["s5", 4]]
    assert np.argwhere(rois[0].labels == 2).min(axis=0).tolist() == [2, 2, 3]
    assert rois[0].points.tolist() == [[1, 9, 3], [3, 10, 8]]


def test_points_of_imagej_count_from_the_center_of_the_first_pixel():
    assert read_points(IMAGEJ / "points.roi")[1][0].tolist() == [[7, 2], [8, 5]]
    assert read_points(IMAGEJ / "subpoints.roi")[1][0].tolist() == [[7.5, 2.5], [8.75, 5.25]]


def test_overlays_in_tiff_files():
    with pytest.warns(UserWarning, match="'overlay 4', 'overlay 5' are lines, text or pictures"):
        names, rois = read_rois(IMAGEJ / "overlay.tif")
    assert names[:2] == ["overlay_0000", "overlay_0001"]
    assert [each.labels.max() for each in rois] == [1, -1, 2, -1, 3]
    assert [int((each.labels > 0).sum()) for each in rois] == [12, 0, 12, 0, 12]
