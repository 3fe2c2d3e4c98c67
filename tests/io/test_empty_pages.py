"""Pages of zeros in a stack of labels: background, or not labeled yet."""

import numpy as np
import pytest
from bad_files import squares, write

from sskseg.io import read_labels, read_pairs, write_labels, write_rois

PAINTED = [2, 9]


def stack(n=12, painted=PAINTED, dtype=np.uint8):
    """A stack of which some pages were painted, as Fiji saves it."""
    y = np.zeros((n, 32, 32), dtype)
    y[painted] = squares()
    return y


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
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32, np.int16, np.float32])
def test_they_are_unlabeled_on_request(tmp_path, ndim, dtype):
    path = write(tmp_path / "labels.tif", stack(dtype=dtype), photometric="minisblack")
    _, labels = read_labels(path, spatial_ndim=ndim, empty="unlabeled")
    assert [label.ndim for label in labels] == [ndim] * (12 if ndim == 2 else 1)
    pages = np.reshape(labels, (12, 32, 32))
    assert np.array_equal(np.flatnonzero(~(pages == -1).all(axis=(1, 2))), PAINTED)
    assert np.array_equal(pages[PAINTED], stack()[PAINTED])


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
        for empty in (None, "background", "unlabeled"):
            assert np.array_equal(read_labels(path, empty=empty)[1], y)


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
