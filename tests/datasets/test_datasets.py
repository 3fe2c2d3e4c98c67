import re

import numpy as np
import pytest
import tifffile
from scipy import ndimage as ndi
from skimage.io import imsave

from sskseg import datasets
from sskseg.datasets import (
    load_dsb2018_nuclei,
    load_epfl_mitochondria,
    load_isbi2012,
    load_psd95_puncta,
    make_cells,
    make_neuromuscular_junctions,
    read_image,
    read_images,
)


def write_stack(path, pixels):
    """A TIFF of gray pages; three pages would be taken for colors."""
    tifffile.imwrite(path, pixels, photometric="minisblack")


@pytest.mark.parametrize("shape", [(48, 64), (16, 24, 24)])
def test_cells_are_reproducible_and_labeled(shape):
    X, y = make_cells(3, shape, random_state=0)
    again, _ = make_cells(2, shape, random_state=0)
    assert np.array_equal(X[:2], again)  # image i is the same however many are made
    assert (X.shape, X.dtype, y.shape, y.dtype) == ((3, *shape), np.float32, (3, *shape), np.int32)
    for image, labels in zip(X, y, strict=True):
        assert set(np.unique(labels)) == set(range(labels.max() + 1))
        assert image[labels > 0].mean() > image[labels == 0].mean() + 0.3
    assert not np.array_equal(X[0], make_cells(1, shape, random_state=1)[0][0])


def test_the_number_of_cells_is_given():
    _, y = make_cells(2, (256, 256), n_cells=60, random_state=0)
    assert y.max(axis=(1, 2)).tolist() == [60, 60]


@pytest.mark.parametrize("shape", [(96, 120), (24, 64, 64)])
def test_junctions_are_reproducible_and_labeled(shape):
    X, y = make_neuromuscular_junctions(2, shape, random_state=0)
    assert X.shape == (2, *shape, 2)
    assert np.array_equal(X, make_neuromuscular_junctions(2, shape, random_state=0)[0])
    for image, labels in zip(X, y, strict=True):
        assert labels.max() >= 1
        signal, background = image[..., 0], image[..., 1]
        assert signal[labels > 0].mean() > 2 * signal[labels == 0].mean()
        difference = background[labels > 0].mean() - background[labels == 0].mean()
        assert abs(difference) < 0.5 * background.mean()


def test_magnifications_show_the_same_tissue():
    (low, y_low), (high, y_high) = make_neuromuscular_junctions(
        1, (80, 80), magnification=(1, 4), random_state=3
    )
    assert high.shape == (1, 320, 320, 2)
    shrunk = ndi.zoom(high[0, ..., 0], 0.25, order=1)
    assert np.corrcoef(shrunk.ravel(), low[0, ..., 0].ravel())[0, 1] > 0.7
    assert set(np.unique(y_low)) <= set(np.unique(y_high))
    for value in np.unique(y_low)[1:]:
        middle = np.argwhere(y_low[0] == value).mean(axis=0)
        assert np.abs(np.argwhere(y_high[0] == value).mean(axis=0) / 4 - middle).max() < 4


@pytest.mark.parametrize("magnifications", [(1, 1.5), (1, 0.5, 3)])
def test_uneven_sizes_show_the_same_tissue_too(magnifications):
    scans = make_neuromuscular_junctions(
        1, (97, 61), magnification=magnifications, noise=0, random_state=4
    )
    reference = scans[0][0][0, 4:-4, 4:-4, 1]
    for m, (X, y) in zip(magnifications, scans, strict=True):
        assert X.shape[:-1] == y.shape == (1, round(97 * m), round(61 * m))
        alone, labels = make_neuromuscular_junctions(
            1, (97, 61), magnification=m, noise=0, random_state=4
        )
        assert np.array_equal(alone, X)
        assert np.array_equal(labels, y)
        places = np.meshgrid(np.arange(4, 93) * m, np.arange(4, 57) * m, indexing="ij")
        seen = ndi.map_coordinates(X[0, ..., 1], places, order=1, mode="nearest")
        assert np.corrcoef(seen.ravel(), reference.ravel())[0, 1] > 0.85


