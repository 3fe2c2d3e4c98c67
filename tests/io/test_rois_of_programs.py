"""Regions that other libraries write, and ours as they open them again."""

import base64
import io
import json
import warnings

import h5py
import numpy as np
import pandas as pd
import pytest
from matplotlib.path import Path as Polygon
from PIL import Image
from skimage.draw import polygon2mask
from test_rois import objects, simple

from sskseg.io import read_labels, read_points, read_rois, write_rois


def pixels_inside(contains, shape):
    """Pixels whose center is inside."""
    y, x = np.mgrid[: shape[0], : shape[1]] + 0.5
    return contains(np.column_stack([x.ravel(), y.ravel()])).reshape(shape)


# ImageJ, by roifile


def test_roifile_opens_what_we_write(tmp_path):
    roifile = pytest.importorskip("roifile")
    write_rois(tmp_path / "a.zip", objects(), [[1.5, 2]], class_name="cell")
    rois = {roi.name: roi for roi in roifile.roiread(tmp_path / "a.zip")}
    assert list(rois) == ["unlabeled", "0002", "0005", "0011", "points"]
    assert rois["0002"].properties == {"object": 2, "class": "cell"}
    assert rois["points"].coordinates().tolist() == [[2, 1.5]]
    drawn = np.zeros((20, 24), int)
    for name, value in (("unlabeled", -1), ("0002", 2), ("0005", 5), ("0011", 11)):
        inside = np.zeros((20, 24), bool)
        for ring in rois[name].coordinates(multi=True):
            inside ^= pixels_inside(Polygon(ring).contains_points, inside.shape)
        drawn[inside] = value
    assert np.array_equal(drawn, objects())


def test_a_roi_file_holds_one_object(tmp_path):
    roifile = pytest.importorskip("roifile")
    write_rois(tmp_path / "a.roi", simple() == 2)
    roi = roifile.roiread(tmp_path / "a.roi")
    assert (roi.left, roi.top, roi.right, roi.bottom) == (2, 10, 8, 15)
    assert roi.roitype == roifile.ROI_TYPE.TRACED
    assert np.array_equal(read_rois(tmp_path / "a.roi", (20, 24))[1][0].labels, simple() == 2)
    with pytest.raises(ValueError, match=r"A \.roi file holds one region, got 2"):
        write_rois(tmp_path / "b.roi", simple())
    assert not (tmp_path / "b.roi").exists()


def test_rois_of_roifile(tmp_path):
    roifile = pytest.importorskip("roifile")
    triangle = roifile.ImagejRoi.frompoints([[2, 1], [12, 3], [5, 11]], name="a", z=3)
    clicks = roifile.ImagejRoi.frompoints([[1.5, 2.25], [3, 4]], name="b")
    clicks.roitype = roifile.ROI_TYPE.POINT
    line = roifile.ImagejRoi(roitype=roifile.ROI_TYPE.LINE, x2=5.0, y2=5.0, name="scale bar")
    triangle.group = 7
    roifile.roiwrite(tmp_path / "RoiSet.zip", [triangle, clicks, line])
    with pytest.warns(UserWarning, match=r"RoiSet\.zip: 'scale bar' are lines"):
        _, rois = read_rois(tmp_path / "RoiSet.zip", (14, 16))
    polygon = Polygon(triangle.coordinates()).contains_points
    assert np.array_equal(rois[0].labels == 1, pixels_inside(polygon, (14, 16)))
    assert rois[0].table[["name", "class"]].values.tolist() == [["a", "7"]]
    assert rois[0].points.tolist() == [[2.25, 1.5], [4, 3]]


@pytest.mark.parametrize("seed", range(5))
def test_polygons_are_filled_as_matplotlib_and_scikit_image_fill_them(tmp_path, seed):
    roifile = pytest.importorskip("roifile")
    xy = np.random.default_rng(seed).uniform(1, 29, (6, 2))
    xy = xy[np.argsort(np.arctan2(*(xy - xy.mean(axis=0)).T))]
    roifile.ImagejRoi.frompoints(xy).tofile(tmp_path / "a.roi")
    _, rois = read_rois(tmp_path / "a.roi", (30, 30))
    xy = xy.astype(np.float32)
    assert np.array_equal(rois[0].labels, pixels_inside(Polygon(xy).contains_points, (30, 30)))
    assert np.array_equal(rois[0].labels, polygon2mask((30, 30), xy[:, ::-1] - 0.5))


