"""Times of volumes: no axis of an image or of its labels is taken for another one."""

import numpy as np
import pytest
import tifffile

from sskseg.io import read_images, read_labels, read_pairs, read_rois, write_labels
from sskseg.io.label_writing import write_planes
from sskseg.io.tiff import is_of_write_labels

SHAPE = (2, 3, 24, 30)  # times, sections
# The number of a plane, 1 to 6, in a square.
Y = np.zeros(SHAPE, np.uint16)
Y[..., 4:12, 4:12] = np.arange(1, 7).reshape(2, 3, 1, 1)
PLANES = list(range(1, 7))


def write(path, pixels, axes):
    """Write an image with axes that tifffile stores; None explains nothing."""
    metadata = {"metadata": None} if axes is None else {"metadata": {"axes": axes}}
    tifffile.imwrite(path, pixels, photometric="minisblack", **metadata)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    write(tmp_path / "images" / "a.tif", Y, "TZYX")
    return tmp_path


def numbers(folder):
    """The largest label of each plane, in the order of the images."""
    names, X, y = read_pairs(folder / "images", folder / "labels")
    assert names == [f"a_{i:04d}" for i in range(6)]
    assert [int(image.max()) for image in X] == PLANES
    return [int(label.max()) for label in y]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("axes", ["TZYX", "ZTYX"])
def test_planes_of_labels_are_paired_by_time_and_section(folder, axes):
    write(folder / "labels" / "a.tif", Y if axes[0] == "T" else Y.swapaxes(0, 1), axes)
    assert numbers(folder) == PLANES
    _, X = read_images(folder / "images")
    assert X.positions.tolist() == [0, 1, 2, 4, 5, 6]


@pytest.mark.parametrize("name", ["a.tif", "other.tif"])
@pytest.mark.parametrize("axes", ["TZYX", "QQYX"])
def test_other_times_and_sections_are_refused(folder, axes, name):
    """As many planes, but three times of two sections."""
    write(folder / "labels" / name, np.ascontiguousarray(Y.swapaxes(0, 1)), axes)
    labels = folder / "labels" / ("" if name == "a.tif" else name)
    own = "3 times of 2 sections" if axes == "TZYX" else "3 planes of 2 planes"
    message = rf"{name} has {own}, and its image .*a.tif has 2 times of 3 sections: save the labels"
    with pytest.raises(ValueError, match=message):
        read_pairs(folder / "images", labels)


def test_labels_with_one_axis_of_planes_are_warned_of(folder):
    write(folder / "labels" / "a.tif", Y.reshape(6, 24, 30), "ZYX")
    with pytest.warns(UserWarning, match=r"has 6 sections, and its image .* in this order, all"):
        assert numbers(folder) == PLANES


@pytest.mark.filterwarnings("error")
def test_labels_that_were_written_plane_by_plane_are_as_they_were(folder):
    write_labels(folder / "labels" / "a.tif", [*Y.reshape(6, 24, 30)])
    assert numbers(folder) == PLANES


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("dtype", [np.uint16, np.int32])
@pytest.mark.parametrize("spacing", [None, (2.0, 0.5, 0.25)])
def test_written_labels_have_times(tmp_path, dtype, spacing):
    y = Y.astype(dtype) - (dtype == np.int32)  # with -1
    file = tmp_path / "a.tif"
    write_planes(file, y, "TZYX", spacing=spacing, unit="micrometer" if spacing else None)
    with tifffile.TiffFile(file) as written:
        assert written.series[0].axes == "TZYX"
        assert written.is_imagej == (dtype == np.uint16)  # Fiji shows times and sections
    assert is_of_write_labels(file)
    for ndim in (2, 3):
        _, found = read_labels(file, spatial_ndim=ndim)
        assert np.array_equal(np.reshape(found, SHAPE), y)
    write_planes(file, y[:, 0], "TYX", spacing=spacing, unit="micrometer" if spacing else None)
    with tifffile.TiffFile(file) as written:
        assert written.series[0].axes == "TYX"
    assert np.array_equal(read_labels(file)[1], y[:, 0])


def square(z, t):
    """A ROI of Fiji in a plane; sections and times count from 1."""
    roifile = pytest.importorskip("roifile")
    corners = [[4, 4], [12, 4], [12, 12], [4, 12]]
    roi = roifile.ImagejRoi.frompoints(corners, name=f"z{z} t{t}")
    roi.z_position, roi.t_position = z, t
    return roi


def test_overlays_of_times_are_in_their_planes(folder):
    """ROIs of two times in one section were drawn on one plane."""
    rois = [square(2, 1), square(2, 2), square(3, 2)]
    (folder / "images" / "a.tif").unlink()
    tifffile.imwrite(
        folder / "images" / "a.tif", Y, imagej=True,
        metadata={"axes": "TZYX", "Overlays": [roi.tobytes() for roi in rois]},
    )  # fmt: skip
    for empty in ("background", "unlabeled"):
        _, _, y = read_pairs(folder / "images", folder / "images", empty=empty)
        rest = 0 if empty == "background" else -1
        assert [int(label.max()) for label in y] == [rest, 1, rest, rest, 2, 3]


def test_rois_of_times_and_sections_need_the_image(folder):
    roifile = pytest.importorskip("roifile")
    file = folder / "labels" / "a.zip"
    roifile.roiwrite(file, [square(2, 1), square(2, 2)])
    message = r"a.zip, region 'z2 t2' is in section 2 of time 2, and the file does not say how many"
    with pytest.raises(ValueError, match=message):
        read_pairs(folder / "images", folder / "labels")
    with pytest.raises(ValueError, match="add the ROIs to the overlay of the image"):
        read_rois(file, (6, 24, 30))
    file.unlink()
    roifile.roiwrite(file, [square(2, 1), square(3, 1)])  # of the first time alone
    _, _, y = read_pairs(folder / "images", folder / "labels")
    assert [int(label.max()) for label in y] == [-1, 1, 2, -1, -1, -1]


@pytest.mark.parametrize("n", [4, 8])
def test_pages_of_a_label_file_are_those_of_its_images(folder, n):
    """Also if the images are a file each: pages without an image are no files of others."""
    (folder / "images" / "a.tif").unlink()
    for i, plane in enumerate(Y.reshape(6, 24, 30)):
        write(folder / "images" / f"a_{i:04d}.tif", plane, "YX")
    pages = np.resize(Y.reshape(6, 24, 30), (n, 24, 30))
    write(folder / "labels" / "a_mask.tif", pages, "ZYX")
    message = rf"a_mask.tif has {n} pages, and there are 6 images of that name; they must agree"
    with pytest.raises(ValueError, match=message):
        read_pairs(folder / "images", folder / "labels")
