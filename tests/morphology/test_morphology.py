import numpy as np
import pytest
from scipy import ndimage as ndi
from skimage.draw import disk
from skimage.measure import label as skimage_label
from skimage.measure import regionprops_table

from sskseg.datasets import load_dsb2018_nuclei, make_cells
from sskseg.metrics import f1_instances
from sskseg.morphology import (
    bridge_gaps,
    components,
    fill_holes,
    join_sections,
    label_components,
    label_objects,
    label_over_sections,
    measure_objects,
    normalized_distance,
    relabel,
    relief_of,
    remove_small,
    split_by_seeds,
    split_touching,
)


def same_partition(a, b):
    """Whether two label images differ by names only."""
    pairs = np.unique(np.stack([a.ravel(), b.ravel()]), axis=1)
    return len(np.unique(pairs[0])) == len(np.unique(pairs[1])) == pairs.shape[1]


@pytest.mark.parametrize("shape", [(20, 30), (9, 10, 11)])
@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64, ">u2", ">i4"])
def test_components_equal_scikit_images(shape, dtype):
    image = np.random.default_rng(0).integers(0, 2 if dtype is bool else 3, shape).astype(dtype)
    for connectivity in range(1, len(shape) + 1):
        expected = skimage_label(image, connectivity=connectivity)
        assert same_partition(label_components(image, connectivity), expected)


def test_components_of_nothing_and_of_nonsense():
    assert label_components(np.zeros((0, 3), bool)).shape == (0, 3)
    assert label_components(np.full((2, 2), -1)).max() == 0
    with pytest.raises(ValueError, match="got 1 axes"):
        label_components(np.ones(3))
    with pytest.raises(ValueError, match="connectivity 3"):
        label_components(np.ones((2, 2)), 3)


def test_masks_are_split_into_objects_and_label_images_are_kept():
    mask = np.array([[1, 0, 1], [0, 0, -1]])
    assert label_objects(mask).tolist() == [[1, 0, 2], [0, 0, -1]]
    labels = np.array([[2, 0, 2], [1, 0, -1]])
    assert label_objects(labels) is labels


@pytest.mark.parametrize("spacing", [None, (1.0, 1.0), (4.0, 1.0), (1.0, 8.0)])
def test_distance_of_each_object_by_brute_force(spacing):
    _, y = make_cells(1, (60, 50), random_state=1)
    labels = y[0]
    result = normalized_distance(labels, spacing)
    parts = label_components(labels)
    for part in range(1, parts.max() + 1):
        # The frame of the image is not a border.
        padded = np.pad(parts == part, 40, mode="edge")
        expected = ndi.distance_transform_edt(padded, sampling=spacing)[40:-40, 40:-40]
        inside = parts == part
        assert np.allclose(result[inside], expected[inside] / expected[inside].max(), atol=1e-5)
    assert (result[labels == 0] == 0).all()


def test_distance_is_unknown_where_the_border_is():
    labels = np.zeros((9, 20), int)
    labels[2:7, 2:6], labels[2:7, 10:14] = 1, 2
    labels[:, 14:] = -1
    result = normalized_distance(labels)
    assert np.isnan(result[labels == -1]).all()
    assert np.isnan(result[labels == 2]).all()
    assert result[labels == 1].max() == 1
    assert not np.isnan(normalized_distance(np.zeros((3, 3), int))).any()
    assert np.isnan(normalized_distance(np.full((3, 3), -1))).all()
    assert (normalized_distance(np.ones((3, 3), int)) == 1).all()


def test_small_objects_are_removed():
    labels = np.array([[1, 1, 1, 0, 2], [0, 0, 0, 0, 7]])
    before = labels.copy()
    assert remove_small(labels, 2).tolist() == [[1, 1, 1, 0, 0], [0] * 5]
    assert remove_small(labels, 0).tolist() == before.tolist()
    assert (labels == before).all()
    huge = labels.astype(np.int64) * 2**40
    assert remove_small(huge, 3).max() == 2**40


