"""Copies that were interrupted are errors, before anything is read from them."""

import numpy as np
import pytest
import tifffile
from bad_files import ome_set
from skimage.io import imsave

from sskseg.io import read_images, read_labels, read_pairs, write_labels, write_rois
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


def cut(file, n):
    """Remove the last bytes of a file."""
    file.write_bytes(file.read_bytes()[:-n])


def strips(file, **options):
    """Write an image of 6 strips, whose pixels are the end of the file; return its tags."""
    tifffile.imwrite(file, IMAGE, rowsperstrip=16, contiguous=False, **options)
    with tifffile.TiffFile(file) as opened:
        return {tag.name: tag for tag in opened.pages[0].tags}


def overwrite(file, tag, values):
    content = bytearray(file.read_bytes())
    values = np.array(values, {3: "<u2", 4: "<u4"}[int(tag.dtype)])
    content[tag.valueoffset : tag.valueoffset + values.nbytes] = values.tobytes()
    file.write_bytes(content)


@pytest.mark.parametrize("kind", ["zlib", "lzw", "packbits"])
def test_sizes_of_strips_may_be_too_large(tmp_path, kind):
    file = tmp_path / "a.tif"
    tag = strips(file, compression=kind)["StripByteCounts"]
    overwrite(file, tag, [*tag.value[:-1], tag.value[-1] + 3])
    read_headers(file)
    assert np.array_equal(read_images(file)[1][0], IMAGE)
    for n in (9, 20):
        cut(file, n)
        with pytest.raises(
            ValueError, match=r"a\.tif cannot be read as an image: .*: copy or export"
        ):
            read_images(file)


def test_pixels_that_a_decoder_would_make_up(tmp_path):
    file = tmp_path / "a.tif"
    strips(file, compression="jpeg")
    cut(file, 20)
    with pytest.raises(ValueError, match="it ends before its pixels do"):
        read_headers(file)


def test_scans_that_end_in_their_last_strip_are_named(tmp_path):
    pytest.importorskip("zarr")
    file = tmp_path / "a.tif"
    strips(file, compression="zlib")
    cut(file, 9)
    scan = open_scan(file)
    assert np.array_equal(scan.data[:16].compute(), IMAGE[:16])
    with pytest.raises(ValueError, match=r"a\.tif cannot be read as an image: .*: copy or export"):
        scan.data.compute()


def test_strips_in_any_order(tmp_path):
    file = tmp_path / "a.tif"
    tag = strips(file)["StripOffsets"]
    overwrite(file, tag, tag.value[::-1])
    expected = np.concatenate(np.split(IMAGE, 6)[::-1])
    assert np.array_equal(read_images(file)[1][0], expected)


def test_tiles_that_are_not_there_are_zeros(tmp_path):
    file = tmp_path / "a.tif"
    tiles = (None if i % 2 else np.full((32, 32), 3, np.uint8) for i in range(4))
    tifffile.imwrite(file, tiles, shape=(64, 64), dtype=np.uint8, tile=(32, 32), compression="zlib")
    expected = np.repeat([[3, 0]], [32, 32], axis=1) + np.zeros((64, 1))
    assert np.array_equal(read_images(file)[1][0], expected)


def test_pages_that_were_appended(tmp_path):
    file = tmp_path / "a.tif"
    for i in range(3):
        tifffile.imwrite(file, IMAGE + i, append=True)
    assert [image[0, 0] - IMAGE[0, 0] for image in read_images(file)[1]] == [0, 1, 2]


def test_pyramids(tmp_path):
    file = tmp_path / "a.ome.tif"
    with tifffile.TiffWriter(file) as writer:
        writer.write(IMAGE, subifds=1, tile=(32, 32), compression="zlib")
        writer.write(IMAGE[::2, ::2], subfiletype=1, tile=(32, 32), compression="zlib")
    assert np.array_equal(read_images(file)[1][0], IMAGE)


