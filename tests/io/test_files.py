"""Values read from files that other programs write."""

import logging

import imagecodecs
import numpy as np
import pytest
import tifffile
from bad_files import OME_SET, colored, squares
from PIL import Image

from sskseg.images import ImageStack
from sskseg.io import read_image, read_images, read_labels, read_points, write_labels
from sskseg.io.orientation import upright
from sskseg.io.scans import open_scan
from sskseg.io.summaries import summarize


def test_colors_of_objects_become_numbers(tmp_path):
    for alpha in (False, True):
        Image.fromarray(colored(alpha)).save(tmp_path / "a.png")
        _, (labels,) = read_labels(tmp_path / "a.png")
        pairs = np.unique(np.stack([labels.ravel(), squares().ravel()]), axis=1)
        assert pairs.shape[1] == 7
        assert ((labels == 0) == (squares() == 0)).all()


@pytest.mark.parametrize(
    ("axes", "shape", "options"),
    [
        ("CYX", (2, 5, 6), {}),
        ("ZCYX", (3, 2, 5, 6), {}),
        ("TZCYX", (4, 3, 2, 5, 6), {"imagej": True}),
        ("TCZYX", (4, 2, 3, 5, 6), {"ome": True}),
        ("CZYX", (2, 3, 5, 6), {"ome": True}),
    ],
)
def test_channels_come_last_whatever_their_place(tmp_path, axes, shape, options):
    pixels = np.arange(np.prod(shape), dtype=np.uint16).reshape(shape)
    tifffile.imwrite(
        tmp_path / "a.ome.tif" if options.get("ome") else tmp_path / "a.tif",
        pixels,
        **(options or {"imagej": True}),
        metadata={"axes": axes},
    )
    path = next(tmp_path.iterdir())
    _, images = read_images(path)
    cut = [axis for axis, letter in enumerate(axes) if letter in "TZ"]
    expected = np.moveaxis(pixels, axes.index("C"), -1)
    cut = [axis - (axis > axes.index("C")) for axis in cut]
    expected = np.moveaxis(expected, cut, range(len(cut))).reshape(-1, 5, 6, 2)
    assert np.array_equal(np.asarray(images), expected)
    if "Z" in axes:
        _, volumes = read_images(path, spatial_ndim=3)
        assert np.array_equal(np.concatenate(list(volumes)), expected)


@pytest.mark.parametrize("channels", [(), (2,), (3,), (4,)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_png_keeps_its_depth_with_colors_and_alpha(tmp_path, channels, dtype):
    pixels = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, (7, 9, *channels), dtype)
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(pixels))
    image = read_image(tmp_path / "a.png")
    assert image.dtype == dtype
    assert np.array_equal(image, pixels)
    if channels in ((2,), (4,)):
        pixels[..., -1] = np.iinfo(dtype).max  # opaque
        (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(pixels))
        colors = pixels[..., 0] if channels == (2,) else pixels[..., :3]
        assert np.array_equal(read_image(tmp_path / "a.png"), colors)


def test_images_are_turned_upright(tmp_path):
    pixels = np.arange(6, dtype=np.uint8).reshape(2, 3)
    # 6: row 0 is the right side, column 0 the top
    assert upright(pixels, 6).tolist() == [[3, 0], [4, 1], [5, 2]]
    assert upright(pixels, 8).tolist() == [[2, 5], [1, 4], [0, 3]]
    assert upright(pixels, 3).tolist() == [[5, 4, 3], [2, 1, 0]]
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=exif)
    assert read_image(tmp_path / "a.png").tolist() == [[3, 0], [4, 1], [5, 2]]


def _write_pages(path, pixels, orientations):
    with tifffile.TiffWriter(path) as file:
        for page, tag in zip(pixels, orientations, strict=True):
            extra = [] if tag is None else [(274, 3, 1, tag, False)]
            file.write(page, contiguous=False, metadata=None, extratags=extra)


@pytest.mark.parametrize("kind", ["pages", "tifffile", "imagej", "ome", "rgb"])
def test_all_pages_are_turned_upright_everywhere(tmp_path, kind):
    shape = (5, 4, 6, 3) if kind == "rgb" else (5, 4, 6)
    pixels = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    path = tmp_path / ("a.ome.tif" if kind == "ome" else "a.tif")
    metadata = {"axes": "ZYXS" if kind == "rgb" else "ZYX"}
    if kind == "ome":
        metadata |= {"PhysicalSizeX": 0.2, "PhysicalSizeY": 0.5, "PhysicalSizeZ": 1.0}
    if kind == "pages":
        _write_pages(path, pixels, [6] * 5)
    else:
        tifffile.imwrite(
            path, pixels, imagej=kind == "imagej", metadata=metadata,
            extratags=[(274, 3, 1, 6, False)],
        )  # fmt: skip
    expected = np.stack([upright(page, 6) for page in pixels])
    assert expected.shape[1:3] == (6, 4)
    assert expected[0, 0, 0].ravel()[0] == pixels[0, -1, 0].ravel()[0]
    _, images = read_images(path)
    scan = open_scan(path)
    assert np.array_equal(np.asarray(images), expected)
    assert np.array_equal(scan.data.compute(), expected)
    assert np.array_equal(np.stack(read_labels(path)[1] if kind != "rgb" else images), expected)
    assert summarize(path)["shapes"] == [list(expected.shape)]
    if kind == "ome":  # the sizes turn with the axes
        assert images.spacing == scan.spacing == (1.0, 0.2, 0.5)
        assert summarize(path)["size of a pixel"] == ["z 1, y 0.2, x 0.5 µm"]


