"""One channel of images and scans, by its number or name."""

import numpy as np
import pytest
import tifffile

from sskseg.io import read_images, read_pairs, write_labels
from sskseg.io.channels import TrainedChannel, channel_index
from sskseg.io.summaries import summarize
from sskseg.scans import open_scan

VOLUME = np.arange(3 * 2 * 20 * 30, dtype=np.uint16).reshape(3, 2, 20, 30)  # z, c, y, x
OME = {"axes": "ZCYX", "Channel": {"Name": ["DAPI", "GFP"]}}


@pytest.fixture
def ome(tmp_path):
    tifffile.imwrite(tmp_path / "a.ome.tif", VOLUME, photometric="minisblack", metadata=OME)
    return tmp_path / "a.ome.tif"


@pytest.mark.parametrize("channel", [1, "1", "GFP", "gfp"])
def test_a_channel_of_ome_tiff_by_number_or_name(ome, channel):
    _, planes = read_images(ome, channel=channel)
    assert np.array_equal(planes, VOLUME[:, 1])
    _, volumes = read_images(ome, spatial_ndim=3, channel=channel)
    assert np.array_equal(volumes, VOLUME[None, :, 1])
    scan = open_scan(ome, channel=channel)
    assert (scan.axes, scan.channel) == ("zyx", 1)
    assert np.array_equal(np.asarray(scan.data), VOLUME[:, 1])
    assert np.array_equal(read_images(ome)[1][0], np.moveaxis(VOLUME[0], 0, -1))


def test_names_are_shown(ome):
    assert summarize(ome)["channels"] == {"a.ome.tif": ["DAPI", "GFP"]}
    assert open_scan(ome).channels == ("DAPI", "GFP")


def test_channels_of_imagej_have_the_labels_of_their_slices(tmp_path):
    options = {"imagej": True, "metadata": {"axes": "CYX", "Labels": ["nuclei", "actin"]}}
    tifffile.imwrite(tmp_path / "a.tif", VOLUME[0], **options)
    assert np.array_equal(read_images(tmp_path / "a.tif", channel="actin")[1][0], VOLUME[0, 1])
    options = {"imagej": True, "metadata": {"axes": "ZCYX", "Labels": list("abcdef")}}
    tifffile.imwrite(tmp_path / "b.tif", VOLUME, **options)  # labels of slices, not of channels
    assert summarize(tmp_path / "b.tif")["channels"] == {"b.tif": ["", ""]}


def test_a_color_is_a_channel(tmp_path):
    colors = np.moveaxis(np.stack([VOLUME[0, 0]] * 2 + [VOLUME[0, 1]]), 0, -1)
    tifffile.imwrite(tmp_path / "a.tif", colors, photometric="rgb")
    assert np.array_equal(read_images(tmp_path / "a.tif", channel=2)[1][0], VOLUME[0, 1])


def test_images_of_one_channel_have_the_first(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", VOLUME[0, 0])
    tifffile.imwrite(tmp_path / "b.tif", VOLUME[0], imagej=True, metadata={"axes": "CYX"})
    _, images = read_images(tmp_path, channel=0)
    assert np.array_equal(images, [VOLUME[0, 0]] * 2)
    with pytest.raises(ValueError, match=r"a\.tif .*: channel must be 0, the only one, got 1"):
        read_images(tmp_path, channel=1)
    write_labels(tmp_path / "b_labels.tif", [VOLUME[0, 0] > 9])
    assert read_pairs(tmp_path, tmp_path, channel=0)[1][1].shape == (20, 30)


@pytest.mark.parametrize("channel", [2, -1, "RFP", "2", 0.5, True])
def test_other_channels_are_refused(ome, channel):
    expected = rf"a\.ome\.tif.* from 0 to 1 or one of 'DAPI', 'GFP', got {channel!r}"
    for read in (read_images, open_scan):
        with pytest.raises(ValueError, match=expected):
            read(ome, channel=channel)


def test_a_name_of_digits_comes_before_an_index():
    assert channel_index("1", 2, ("1", "0")) == 0
    assert channel_index(1, 2, ("1", "0")) == 1


def test_case_matters_where_names_differ_in_it_alone():
    names = "Cy3", "cy3", "DAPI"
    assert [channel_index(name, 3, names) for name in ("Cy3", "cy3", "dapi")] == [0, 1, 2]
    with pytest.raises(ValueError, match=r"one of 'Cy3', 'cy3', 'DAPI', got 'CY3'"):
        channel_index("CY3", 3, names)
    trained = TrainedChannel(0, "Dapi")
    assert channel_index(trained, 3, names) == 2


def test_channels_of_one_name_have_numbers_only():
    names = "GFP", "", "GFP"
    with pytest.raises(ValueError, match="from 0 to 2, since several channels have one name, got"):
        channel_index("GFP", 3, names)
    with pytest.raises(ValueError, match=r"from 0 to 2 or one of 'GFP', got ''"):
        channel_index("", 3, names)
    assert channel_index("2", 3, names) == 2
