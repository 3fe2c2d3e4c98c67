"""nd2 of Nikon: positions, loops, colors, and what is read of them."""

import cloudpickle
import numpy as np
import pytest
from vendor_files import library, noise, positions, sections, times, write_nd2

from sskseg.io import read_images
from sskseg.scans import open_scan


@pytest.fixture
def nd2(tmp_path):
    """A file of three positions, with times, sections and two channels."""
    library("nd2")
    frames = noise(24, 10, 12, 2)
    path = write_nd2(
        tmp_path / "a.nd2", frames, [times(2), positions(3), sections(4, 1.5)], calibration=0.25,
        names=["DAPI", "GFP"],
    )  # fmt: skip
    return path, frames.reshape(2, 3, 4, 10, 12, 2).swapaxes(0, 1)  # position, time, z, ...


def test_positions_of_nd2_are_images(nd2):
    path, pixels = nd2
    names, images = read_images(path)
    assert (names[0], names[-1], len(names)) == ("a_0000", "a_0023", 24)
    assert np.array_equal(images, pixels.reshape(24, 10, 12, 2))
    assert (images.spacing, images.unit) == ((1.5, 0.25, 0.25), "µm")
    assert np.array_equal(read_images(path, spatial_ndim=3)[1], pixels.reshape(6, 4, 10, 12, 2))
    with pytest.raises(ValueError, match="Axis 't' has length 2"):
        open_scan(f"{path}:0")


def test_a_position_of_nd2_is_a_lazy_scan(tmp_path, monkeypatch):
    library("nd2")
    from nd2 import ND2File

    frames = noise(8, 10, 12, 2)
    path = write_nd2(tmp_path / "a.nd2", frames, [positions(2), sections(4, 0.5)], names=["a", "b"])
    read, numbers = ND2File.read_frame, []

    def counted(self, number):
        numbers.append(number)
        return read(self, number)

    monkeypatch.setattr(ND2File, "read_frame", counted)
    scan = open_scan(f"{path}:1", chunks=(2, 2, 10, 12), spacing=(1, 1, 1))
    assert (scan.axes, scan.data.shape, scan.channels) == ("zyxc", (4, 10, 12, 2), ("a", "b"))
    assert numbers == []
    assert np.array_equal(scan.data[:2, 3:7, ::5].compute(), frames[4:6, 3:7, ::5])
    assert numbers == [4, 5]
    traveled = cloudpickle.loads(cloudpickle.dumps(scan.data))
    assert np.array_equal(traveled.compute(scheduler="threads"), frames[4:])


def test_nd2_of_one_frame_and_of_colors(tmp_path):
    library("nd2")
    gray = noise(1, 10, 12, 1, dtype=np.uint8)
    names, images = read_images(write_nd2(tmp_path / "a.nd2", gray))
    assert (names, images.spacing) == (["a"], None)
    assert np.array_equal(images[0], gray[0, ..., 0])
    colors = noise(2, 10, 12, 1, 3, dtype=np.uint8)
    path = write_nd2(tmp_path / "b.nd2", colors, [times(2)])
    assert np.array_equal(read_images(path)[1], colors[:, :, :, 0])
    line = noise(1, 1, 12, 2)
    assert np.array_equal(read_images(write_nd2(tmp_path / "c.nd2", line))[1], line)


def test_nd2_with_damaged_descriptions_of_channels_has_no_sizes(nd2, monkeypatch):
    path, pixels = nd2
    from nd2 import ND2File

    def damaged(self):
        raise KeyError("sPicturePlanes")

    monkeypatch.setattr(ND2File, "metadata", property(damaged))
    _, images = read_images(path)
    assert images.spacing is None
    assert np.array_equal(images, pixels.reshape(24, 10, 12, 2))


def test_acquisitions_that_ended_early_are_refused(tmp_path):
    library("nd2")
    path = write_nd2(tmp_path / "a.nd2", noise(3, 8, 9, 1), [times(5)])
    for read in (read_images, open_scan):
        with pytest.raises(ValueError, match=r"a\.nd2 .* 5 frames, and it holds 3: .* complete"):
            read(path)
