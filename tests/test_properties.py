"""What holds for any input: checks, stacks, tiles, metrics, stitching."""

from itertools import combinations

import dask
import dask.array as da
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sskseg.images import (
    ImageStack,
    check_images,
    check_positions,
    check_sample_weight,
    consecutive_runs,
    section_indices,
)
from sskseg.images.annotations import Annotations
from sskseg.inference import TileSettings, predict_images
from sskseg.metrics import (
    adapted_rand_error,
    average_precision,
    count_error,
    dice,
    f1_instances,
    iou,
    panoptic_quality,
    pixel_error,
    rand_error,
    variation_of_information,
)
from sskseg.morphology import join_sections, label_components
from sskseg.nn import make_network
from sskseg.scans import label_blocks
from sskseg.scans.stitching import merge_ids
from sskseg.training import inference_copy

few = settings(max_examples=40, deadline=None, derandomize=True, database=None)
LABELS = hnp.arrays(np.int64, hnp.array_shapes(min_dims=2, max_dims=3, max_side=6),
                    elements=st.integers(0, 4))  # fmt: skip


@st.composite
def pairs(draw, unlabeled=False):
    """Two label images of one shape; true ones may hold -1."""
    true = draw(LABELS)
    pred = draw(hnp.arrays(np.int64, true.shape, elements=st.integers(0, 4)))
    hidden = draw(hnp.arrays(bool, true.shape)) & unlabeled
    return np.where(hidden, -1, true), pred


def renamed(labels, order):
    """The same objects under other names."""
    table = np.concatenate([[0], 1 + np.array(order)])
    return np.where(labels < 0, -1, table[np.maximum(labels, 0)])


ORDERS = st.permutations(range(4))

# Checks


@few
@given(st.data())
def test_images_come_back_as_they_were_or_are_refused(data):
    shape = tuple(data.draw(st.lists(st.integers(0, 4), min_size=1, max_size=5)))
    dtype = data.draw(st.sampled_from([bool, "u1", "i2", "u8", "f2", "f8", "c8", "U1", object]))
    X = np.ones(shape).astype(dtype)
    before = X.copy()
    is_legal = np.dtype(dtype).kind in "buif" and len(shape) in (3, 4) and 0 not in shape
    if not is_legal:
        with pytest.raises(ValueError, match="X"):
            check_images(X, 2)
        return
    images = check_images(X, 2)
    assert np.array_equal(np.stack(images).reshape(shape), X)
    assert all(np.shares_memory(image, X) for image in images)
    assert {image.shape for image in images} == {(*shape[1:3], shape[3] if len(shape) == 4 else 1)}
    assert np.array_equal(X, before)