def test_junctions_are_pretzels_in_fragments_under_one_label():
    _, (labels,) = make_neuromuscular_junctions(
        1, (300, 300), magnification=2, fragmentation=0.5, random_state=0
    )
    whole, cut, holes = 0, 0, 0
    for i, box in enumerate(ndi.find_objects(labels), start=1):
        inside = labels[box] == i
        if min(b.start for b in box) > 0 and max(b.stop for b in box) < 600:
            n = ndi.label(inside, np.ones((3, 3)))[1]
            whole, cut = whole + (n == 1), cut + (n > 1)
            holes += (ndi.binary_fill_holes(inside) & ~inside).sum() > 20
    assert whole >= 5
    assert cut >= 5
    assert holes >= 0.3 * (whole + cut)
    _, (uncut,) = make_neuromuscular_junctions(1, (200, 200), fragmentation=0, random_state=0)
    pieces = [ndi.label(uncut == i, np.ones((3, 3)))[1] for i in np.unique(uncut)[1:]]
    assert np.mean(np.array(pieces) == 1) > 0.9  # an edge, or a brighter one on top, may cut


def test_numbers_of_junctions_vary_unless_they_are_given():
    _, y = make_neuromuscular_junctions(8, (128, 128), random_state=0)
    assert len({len(np.unique(labels)) for labels in y}) >= 4
    _, y = make_neuromuscular_junctions(4, (128, 128), n_junctions=5, random_state=0)
    assert all(len(np.unique(labels)) == 6 for labels in y)


def test_debris_is_in_both_channels_and_unlabeled():
    X, y = make_neuromuscular_junctions(1, (256, 256), bleed_through=0, noise=0, random_state=0)
    signal, background = X[0, ..., 0], X[0, ..., 1]
    away = ndi.distance_transform_edt(y[0] == 0) > 12
    specks = (signal > 0.15) & away
    assert ndi.label(specks)[1] >= 2
    assert background[specks].mean() > 1.5 * background[away].mean()


def test_empty_fields():
    X, y = make_cells(2, (32, 32), n_cells=0, random_state=0)
    assert (y == 0).all()
    assert np.isfinite(X).all()
    X, y = make_neuromuscular_junctions(1, (32, 32), n_junctions=0, random_state=0)
    assert (y == 0).all()
    assert np.isfinite(X).all()


def test_generators_are_accepted():
    for make in (make_cells, make_neuromuscular_junctions):
        first = make(1, (32, 32), random_state=np.random.default_rng(3))[0]
        assert np.array_equal(first, make(1, (32, 32), random_state=3)[0])
        generator = np.random.default_rng(3)
        assert not np.array_equal(
            make(1, (32, 32), random_state=generator)[0],
            make(1, (32, 32), random_state=generator)[0],
        )
        legacy = [make(1, (32, 32), random_state=np.random.RandomState(1))[0] for _ in range(2)]
        assert np.array_equal(*legacy)


@pytest.mark.parametrize("make", [make_cells, make_neuromuscular_junctions])
@pytest.mark.parametrize(
    ("bad", "error"),
    [
        ({"shape": (8,)}, ValueError),
        ({"shape": (0, 8)}, ValueError),
        ({"shape": 8}, ValueError),
        ({"shape": (8.5, 8)}, ValueError),
        ({"n_samples": 0}, ValueError),
        ({"n_samples": 1.0}, TypeError),
        ({"radius": -1}, ValueError),
        ({"radius": "a"}, TypeError),
        ({"noise": np.nan}, ValueError),
    ],
)
def test_bad_simulations_are_refused(make, bad, error):
    with pytest.raises(error, match=f"{next(iter(bad))} must be"):
        make(**bad)


