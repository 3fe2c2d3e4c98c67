"""Displays, by what they draw: artists and data, not pixels."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from sskseg import (
    InstanceCounter,
    OtsuWatershed,
    PixelForest,
    ProxyPretrainer,
    SemiSupervisedSegmenter,
    SimulatedRefiner,
)
from sskseg.datasets import load_dsb2018_nuclei, make_cells
from sskseg.metrics import expected_calibration_error, match_instances
from sskseg.report import (
    CountAgreementDisplay,
    FeatureDisplay,
    HistoryDisplay,
    LabelEfficiencyDisplay,
    ProbabilityDisplay,
    ProxyDisplay,
    ReliabilityDisplay,
    SegmentationDisplay,
    SimulationDisplay,
    SizeDisplay,
    VolumeDisplay,
    draw_outlines,
)
from sskseg.report._axes import outlines, round_length, show_plane
from sskseg.report._outputs import apply

plt = pytest.importorskip("matplotlib.pyplot")


@pytest.fixture(autouse=True)
def _figures_are_closed():
    plt.switch_backend("agg")
    yield
    plt.close("all")


def lines_of(ax, label):
    """Lines of the collection of that name."""
    found = [c for c in ax.collections if c.get_label() == label]
    return [path.vertices for c in found for path in c.get_paths()]


# Segmentation


def test_objects_are_true_positives_false_positives_or_false_negatives():
    true = np.zeros((30, 40), int)
    true[2:8, 2:8], true[2:8, 20:26], true[20:26, 2:8] = 1, 2, 3
    true[:, 30:] = -1
    pred = np.zeros_like(true)
    pred[2:8, 2:9], pred[20:23, 20:23], pred[5:9, 33:37] = 7, 5, 9
    display = SegmentationDisplay.from_predictions([np.ones((30, 40))], [true], [pred])
    assert display.counts_ == [
        {"not evaluated": 1, "true positives": 1, "false negatives": 2, "false positives": 1}
    ]
    (found,) = lines_of(display.ax_, "true positives")
    assert found.min(axis=0).tolist() == [1.5, 1.5]
    assert found.max(axis=0).tolist() == [8.5, 7.5]  # the predicted outline, not the true one
    assert len(lines_of(display.ax_, "false negatives")) == 2
    assert (
        len(lines_of(display.ax_, "false positives"))
        == len(lines_of(display.ax_, "not evaluated"))
        == 1
    )
    legend = [text.get_text() for text in display.figure_.legends[0].get_texts()]
    assert legend == ["true positives", "false negatives", "false positives", "not evaluated"]
    assert "1 TP, 2 FN, 1 FP" in display.ax_.get_title()


def test_every_kind_of_estimator_is_drawn(pipeline, cells):
    X, y, known = cells
    forest = PixelForest(n_estimators=3, sigma_max=2.0, random_state=0).fit(X, y)
    for estimator in (pipeline, pipeline[:-1], OtsuWatershed().fit(X), forest):
        display = SegmentationDisplay.from_estimator(estimator, X, known)
        assert len(display.axes_) == 2  # those that are labeled
        assert display.figure_ is display.ax_.figure
    probability = pipeline[:-1].transform(X)
    alone = SegmentationDisplay.from_estimator(pipeline[-1], probability, y)
    whole = SegmentationDisplay.from_estimator(pipeline, X, y)
    assert alone.counts_ == whole.counts_
    matches = match_instances(list(y), list(pipeline.transform(X)))
    assert sum(row["true positives"] for row in whole.counts_) == matches.true_positives
    assert sum(row["false negatives"] for row in whole.counts_) == matches.false_negatives
    assert sum(row["false positives"] for row in whole.counts_) == matches.false_positives
    plain = SegmentationDisplay.from_estimator(pipeline, X, indices=[3])
    assert list(plain.counts_[0]) == ["predicted"]
    with pytest.raises(ValueError, match="predicts no foreground"):
        SegmentationDisplay.from_estimator(pipeline[:1], X)


def test_panels_go_into_given_axes(cells):
    X, y, _ = cells
    figure, axes = plt.subplots(1, 2)
    display = SegmentationDisplay.from_predictions(X, y, y, ax=axes[0])
    assert display.figure_ is figure
    assert len(display.axes_) == 4
    right = axes[0].get_position().x1
    assert all(panel.get_position().x1 <= right + 1e-6 for panel in display.axes_)
    given = SegmentationDisplay.from_predictions(X[:2], y[:2], y[:2], ax=axes)
    assert list(given.axes_) == list(axes)
    assert SegmentationDisplay.from_predictions(X[:1], y[:1], y[:1], ax=axes[1]).ax_ is axes[1]
    with pytest.raises(ValueError, match="must be one axes or 4, got 2"):
        SegmentationDisplay.from_predictions(X, y, y, ax=axes)
    with pytest.raises(ValueError, match="plt.subplots"):
        SegmentationDisplay.from_predictions(X, y, y, ax=figure.add_axes((0, 0, 1, 1)))
    assert len(SegmentationDisplay.from_predictions(X, y, y).figure_.axes) == 4  # none is empty


def test_a_volume_is_shown_in_its_fullest_section():
    X, y = make_cells(1, (8, 32, 32), random_state=0)
    display = SegmentationDisplay.from_predictions(X, y, y, spacing=(2.0, 0.5, 0.5))
    fullest = np.argmax((y[0] > 0).sum(axis=(1, 2)))
    ids = np.unique(y[0][fullest])
    assert len(lines_of(display.ax_, "true positives")) == len(ids[ids > 0])
    assert display.counts_[0]["true positives"] == y.max()


def test_real_nuclei(data_dir):
    X, y = load_dsb2018_nuclei(data_dir / "dsb2018_nuclei")
    model = OtsuWatershed().fit(X[:2], y[:2])
    display = SegmentationDisplay.from_estimator(model, X[:2], y[:2], names=["a$b$", "c"])
    matches = match_instances([x.astype(int) for x in y[:2]], model.transform(X[:2]))
    assert sum(row["true positives"] for row in display.counts_) == matches.true_positives > 5
    assert display.ax_.get_title().startswith("a$b$")
    display.figure_.canvas.draw()


# Images, outlines, scale bars


def test_large_images_are_downsampled_in_place():
    labels = np.zeros((3000, 2400), int)
    labels[300:600, 1200:1500], labels[2000:2600, 30:90] = 10**9, 3
    found = outlines(labels)
    assert list(found) == [3, 10**9]
    (line,) = found[10**9]
    assert np.abs(line.min(axis=0) - [1199.5, 299.5]).max() <= 3
    assert np.abs(line.max(axis=0) - [1499.5, 599.5]).max() <= 3
    ax = plt.subplots()[1]
    draw_outlines(ax, labels.astype(float), labels)
    assert max(ax.images[0].get_array().shape) <= 1000
    assert ax.images[0].get_extent() == [-0.5, 2399.5, 2999.5, -0.5]


def test_an_object_with_a_hole_has_two_lines():
    labels = np.ones((9, 9), int)
    labels[4, 4] = 0
    assert len(outlines(labels)[1]) == 2
    assert outlines(np.zeros((4, 4), int)) == {}
    assert list(outlines(np.full((4, 4), 6))) == [6]


@pytest.mark.parametrize(
    ("spacing", "unit", "pixels", "text"),
    [((0.5, 0.5), "µm", 40, "20 µm"), ((5, 5), "nm", 40, "200 nm"),
     ((50, 50), "nm", 40, "2 µm"), ((1.0, 0.1), "mm", 50, "5 mm")],
)  # fmt: skip
def test_scale_bars_are_round_and_right(spacing, unit, pixels, text):
    ax = plt.subplots()[1]
    show_plane(ax, np.zeros((100, 200)), spacing=spacing, unit=unit)
    bar = ax.lines[-1].get_xdata()
    assert bar[1] - bar[0] == pytest.approx(pixels)
    assert [t.get_text() for t in ax.texts] == [text]
    assert ax.get_aspect() == spacing[0] / spacing[1]
    assert ax.get_xlim() == (-0.5, 199.5)


def test_round_lengths():
    assert [round_length(x) for x in (0.0199, 0.02, 1.0, 4.9, 5.1, 999)] == [
        0.01, 0.02, 1.0, 2.0, 5.0, 500.0
    ]  # fmt: skip


def test_probability_and_uncertainty(pipeline, cells):
    X, _, _ = cells
    probability = np.array([[[0.0, 0.5], [1.0, 0.25]]])
    display = ProbabilityDisplay.from_predictions(probability, probability)
    expected = [[0, 1], [0, 0.8112781]]
    np.testing.assert_allclose(display.uncertainty_[0], expected, atol=1e-5)
    np.testing.assert_array_equal(display.axes_[1].images[0].get_array(), probability[0])
    assert display.axes_[1].images[0].get_cmap().name == "cividis"
    drawn = ProbabilityDisplay.from_estimator(pipeline, X, indices=[1, 3])
    np.testing.assert_array_equal(
        drawn.axes_[4].images[0].get_array(), pipeline[:-1].transform(X)[3, ..., 0]
    )
    with pytest.raises(ValueError, match="predicts no probabilities"):
        ProbabilityDisplay.from_estimator(OtsuWatershed().fit(X), X)


# Curves


def test_phases_of_a_history_follow_each_other(pipeline):
    history = [
        {"phase": "network", "step": 1, "time": 1.0, "loss": 3.0, "learning_rate": 0.1},
        {"phase": "network", "step": 5, "time": 2.0, "loss": 2.0, "validation_score": 0.5},
        {"phase": "continuity", "step": 2, "time": 0.5, "loss": 1.0},
    ]
    display = HistoryDisplay(history=history).plot()
    assert [panel.get_ylabel() for panel in display.axes_] == ["loss", "validation score"]
    assert display.curves_["loss"]["continuity"].tolist() == [[7.0], [1.0]]
    assert display.axes_[0].lines[1].get_xdata().tolist() == [7.0]
    seconds = HistoryDisplay(history=history).plot(x="time", keys=["loss"])
    assert seconds.curves_["loss"]["network"][0].tolist() == [1.0, 2.0]
    assert len(HistoryDisplay.from_estimator(pipeline).curves_["loss"]["network"][0]) > 2
    with pytest.raises(ValueError, match="have a history"):
        HistoryDisplay.from_estimator(pipeline[0])
    with pytest.raises(ValueError, match="x must be"):
        HistoryDisplay(history=history).plot(x="epoch")
    with pytest.raises(ValueError, match="keys must be some of"):
        HistoryDisplay(history=history).plot(keys=["accuracy"])


def test_label_efficiency_of_rows():
    rows = pd.DataFrame({"labels": [4, 1, 1, 4], "iou": [0.8, 0.5, 0.7, 0.9],
                         "method": ["a", "a", "a", "b"]})  # fmt: skip
    display = LabelEfficiencyDisplay.from_rows(rows, labeled="labels", score="iou")
    line = display.ax_.lines[0]
    assert line.get_xdata().tolist() == [1.0, 4.0]
    assert line.get_ydata().tolist() == pytest.approx([0.6, 0.8])
    assert display.ax_.get_ylabel() == "iou"
    assert [t.get_text() for t in display.ax_.get_xticklabels()] == ["1", "4"]
    with pytest.raises(ValueError, match="must have columns"):
        LabelEfficiencyDisplay.from_rows(rows)


def test_label_efficiency_trains_with_the_remaining_labels():
    X, y = make_cells(7, (32, 32), random_state=0)
    y[6] = -1
    seen = []

    class Forest(PixelForest):
        def fit(self, X, y):
            seen.append((len(X), sum(item is not None and (item >= 0).any() for item in y)))
            return super().fit(X, y)

    model = Forest(n_estimators=2, sigma_max=1.0, random_state=0)
    display = LabelEfficiencyDisplay.from_estimator(
        {"forest": model}, list(X), list(y), n_labeled=(1, 3)
    )
    assert [n for _, n in seen] == [1, 3] * 3
    assert {n for n, _ in seen} == {5}  # four labeled ones, and the one that is not
    assert display.table_["n"].tolist() == [3, 3]
    with pytest.raises(ValueError, match="n_labeled must be from 1 to 4"):
        LabelEfficiencyDisplay.from_estimator(model, list(X), list(y), n_labeled=(5,))


# Counts, sizes, calibration


def test_count_agreement(pipeline, cells):
    X, y, _ = cells
    true, pred = [10, 20, 30], [12, 20, 27]
    display = CountAgreementDisplay.from_predictions(
        true, pred, intervals=[(10, 14), (18, 22), (20, 30)]
    )
    assert display.errors_["wape"] == pytest.approx(5 / 60)
    difference = np.array([2, 0, -3])
    expected = difference.mean() + 1.96 * difference.std(ddof=1) * np.array([-1, 1])
    assert display.limits_ == pytest.approx(tuple(expected))
    scatter, bland = display.axes_
    assert "WAPE 8.3 %" in scatter.texts[0].get_text()
    offsets = bland.collections[0].get_offsets()
    np.testing.assert_allclose(offsets, [[11, 2], [20, 0], [28.5, -3]])
    one = CountAgreementDisplay.from_predictions([3], [4], kind="bland-altman")
    assert one.limits_ == (1.0, 1.0)
    same = CountAgreementDisplay.from_predictions([3, 5], [4, 6], kind="bland-altman")
    assert [text.get_text() for text in same.ax_.texts] == ["mean +1.0"]
    drawn = CountAgreementDisplay.from_estimator(pipeline, X, y, kind="scatter")
    np.testing.assert_array_equal(drawn.y_pred, pipeline.predict(X))
    assert drawn.y_true.tolist() == [len(np.unique(x)) - 1 for x in y]
    with pytest.raises(ValueError, match="one sample or more"):
        CountAgreementDisplay.from_estimator(pipeline, X, np.full_like(y, -1))
    with pytest.raises(ValueError, match="A counter is needed"):
        CountAgreementDisplay.from_estimator(pipeline[:-1], X, y)
    with pytest.raises(ValueError, match="kind must be"):
        CountAgreementDisplay.from_predictions(true, pred, kind="pie")


def test_sizes(pipeline, cells):
    X, y, known = cells
    labels = [np.array([[1, 1, 0, 2]]), np.array([[1, 1, 1, 1]])]
    display = SizeDisplay.from_predictions(labels, [labels[0], None], spacing=(1.0, 0.5))
    assert sorted(display.sizes) == [1, 2, 4]
    assert display.counts_.sum() == 3
    assert display.true_counts_.sum() == 2
    assert display.edges_[0] == 0.5
    assert display.ax_.get_xlabel() == "area (µm²)"
    stacked = SizeDisplay.from_predictions(labels, stacked=True)
    assert sorted(stacked.sizes) == [1, 6]
    assert stacked.ax_.get_xlabel() == "volume (voxels)"
    drawn = SizeDisplay.from_estimator(pipeline, X, known)
    assert drawn.true_counts_.sum() == sum(len(np.unique(x)) - 1 for x in y[:2])
    wide = SizeDisplay(sizes=[1, 1000]).plot()
    assert wide.ax_.get_xscale() == "log"
    assert wide.counts_.sum() == 2
    assert SizeDisplay(sizes=[]).plot().counts_.sum() == 0


def test_reliability(pipeline, cells):
    X, y, known = cells
    probability = pipeline[:-1].transform(X)[..., 0]
    display = ReliabilityDisplay.from_estimator(pipeline, X, known, n_bins=5)
    expected = expected_calibration_error(list(y[:2]), list(probability[:2]), n_bins=5)
    assert display.calibration_error == pytest.approx(expected)
    assert display.n_pixels.sum() == y[:2].size
    x, frequency = display.line_.get_data()
    inside = (probability[:2] >= 0.8) & (probability[:2] <= 1)
    if inside.any():
        assert frequency[-1] == pytest.approx((y[:2][inside] > 0).mean())
    assert (np.diff(x) > 0).all()
    ax = plt.subplots()[1]
    assert len(ReliabilityDisplay.from_predictions(list(y), list(probability), ax=ax).axes_) == 2
    with pytest.raises(ValueError, match="a label image of one sample"):
        ReliabilityDisplay.from_estimator(pipeline, X, np.full_like(y, -1))


# What networks learned without labels


@pytest.mark.filterwarnings("ignore:Histogram and power spectrum")
def test_proxies_and_features(cells):
    X, _, _ = cells
    pretrainer = ProxyPretrainer(
        ("rotation", "masked"), width=4, depth=1, max_steps=2, batch_size=4, random_state=0
    ).fit(X)
    display = ProxyDisplay.from_estimator(pretrainer, X, n_patches=5)
    assert display.patches.shape == (5, *pretrainer.patch_shape_)
    assert set(display.answers["true_rotation"]) <= set(pretrainer.classes_["rotation"])
    right = display.answers["true_rotation"] == display.answers["predicted_rotation"]
    assert display.accuracy_ == {"rotation": right.mean()}
    for panel, is_right in zip(display.axes_, right, strict=True):
        assert ("true" in panel.get_title()) is not is_right
    drawn = FeatureDisplay.from_estimator(pretrainer, X, indices=[2])
    assert drawn.colors_[0].shape == (40, 48, 3)
    assert 0 < drawn.explained_.sum() <= 1.000001
    with pytest.raises(ValueError, match="A ProxyPretrainer is needed"):
        FeatureDisplay.from_estimator(OtsuWatershed().fit(X), X)
    restorer = ProxyPretrainer(("masked",), width=4, depth=1, max_steps=1, random_state=0).fit(X)
    with pytest.raises(ValueError, match="A proxy with classes is needed"):
        ProxyDisplay.from_estimator(restorer, X)


def test_the_first_component_is_lightness():
    ramp = np.linspace(0, 1, 64).reshape(8, 8)
    features = np.stack([10 * ramp, 0 * ramp + 1], axis=-1)
    (colors,) = FeatureDisplay.from_predictions([ramp], [features]).colors_
    light = colors.mean(axis=-1).ravel()
    assert np.corrcoef(light, ramp.ravel())[0, 1] ** 2 > 0.95
    assert np.ptp(colors, axis=-1).max() < 0.05  # gray: there is no other component


@pytest.mark.usefixtures("small_reports")
def test_gallery_of_simulated_images():
    X, _ = make_cells(4, (64, 64), random_state=0)
    refiner = SimulatedRefiner(width=2, depth=1, max_steps=2, batch_size=2, random_state=0)
    display = SimulationDisplay.from_estimator(refiner.fit(X), X, n_images=2)
    scales = {panel.images[0].get_clim() for panel in display.axes_}
    assert len(scales) == 1
    assert [panel.get_title() for panel in display.axes_[::2]] == [
        "simulated, with its labels", "refined, with its labels", "real"
    ]  # fmt: skip
    simulated, refined = display.simulated[0], display.refined[0]
    np.testing.assert_array_equal(display.axes_[0].images[0].get_array(), simulated)
    np.testing.assert_array_equal(display.axes_[2].images[0].get_array(), refined)
    with pytest.raises(ValueError, match="A SimulatedRefiner is needed"):
        SimulationDisplay.from_estimator(OtsuWatershed().fit(X), X)


# Volumes


def test_views_of_a_volume_have_its_proportions():
    volume = np.random.default_rng(0).random((6, 20, 30))
    labels = np.zeros((6, 20, 30), int)
    labels[2:5, 5:9, 20:28] = 1
    display = VolumeDisplay.from_predictions(volume, labels, spacing=(3.0, 1.0, 0.5))
    assert display.at_ in [tuple(i) for i in np.argwhere(labels)]
    z, y, x = display.at_
    expected = volume[z], volume[:, :, x].T, volume[:, y]
    aspects = 1.0 / 0.5, 1.0 / 3.0, 3.0 / 0.5
    for panel, plane, aspect in zip(display.axes_, expected, aspects, strict=True):
        assert panel.images[0].get_array().shape == plane.shape
        order = np.corrcoef(panel.images[0].get_array().ravel(), plane.ravel())[0, 1]
        assert order > 0.99
        assert panel.get_aspect() == pytest.approx(aspect)
    display.figure_.canvas.draw()
    boxes = [panel.get_window_extent() for panel in display.axes_]
    # One length is the same number of pixels in each view.
    per_unit = boxes[0].width / 15, boxes[0].height / 20, boxes[1].width / 18, boxes[2].height / 18
    np.testing.assert_allclose(per_unit, per_unit[0], rtol=0.12)


def test_sections_make_a_volume(cells):
    X = cells[0]
    model = OtsuWatershed().fit(X)
    with pytest.raises(ValueError, match="sections='consecutive'"):
        VolumeDisplay.from_estimator(model, X)
    volume, labels = make_cells(1, (6, 24, 24), random_state=0)
    model = OtsuWatershed(spatial_ndim=3).fit(volume)
    display = VolumeDisplay.from_estimator(model, volume, labels, at=(3, 10, 10))
    assert display.at_ == (3, 10, 10)
    with pytest.raises(ValueError, match="at must be a voxel"):
        VolumeDisplay.from_estimator(model, volume, labels, at=(9, 10, 10))
    with pytest.raises(ValueError, match="three positive numbers"):
        VolumeDisplay.from_predictions(volume[0], spacing=(1.0, 2.0))


def test_objects_of_sections_are_one_in_all_views():
    """The columns of an object have one number, also in a mask, and in a foreground."""
    y = np.zeros((3, 16, 16), int)
    y[:, 10:14, 2:6] = y[1:, 2:6, 10:14] = 1  # number 2 of the last sections
    y[2, 0, 0] = -1
    counter = InstanceCounter("components", min_size=0, sections="consecutive").fit(1.0 * (y > 0))
    display = VolumeDisplay.from_estimator(counter, 1.0 * (y > 0), y)
    for labels in (display.y_pred, display.y_true):
        assert np.unique(labels[:, 12, 4]).size == np.unique(labels[1:, 4, 12]).size == 1
        assert labels[1, 12, 4] != labels[1, 4, 12]
    assert display.y_true[2, 0, 0] == -1
    segmenter = SemiSupervisedSegmenter(
        width=2, depth=1, max_steps=1, semi_supervision=None, sections="consecutive", random_state=0
    ).fit(1.0 * (y > 0), y)
    outputs = apply(segmenter, 1.0 * (y > 0))
    outputs.probability = list(1.0 * (y > 0))
    assert np.stack(outputs.objects).tolist() == display.y_pred.tolist()


# matplotlib


def test_matplotlib_is_imported_late_and_asked_for_by_name():
    code = (
        "import sys; import numpy as np; from sskseg import report\n"
        "print('matplotlib' in sys.modules, 'torch' in sys.modules)\n"
        "sys.modules['matplotlib'] = None\n"
        "for draw in (report.SizeDisplay(sizes=[1]).plot,\n"
        "             lambda: report.save_overlay('x.png', [np.zeros((4, 4))])):\n"
        "    try: draw()\n"
        "    except ImportError as error: print(error)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.startswith("False False")
    assert result.stdout.count("pip install sskseg[plot]") == 2
