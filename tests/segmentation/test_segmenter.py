import copy

import joblib
import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.pipeline import Pipeline, make_pipeline

from sskseg import (
    ImageStack,
    InstanceCounter,
    LabeledKFold,
    PercentileScaler,
    SemiSupervisedSegmenter,
)
from sskseg.datasets import make_cells
from sskseg.images import PatchSampler
from sskseg.images.augmentation import Augmentation
from sskseg.morphology import weight_map
from sskseg.segmentation._training_data import TrainingData
from sskseg.simulation import CellSimulator
from sskseg.training import SegmentationLoss, simulated

TINY = {
    "semi_supervision": None, "width": 4, "depth": 2, "max_steps": 12, "random_state": 0,
    "patch_size": 32,
}  # fmt: skip
# Of float32: with how many others an image is in a batch decides how convolutions are summed on
# some processors (those without AVX-512).
ROUNDING = 1e-5


def segmenter(**changes):
    return SemiSupervisedSegmenter(**{**TINY, **changes})


@pytest.fixture(scope="module")
def cells():
    return make_cells(n_samples=6, shape=(48, 56), random_state=0)


@pytest.fixture(scope="module")
def volumes():
    return make_cells(n_samples=2, shape=(12, 32, 32), random_state=0)


def test_it_learns_to_find_cells(cells):
    X, y = cells
    model = segmenter(width=8, max_steps=250).fit(X, y)
    assert model.score(X, y) > 0.9
    assert model.history_[-1]["loss"] < 0.6 * model.history_[0]["loss"]
    assert model.validation_indices_.size == 1


def test_unlabeled_pixels_teach_nothing(cells):
    X, y = cells
    partial = y.copy()
    partial[:, :, 28:] = -1
    confused = np.where(partial == -1, -1, y)
    X_changed = X.copy()
    first = segmenter(validation_fraction=0.0).fit(X, partial).predict_proba(X)
    second = segmenter(validation_fraction=0.0).fit(X_changed, confused).predict_proba(X)
    assert np.array_equal(first, second)
    whole = segmenter(validation_fraction=0.0).fit(X, y).predict_proba(X)
    assert not np.array_equal(first, whole)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"sections": "consecutive"},
        {"target": "classes"},
        {"network": "unet", "precision": "bfloat16"},
    ],
)
def test_shapes_of_what_comes_out(cells, options):
    X, y = cells
    y = (y > 0).astype(int) + (y > 5) if options.get("target") == "classes" else y
    model = segmenter(**options).fit(X, y)
    assert model.predict(X).shape == X.shape
    channels = () if options.get("target") == "classes" else (2,)
    assert model.transform(X).shape == (*X.shape, *channels)
    assert model.transform(X).dtype == np.float32
    proba = model.predict_proba(X)
    assert proba.min() >= 0
    assert proba.max() <= 1
    if options.get("target") == "classes":
        assert proba.shape == (*X.shape, 3)
        assert np.allclose(proba.sum(-1), 1, atol=1e-5)
        assert set(np.unique(model.predict(X))) <= {0, 1, 2}


def test_volumes_channels_and_ragged_lists(cells, volumes):
    X, y = volumes
    assert segmenter(spatial_ndim=3, patch_size=(8, 16, 16)).fit(X, y).predict(X).shape == X.shape
    X, y = cells
    two = np.stack([X, -X], axis=-1)
    model = segmenter().fit(two, y)
    assert model.predict(two).shape == X.shape
    ragged = [X[0], X[1][:33, :], X[2][:, :21]]
    masks = segmenter().fit(ragged, [y[0], y[1][:33, :], None]).predict(ragged)
    assert [mask.shape for mask in masks] == [(48, 56), (33, 56), (48, 21)]


def test_classes_keep_their_values(cells):
    X, y = cells
    y = np.where(y > 0, 7, 3)
    model = segmenter(target="classes").fit(X, y)
    assert model.classes_.tolist() == [3, 7]
    assert set(np.unique(model.predict(X))) <= {3, 7}
    with pytest.raises(ValueError, match=r"at least two classes .* got \[3\]"):
        segmenter(target="classes").fit(X, np.full_like(y, 3))