# QuPath, by shapely


def test_shapely_opens_what_we_write(tmp_path):
    shapely = pytest.importorskip("shapely")
    write_rois(tmp_path / "a.geojson", objects(), [[1, 2]], class_name="Tumor")
    content = json.loads((tmp_path / "a.geojson").read_text())
    assert content["type"] == "FeatureCollection"
    drawn = np.zeros((20, 24), int)
    identities = set()
    for feature in content["features"]:
        properties = feature["properties"]
        geometry = shapely.from_geojson(json.dumps(feature["geometry"]))
        assert geometry.is_valid
        identities.add(feature["id"])
        if properties["objectType"] == "detection":
            assert properties["classification"]["name"] == "Tumor"
            inside = pixels_inside(
                lambda xy, g=geometry: shapely.contains_xy(g, *xy.T), drawn.shape
            )
            drawn[inside] = int(properties["name"])
            assert geometry.area == inside.sum()
    assert np.array_equal(drawn, np.maximum(objects(), 0))
    assert len(identities) == len(content["features"]) == 5
    assert shapely.from_geojson(json.dumps(content["features"][-1]["geometry"])).geoms[0].x == 2.5


def feature(geometry, **properties):
    return {"type": "Feature", "geometry": geometry, "properties": properties}


def test_objects_of_qupath(tmp_path):
    shapely = pytest.importorskip("shapely")
    center = shapely.Point(8, 9)
    shapes = [
        center.buffer(5.3).difference(center.buffer(2.2)),
        shapely.MultiPolygon([shapely.box(15, 1, 18, 4), shapely.box(20, 1, 22, 3)]),
    ]
    geometries = [json.loads(shapely.to_geojson(shape)) for shape in shapes]
    cells = [
        feature(geometries[0], objectType="annotation", name="A",
                classification={"names": ["Tumor", "Positive"]},
                measurements=[{"name": "Area", "value": 3.5}, {"name": "bad", "value": "NaN"}]),
        feature({**geometries[1], "plane": {"c": -1, "z": 0, "t": 0}}, objectType="annotation",
                classification={"name": "Stroma", "color": [1, 2, 3]}, measurements={"n": 2}),
        feature({"type": "MultiPoint", "coordinates": [[1.5, 2.5], [3, 4]]}),
    ]  # fmt: skip
    for content in (cells, {"type": "FeatureCollection", "features": cells}):
        (tmp_path / "a.json").write_text(json.dumps(content))
        _, rois = read_rois(tmp_path / "a.json", (20, 24))
        for number, shape in enumerate(shapes, start=1):
            inside = pixels_inside(lambda xy, s=shape: shapely.contains_xy(s, *xy.T), (20, 24))
            assert np.array_equal(rois[0].labels == number, inside)
        assert rois[0].table["class"].tolist() == ["Tumor: Positive", "Stroma"]
        assert rois[0].table[["Area", "n"]].fillna(0).values.tolist() == [[3.5, 0], [0, 2]]
        assert rois[0].points.tolist() == [[2, 1], [3.5, 2.5]]
    (tmp_path / "one.geojson").write_text(json.dumps(cells[0]))
    assert len(read_rois(tmp_path / "one.geojson", (20, 24))[1][0].table) == 1


def box(x0, y0, x1, y1):
    return {"type": "Polygon", "coordinates": [[[x0, y0], [x1, y0], [x1, y1], [x0, y1], [x0, y0]]]}


def test_annotations_around_detections_are_no_objects(tmp_path):
    content = [
        feature(box(0, 0, 20, 20), objectType="annotation", name="region"),
        feature(box(2, 2, 5, 5), objectType="detection"),
        feature(box(9, 9, 12, 12), objectType="cell"),
        feature(box(0, 0, 1, 1), objectType="annotation", classification={"name": "Ignore*"}),
    ]
    (tmp_path / "a.geojson").write_text(json.dumps(content))
    with pytest.warns(UserWarning, match=r"the annotations 'region' are left out"):
        _, rois = read_rois(tmp_path / "a.geojson", (20, 20))
    assert np.unique(rois[0].labels, return_counts=True)[1].tolist() == [1, 381, 9, 9]


