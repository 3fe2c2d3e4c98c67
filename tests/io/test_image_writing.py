"""Images are written with their axes, as other programs expect them."""

import numpy as np
import pytest
import tifffile

from sskseg.io import read_images, read_labels, write_labels
from sskseg.io.audits import _shape
from sskseg.io.image_writing import write_image
from sskseg.io.images import read_headers
from sskseg.io.tiff import is_of_write_labels
from sskseg.scans import open_scan


@pytest.mark.parametrize(
    ("shape", "dtype", "ndim", "axes"),
    [
        ((30, 40), np.float32, 2, "YX"),
        ((30, 40, 2), np.uint16, 2, "CYX"),
        ((30, 40, 3), np.uint8, 2, "YXS"),
        ((30, 40, 3), np.float32, 2, "CYX"),
        ((4, 30, 40), np.float32, 3, "ZYX"),
        ((3, 30, 40), np.uint8, 3, "ZYX"),  # not the channels of one image
        ((1, 30, 40), np.uint8, 3, "ZYX"),
        ((4, 30, 40, 2), np.uint8, 3, "ZCYX"),
        ((4, 30, 40, 3), np.uint8, 3, "ZYXS"),
    ],
)
def test_axes_are_stored_and_images_come_back(tmp_path, shape, dtype, ndim, axes):
    image = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    write_image(tmp_path / "a.tif", image, "ZYX"[-ndim:])
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert file.series[0].get_axes(squeeze=False) == axes
        assert len(file.pages) == np.prod(shape) / (30 * 40 * (3 if axes[-1] == "S" else 1))
    names, (back,) = read_images(tmp_path / "a.tif", spatial_ndim=ndim)
    assert names == ["a"]
    assert np.array_equal(back, image)
    assert _shape(tmp_path / "a.tif", ndim) == shape[:ndim]


@pytest.mark.parametrize("kind", ["mask", "probability"])
def test_results_can_be_read_back(tmp_path, kind):
    """A counter takes them; the command line refuses them where it expects images."""
    image = np.random.default_rng(0).random((30, 40)).astype(np.float32)
    write_image(tmp_path / "a.tif", image, "YX", result=kind)
    assert np.array_equal(read_images(tmp_path / "a.tif")[1][0], image)
    write_labels(tmp_path / "b.tif", [np.eye(30, dtype=np.int32)])
    assert np.array_equal(read_images(tmp_path / "b.tif")[1][0], np.eye(30))


def test_large_images_have_offsets_of_64_bits(tmp_path, monkeypatch):
    """tifffile chooses them itself only without compression."""
    monkeypatch.setattr("sskseg.io.image_writing.MAX_CLASSIC", 4 * 30 * 40)
    for n, is_large in ((1, False), (2, True)):
        write_image(tmp_path / "a.tif", np.zeros((n, 30, 40), np.float32), "ZYX")
        with tifffile.TiffFile(tmp_path / "a.tif") as file:
            assert file.is_bigtiff == is_large


def test_sizes_of_pixels_that_a_tag_cannot_hold_are_left_out(tmp_path):
    label = np.eye(4, dtype=int)
    for size, unit, expected in ((4, "nm", 0.004), (1e-6, "µm", None), (1e9, "km", None)):
        write_labels(tmp_path / "a.tif", [label], spacing=(size, size), unit=unit)
        (header,) = read_headers(tmp_path / "a.tif")
        assert header.spacing == (dict.fromkeys("yx", expected) if expected else {})


def sizes_in(path):
    """What tifffile and our reader say of the sizes along z, y and x, in micrometers."""
    with tifffile.TiffFile(path) as file:
        z, unit = (file.imagej_metadata[name] for name in ("spacing", "unit"))
        y, x = (file.pages.first.tags[f"{axis}Resolution"].value for axis in "YX")
    (header,) = read_headers(path)
    assert header.spacing == pytest.approx({"z": z, "y": y[1] / y[0], "x": x[1] / x[0]})
    assert {unit, *header.units.values()} == {"um"}
    return tuple(header.spacing[axis] for axis in "zyx")


