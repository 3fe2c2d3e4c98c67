"""Every format opens as the same lazy array, with its axes, spacing and unit."""

import json

import cloudpickle
import h5py
import numpy as np
import pytest
import tifffile
import zarr

from sskseg.scans import open_scan


@pytest.fixture
def volume():
    return np.random.default_rng(0).integers(0, 255, (5, 30, 40)).astype(np.uint8)


def opened(path, expected, **options):
    scan = open_scan(path, **options)
    traveled = cloudpickle.loads(cloudpickle.dumps(scan))
    for each in (scan, traveled):
        assert np.array_equal(each.data.compute(scheduler="synchronous"), expected)
        assert np.array_equal(each.data[1:3, 7:9].compute(scheduler="threads"), expected[1:3, 7:9])
    assert scan.data.dtype == expected.dtype
    return scan


def test_zarr(volume, tmp_path):
    zarr.save_array(tmp_path / "a.zarr", volume)
    scan = opened(tmp_path / "a.zarr", volume)
    assert (scan.axes, scan.spacing, scan.unit) == ("zyx", (1.0, 1.0, 1.0), None)
    zarr.save_group(tmp_path / "g.zarr", data=volume)
    opened(tmp_path / "g.zarr", volume)
    opened(f"{tmp_path}/g.zarr:/data", volume)


def test_axes_that_arrays_of_zarr_name(volume, tmp_path):
    image = np.stack([volume, volume + 1])
    names = ["channel", "z", "y", "x"]
    zarr.create_array(tmp_path / "three.zarr", data=image, dimension_names=names)
    two = zarr.create_array(tmp_path / "two.zarr", data=image, zarr_format=2)
    two.attrs["_ARRAY_DIMENSIONS"] = names
    for name in ("three", "two"):
        scan = opened(tmp_path / f"{name}.zarr", np.moveaxis(image, 0, -1))
        assert scan.axes == "zyxc"
    zarr.create_array(tmp_path / "dims.zarr", data=volume, dimension_names=["dim_0", "y", "x"])
    assert opened(tmp_path / "dims.zarr", volume).axes == "zyx"


@pytest.mark.parametrize("version", [2, 3])
def test_ome_zarr(volume, tmp_path, version):
    root = zarr.open_group(tmp_path / "o.zarr", mode="w", zarr_format=version)
    image = np.stack([volume, volume + 1])[None]  # t, c, z, y, x
    for level, step in enumerate((1, 2)):
        data = image[..., ::step, ::step]
        array = root.create_array(
            str(level), shape=data.shape, dtype=data.dtype, chunks=(1, 1, 5, 16, 16)
        )
        array[:] = data
    axes = [{"name": name, "type": "space", "unit": "micrometer"} for name in "tczyx"]
    sets = [
        {"path": str(i), "coordinateTransformations": [
            {"type": "scale", "scale": [1, 1, 2.0, 0.5 * s, 0.5 * s]}]}
        for i, s in enumerate((1, 2))
    ]  # fmt: skip
    whole = [{"type": "scale", "scale": [1, 1, 1, 3.0, 3.0]}]
    axes[2]["unit"] = "nanometer"
    pyramid = [{"axes": axes, "datasets": sets, "coordinateTransformations": whole}]
    attributes = {"multiscales": pyramid, "omero": {"channels": [{"label": "NMJ"}, {}]}}
    root.attrs.update(attributes if version == 2 else {"ome": attributes})
    expected = np.moveaxis(image[0], 0, -1)
    scan = opened(tmp_path / "o.zarr", expected)
    assert (scan.axes, scan.unit, scan.channels) == ("zyxc", "micrometer", ("NMJ", ""))
    assert np.allclose(scan.spacing, (0.002, 1.5, 1.5))
    chosen = opened(tmp_path / "o.zarr", expected[..., 0], channel="nmj")
    assert (chosen.axes, chosen.channel) == ("zyx", 0)
    coarse = opened(tmp_path / "o.zarr", expected[:, ::2, ::2], level=1)
    assert np.allclose(coarse.spacing, (0.002, 3.0, 3.0))
    for place in (tmp_path / "o.zarr" / "1", f"{tmp_path}/o.zarr:/1"):  # the array of that level
        same = opened(place, expected[:, ::2, ::2])
        assert (same.axes, same.channels) == (coarse.axes, coarse.channels)
        assert (same.spacing, same.unit) == (coarse.spacing, coarse.unit)
    with pytest.raises(ValueError, match="level must be from 0 to 1, got 2"):
        open_scan(tmp_path / "o.zarr", level=2)


