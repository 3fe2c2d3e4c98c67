"""CZI of Zeiss: scenes, mosaics, colors, and what is read of them."""

import cloudpickle
import numpy as np
import pytest
from vendor_files import library, mosaic, noise, write_czi

from sskseg.io import read_image, read_images
from sskseg.scans import open_scan


@pytest.fixture
def czi(tmp_path):
    """A file of two scenes, each a mosaic of two channels and three sections."""
    library("pylibCZIrw")
    tiles, pixels = mosaic(2, 2, 3)
    path = write_czi(
        tmp_path / "a.czi", tiles, scale_x=2.5e-7, scale_y=2e-7, scale_z=1.5e-6,
        channel_names={0: "DAPI", 1: "GFP"},
    )  # fmt: skip
    return path, pixels.transpose(0, 2, 3, 4, 1)  # scene, z, y, x, channel


def test_scenes_of_czi_are_images(czi):
    path, pixels = czi
    names, images = read_images(path)
    assert names == [f"a_{i:04d}" for i in range(6)]
    assert np.array_equal(images, pixels.reshape(6, 20, 44, 2))
    assert (images.spacing, images.unit) == ((1.5, 0.2, 0.25), "µm")
    names, volumes = read_images(path, spatial_ndim=3)
    assert names == ["a_0000", "a_0001"]
    assert np.array_equal(volumes, pixels)
    with pytest.raises(ValueError, match=r"a\.czi holds 2 images of shapes"):
        read_image(path)


def test_a_scene_of_czi_is_a_lazy_scan(czi, monkeypatch):
    path, pixels = czi
    from pylibCZIrw.czi import CziReader

    regions, read = [], CziReader.read

    def counted(self, roi=None, plane=None, scene=None, **options):
        regions.append((roi, plane["C"], plane["Z"], scene))
        return read(self, roi, plane, scene, **options)

    monkeypatch.setattr(CziReader, "read", counted)
    scan = open_scan(f"{path}:1", chunks=(1, 1, 10, 11))
    assert (scan.axes, scan.spacing, scan.unit) == ("zyxc", (1.5, 0.2, 0.25), "µm")
    assert scan.channels == ("DAPI", "GFP")
    assert "channels=('DAPI', 'GFP')" in repr(scan)
    assert regions == []
    part = scan.data[2, :10, 11:22, 1].compute(scheduler="synchronous")
    assert np.array_equal(part, pixels[1, 2, :10, 11:22, 1])
    assert regions == [((97 + 11, -5, 11, 10), 1, 2, 1)]
    traveled = cloudpickle.loads(cloudpickle.dumps(scan.data))
    assert np.array_equal(traveled.compute(scheduler="threads"), pixels[1])
    with pytest.warns(UserWarning, match=r"a\.czi holds 2 series .* as a\.czi:1"):
        assert np.array_equal(open_scan(path).data.compute(), pixels[0])
    with pytest.raises(ValueError, match=r"a\.czi has the series 0 to 1, got '2'"):
        open_scan(f"{path}:2")
    with pytest.raises(ValueError, match="level must be from 0 to 0, got 1"):
        open_scan(f"{path}:1", level=1)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_gray_czi_of_one_plane(tmp_path, dtype):
    library("pylibCZIrw")
    pixels = noise(9, 14, dtype=np.uint8).astype(dtype)
    path = write_czi(tmp_path / "a.czi", [{"pixels": pixels}])
    names, images = read_images(path)
    assert (names, images.spacing, images[0].dtype) == (["a"], None, dtype)
    assert np.array_equal(images[0], pixels)
    assert np.array_equal(read_image(path), pixels)
    scan = open_scan(path)
    assert (scan.axes, scan.spacing, scan.channels) == ("yx", (1.0, 1.0), ())


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_colors_of_czi_are_red_green_blue(tmp_path, dtype):
    library("pylibCZIrw")
    colors = noise(9, 14, 3, dtype=dtype)
    path = write_czi(tmp_path / "a.czi", [{"pixels": colors[..., ::-1]}])  # written as BGR
    assert np.array_equal(read_images(path)[1][0], colors)
    scan = open_scan(path)
    assert scan.axes == "yxc"
    assert np.array_equal(scan.data[2:5, 3:, 1:].compute(), colors[2:5, 3:, 1:])


def test_channels_of_unlike_depth_fit_in_one_dtype(tmp_path):
    library("pylibCZIrw")
    deep, flat = noise(9, 14), noise(9, 14, dtype=np.uint8)
    tiles = [{"pixels": flat, "plane": {"C": 0}}, {"pixels": deep, "plane": {"C": 1}}]
    path = write_czi(tmp_path / "a.czi", tiles)
    assert np.array_equal(read_images(path)[1][0], np.stack([flat, deep], -1))
    tiles[0]["pixels"] = noise(9, 14, 3, dtype=np.uint8)
    path = write_czi(tmp_path / "b.czi", tiles)
    with pytest.raises(ValueError, match=r"b\.czi .* of the types \['Bgr24', 'Gray16'\]: expected"):
        read_images(path)


def test_pixels_between_tiles_are_zero_and_times_are_images(tmp_path):
    library("pylibCZIrw")
    one, two = noise(5, 6), noise(5, 6)
    tiles = [
        {"pixels": pixels + t, "plane": {"T": t}, "location": (x, y)}
        for t in (0, 1)
        for pixels, x, y in ((one, 0, 0), (two, 10, 4))
    ]
    _, images = read_images(write_czi(tmp_path / "a.czi", tiles))
    expected = np.zeros((2, 9, 16), np.uint16)
    for t in (0, 1):
        expected[t, :5, :6], expected[t, 4:, 10:] = one + t, two + t
    assert np.array_equal(images, expected)
    with pytest.raises(ValueError, match="Axis 't' has length 2"):
        open_scan(tmp_path / "a.czi")


def test_scenes_have_their_own_sizes(tmp_path):
    library("pylibCZIrw")
    stack, plane = noise(3, 8, 9), noise(6, 7)
    tiles = [{"pixels": p, "plane": {"Z": z}, "scene": 0} for z, p in enumerate(stack)]
    tiles.append({"pixels": plane, "scene": 4, "location": (50, 50)})
    names, images = read_images(write_czi(tmp_path / "a.czi", tiles))
    assert len(names) == 4
    for image, expected in zip(images, [*stack, plane], strict=True):
        assert np.array_equal(image, expected)


def test_czi_that_lacks_planes_is_refused(tmp_path):
    library("pylibCZIrw")
    tiles = mosaic(1, 2, 3)[0][:-2]
    path = write_czi(tmp_path / "a.czi", tiles)
    for read in (read_images, read_image, open_scan):
        with pytest.raises(ValueError, match=r"a\.czi .* has 5 planes of the 6 .* not complete"):
            read(path)
