"""Tiles of images, of tables in files, and of regions."""

import warnings

import dask.array as da
import numpy as np
import pandas as pd
import pytest
import tifffile

from sskseg import InstanceCounter, OtsuWatershed, PixelForest
from sskseg.datasets import make_cells
from sskseg.images import ImageStack
from sskseg.io import write_object_table, write_rois
from sskseg.morphology import measure_objects
from sskseg.totals import count_tiles, plan_audit, predict_tiles


@pytest.fixture(scope="module")
def cells():
    X, y = make_cells(n_samples=3, shape=(64, 80), random_state=0)
    return X, y, OtsuWatershed().fit(X, y)


class Strict:
    """Finds objects of the upper half only."""

    def transform(self, X):
        labels = np.where(np.asarray(X) > 0, np.arange(1, 65).reshape(8, 8), 0)
        labels[:, 4:] = 0
        return labels


def test_images_are_counted_as_they_are_and_mirrored():
    image = np.zeros((8, 8))
    image[1, 1] = image[6, 2] = image[6, 6] = 1
    tiles = predict_tiles(Strict(), [image], 4)
    assert tiles["count"].tolist() == [1, 0, 0, 0]
    assert tiles["disagreement"].tolist() == [1, 0, 1, 1]


def test_tiles_of_images_are_those_of_their_tables(cells):
    X, _, model = cells
    tiles = predict_tiles(model, X, (32, 40))
    for i, labels in enumerate(model.transform(X)):
        expected = count_tiles([measure_objects(labels)], (64, 80), (32, 40))
        found = tiles[tiles["image"] == i]
        assert found["count"].tolist() == expected["count"].tolist()
    plan_audit(tiles, k=3, random_state=0)


def test_images_are_read_one_at_a_time(cells):
    X, _, model = cells
    expected = predict_tiles(model, X, 32)
    lazy = predict_tiles(model, (da.from_array(x) for x in X), 32)
    stack = predict_tiles(model, ImageStack(X, spacing=(0.5, 0.5)), 32)
    pd.testing.assert_frame_equal(lazy, expected)
    pd.testing.assert_frame_equal(stack, expected)


def test_regions_are_one_for_each_image(cells, tmp_path):
    X, _, model = cells
    atlas = np.zeros((64, 80), np.uint8)
    atlas[32:] = 5
    tifffile.imwrite(tmp_path / "atlas.tif", atlas)
    tiles = predict_tiles(model, X[:2], 32, regions=[atlas, tmp_path / "atlas.tif"])
    assert tiles["region"].tolist() == ([0] * 3 + [5] * 3) * 2
    for regions in ([atlas], [atlas] * 3):
        with pytest.raises(ValueError, match=f"one for each image, got {len(regions)}"):
            predict_tiles(model, X[:2], 32, regions=regions)


def test_warnings_name_the_image():
    class Noisy(Strict):
        def transform(self, X):
            if np.asarray(X).max() > 1:
                warnings.warn("bright", UserWarning, stacklevel=2)
            return super().transform(X)

    images = np.zeros((3, 8, 8))
    images[1, 1, 1] = 2
    with pytest.warns(UserWarning, match="bright") as caught:
        predict_tiles(Noisy(), images, 4)
    assert [str(w.message) for w in caught] == ["images[1]: bright"]
    assert caught[0].filename == __file__


def test_what_predicts_no_objects_is_refused(cells):
    X, y, model = cells
    with pytest.raises(ValueError, match="images must hold one image at least"):
        predict_tiles(model, [], 32)
    forest = PixelForest(n_estimators=1, sigma_max=1.0, random_state=0).fit(X, y)
    with pytest.raises(ValueError, match="must predict label images, got values of float"):
        predict_tiles(forest, X, 32)
    with pytest.raises(ValueError, match="must have independent sections"):
        predict_tiles(InstanceCounter(sections="consecutive"), X, 32)