@pytest.mark.parametrize("ndim", [2, 3])
def test_holes_equal_scipys_per_object(ndim):
    rng = np.random.default_rng(0)
    noise = ndi.gaussian_filter(rng.normal(size=(40,) * ndim), 1.5)
    labels = label_components(noise > 0.1 * noise.std())
    filled = fill_holes(labels)
    for value in range(1, labels.max() + 1):
        alone = ndi.binary_fill_holes(labels == value)
        only_background = alone & (labels == 0)
        holes = label_components(alone & (labels != value))
        # a hole with another object in it is not filled by us
        mixed = np.unique(holes[(labels != value) & (labels > 0) & alone])
        expected = only_background & ~np.isin(holes, mixed)
        assert (filled[expected] == value).all()
    assert (filled[labels > 0] == labels[labels > 0]).all()


def test_a_ring_around_an_object_is_kept():
    labels = np.zeros((9, 9), int)
    labels[1:8, 1:8], labels[2:7, 2:7] = 1, 0
    assert (fill_holes(labels)[2:7, 2:7] == 1).all()
    labels[4, 4] = 2
    assert fill_holes(labels)[3, 3] == 0
    assert fill_holes(np.ones((3, 3), int) - np.eye(3, dtype=int))[0, 0] == 0


@pytest.mark.parametrize("gap", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("scale", [1.0, 0.1, 0.3, np.float64(1e-6)])
def test_near_objects_are_joined(gap, scale):
    mask = np.zeros((9, 20), bool)
    mask[3:6, 3:6] = mask[3:6, 6 + gap : 9 + gap] = True

    def parts(distance):
        bridged = bridge_gaps(mask, distance * scale, (scale, scale))
        assert bridged[mask].all()
        return label_components(bridged).max()

    assert parts(gap + 1) == 1  # from center to center
    assert parts(gap - 0.1) == 2
    assert bridge_gaps(mask, 0) is mask


def test_gaps_are_bridged_in_physical_units():
    mask = np.zeros((9, 9), bool)
    mask[0, 4] = mask[3, 4] = mask[0, 7] = True
    bridged = bridge_gaps(mask, 3.0, (1.0, 2.0))
    assert bridged[1, 4]
    assert not bridged[0, 5]
    volume = np.zeros((5, 5, 9), bool)
    volume[2, 2, 2] = volume[2, 2, 6] = volume[0, 2, 2] = True
    joined = label_components(bridge_gaps(volume, 4.0, (5.0, 1.0, 1.0)))
    assert joined[2, 2, 2] == joined[2, 2, 6] != joined[0, 2, 2]
    assert not bridge_gaps(np.zeros((4, 4), bool), 3.0).any()


@pytest.mark.parametrize("seeds", ["distance", "probability"])
def test_bridged_fragments_are_one_and_near_objects_two(seeds):
    probability = np.zeros((40, 90), np.float32)
    rows, columns = np.indices(probability.shape)
    for center in (20, 60):  # two rings, each cut in two
        away = np.hypot(rows - 20, columns - center)
        probability[away < 16] = (1 - 0.2 * away / 16)[away < 16]
        probability[:, center - 1 : center + 1] = 0
    probability[18:22, 36:44] = 0.75  # what joins them
    mask, relief = relief_of(probability, 0.5, seeds=seeds, bridge=4.0)
    labels = np.where(probability > 0.5, split_touching(mask, relief, 0.1), 0)
    assert len(np.unique(labels)) - 1 == 2
    assert labels[20, 10] == labels[20, 30] != labels[20, 50] == labels[20, 70]


def test_relabel_counts_up():
    assert relabel(np.array([7, 0, 2**40, 7])).tolist() == [1, 0, 2, 1]
    assert relabel(np.array([7, 9])).tolist() == [1, 2]


def two_disks(distance, shape=(40, 70)):
    mask = np.zeros(shape, bool)
    mask[disk((20, 20), 12, shape=shape)] = True
    mask[disk((20, 20 + distance), 12, shape=shape)] = True
    return mask


@pytest.mark.parametrize("distance", [20, 22, 24])
def test_touching_disks_are_split(distance):
    mask, relief = relief_of(two_disks(distance).astype(float), 0.5)
    labels = split_touching(mask, relief, 0.1)
    assert labels.max() == 2
    assert np.array_equal(labels > 0, two_disks(distance))
    assert labels[20, 15] != labels[20, 20 + distance + 5]


def test_one_disk_is_not_cut():
    mask, relief = relief_of(two_disks(0).astype(float), 0.5)
    assert split_touching(mask, relief, 0.05).max() == 1


def test_seeds_from_the_probability_split_what_a_mask_cannot():
    x = np.arange(42)
    valley = 0.9 - 0.3 * np.exp(-((x - 20.5) ** 2) / 8)
    probability = np.zeros((20, 42))
    probability[5:15, 1:41] = valley[1:41]
    reference = np.zeros((20, 42), int)
    reference[5:15, 1:21], reference[5:15, 21:41] = 1, 2
    mask, relief = relief_of(probability, 0.5, seeds="probability")
    labels = split_touching(mask, relief, 0.1)
    assert f1_instances(reference, labels, 0.95) == 1
    mask, relief = relief_of(probability, 0.5)
    assert split_touching(mask, relief, 0.1).max() == 1


def test_every_component_is_an_object():
    probability = np.zeros((12, 12))
    probability[1, 1] = probability[5:7, 5:7] = probability[11, 11] = 0.9
    mask, relief = relief_of(probability, 0.5, seeds="probability")
    assert split_touching(mask, relief, 0.3).max() == 3
    mask, relief = relief_of(np.zeros((4, 4)), 0.5)
    assert split_touching(mask, relief, 0.3).max() == 0


def test_most_nuclei_are_recovered_from_their_masks(data_dir):
    _, y = load_dsb2018_nuclei(data_dir / "dsb2018_nuclei")
    watersheds, components = [], []
    for labels in y[:40]:
        mask, relief = relief_of((labels > 0) * 1.0, 0.5)
        watersheds.append(split_touching(mask, relief, 0.05))
        components.append(label_components(mask))
    assert f1_instances(y[:40], watersheds) > 0.93
    assert f1_instances(y[:40], watersheds) > f1_instances(y[:40], components) + 0.03


def test_sections_are_joined_by_mutual_best_overlap():
    lower, upper, far = (np.zeros((8, 20), int) for _ in range(3))
    lower[1:5, 1:9], lower[1:5, 12:16] = 1, 2
    upper[1:5, 2:9], upper[5:7, 12:16] = 7, 4
    far[1:5, 1:9] = 1
    joined = join_sections([upper, far, lower], np.array([4, 9, 3]))
    assert joined[0][2, 4] == joined[2][2, 4]  # overlap
    assert joined[0][5, 13] != joined[2][2, 13]  # none
    assert joined[1][2, 4] not in np.unique(joined[0])  # not neighbors
    assert len(np.unique(np.stack(joined))) == 5
    assert [x.shape for x in join_sections([far], np.array([0]))] == [(8, 20)]
    assert join_sections([np.zeros((2, 2), int)] * 2, np.arange(2))[1].max() == 0


def test_ids_that_agree_between_sections_are_objects():
    first, second = np.zeros((6, 20), int), np.zeros((6, 20), int)
    first[1:5, 1:9], first[1:5, 12:16] = 7, 2
    second[1:5, 1:9], second[1:5, 11:16] = 3, 2  # another object lies on 7
    labels, positions = [first, second], np.arange(2)
    whole = label_over_sections(labels, positions)
    assert len(np.unique(np.stack(whole))) == 4
    assert whole[0][2, 13] == whole[1][2, 13]
    assert len(np.unique(np.stack(join_sections(labels, positions)))) == 3  # takes 3 and 7 for one


def test_an_id_that_occurs_again_later_is_another_object():
    labels = [np.zeros((6, 20), int) for _ in range(5)]
    for i in (0, 1, 4):
        labels[i][1:5, 1:9] = 6
    whole = label_over_sections(labels, np.arange(5))
    assert [np.unique(x).tolist() for x in whole] == [[0, 1], [0, 1], [0], [0], [0, 2]]


def test_sections_with_ids_of_their_own_are_joined():
    first, second = np.zeros((6, 20), int), np.zeros((6, 20), int)
    first[1:5, 1:9], first[1:5, 12:16] = 1, 2
    second[1:5, 1:9], second[1:5, 11:16] = 2, 1  # the same two objects
    joined = label_over_sections([first, second], np.arange(2))
    assert joined[0][2, 2] == joined[1][2, 2]
    assert joined[0][2, 13] == joined[1][2, 13]
    assert joined[0][2, 2] != joined[0][2, 13]
    apart = label_over_sections([first, first], np.array([0, 2]))  # not neighbors
    assert len(np.unique(np.stack(apart))) == 5


def test_ids_of_a_volume_may_lie_side_by_side():
    """The cross-sections of one of three objects do not overlap; by overlap, they would be two."""
    labels = [np.zeros((6, 20), int) for _ in range(2)]
    for number, (first, second) in {4: (0, 5), 7: (9, 9), 9: (14, 15)}.items():
        labels[0][1:5, first : first + 4] = number
        labels[1][1:5, second : second + 4] = number
    whole = label_over_sections(labels, np.arange(2))
    assert [np.unique(x).tolist() for x in whole] == [[0, 1, 2, 3]] * 2
    assert whole[1][2, 6] == whole[0][2, 2]
    by_section = [np.searchsorted([0, 4, 7, 9], x) for x in labels]  # 1, 2, 3 may start anew
    joined = label_over_sections(by_section, np.arange(2))
    assert [np.unique(x).tolist() for x in joined] == [[0, 1, 2, 3], [0, 2, 3, 4]]


def test_ids_of_few_objects_by_section_are_joined_by_overlap():
    """One object is in all sections; at the middle one, another ends and a third begins."""
    labels = [np.zeros((6, 20), int) for _ in range(10)]
    for label in labels:
        label[1:5, 1:5] = 1
    for label in labels[:5]:
        label[1:5, 8:11] = 2
    for label in labels[5:]:
        label[1:5, 15:19] = 2  # the next id of the section
    whole = np.stack(label_over_sections(labels, np.arange(10)))
    assert len(np.unique(whole)) == 4
    assert whole[0, 2, 9] != whole[9, 2, 16]


def test_one_object_is_joined_to_one():
    lower, upper = np.zeros((6, 12), int), np.zeros((6, 12), int)
    lower[1:5, 1:11] = 1
    upper[1:5, 1:5], upper[1:5, 6:11] = 1, 2
    joined = join_sections([lower, upper], np.arange(2))
    assert joined[1][2, 8] == joined[0][2, 8]  # the larger part
    assert joined[1][2, 2] != joined[0][2, 2]


@pytest.mark.parametrize("shape", [(30, 40), (12, 20, 16)])
def test_measurements_equal_scikit_images(shape):
    X, y = make_cells(1, shape, random_state=0)
    spacing = (2.0, 0.5, 0.25)[-len(shape) :]
    table = measure_objects(y[0], probability=X[0], intensity=X[0], spacing=spacing)
    properties = ("label", "centroid", "area", "bbox", "intensity_mean")
    expected = regionprops_table(y[0], X[0], properties=properties, spacing=spacing)
    assert (table["id"] == expected["label"]).all()
    size = "area" if len(shape) == 2 else "volume"
    assert np.allclose(table[size], expected["area"])
    for axis, name in enumerate("zyx"[-len(shape) :]):
        assert np.allclose(table[f"centroid_{name}"], expected[f"centroid-{axis}"])
        assert (table[f"min_{name}"] == expected[f"bbox-{axis}"]).all()
        assert (table[f"max_{name}"] == expected[f"bbox-{axis + len(shape)}"]).all()
    assert np.allclose(table["mean_intensity"], expected["intensity_mean"], atol=1e-5)
    assert np.allclose(table["score"], expected["intensity_mean"], atol=1e-5)
    on_frame = np.zeros(shape, bool)
    on_frame[tuple(slice(1, -1) for _ in shape)] = True
    assert set(table["id"][table["touches_border"]]) == set(np.unique(y[0][~on_frame])) - {0}


def test_empty_tables_have_their_columns():
    table = measure_objects(np.zeros((3, 3), int), intensity=np.zeros((3, 3, 2)))
    assert len(table) == 0
    assert {"id", "area", "mean_intensity_1", "touches_border"} <= set(table.columns)
    with pytest.raises(ValueError, match=r"got \(2, 2\)"):
        measure_objects(np.zeros((3, 3), int), intensity=np.zeros((2, 2)))


@pytest.mark.parametrize("seed", range(60))
def test_components_are_those_of_scipy(seed, monkeypatch):
    rng = np.random.default_rng(seed)
    ndim = 2 + seed % 2
    mask = rng.random(rng.integers(1, 12, ndim)) < rng.choice([0.1, 0.3, 0.5])
    monkeypatch.setattr(components, "_MAX_LOCKED", int(rng.integers(2)) * 2**23)
    for connectivity in range(1, ndim + 1):
        expected = ndi.label(mask, ndi.generate_binary_structure(ndim, connectivity))[0]
        for dtype in (bool, np.uint8, np.int32):
            labels = label_components(mask.astype(dtype), connectivity)
            assert np.array_equal(labels, expected)


def test_components_of_a_large_mask_do_not_hold_the_lock_of_other_threads(monkeypatch):
    monkeypatch.setattr("cc3d.connected_components", None)  # which holds it
    monkeypatch.setattr(components, "_MAX_LOCKED", 8)
    assert label_components(np.eye(3) > 0).tolist() == [[1, 0, 0], [0, 2, 0], [0, 0, 3]]
    with pytest.raises(TypeError):
        label_components(np.eye(3, dtype=int))


def crowd(shape=(90, 120), n=40, seed=0):
    """A mask of touching disks, the relief of their cores, and these."""
    rng = np.random.default_rng(seed)
    mask, core = np.zeros(shape, bool), np.zeros(shape, bool)
    for center in rng.uniform((8, 8), np.array(shape) - 8, (n, 2)):
        mask[disk(center, 7, shape=shape)] = True
        core[disk(center, 3, shape=shape)] = True
    return mask, np.where(mask, 0.3 + 0.5 * core, 0.0).astype(np.float32), core


def test_objects_grow_from_their_seeds():
    mask = two_disks(20)
    seeds = two_disks(20) & False
    seeds[18:22, 12:16] = seeds[18:22, 44:48] = True
    labels = split_by_seeds(mask, mask * 0.5, seeds)
    assert labels.max() == 2
    assert np.array_equal(labels > 0, mask)
    assert len(np.unique(labels[:, :26][mask[:, :26]])) == 1
    assert labels[20, 10] != labels[20, 50]
    assert labels[20, 29] == labels[20, 10]
    assert labels[20, 32] == labels[20, 50]


def test_components_without_a_seed_are_objects():
    mask, relief, core = crowd()
    mask[0:2, 0:2] = True
    labels = split_by_seeds(mask, relief, core)
    assert np.array_equal(labels > 0, mask)
    assert labels[0, 0] == labels.max()
    parts = label_components(mask)
    assert labels.max() > parts.max()
    assert split_by_seeds(mask, relief, core & False).max() == parts.max()
    assert split_by_seeds(mask & False, relief, core).max() == 0


@pytest.mark.parametrize("seed", range(4))
def test_objects_from_seeds_do_not_depend_on_the_rest_of_the_image(seed):
    """Flat reliefs and equal seeds are ties all over: each component is split as if alone."""
    mask, relief, core = crowd(seed=seed)
    whole, parts = split_by_seeds(mask, relief, core), label_components(mask)
    for part in range(1, parts.max() + 1):
        box = tuple(
            slice(max(0, side.start - 1), side.stop + 1)
            for side in ndi.find_objects((parts == part).astype(int))[0]
        )
        alone = split_by_seeds((parts == part)[box], relief[box], core[box])
        assert same_partition(np.where(alone > 0, whole[box], 0), alone)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.uint16, np.uint32, np.int16, np.int64])
def test_read_only_labels(dtype):
    from sskseg.morphology import label_components, normalized_distance

    labels = np.zeros((8, 9), dtype)
    labels[1:4, 1:4] = labels[5:7, 2:8] = 1
    expected = label_components(labels), normalized_distance(labels.astype(int))
    labels.flags.writeable = False
    assert np.array_equal(label_components(labels), expected[0])
    assert np.array_equal(normalized_distance(labels), expected[1])