def test_positions_decide_who_neighbors_whom(cells):
    X, y = cells
    model = segmenter(sections="consecutive", section_context=1).fit(X, y)
    shuffled = np.array([3, 0, 5, 1, 4, 2])
    here = model.predict_proba(X)
    again = model.predict_proba(X[shuffled], positions=shuffled)
    assert np.abs(again - here[shuffled]).max() < ROUNDING
    alone = model.predict_proba(X, positions=10 * np.arange(6))
    assert np.abs(alone - here).max() > 100 * ROUNDING
    assert np.abs(alone[:1] - model.predict_proba(X[:1])).max() < ROUNDING
    with pytest.raises(ValueError, match="positions must not repeat"):
        model.predict(X, positions=[0, 0, 1, 2, 3, 4])


def test_a_pipeline_takes_the_positions_of_its_images(cells):
    X, y = cells
    z = np.array([0, 1, 2, 9, 10, 11])
    steps = segmenter(sections="consecutive"), InstanceCounter(sections="consecutive")
    stack = ImageStack(X, positions=z)
    model = make_pipeline(PercentileScaler(scope="dataset"), *steps).fit(stack, y)
    scaled = model[0].transform(X)
    probabilities = model[1].predict_proba(scaled, positions=z)
    assert np.array_equal(np.asarray(model[:2].predict_proba(stack)), probabilities)
    assert not np.array_equal(model[1].predict_proba(scaled), probabilities)
    outputs = np.asarray(model[1].transform(scaled, positions=z))
    assert np.array_equal(model.transform(stack), model[2].label(outputs, positions=z))
    assert np.array_equal(model.predict(stack), model[2].predict(outputs, positions=z))
    assert len(model[2].measure(model[:2].transform(stack))) == model.predict(stack).sum()
    given = {f"{name}__positions": z for name, _ in model.steps[1:]}
    again = clone(model).fit(X, y, **given)
    for name, value in again[1].network_.state_dict().items():
        assert torch.equal(value, model[1].network_.state_dict()[name])
    assert model.score(stack, y) == again[2].score(outputs, y, positions=z)


def test_held_out_sections_are_one_block_at_the_end(cells):
    X, y = cells
    positions = np.array([5, 4, 3, 2, 1, 0])
    model = segmenter(sections="consecutive", validation_fraction=0.4)
    model.fit(X, y, positions=positions)
    assert model.validation_indices_.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("sizes", "fraction", "expected"),
    [
        ((10, 10), 0.2, {8, 9, 18, 19}),  # its share of each stack
        ((20, 5, 10), 0.1, {18, 19, 24, 34}),  # at least one of five sections
        ((2, 2, 2, 2, 2), 0.2, {3, 7}),  # two of ten, not of one stack
        ((10,), 0.3, {7, 8, 9}),
        ((3, 1), 0.9, set()),  # too few
    ],
)
def test_each_stack_gives_its_share_of_the_validation_set(sizes, fraction, expected):
    n = sum(sizes)
    positions = np.arange(n) + 10 * np.repeat(np.arange(len(sizes)), sizes)
    order = np.random.default_rng(0).permutation(n)  # in which sections are given
    labels = [np.zeros((2, 2), int)] * n
    data = TrainingData(
        labels, labels, np.arange(n)[:, None], positions[order], np.ones(n), n
    )  # fmt: skip
    held_out = data.choose_validation_set(fraction, np.random.default_rng(0))
    assert set(order[held_out].tolist()) == expected
    assert (np.diff(held_out) > 0).all()


@pytest.mark.parametrize(
    ("target", "methods"), [("instances", "consistency"), ("classes", "self-training")]
)
def test_sample_weight_zero_leaves_a_sample_out_of_everything(cells, target, methods):
    X, y = cells
    y = np.minimum(y, 2) if target == "classes" else y.copy()
    y[0, :24] = -1
    options = {"target": target, "semi_supervision": methods, "patch_size": "auto", "max_steps": 4}
    without = segmenter(**options).fit(X, y)
    # Smaller, brighter, and of a class of its own: nothing of this may be noticed.
    more_X = [*X, 1000 + np.arange(400.0).reshape(20, 20)]
    more_y = [*y, np.full((20, 20), 7)]
    weighted = segmenter(**options).fit(more_X, more_y, sample_weight=[1] * 6 + [0])
    for name in ("channel_mean_", "channel_std_", "patch_shape_", "validation_indices_"):
        assert np.array_equal(getattr(without, name), getattr(weighted, name)), name
    assert np.array_equal(getattr(without, "classes_", 0), getattr(weighted, "classes_", 0))
    assert np.array_equal(without.predict_proba(X), np.array(weighted.predict_proba(list(X))))
    if methods == "self-training":
        assert np.array_equal(without.transduction_, np.array(weighted.transduction_[:6]))
        assert (weighted.transduction_[6] == -1).all()


