"""Files of all vendors: missing libraries, damage, folders, scans; other formats through bioio."""

import sys
import types
import warnings
from pathlib import Path

import dask.array as da
import numpy as np
import pytest
import tifffile
from vendor_files import library, mosaic, noise, write_czi, write_lif, write_nd2

from sskseg.io import read_image, read_images, read_pairs
from sskseg.io.scans import Scan
from sskseg.io.scans.on_disk import as_box
from sskseg.io.vendors.bioio import SUFFIXES as BIOIO_SUFFIXES
from sskseg.scans import open_scan


def one_image(folder, name, pixels):
    """Write one plane of one channel in the format of a name."""
    path = folder / name
    if path.suffix == ".czi":
        return write_czi(path, [{"pixels": pixels}])
    if path.suffix == ".nd2":
        return write_nd2(path, pixels[None, ..., None])
    return write_lif(path, {"name": "plane", "pixels": pixels, "axes": "YX"})


FORMATS = [("a.czi", "pylibCZIrw", "czi"), ("a.nd2", "nd2", "nd2"), ("a.lif", "liffile", "lif")]


@pytest.mark.parametrize(("name", "package", "extra"), FORMATS)
def test_missing_libraries_are_named(tmp_path, monkeypatch, name, package, extra):
    (tmp_path / name).write_bytes(b"")
    monkeypatch.setitem(sys.modules, package, None)
    for read in (read_images, read_image, open_scan):
        message = rf'{name} needs the package {package}, .* pip install "sskseg\[{extra}\]"'
        with pytest.raises(ImportError, match=message):
            read(tmp_path / name)
    with pytest.raises(ImportError, match=name):
        read_images(tmp_path)


