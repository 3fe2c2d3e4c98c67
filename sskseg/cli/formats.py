"""Formats of labels and regions, by the names that options have."""

# Suffix of a file of one image.
OF_IMAGE = {
    "tif": ".tif", "imagej": ".zip", "geojson": ".geojson", "labelme": ".json", "napari": ".csv",
    "ilastik": ".h5",
}  # fmt: skip
# Name of the file of all images.
OF_ALL = {"coco": "labels.json", "cvat": "labels.xml"}
OME_ZARR = "ome-zarr"  # a folder of an image with its labels
FORMATS = (*OF_IMAGE, *OF_ALL, OME_ZARR)