# COCO, by pycocotools


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_pycocotools_opens_what_we_write(tmp_path, capsys):
    coco = pytest.importorskip("pycocotools.coco")
    write_rois(tmp_path / "c.json", [objects(), simple()], format="coco", names=["a.tif", "b.tif"])
    opened = coco.COCO(str(tmp_path / "c.json"))
    for image, labels in zip(opened.imgs.values(), (objects(), simple()), strict=True):
        drawn = np.zeros_like(labels)
        for annotation in opened.imgToAnns[image["id"]]:
            mask = opened.annToMask(annotation) > 0
            assert mask.sum() == annotation["area"]
            y, x = (axis[[0, -1]].tolist() for axis in map(np.sort, mask.nonzero()))
            assert annotation["bbox"] == [x[0], y[0], x[1] - x[0] + 1, y[1] - y[0] + 1]
            drawn[mask] = -1 if annotation["iscrowd"] else annotation["attributes"]["object"]
        assert np.array_equal(drawn, labels)


@pytest.mark.parametrize("seed", range(4))
def test_masks_of_pycocotools(tmp_path, seed):
    mask = pytest.importorskip("pycocotools.mask")
    rng = np.random.default_rng(seed)
    pixels = rng.random((17, 130)) < rng.random((17, 1))
    encoded = mask.encode(np.asfortranarray(pixels.astype(np.uint8)))
    content = {
        "images": [{"id": 7, "file_name": "x.png", "height": 17, "width": 130}],
        "categories": [{"id": 3, "name": "nucleus"}],
        "annotations": [{"id": 9, "image_id": 7, "category_id": 3, "iscrowd": 0, "segmentation":
                         {"size": [17, 130], "counts": encoded["counts"].decode()}}],
    }  # fmt: skip
    (tmp_path / "c.json").write_text(json.dumps(content))
    names, rois = read_rois(tmp_path / "c.json")
    assert names == ["x"]
    assert np.array_equal(rois[0].labels, pixels)
    assert rois[0].table["class"].tolist() == ["nucleus"]
    content["annotations"][0]["iscrowd"] = 1
    (tmp_path / "c.json").write_text(json.dumps(content))
    with pytest.warns(UserWarning, match="'annotation 9' have iscrowd=1"):
        assert np.array_equal(read_rois(tmp_path / "c.json")[1][0].labels, -1 * pixels)


# LabelMe


def test_shapes_of_labelme(tmp_path):
    png = io.BytesIO()
    Image.fromarray(np.array([[0, 1], [1, 1]], bool)).save(png, "PNG")
    content = {
        "version": "5.4.1", "flags": {}, "imagePath": "a.jpg", "imageData": None,
        "imageHeight": 20, "imageWidth": 24, "shapes": [
            {"label": "cell", "points": [[1, 1], [6, 1], [6, 4]], "group_id": None,
             "shape_type": "polygon", "flags": {}},
            {"label": "box", "points": [[14, 8], [10, 5]], "group_id": 0,
             "shape_type": "rectangle"},
            {"label": "box", "points": [[10, 10], [12, 12]], "group_id": 0,
             "shape_type": "rectangle"},
            {"label": "disc", "points": [[18, 14], [18, 17]], "shape_type": "circle"},
            {"label": "mask", "points": [[3, 12], [4, 13]], "shape_type": "mask",
             "mask": base64.b64encode(png.getvalue()).decode()},
            {"label": "click", "points": [[2.5, 3.5]], "shape_type": "point"},
        ],
    }  # fmt: skip
    (tmp_path / "a.json").write_text(json.dumps(content))
    names, rois = read_rois(tmp_path / "a.json")
    labels = rois[0].labels
    assert names == ["a"]
    assert [int((labels == n).sum()) for n in range(1, 5)] == [7, 16, 32, 3]
    assert np.argwhere(labels == 4).tolist() == [[12, 4], [13, 3], [13, 4]]
    assert labels[5:8, 10:14].tolist() == [[2] * 4] * 3
    assert rois[0].table["class"].tolist() == ["cell", "box", "box", "disc", "mask"]
    assert rois[0].points.tolist() == [[3, 2]]
    assert np.array_equal(read_labels(tmp_path / "a.json", ["any"])[1][0], labels)


# The Cell Counter of Fiji