def test_volumes_have_a_size_along_z(tmp_path):
    size = {"spacing": (2000, 500, 250), "unit": "nm"}
    labels = np.arange(4 * 30 * 40).reshape(4, 30, 40)
    write_labels(tmp_path / "a.tif", [labels], **size)
    assert sizes_in(tmp_path / "a.tif") == pytest.approx((2, 0.5, 0.25))
    (back,) = read_labels(tmp_path / "a.tif", spatial_ndim=3)[1]
    assert np.array_equal(back, labels)
    assert is_of_write_labels(tmp_path / "a.tif")
    assert open_scan(tmp_path / "a.tif").spacing == pytest.approx((2, 0.5, 0.25))
    for shape in ((4, 30, 40), (4, 30, 40, 2)):
        image = np.random.default_rng(0).random(shape, np.float32)
        write_image(tmp_path / "b.tif", image, "ZYX", **size)
        assert sizes_in(tmp_path / "b.tif") == pytest.approx((2, 0.5, 0.25))
        assert np.array_equal(read_images(tmp_path / "b.tif", spatial_ndim=3)[1][0], image)


@pytest.mark.parametrize(
    "labels",
    [
        [np.full((4, 8, 9), 70000)],  # more than ImageJ holds
        [np.full((4, 8, 9), -1)],
        [np.full((1, 8, 9), 3)],
        [np.full((2, 8, 9), 3)] * 2,
        [np.full((2, 8, 9), 3), np.full((3, 8, 9), 3)],
    ],
)
def test_other_volumes_are_exact_and_have_the_sizes_in_the_plane(tmp_path, labels):
    write_labels(tmp_path / "a.tif", labels, spacing=(2, 0.5, 0.25), unit="µm")
    for found, label in zip(
        read_labels(tmp_path / "a.tif", spatial_ndim=3, empty="background")[1], labels, strict=True
    ):
        assert np.array_equal(found, label)
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert file.pages.first.get_resolution("micrometer") == pytest.approx((4, 2))


@pytest.mark.parametrize("spacing", [0.5, (0.5,), (0, 1), (-1, 1), (np.nan, 1)])
def test_wrong_sizes_of_pixels_are_refused(tmp_path, spacing):
    with pytest.raises(ValueError, match=r"spacing must .*, got "):
        write_labels(tmp_path / "a.tif", [np.eye(4, dtype=int)], spacing=spacing, unit="µm")
    assert not list(tmp_path.iterdir())


@pytest.mark.filterwarnings("ignore:.* does not define the size of a pixel along z")
@pytest.mark.parametrize("shape", [(4, 7, 1), (4, 1, 7), (4, 1, 1), (4, 7, 1, 5)])
def test_volumes_of_one_row_or_column_come_back(tmp_path, shape):
    size = {"spacing": (2, 0.5, 0.5), "unit": "um"}
    image = np.arange(np.prod(shape)).reshape(shape).astype(np.float32)
    write_image(tmp_path / "a.tif", image, "ZYX", **size)
    assert np.array_equal(read_images(tmp_path / "a.tif", spatial_ndim=3)[1][0], image)
    if len(shape) == 3:
        write_labels(tmp_path / "l.tif", [image.astype(int)], **size)
        (back,) = read_labels(tmp_path / "l.tif", spatial_ndim=3)[1]
        assert np.array_equal(back, image)


@pytest.mark.filterwarnings("ignore:.* does not define the size of a pixel along z")
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_volumes_in_color_with_a_size_come_back(tmp_path, dtype):
    image = np.arange(4 * 30 * 40 * 3).reshape(4, 30, 40, 3).astype(dtype)
    write_image(tmp_path / "a.tif", image, "ZYX", spacing=(2, 0.5, 0.5), unit="um")
    assert np.array_equal(read_images(tmp_path / "a.tif", spatial_ndim=3)[1][0], image)
