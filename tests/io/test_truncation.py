"""Copies that were interrupted are errors, before anything is read from them."""

import numpy as np
import pytest
import tifffile
from skimage.io import imsave

from sskseg.io import read_images, read_pairs, write_labels, write_rois
from sskseg.io.image_writing import write_image
from sskseg.io.images import read_headers
from sskseg.io.scans import open_scan

IMAGE = np.random.default_rng(0).integers(1, 200, (96, 96)).astype(np.uint8)
FORMATS = {
    "plain": {}, "strips": {"rowsperstrip": 16},
    "zlib": {"rowsperstrip": 16, "compression": "zlib"},
    "tiles": {"tile": (32, 32), "compression": "lzw"}, "pages": {"metadata": None},
    "imagej": {"imagej": True}, "ome": {"ome": True}, "bigtiff": {"bigtiff": True},
    "jpeg": {"rowsperstrip": 16, "compression": "jpeg"},
}  # fmt: skip


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("n", [1, 5])
@pytest.mark.parametrize("kind", FORMATS)
def test_truncated_tiff_files(tmp_path, kind, n, share):
    stack = np.stack([IMAGE] * n) if n > 1 else IMAGE
    file = tmp_path / "a.tif"
    tifffile.imwrite(file, stack, photometric="minisblack", **FORMATS[kind])
    read_images(file)
    content = file.read_bytes()
    file.write_bytes(content[: int(share * len(content))])
    message = r"a\.tif cannot be read as an image: .*: copy or export it again\."
    with pytest.raises(ValueError, match=message):
        read_images(file)


def test_scans_are_checked_before_they_are_read(tmp_path):
    pytest.importorskip("zarr")
    file = tmp_path / "a.tif"
    tifffile.imwrite(file, IMAGE)
    file.write_bytes(file.read_bytes()[:-200])
    with pytest.raises(
        ValueError, match=r"a\.tif cannot be read as an image: it ends .* copy or export"
    ):
        open_scan(file)
    with pytest.raises(ValueError, match="it ends before its pixels do"):
        read_headers(file)
    file.write_bytes(b"")
    with pytest.raises(ValueError, match=r"a\.tif cannot be read as an image: it is empty"):
        open_scan(file)


def test_results_are_masks_of_scans(tmp_path):
    """Unlike images, a mask may be what a model predicted."""
    pytest.importorskip("zarr")
    for i in range(2):
        write_image(tmp_path / f"a{i}.tif", 255 * (50 * i < IMAGE), 2, result="mask")
    mask = open_scan(tmp_path).data.compute()
    assert np.array_equal(mask, [255 * (IMAGE > 0), 255 * (IMAGE > 50)])


@pytest.mark.parametrize("name", ["a.tif", "a.png"])
def test_empty_files(tmp_path, name):
    (tmp_path / name).touch()
    message = rf"{name} cannot be read as an image: it is empty \(0 bytes\)\. .*: copy or export it"
    with pytest.raises(ValueError, match=message):
        read_images(tmp_path)


def test_truncated_pictures(tmp_path):
    imsave(tmp_path / "a.png", IMAGE)
    content = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=r"a\.png cannot be read as an image: .*: copy or export"):
        read_images(tmp_path)


def test_all_damaged_images_are_named(tmp_path):
    for i in range(4):
        tifffile.imwrite(tmp_path / f"a{i}.tif", IMAGE)
    for i in (1, 3):
        content = (tmp_path / f"a{i}.tif").read_bytes()
        (tmp_path / f"a{i}.tif").write_bytes(content[:-9])
    with pytest.raises(
        ValueError, match=r"a1\.tif cannot be read .* again\. Also damaged: a3\.tif\.$"
    ):
        read_images(tmp_path)


@pytest.mark.parametrize("share", [0, 0.5])
@pytest.mark.parametrize("name", ["a.tif", "a.zip", "a.geojson"])
def test_truncated_labels(tmp_path, name, share):
    for folder in ("images", "labels"):
        (tmp_path / folder).mkdir()
    tifffile.imwrite(tmp_path / "images" / "a.tif", IMAGE)
    file = tmp_path / "labels" / name
    label = np.kron(np.arange(16).reshape(4, 4), np.ones((24, 24), int))
    if name == "a.tif":
        write_labels(file, [label])
    else:
        pytest.importorskip("roifile")
        write_rois(file, label)
    content = file.read_bytes()
    file.write_bytes(content[: int(share * len(content))])
    reason = "it is empty" if share == 0 else ".+"
    message = rf"{name} cannot be read as .*: {reason}.*: copy or export it again\."
    with pytest.raises(ValueError, match=message):
        read_pairs(tmp_path / "images", tmp_path / "labels")


def test_images_in_subfolders_are_named(tmp_path):
    for day in ("day1", "day2"):
        (tmp_path / day).mkdir()
        imsave(tmp_path / day / "a.png", IMAGE)
    (tmp_path / "results").mkdir()
    imsave(tmp_path / "results" / "a.png", IMAGE)
    (tmp_path / "results" / "run.json").write_text("{}")
    places = ", ".join(str(tmp_path / day) for day in ("day1", "day2"))
    with pytest.raises(FileNotFoundError) as error:
        read_images(tmp_path)
    assert str(error.value).endswith(
        f" in {tmp_path}. Subfolders are not read, and there are some in {places}: give one of "
        "them, or move their files into one."
    )


def test_no_image_of_two_of_one_name_is_to_be_removed(tmp_path):
    for name in ("a.png", "a.tif"):
        imsave(tmp_path / name, IMAGE)
    message = r"If they show the same, move one of them into another folder; if not, rename one"
    with pytest.raises(ValueError, match=message):
        read_images(tmp_path)
