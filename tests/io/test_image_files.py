"""Image files that are not complete, sizes of pixels, and what stands beside images."""

import re
import warnings

import h5py
import numpy as np
import pytest
import tifffile
from bad_files import cut_pages, save, write

from sskseg.io import read_images, read_labels
from sskseg.scans import open_scan

STACK = np.arange(5 * 30 * 40, dtype=np.uint16).reshape(5, 30, 40) // 1200


@pytest.mark.parametrize(
    "options",
    [
        {"imagej": True, "metadata": {"axes": "ZYX"}},
        {"imagej": True, "metadata": {"axes": "ZYX"}, "compression": "zlib"},
        {"imagej": True, "metadata": {"axes": "TYX"}},
        {"compression": "zlib"},
    ],
)
def test_a_stack_of_which_pages_are_missing_is_refused(tmp_path, options, caplog):
    caplog.set_level("CRITICAL", "tifffile")
    write(tmp_path / "a.tif", STACK, **options)
    assert len(read_images(tmp_path / "a.tif")[0]) == 5
    cut_pages(tmp_path / "a.tif", 2)
    for read in (read_images, read_labels, open_scan):
        with pytest.raises(ValueError, match=r"a\.tif .* 5 images, and it holds 2"):
            read(tmp_path / "a.tif")


