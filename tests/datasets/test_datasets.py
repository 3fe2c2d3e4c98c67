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


@pytest.mark.parametrize("shape", [(48, 64), (16, 24, 24)])
def test_cells_are_reproducible_and_labelled(shape):
    X, y = make_cells(3, shape, random_state=0)
    again, _ = make_cells(2, shape, random_state=0)
    assert np.array_equal(X[:2], again)  # image i is the same however many are made
    assert (X.shape, X.dtype, y.shape, y.dtype) == ((3, *shape), np.float32, (3, *shape), np.int32)
    for image, labels in zip(X, y, strict=True):
        assert set(np.unique(labels)) == set(range(labels.max() + 1))
        assert image[labels > 0].mean() > image[labels == 0].mean() + 0.3
    assert not np.array_equal(X[0], make_cells(1, shape, random_state=1)[0][0])


def test_as_many_cells_as_wanted():
    _, y = make_cells(2, (256, 256), n_cells=60, random_state=0)
    assert y.max(axis=(1, 2)).tolist() == [60, 60]


@pytest.mark.parametrize("shape", [(96, 120), (24, 64, 64)])
def test_junctions_are_reproducible_and_labelled(shape):
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


@pytest.mark.parametrize("make", [make_cells, make_neuromuscular_junctions])
@pytest.mark.parametrize(
    "bad", [{"shape": (8,)}, {"shape": (0, 8)}, {"n_samples": 0}, {"radius": -1}]
)
def test_bad_simulations_are_refused(make, bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        make(**bad)


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


def test_originals_as_they_unpack(tmp_path):
    images = np.random.default_rng(0).integers(0, 255, (3, 8, 9), dtype=np.uint8)
    labels = (images > 99).astype(np.uint8) * 255
    tifffile.imwrite(tmp_path / "train-volume.tif", images)
    tifffile.imwrite(tmp_path / "train-labels.tif", labels)
    tifffile.imwrite(tmp_path / "testing.tif", images)
    tifffile.imwrite(tmp_path / "testing_groundtruth.tif", labels)
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
    X, y = load_dsb2018_nuclei(tmp_path)
    assert np.array_equal(X[0], images[0])
    assert y[0][2, 2] != y[0][5, 6]


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
    tifffile.imwrite(tmp_path / "images.tif", np.zeros((2, 4, 4), np.uint8))
    (tmp_path / "points.csv").write_text("image,x\n0,1\n")
    with pytest.raises(ValueError, match=r"points\.csv must have columns"):
        load_psd95_puncta(tmp_path)


def test_folders_are_read_in_natural_order_and_pages_apart(tmp_path):
    for i in (10, 2, 1):
        imsave(tmp_path / f"s{i}.png", np.full((4, 5), i, np.uint8), check_contrast=False)
    names, images = read_images(tmp_path)
    assert names == ["s1", "s2", "s10"]
    assert [image[0, 0] for image in images] == [1, 2, 10]
    tifffile.imwrite(tmp_path / "stack.tif", np.zeros((3, 6, 7), np.uint8))
    names, images = read_images(tmp_path / "stack.tif")
    assert names[2] == "stack_0002"
    assert images[2].shape == (6, 7)
    with pytest.raises(FileNotFoundError, match="No image file"):
        read_images(tmp_path / "none.png")
