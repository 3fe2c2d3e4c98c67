"""LIF of Leica: images of a project, and what is read of them."""

import tracemalloc

import cloudpickle
import numpy as np
import pytest
from vendor_files import library, noise, write_lif

from sskseg.io import read_images
from sskseg.scans import open_scan


def test_images_of_lif(tmp_path):
    library("liffile")
    series, plane = noise(2, 3, 4, 10, 12), noise(7, 9, dtype=np.uint8)
    step = {"X": 2e-7, "Y": 3e-7, "Z": 1e-6}
    path = write_lif(
        tmp_path / "a.lif",
        {"name": "stack", "pixels": series, "axes": "TCZYX", "step": step,
         "names": ["Green", "Red", "Gray"]},
        {"name": "plane", "pixels": plane, "axes": "YX", "step": step},
    )  # fmt: skip
    with pytest.warns(UserWarning, match="unlike sizes"):  # with and without z
        names, images = read_images(path)
    assert (names[0], names[-1]) == ("a_0000", "a_0008")
    expected = np.moveaxis(series, 1, -1).reshape(8, 10, 12, 3)
    assert all(np.array_equal(a, b) for a, b in zip(images, [*expected, plane], strict=True))
    scan = open_scan(f"{path}:1")
    assert (scan.axes, scan.spacing, scan.unit) == ("yx", (0.3, 0.2), "µm")
    path = write_lif(
        tmp_path / "b.lif", {"name": "stack", "pixels": series[0], "axes": "CZYX", "step": step,
                             "names": ["Green", "Red", "Gray"]}
    )  # fmt: skip
    scan = open_scan(path)
    assert (scan.axes, scan.spacing) == ("zyxc", (1.0, 0.3, 0.2))
    assert scan.channels == ("Green", "Red", "Gray")
    assert np.array_equal(scan.data[1:, ::3].compute(), np.moveaxis(series[0], 0, -1)[1:, ::3])
    traveled = cloudpickle.loads(cloudpickle.dumps(scan.data))
    assert np.array_equal(traveled.compute(), np.moveaxis(series[0], 0, -1))


def test_colors_and_wavelengths_of_lif_are_channels(tmp_path):
    library("liffile")
    colors, spectrum = noise(7, 9, 3, dtype=np.uint8), noise(5, 7, 9)
    path = write_lif(
        tmp_path / "a.lif",
        {"name": "colors", "pixels": colors, "axes": "YXS"},  # stored as BGR
        {"name": "spectrum", "pixels": spectrum, "axes": "λYX"},
    )
    before = path.read_bytes()
    _, images = read_images(path)
    assert np.array_equal(images[0], colors[..., ::-1])
    assert np.array_equal(images[1], np.moveaxis(spectrum, 0, -1))
    scan = open_scan(f"{path}:0", chunks=(4, 4, 3))
    assert np.array_equal(scan.data.compute(), colors[..., ::-1])
    assert path.read_bytes() == before


def test_tiles_of_a_mosaic_of_lif_are_images(tmp_path):
    library("liffile")
    tiles = noise(3, 2, 7, 9)
    path = write_lif(tmp_path / "a.LIF", {"name": "mosaic", "pixels": tiles, "axes": "MCYX"})
    names, images = read_images(path)
    assert names == ["a_0000", "a_0001", "a_0002"]
    assert np.array_equal(images, np.moveaxis(tiles, 1, -1))
    with pytest.raises(ValueError, match="Axis 'm' has length 3: only z, y, x and c"):
        open_scan(f"{path}:0")


def test_a_box_of_lif_is_read_without_the_rest(tmp_path):
    library("liffile")
    pixels = noise(1500, 2000)
    path = write_lif(tmp_path / "a.lif", {"name": "large", "pixels": pixels, "axes": "YX"})
    scan = open_scan(path, chunks=(100, 100))
    tracemalloc.start()
    try:
        part = scan.data[700:800, 500:600].compute(scheduler="synchronous")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert np.array_equal(part, pixels[700:800, 500:600])
    assert peak < pixels.nbytes / 4


def test_images_of_lif_without_y_and_x_are_left_out(tmp_path):
    library("liffile")
    plane = noise(7, 9)
    path = write_lif(
        tmp_path / "a.lif",
        {"name": "section", "pixels": noise(5, 9), "axes": "ZX"},
        {"name": "plane", "pixels": plane, "axes": "YX"},
        {"name": "lifetimes", "pixels": noise(4), "axes": "X", "flim": True},
    )
    for read in (read_images, open_scan):
        with pytest.warns(UserWarning, match=r"a\.lif .* left out, .*: section, lifetimes") as seen:
            result = read(path)
        assert seen[0].filename == __file__
    assert np.array_equal(result.data.compute(), plane)
    path = write_lif(tmp_path / "b.lif", {"name": "x", "pixels": noise(5, 9), "axes": "ZX"})
    with (
        pytest.warns(UserWarning, match="left out"),
        pytest.raises(ValueError, match=r"b\.lif cannot be read as an image: it holds no image"),
    ):
        read_images(path)


@pytest.mark.parametrize("n_bytes", [1, 100, 630])
def test_lif_that_was_cut_off_is_refused(tmp_path, n_bytes):
    library("liffile")
    images = [{"name": name, "pixels": noise(10, 30), "axes": "YX"} for name in "ab"]
    path = write_lif(tmp_path / "a.lif", *images)
    path.write_bytes(path.read_bytes()[:-n_bytes])
    for read in (read_images, open_scan):
        with pytest.raises(ValueError, match=r"a\.lif .* of b are missing: it is not complete"):
            read(path)
