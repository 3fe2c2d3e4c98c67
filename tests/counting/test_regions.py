"""Counts and densities by region."""

import dask.array as da
import h5py
import numpy as np
import pandas as pd
import pytest
import zarr
from scipy import ndimage as ndi

import sskseg.counting
import sskseg.scans
from sskseg.counting import count_by_region
from sskseg.datasets import make_cells
from sskseg.io import write_object_table
from sskseg.morphology import label_components, measure_objects
from sskseg.totals import count_tiles


def regions_of(shape, seed=0):
    """Coarse squares, some of them background."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 5, [-(-n // 9) for n in shape]) * 7
    fine = np.kron(coarse, np.ones((9,) * len(shape), int))
    return fine[tuple(slice(n) for n in shape)]


def expected_counts(labels, regions):
    """Regions of the rounded centroids, by scipy."""
    ids = np.unique(labels[labels > 0])
    centroids = np.array(ndi.center_of_mass(labels > 0, labels, ids))
    at = np.floor(centroids + 0.5 + 1e-9).astype(int)
    values, counts = np.unique(regions[tuple(at.T)], return_counts=True)
    return dict(zip(values.tolist(), counts.tolist(), strict=True))


@pytest.fixture(params=[(90, 110), (20, 40, 46)], ids=["plane", "volume"])
def labels(request):
    return make_cells(1, request.param, random_state=4)[1][0]


def test_it_is_one_function():
    assert sskseg.scans.count_by_region is sskseg.counting.count_by_region


def test_counts_are_those_of_scipy(labels):
    regions = regions_of(labels.shape)
    expected = expected_counts(labels, regions)
    found = count_by_region(labels, regions)
    assert found.set_index("region").objects.to_dict() == {
        value: expected.get(value, 0) for value in np.unique(regions).tolist()
    }
    assert found.objects.sum() == len(np.unique(labels)) - 1
    assert found["size"].tolist() == np.unique(regions, return_counts=True)[1].tolist()
    assert np.allclose(found.density, found.objects / found["size"])


def test_a_mask_of_a_region_may_be_boolean(labels):
    for by in ("centroid", "majority"):
        region = regions_of(labels.shape) > 0
        for given in (region, da.from_array(region, chunks=16)):
            found = count_by_region(labels, given, by=by)
            expected = count_by_region(labels, region.astype(int), by=by)
            pd.testing.assert_frame_equal(found, expected)


def test_a_mask_of_objects_warns(labels):
    """It is one object; so do tables of it."""
    mask = np.where(labels < 0, labels, labels > 0)
    with pytest.warns(UserWarning, match=r"objects holds one object of \d+ separate parts"):
        count_by_region(mask, regions_of(labels.shape))
    with pytest.warns(UserWarning, match=r"labels holds one object of \d+ separate parts"):
        measure_objects(255 * mask.astype(np.int32))
    few = label_components(mask > 0) < 5  # as fragments of one object: warnings are errors here
    assert len(measure_objects(mask * few)) == 1


def test_tables_points_and_label_images_agree(labels):
    regions = regions_of(labels.shape)
    spacing = (2.0, 0.3, 0.7)[-labels.ndim :]
    table = measure_objects(labels, spacing=spacing)
    names = [c for c in table.columns if c.startswith("centroid")]
    expected = count_by_region(labels, regions, spacing=spacing)
    for objects in (table, table[names].to_numpy() / spacing):
        pd.testing.assert_frame_equal(count_by_region(objects, regions, spacing=spacing), expected)


@pytest.mark.parametrize("by", ["centroid", "majority"])
@pytest.mark.parametrize("kind", ["dask", "zarr", "h5py", "h5py without chunks"])
def test_blocks_give_the_result_of_the_whole(labels, by, kind, tmp_path):
    regions = regions_of(labels.shape)
    expected = count_by_region(labels, regions, by=by)

    def stored(array, name, side):
        if kind == "dask":
            return da.from_array(array, chunks=side)
        if kind == "zarr":
            chunks = (side,) * array.ndim
            return zarr.create_array(tmp_path / name, data=array, chunks=chunks)
        chunks = None if "without" in kind else (side,) * array.ndim
        file = h5py.File(tmp_path / f"{name}.h5", "w")
        return file.create_dataset("a", data=array, chunks=chunks)

    stored_labels, stored_regions = stored(labels, "labels", 17), stored(regions, "regions", 13)
    found = count_by_region(stored_labels, stored_regions, by=by)
    pd.testing.assert_frame_equal(found, expected)
    table = measure_objects(labels)
    if by == "centroid":
        pd.testing.assert_frame_equal(count_by_region(table, stored_regions), expected)
    if kind.startswith("h5py"):
        stored_labels.file.close(), stored_regions.file.close()


def test_each_block_of_regions_is_read_once(labels):
    regions, reads = regions_of(labels.shape), []

    def read(block, block_info=None):
        reads.append(block_info[0]["chunk-location"])
        return block

    lazy = da.from_array(regions, chunks=15).map_blocks(read, dtype=regions.dtype)
    reads.clear()
    count_by_region(measure_objects(labels), lazy)
    assert len(reads) == len(set(reads)) == np.prod(lazy.numblocks)


def test_regions_have_names_and_rows_without_objects():
    regions = np.array([[0, 1, 1], [2, 2, 3]])
    found = count_by_region(
        np.array([[0, 1.2]]), regions, names={1: "CA1", 3: "DG", np.int32(9): "CA3"}
    )
    assert found.region.tolist() == [0, 1, 2, 3, 9]
    assert found.name.fillna("-").tolist() == ["background", "CA1", "-", "DG", "CA3"]
    assert found.objects.tolist() == [0, 1, 0, 0, 0]
    assert found["size"].tolist() == [1, 2, 2, 1, 0]
    assert found.density.fillna(-1).tolist() == [0, 0.5, 0, 0, -1]
    assert "name" not in count_by_region(np.array([[0, 1.2]]), regions)


def test_objects_outside_have_rows_of_their_own():
    table = pd.DataFrame({"centroid_y": [0.0, 10.0, 30.0], "centroid_x": [0.0, 20.0, 300.0]})
    regions = np.array([[1, 1], [1, 2]])
    found = count_by_region(table, regions, region_spacing=(10.0, 20.0), names={1: "a", 2: "b"})
    assert found.region.tolist() == [1, 2, -1]
    assert found.name.tolist() == ["a", "b", "outside"]
    assert found.objects.tolist() == [1, 1, 1]
    assert found["size"].tolist()[:2] == [600.0, 200.0]
    assert found.iloc[2][["size", "density"]].isna().all()
    before = pd.DataFrame({"centroid_y": [-0.5, -0.6], "centroid_x": [0.0, 0.0]})
    assert count_by_region(before, regions).objects.tolist() == [1, 0, 1]


def test_an_atlas_begins_where_the_scan_does():
    at = np.arange(8) * 0.5
    table = pd.DataFrame({"centroid_y": np.zeros(8), "centroid_x": at})
    found = count_by_region(
        table, np.array([[1, 2]]), region_spacing=(2.0, 2.0), spacing=(0.5, 0.5)
    )
    assert found.objects.tolist() == [4, 4]


def test_the_majority_of_pixels_and_not_the_centroid():
    labels = np.zeros((5, 8), int)
    labels[0, :7] = labels[1:, 0] = 4  # an L, whose centroid lies beside it
    labels[4, 4:] = 6
    regions = np.full((5, 8), 3)
    regions[1:3, 1:4] = 5
    regions[4, 4:6] = 8
    by_centroid = count_by_region(labels, regions).set_index("region").objects
    by_majority = count_by_region(labels, regions, by="majority").set_index("region").objects
    assert by_centroid.to_dict() == {3: 1, 5: 1, 8: 0}
    assert by_majority.to_dict() == {3: 2, 5: 0, 8: 0}  # two pixels each: the smaller number


def test_the_majority_in_coarser_regions_that_do_not_cover_the_image():
    labels = np.zeros((4, 12), int)
    labels[0, 0:4], labels[1, 3:8], labels[2, 7:12], labels[3, 6:10] = 1, 2, 3, 4
    regions = np.array([[1, 2]])  # of 4 x 4 pixels each
    found = count_by_region(
        labels, regions, by="majority", spacing=(0.1, 0.1), region_spacing=(0.4, 0.4)
    )
    assert found.region.tolist() == [1, 2, -1]
    assert found.objects.tolist() == [1, 2, 1]  # object 4 has two pixels in and two beyond


@pytest.mark.parametrize(
    ("unit", "ndim", "per_mm"), [("micrometer", 2, 1e3), ("nm", 3, 1e6), ("µm", 3, 1e3)]
)
def test_densities_are_per_square_or_cubic_millimeter(unit, ndim, per_mm):
    regions = np.ones((4,) * ndim, int)
    points = np.zeros((3, ndim))
    found = count_by_region(points, regions, spacing=(50.0,) * ndim, unit=unit)
    size = (200 / per_mm) ** ndim
    assert np.allclose(found["size"], size)
    assert np.allclose(found.density, 3 / size)
    assert found.attrs["units"] == {
        "size": f"millimeter^{ndim}", "density": f"1/millimeter^{ndim}"
    }  # fmt: skip
    plain = count_by_region(points, regions, spacing=(50.0,) * ndim)
    assert np.allclose(plain.density, 3 / 200**ndim)
    assert plain.attrs == {}


def test_nothing_to_count():
    regions = np.array([[1, 0], [1, 2]])
    empty = measure_objects(np.zeros((2, 2), int))
    for objects in (np.zeros((2, 2), int), np.full((2, 2), -1), np.empty((0, 2)), empty):
        assert count_by_region(objects, regions).objects.tolist() == [0, 0, 0]
    assert count_by_region(np.zeros((2, 2), int), regions, by="majority").objects.sum() == 0


def test_integer_points_are_no_label_image():
    points = np.array([[0, 1], [1, 1], [1, 0]])
    assert count_by_region(points, np.array([[1, 2], [3, 4]])).objects.tolist() == [0, 1, 1, 1]
    as_labels = count_by_region(np.array([[0, 1], [1, 1]]), np.array([[1, 2], [3, 4]]))
    assert as_labels.objects.sum() == 1


TABLE = pd.DataFrame({"centroid_y": [0.0, 1.0], "centroid_x": [0.0, 1.0]})
REGIONS = np.array([[1, 2], [3, 4]])
WITH_UNITS = measure_objects(REGIONS, spacing=(2, 2), unit="nm")


@pytest.mark.parametrize(
    ("objects", "regions", "options", "message"),
    [
        (TABLE * np.nan, REGIONS, {}, r"finite centroids, got \[nan, nan\] in row 0 and 1 further"),
        (np.array([[0, np.inf]]), REGIONS, {}, r"finite centroids, got \[0.0, inf\] in row 0\."),
        (np.zeros((3, 4), int), REGIONS, {}, r"shape \(3, 4\) and regions \(2, 2\)"),
        (np.zeros((3, 4)), REGIONS, {}, "a table, a label image of integers or points"),
        (np.zeros((2, 2, 2), int), REGIONS, {"region_spacing": (1, 1)}, "same number of axes"),
        (np.array([["a", "b"]]), REGIONS, {}, "points, numbers, got dtype <U1"),
        (REGIONS - 9, REGIONS, {}, "objects must not be below -1 .* got -8"),
        (TABLE, REGIONS - 2, {}, "regions must not be negative, got -1"),
        (TABLE, REGIONS * 1.0, {}, "regions must hold integers or booleans, got dtype float64"),
        (TABLE, np.zeros(4, int), {}, r"2-D or 3-D label image, got shape \(4,\)"),
        (TABLE, np.zeros((0, 4), int), {}, r"got shape \(0, 4\)"),
        (TABLE, REGIONS[None], {}, r"no columns \['centroid_z'\], which 3-D regions need"),
        (TABLE.assign(centroid_z=0), REGIONS, {}, "centroids of 3 axes, and regions 2"),
        (TABLE.assign(sample=[0, 1]), REGIONS, {}, "2 samples, each with pixels of its own"),
        (TABLE, REGIONS, {"by": "median"}, r"by must be one of .* got 'median'"),
        (TABLE, REGIONS, {"by": "majority"}, "needs a label image of 2 axes, got a table"),
        (TABLE, REGIONS, {"spacing": (1,)}, "spacing must be None or positive numbers, 2 of"),
        (TABLE, REGIONS, {"region_spacing": (1, 1, 1)}, "region_spacing must be None or"),
        (TABLE, REGIONS, {"unit": "nm"}, "unit='nm' and no spacing"),
        (TABLE, REGIONS, {"unit": "pixel", "spacing": (1, 1)}, "unit of length, .* got 'pixel'"),
        (WITH_UNITS, REGIONS, {}, "centroids in nm: give spacing"),
        (WITH_UNITS, REGIONS, {"spacing": (2, 2), "unit": "um"}, "in nm, got unit='um'"),
        (measure_objects(REGIONS), REGIONS, {"spacing": (2, 2)}, "in pixels, got spacing="),
        (TABLE, REGIONS, {"names": {"CA1": 1}}, "names must have numbers of regions.* got 'CA1'"),
        (TABLE, REGIONS, {"names": {-1: "x"}}, "got -1"),
        (np.array([[0.0, 0.0]]), REGIONS, {"by": "majority"}, "label image of integers"),
    ],
)  # fmt: skip
def test_bad_input(objects, regions, options, message):
    with pytest.raises(ValueError, match=message):
        count_by_region(objects, regions, **options)


@pytest.mark.parametrize("suffix", [None, ".csv", ".parquet"])
@pytest.mark.parametrize("column", ["image", "sample"])
def test_objects_of_several_images_are_not_counted_as_those_of_one(tmp_path, column, suffix):
    """`sskseg count` writes one table of all images, with a column `image`."""
    table = measure_objects(make_cells(1, (64, 64), random_state=0)[1][0], spacing=(0.5, 0.5),
                            unit="micrometer")  # fmt: skip
    both = pd.concat([table.assign(**{column: i}) for i in ("a", "b")], ignore_index=True)
    both.attrs = table.attrs
    regions, size = np.ones((64, 64), int), {"spacing": (0.5, 0.5)}
    calls = [
        lambda each, **size: count_by_region(each, regions, **size)["objects"].sum(),
        lambda each, **size: sskseg.scans.density_map(each, (64, 64), grid=(8, 8), **size).sum(),
        lambda each, **size: count_tiles([each], (64, 64), 32, **size)["count"].sum(),
    ]
    alone = both[both[column] == "b"]
    if suffix is not None:
        calls = calls[-1:]
        for name, each in (("both", both), ("alone", alone)):
            write_object_table(tmp_path / f"{name}{suffix}", each)
        both, alone = tmp_path / f"both{suffix}", tmp_path / f"alone{suffix}"
    for call in calls:
        with pytest.raises(ValueError, match=f"has 2 {column}s, each with pixels of its own"):
            call(both, **size)
        with pytest.raises(ValueError, match="has centroids in micrometer: give spacing"):
            call(alone)
        assert call(alone, **size) == call(table, **size) > 0