def write_markers(path, image, types):
    """A file of markers, (x, y, slice) by type, as the plugin writes it."""
    content = f"<Image_Properties><Image_Filename>{image}</Image_Filename></Image_Properties>"
    for number, markers in types.items():
        content += f"<Marker_Type><Type>{number}</Type>"
        for x, y, z in markers:
            content += (f"<Marker><MarkerX>{x}</MarkerX><MarkerY>{y}</MarkerY>"
                        f"<MarkerZ>{z}</MarkerZ></Marker>")  # fmt: skip
        content += "</Marker_Type>"
    path.write_text(
        '<?xml version="1.0" encoding="UTF-8"?>\r\n<CellCounter_Marker_File>\r\n'
        f" {content}\r\n</CellCounter_Marker_File>"
    )


def test_markers_of_the_cell_counter(tmp_path):
    one, two = tmp_path / "CellCounter_b.xml", tmp_path / "CellCounter_a.ome.xml"
    write_markers(one, "b.tif", {1: [(12, 3, 1), (0, 7, 1)], 2: []})
    write_markers(two, "a.ome.tif", {1: [], 2: []})
    names, points = read_points(tmp_path, ["a", "b", "c"])
    assert [None if each is None else each.tolist() for each in points] == [
        [], [[3, 12], [7, 0]], None,
    ]  # fmt: skip
    assert names == ["a", "b", "c"]
    write_markers(one, "b.tif", {1: [(12, 3, 1), (0, 7, 4)]})
    _, points = read_points(one, spatial_ndim=3)
    assert points[0].tolist() == [[0, 3, 12], [3, 7, 0]]
    with pytest.raises(ValueError, match="points of several sections"):
        read_points(one)
    write_markers(one, "b.tif", {1: [("12,5", 3, 1)]})
    with pytest.raises(ValueError, match="'Type 1' must have MarkerX, MarkerY, MarkerZ, integers"):
        read_points(one)


def test_points_of_several_classes_warn(tmp_path):
    """They were read as one kind of object in silence."""
    roifile = pytest.importorskip("roifile")
    write_markers(tmp_path / "a.xml", "a.tif", {1: [(12, 3, 1)], 3: [(0, 7, 1)]})
    roi = roifile.ImagejRoi.frompoints([[12, 3], [0, 7]])
    roi.roitype = roifile.ROI_TYPE.POINT
    roi.counters, roi.counter_positions = np.array([0, 1], np.uint8), np.zeros(2, np.uint32)
    roi.tofile(tmp_path / "a.roi")
    features = [
        {"type": "Feature", "geometry": {"type": "Point", "coordinates": [x + 0.5, y + 0.5]},
         "properties": {"objectType": "annotation", "classification": {"name": name}}}
        for name, x, y in (("Neuron", 12, 3), ("Glia", 0, 7))
    ]  # fmt: skip
    (tmp_path / "a.geojson").write_text(json.dumps(features))
    (tmp_path / "a.csv").write_text("Type,Slice,X,Y\n1,1,12,3\n2,1,0,7\n")
    for suffix, classes in (
        ("xml", "'Type 1', 'Type 3'"), ("roi", "'counter 0', 'counter 1'"),
        ("geojson", "'Glia', 'Neuron'"), ("csv", "'1', '2'"),
    ):  # fmt: skip
        with pytest.warns(UserWarning, match=f"has points of the classes {classes}: they are") as w:
            _, points = read_points(tmp_path / f"a.{suffix}")
        assert w[0].filename == __file__
        assert points[0].tolist() == [[3, 12], [7, 0]]
    (tmp_path / "a.geojson").write_text(json.dumps(features[:1]))
    assert read_points(tmp_path / "a.geojson")[1][0].tolist() == [[3, 12]]


# CVAT