def test_samples_of_weight_zero_keep_their_place(cells):
    X, y = cells
    order = [0, 6, 1, 2, 3, 7, 4, 5]  # where those of weight 0 are not last
    X, y = np.concatenate([X, X[:2] + 9])[order], np.concatenate([y, y[:2]])[order]
    weight = np.array([1, 0, 1, 1, 1, 0, 1, 1])
    used = np.flatnonzero(weight)
    y[used[1]] = -1
    options = {"semi_supervision": "self-training", "validation_fraction": 0.4, "max_steps": 4}
    weighted = segmenter(**options).fit(X, y, sample_weight=weight)
    without = segmenter(**options).fit(X[used], y[used])
    assert np.array_equal(weighted.validation_indices_, used[without.validation_indices_])
    assert np.array_equal(weighted.transduction_[used], without.transduction_)
    assert (weighted.transduction_[weight == 0] == -1).all()
    assert np.array_equal(weighted.predict_proba(X), without.predict_proba(X))


def test_too_few_samples_have_a_weight_to_hold_one_out(cells):
    X, y = cells
    model = segmenter(max_steps=1)
    assert model.fit(X, y).validation_indices_.size == 1
    weight = [1, 1, 1, 1, 0, 0]
    assert model.fit(X, y, sample_weight=weight).validation_indices_.size == 0


def test_a_real_image_must_have_a_weight(cells):
    X, y = cells
    for target in ("instances", "classes"):
        with pytest.raises(ValueError, match="No labeled image has a positive sample_weight"):
            segmenter(target=target).fit(X, y, sample_weight=np.zeros(6))
    stack = ImageStack(X, simulator=CellSimulator(shape=(48, 48)))
    with pytest.raises(ValueError, match="sample_weight must be above 0 for a real image"):
        segmenter().fit(stack, y, sample_weight=np.zeros(6))


def test_sections_of_weight_zero_are_read_as_neighbors_only(cells):
    X, y = cells
    y = y.copy()
    y[1] = y[4] = -1
    weight = np.array([1, 1, 0, 1, 1, 1])
    model = segmenter(
        sections="consecutive", semi_supervision=("self-training", "continuity"), max_steps=4
    )

    def fitted(X, y):
        return clone(model).fit(X, y, sample_weight=weight)

    expected = fitted(X, y)
    relabeled = y.copy()
    relabeled[2] = 1
    assert np.array_equal(fitted(X, relabeled).predict_proba(X), expected.predict_proba(X))
    assert (expected.transduction_[2] == -1).all()
    brighter = X.copy()
    brighter[2] += 1
    other = fitted(brighter, y)
    assert np.array_equal(other.channel_mean_, expected.channel_mean_)
    assert not np.array_equal(other.predict_proba(X), expected.predict_proba(X))


def test_same_seed_same_bits(cells):
    X, y = cells
    first, second = (segmenter().fit(X, y).predict_proba(X) for _ in range(2))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, segmenter(random_state=1).fit(X, y).predict_proba(X))


def test_warm_start_goes_on(cells):
    X, y = cells
    model = segmenter(warm_start=True).fit(X, y)
    before = {k: v.clone() for k, v in model.network_.state_dict().items()}
    model.set_params(max_steps=1, learning_rate=1e-9).fit(X, y)
    after = model.network_.state_dict()
    weights = [key for key in before if key.endswith("weight")]
    assert all(torch.allclose(before[key], after[key], atol=1e-6) for key in weights)
    assert len(model.history_) > 20 // 2
    with pytest.raises(ValueError, match=r"must have 1 channel\(s\), got 2"):
        model.fit(np.stack([X, X], -1), y)
    for change in ({"network": "unet"}, {"sections": "consecutive"}, {"target": "classes"}):
        with pytest.raises(ValueError, match="describe another network"):
            copy.deepcopy(model).set_params(**change).fit(X, np.minimum(y, 1))


