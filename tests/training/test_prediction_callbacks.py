"""Progress of predictions and scans, and their end from another thread."""

import threading
from concurrent.futures import CancelledError

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline

from sskseg import ContourDetector, InstanceCounter, PercentileScaler, SemiSupervisedSegmenter
from sskseg.datasets import make_cells
from sskseg.inference import TileSettings
from sskseg.scans import count_scan
from sskseg.segmentation import _predictors
from sskseg.training import ReportProgress, StopSignal, prediction_callbacks

TINY = {"width": 4, "depth": 1, "random_state": 0, "max_steps": 4, "patch_size": 32}


@pytest.fixture(scope="module")
def cells():
    return make_cells(n_samples=4, shape=(64, 64), random_state=0)


@pytest.fixture(scope="module")
def model(cells):
    segmenter = SemiSupervisedSegmenter(**TINY, semi_supervision=None)
    return make_pipeline(PercentileScaler(), segmenter, InstanceCounter()).fit(*cells)


class Record:
    """Estimators, shares and seconds that were reported."""

    def __init__(self):
        self.rows = []

    def on_prediction_progress(self, estimator, progress, seconds_left):
        self.rows.append((estimator, progress, seconds_left))

    def of(self, estimator):
        return [progress for reported, progress, _ in self.rows if reported is estimator]


def stop_at(signal, share):
    """A callback that stops from another thread."""

    def report(estimator, progress, left):
        if progress >= share:
            thread = threading.Thread(target=signal.stop)
            thread.start()
            thread.join()

    return ReportProgress(report)


def test_each_step_of_a_pipeline_reports(model, cells):
    record = Record()
    with prediction_callbacks(record):
        counts = model.predict(cells[0])
    for step in model[1], model[2]:
        progress = record.of(step)
        assert progress == sorted(progress)
        assert len(progress) == len(set(progress)) >= 1
        assert progress[-1] == 1
        assert progress.count(1) == 1
    assert record.of(model[2]) == [0.25, 0.5, 0.75, 1]
    left = [row[2] for row in record.rows]
    assert min(left) >= 0
    assert left[-1] == 0
    record.rows.clear()
    assert np.array_equal(model.predict(cells[0]), counts)
    assert not record.rows


def in_small_tiles(monkeypatch, model):
    """Let the network of a model read tiles of 32 pixels."""
    made = _predictors.tile_settings
    settings = made(model[1].network_, 2)
    small = TileSettings((32, 32), (8, 8), settings.stride)
    monkeypatch.setattr(_predictors, "tile_settings", lambda *_, **__: small)


def test_tiles_are_reported_and_end_a_prediction(monkeypatch, model, cells):
    in_small_tiles(monkeypatch, model)
    image, record = cells[0][:1], Record()
    with prediction_callbacks(record):
        expected = model[1].predict_proba(model[0].transform(image))
    n_tiles = len(record.rows)
    assert n_tiles == 16
    assert record.of(model[1]) == pytest.approx(np.arange(1, 17) / 16)
    signal = StopSignal()
    with (
        prediction_callbacks(record, stop_at(signal, 0.5), signal),
        pytest.raises(CancelledError, match="asked to stop"),
    ):
        model[1].predict_proba(model[0].transform(image))
    assert len(record.rows) == n_tiles + 8
    signal.reset()
    with prediction_callbacks(signal):
        again = model[1].predict_proba(model[0].transform(image))
    assert np.array_equal(again, expected)


def test_corrected_sections_are_two_passes(cells):
    X, y = cells
    y = np.where(np.arange(4)[:, None, None] == 3, -1, y)
    segmenter = SemiSupervisedSegmenter(
        **TINY, sections="consecutive", semi_supervision="continuity"
    ).fit(X, y)
    assert segmenter.continuity_ is not None
    record = Record()
    with prediction_callbacks(record):
        segmenter.predict(cells[0])
    progress = record.of(segmenter)
    assert progress == sorted(progress)
    assert progress.count(1) == 1
    assert progress[0] == 1 / 8


def test_images_of_one_size_of_objects(cells):
    segmenter = SemiSupervisedSegmenter(
        **TINY, semi_supervision=None, augmentation={"object_size": 24}
    ).fit(*cells)
    record = Record()
    with prediction_callbacks(record):
        segmenter.predict(cells[0])
    assert record.of(segmenter)[-1] == 1
    assert len(record.rows) >= 4


def test_a_detector_reports(cells):
    detector = ContourDetector(width=4, depth=2, max_steps=2, random_state=0).fit(*cells)
    record = Record()
    with prediction_callbacks(record):
        detector.predict(cells[0])
    assert record.of(detector)[-1] == 1


@pytest.mark.filterwarnings("ignore:.*larger than the halo")
def test_a_scan_reports_stops_and_resumes(model, cells, tmp_path):
    image = np.hstack([*cells[0]])
    record = Record()
    with prediction_callbacks(record):
        expected = count_scan(model, _as_dask(image), tmp_path / "whole", block_shape=(64, 64))
    assert {id(row[0]) for row in record.rows} == {id(model)}
    progress = record.of(model)
    assert len(progress) == 8  # 4 blocks, labels of 4 blocks, the last at the end
    assert progress == sorted(progress)
    assert progress[3] == pytest.approx(1 / 1.1)
    assert progress[-1] == 1
    signal = StopSignal()
    with prediction_callbacks(stop_at(signal, 0.4), signal), pytest.raises(CancelledError):
        count_scan(model, _as_dask(image), tmp_path / "part", block_shape=(64, 64), n_workers=1)
    record.rows.clear()
    with prediction_callbacks(record):
        resumed = count_scan(model, _as_dask(image), tmp_path / "part", block_shape=(64, 64))
    assert resumed.n_objects == expected.n_objects
    assert np.array_equal(resumed.labels.compute(), expected.labels.compute())
    assert record.of(model)[0] >= 2 / 4.4  # what was done before the stop is kept
    assert record.of(model)[-1] == 1


def _as_dask(image):
    import dask.array as da

    return da.from_array(image, chunks=(64, 64))


def test_a_request_ends_a_scan_at_once(model, cells, tmp_path):
    signal = StopSignal()
    signal.stop()
    with prediction_callbacks(signal), pytest.raises(CancelledError):
        count_scan(model, _as_dask(cells[0][0]), tmp_path / "none", block_shape=(64, 64))
    assert not (tmp_path / "none" / "objects.csv").exists()


def test_a_finished_scan_reports_its_end(model, cells, tmp_path):
    source, record = _as_dask(cells[0][0]), Record()
    count_scan(model, source, tmp_path / "scan", block_shape=(64, 64))
    with prediction_callbacks(record):
        count_scan(model, source, tmp_path / "scan", block_shape=(64, 64))
    assert record.of(model) == [1]


def test_a_request_to_stop_does_not_end_the_predictions_of_a_fit(cells):
    X, y = cells
    y = np.where(np.arange(4)[:, None, None] < 2, y, -1)
    signal = StopSignal()
    signal.stop()
    with prediction_callbacks(signal):
        segmenter = SemiSupervisedSegmenter(**TINY).fit(X, y)
    assert segmenter.history_[-1]["step"] == TINY["max_steps"]


def test_blocks_are_nested_and_callbacks_are_checked(model, cells):
    signal, record = StopSignal(), Record()
    signal.stop()
    with prediction_callbacks(signal), prediction_callbacks(record), pytest.raises(CancelledError):
        model.predict(cells[0])
    message = "on_prediction_progress or an attribute should_stop"
    with pytest.raises(TypeError, match=message), prediction_callbacks([record, signal]):
        pass