@pytest.mark.parametrize(
    "bad",
    [{"magnification": 0}, {"magnification": ()}, {"magnification": (1, -1)}, {"n_junctions": -1},
     {"fragmentation": 1.5}, {"bleed_through": -0.1}],
)  # fmt: skip
def test_bad_junctions_are_refused(bad):
    with pytest.raises(ValueError, match=f"{next(iter(bad))} must be"):
        make_neuromuscular_junctions(**bad)


LOADERS = [name for name in datasets.__all__ if name.startswith("load_")]


@pytest.mark.parametrize("name", LOADERS)
def test_real_sets_are_read(name, data_dir):
    result = getattr(datasets, name)(data_dir / name.removeprefix("load_"))
    X, y = result if isinstance(result, tuple) else (result, None)
    assert len(X) > 0
    if y is not None and name != "load_psd95_puncta":
        for image, labels in zip(X, y, strict=True):
            assert image.shape[: labels.ndim] == labels.shape
            assert labels.min() >= 0
            assert labels.dtype.kind in "iu"
    if name == "load_psd95_puncta":
        assert all(p.shape[1] == 2 and (p >= 0).all() and (p < 128).all() for p in y)


@pytest.mark.parametrize("name", LOADERS)
def test_missing_sets_are_named(name, tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match=re.escape(str(tmp_path))):
        getattr(datasets, name)(tmp_path)
    monkeypatch.delenv("SSKSEG_DATA", raising=False)
    with pytest.raises(FileNotFoundError, match="SSKSEG_DATA"):
        getattr(datasets, name)()