def test_a_users_network(cells):
    X, y = cells

    def one_layer(in_channels, out_channels, *, width, depth, ndim):
        return torch.nn.Conv2d(in_channels, out_channels, 3, padding=1)

    model = segmenter(network=one_layer).fit(X, y)
    assert model.predict(X).shape == X.shape
    with pytest.raises(ValueError, match="network cannot be saved .* got function"):
        model.save("nowhere")


def test_test_time_augmentation_averages_views(cells):
    X, y = cells
    model = segmenter(precision="float32").fit(X, y)
    plain = model.predict_proba(X)
    model.set_params(test_time_augmentation=True)
    turned = model.predict_proba(np.rot90(X, axes=(1, 2)).copy())
    averaged = model.predict_proba(X)
    assert not np.allclose(plain, averaged, atol=1e-4)
    assert np.allclose(np.rot90(averaged, axes=(1, 2)), turned, atol=1e-4)


def test_constant_offsets_and_gains_do_not_matter(cells):
    X, y = cells
    plain = segmenter(precision="float32").fit(X, y).predict_proba(X)
    scaled = segmenter(precision="float32").fit(1000 * X + 5, y).predict_proba(1000 * X + 5)
    assert np.allclose(plain, scaled, atol=2e-2)


@pytest.mark.parametrize(
    ("changes", "X", "y", "message"),
    [
        ({}, np.zeros((2, 8, 8)), np.full((2, 8, 8), -1), "y labels nothing"),
        ({}, np.full((2, 8, 8), np.nan), np.zeros((2, 8, 8), int), "NaN or infinity"),
        ({}, np.zeros((2, 8, 8)), np.zeros((2, 8, 9), int), r"y\[0\] must have the spatial shape"),
        ({}, np.zeros((2, 8, 8)), np.zeros((2, 8, 8)), "got dtype float64"),
        ({}, np.zeros((8, 8)), np.zeros((8, 8), int), "spatial_ndim=2"),
        ({"network": "vnet"}, np.zeros((2, 8, 8)), np.zeros((2, 8, 8), int), "got 'vnet'"),
        ({"width": 0}, np.zeros((2, 8, 8)), np.zeros((2, 8, 8), int), "'width' parameter"),
        ({"patch_size": (8, 8, 8)}, np.zeros((2, 8, 8)), np.zeros((2, 8, 8), int), "patch_size"),
        ({"patch_size": (0, 8)}, np.zeros((2, 8, 8)), np.zeros((2, 8, 8), int), "patch_size"),
        ({"device": "gpu7"}, np.zeros((2, 8, 8)), np.zeros((2, 8, 8), int), "got 'gpu7'"),
        ({"device": "cuda:99"}, np.zeros((2, 8, 8)), np.zeros((2, 8, 8), int), "is not there"),
        ({"augmentation": "x"}, np.zeros((2, 8, 8)), np.zeros((2, 8, 8), int), "augmentation"),
        (
            {"sections": "consecutive"},
            [np.zeros((8, 8)), np.zeros((8, 9))],
            [np.zeros((8, 8), int), np.zeros((8, 9), int)],
            "X must hold the sections of one stack",
        ),
    ],
)
def test_bad_input_is_refused_before_training(changes, X, y, message):
    model = segmenter(**changes)
    with pytest.raises(ValueError, match=message):
        model.fit(X, y)
    assert not hasattr(model, "history_")


def test_divergence_says_at_which_step(cells):
    X, y = cells
    with pytest.raises(FloatingPointError, match=r"diverged: the loss is \w+ at step \d+"):
        segmenter(learning_rate=1e30, precision="float32", max_steps=50).fit(X, y)


def test_joblib_gives_the_same_predictions(cells, tmp_path):
    X, y = cells
    model = segmenter().fit(X, y)
    joblib.dump(model, tmp_path / "model.joblib")
    assert np.array_equal(joblib.load(tmp_path / "model.joblib").predict(X), model.predict(X))
    assert not hasattr(clone(model), "network_")


def test_a_stack_comes_out_of_a_stack(cells):
    X, y = cells
    stack = ImageStack(X)
    maps = segmenter().fit(stack, y).transform(stack)
    assert isinstance(maps, ImageStack)
    assert (maps.simulator, maps.shape) == (None, (*X.shape, 2))