@pytest.mark.parametrize("read", [read_images, open_scan, summarize])
def test_pages_of_different_orientation_are_an_error(tmp_path, read):
    pixels = np.zeros((3, 4, 6), np.uint8)
    _write_pages(tmp_path / "a.tif", pixels, [None, 1, 6])
    with pytest.raises(ValueError, match=r"a\.tif .*orientations \(tag 274\): 1 of page 1, and 6"):
        read(tmp_path / "a.tif")


def test_an_orientation_that_does_not_exist_turns_nothing(tmp_path):
    """Some programs write 0, perhaps of the first page alone."""
    pixels = np.arange(72, dtype=np.uint8).reshape(3, 4, 6)
    _write_pages(tmp_path / "a.tif", pixels, [0, None, 9])
    assert np.array_equal(np.asarray(read_images(tmp_path / "a.tif")[1]), pixels)
    assert np.array_equal(open_scan(tmp_path / "a.tif").data.compute(), pixels)


def test_a_folder_of_turned_sections_is_a_scan(tmp_path):
    upright_section = np.arange(24, dtype=np.uint8).reshape(6, 4)
    tifffile.imwrite(tmp_path / "s1.tif", upright_section)
    stored = upright(upright_section, 8)  # 6 turns it back
    tifffile.imwrite(tmp_path / "s2.tif", stored, extratags=[(274, 3, 1, 6, True)])
    scan = open_scan(tmp_path)
    assert np.array_equal(scan.data.compute(), np.stack([upright_section] * 2))


def test_pages_keep_their_order_where_sizes_alternate(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for i, side in enumerate((8, 6, 8, 6)):
            file.write(np.full((side, side), i, np.uint8), contiguous=False, metadata=None)
    _, images = read_images(tmp_path / "a.tif")
    assert [int(image[0, 0]) for image in images] == [0, 1, 2, 3]
    with pytest.raises(ValueError, match=r"a\.tif holds .* images of shapes"):
        read_image(tmp_path / "a.tif")


def test_a_missing_file_of_an_ome_set_is_not_read_as_zeros(tmp_path, caplog):
    caplog.set_level(logging.CRITICAL, "tifffile")
    for i in range(2):
        tifffile.imwrite(
            tmp_path / f"z{i}.ome.tif",
            np.full((32, 32), i + 1, np.uint8),
            description=OME_SET.format(own=i + 1),
            metadata=None,
        )
    names, images = read_images(tmp_path)
    assert names == ["z0_0000", "z0_0001"]
    assert [int(image.max()) for image in images] == [1, 2]
    (tmp_path / "z1.ome.tif").unlink()
    with pytest.raises(ValueError, match=r"z0\.ome\.tif .* 1 of 2 pages .* missing"):
        read_images(tmp_path)


def test_sizes_of_pixels_stay_with_the_images(tmp_path):
    tifffile.imwrite(
        tmp_path / "a.ome.tif",
        np.zeros((3, 8, 8), np.uint8),
        metadata={
            "axes": "ZYX",
            "PhysicalSizeX": 500,
            "PhysicalSizeXUnit": "nm",
            "PhysicalSizeY": 500,
            "PhysicalSizeYUnit": "nm",
            "PhysicalSizeZ": 2,
            "PhysicalSizeZUnit": "µm",
        },
    )
    _, images = read_images(tmp_path / "a.ome.tif")
    assert isinstance(images, ImageStack)
    assert images.spacing == pytest.approx((2000, 500, 500))
    assert images.unit == "nm"
    assert images[:2].spacing == images.spacing


@pytest.mark.parametrize("n", [3, 70_000])
def test_written_labels_come_back(tmp_path, n):
    labels = [np.arange(n + 1).reshape(1, -1) % (n + 1), np.array([[0, n], [1, 2]])]
    for given in (labels, [labels[0]] * 2, [np.where(labels[1] == 1, -1, labels[1])]):
        write_labels(tmp_path / "labels.tif", given)
        _, back = read_labels(tmp_path / "labels.tif")
        for one, other in zip(given, back, strict=True):
            assert np.array_equal(one, other)


def test_labels_of_more_than_32_bits_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"labels\.tif cannot hold labels from 0 to 8589934592"):
        write_labels(tmp_path / "labels.tif", [np.array([[0, 2**33]])])
    assert not list(tmp_path.iterdir())


def test_points_are_ordered_like_images(tmp_path):
    (tmp_path / "p.csv").write_text("image,y,x\nb.tif,1,2\nb.tif,3,4\n")
    names, points = read_points(tmp_path / "p.csv", ["a", "b"])
    assert names == ["a", "b"]
    assert points[0] is None  # unlabeled
    assert points[1].tolist() == [[1, 2], [3, 4]]
    with pytest.raises(ValueError, match="has points of 'b'"):
        read_points(tmp_path / "p.csv", ["a"])
    (tmp_path / "p.csv").unlink()
    (tmp_path / "b.csv").write_text("x;y\n2;1\n")
    _, points = read_points(tmp_path, ["a", "b"])
    assert points[0] is None
    assert points[1].tolist() == [[1, 2]]


def test_a_stack_of_fewer_labels_than_images_is_refused(tmp_path):
    """They would be labels of the first sections, whichever they are of."""
    names = [f"stack_{i:04d}" for i in range(5)]
    labels = np.arange(2 * 12, dtype=np.uint16).reshape(2, 3, 4)
    write_labels(tmp_path / "stack.tif", labels)
    with pytest.raises(ValueError, match=r"stack\.tif has 2 pages, and there are 5 images of that"):
        read_labels(tmp_path, names)
    found = read_labels(tmp_path, names[:2])[1]
    assert [label.tolist() for label in found] == labels.tolist()
    (tmp_path / "stack.tif").unlink()
    write_labels(tmp_path / "stack_0003.tif", labels[:1])
    found = read_labels(tmp_path, names)[1]
    assert [label is None for label in found] == [True, True, True, False, True]
