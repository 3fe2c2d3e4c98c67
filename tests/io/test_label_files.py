"""Label files: what was written comes back, and what others wrote is read by the stated rules."""

import io

import imagecodecs
import numpy as np
import pytest
import tifffile
from bad_files import colored, save, squares, write
from PIL import Image
from scipy import ndimage

from sskseg.images import label_values
from sskseg.images.label_values import count_components
from sskseg.io import label_numbers, read_images, read_labels, write_labels
from sskseg.io.images import read_image


def read_back(folder, labels, **options):
    write_labels(folder / "l.tif", labels)
    return read_labels(folder / "l.tif", **options)[1]


@pytest.mark.parametrize("largest", [1, 254, 255, 256, 65535, 65536, 2**31 - 1, 2**32 - 1])
@pytest.mark.parametrize("void", [False, True])
def test_every_number_comes_back(tmp_path, largest, void):
    void = void and largest < 2**31  # no integer of 32 bits has both
    label = np.zeros((6, 8), np.int64)
    label[:2], label[2:4] = largest, 1
    label[4, :2] = -1 if void else 0
    for labels in ([label], [label, label], [label, label[:3]], [np.full((2, 3), largest)]):
        for one, other in zip(labels, read_back(tmp_path, labels), strict=True):
            assert np.array_equal(one, other)


def test_gray_edges_that_are_labels_come_back(tmp_path):
    label = np.rint(ndimage.zoom(255.0 * (squares() > 0), 0.7, order=1)).astype(int)
    assert np.array_equal(read_back(tmp_path, [label])[0], label)


@pytest.mark.parametrize(
    "shapes",
    [
        [(5, 30, 40)],
        [(5, 30, 40)] * 2,
        [(1, 30, 40)],
        [(3, 30, 40)] * 4,
        [(5, 7, 3), (2, 30, 40)],
        [(1, 1, 1)],
    ],
)
def test_volumes_come_back(tmp_path, shapes):
    volumes = [np.arange(np.prod(shape)).reshape(shape) for shape in shapes]
    back = read_back(tmp_path, volumes, spatial_ndim=3)
    for one, other in zip(volumes, back, strict=True):
        assert np.array_equal(one, other)


@pytest.mark.parametrize(
    ("n", "shape", "axes"),
    [
        (1, (30, 40), "YX"), (2, (30, 40), "QYX"), (1, (5, 30, 40), "ZYX"), (1, (1, 30, 40), "ZYX"),
        (2, (5, 30, 40), "QZYX"),
    ],
)  # fmt: skip
def test_only_several_images_have_an_axis_of_images(tmp_path, n, shape, axes):
    """Fiji, QuPath, napari and Cellpose expect one image of shape (height, width)."""
    labels = [np.arange(np.prod(shape)).reshape(shape)] * n
    write_labels(tmp_path / "l.tif", labels)
    with tifffile.TiffFile(tmp_path / "l.tif") as file:
        assert file.series[0].get_axes(squeeze=False) == axes
    stored = tifffile.imread(tmp_path / "l.tif")
    assert np.array_equal(stored, labels[0] if n == 1 else np.stack(labels))
    back = read_labels(tmp_path / "l.tif", spatial_ndim=len(shape))[1]
    assert np.array_equal(back, labels)


def test_images_of_few_columns_are_no_channels(tmp_path):
    labels = [np.arange(15).reshape(5, 3)] * 10
    assert np.array_equal(read_back(tmp_path, labels), labels)
    assert np.array_equal(read_image(tmp_path / "l.tif"), labels)


@pytest.mark.parametrize(
    ("item", "message"),
    [
        (np.array([[0.9, 1.9]]), r"labels\[1\] must hold whole numbers, got 2 pixels"),
        (np.array([[0, np.nan]]), r"labels\[1\] must hold whole numbers, got 1 pixels"),
        (np.array([[0, np.inf]]), "32 bits are not enough"),
        (None, r"labels\[1\] is None"),
        (np.array([[0, -2]]), r"labels\[1\] must not hold values below -1 .* got -2"),
        (np.ma.masked_equal([[0, 1]], 1), r"labels\[1\] has masked pixels"),
        (np.array([["a"]]), r"labels\[1\] must hold integers, got dtype <U1"),
        (np.zeros(4, int), r"labels\[1\] must be a label image .* got shape \(4,\)"),
        (np.zeros((0, 4), int), r"labels\[1\] must be a label image .* got shape \(0, 4\)"),
    ],
)
def test_what_is_no_label_image_is_not_written(tmp_path, item, message):
    with pytest.raises(ValueError, match=message):
        write_labels(tmp_path / "l.tif", [np.zeros((1, 2), int), item])
    assert not list(tmp_path.iterdir())


def test_whole_floats_and_masks_are_written(tmp_path):
    back = read_back(tmp_path, [np.array([[0.0, 2.0, -1.0]]), np.array([[True, False, True]])])
    assert [each.tolist() for each in back] == [[[0, 2, -1]], [[1, 0, 1]]]


