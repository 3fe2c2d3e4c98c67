"""Files of regions of interest with faults, as `bad_files` has label files and points."""

import json
import zipfile

import h5py
import numpy as np
import pandas as pd
import roifile
import tifffile
from bad_files import FILES, file, squares

from sskseg.io import read_labels, read_points, read_rois, write_rois

__all__ = ["FILES"]
AT = "Regions of interest (`read_rois`, in an image of 32 x 32 pixels)"
SHAPE = (32, 32)


def read(path):
    return read_rois(path, SHAPE)


def row(what, read=read):
    return file(AT, what, read)


def roi(xy, name, **options):
    """A ROI of ImageJ."""
    made = roifile.ImagejRoi.frompoints(np.asarray(xy), name=name)
    made.roitype = roifile.ROI_TYPE.POLYGON
    for key, value in options.items():
        setattr(made, key, value)
    return made


def corners(x0, y0, x1, y1):
    return [[x0, y0], [x1, y0], [x1, y1], [x0, y1]]


def zipped(folder, *rois):
    roifile.roiwrite(folder / "a.zip", rois)
    return folder / "a.zip"


def text(name, content):
    def write(folder):
        path = folder / name
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    return write


def cut(name, n, **options):
    """A file of ours, of which only the first bytes were copied."""

    def write(folder):
        path = folder / name
        write_rois(path, squares(), **options)
        content = path.read_bytes()
        path.write_bytes(content[: int(n * len(content))])
        return path

    return write


row("of Fiji")(lambda f: zipped(f, roi(corners(2, 3, 6, 9), "cell")))
row("of Fiji, shape not given", read_rois)(lambda f: zipped(f, roi(corners(2, 3, 6, 9), "cell")))
row("of Fiji, of another image")(lambda f: zipped(f, roi(corners(50, 3, 60, 9), "cell")))
row("partly outside")(lambda f: zipped(f, roi(corners(-5, 3, 6, 9), "cell")))
row("two regions that overlap")(
    lambda f: zipped(f, roi(corners(2, 3, 6, 9), "a"), roi(corners(4, 3, 9, 9), "b"))
)
row("a region under another")(
    lambda f: zipped(f, roi(corners(3, 3, 5, 5), "a"), roi(corners(2, 2, 9, 9), "b"))
)
row("a polygon that intersects itself")(
    lambda f: zipped(f, roi([[2, 2], [12, 12], [12, 2], [2, 12]], "bow tie"))
)
row("a polygon of two vertices")(lambda f: zipped(f, roi([[2, 2], [9, 9]], "line")))
row("a polygon between the centers of pixels")(
    lambda f: zipped(f, roi([[2.6, 2.6], [3.4, 2.6], [3.4, 3.4]], "dust"))
)
row("a line")(lambda f: zipped(f, roifile.ImagejRoi(roitype=roifile.ROI_TYPE.LINE, name="bar")))
row("regions in several slices, image of one")(
    lambda f: zipped(
        f, roi(corners(2, 3, 6, 9), "a", position=1), roi(corners(2, 3, 6, 9), "b", position=4)
    )
)
row("a region without a slice, image of three", lambda p: read_rois(p, (3, *SHAPE)))(
    lambda f: zipped(f, roi(corners(2, 3, 6, 9), "a"))
)
row("a slice beyond the stack", lambda p: read_rois(p, (3, *SHAPE)))(
    lambda f: zipped(f, roi(corners(2, 3, 6, 9), "a", position=4))
)
row("an empty zip")(lambda f: zipped(f))
row("a zip that is cut off")(cut("a.zip", 0.5))
row("a zip with another file")(
    lambda f: zipfile.ZipFile(f / "a.zip", "w").writestr("notes.txt", "x") or f / "a.zip"
)
row("a path out of the folder in a zip")(
    lambda f: (
        zipfile.ZipFile(f / "a.zip", "w").writestr(
            "../../evil.roi", roi(corners(2, 3, 6, 9), "").tobytes()
        )
        or f / "a.zip"
    )
)
row("a .roi file that is cut off")(
    lambda f: (
        (f / "a.roi").write_bytes(roi(corners(2, 3, 6, 9), "a").tobytes()[:70]) and f / "a.roi"
    )
)
row("no ROI")(lambda f: (f / "a.roi").write_bytes(bytes(100)) and f / "a.roi")
row("TIFF without an overlay")(
    lambda f: tifffile.imwrite(f / "a.tif", squares().astype(np.uint8)) or f / "a.tif"
)
row("a folder of images and zips, one without an image", lambda p: read_labels(p, ["a"]))(
    lambda f: (
        write_rois(f / "b.zip", squares())
        or tifffile.imwrite(f / "a.tif", squares().astype(np.uint8))
        or f
    )
)
row("a file of areas", read_points)(lambda f: zipped(f, roi(corners(2, 3, 6, 9), "a")))
row("GeoJSON that is cut off")(cut("a.geojson", 0.7))
row("JSON of another program")(text("a.json", {"version": 1, "cells": []}))


