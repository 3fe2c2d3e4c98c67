"""Progress of a fit, and its end from another thread."""

import threading

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from sskseg import InstanceCounter, PercentileScaler, SemiSupervisedSegmenter
from sskseg.datasets import make_cells
from sskseg.training import ReportProgress, StopSignal, simple_callbacks

TINY = {"width": 4, "depth": 1, "random_state": 0, "semi_supervision": None, "patch_size": 32}


@pytest.fixture(scope="module")
def cells():
    return make_cells(n_samples=4, shape=(32, 32), random_state=0)


def test_progress_is_reported(cells):
    seen = []
    report = ReportProgress(lambda *values: seen.append(values))
    model = SemiSupervisedSegmenter(**TINY, max_steps=8).set_callbacks(report).fit(*cells)
    estimators, progress, left = zip(*seen, strict=True)
    assert set(estimators) == {model}
    assert list(progress) == sorted(progress)
    assert progress[-1] == 1
    assert min(left) >= 0
    assert left[-1] == 0
    plain = SemiSupervisedSegmenter(**TINY, max_steps=8).fit(*cells)
    assert np.array_equal(plain.predict_proba(cells[0]), model.predict_proba(cells[0]))


def test_a_thread_ends_a_fit_and_the_model_works(cells):
    signal, steps = StopSignal(), []

    def watch(estimator, progress, left):
        steps.append(progress)
        if progress > 0.1 and not stopper.is_alive() and not signal.should_stop:
            stopper.start()
            stopper.join()

    stopper = threading.Thread(target=signal.stop)
    model = SemiSupervisedSegmenter(**TINY, max_steps=500)
    model.set_callbacks(ReportProgress(watch), signal).fit(*cells)
    n = model.history_[-1]["step"]
    assert 50 <= n <= 53
    assert model.predict(cells[0]).shape == cells[0].shape
    signal.reset()
    model.set_callbacks(signal)
    assert model.set_params(max_steps=5).fit(*cells).history_[-1]["step"] == 5


def test_an_older_model_is_kept_if_a_fit_fails(cells):
    def fail(*_):
        raise RuntimeError("of the window")

    model = SemiSupervisedSegmenter(**TINY, max_steps=4).fit(*cells)
    expected = model.predict_proba(cells[0])
    with pytest.raises(RuntimeError, match="of the window"):
        model.set_callbacks(ReportProgress(fail)).fit(*cells)
    assert np.array_equal(model.predict_proba(cells[0]), expected)
    assert not {"_fit_progress", "_callback_fit_ctx"} & set(vars(model))


def test_callbacks_of_pipelines_and_searches(cells):
    pytest.importorskip("sklearn.callback")
    seen = []
    report = ReportProgress(lambda estimator, progress, left: seen.append(progress))
    model = make_pipeline(
        PercentileScaler(), SemiSupervisedSegmenter(**TINY, max_steps=4), InstanceCounter()
    )
    model.set_callbacks(report).fit(*cells)
    assert seen.count(1.0) == 1
    seen.clear()
    search = GridSearchCV(
        SemiSupervisedSegmenter(**TINY, max_steps=3), {"learning_rate": [1e-3, 5e-3]}, cv=2
    )
    search.set_callbacks(report).fit(*cells)
    assert seen.count(1.0) == 5


def test_the_fallback_of_older_versions(cells):
    class Estimator(simple_callbacks.CallbackSupportMixin):
        @simple_callbacks.with_callbacks
        def fit(self):
            context = self._init_callback_context(max_subtasks=2)
            context.call_on_fit_task_begin(estimator=self)
            stops = []
            for _ in range(2):
                task = context.subcontext("step").call_on_fit_task_begin(estimator=self)
                stops.append(task.call_on_fit_task_end(estimator=self))
            context.call_on_fit_task_end(estimator=self)
            return stops

    class Recorder(StopSignal):
        def __init__(self):
            super().__init__()
            self.events = []

        def setup(self, estimator, context):
            self.events.append("setup")

        def teardown(self, estimator, context):
            self.events.append("teardown")

        def on_fit_task_begin(self, estimator, context):
            self.events.append(("begin", context.task_name, context.task_id))

        def on_fit_task_end(self, estimator, context):
            self.events.append(("end", context.task_name, context.task_id))
            return context.task_id == 1

    recorder = Recorder()
    assert Estimator().set_callbacks(recorder).fit() == [False, True]
    assert recorder.events == [
        "setup", ("begin", "fit", 0), ("begin", "step", 0), ("end", "step", 0),
        ("begin", "step", 1), ("end", "step", 1), ("end", "fit", 0), "teardown",
    ]  # fmt: skip
    with pytest.raises(TypeError, match="must have the methods"):
        Estimator().set_callbacks(object())