def test_shapes_of_cvat(tmp_path):
    (tmp_path / "annotations.xml").write_text("""<?xml version="1.0" encoding="utf-8"?>
<annotations><version>1.1</version>
<image id="0" name="plate/a.tif" width="24" height="20">
<box label="cell" source="manual" occluded="0" xtl="2.0" ytl="3.0" xbr="6.0" ybr="5.0" z_order="1"/>
<polygon label="cell" points="1.0,2.0;8.0,2.0;8.0,4.0;1.0,4.0" z_order="0"></polygon>
<mask label="gap" rle="1, 2, 1" left="10" top="10" width="2" height="2" z_order="0"></mask>
<ellipse label="cell" cx="18" cy="10" rx="4" ry="2" rotation="90" z_order="0"/>
<points label="click" points="1.5,2.5;3.0,4.0" z_order="0"/>
<polyline label="line" points="1,2;3,4"/>
</image>
<image id="1" name="plate/b.tif" width="5" height="4"></image>
</annotations>""")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        names, rois = read_rois(tmp_path / "annotations.xml")
    assert [str(w.message).partition(": ")[2] for w in caught] == [
        "'line' are lines, skeletons or cuboids, and are left out.",
        "regions overlap in 4 pixels, as 'polygon 2 (cell)' and 'box 1 (cell)' do: the later one "
        "in the file is on top.",
    ]
    assert names == ["a", "b"]
    labels = rois[0].labels
    assert [int((labels == n).sum()) for n in range(1, 5)] == [10, 2, 28, 8]
    assert np.argwhere(labels == 2).tolist() == [[10, 11], [11, 10]]
    assert np.ptp(np.argwhere(labels == 3), axis=0).tolist() == [7, 3]
    assert rois[0].points.tolist() == [[2, 1], [3.5, 2.5]]
    assert rois[1].labels.tolist() == [[0] * 5] * 4


# napari


def test_shapes_of_napari(tmp_path):
    write_rois(tmp_path / "s.csv", simple())
    table = pd.read_csv(tmp_path / "s.csv")
    columns = ["index", "shape-type", "vertex-index", "axis-0", "axis-1"]
    assert list(table.columns) == [*columns, "object"]
    assert table[["axis-0", "axis-1"]].min().tolist() == [2.5, 1.5]  # half a pixel around centers
    _, rois = read_rois(tmp_path / "s.csv", (20, 24))
    assert np.array_equal(rois[0].labels > 0, simple() > 0)
    for labels, what in ((objects(), "unlabeled pixels"), (np.maximum(objects(), 0), "holes of")):
        with pytest.raises(ValueError, match=f"neither holes nor unlabeled pixels, got {what}"):
            write_rois(tmp_path / "b.csv", labels)
    assert not (tmp_path / "b.csv").exists()
    corners = [("ellipse", 0, 2.5, 3.5), ("ellipse", 1, 2.5, 11.5), ("ellipse", 2, 8.5, 11.5),
               ("ellipse", 3, 8.5, 3.5)]  # fmt: skip
    shapes = [(4, *corner[:2], 1.0, *corner[2:]) for corner in corners]
    shapes += [(5, "path", 0, 1.0, 2.0, 3.0), (5, "path", 1, 1.0, 4.0, 3.0)]
    columns = ["index", "shape-type", "vertex-index", "axis-0", "axis-1", "axis-2"]
    pd.DataFrame(shapes, columns=columns).to_csv(tmp_path / "e.csv", index=False)
    with pytest.warns(UserWarning, match=r"e\.csv: 'path 5' are lines"):
        _, rois = read_rois(tmp_path / "e.csv", (3, 12, 14), spatial_ndim=3)
    y, x = np.mgrid[:12, :14]
    inside = ((y - 5.5) / 3) ** 2 + ((x - 7.5) / 4) ** 2 <= 1
    assert np.array_equal(rois[0].labels[1], inside)
    assert (rois[0].labels[[0, 2]] == -1).all()


def test_pieces_of_objects_are_shapes_of_napari(tmp_path):
    labels = np.where(objects() == 5, 0, objects()).clip(0)  # two objects of two pieces each
    volume = np.stack([labels, np.roll(labels, 1, axis=0)])
    for name, each in (("s.csv", labels), ("v.csv", volume)):
        write_rois(tmp_path / name, each)
        table = pd.read_csv(tmp_path / name)
        # As napari finds shapes: an index of its own for each, without gaps.
        index = table["index"].to_numpy()
        assert np.count_nonzero(np.diff(index)) == index.max() == 4 * (each.ndim - 1) - 1
        assert table.groupby("index")["vertex-index"].apply(np.ptp).min() == 3
        _, rois = read_rois(tmp_path / name, each.shape, spatial_ndim=each.ndim)
        assert np.array_equal(rois[0].labels, each)
    # napari saves the layer without our column: pieces are objects then.
    table.drop(columns="object").to_csv(tmp_path / "v.csv", index=False)
    assert read_rois(tmp_path / "v.csv", volume.shape, spatial_ndim=3)[1][0].labels.max() == 8