def polygon(coordinates, kind="Polygon", **properties):
    geometry = {"type": kind, "coordinates": coordinates}
    return {"type": "Feature", "properties": properties, "geometry": geometry}


row("a folder with JSON of another program alone", read_rois)(
    lambda f: text("a.json", {"cells": [], "version": 2})(f).parent
)
row("GeoJSON of lines")(text("a.geojson", [polygon([[1, 2], [3, 4]], "LineString", name="axis")]))
row("GeoJSON with NaN")(text("a.geojson", [polygon([[[1, 2], [np.nan, 4], [3, 5]]], name="cell")]))
row("GeoJSON with text as coordinates")(
    text("a.geojson", [polygon([[["a", "b"], [1, 4], [3, 5]]], name="cell")])
)
row("GeoJSON without a geometry")(text("a.geojson", [{"type": "Feature", "geometry": None}]))
row("GeoJSON in degrees of a map")(
    text("a.geojson", [polygon([[[-122.4, 37.7], [-122.3, 37.7], [-122.3, 37.8]]], name="city")])
)


def coco(segmentation, **more):
    image = {"id": 1, "file_name": "a.tif", "height": 32, "width": 32}
    annotation = {"id": 1, "image_id": 1, "category_id": 1, "segmentation": segmentation, **more}
    return text("a.json", {"images": [image], "annotations": [annotation], "categories": []})


row("COCO with a box only")(coco([], bbox=[1, 2, 3, 4]))
row("COCO, an image that is not there")(coco([[1, 1, 5, 1, 5, 5]], image_id=7))
row("COCO, a mask of another size")(coco({"size": [8, 8], "counts": [64]}))
row("COCO, a mask that is cut off")(coco({"size": [32, 32], "counts": [10, 20]}))
row("COCO, a compressed mask that is cut off")(coco({"size": [32, 32], "counts": "P2a"}))
row("COCO, of another shape", lambda p: read_rois(p, (16, 16)))(coco([[1, 1, 5, 1, 5, 5]]))


def labelme(**shape):
    shapes = [{"label": "cell", "shape_type": "polygon", "points": [], **shape}]
    return text("a.json", {"imageHeight": 32, "imageWidth": 32, "shapes": shapes})


row("LabelMe without vertices")(labelme())
row("LabelMe, a shape of another kind")(labelme(shape_type="star"))
row("LabelMe without the size of the image")(text("a.json", {"shapes": []}))
row("LabelMe, a mask that is no PNG")(labelme(shape_type="mask", points=[[0, 0]], mask="AAAA"))
row("CVAT with a document type")(
    text("a.xml", '<!DOCTYPE a [<!ENTITY b "c">]><annotations>&b;</annotations>')
)
row("CVAT of a video")(text("a.xml", "<annotations><track id='0'/></annotations>"))
row("CVAT, a polygon without numbers")(
    text(
        "a.xml",
        "<annotations><image name='a' width='32' height='32'><polygon label='cell' points='x'/>"
        "</image></annotations>",
    )
)
row("XML that is cut off")(cut("a.xml", 0.6, names=["a.tif"]))
row("shapes of napari in several sections")(
    lambda f: (
        pd.DataFrame(
            [(0, "polygon", i, i, *c) for i, c in enumerate(corners(1, 1, 5, 5))],
            columns=["index", "shape-type", "vertex-index", "axis-0", "axis-1", "axis-2"],
        ).to_csv(f / "a.csv", index=False)
        or f / "a.csv"
    )
)


@row("labels of ilastik, background not given", read_rois)
def _(folder):
    with h5py.File(folder / "a.h5", "w") as opened:
        opened["exported_data"] = squares().clip(0, 2).astype(np.uint8)
    return folder / "a.h5"


@row("probabilities of ilastik", lambda p: read_rois(p, background=1))
def _(folder):
    with h5py.File(folder / "a.h5", "w") as opened:
        opened["exported_data"] = squares() / 7
    return folder / "a.h5"


class _Runs:
    def __reduce__(self):
        return print, ("executed",)


row("`_seg.npy` with code that would run", read_rois)(
    lambda f: np.save(f / "a_seg.npy", {"masks": _Runs()}) or f / "a_seg.npy"
)
row("`_seg.npy` without masks", read_rois)(
    lambda f: np.save(f / "a_seg.npy", {"outlines": np.eye(3)}) or f / "a_seg.npy"
)
row("another `.npy`", read_rois)(lambda f: np.save(f / "a.npy", np.eye(3)) or f / "a.npy")