def test_pipeline_grid_search_and_cross_validation(cells):
    X, y = cells
    y = y.copy()
    y[4:] = -1
    pipeline = Pipeline(
        [
            ("scale", PercentileScaler()),
            ("segment", segmenter(max_steps=4)),
            ("count", InstanceCounter()),
        ]
    )
    search = GridSearchCV(pipeline, {"segment__width": [2, 4]}, cv=LabeledKFold(2), n_jobs=2)
    search.fit(X, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.predict(X).shape == (6,)
    masks = cross_val_predict(segmenter(max_steps=4), X, y, cv=3)
    assert masks.shape == X.shape


def test_positions_are_routed(cells):
    import sklearn
    from sklearn.model_selection import cross_validate

    X, y = cells
    with sklearn.config_context(enable_metadata_routing=True):
        model = segmenter(sections="consecutive", max_steps=3)
        model.set_fit_request(positions=True).set_score_request(positions=True)
        scores = cross_validate(
            model, X, y, params={"positions": np.arange(6)}, cv=3, error_score="raise"
        )
    assert np.isfinite(scores["test_score"]).all()


def test_weights_of_the_score(cells):
    X, y = cells
    model = segmenter(max_steps=10).fit(X, y)
    each = [model.score(X[i : i + 1], y[i : i + 1]) for i in range(3)]
    weighted = model.score(X[:3], y[:3], sample_weight=[1, 0, 3])
    assert weighted == pytest.approx((each[0] + 3 * each[2]) / 4, abs=1e-6)
    y = y[:3].copy()
    y[0] = -1
    with pytest.raises(ValueError, match="above 0 for a labeled sample"):
        model.score(X[:3], y, sample_weight=[1, 0, 0])


@pytest.mark.parametrize("with_counter", [False, True])
def test_pipelines_score_where_metadata_are_routed(cells, with_counter):
    import sklearn

    X, y = cells
    last = [("count", InstanceCounter())] if with_counter else []
    with sklearn.config_context(enable_metadata_routing=True):
        model = segmenter(max_steps=3)
        pipeline = Pipeline([("scale", PercentileScaler()), ("segment", model), *last])
        assert 0 <= pipeline.fit(X, y).score(X, y) <= 1


# Networks, losses and weights


@pytest.mark.parametrize("network", ["unet-valid", "unet-lite", "dmcn"])
@pytest.mark.parametrize("target", ["instances", "classes"])
def test_every_network_trains_predicts_and_is_saved(cells, network, target, tmp_path):
    X, y = cells
    options = {"network": network, "target": target, "patch_size": 44, "learning_rate": 1e-3}
    y = y if target == "instances" else (y > 0).astype(int)
    model = segmenter(**options).fit(X, y)
    assert model.predict(X).shape == X.shape
    assert model.patch_shape_ == (44, 44)
    model.save(tmp_path / "model")
    loaded = SemiSupervisedSegmenter.load(tmp_path / "model")
    assert np.array_equal(loaded.predict_proba(X), model.predict_proba(X))


def test_valid_padding_learns_what_same_padding_learns(cells):
    X, y = cells
    model = segmenter(
        network="unet-valid",
        width=8,
        max_steps=200,
        loss=SegmentationLoss(border_weight=0.0),
        patch_size=60,
    )
    assert model.fit(X, y).score(X, y) > 0.85


def test_valid_padding_in_volumes_and_from_dask(volumes, cells):
    da = pytest.importorskip("dask.array")
    X, y = volumes
    options = {"depth": 1, "spatial_ndim": 3, "width": 2, "patch_size": "auto"}
    model = segmenter(network="unet-valid", **options).fit(X, y)
    assert model.predict(X).shape == X.shape
    assert model.patch_shape_ == (28, 48, 48)
    X, y = cells
    model = segmenter(network="unet-valid", patch_size=60).fit(X, y)
    lazy = model.predict_proba(da.from_array(X, chunks=(2, 30, 30)))
    assert np.array_equal(lazy.compute(), model.predict_proba(X))


def test_illegal_patches_name_the_nearest_legal(cells):
    X, y = cells
    with pytest.raises(ValueError, match="got 62; the nearest legal: 60 and 64"):
        segmenter(network="unet-valid", patch_size=62).fit(X, y)


def test_a_users_module_is_copied_and_checked(cells):
    X, y = cells
    module = torch.nn.Conv2d(1, 3, 5, padding=2)
    before = module.weight.detach().clone()
    model = segmenter(network=module).fit(X, y)
    assert torch.equal(module.weight, before)
    assert not torch.equal(model.network_.weight, before)
    assert model.predict(X).shape == X.shape
    clone(model).fit(X, y)
    with pytest.raises(ValueError, match=r"3 output channel\(s\) .* got \(1, 1, 64, 64\)"):
        segmenter(network=torch.nn.Conv2d(1, 1, 3, padding=1)).fit(X, y)
    with pytest.raises(ValueError, match=r"must take float32 tensors of shape \(1, 1, 64, 64\)"):
        segmenter(network=torch.nn.Conv2d(3, 3, 3, padding=1)).fit(X, y)
    with pytest.raises(ValueError, match="Use joblib or pickle"):
        model.save("nowhere")


@pytest.mark.parametrize(
    ("loss", "outputs"),
    [
        ("auto", 3),
        (SegmentationLoss(["dice", "core"]), 2),
        (SegmentationLoss(("cross-entropy",)), 1),
        (SegmentationLoss(["dice", "distance"]), 2),
        (SegmentationLoss(("dice",)), 1),
    ],
)
def test_losses_can_be_chosen(cells, loss, outputs):
    X, y = cells
    model = segmenter(loss=loss, network="unet").fit(X, y)
    assert model.network_.head.out_channels == outputs
    assert model.predict(X).shape == X.shape


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"loss": SegmentationLoss(())}, r"must be 'auto' or some of .* got \(\)"),
        ({"loss": SegmentationLoss(("dice", "focal"))}, "focal"),
        ({"loss": SegmentationLoss(("distance",)), "target": "classes"}, "target='classes'"),
        ({"loss": SegmentationLoss(border_weight=-1.0)}, "border_weight"),
        ({"loss": SegmentationLoss(border_sigma=0.0)}, "border_sigma"),
        ({"loss": ("dice",)}, "loss"),
    ],
)
def test_options_that_cannot_be_are_refused(cells, options, message):
    with pytest.raises(ValueError, match=message):
        segmenter(**options).fit(*cells)


