"""Files as people have them, and what the readers make of them; `test_bad_inputs` lists both.

Each file is written by another program's library, with the fault or the convention that its row
names.
"""

import struct
import tempfile
import warnings
from pathlib import Path

import h5py
import imagecodecs
import numpy as np
import pandas as pd
import tifffile
import zarr
from PIL import Image
from scipy import ndimage

from sskseg.io import read_images, read_labels, read_points, write_labels
from sskseg.io.storage import open_storage
from sskseg.scans import open_scan
from sskseg.scans.shards import Shard, ShardGroup
from sskseg.scans.store import Store

FILES = []  # (section, what it is, read, write)


def file(section, what, read):
    """Add a row; the decorated function writes into a folder and returns the path to read."""

    def add(write):
        FILES.append((section, what, read, write))
        return write

    return add


def squares(n=6, side=32):
    """`n` objects of 6 x 6 pixels, numbered from 1."""
    y = np.zeros((side, side), np.int32)
    for i in range(n):
        row, column = divmod(i, side // 10)
        y[10 * row + 2 : 10 * row + 8, 10 * column + 2 : 10 * column + 8] = i + 1
    return y


def picture(dtype=np.uint8):
    return (40 + 100 * (squares() > 0) + np.arange(32) % 7).astype(dtype)


def labels_of(path):
    """Read labels for the images that stand beside them."""
    names, _ = read_images(path / "images")
    return read_labels(path / "labels", names)


def pair(folder, *names):
    """Write one image; return the path of a label file in the folder beside it."""
    for part in ("images", "labels"):
        (folder / part).mkdir(exist_ok=True)
    Image.fromarray(picture()).save(folder / "images" / "a.png")
    return [folder / "labels" / name for name in names]


def save(path, pixels, **options):
    Image.fromarray(pixels).save(path, **options)
    return path


def write(path, pixels, **options):
    tifffile.imwrite(path, pixels, **options)
    return path


def cut_pages(path, n):
    """Cut a TIFF file after `n` pages, as if it was not copied to its end."""
    with tifffile.TiffFile(path) as opened:
        order, at = opened.byteorder, opened.pages[n - 1].offset
    content = bytearray(path.read_bytes())
    (tags,) = struct.unpack(f"{order}H", content[at : at + 2])
    content[at + 2 + 12 * tags : at + 6 + 12 * tags] = bytes(4)  # no next page
    path.write_bytes(content)
    return path


# Labels

AT = "Label files (`read_labels`)"


@file(AT, "palette PNG", read_labels)
def _(folder):
    image = Image.fromarray(squares().astype(np.uint8))
    image.putpalette(bytes.fromhex("000000 00c800 0000ff 800000 808000 005ac8 c8005a"))
    image.save(folder / "a.png")
    return folder / "a.png"


@file(AT, "palette TIFF", read_labels)
def _(folder):
    colors = np.random.default_rng(0).integers(0, 2**16, (3, 256)).astype(np.uint16)
    return write(
        folder / "a.tif", squares().astype(np.uint8), photometric="palette", colormap=colors
    )


def colored(alpha=False):
    colors = np.random.default_rng(1).integers(1, 255, (7, 3)).astype(np.uint8)
    colors[0] = 0
    image = colors[squares()]
    return np.dstack([image, np.uint8(255) * (squares() > 0)]) if alpha else image


file(AT, "RGB, a color for each object", read_labels)(lambda f: save(f / "a.png", colored()))
file(AT, "RGBA, transparent background", read_labels)(lambda f: save(f / "a.png", colored(True)))
file(AT, "RGB TIFF, planar", read_labels)(
    lambda f: write(
        f / "a.tif", np.moveaxis(colored(), -1, 0), photometric="rgb", planarconfig="separate"
    )
)
file(AT, "RGB with equal channels", read_labels)(
    lambda f: save(f / "a.png", np.repeat(squares()[..., None], 3, -1).astype(np.uint8))
)
file(AT, "RGB with shades at edges", read_labels)(
    lambda f: save(f / "a.png", ndimage.gaussian_filter(colored(), (1, 1, 0)))
)
file(AT, "two channels", read_labels)(
    lambda f: write(
        f / "a.ome.tif",
        np.stack([squares(), squares()]).astype(np.uint16),
        metadata={"axes": "CYX"},
    )
)
file(AT, "mask saved as JPEG", read_labels)(
    lambda f: save(f / "a.jpg", (255 * (squares() > 0)).astype(np.uint8), quality=85)
)
file(AT, "mask resized with interpolation", read_labels)(
    lambda f: save(
        f / "a.png", np.rint(ndimage.zoom(255.0 * (squares() > 0), 0.7, order=1)).astype(np.uint8)
    )
)
file(AT, "bilevel PNG", read_labels)(lambda f: save(f / "a.png", squares() > 0))
file(AT, "bilevel TIFF, 0 is white (MinIsWhite)", read_labels)(
    lambda f: write(f / "a.tif", squares() == 0, photometric="miniswhite")
)
file(AT, "mask of ImageJ with an inverting lookup table", read_labels)(
    lambda f: write(
        f / "a.tif", (255 * (squares() > 0)).astype(np.uint8), imagej=True, photometric="miniswhite"
    )
)
file(AT, "mask of 0 and 255", read_labels)(
    lambda f: save(f / "a.png", (255 * (squares() > 0)).astype(np.uint8))
)
file(AT, "mask of 0 and 65535", read_labels)(
    lambda f: write(f / "a.tif", (65535 * (squares() > 0)).astype(np.uint16))
)
file(AT, "boolean TIFF", read_labels)(lambda f: write(f / "a.tif", squares() > 0))


def with_void(value, dtype):
    y = squares().astype(dtype)
    y[:, 28:] = value
    return y


def jpeg_numbers():
    return ndimage.zoom((40 * squares()).astype(np.uint8), 4, order=0)


def photograph():
    rng = np.random.default_rng(0)
    smooth = ndimage.gaussian_filter(rng.random((96, 96, 3)), (2, 2, 0))
    return (255 * smooth + rng.normal(0, 3, smooth.shape)).astype(np.uint8)


WHITE_AND_BLACK = np.where(squares()[..., None] == 1, np.zeros(3, np.uint8), np.uint8(255))


for dtype, name in ((np.uint8, "255"), (np.uint16, "65535"), (np.uint32, "4294967295")):
    file(AT, f"-1 that became {name}", read_labels)(
        lambda f, dtype=dtype: write(f / "a.tif", with_void(np.iinfo(dtype).max, dtype))
    )
file(AT, "mask of 0 and 1 with void 255", read_labels)(
    lambda f: save(
        f / "a.png", np.where(with_void(255, int) == 255, 255, squares() > 0).astype(np.uint8)
    )
)
file(AT, "255 objects", read_labels)(
    lambda f: save(
        f / "a.png", np.kron(np.arange(256).reshape(16, 16), np.ones((3, 3))).astype(np.uint8)
    )
)
file(AT, "70,000 objects, uint32", read_labels)(
    lambda f: write(f / "a.tif", np.arange(70000, dtype=np.uint32).reshape(280, 250))
)
file(AT, "signed with -1", read_labels)(lambda f: write(f / "a.tif", with_void(-1, np.int16)))
file(AT, "floats with whole values", read_labels)(
    lambda f: write(f / "a.tif", squares().astype(np.float32))
)
file(AT, "probabilities", read_labels)(
    lambda f: write(f / "a.tif", (0.7 * (squares() > 0)).astype(np.float32))
)
file(AT, "floats with NaN", read_labels)(
    lambda f: write(f / "a.tif", np.where(squares() > 3, np.nan, squares()).astype(np.float32))
)
file(AT, "complex numbers", read_labels)(
    lambda f: write(f / "a.tif", squares().astype(np.complex64))
)
file(AT, "some files masks of 0 and 255, others numbered", read_labels)(
    lambda f: (
        save(f / "a.png", (255 * (squares() > 0)).astype(np.uint8))
        and save(f / "b.png", squares().astype(np.uint8)).parent
    )
)
file(AT, "a mask of 0 and 255 beside a file with void 255", read_labels)(
    lambda f: (
        save(f / "a.png", (255 * (squares() > 0)).astype(np.uint8))
        and save(f / "b.png", with_void(255, np.uint8)).parent
    )
)
file(AT, "a mask of 0 and 255 beside one of 0 and 1", read_labels)(
    lambda f: (
        save(f / "a.png", (255 * (squares() > 0)).astype(np.uint8))
        and save(f / "b.png", (squares() > 0).astype(np.uint8)).parent
    )
)
file(AT, "255 in a file of 16 bits", read_labels)(
    lambda f: write(f / "a.tif", with_void(255, np.uint16))
)
file(AT, "255 only", read_labels)(lambda f: save(f / "a.png", np.full((32, 32), 255, np.uint8)))
file(AT, "of `write_labels`: numbers to 255, and -1", read_labels)(
    lambda f: (
        write_labels(f / "a.tif", [np.where(squares() == 6, 255, with_void(-1, int))])
        or f / "a.tif"
    )
)
file(AT, "of `write_labels`: a volume, `spatial_ndim=3`", lambda p: read_labels(p, spatial_ndim=3))(
    lambda f: write_labels(f / "a.tif", [np.stack([squares()] * 5)]) or f / "a.tif"
)
for zeros, options in (("zeros", {}), ("zeros, `empty='unlabeled'`", {"empty": "unlabeled"})):
    file(AT, f"12 pages, 10 of them {zeros}", lambda p, o=options: read_labels(p, **o))(
        lambda f: write(
            f / "a.tif", np.stack([squares() * (i in (2, 9)) for i in range(12)]).astype(np.uint8),
            photometric="minisblack",
        )
    )  # fmt: skip
file(AT, "4 axes without names, `spatial_ndim=3`", lambda p: read_labels(p, spatial_ndim=3))(
    lambda f: write(f / "a.tif", np.stack([[squares()] * 5] * 2))
)
file(AT, "numbers of 8 bits, 0 is white (MinIsWhite)", read_labels)(
    lambda f: write(f / "a.tif", squares().astype(np.uint8), photometric="miniswhite")
)
file(AT, "TIFF compressed by JPEG", read_labels)(
    lambda f: write(f / "a.tif", (40 * squares()).astype(np.uint8), compression="jpeg")
)
file(AT, "TIFF compressed by JPEG 2000 with losses", read_labels)(
    lambda f: write(
        f / "a.tif", (40 * squares()).astype(np.uint8), compression="jpeg2000",
        compressionargs={"level": 20},
    )
)  # fmt: skip
file(AT, "numbers resized with interpolation", read_labels)(
    lambda f: save(f / "a.png", np.rint(ndimage.zoom(1.0 * squares(), 2, order=1)).astype(np.uint8))
)
file(AT, "numbers that were saved as JPEG before", read_labels)(
    lambda f: save(f / "a.png", np.asarray(Image.open(save(f / "b.jpg", jpeg_numbers()))))
)
file(AT, "photograph, RGB", read_labels)(lambda f: save(f / "a.png", photograph()))
file(AT, "photograph, gray", read_labels)(lambda f: save(f / "a.png", photograph()[..., 0]))
file(AT, "bands with rising numbers", read_labels)(
    lambda f: save(f / "a.png", np.repeat(np.arange(1, 120, dtype=np.uint8), 10)[None])
)
file(AT, "RGB on white", read_labels)(
    lambda f: save(f / "a.png", np.where(squares()[..., None] > 0, colored(), np.uint8(255)))
)
file(AT, "RGB on white, with black", read_labels)(
    lambda f: save(f / "a.png", np.where(squares()[..., None] > 1, colored(), WHITE_AND_BLACK))
)
file(AT, "beside files of other formats", read_labels)(
    lambda f: (
        (f / "b.oib").write_bytes(b"1") and save(f / "a.png", squares().astype(np.uint8)).parent
    )
)
file(AT, "empty file", read_labels)(lambda f: (f / "a.tif").write_bytes(b"") or f / "a.tif")
file(AT, "folder without images", read_labels)(lambda f: f)

AT = "Pairs of images and labels"
for name in ("a.png", "a_mask.png", "a_masks.png", "a_cp_masks.png", "a_label.tif", "a.ome.tif"):

    @file(AT, f"`a.png` and `{name}`", labels_of)
    def _(folder, name=name):
        (path,) = pair(folder, name)
        tifffile.imwrite(path, squares().astype(np.uint16)) if "tif" in name else save(
            path, squares().astype(np.uint8)
        )
        return folder


@file(AT, "`a.png`, `a.tif`: two label files for one image", labels_of)
def _(folder):
    one, two = pair(folder, "a.png", "a.tif")
    save(one, squares().astype(np.uint8))
    tifffile.imwrite(two, squares())
    return folder


@file(AT, "`a.png` and `a_mask.png`: two label files for one image", labels_of)
def _(folder):
    for path in pair(folder, "a.png", "a_mask.png"):
        save(path, squares().astype(np.uint8))
    return folder / "labels"  # taken for an image and its mask: one label file


FILES[-1] = (*FILES[-1][:2], read_labels, FILES[-1][3])


@file(AT, "a label file without an image", labels_of)
def _(folder):
    for path in pair(folder, "a.png", "b.png"):
        save(path, squares().astype(np.uint8))
    return folder


@file(AT, "images and labels in one folder (`a.png`, `a_mask.png`)", read_images)
def _(folder):
    save(folder / "a.png", picture())
    save(folder / "a_mask.png", squares().astype(np.uint8))
    return folder


FILES.append((*FILES[-1][:1], f"{FILES[-1][1]}: their labels", read_labels, FILES[-1][3]))
file(AT, "`a.png` and `a.tif`: two images of one name", read_images)(
    lambda f: save(f / "a.png", picture()) and write(f / "a.tif", picture()).parent
)

# Images

AT = "Image files (`read_images`)"


@file(AT, "TIFF of images of two sizes", read_images)
def _(folder):
    with tifffile.TiffWriter(folder / "a.tif") as tiff:
        for side in (32, 20, 32):
            tiff.write(np.zeros((side, side), np.uint8), contiguous=False)
    return folder / "a.tif"


@file(AT, "OME-TIFF of three positions", read_images)
def _(folder):
    with tifffile.TiffWriter(folder / "a.ome.tif") as tiff:
        for _ in range(3):
            tiff.write(np.zeros((2, 32, 32), np.uint8), metadata={"axes": "CYX"})
    return folder / "a.ome.tif"


for axes, shape in (
    ("CYX", (2, 32, 32)),
    ("ZCYX", (5, 2, 32, 32)),
    ("TZCYX", (3, 5, 2, 32, 32)),
    ("TYX", (3, 32, 32)),
    ("TCYX", (3, 2, 32, 32)),
):
    file(AT, f"ImageJ {axes} {shape}", read_images)(
        lambda f, axes=axes, shape=shape: write(
            f / "a.tif", np.zeros(shape, np.uint16), imagej=True, metadata={"axes": axes}
        )
    )
for axes, shape in (
    ("CYX", (2, 32, 32)),
    ("CZYX", (2, 5, 32, 32)),
    ("TCZYX", (3, 2, 5, 32, 32)),
    ("YXS", (32, 32, 3)),
):
    file(AT, f"OME-TIFF {axes} {shape}", read_images)(
        lambda f, axes=axes, shape=shape: write(
            f / "a.ome.tif", np.zeros(shape, np.uint16), metadata={"axes": axes}
        )
    )
file(
    AT,
    "OME-TIFF ZCYX (5, 2, 32, 32), `spatial_ndim=3`",
    lambda path: read_images(path, spatial_ndim=3),
)(lambda f: write(f / "a.ome.tif", np.zeros((5, 2, 32, 32), np.uint16), metadata={"axes": "ZCYX"}))
file(AT, "one plane, `spatial_ndim=3`", lambda path: read_images(path, spatial_ndim=3))(
    lambda f: write(f / "a.tif", np.zeros((32, 32), np.uint16))
)
file(AT, "planar RGB", read_images)(
    lambda f: write(
        f / "a.tif", np.zeros((3, 32, 40), np.uint8), photometric="rgb", planarconfig="separate"
    )
)
file(AT, "pages of a plain TIFF", read_images)(
    lambda f: write(f / "a.tif", np.zeros((7, 32, 32), np.uint16))
)
file(AT, "channels last without metadata (32, 30, 2)", read_images)(
    lambda f: write(
        f / "a.tif", np.zeros((32, 30, 2), np.uint16), photometric="minisblack", metadata=None
    )
)
file(AT, "photograph turned by EXIF", read_images)(
    lambda f: save(f / "a.jpg", np.zeros((20, 32), np.uint8), exif=_turned(6))
)
file(AT, "PNG of 16-bit colors", read_images)(
    lambda f: (
        (f / "a.png").write_bytes(imagecodecs.png_encode(np.full((32, 32, 3), 4000, np.uint16)))
        and f / "a.png"
    )
)
file(AT, "gray PNG of 16 bits", read_images)(
    lambda f: save(f / "a.png", np.full((32, 32), 4000, np.uint16))
)
file(AT, "opaque RGBA", read_images)(
    lambda f: save(f / "a.png", np.full((32, 32, 4), 255, np.uint8))
)
file(AT, "0 is white (MinIsWhite)", read_images)(
    lambda f: write(f / "a.tif", np.full((32, 32), 250, np.uint8), photometric="miniswhite")
)
file(AT, "gray image with a red lookup table", read_images)(
    lambda f: write(
        f / "a.tif",
        picture(),
        photometric="palette",
        colormap=np.stack([np.arange(256) * 257, np.zeros(256), np.zeros(256)]).astype(np.uint16),
    )
)
file(AT, "LZW-compressed, 12 bits in 16", read_images)(
    lambda f: write(f / "a.tif", picture(np.uint16) * 16, compression="lzw")
)


def _turned(orientation):
    exif = Image.Exif()
    exif[274] = orientation
    return exif


OME_SET = """<?xml version="1.0" encoding="UTF-8"?><OME
xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="urn:uuid:{own}"><Image ID="Image:0">
<Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint8" SizeX="32" SizeY="32" SizeZ="2" SizeC="1"
SizeT="1"><Channel ID="Channel:0:0" SamplesPerPixel="1"/>
<TiffData IFD="0" FirstZ="0" PlaneCount="1"><UUID FileName="z0.ome.tif">urn:uuid:1</UUID></TiffData>
<TiffData IFD="0" FirstZ="1" PlaneCount="1"><UUID FileName="z1.ome.tif">urn:uuid:2</UUID></TiffData>
</Pixels></Image></OME>"""


def ome_set(folder, n):
    for i in range(n):
        write(
            folder / f"z{i}.ome.tif",
            np.full((32, 32), i + 1, np.uint8),
            description=OME_SET.format(own=i + 1),
            metadata=None,
        )
    return folder


file(AT, "OME-TIFF in two files", read_images)(lambda f: ome_set(f, 2))
file(AT, "OME-TIFF in two files, one of them missing", read_images)(lambda f: ome_set(f, 1))


@file(AT, "hidden files (`._a.tif`, `.DS_Store`, `Thumbs.db`)", read_images)
def _(folder):
    write(folder / "a.TIF", picture())
    for name in ("._a.TIF", ".DS_Store", "Thumbs.db"):
        (folder / name).write_bytes(b"\0\5\x16\7")
    return folder


for name, options in (
    ("ImageJ", {"imagej": True, "metadata": {"axes": "ZYX"}}),
    ("tifffile", {"compression": "zlib"}),
):
    file(AT, f"stack of 5 images of {name}, of which 3 are missing", read_images)(
        lambda f, options=options: cut_pages(
            write(f / "a.tif", np.zeros((5, 32, 32), np.uint8), **options), 2
        )
    )
file(AT, "4 axes without names", read_images)(
    lambda f: write(f / "a.tif", np.zeros((2, 5, 32, 32), np.uint16))
)
file(AT, "3 sections by the defaults of tifffile", read_images)(
    lambda f: write(
        f / "a.tif", np.zeros((3, 32, 32), np.uint8), photometric="rgb", planarconfig="separate"
    )
)


@file(AT, "beside files of other formats", read_images)
def _(folder):
    for name in ("b.oib", "c.webp", "d.npy", "e.gif", "notes.txt", "a.json"):
        (folder / name).write_bytes(b"1")
    return write(folder / "a.tif", picture()).parent


@file(AT, "beside masks, outlines and flows of Cellpose", read_images)
def _(folder):
    for name in ("a", "a_cp_masks", "a_cp_outlines", "a_flows"):
        write(folder / f"{name}.tif", picture())
    return folder


@file(AT, "OME-TIFF of two series with pixels of unlike sizes", read_images)
def _(folder):
    with tifffile.TiffWriter(folder / "a.ome.tif") as tiff:
        for size in (0.5, 0.25):
            sizes = {"PhysicalSizeX": size, "PhysicalSizeY": size}
            tiff.write(picture(), metadata={"axes": "YX", **sizes})
    return folder / "a.ome.tif"


file(AT, "damaged file", read_images)(
    lambda f: (f / "a.tif").write_bytes(b"II*\0nonsense") and f / "a.tif"
)
file(AT, "text in a file called .png", read_images)(
    lambda f: (f / "a.png").write_text("hello") and f / "a.png"
)
file(AT, "no such file", read_images)(lambda f: f / "a.tif")


@file(AT, "two files with pixels of one size, 250 nm and 0.25 um", read_images)
def _(folder):
    for unit, n in (("nm", 0.004), ("um", 4)):
        write(
            folder / f"{unit}.tif", picture(), imagej=True, resolution=(n, n),
            metadata={"unit": unit},
        )  # fmt: skip
    return folder


@file(
    AT, "volume without a size along z, `spatial_ndim=3`", lambda p: read_images(p, spatial_ndim=3)
)
def _(folder):
    return write(
        folder / "a.tif", np.zeros((4, 32, 32), np.uint8), imagej=True, resolution=(2, 2),
        metadata={"axes": "ZYX", "unit": "um"},
    )  # fmt: skip


@file(AT, "two files with pixels of unlike sizes", read_images)
def _(folder):
    for i in range(2):
        write(
            folder / f"{i}.tif",
            picture(),
            imagej=True,
            resolution=(1 / (i + 1),) * 2,
            metadata={"unit": "um"},
        )
    return folder


# Units, through open_scan

AT = "Size of a pixel (`open_scan`)"


def ome_sizes(**sizes):
    return lambda f: write(
        f / "a.ome.tif", np.zeros((4, 32, 32), np.uint8), metadata={"axes": "ZYX", **sizes}
    )


def sized(x, x_unit, z=None, z_unit=None):
    sizes = {
        "PhysicalSizeX": x,
        "PhysicalSizeY": x,
        "PhysicalSizeXUnit": x_unit,
        "PhysicalSizeYUnit": x_unit,
    }
    return ome_sizes(
        **sizes, **({} if z is None else {"PhysicalSizeZ": z, "PhysicalSizeZUnit": z_unit})
    )


file(AT, "OME-TIFF in pixels", open_scan)(sized(1, "pixel", 1, "pixel"))
file(AT, "OME-TIFF, x in nm and z in µm", open_scan)(sized(500, "nm", 2, "µm"))
file(AT, "OME-TIFF, x in pixels and z in µm", open_scan)(sized(1, "pixel", 2, "µm"))
file(AT, "OME-TIFF without a size along z", open_scan)(sized(0.5, "µm"))
file(AT, "OME-TIFF with size 0 along z", open_scan)(sized(0.5, "µm", 0, "µm"))
for unit in ("microns", "um", "inch", "pixel", "\\u00B5m"):
    file(AT, f"ImageJ, unit {unit!r}", open_scan)(
        lambda f, unit=unit: write(
            f / "a.tif",
            np.zeros((4, 32, 32), np.uint8),
            imagej=True,
            resolution=(0.1, 0.1),
            metadata={"axes": "ZYX", "spacing": 20.0, "unit": unit},
        )
    )

file(AT, "TIFF of 20000 pixels a centimeter", open_scan)(
    lambda f: write(f / "a.tif", picture(), resolution=(20000, 20000), resolutionunit="CENTIMETER")
)


@file(AT, "HDF5 with `element_size_um`", open_scan)
def _(folder):
    with h5py.File(folder / "a.h5", "w") as opened:
        opened["a"] = np.zeros((4, 8, 8))
        opened["a"].attrs["element_size_um"] = (2, 0.5, 0.5)
    return folder / "a.h5"


AT = "Scans (`open_scan`)"


def bioformats2raw(folder, n):
    root = zarr.open_group(folder / "a.zarr", mode="w", zarr_format=2)
    root.attrs["bioformats2raw.layout"] = 3
    for i in range(n):
        image = root.create_group(str(i))
        image.create_array("0", shape=(4, 32, 32), chunks=(1, 16, 16), dtype="uint16")
        axes = [{"name": name, "type": "space"} for name in "zyx"]
        scale = {"type": "scale", "scale": [2, 0.5, 0.5]}
        datasets = [{"path": "0", "coordinateTransformations": [scale]}]
        image.attrs["multiscales"] = [{"version": "0.4", "axes": axes, "datasets": datasets}]
    return folder / "a.zarr"


file(AT, "OME-Zarr of bioformats2raw, one image", open_scan)(lambda f: bioformats2raw(f, 1))
file(AT, "OME-Zarr of bioformats2raw, two images", open_scan)(lambda f: bioformats2raw(f, 2))


@file(AT, "OME-Zarr, a plate", open_scan)
def _(folder):
    root = zarr.open_group(folder / "a.zarr", mode="w", zarr_format=2)
    root.attrs["plate"] = {"wells": [{"path": "A/1"}, {"path": "A/2"}]}
    return folder / "a.zarr"


file(AT, "sections of unlike dtypes", open_scan)(
    lambda f: write(f / "a.tif", picture()) and write(f / "b.tif", picture(np.uint16)).parent
)
file(AT, "sections of unlike sizes", open_scan)(
    lambda f: write(f / "a.tif", picture()) and write(f / "b.tif", picture()[:20]).parent
)
file(AT, "TIFF of two series", open_scan)(
    FILES[[row[1] for row in FILES].index("OME-TIFF of three positions")][3]
)


@file(AT, "HDF5 of two datasets", open_scan)
def _(folder):
    with h5py.File(folder / "a.h5", "w") as opened:
        opened["a"] = opened["b"] = np.zeros((4, 8, 8))
    return folder / "a.h5"


# Shards

AT = "Shards (`count_scan`), beside shard 0 of 2 that runs"


def join_shards(index, count):
    """Start a shard, beside one that runs."""

    def join(path):
        store = Store(open_storage(path))
        with ShardGroup(store, Shard(0, 2)), ShardGroup(store, Shard(index, count)):
            pass

    return join


file(AT, "`shard=(0, 2)`", join_shards(0, 2))(lambda folder: folder)
file(AT, "`shard=(1, 3)`", join_shards(1, 3))(lambda folder: folder)


# Points

AT = "Points (`read_points`)"


def table(name="a.csv", **columns):
    def write_table(folder):
        pd.DataFrame(columns).to_csv(folder / name, index=False)
        return folder / name

    return write_table


file(AT, "Fiji: columns X, Y", read_points)(table(Area=[1], X=[12.5], Y=[3.5]))
file(AT, "Fiji, `origin='corner'`", lambda path: read_points(path, origin="corner"))(
    table(Area=[1], X=[12.5], Y=[3.5])
)
file(AT, "napari: columns axis-0, axis-1", read_points)(
    table(**{"index": [0], "axis-0": [3.0], "axis-1": [12.0]})
)
file(AT, "columns x and y only, `spatial_ndim=3`", lambda path: read_points(path, spatial_ndim=3))(
    table(x=[1], y=[2])
)
file(AT, "columns x, y, z, `spatial_ndim=3`", lambda path: read_points(path, spatial_ndim=3))(
    table(x=[1], y=[2], z=[3])
)
file(AT, "a column of images", read_points)(table(image=["a.tif", "b.tif"], x=[1, 2], y=[3, 4]))
file(AT, "no column y", read_points)(table(x=[1], height=[2]))
file(AT, "words in the place of numbers", read_points)(table(x=["left"], y=["top"]))


file(AT, "Fiji: columns X, Y, Slice, of several slices", read_points)(
    table(X=[12.5, 8], Y=[3.5, 4], Slice=[1, 7])
)
file(
    AT,
    "Fiji: columns X, Y, Slice, `spatial_ndim=3`",
    lambda path: read_points(path, spatial_ndim=3),
)(table(X=[12.5, 8], Y=[3.5, 4], Slice=[1, 7]))
file(
    AT,
    "Fiji: micrometers, `spacing=(0.5, 0.5)`",
    lambda path: read_points(path, spacing=(0.5, 0.5)),
)(table(X=[12.5], Y=[3.5]))
file(AT, "napari: axis-0 to axis-2, of several planes", read_points)(
    table(**{"axis-0": [0, 1], "axis-1": [3.0, 4], "axis-2": [12.0, 4]})
)
file(AT, "napari: shapes", read_points)(
    table(**{"shape-type": ["polygon"], "axis-0": [3.0], "axis-1": [12.0]})
)
file(AT, "an empty coordinate", read_points)(table(x=[1, None], y=[3, 4]))
file(
    AT,
    "a column of images, not of all `names`",
    lambda path: read_points(path, ["a", "b"]),
)(table(image=["b.tif"], x=[1], y=[3]))
file(AT, "a column of images, of others than `names`", lambda path: read_points(path, ["a", "b"]))(
    table(image=["c.tif"], x=[1], y=[3])
)
file(AT, "a column of images, no row", read_points)(table(image=[], x=[], y=[]))
file(AT, "a header only", read_points)(table(x=[], y=[]))


def text_table(text, encoding="utf-8"):
    return lambda f: (f / "a.csv").write_text(text, encoding) * 0 or f / "a.csv"


file(AT, "empty file", read_points)(text_table(""))
file(AT, "decimal commas and semicolons", read_points)(text_table("x;y\n12,5;3\n"))
file(AT, "decimal commas and commas", read_points)(text_table("x,y\n12,5,3,1\n"))
file(AT, "UTF-16", read_points)(text_table("x\ty\n12.5\t3\n", "utf-16"))
file(AT, "Latin-1", read_points)(text_table("x,y,größe\n12.5,3,1\n", "latin-1"))


def outcome(read, write_files):
    """What reading gives: values, or an error; and warnings before it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = write_files(folder)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                text = summary(read(path))
            except (ValueError, OSError) as error:
                text = f"{type(error).__name__}: {error}"
        warned = [f"{w.category.__name__}: {w.message}" for w in caught]
        return "; ".join([*warned, text]).replace(f"{folder}/", "").replace(name, "FOLDER")


def summary(result):
    if not isinstance(result, tuple):
        unit = f" {result.unit}" if result.unit else ""
        return (
            f"axes {result.axes}, shape {result.data.shape}, {result.data.dtype}, "
            f"spacing {result.spacing}{unit}"
        )
    names, items = result
    return "; ".join(f"{n}: {_one(item)}" for n, item in zip(names[:4], items, strict=False)) + (
        f"; ... {len(names)} in all" if len(names) > 4 else ""
    )


def _one(item):
    if item is None:
        return "None"
    if hasattr(item, "table"):  # regions of interest
        shown = "no labels" if item.labels is None else _one(item.labels)
        return f"{shown}, points {item.points.tolist()}" if len(item.points) else shown
    if item.dtype == np.float64 and item.ndim == 2 and item.shape[1] in (2, 3):
        return f"points {item.tolist()}"
    values = np.unique(item)
    shown = values.tolist() if len(values) < 9 else f"{values[0]} to {values[-1]}"
    return f"shape {item.shape}, values {shown}"