def test_axes_that_hdf5_names(volume, tmp_path):
    image = np.stack([volume, volume + 1])
    tags = {"axes": [{"key": letter, "typeFlags": 2} for letter in "czyx"]}
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["ilastik"] = file["labels"] = image
        file["ilastik"].attrs["axistags"] = json.dumps(tags)
        for axis, letter in zip(file["labels"].dims, "czyx", strict=True):
            axis.label = letter
    for name in ("ilastik", "labels"):
        scan = opened(f"{tmp_path}/a.h5:/{name}", np.moveaxis(image, 0, -1))
        assert scan.axes == "zyxc"


def test_hdf5(volume, tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("deep/data", data=volume, chunks=(2, 16, 16))
    opened(tmp_path / "a.h5", volume)
    with h5py.File(tmp_path / "a.h5", "a") as file:
        file["other"] = volume
    opened(f"{tmp_path}/a.h5:/deep/data", volume, spacing=(2, 1, 1))
    with pytest.raises(ValueError, match=r"holds the datasets \['deep/data', 'other'\]; name one"):
        open_scan(tmp_path / "a.h5")


@pytest.mark.parametrize("options", [{}, {"tile": (16, 16)}, {"bigtiff": True}], ids=str)
def test_tiff(volume, tmp_path, options):
    tifffile.imwrite(tmp_path / "a.tif", volume, photometric="minisblack", **options)
    scan = opened(tmp_path / "a.tif", volume)
    assert scan.axes == "zyx"


def test_ome_tiff(volume, tmp_path):
    image = np.stack([volume, volume + 1], axis=1)
    tifffile.imwrite(
        tmp_path / "a.ome.tif", image, photometric="minisblack",
        metadata={"axes": "ZCYX", "PhysicalSizeX": 0.3, "PhysicalSizeY": 0.4, "PhysicalSizeZ": 2.0,
                  "PhysicalSizeXUnit": "nm", "PhysicalSizeYUnit": "nm"},
    )  # fmt: skip
    scan = opened(tmp_path / "a.ome.tif", np.moveaxis(image, 1, -1))
    assert (scan.axes, scan.unit) == ("zyxc", "nm")
    assert np.allclose(scan.spacing, (2000.0, 0.4, 0.3))  # of z in micrometers


def test_units_that_are_not_known(volume, tmp_path):
    tifffile.imwrite(
        tmp_path / "a.ome.tif", volume, photometric="minisblack",
        metadata={"axes": "ZYX", "PhysicalSizeX": 0.3, "PhysicalSizeZ": 2.0,
                  "PhysicalSizeXUnit": "pixel", "PhysicalSizeZUnit": "nm"},
    )  # fmt: skip
    with pytest.raises(
        ValueError, match=r"has pixels of 2.0 nm along z; expected a positive size in pixel: give"
    ):
        open_scan(tmp_path / "a.ome.tif")
    scan = open_scan(tmp_path / "a.ome.tif", spacing=np.array([2, 1, 1]))
    assert (scan.spacing, scan.unit) == ((2.0, 1.0, 1.0), None)


def test_one_unit_for_all(volume, tmp_path):
    metadata = {"axes": "ZYX", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5, "PhysicalSizeZ": 2.0}
    tifffile.imwrite(tmp_path / "a.ome.tif", volume, photometric="minisblack", metadata=metadata)
    scan = open_scan(tmp_path / "a.ome.tif", unit="nanometer")
    assert np.allclose(scan.spacing, (2000, 500, 500))
    with pytest.raises(
        ValueError, match="has pixels of 2.0 µm along z; expected a positive size in furlong"
    ):
        open_scan(tmp_path / "a.ome.tif", unit="furlong")
    metadata = {"axes": "ZYX", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5}
    tifffile.imwrite(tmp_path / "b.ome.tif", volume, photometric="minisblack", metadata=metadata)
    with pytest.warns(UserWarning, match="does not define the size of a pixel along z: 1 is"):
        assert open_scan(tmp_path / "b.ome.tif").spacing == (1.0, 0.5, 0.5)


def test_pixels_of_the_first_of_several_images(volume, tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.ome.tif") as file:
        for image, size in ((volume, 0.25), (volume[0, ::2, ::2], 8.0)):
            metadata = {"axes": "ZYX"[-image.ndim :]}
            metadata |= {f"PhysicalSize{a}": size for a in metadata["axes"]}
            file.write(image, photometric="minisblack", metadata=metadata)
    with pytest.warns(UserWarning, match=r"holds 2 series .* as a\.ome\.tif:1"):
        scan = opened(tmp_path / "a.ome.tif", volume)
    assert scan.spacing == (0.25, 0.25, 0.25)
    second = open_scan(f"{tmp_path / 'a.ome.tif'}:1")
    assert np.array_equal(second.data.compute(), volume[0, ::2, ::2])


def test_tiff_of_imagej(volume, tmp_path):
    options = {"imagej": True, "resolution": (4.0, 2.0)}
    metadata = {"axes": "ZYX", "unit": "\\u00B5m", "spacing": 3.0}
    tifffile.imwrite(tmp_path / "a.tif", volume, metadata=metadata, **options)
    scan = opened(tmp_path / "a.tif", volume)
    assert (scan.spacing, scan.unit) == ((3.0, 0.5, 0.25), "µm")
    tifffile.imwrite(tmp_path / "c.tif", volume, metadata={**metadata, "zunit": "mm"}, **options)
    assert np.allclose(open_scan(tmp_path / "c.tif").spacing, (3000.0, 0.5, 0.25))
    tifffile.imwrite(tmp_path / "b.tif", volume, metadata={"axes": "ZYX"}, **options)
    assert open_scan(tmp_path / "b.tif").spacing == (1.0, 1.0, 1.0)


def test_a_folder_of_sections_in_the_order_of_their_numbers(volume, tmp_path):
    for i, section in enumerate(volume):
        tifffile.imwrite(tmp_path / f"s{i * 5}.tif", section)
    opened(tmp_path, volume)
    last = f"s{len(volume) * 5}.tif"
    tifffile.imwrite(tmp_path / last, volume[0, :5])
    with pytest.raises(ValueError, match=rf"{last} has shape \(5, 40\), the first section"):
        open_scan(tmp_path).data.compute()


@pytest.mark.parametrize(
    "options", [{"zarr_format": 2}, {"zarr_format": 3}, {"shards": (4, 20, 40)}]
)
def test_zarr_of_both_formats_and_with_shards(volume, tmp_path, options):
    zarr.create_array(tmp_path / "a.zarr", data=volume, chunks=(2, 10, 20), **options)
    opened(tmp_path / "a.zarr", volume)


@pytest.fixture
def n_read(monkeypatch):
    """Bytes that tifffile has read, as a list of one number."""
    total = [0]

    def read(self, *arguments, original=tifffile.FileHandle.read):
        found = original(self, *arguments)
        total[0] += len(found)
        return found

    monkeypatch.setattr(tifffile.FileHandle, "read", read)
    return total


@pytest.mark.parametrize(
    ("names", "missing"),
    [
        (("s_001", "s_002", "s_004"), "3"),
        (("s_1", "s_9", "s_10"), "2, 3, 4, 5, 6 and 2 more"),
        (("a2_s10.ome", "a2_s20.ome", "a2_s40.ome"), "30"),
        (("s_1", "s_4", "s_99999999999999999999"), "2, 3, 5, 6, 7 and 99999999999999999991 more"),
        (("s_1", "s_2", "s_3"), None),
        (("s_10", "s_20", "s_30"), None),
        (("a", "c"), None),
        (("a1_c1", "a2_c3"), None),  # two numbers: unknown which one is that of the section
    ],
)
def test_missing_sections_are_named(tmp_path, names, missing, recwarn):
    for i, name in enumerate(names):
        tifffile.imwrite(tmp_path / f"{name}.tif", np.full((4, 5), i, np.uint8), metadata=None)
    scan = open_scan(tmp_path)
    assert scan.data[:, 0, 0].compute().tolist() == [*range(len(names))]
    found = [str(warning.message) for warning in recwarn]
    start = f"{tmp_path} has no section {missing}, by the numbers in the names of its files: "
    assert len(found) == (missing is not None)
    assert all(text.startswith(start) for text in found)


STORED = (
    {}, {"compression": "zlib", "tile": (16, 32)}, {"compression": "zlib", "rowsperstrip": 8},
    {"bigtiff": True, "byteorder": ">"},
)  # fmt: skip


@pytest.mark.parametrize("options", STORED)
@pytest.mark.parametrize("channels", [(), (3,)])
def test_a_block_reads_its_part_of_sections(tmp_path, n_read, monkeypatch, options, channels):
    volume = np.random.default_rng(0).integers(0, 2**16, (4, 200, 300, *channels), dtype=np.uint16)
    photometric = "rgb" if channels else "minisblack"
    for i, section in enumerate(volume):
        tifffile.imwrite(tmp_path / f"{i}.tif", section, photometric=photometric, **options)
    scan = open_scan(tmp_path)
    assert scan.axes == "zyx" + "c" * len(channels)
    assert np.array_equal(scan.data.compute(), volume)
    n_read[0] = 0
    monkeypatch.setattr("sskseg.io.scans.sections._section", None)  # reads whole sections
    part = scan.data[1:3, 90:100, 150:160].compute(scheduler="synchronous")
    assert np.array_equal(part, volume[1:3, 90:100, 150:160])
    assert n_read[0] < 0.15 * volume[1:3].nbytes
    assert np.array_equal(scan.data[2, ::3, 5].compute(), volume[2, ::3, 5])


@pytest.mark.parametrize("axes", ["ZYX", "CZYX"])
def test_a_block_reads_its_part_of_a_stack(tmp_path, n_read, axes):
    shape = (2, 4, 200, 300)[-len(axes) :]
    volume = np.random.default_rng(0).integers(0, 2**16, shape, dtype=np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", volume, photometric="minisblack", metadata={"axes": axes})
    scan = open_scan(tmp_path / "a.tif")
    n_read[0] = 0
    part = scan.data[1:3, 90:100, 150:160].compute(scheduler="synchronous")
    expected = np.moveaxis(volume, 0, -1) if axes[0] == "C" else volume
    assert np.array_equal(part, expected[1:3, 90:100, 150:160])
    assert n_read[0] < 0.15 * volume.nbytes


_CHANGED_BY_READING = {
    "white": {"photometric": "miniswhite"},
    "turned": {"extratags": [(274, "H", 1, 3, True)]},
    "transposed": {"extratags": [(274, "H", 1, 6, True)]},
    "colors": {"photometric": "palette",
               "colormap": np.random.default_rng(1).integers(0, 2**16, (3, 256), np.uint16)},
}  # fmt: skip


@pytest.mark.parametrize("kind", _CHANGED_BY_READING)
def test_pixels_that_reading_changes_are_those_of_read_images(tmp_path, kind):
    from sskseg.io import read_images

    section = np.random.default_rng(0).integers(0, 255, (20, 30), dtype=np.uint8)
    for i in range(2):
        tifffile.imwrite(tmp_path / f"{i}.tif", section, **_CHANGED_BY_READING[kind])
    expected = np.stack(list(read_images(tmp_path)[1]))
    if kind == "white":
        assert np.array_equal(expected[0], 255 - section)
    if kind == "transposed":
        assert np.array_equal(expected[0], np.rot90(section, -1))
    channels = "c" if kind == "colors" else ""
    for path, pixels, axes in (
        (tmp_path, expected, "zyx"),
        (tmp_path / "1.tif", expected[1], "yx"),
    ):
        scan = open_scan(path, chunks=8)
        assert scan.axes == axes + channels
        assert scan.data.dtype == pixels.dtype
        assert np.array_equal(scan.data.compute(), pixels)
        part = (-1,) * (len(axes) - 2) + (slice(3, 9), slice(4, 18))
        assert np.array_equal(scan.data[part].compute(), pixels[part])


def test_a_volume_and_a_pyramid_with_0_as_white_are_inverted(tmp_path):
    volume = np.random.default_rng(0).integers(0, 2**16, (3, 20, 30), dtype=np.uint16)
    options = {"photometric": "miniswhite", "metadata": {"axes": "ZYX"}}
    tifffile.imwrite(tmp_path / "a.tif", volume, **options)
    assert np.array_equal(open_scan(tmp_path / "a.tif").data.compute(), 65535 - volume)
    tifffile.imwrite(
        tmp_path / "b.tif", volume, imagej=True, **options
    )  # ImageJ inverts the display
    assert np.array_equal(open_scan(tmp_path / "b.tif").data.compute(), volume)
    plane = {"photometric": "miniswhite", "tile": (16, 16)}
    with tifffile.TiffWriter(tmp_path / "c.ome.tif") as file:
        file.write(volume[0], subifds=1, **plane)
        file.write(volume[0, ::2, ::2], subfiletype=1, **plane)
    coarse = open_scan(tmp_path / "c.ome.tif", level=1).data.compute()
    assert np.array_equal(coarse, 65535 - volume[0, ::2, ::2])


def test_other_files_are_refused(volume, tmp_path):
    with pytest.raises(FileNotFoundError, match="No scan at"):
        open_scan(tmp_path / "nothing.tif")
    with pytest.raises(ValueError, match="holds no zarr and no image files"):
        open_scan(tmp_path)
    (tmp_path / "a.txt").write_text("")
    with pytest.raises(ValueError, match="is not a scan"):
        open_scan(tmp_path / "a.txt")
    zarr.save_array(tmp_path / "a.zarr", volume)
    for axes, message in (("zy", "must name each of the 3 axes"), ("tyx", "Axis 't' has length 5"),
                          ("zcy", "has the axes y and x at least")):  # fmt: skip
        with pytest.raises(ValueError, match=message):
            open_scan(tmp_path / "a.zarr", axes=axes)
    for spacing in ((1, 0, 1), (1, np.nan, 1), (1, 1)):
        with pytest.raises(ValueError, match="spacing must be 3 positive numbers"):
            open_scan(tmp_path / "a.zarr", spacing=spacing)