@pytest.mark.parametrize(("name", "package"), [row[:2] for row in FORMATS])
@pytest.mark.parametrize("damage", ["empty", "text", "half", "start", "bytes"])
def test_damaged_files_are_named(tmp_path, name, package, damage):
    library(package)
    content = one_image(tmp_path, name, noise(40, 50)).read_bytes()
    flipped = bytearray(content)
    flipped[: len(content) // 2 : 97] = bytes(len(flipped[: len(content) // 2 : 97]))
    damaged = {
        "empty": b"", "text": b"hello\n" * 500, "half": content[: len(content) // 2],
        "start": content[:40], "bytes": bytes(flipped),
    }  # fmt: skip
    (tmp_path / name).write_bytes(damaged[damage])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for read in (read_images, read_image, open_scan):
            with pytest.raises(ValueError, match=rf"{name} cannot be read as an image: .+"):
                read(tmp_path / name)


@pytest.mark.parametrize(("name", "package"), [row[:2] for row in FORMATS])
def test_files_that_are_damaged_later_are_named(tmp_path, name, package):
    library(package)
    path = one_image(tmp_path, name, noise(40, 50))
    scan = open_scan(path)
    path.write_bytes(b"nonsense")
    with pytest.raises(ValueError, match=rf"{name} cannot be read as an image"):
        scan.data.compute()


@pytest.mark.parametrize(("name", "package"), [row[:2] for row in FORMATS])
def test_folders_hold_them_with_labels_and_sections(tmp_path, name, package):
    library(package)
    sections_ = noise(3, 16, 17)
    folder = tmp_path / "images"
    folder.mkdir()
    for i, pixels in enumerate(sections_):
        one_image(folder, name.replace("a", f"s{i}"), pixels)
    names, images = read_images(folder)
    assert names == ["s0", "s1", "s2"]
    assert np.array_equal(images, sections_)
    scan = open_scan(folder)
    assert scan.axes == "zyx"
    assert np.array_equal(scan.data.compute(), sections_)
    labels = np.zeros((16, 17), np.uint8)
    labels[3:9, 4:8] = 1
    tifffile.imwrite(folder / "s1_mask.tif", labels)
    found, _, y = read_pairs(folder, folder)
    assert (found, [label is None for label in y]) == (names, [True, False, True])
    one_image(folder, name.replace("a", "s3"), noise(8, 17))
    with pytest.raises(ValueError, match=r"s3\..* has shape \(8, 17\), the first section \(16, 17"):
        open_scan(folder)


def test_the_command_line_reads_them(tmp_path, capsys):
    library("pylibCZIrw")
    from sskseg.cli import main

    write_czi(tmp_path / "a.czi", mosaic(2, 1, 1)[0], scale_x=5e-7, scale_y=5e-7)
    assert main(["info", str(tmp_path / "a.czi")]) == 0
    shown = capsys.readouterr()
    assert "a_0001" in shown.out + shown.err
    assert "shapes: 20 x 44" in shown.out + shown.err


def test_objects_of_a_czi_are_counted_as_in_memory(tmp_path, pipeline, cells):
    library("pylibCZIrw")
    from sskseg.scans import count_scan

    image = (np.clip(cells[0][0], 0, 1) * 60000).astype(np.uint16)
    tiles = [{"pixels": image[:, i : i + 24], "location": (i, 0)} for i in (0, 24)]
    path = write_czi(tmp_path / "a.czi", tiles, scale_x=5e-7, scale_y=5e-7)
    array = Scan(da.from_array(image), "yx", (0.5, 0.5), "µm", "array")
    for source, name in ((path, "czi"), (array, "array")):
        result = count_scan(pipeline, source, tmp_path / name)
        assert result.table.attrs["units"]["area"] == "micrometer^2"
    tables = [(tmp_path / name / "objects.csv").read_text() for name in ("czi", "array")]
    assert tables[0] == tables[1]


@pytest.mark.parametrize(
    "region",
    [
        (slice(None),) * 3, (slice(1, 3), 4, slice(None, None, -2)), (slice(3, 3), slice(0, 9, 4)),
        2, (-1, slice(-3, None)), (slice(4, None, -3), slice(5, 2), -4), (0, 0, 0),
    ],
)  # fmt: skip
def test_regions_are_boxes_and_what_is_in_them(region):
    pixels = noise(5, 9, 11)
    box, part = as_box(region, pixels.shape)
    assert all(s.step is None and 0 <= s.start <= s.stop for s in box)
    assert np.array_equal(pixels[box][part], pixels[region])


# bioio


class Dimensions:
    def __init__(self, order):
        self.order = order


class BioImage:
    """The documented interface of bioio.BioImage, for two scenes of an Olympus file."""

    scenes = ("first", "second")
    unit = "micrometer"
    n_computed = 0

    def __init__(self, image):
        if b"bioio" not in Path(image).read_bytes():
            raise RuntimeError(f"BioImage does not support the image: {image!r}.")
        self.set_scene(0)

    def set_scene(self, scene_id):
        self.current_scene_index = scene_id

    @property
    def dims(self):
        return Dimensions("TCZYX")

    @property
    def dask_data(self):
        def read(block):
            type(self).n_computed += block.shape == (1, 1, 1, 10, 12)
            return block

        pixels = OLYMPUS[self.current_scene_index][None]
        return da.from_array(pixels, chunks=(1, 1, 1, -1, -1)).map_blocks(read, dtype=pixels.dtype)

    @property
    def shape(self):
        return self.dask_data.shape

    @property
    def dtype(self):
        return self.dask_data.dtype

    @property
    def channel_names(self):
        return ["405", "488"]

    @property
    def physical_pixel_sizes(self):
        return types.SimpleNamespace(Z=None, Y=0.5, X=0.25)

    @property
    def dimension_properties(self):
        of_axis = types.SimpleNamespace(type="space", unit=self.unit)
        return types.SimpleNamespace(T=None, C=None, Z=of_axis, Y=of_axis, X=of_axis)


OLYMPUS = noise(2, 2, 3, 10, 12)  # scene, channel, z, y, x
INTERFACE = ("scenes", "set_scene", "dims", "dask_data", "shape", "dtype", "channel_names",
             "physical_pixel_sizes", "dimension_properties")  # fmt: skip


@pytest.fixture
def oib(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "bioio", types.SimpleNamespace(BioImage=BioImage))
    monkeypatch.setattr(BioImage, "n_computed", 0)
    path = tmp_path / "a.oib"
    path.write_bytes(b"a file that bioio reads")
    return path


def test_the_fake_has_the_interface_of_bioio():
    bioio = library("bioio")
    assert [name for name in INTERFACE if not hasattr(bioio.BioImage, name)] == []


def test_other_formats_are_read_by_bioio(oib):
    names, images = read_images(oib)
    assert (names[0], names[-1]) == ("a_0000", "a_0005")
    assert np.array_equal(images, np.moveaxis(OLYMPUS, 1, -1).reshape(6, 10, 12, 2))
    assert (images.spacing, images.unit) == ((0.5, 0.25), "micrometer")
    assert read_images(oib.parent)[0] == names
    oib.with_name("b.gif").write_bytes(b"1")
    with pytest.warns(UserWarning, match=r"are left out: b\.gif\. Convert"):
        assert read_images(oib.parent)[0] == names
    BioImage.n_computed = 0
    with pytest.warns(UserWarning, match="does not define the size of a pixel along z: 1 is"):
        scan = open_scan(f"{oib}:1", chunks=(1, 1, 10, 12))
    assert (scan.axes, scan.channels, scan.unit) == ("zyxc", ("405", "488"), "micrometer")
    assert BioImage.n_computed == 0
    part = scan.data[2, :, 5:, 1].compute(scheduler="synchronous")
    assert np.array_equal(part, OLYMPUS[1, 1, 2, :, 5:])
    assert BioImage.n_computed == 1


def test_sizes_of_bioio_without_a_unit_have_none(oib, monkeypatch):
    monkeypatch.setattr(BioImage, "unit", None)
    assert (read_images(oib)[1].spacing, read_images(oib)[1].unit) == ((0.5, 0.25), None)
    monkeypatch.delattr(BioImage, "dimension_properties")  # as before bioio 3
    assert read_images(oib)[1].unit is None


def test_bioio_without_a_reader_and_without_bioio(oib, monkeypatch):
    oib.write_bytes(b"something else")
    hint = "pip install bioio bioio-bioformats"
    for read in (read_images, open_scan):
        with pytest.raises(ValueError, match=rf"a\.oib cannot .* does not support .* {hint}"):
            read(oib)
    monkeypatch.setitem(sys.modules, "bioio", None)
    for read in (read_images, read_image, open_scan):
        with pytest.raises(ImportError, match=rf"a\.oib needs the package bioio .*\.oib: {hint}"):
            read(oib)


def test_beside_images_that_are_read_without_it_bioio_is_not_asked(oib):
    tifffile.imwrite(oib.with_name("b.tif"), noise(8, 9))
    with pytest.warns(UserWarning, match=r"files that cannot be read, and are left out: a\.oib"):
        assert read_images(oib.parent)[0] == ["b"]


def test_no_suffix_has_two_readers():
    from sskseg.io import rasters, tiff, vendors
    from sskseg.io.scans import hdf5

    every = [*tiff.SUFFIXES, *rasters.SUFFIXES, *hdf5.SUFFIXES, *vendors.SUFFIXES, *BIOIO_SUFFIXES]
    assert len(every) == len(set(every))