@pytest.mark.parametrize("kind", [{"imagej": True}, {"ome": True}])
def test_where_the_next_page_would_be_matters_only_if_pages_are_missing(tmp_path, kind):
    file = tmp_path / "a.tif"
    stack = np.stack([IMAGE, IMAGE + 1])
    tifffile.imwrite(file, stack, photometric="minisblack", compression="zlib", **kind)
    with tifffile.TiffFile(file) as opened:
        page = opened.pages[1]
        at = page.offset + 2 + 12 * len(page.tags)
    content = bytearray(file.read_bytes())
    assert content[at : at + 4] == bytes(4)
    content[at : at + 4] = b"\xcd" * 4
    file.write_bytes(content)
    assert read_headers(file)[0].shape == (2, 96, 96)


def test_frames_without_headers_of_their_own(tmp_path):
    """Of more than 2 GB (here mostly a hole), ScanImage has frames that it gives no position."""
    file = tmp_path / "a.tif"
    with tifffile.TiffWriter(file) as writer:
        for _ in range(5):
            writer.write(
                np.ones((1024, 1024), np.uint16), metadata=None, contiguous=False,
                description="state.configPath = ''\rstate.acq.x=1",
            )  # fmt: skip
    with file.open("r+b") as opened:
        opened.truncate(2**31 + 2**22)
    (header,) = read_headers(file)
    assert header.shape == (1025, 1024, 1024)


def test_of_two_files_of_an_ome_tiff_the_one_that_is_cut_is_named(tmp_path):
    ome_set(tmp_path, 2)
    assert read_headers(tmp_path / "z0.ome.tif")[0].shape == (2, 32, 32)
    cut(tmp_path / "z1.ome.tif", 500)
    message = r"z0\.ome\.tif cannot be read as an image: its part z1\.ome\.tif ends before"
    for read in (read_headers, read_images):
        with pytest.raises(ValueError, match=message):
            read(tmp_path / "z0.ome.tif")


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
        write_image(tmp_path / f"a{i}.tif", 255 * (50 * i < IMAGE), "YX", result="mask")
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


def test_a_page_and_a_file_of_one_name_are_refused(tmp_path):
    """The results of one would take the place of those of the other."""
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((3, 8, 8), np.uint8), photometric="minisblack")
    tifffile.imwrite(tmp_path / "a_0003.tif", np.ones((8, 8), np.uint8))
    assert read_images(tmp_path)[0] == ["a_0000", "a_0001", "a_0002", "a_0003"]
    (tmp_path / "a_0003.tif").rename(tmp_path / "a_0001.tif")
    for read in (read_images, read_labels):
        with pytest.raises(ValueError, match=r"a(_0001)?.tif and .*tif have one name, 'a_0001',"):
            read(tmp_path)


@pytest.mark.parametrize("name", ["a.tif", "a.png"])
@pytest.mark.parametrize(
    ("error", "expected", "reason"),
    [
        (PermissionError(13, "Permission denied"), PermissionError, "[Errno 13] Permission denied"),
        (OSError(5, "Input/output error"), OSError, "[Errno 5] Input/output error"),
        (MemoryError(), MemoryError, "MemoryError"),
        (ImportError("no decoder"), ImportError, "no decoder"),
        (ValueError("<LZW> requires the 'imagecodecs' package"), ImportError,
         "<LZW> requires the 'imagecodecs' package"),
    ],
    ids=["permission", "disk", "memory", "library", "imagecodecs"],
)  # fmt: skip
def test_what_is_no_fault_of_the_file_is_not_called_damage(
    tmp_path, monkeypatch, name, error, expected, reason
):
    file = tmp_path / name
    imsave(file, IMAGE)

    def fail(*_, **__):
        raise error

    for function in ("tiff.read_tiff", "tiff.tiff_headers", "rasters.read_raster"):
        monkeypatch.setattr(f"sskseg.io.images.{function}", fail)
    for read in (read_images, read_headers):
        with pytest.raises(expected) as found:
            read(file)
        assert str(found.value) == f"{file} cannot be read as an image: {reason}."


def test_missing_parts_have_one_advice(tmp_path):
    ome_set(tmp_path, 1)
    with pytest.raises(ValueError, match=r"Put all of them into one folder, with their names\.$"):
        read_headers(tmp_path / "z0.ome.tif")
