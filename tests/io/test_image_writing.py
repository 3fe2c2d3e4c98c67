"""Images are written with their axes, as other programs expect them."""

import numpy as np
import pytest
import tifffile

from sskseg.io import read_images, write_labels
from sskseg.io.audits import _shape
from sskseg.io.image_writing import write_image
from sskseg.io.images import read_headers


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
    write_image(tmp_path / "a.tif", image, ndim)
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert file.series[0].get_axes(squeeze=False) == axes
        assert len(file.pages) == np.prod(shape) / (30 * 40 * (3 if axes[-1] == "S" else 1))
    names, (back,) = read_images(tmp_path / "a.tif", spatial_ndim=ndim)
    assert names == ["a"]
    assert np.array_equal(back, image)
    assert _shape(tmp_path / "a.tif", ndim) == shape[:ndim]


def test_large_images_have_offsets_of_64_bits(tmp_path, monkeypatch):
    """tifffile chooses them itself only without compression."""
    monkeypatch.setattr("sskseg.io.image_writing.MAX_CLASSIC", 4 * 30 * 40)
    for n, is_large in ((1, False), (2, True)):
        write_image(tmp_path / "a.tif", np.zeros((n, 30, 40), np.float32), 3)
        with tifffile.TiffFile(tmp_path / "a.tif") as file:
            assert file.is_bigtiff == is_large


def test_sizes_of_pixels_that_a_tag_cannot_hold_are_left_out(tmp_path):
    label = np.eye(4, dtype=int)
    for size, unit, expected in ((4, "nm", 0.004), (1e-6, "µm", None), (1e9, "km", None)):
        write_labels(tmp_path / "a.tif", [label], spacing=(size, size), unit=unit)
        (header,) = read_headers(tmp_path / "a.tif")
        assert header.spacing == (dict.fromkeys("yx", expected) if expected else {})


@pytest.mark.parametrize("spacing", [0.5, (0.5,), (0, 1), (-1, 1), (np.nan, 1)])
def test_wrong_sizes_of_pixels_are_refused(tmp_path, spacing):
    with pytest.raises(ValueError, match=r"spacing must .*, got "):
        write_labels(tmp_path / "a.tif", [np.eye(4, dtype=int)], spacing=spacing, unit="µm")
    assert not list(tmp_path.iterdir())