@few
@given(st.floats(allow_nan=True, allow_infinity=True), st.integers(0, 7))
def test_values_are_finite_and_bounded(value, where):
    X = np.zeros((2, 2, 2))
    X.flat[where] = value
    if np.isfinite(value) and abs(value) <= 1e18:
        assert check_images(X, 2)[where // 4].flat[where % 4] == value
    else:
        with pytest.raises(ValueError, match=rf"X\[{where // 4}\]"):
            check_images(X, 2)


@few
@pytest.mark.filterwarnings("ignore:y holds .* beside small values only")
@given(hnp.arrays(st.sampled_from([np.int8, np.int64, np.uint16, np.uint64, bool]), (2, 2, 3)))
def test_labels_come_back_as_they_were_or_are_refused(y):
    images = check_images(np.zeros((2, 2, 3)), 2)
    if (y.dtype.kind == "i" and y.min() < -1) or (y.dtype == np.uint64 and y.max() >= 2**63):
        with pytest.raises(ValueError, match=r"y\[[01]\] must"):
            Annotations(y, images)
    else:
        assert np.array_equal(np.stack(Annotations(y, images).label_images), y)


@few
@given(st.lists(st.integers(-(2**40), 2**40), min_size=1, max_size=6))
def test_positions_are_taken_once(positions):
    if len(set(positions)) < len(positions):
        with pytest.raises(ValueError, match="must not repeat"):
            check_positions(positions, len(positions))
        return
    checked = check_positions(positions, len(positions))
    assert checked.tolist() == positions
    runs = consecutive_runs(checked)
    assert sorted(np.concatenate(runs).tolist()) == list(range(len(positions)))
    for run in runs:
        assert (np.diff(checked[run]) == 1).all()
    for row, neighbors in enumerate(section_indices(checked, 2)):
        assert neighbors[2] == row
        assert np.abs(checked[neighbors] - checked[row]).max() <= 2


@few
@given(st.lists(st.floats(allow_nan=True) | st.none(), min_size=1, max_size=4))
def test_weights_and_counts_are_numbers_from_0_on(values):
    if all(v is not None and np.isfinite(v) and v >= 0 for v in values):
        assert check_sample_weight(values, len(values)).tolist() == values
    else:
        with pytest.raises(ValueError, match="must be"):
            check_sample_weight(values, len(values))
    known = [v for v in values if v is not None and not np.isnan(v) and v != -1]
    images = check_images(np.zeros((len(values), 2, 2)), 2)
    if all(np.isfinite(v) and v >= 0 for v in known):
        counts = Annotations(values, images).counts() if known else np.full(len(values), np.nan)
        assert counts[np.isfinite(counts)].tolist() == known
    else:
        with pytest.raises(ValueError, match="must be"):
            Annotations(values, images)


# ImageStack


@few
@given(st.data())
def test_rows_of_a_stack_are_those_of_the_array(data):
    n = data.draw(st.integers(1, 5))
    X = np.arange(n * 6).reshape(n, 2, 3)
    rows = data.draw(
        st.slices(n)
        | st.lists(st.integers(-n, n - 1), min_size=1, max_size=4)
        | hnp.arrays(bool, n)
        | hnp.arrays(np.int64, st.integers(1, 4), elements=st.integers(-n, n - 1))
    )
    for images in (X, list(X), ImageStack(X)):
        stack = ImageStack(images, backbone="b", simulator="s")
        part = stack[rows]
        assert (part.backbone, part.simulator) == ("b", "s")
        assert np.array_equal(np.stack(part.images) if len(part) else X[:0], X[rows])
        assert len(part) == part.shape[0]
        assert np.array_equal(np.asarray(stack), X)
        assert np.array_equal(stack[n - 1], X[-1])
        assert all(np.array_equal(a, b) for a, b in zip(stack, X, strict=True))


# Tiles


@settings(few, max_examples=12)
@given(st.sampled_from(["unet", "unet-shuffle", "unet-lite"]), st.integers(1, 2),
       st.tuples(st.integers(1, 90), st.integers(1, 90)))  # fmt: skip
def test_predicting_in_tiles_equals_the_whole(name, depth, shape):
    torch_rng = torch.Generator().manual_seed(0)
    cpu = torch.device("cpu")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = make_network(name, 1, 2, width=2, depth=depth)
    network = inference_copy(network, cpu, torch.float32, 2)
    image = torch.randn((1, *shape), generator=torch_rng)
    tile = 2 * max(network.reach) + 4 * max(network.stride)

    def run(side):
        tiles = TileSettings((side, side), network.reach, network.stride)
        return next(predict_images(network, [image], tiles, device=cpu, dtype=torch.float32))

    assert np.abs(run(tile) - run(1024)).max() < 1e-5


# Metrics


@few
@given(pairs(unlabeled=True), ORDERS, ORDERS)
def test_names_of_objects_do_not_matter(pair, order, other):
    true, pred = pair
    again = renamed(true, order), renamed(pred, other)
    for metric in (f1_instances, average_precision, adapted_rand_error, rand_error):
        assert np.allclose(metric(true, pred), metric(*again), atol=1e-12)
    assert np.allclose(panoptic_quality(true, pred), panoptic_quality(*again), atol=1e-12)
    assert np.allclose(
        variation_of_information(true, pred), variation_of_information(*again), atol=1e-12
    )


@few
@given(pairs(unlabeled=True))
def test_scores_stay_in_their_range_and_are_best_for_the_truth(pair):
    true, pred = pair
    best = np.maximum(true, 0)
    for metric in (dice, iou, f1_instances, average_precision):
        assert 0 <= metric(true, pred) <= 1
        assert metric(true, best) == 1
    for metric in (pixel_error, rand_error, adapted_rand_error):
        assert -1e-12 <= np.min(metric(true, pred)) <= np.max(metric(true, pred)) <= 1 + 1e-12
    assert pixel_error(true, best) == rand_error(true, best) == 0
    assert np.allclose(variation_of_information(true, best), 0, atol=1e-12)
    assert iou(true, pred) <= dice(true, pred)


@few
@given(pairs())
def test_swapping_truth_and_prediction_keeps_what_is_symmetric(pair):
    true, pred = pair
    for metric in (dice, iou, f1_instances, average_precision, pixel_error, rand_error):
        assert metric(true, pred) == pytest.approx(metric(pred, true), abs=1e-12)


@few
@given(pairs(unlabeled=True))
def test_metrics_equal_slow_ones(pair):
    true, pred = pair
    t, p = true[true >= 0].tolist(), pred[true >= 0].tolist()
    both = sum(a > 0 and b > 0 for a, b in zip(t, p, strict=True))
    total = sum(a > 0 for a in t) + sum(b > 0 for b in p)
    assert dice(true, pred) == pytest.approx(2 * both / total if total else 1.0)
    every = list(combinations(range(len(t)), 2))
    wrong = sum((t[i] == t[j]) != (p[i] == p[j]) for i, j in every)
    assert rand_error(true, pred) == pytest.approx(wrong / len(every) if every else 0.0)
    objects, found = set(t) - {0}, set(p) - {0}
    matched = 0
    for a in objects:
        for b in found:
            inter = sum(x == a and y == b for x, y in zip(t, p, strict=True))
            union = sum(x == a or y == b for x, y in zip(t, p, strict=True))
            matched += inter / union > 0.5
    if objects or found:
        assert f1_instances(true, pred, 0.5 + 1e-9) == pytest.approx(
            2 * matched / (len(objects) + len(found))
        )


@few
@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=1, max_size=6))
def test_count_errors_equal_slow_ones(counts):
    true, pred = zip(*counts, strict=True)
    found = count_error(true, pred)
    errors = [b - a for a, b in counts]
    assert found["bias"] == pytest.approx(sum(errors) / len(errors))
    assert found["mae"] == pytest.approx(sum(map(abs, errors)) / len(errors))
    assert abs(found["bias"]) <= found["mae"] + 1e-9 <= found["rmse"] + 2e-9
    assert -1 - 1e-9 <= found["concordance"] <= 1 + 1e-9
    assert count_error(true, true)["wape"] == 0