def test_a_stack_that_was_cut_off_is_refused(tmp_path, caplog):
    caplog.set_level("CRITICAL", "tifffile")
    write(tmp_path / "a.tif", STACK, imagej=True, metadata={"axes": "ZYX"})
    content = (tmp_path / "a.tif").read_bytes()
    (tmp_path / "a.tif").write_bytes(content[: len(content) // 2])
    for read in (read_images, read_labels, open_scan):
        with pytest.raises(ValueError, match=r"a\.tif .* 5 images, and it holds 1"):
            read(tmp_path / "a.tif")


def test_large_stacks_of_imagej_with_one_page_are_complete(tmp_path):
    write(tmp_path / "a.tif", STACK, imagej=True, metadata={"axes": "ZYX"})
    cut_pages(tmp_path / "a.tif", 1)
    assert np.array_equal(read_images(tmp_path / "a.tif")[1], STACK)
    for axes, shape in (("TZCYX", (2, 3, 2, 8, 9)), ("TYXS", (4, 8, 9, 3))):
        dtype = np.uint8 if "S" in axes else np.uint16
        write(tmp_path / "b.tif", np.zeros(shape, dtype), imagej=True, metadata={"axes": axes})
        assert len(read_images(tmp_path / "b.tif")[0]) == shape[0] * (3 if "Z" in axes else 1)


def sized_series(path, *sizes):
    with tifffile.TiffWriter(path, ome=True) as file:
        for size, unit in sizes:
            file.write(
                np.zeros((8, 9), np.uint8),
                metadata={
                    "axes": "YX", "PhysicalSizeX": size, "PhysicalSizeXUnit": unit,
                    "PhysicalSizeY": size, "PhysicalSizeYUnit": unit,
                },
            )  # fmt: skip
    return path


def test_series_of_different_sizes_of_pixels_are_warned_of(tmp_path):
    path = sized_series(tmp_path / "a.ome.tif", (0.5, "µm"), (0.25, "µm"))
    with pytest.warns(UserWarning, match=r"a\.ome\.tif: \(0\.5, 0\.5\) µm; a\.ome\.tif: \(0\.25, "):
        assert read_images(path)[1].spacing is None
    with pytest.warns(UserWarning, match="2 series"):
        assert open_scan(path).spacing == (0.5, 0.5)
    assert open_scan(f"{path}:1").spacing == (0.25, 0.25)


def test_one_size_in_two_spellings_is_equal(tmp_path):
    sized_series(tmp_path / "a.ome.tif", (250, "nm"), (0.25, "µm"))
    for name, unit in (("b", "um"), ("c", "micron"), ("d", "microns")):
        options = {"imagej": True, "resolution": (4, 4), "metadata": {"unit": unit}}
        write(tmp_path / f"{name}.tif", np.zeros((8, 9), np.uint8), **options)
    _, images = read_images(tmp_path)
    assert (images.spacing, images.unit) == ((250, 250), "nm")


def test_volumes_without_a_size_along_z_have_no_spacing(tmp_path):
    write(
        tmp_path / "a.tif", np.zeros((5, 8, 9), np.uint8), imagej=True, resolution=(2, 2),
        metadata={"axes": "ZYX", "unit": "um"},
    )  # fmt: skip
    with pytest.warns(UserWarning, match=r"a\.tif does not define the size of a pixel along z"):
        assert read_images(tmp_path / "a.tif", spatial_ndim=3)[1].spacing is None
    assert read_images(tmp_path / "a.tif")[1].spacing == (0.5, 0.5)


@pytest.mark.parametrize(
    ("resolution", "unit", "spacing"),
    [
        (20000, "CENTIMETER", (0.5, 0.5)),
        (2000, "MILLIMETER", (0.5, 0.5)),
        (2, "MICROMETER", (0.5, 0.5)),
        (28.3465, "CENTIMETER", None),
        (118.11, "CENTIMETER", None),
        (1, "CENTIMETER", None),
        (20000, "INCH", None),
        (20000, "NONE", None),
    ],
)
def test_a_resolution_in_centimeters_is_a_size(tmp_path, resolution, unit, spacing):
    write(
        tmp_path / "a.tif", np.zeros((8, 9), np.uint8), resolution=(resolution,) * 2,
        resolutionunit=unit,
    )  # fmt: skip
    _, images = read_images(tmp_path)
    assert images.spacing == pytest.approx(spacing)
    assert images.unit == (spacing and "µm")


def test_hdf5_has_the_size_of_its_elements(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["a"] = np.zeros((4, 8, 8))
        file["a"].attrs["element_size_um"] = (2.0, 0.5, 0.25)
        file["b"] = np.zeros((8, 8))
    scan = open_scan(f"{tmp_path}/a.h5:/a")
    assert (scan.spacing, scan.unit) == ((2.0, 0.5, 0.25), "µm")
    assert open_scan(f"{tmp_path}/a.h5:/b").spacing == (1, 1)


def test_files_of_other_formats_are_named(tmp_path):
    save(tmp_path / "a.png", STACK[0].astype(np.uint8))
    for name in ("notes.txt", "a.json", "a.csv", ".hidden.czi", "Thumbs.db"):
        (tmp_path / name).write_bytes(b"1")
    for read in (read_images, read_labels):
        assert read(tmp_path)[0] == ["a"]
    for name in ("b.webp", "c.nii", "d.mha", "e.npy", "f.GIF"):
        (tmp_path / name).write_bytes(b"1")
    for read in (read_images, read_labels):
        with pytest.warns(UserWarning, match=r"b\.webp, c\.nii, d\.mha and 2 more") as told:
            assert read(tmp_path)[0] == ["a"]
        assert len(told) == 1
    (tmp_path / "a.png").unlink()
    for read in (read_images, read_labels):
        with pytest.raises(FileNotFoundError, match=r"b\.webp, c\.nii, d\.mha and 2 more"):
            read(tmp_path)


def test_masks_of_cellpose_are_no_images(tmp_path):
    save(tmp_path / "a.png", STACK[0].astype(np.uint8))
    np.save(tmp_path / "a_seg.npy", {"masks": np.eye(8, dtype=np.uint16)})
    assert read_images(tmp_path)[0] == ["a"]
    names, labels = read_labels(tmp_path)
    assert names == ["a"]
    assert np.array_equal(labels[0], np.eye(8))


def test_outlines_and_flows_of_cellpose_are_no_images(tmp_path):
    for folder, names in (
        ("both", ["a.tif", "a_cp_masks.png", "a_cp_outlines.png", "a_flows.tif", "b.tif"]),
        ("masks", ["a_cp_masks.png", "a_cp_outlines.png", "a_flows.tif"]),
    ):
        (tmp_path / folder).mkdir()
        for name in names:
            pixels = np.zeros((8, 9), np.uint8)
            (save if name.endswith("png") else write)(tmp_path / folder / name, pixels)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_images(tmp_path / "both")[0] == ["a", "b"]
        assert read_labels(tmp_path / "both")[0] == ["a"]
        assert read_labels(tmp_path / "masks", ["a"])[1][0].shape == (8, 9)


def test_stacks_of_a_folder_have_a_gap_between_them(tmp_path):
    for name, n in (("a", 1), ("b", 1), ("c", 3), ("d", 2), ("e", 1), ("f", 1)):
        tifffile.imwrite(
            tmp_path / f"{name}.tif", np.zeros((n, 8, 8), np.uint8), photometric="minisblack"
        )
    _, X = read_images(tmp_path)
    assert X.positions.tolist() == [0, 1, 3, 4, 5, 7, 8, 10, 11]
    for name in "ab":  # one stack
        (tmp_path / f"{name}.tif").rename(tmp_path / f"{name}.tif.old")
    _, one = read_images(tmp_path / "c.tif")
    assert one.positions is None
    for name in "cd":
        (tmp_path / f"{name}.tif").unlink()
    _, single = read_images(tmp_path)
    assert single.positions is None


@pytest.mark.parametrize(
    ("axes", "positions"),
    [
        ("TZYX", [0, 1, 2, 4, 5, 6]), ("ZTYX", [0, 1, 2, 4, 5, 6]), ("TYX", None), ("ZCYX", None),
        ("ZYX", None),
    ],
)  # fmt: skip
def test_times_of_volumes_are_stacks(tmp_path, axes, positions):
    """Sections of one time follow each other, whatever the order in the file is."""
    shape = [{"T": 2, "Z": 3, "C": 2}.get(axis, 8) for axis in axes]
    pixels = np.zeros(shape, np.uint8)
    for i, axis in enumerate(axes[:2]):
        numbers = {"T": 10, "Z": 1}.get(axis, 0) * np.arange(shape[i])
        pixels += numbers.reshape([-1 if k == i else 1 for k in range(len(shape))]).astype(np.uint8)
    tifffile.imwrite(
        tmp_path / "a.tif", pixels, photometric="minisblack", metadata={"axes": axes}, ome=True
    )
    _, X = read_images(tmp_path / "a.tif")
    assert (None if X.positions is None else X.positions.tolist()) == positions
    if positions is not None:
        assert [int(image[0, 0]) for image in X] == [0, 1, 2, 10, 11, 12]


def test_scans_are_no_image_files(tmp_path):
    zarr = pytest.importorskip("zarr")
    group = zarr.open_group(tmp_path / "scan.zarr", mode="w")
    group.create_array("0", data=np.zeros((8, 8), np.uint8))
    with h5py.File(tmp_path / "scan.h5", "w") as file:
        file["data"] = np.zeros((8, 8), np.uint8)
    for name in ("scan.zarr", "scan.zarr:/0", "scan.zarr/0", "scan.h5"):
        with pytest.raises(ValueError, match="is a scan and no file of images: count it with"):
            read_images(f"{tmp_path}/{name}")
    with pytest.raises(FileNotFoundError, match=r"No image file at .*other\.h5"):
        read_images(tmp_path / "other.h5")


def test_images_in_subfolders_beside_others_are_warned_of(tmp_path):
    pixels = np.zeros((8, 9), np.uint8)
    for name in ("a.tif", "b.tif", "labels/a.tif", "masks/b_mask.tif", "pages/a_0003.tif"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        tifffile.imwrite(tmp_path / name, pixels)
    (tmp_path / "result").mkdir()
    tifffile.imwrite(tmp_path / "result" / "x.tif", pixels)
    (tmp_path / "result" / "run.json").write_text("{}")
    (tmp_path / ".hidden").mkdir()
    tifffile.imwrite(tmp_path / ".hidden" / "x.tif", pixels)
    assert read_images(tmp_path)[0] == ["a", "b"]  # without a warning
    (tmp_path / "day 2").mkdir()
    tifffile.imwrite(tmp_path / "day 2" / "c.TIF", pixels)
    expected = f"{tmp_path} has images, which are read, and subfolders with others, which are not: "
    with pytest.warns(UserWarning, match=re.escape(f"{expected}{tmp_path / 'day 2'}. Give one of")):
        assert read_images(tmp_path)[0] == ["a", "b"]