def test_border_weights_reach_the_loss(cells):
    X, y = make_cells(n_samples=4, shape=(64, 64), random_state=0)
    changes = {"warp_probability": 0, "photometric_probability": 0, "warm_up": 0}
    options = {"max_steps": 120, "augmentation": Augmentation(**changes)}
    plain, weighted = (
        segmenter(loss=SegmentationLoss(border_weight=w), **options).fit(X, y).predict_proba(X)
        for w in (0.0, 10.0)
    )
    narrow = [weight_map(label) > 5 for label in y]  # between cells that almost touch
    assert np.any(narrow)
    assert weighted[narrow].mean() < plain[narrow].mean()
    X, y = cells
    first, second = (
        segmenter(loss=SegmentationLoss(("dice",), border_weight=w)).fit(X, y).predict_proba(X)
        for w in (0.0, 10.0)
    )
    assert np.array_equal(first, second)


@pytest.mark.parametrize("offset", [2**31, 2**32 - 1, 2**40, 2**62])
def test_ids_may_be_of_any_size(cells, offset):
    X, y = cells
    large = np.where(y > 0, y.astype(np.int64) + offset, y)
    expected = segmenter().fit(X, y).predict_proba(X)
    np.testing.assert_array_equal(segmenter().fit(X, large).predict_proba(X), expected)


def test_uint64_ids(cells):
    X, y = cells
    large = np.where(y > 0, y.astype(np.uint64) + np.uint64(2**62), np.uint64(0))
    expected = segmenter().fit(X, y).predict_proba(X)
    np.testing.assert_array_equal(segmenter().fit(X, large).predict_proba(X), expected)
    unlabeled = np.full(y.shape, -1).astype(np.uint64)  # which would be one large object
    with pytest.raises(ValueError, match="must fit into int64, got 18446744073709551615"):
        segmenter().fit(X, unlabeled)


def test_masks_of_255_are_warned_of(cells):
    X, y = cells
    with pytest.warns(UserWarning, match="0 and 255 only"):
        segmenter(max_steps=1).fit(X, np.where(y > 0, 255, 0))


def test_a_loss_that_no_prediction_uses_is_refused(cells):
    with pytest.raises(ValueError, match="'cross-entropy' or 'dice' among them"):
        segmenter(loss=SegmentationLoss(("distance",))).fit(*cells)