@pytest.mark.parametrize("name", ["l.png", "l.jpg", "l.npy", "l"])
def test_labels_are_written_to_tiff_only(tmp_path, name):
    with pytest.raises(ValueError, match=rf"{name} cannot be written: .* \.tif or \.tiff, got"):
        write_labels(tmp_path / name, [np.zeros((2, 3), int)])
    with pytest.raises(ValueError, match="labels is empty"):
        write_labels(tmp_path / "l.TIFF", [])


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("shape", [(2, 5, 30, 40), (2, 3, 5, 30, 40)])
def test_axes_without_names_are_taken_from_the_front(tmp_path, shape, ndim):
    labels = np.arange(np.prod(shape), dtype=np.uint32).reshape(shape)
    tifffile.imwrite(tmp_path / "l.tif", labels)
    back = read_labels(tmp_path / "l.tif", spatial_ndim=ndim)[1]
    assert np.array_equal(back, labels.reshape(-1, *shape[-ndim:]))
    with pytest.warns(UserWarning, match=r"l\.tif has shape .* does not say what its first"):
        images = read_images(tmp_path / "l.tif", spatial_ndim=ndim)[1]
    assert np.array_equal(images, back)


# Masks and void values, file by file


def values(folder, **files):
    """Read a folder of label files, each of these values and dtype."""
    for name, (dtype, given) in files.items():
        label = np.repeat(np.array(given, dtype), 4).reshape(-1, 4)
        tifffile.imwrite(folder / f"{name}.tif", label)
    _, labels = read_labels(folder)
    return [label[:, 0].tolist() for label in labels]


def test_a_mask_beside_void_values_stays_a_mask(tmp_path):
    with pytest.warns(UserWarning, match=" read as ") as caught:
        found = values(tmp_path, a=("u1", [0, 255]), b=("u1", [0, 1, 2, 255]))
    assert found == [[0, 1], [0, 1, 2, -1]]
    void, mask = [str(w.message) for w in caught]
    assert void.startswith("255 is read as -1 (unlabeled) in ")
    assert "b.tif" in void
    assert "a.tif" not in void
    assert "write_labels" in void
    assert mask.index("a.tif") < mask.index("b.tif objects are numbered")


def test_masks_of_1_and_of_255_are_masks(tmp_path):
    found = values(tmp_path, a=("u1", [0, 255]), b=("u1", [0, 1]), c=("u2", [0, 65535]))
    assert found == [[0, 1]] * 3


@pytest.mark.parametrize(
    ("dtype", "given"),
    [
        ("u2", [0, 1, 255]),
        ("i4", [0, 1, 255]),
        ("u4", [0, 1, 65535]),
        ("u1", [0, 1, 128, 255]),
        ("f4", [0, 1, 255]),
    ],
)
def test_numbers_that_may_be_objects_stay_objects(tmp_path, dtype, given):
    assert values(tmp_path, a=(dtype, given)) == [given]


def test_a_void_value_is_warned_of_once_with_the_files(tmp_path):
    with pytest.warns(UserWarning, match="65535 is read as -1") as caught:
        found = values(
            tmp_path, a=("u2", [0, 3, 65535]), b=("u2", [0, 65535, 5]), c=("u2", [0, 40000, 65535])
        )
    assert found == [[0, 3, -1], [0, -1, 5], [0, 40000, 65535]]
    (text,) = [str(w.message) for w in caught]
    assert text.index("a.tif") < text.index("b.tif") < text.index("In ") < text.index("c.tif")


def test_a_mask_without_background_is_warned_of(tmp_path):
    with pytest.warns(UserWarning, match=r"a\.tif holds 255 only"):
        assert values(tmp_path, a=("u1", [255, 255])) == [[1, 1]]


def test_numbers_are_not_inverted_where_0_is_white(tmp_path):
    y = squares(3).astype(np.uint8)
    for dtype in (np.uint8, np.uint16):
        write(tmp_path / "a.tif", y.astype(dtype), photometric="miniswhite")
        with pytest.warns(UserWarning, match=r"a\.tif .* \(MinIsWhite\), but holds numbers"):
            _, (label,) = read_labels(tmp_path / "a.tif")
        assert np.array_equal(label, y)
        full = np.iinfo(dtype).max
        write(tmp_path / "a.tif", np.where(y > 0, 0, full).astype(dtype), photometric="miniswhite")
        assert np.array_equal(read_labels(tmp_path / "a.tif")[1][0], y > 0)
        assert read_images(tmp_path / "a.tif")[1][0].max() == full


# Lossy files


def refuse(path, match):
    with pytest.raises(ValueError, match=match):
        read_labels(path)


@pytest.mark.parametrize(
    ("compression", "options"), [("jpeg", {"level": 90}), ("jpeg2000", {"level": 20})]
)
def test_tiff_compressed_with_losses_is_refused(tmp_path, compression, options):
    path = tmp_path / "a.tif"
    y = (20 * squares()).astype(np.uint8)
    write(path, y, compression=compression, compressionargs=options)
    refuse(path, r"a\.tif is compressed with losses")