# Stitching


def same(labels, expected):
    """Whether two label images differ in the names of objects only."""
    found = np.unique(np.stack([labels.ravel(), expected.ravel()], axis=1), axis=0)
    return all(len(np.unique(column)) == len(found) for column in found.T)


@settings(few, max_examples=15)
@given(st.data(), LABELS)
def test_labels_of_blocks_are_those_of_the_whole(data, labels):
    mask = labels > 1
    connectivity = data.draw(st.integers(1, mask.ndim))
    chunks = tuple(data.draw(st.integers(1, side)) for side in mask.shape)
    found, n = dask.compute(
        *label_blocks(da.from_array(mask, chunks=chunks), connectivity), scheduler="synchronous"
    )
    expected = label_components(mask, connectivity)
    assert n == expected.max()
    assert same(found, expected)


@few
@given(st.lists(st.integers(0, 4), min_size=1, max_size=5), st.data())
def test_numbers_of_blocks_have_no_gaps_and_join_what_is_one(counts, data):
    edges = []
    for a in range(len(counts) - 1):
        if counts[a] and counts[a + 1]:
            touching = st.tuples(st.integers(1, counts[a]), st.integers(1, counts[a + 1]))
            rows = data.draw(st.lists(touching, max_size=3))
            edges.append((a, a + 1, np.array(rows, np.int64).reshape(-1, 2)))
    numbering = merge_ids(counts, edges)
    tables = [numbering.table(i) for i in range(len(counts))]
    ids = np.unique(np.concatenate([table[1:] for table in tables]))
    assert ids.tolist() == list(range(1, numbering.n_objects + 1))
    for a, b, rows in edges:
        assert np.array_equal(tables[a][rows[:, 0]], tables[b][rows[:, 1]])


@few
@given(hnp.arrays(np.int64, (3, 4, 4), elements=st.integers(0, 3)), ORDERS)
def test_sections_are_joined_whatever_their_ids(labels, order):
    joined = join_sections(list(labels), np.arange(3))
    again = join_sections([labels[0], renamed(labels[1], order), labels[2]], np.arange(3))
    assert same(np.stack(joined), np.stack(again))
    for section, original in zip(joined, labels, strict=True):
        assert same(section, original)  # joining neither cuts nor merges objects of a section
    apart = join_sections(list(labels), np.array([0, 2, 4]))
    ids = [set(np.unique(section)) - {0} for section in apart]
    assert sum(map(len, ids)) == len(set.union(*ids))
