"""Pages of zeros in a stack of labels: background, or not labeled yet."""

import numpy as np
import pytest
import zarr
from bad_files import squares, write

from sskseg.io import (
    read_labels,
    read_pairs,
    write_labels,
    write_ome_zarr,
    write_ome_zarr_labels,
    write_rois,
)
from sskseg.model_selection import suggest_samples

PAINTED = [2, 9]
LARGE = 2**53 + 1  # which floats of 64 bits do not hold


def stack(n=12, painted=PAINTED, dtype=np.uint8):
    """A stack of which some pages were painted, as Fiji saves it."""
    y = np.zeros((n, 32, 32), dtype)
    y[painted] = squares()
    return y


def zarr_labels(folder, y):
    """Labels of an OME-Zarr image, in their type, as other programs write them."""
    image = write_ome_zarr(folder / "image.zarr", np.zeros(y.shape, np.uint8), axes="zyx")
    target = write_ome_zarr_labels(image, np.minimum(y, 1))
    group = zarr.open_group(target, mode="a")
    for name, array in list(group.arrays()):
        step = y.shape[-1] // array.shape[-1]
        group.create_array(name, data=y[:, ::step, ::step], overwrite=True)
    return target


def is_unlabeled(labels):
    return [bool((label == -1).all()) for label in labels]


@pytest.mark.parametrize("ndim", [2, 3])
def test_most_pages_of_zeros_are_background_with_a_warning(tmp_path, ndim):
    path = write(tmp_path / "labels.tif", stack(), photometric="minisblack")
    expected = r"^10 of 12 pages of .*labels\.tif hold zeros only.*empty='unlabeled'"
    with pytest.warns(UserWarning, match=expected):
        labels = read_labels(path, spatial_ndim=ndim)[1]
    assert np.array_equal(np.reshape(labels, (12, 32, 32)), stack())
    labels = read_labels(path, spatial_ndim=ndim, empty="background")[1]  # without a warning
    assert np.array_equal(np.reshape(labels, (12, 32, 32)), stack())


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize(
    "dtype", [np.uint8, np.uint16, np.uint32, np.uint64, np.int16, np.int64, np.float32]
)
@pytest.mark.parametrize("suffix", [".tif", ".zarr"])
def test_they_are_unlabeled_on_request(tmp_path, ndim, dtype, suffix):
    y = stack(dtype=dtype)
    if dtype in (np.uint64, np.int64):
        y[y == 6] = LARGE
    if suffix == ".tif":
        path = write(tmp_path / "labels.tif", y, photometric="minisblack")
    elif dtype == np.float32:
        pytest.skip("labels of OME-Zarr are integers")
    else:
        path = zarr_labels(tmp_path, y)
    _, labels = read_labels(path, spatial_ndim=ndim, empty="unlabeled")
    assert [label.ndim for label in labels] == [ndim] * (12 if ndim == 2 else 1)
    assert {label.dtype.kind for label in labels} == {"i"}
    pages = np.reshape(labels, (12, 32, 32))
    assert np.array_equal(np.flatnonzero(~(pages == -1).all(axis=(1, 2))), PAINTED)
    assert pages[PAINTED].tolist() == y[PAINTED].tolist()


def test_numbers_beyond_int64_beside_unlabeled_pages_are_refused(tmp_path):
    y = stack(dtype=np.uint64)
    y[y == 6] = 2**63
    path = write(tmp_path / "labels.tif", y, photometric="minisblack")
    with pytest.raises(ValueError, match=rf"labels\.tif must .* fit into int64, got {2**63}\."):
        read_labels(path, empty="unlabeled")


def test_few_pages_of_zeros_give_no_warning(tmp_path):
    y = stack(painted=list(range(7)))
    labels = read_labels(write(tmp_path / "l.tif", y, photometric="minisblack"))[1]
    assert np.array_equal(labels, y)


def test_files_that_say_what_is_unlabeled_give_no_warning(tmp_path):
    write_labels(tmp_path / "l.tif", stack())
    assert np.array_equal(read_labels(tmp_path / "l.tif")[1], stack())
    y = stack(dtype=np.int16)
    y[5] = -1
    labels = read_labels(write(tmp_path / "m.tif", y, photometric="minisblack"))[1]
    assert np.array_equal(labels, y)


def test_a_file_without_any_object_is_an_image_without_objects(tmp_path):
    for n in (1, 4):
        y = np.zeros((n, 32, 32), np.uint8)
        path = write(tmp_path / f"{n}.tif", y, photometric="minisblack")
        for empty in (None, "background"):
            assert np.array_equal(read_labels(path, empty=empty)[1], y)
        with pytest.warns(UserWarning, match=rf"1 of 1 label files .*{n}\.tif: their images are"):
            assert np.array_equal(read_labels(path, empty="unlabeled")[1], y)
    with pytest.warns(UserWarning, match="1 of 1 label files hold zeros only"):
        read_labels(zarr_labels(tmp_path, np.zeros((4, 32, 32), np.uint8)), empty="unlabeled")


def test_label_files_of_images_that_are_not_labeled(tmp_path):
    """Each image has a label file of its own, and most of them hold zeros."""
    images, labels = tmp_path / "images", tmp_path / "labels"
    for folder in (images, labels):
        folder.mkdir()
    for i in range(6):
        y = (squares() * (i == 0)).astype(np.uint8)
        write(images / f"{i}.tif", 9 * squares().astype(np.uint8))
        write(labels / f"{i}.tif", y)
    expected = r"5 of 6 label files hold zeros only, such as .*1\.tif.*Remove the label files"
    with pytest.warns(UserWarning, match=expected):
        _, X, y = read_pairs(images, labels, empty="unlabeled")
    with pytest.raises(ValueError, match=r"all 6 images.* of their own, remove these files\."):
        suggest_samples(X, 1, y=y)
    for i in range(1, 6):
        (labels / f"{i}.tif").unlink()
    _, _, y = read_pairs(images, labels)
    assert [label is None for label in y] == [False] + [True] * 5


def test_sections_without_regions_of_fiji(tmp_path):
    write(tmp_path / "a.tif", np.arange(12 * 32 * 32).reshape(12, 32, 32).astype(np.uint16))
    write_rois(tmp_path / "a.zip", stack())
    for empty, expected in ((None, 10), ("unlabeled", 10), ("background", 0)):
        for ndim in (2, 3):
            _, labels = read_labels(
                tmp_path / "a.zip", shape=(12, 32, 32), spatial_ndim=ndim, empty=empty
            )
            assert (np.reshape(labels, (12, -1)) == -1).all(axis=1).sum() == expected


def test_images_with_their_labels(tmp_path):
    images = write(tmp_path / "stack.tif", stack(dtype=np.uint16), photometric="minisblack")
    labels = write(tmp_path / "labels.tif", stack(), photometric="minisblack")
    _, _, y = read_pairs(images, labels, empty="unlabeled")
    assert sum(is_unlabeled(y)) == 10
    with pytest.warns(UserWarning, match="10 of 12 pages"):
        _, _, y = read_pairs(images, labels)
    assert sum(is_unlabeled(y)) == 0


def test_other_meanings_are_refused(tmp_path):
    path = write(tmp_path / "l.tif", stack(), photometric="minisblack")
    with pytest.raises(ValueError, match="empty must be 'background', 'unlabeled' or None, got 1"):
        read_labels(path, empty=1)