@pytest.mark.parametrize("name", ["objects.parquet", "objects.csv"])
def test_tables_in_files_are_counted_part_by_part(tmp_path, monkeypatch, name):
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
    table = pd.DataFrame(np.random.default_rng(0).uniform(0, 31, (50, 2)))
    table.columns = ["centroid_y", "centroid_x"]
    table["area"] = 1.0
    table.attrs["units"] = {"centroid_y": "micrometer", "centroid_x": "micrometer"}
    write_object_table(tmp_path / name, table)
    from sskseg.io import object_tables

    parts = [*object_tables.iterate_object_table(tmp_path / name, ["centroid_x"], chunk_size=20)]
    assert [len(part) for part in parts] == [20, 20, 10]
    np.testing.assert_array_equal(pd.concat(parts)["centroid_x"], table["centroid_x"])
    spacing = {"spacing": (0.5, 0.5)}
    expected = count_tiles([table, table[:9]], (64, 64), 16, **spacing)
    found = count_tiles([tmp_path / name, table[:9]], (64, 64), 16, **spacing)
    pd.testing.assert_frame_equal(found, expected)
    write_object_table(tmp_path / name, table[:0])
    assert count_tiles([tmp_path / name], (64, 64), 16)["count"].sum() == 0
    with pytest.raises(ValueError, match=r"must have columns .*lacks \['centroid_z'\]"):
        count_tiles([tmp_path / name], (64, 64, 64), 16)
    with pytest.raises(FileNotFoundError, match="No table of objects"):
        count_tiles([tmp_path / f"other_{name}"], (64, 64), 16)


def test_of_lazy_regions_only_blocks_with_middles_are_read():
    atlas = np.arange(64).reshape(8, 8)
    read = []

    def block(info, dtype=int):
        (y, y_stop), (x, x_stop) = info[None]["array-location"]
        read.append((y, x))
        return atlas[y:y_stop, x:x_stop]

    lazy = da.map_blocks(
        lambda block_info=None: block(block_info), chunks=((2,) * 4, (2,) * 4), dtype=int,
        meta=np.zeros((0, 0), int),
    )  # fmt: skip
    table = pd.DataFrame({"centroid_y": [1.0], "centroid_x": [1.0]})
    found = count_tiles([table], (8, 8), 4, regions=lazy)["region"]
    assert found.tolist() == count_tiles([table], (8, 8), 4, regions=atlas)["region"].tolist()
    assert found.tolist() == [18, 22, 50, 54]
    assert set(read) == {(2, 2), (2, 6), (6, 2), (6, 6)}


def test_regions_are_read_from_zarr():
    zarr = pytest.importorskip("zarr")
    atlas = zarr.array(np.arange(64).reshape(8, 8), chunks=(4, 4))
    table = pd.DataFrame({"centroid_y": [1.0], "centroid_x": [1.0]})
    assert count_tiles([table], (8, 8), 4, regions=atlas)["region"].tolist() == [18, 22, 50, 54]


def test_regions_are_read_from_rois(tmp_path):
    atlas = np.zeros((64, 64), int)
    atlas[:, :20], atlas[:, 20:] = 1, 2
    write_rois(tmp_path / "atlas.geojson", atlas)
    table = pd.DataFrame({"centroid_y": [1.0], "centroid_x": [1.0]})
    found = count_tiles([table], (64, 64), 32, regions=tmp_path / "atlas.geojson")["region"]
    assert found.nunique() == 2
    assert found[0] == found[2] != found[1] == found[3]


@pytest.mark.parametrize("suffix", [".tif", ".zip"])
def test_most_sections_of_an_atlas_lie_outside_of_all_regions(tmp_path, suffix):
    atlas = np.zeros((4, 8, 8), np.uint8)
    atlas[1, :, :5], atlas[1, :, 5:] = 2, 3
    path = tmp_path / f"atlas{suffix}"
    if suffix == ".tif":
        tifffile.imwrite(path, atlas, photometric="minisblack")
    else:
        write_rois(path, atlas)
    table = pd.DataFrame({"centroid_z": [1.0], "centroid_y": [1.0], "centroid_x": [1.0]})
    found = count_tiles([table], (4, 8, 8), (1, 8, 4), regions=path)["region"]
    assert (found == 0).tolist() == [True, True, False, False, True, True, True, True]
    assert 0 < found[2] < found[3]


def test_bad_regions_are_refused():
    table = pd.DataFrame({"centroid_y": [1.0], "centroid_x": [1.0]})
    with pytest.raises(ValueError, match=r"regions must have shape \(8, 8\), got \(4, 8\)"):
        count_tiles([table], (8, 8), 4, regions=np.zeros((4, 8), int))
    with pytest.raises(ValueError, match="regions must be integers, got float64"):
        count_tiles([table], (8, 8), 4, regions=np.zeros((8, 8)))