def test_points_of_napari(tmp_path):
    write_rois(tmp_path / "p.csv", points=[[1, 2.5], [3, 4]])
    assert (tmp_path / "p.csv").read_text().split() == ["index,axis-0,axis-1", "0,1.0,2.5",
                                                        "1,3.0,4.0"]  # fmt: skip
    for _, points in (read_points(tmp_path / "p.csv"), read_rois(tmp_path / "p.csv")):
        found = points[0].points if hasattr(points[0], "points") else points[0]
        assert found.tolist() == [[1, 2.5], [3, 4]]


# ilastik


@pytest.mark.parametrize("axes", ["yx", "yxc", "tyxc", "zyxc", "xyc"])
def test_labels_of_ilastik(tmp_path, axes):
    stored = np.random.default_rng(0).integers(0, 4, (5, 6)).astype(np.uint8)
    tags = json.dumps({"axes": [{"key": axis, "typeFlags": 2, "resolution": 0} for axis in axes]})
    shape = [{"y": 5, "x": 6}.get(axis, 1) for axis in axes]
    with h5py.File(tmp_path / "a_Labels.h5", "w") as file:
        values = stored.T if axes[0] == "x" else stored
        file["exported_data"] = values.reshape(shape)
        file["exported_data"].attrs["axistags"] = tags
    path = tmp_path / "a_Labels.h5"
    for background, lookup in ((1, [-1, 0, 1, 2]), (3, [-1, 1, 2, 0]), (0, [-1, 1, 2, 3])):
        names, rois = read_rois(path, background=background)
        assert names == ["a"]
        assert np.array_equal(rois[0].labels, np.array(lookup)[stored])
    with pytest.raises(
        ValueError, match=r"classes \[1, 2, 3\], of which .* background must be its number"
    ):
        read_rois(path)
    with pytest.raises(ValueError, match=r"background must be 0 or a class of .*, got 5"):
        read_rois(path, background=5)


def test_ilastik_labels_of_ours(tmp_path):
    labels = np.minimum(objects(), 1)
    write_rois(tmp_path / "l.h5", labels)
    with h5py.File(tmp_path / "l.h5") as file:
        assert file["exported_data"].shape == (20, 24, 1)
        assert set(np.unique(file["exported_data"])) == {0, 1, 2}
    assert np.array_equal(read_rois(tmp_path / "l.h5", background=1)[1][0].labels, labels)
    assert np.array_equal(read_labels(tmp_path / "l.h5", background=1)[1][0], labels)
    assert np.array_equal(read_labels(tmp_path, ["l"], background=1)[1][0], labels)
    volume = np.stack([labels, labels * 2, -np.ones_like(labels)])
    write_rois(tmp_path / "v.h5", np.maximum(volume, -1))
    _, rois = read_rois(tmp_path / "v.h5", background=1, spatial_ndim=3)
    assert np.array_equal(rois[0].labels, np.maximum(volume, -1))
    assert len(read_rois(tmp_path / "v.h5", background=1)[0]) == 3


# Cellpose


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32, np.int64, ">u2"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_masks_of_cellpose(tmp_path, dtype, order):
    masks = np.asarray(simple(), dtype, order=order)
    content = {
        "outlines": masks > 0, "colors": np.zeros((3, 3), np.uint8), "masks": masks,
        "ismanual": np.zeros(3, bool), "filename": "/data/a.tif", "est_diam": np.float64(30.5),
        "flows": [np.zeros((2, 3), np.uint8), [None, 1.5, (2, "x")], {}, b"ab"], "chan": {1, 2},
        "zdraw": [None] * 1200, "big": 2**70, "flag": True,
    }  # fmt: skip
    np.save(tmp_path / "a_seg.npy", content)
    names, rois = read_rois(tmp_path / "a_seg.npy")
    assert names == ["a"]
    assert np.array_equal(rois[0].labels, simple())
    assert rois[0].table["id"].tolist() == [2, 11]


def test_polygons_of_one_annotation_may_overlap(tmp_path):
    content = {
        "images": [{"id": 1, "file_name": "x.png", "height": 9, "width": 9}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "iscrowd": 0, "segmentation":
                         [[1, 1, 8, 1, 8, 8, 1, 8], [3, 3, 5, 3, 5, 5, 3, 5]]}],
    }  # fmt: skip
    (tmp_path / "c.json").write_text(json.dumps(content))
    _, rois = read_rois(tmp_path / "c.json")
    assert int((rois[0].labels == 1).sum()) == 49