def test_lossless_jpeg_2000_is_read(tmp_path):
    y = squares().astype(np.uint8)
    write(tmp_path / "a.tif", y, compression="jpeg2000")
    assert np.array_equal(read_labels(tmp_path / "a.tif")[1][0], y)
    assert imagecodecs.JPEG2K.available


def test_numbers_that_were_interpolated_or_jpeg_are_refused(tmp_path):
    y = ndimage.zoom(squares(), 4, order=0)
    file = io.BytesIO()
    Image.fromarray((40 * y).astype(np.uint8)).save(file, "jpeg", quality=85)
    save(tmp_path / "a.png", np.asarray(Image.open(file)))
    refuse(tmp_path / "a.png", r"a\.png has .* values, most of them in rims")
    save(tmp_path / "a.png", np.rint(ndimage.zoom(y * 1.0, 0.7, order=1)).astype(np.uint8))
    refuse(tmp_path / "a.png", r"a\.png has 7 values, most of them in rims")


def test_a_photograph_is_no_label_image(tmp_path):
    rng = np.random.default_rng(0)
    photograph = ndimage.gaussian_filter(rng.random((200, 200, 3)), (2, 2, 0))
    photograph = (255 * photograph + rng.normal(0, 3, photograph.shape)).astype(np.uint8)
    save(tmp_path / "a.png", photograph)
    refuse(tmp_path / "a.png", r"a\.png holds .* colors: this looks like a picture")
    save(tmp_path / "a.png", photograph[..., 0])
    refuse(tmp_path / "a.png", r"a\.png has .* or like a picture")


def test_bands_with_rising_numbers_are_labels(tmp_path):
    bands = np.repeat(np.arange(1, 120, dtype=np.uint8)[:, None], 10, axis=1)
    for label in (bands, np.repeat(bands[:, 0], 10)[None]):
        save(tmp_path / "a.png", label)
        assert np.array_equal(read_labels(tmp_path / "a.png")[1][0], label)


# Colors


@pytest.mark.parametrize("color", [(255, 255, 255), (90, 90, 90), (10, 200, 30)])
def test_the_color_of_the_frame_is_background(tmp_path, color):
    image = np.where(colored().any(axis=-1, keepdims=True), colored(), color).astype(np.uint8)
    save(tmp_path / "a.png", image)
    with pytest.warns(UserWarning, match=rf"a\.png holds no black, .* the color \({color[0]}, "):
        _, (label,) = read_labels(tmp_path / "a.png")
    assert np.array_equal(label == 0, squares() == 0)
    assert len(np.unique(label)) == 7


def test_gray_objects_on_white_are_no_void(tmp_path):
    gray = np.where(squares() > 0, 10 * squares(), 255).astype(np.uint8)
    save(tmp_path / "a.png", np.repeat(gray[..., None], 3, axis=-1))
    with pytest.warns(UserWarning, match=r"a\.png holds no black"):
        _, (label,) = read_labels(tmp_path / "a.png")
    assert np.array_equal(label, 10 * squares())


def test_colors_are_examined_once(tmp_path, monkeypatch):
    examined = []
    for module in (label_numbers, label_values):
        monkeypatch.setattr(
            module, "count_components", lambda label: examined.append(1) or count_components(label)
        )
    image = np.where(colored().any(axis=-1, keepdims=True), colored(), 255).astype(np.uint8)
    save(tmp_path / "a.png", image)
    with pytest.warns(UserWarning, match="holds no black"):
        assert read_labels(tmp_path / "a.png")[1][0].max() == 6
    assert len(examined) == 1


def test_tiles_of_colors_have_no_background(tmp_path):
    tiles = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [255, 255, 255]]], np.uint8)
    save(tmp_path / "a.png", np.kron(tiles, np.ones((8, 8, 1), np.uint8)))
    assert np.unique(read_labels(tmp_path / "a.png")[1][0]).tolist() == [1, 2, 3, 4]


def test_white_around_black_is_warned_of(tmp_path):
    image = np.full((20, 20, 3), 255, np.uint8)
    image[5:10, 5:10], image[10:15, 10:15] = 0, (200, 0, 0)
    save(tmp_path / "a.png", image)
    with pytest.warns(UserWarning, match=r"a\.png has the color \(255, 255, 255\), but there is"):
        read_labels(tmp_path / "a.png")


def test_three_sections_stored_as_colors_are_warned_of(tmp_path):
    tifffile.imwrite(
        tmp_path / "a.tif", np.stack([squares(n).astype(np.uint8) for n in (2, 4, 6)]),
        photometric="rgb", planarconfig="separate",
    )  # fmt: skip
    with pytest.warns(UserWarning, match=r"a\.tif stores planes as channels: .* colors of one"):
        read_labels(tmp_path / "a.tif")