class Halved(torch.nn.Conv2d):
    """Output of half the size."""

    def __init__(self):
        super().__init__(1, 3, 3, stride=2, padding=1)


class Margined(torch.nn.Conv2d):
    """Tells a margin and nothing else."""

    margin = (1, 1)

    def __init__(self):
        super().__init__(1, 3, 3)


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (Halved(), r"to \(1, 3, 64, 64\), .* got \(1, 3, 32, 32\)"),
        (torch.nn.Conv2d(1, 3, 3), r"less its margin\), got \(1, 3, 62, 62\)"),
        (Margined(), "must have .*'valid_input_size', 'check_size', 'reach'"),
    ],
)
def test_networks_of_another_output_size_are_refused(cells, network, message):
    with pytest.raises(ValueError, match=message):
        segmenter(network=network).fit(*cells)


def test_valid_padding_sees_the_image_beyond_its_tiles(volumes, monkeypatch):
    from sskseg.inference import tile_sizes

    X, y = volumes
    options = {"depth": 1, "spatial_ndim": 3, "width": 2, "patch_size": "auto"}
    model = segmenter(network="unet-valid", precision="float32", **options).fit(X, y)
    whole = model.predict_proba(X)
    monkeypatch.setitem(tile_sizes._TILE, 3, (4, 8, 8))
    np.testing.assert_allclose(model.predict_proba(X), whole, atol=1e-5)


def test_points_are_enough(cells):
    X, y = cells
    points = [[np.argwhere(label == i).mean(0) for i in np.unique(label[label > 0])] for label in y]
    model = segmenter(width=8, max_steps=150).fit(X, [*points[:4], None, None])
    maps = model.predict_proba(X)
    centers = [np.round(np.array(p)).astype(int) for p in points]
    inside = np.mean([m[tuple(c.T)].mean() for m, c in zip(maps, centers, strict=True)])
    assert inside > np.mean(maps) + 0.3
    assert model.score(X[4:], points[4:]) > 0.4


def test_points_are_no_classes(cells):
    X, y = cells
    points = [np.argwhere(label > 0)[:3] for label in y]
    with pytest.raises(ValueError, match=r"y\[0\] must have the spatial shape"):
        segmenter(target="classes").fit(X, points)


def test_pseudo_labels_of_unsigned_classes_have_signs(cells):
    X, y = cells
    known = [np.where(label > 0, 2, 1).astype(np.uint8) for label in y[:2]]
    model = segmenter(target="classes", semi_supervision="self-training")
    model.fit(X, [*known, *[None] * (len(X) - 2)])
    settled = np.asarray(model.transduction_)
    assert np.array_equal(settled[:2], known)
    assert set(np.unique(settled)) <= {-1, 1, 2}
    assert (settled == -1).any()  # a network of a few steps is unsure


def test_a_fit_on_objects_forgets_the_classes_of_the_last(cells):
    X, y = cells
    hidden = np.arange(len(X))[:, None, None] >= 2
    model = segmenter(target="classes", semi_supervision="self-training", max_steps=2)
    model.fit(X, np.where(hidden, -1, np.where(y > 0, 7, 3)))
    model.set_params(target="instances").fit(X, np.where(hidden, -1, y))
    assert not hasattr(model, "classes_")
    assert set(np.unique(model.transduction_)) <= {-1, 0, 1}


def test_simulated_patches_give_way_to_labeled_ones(monkeypatch, cells):
    X, y = cells
    stack = ImageStack(X, simulator=CellSimulator(shape=(48, 48)))
    drawn = []
    draw = PatchSampler.draw

    def kept(self, rng, n):
        patches = draw(self, rng, n)
        drawn.append([patch.sample >= len(X) for patch in patches])
        return patches

    monkeypatch.setattr(PatchSampler, "draw", kept)
    monkeypatch.setattr(simulated, "_MIN_LABELED", 5)  # of six one is held out
    segmenter(max_steps=60, width=2, depth=1).fit(stack, y)
    assert 0.3 < np.mean(drawn[:12]) < 0.7
    assert not np.any(drawn[-3:])
    drawn.clear()
    segmenter(max_steps=4).fit(stack, np.full(y.shape, -1))
    assert np.all(drawn)