def test_original_layouts_are_read(tmp_path):
    images = np.random.default_rng(0).integers(0, 255, (3, 8, 9), dtype=np.uint8)
    labels = (images > 99).astype(np.uint8) * 255
    for split, pixels in [("train-volume", images), ("train-labels", labels)]:
        write_stack(tmp_path / f"{split}.tif", pixels)
    for split, pixels in [("testing", images), ("testing_groundtruth", labels)]:
        write_stack(tmp_path / f"{split}.tif", pixels)
    for X, y in (load_isbi2012(tmp_path), load_epfl_mitochondria(tmp_path, split="test")):
        assert np.array_equal(X, images)
        assert np.array_equal(y, labels > 0)
    sample = tmp_path / "stage1_train" / "abc"
    (sample / "images").mkdir(parents=True)
    (sample / "masks").mkdir()
    imsave(sample / "images" / "abc.png", np.stack([images[0]] * 3, -1), check_contrast=False)
    for i, where in enumerate([(2, 2), (5, 6)]):
        mask = np.zeros((8, 9), np.uint8)
        mask[where] = 255
        imsave(sample / "masks" / f"{i}.png", mask, check_contrast=False)
    X, y, names = load_dsb2018_nuclei(tmp_path, return_names=True)
    assert names == ["abc"]
    assert np.array_equal(X[0], images[0])
    assert y[0][2, 2] != y[0][5, 6]
    assert y[0].max() == 2
    (sample / "masks" / "0.png").unlink()
    (sample / "masks" / "1.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"abc.masks"):
        load_dsb2018_nuclei(tmp_path)


@pytest.mark.parametrize("top", ["", "dsb2018"])
def test_the_selection_of_stardist(tmp_path, top):
    for split, value in [("train", 3), ("test", 5)]:
        for part, dtype in [("images", np.uint8), ("masks", np.uint16)]:
            folder = tmp_path / top / split / part
            folder.mkdir(parents=True)
            write_stack(folder / "a.tif", np.full((6, 7), value, dtype))
    assert load_dsb2018_nuclei(tmp_path)[0][0][0, 0] == 3
    (X,), (y,), names = load_dsb2018_nuclei(tmp_path, split="test", return_names=True)
    assert (X[0, 0], y[0, 0], y.dtype, names) == (5, 5, np.int32, ["a"])
    with pytest.raises(ValueError, match=r"split must be .* got 'all'"):
        load_dsb2018_nuclei(tmp_path, split="all")


def test_the_file_that_is_missing_is_named(tmp_path):
    write_stack(tmp_path / "images.tif", np.zeros((2, 4, 4), np.uint8))
    with pytest.raises(FileNotFoundError, match=r"membranes_inverted\.tif is missing"):
        load_isbi2012(tmp_path)
    write_stack(tmp_path / "train_images_0.tif", np.zeros((2, 8, 8), np.uint8))
    with pytest.raises(FileNotFoundError, match=r"train_labels\.tif is missing"):
        load_epfl_mitochondria(tmp_path)
    write_stack(tmp_path / "train_labels.tif", np.zeros((3, 8, 8), np.uint8))
    with pytest.raises(ValueError, match=r"train_labels\.tif does not pair"):
        load_epfl_mitochondria(tmp_path)
    write_stack(tmp_path / "train_images_1.tif", np.zeros((1, 8, 9), np.uint8))
    with pytest.raises(ValueError, match=r"train_images_1\.tif must hold sections"):
        load_epfl_mitochondria(tmp_path)


def test_files_that_do_not_pair_are_named(tmp_path):
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
        imsave(tmp_path / folder / "a.png", np.zeros((4, 4), np.uint8), check_contrast=False)
    imsave(tmp_path / "masks" / "b.png", np.zeros((4, 4), np.uint8), check_contrast=False)
    with pytest.raises(ValueError, match=r"b\.png has no partner"):
        load_dsb2018_nuclei(tmp_path)
    (tmp_path / "masks" / "b.png").unlink()
    imsave(tmp_path / "masks" / "a.png", np.zeros((4, 5), np.uint8), check_contrast=False)
    with pytest.raises(ValueError, match=r"a\.png does not pair .* shape \(4, 5\)"):
        load_dsb2018_nuclei(tmp_path)


def test_unreadable_files_are_named(tmp_path):
    for name in ("broken.tif", "broken.png"):
        (tmp_path / name).write_bytes(b"II*\0nonsense")
        with pytest.raises(ValueError, match=f"{name} cannot be read as an image"):
            read_image(tmp_path / name)
    write_stack(tmp_path / "images.tif", np.zeros((2, 4, 4), np.uint8))
    bad = ["image,x\n0,1\n", "image,y,x\n2,1,1\n", "image,y,x\n-1,1,1\n", "image,y,x\n0,nan,1\n"]
    for text in bad:
        (tmp_path / "points.csv").write_text(text)
        with pytest.raises(ValueError, match=r"points\.csv must have columns"):
            load_psd95_puncta(tmp_path)
    (tmp_path / "points.csv").write_text("image,y,x\n1,2.5,1\n")
    _, points = load_psd95_puncta(tmp_path)
    assert [p.tolist() for p in points] == [[], [[2.5, 1.0]]]


def test_folders_are_read_in_natural_order_and_pages_apart(tmp_path):
    for i in (10, 2, 1):
        imsave(tmp_path / f"s{i}.png", np.full((4, 5), i, np.uint8), check_contrast=False)
    names, images = read_images(tmp_path)
    assert names == ["s1", "s2", "s10"]
    assert [image[0, 0] for image in images] == [1, 2, 10]
    write_stack(tmp_path / "stack.tif", np.zeros((3, 6, 7), np.uint8))
    names, images = read_images(tmp_path / "stack.tif")
    assert names[2] == "stack_0002"
    assert images[2].shape == (6, 7)
    tifffile.imwrite(tmp_path / "color.tif", np.zeros((3, 6, 7, 3), np.uint8), photometric="rgb")
    assert [image.shape for image in read_images(tmp_path / "color.tif")[1]] == [(6, 7, 3)] * 3
    imsave(tmp_path / "one.png", np.zeros((6, 7, 3), np.uint8), check_contrast=False)
    names, images = read_images(tmp_path / "one.png")
    assert (names, images[0].shape) == (["one"], (6, 7, 3))
    with pytest.raises(FileNotFoundError, match="No image file"):
        read_images(tmp_path / "none.png")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="No image files"):
        read_images(tmp_path / "empty")
