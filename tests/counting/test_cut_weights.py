"""A decision for each cut between touching objects, fitted on labeled objects."""

import copy
import pickle

import numpy as np
import pytest
from scipy import ndimage as ndi

from sskseg import InstanceCounter
from sskseg.counting import Watershed
from sskseg.counting.cut_weights import DEFAULT_CUT_WEIGHTS, fit_cut_weights, wrong_cuts
from sskseg.datasets import make_cells
from sskseg.models import load_model
from sskseg.morphology import Cuts, find_cuts, label_components, merge_objects

SHAPE = (96, 200)
CORES = Watershed(seeds="core")


def disk(center, radius):
    y, x = np.indices(SHAPE)
    return np.hypot(y - center[0], x - center[1]) <= radius


def sample(seed, n_pairs=3, n_lobed=3):
    """Pairs of touching disks, and objects of two lobes: cores of both have two parts.

    The valley between two objects is deeper than that between lobes, and neither is below 0.5.
    """
    rng = np.random.default_rng(seed)
    labels = np.zeros(SHAPE, np.int32)
    foreground, core = np.zeros(SHAPE), np.zeros(SHAPE)
    kinds = rng.permutation([True] * n_pairs + [False] * n_lobed)
    for i, is_pair in enumerate(kinds):
        center = np.array([24 + 48 * (i % 2), 34 + 66 * (i // 2)]) + rng.uniform(-3, 3, 2)
        sides = [disk(center + [0, -10], 10), disk(center + [0, 10], 10)]
        valley = 0.6 if is_pair else 0.85
        valley += rng.uniform(-0.05, 0.05)
        mask = sides[0] | sides[1] | (disk(center, 4) if not is_pair else False)
        foreground[mask] = 0.97
        for side, offset in zip(sides, (-10, 10), strict=True):
            core[disk(center + [0, offset], 7)] = 0.98
            labels[side] = labels.max() + (1 if is_pair or offset < 0 else 0)
        bridge = disk(center, 4) & (core == 0)
        core[bridge] = valley
        if not is_pair:
            labels[mask] = labels[tuple(np.round(center + [0, -10]).astype(int))]
    return np.stack([foreground, ndi.gaussian_filter(core, 0.5)], -1), labels


@pytest.fixture(scope="module")
def samples():
    outputs, labels = zip(*(sample(seed) for seed in range(6)), strict=True)
    return np.array(outputs, np.float32), np.array(labels)


def test_cuts_are_learned(samples):
    outputs, labels = samples
    plain = InstanceCounter(Watershed(seeds="core", cut_weights=())).fit(outputs[:4], labels[:4])
    counter = InstanceCounter(CORES).fit(outputs[:4], labels[:4])
    assert plain.cut_weights_ == ()
    assert len(counter.cut_weights_) == 7
    assert counter.cut_weights_ != DEFAULT_CUT_WEIGHTS
    true = [len(np.unique(label)) - 1 for label in labels[4:]]
    assert counter.predict(outputs[4:]).tolist() == true
    assert plain.predict(outputs[4:]).tolist() == [6, 6]  # no core has a valley below 0.5
    assert counter.score(outputs[4:], labels[4:]) > plain.score(outputs[4:], labels[4:])


def with_weights(weights, outputs):
    """A counter that searches nothing."""
    return InstanceCounter(Watershed(seeds="core", cut_weights=weights)).fit(outputs[:1], None)


def test_given_weights_are_used(samples):
    outputs, labels = samples
    fitted = InstanceCounter(CORES).fit(outputs[:4], labels[:4])
    given = InstanceCounter(Watershed(seeds="core", cut_weights=fitted.cut_weights_)).fit(
        outputs[:1], None
    )
    assert given.cut_weights_ == fitted.cut_weights_
    for a, b in zip(given.label(outputs[4:]), fitted.label(outputs[4:]), strict=True):
        assert np.array_equal(a > 0, b > 0)
    every = InstanceCounter(Watershed(seeds="core", cut_weights=(10.0, *(0.0,) * 6))).fit(
        outputs[:1], None
    )
    none = InstanceCounter(Watershed(seeds="core", cut_weights=(-10.0, *(0.0,) * 6))).fit(
        outputs[:1], None
    )
    assert every.predict(outputs[:1])[0] == 12
    assert none.predict(outputs[:1])[0] == 6


def test_too_few_cuts_keep_the_default(samples):
    outputs, labels = samples
    assert InstanceCounter(CORES).fit(outputs[:1], labels[:1]).cut_weights_ == DEFAULT_CUT_WEIGHTS
    counts = [len(np.unique(label)) - 1 for label in labels]
    assert InstanceCounter(CORES).fit(outputs, counts).cut_weights_ == DEFAULT_CUT_WEIGHTS


def test_without_labels_cuts_are_as_in_simulated_cells():
    X, y = make_cells(n_samples=6, shape=(128, 128), n_cells=30, separation=0.7, random_state=1)
    outputs = load_model("cells-simulated")[:-1].transform(X)
    counter = InstanceCounter().fit(outputs, None)
    assert counter.cut_weights_ == DEFAULT_CUT_WEIGHTS
    every_core = InstanceCounter(Watershed(cut_weights=())).fit(outputs, None)
    assert counter.score(outputs, y) > every_core.score(outputs, y)


def test_labels_speak_against_cuts(samples):
    """Each pair of valleys of these labels is one object, in every image."""
    outputs, labels = samples
    merged = [label_components(label > 0) for label in labels]
    counter = InstanceCounter(CORES).fit(outputs, merged)
    assert counter.cut_weights_ == ()
    assert counter.predict(outputs).tolist() == [label.max() for label in merged]


def test_only_cores_have_cuts(samples):
    outputs, labels = samples
    assert InstanceCounter().fit(outputs[..., 0], labels).cut_weights_ == ()
    assert InstanceCounter().fit(outputs[..., 0], None).cut_weights_ == ()
    assert InstanceCounter("components").fit(outputs, labels).method == "components"
    counter = InstanceCounter(Watershed(seeds="distance")).fit(outputs, labels)
    assert counter.cut_weights_ == ()


def test_weights_separate_what_is_labeled():
    labels, cuts, objects = [], [], []
    for seed in range(3):
        outputs, truth = sample(seed)
        over = Watershed()._over_split(
            outputs[..., 0], outputs[..., 1], {"threshold": 0.5, "merge_distance": 0.0}, None
        )
        labels.append(over[0])
        cuts.append(over[1])
        objects.append(truth)
    weights = fit_cut_weights(labels, cuts, objects)
    for label, cut, truth in zip(labels, cuts, objects, strict=True):
        sides = [[np.bincount(truth[label == i]).argmax() for i in pair] for pair in cut.pairs]
        expected = [pair for pair, (a, b) in zip(cut.pairs.tolist(), sides, strict=True) if a == b]
        assert sorted(wrong_cuts(cut, weights).tolist()) == expected


def test_unlabeled_sides_do_not_count():
    labels = np.repeat([[1, 2, 3, 4]], 4, 0).repeat(4, 1)
    cuts = find_cuts(labels, labels > 0, labels > 0)
    objects = np.where(labels <= 2, labels, -1)
    from sskseg.counting import cut_weights

    features, right = cut_weights._examples(labels, cuts, objects)
    assert len(features) == 1
    assert right.tolist() == [True]
    assert fit_cut_weights([labels], [cuts], [objects]) is None


def test_a_saved_counter_has_them(samples, tmp_path):
    outputs, labels = samples
    counter = InstanceCounter(CORES).fit(outputs[:4], labels[:4])
    counter.save(tmp_path / "counter.sskseg")
    loaded = InstanceCounter.load(tmp_path / "counter.sskseg")
    assert loaded.cut_weights_ == counter.cut_weights_
    counter.cut_weights_ = counter.cut_weights_[:3]
    counter.save(tmp_path / "damaged.sskseg")
    with pytest.raises(ValueError, match="damaged.sskseg is damaged: cut_weights"):
        InstanceCounter.load(tmp_path / "damaged.sskseg")


@pytest.mark.parametrize(
    "weights", [(1.0, 2.0), ("a",) * 7, (np.nan,) * 7, [0.0] * 7, None, "fitted"]
)
def test_bad_weights(samples, weights):
    with pytest.raises(ValueError, match="cut_weights"):
        InstanceCounter(Watershed(cut_weights=weights)).fit(samples[0][:1], None)


def test_volumes():
    outputs, labels = zip(*(sample(seed) for seed in range(4)), strict=True)
    outputs = np.repeat(np.array(outputs, np.float32)[:, None], 5, 1)
    labels = np.repeat(np.array(labels)[:, None], 5, 1)
    counter = InstanceCounter(CORES, spatial_ndim=3).fit(outputs, labels)
    assert len(counter.cut_weights_) == 7
    assert counter.predict(outputs).tolist() == [len(np.unique(x)) - 1 for x in labels]


def test_a_weak_core_beside_a_sure_one_is_an_object():
    """Cuts can only be decided where there are seeds."""
    foreground, core = np.zeros(SHAPE), np.zeros(SHAPE)
    for column, level in ((40, 0.98), (60, 0.8)):
        foreground[disk((48, column), 10)] = 0.97
        core[disk((48, column), 7)] = level
    outputs = np.stack([foreground, core], -1)[None].astype(np.float32)
    assert with_weights((10.0, *(0.0,) * 6), outputs).predict(outputs).tolist() == [2]
    assert with_weights((), outputs).predict(outputs).tolist() == [2]


def test_a_chain_of_wrong_cuts_does_not_overrule_a_surer_right_one():
    pairs = np.array([[1, 2], [1, 3], [2, 3]])
    features = np.zeros((3, 6))
    features[:, 0] = [-1.0, 3.0, -2.0]  # the scores: 1 and 3 are apart, 2 belongs to 3
    merged = wrong_cuts(Cuts(pairs, features), (0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0))
    assert merged.tolist() == [[2, 3]]
    assert merge_objects(np.array([1, 2, 3]), merged).tolist() == [1, 2, 2]
    features[:, 0] = [-2.0, 1.0, -3.0]  # the right cut is the least sure
    merged = wrong_cuts(Cuts(pairs, features), (0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0))
    assert merge_objects(np.array([1, 2, 3]), merged).tolist() == [1, 1, 1]


def test_noise_is_rarely_learned():
    """Cuts whose features say nothing are kept, as a rule."""
    rng = np.random.default_rng(0)
    accepted = 0
    for _ in range(50):
        labels, cuts, objects = [], [], []
        for _ in range(4):
            label = np.repeat(np.arange(1, 13)[None], 3, 0).repeat(3, 1)
            kept = np.cumsum(np.r_[1, rng.random(11) < 0.6])
            labels.append(label)
            objects.append(kept[label - 1])
            cuts.append(find_cuts(label, label > 0, label > 0)._replace(
                features=rng.normal(size=(11, 6))))  # fmt: skip
        accepted += fit_cut_weights(labels, cuts, objects) is not None
    assert accepted <= 15


def test_one_image_teaches_nothing(samples):
    outputs, labels = samples
    wide = (
        np.concatenate(outputs[:4], axis=1)[None],
        np.concatenate(
            [np.where(label, label + 20 * i, 0) for i, label in enumerate(labels[:4])], axis=1
        )[None],
    )
    assert InstanceCounter(CORES).fit(*wide).cut_weights_ == DEFAULT_CUT_WEIGHTS


def test_counters_of_earlier_versions_load(samples, tmp_path):
    outputs, _ = samples
    counter = with_weights((), outputs)
    expected = counter.label(outputs)
    del counter.cut_weights_
    counter.save(tmp_path / "earlier.sskseg")
    loaded = InstanceCounter.load(tmp_path / "earlier.sskseg")
    assert loaded.cut_weights_ == ()
    assert np.array_equal(loaded.label(outputs), expected)
    method = copy.copy(counter.method)
    del method.__dict__["cut_weights"]
    counter.__dict__["method"] = method
    again = pickle.loads(pickle.dumps(counter))
    assert np.array_equal(again.label(outputs), expected)
