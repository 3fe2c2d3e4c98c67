"""Training in a thread, with progress, a request to stop, and the last good model."""

from __future__ import annotations

import copy
from typing import Any

import torch
from joblib import cpu_count
from sklearn.pipeline import Pipeline, make_pipeline

from .. import InstanceCounter, PercentileScaler, SemiSupervisedSegmenter
from ..model_selection import CrossFitted
from ..models import PretrainedBackbone
from ..training import ReportProgress, StopSignal
from .answers import Answer, answer_of
from .calibration import fit_counter, is_calibrated
from .comparison import Comparison, compare
from .sample import check_painted
from .session import Session
from .starting import choose_start, segmenter_of
from .task import Task

OF_KIND: dict[str, dict[str, Any]] = {
    "images": {},
    "sections": {"sections": "consecutive"},
    "volume": {"spatial_ndim": 3},
}
# Images may differ in exposure; the planes of a scan do not, and its blocks are scaled alike.
SCALER_OF_KIND: dict[str, dict[str, Any]] = {
    "images": {"scope": "image"},
    "sections": {},
    "volume": {"spatial_ndim": 3},
}
N_FOLDS = 3  # of a training with intervals


def n_threads() -> int:
    """Return the threads of a training: the event loop of the window keeps a core."""
    return max(1, cpu_count() - 1)


class Training(Task):
    """Fit a pipeline to a session in a thread; the last good model stays until a new one is done.

    A second training continues from the weights of the last, with all labels.

    Parameters
    ----------
    session : Session
    start_from : str or None, default="auto"
        A trained model (`sskseg.models.list_models`) from whose network the first training starts;
        None are random weights. "auto" chooses a model that predicts well what is painted, if there
        is one: see `choose_start`. Of images of one channel and the default network only.
    with_intervals : bool, default=False
        Whether to train three more networks, each without a third of the labeled images, so that
        counts have intervals: see `sskseg.model_selection.CrossFitted`. A training then starts
        anew.
    **parameters
        Of `SemiSupervisedSegmenter`, such as ``time_budget=60``.

    Attributes
    ----------
    started_from : str or None
        The trained model that `model` started from.
    model : Pipeline or None
        The last one that was completed: scaler, segmenter and counter.
    is_calibrated : bool
        Whether its counter was calibrated on a complete region, so that counts can be trusted.
    n_trainings : int
        As often as `model` was trained, each time on the labels of that time.
    answers : dict of Answer
        What `model` predicts of the images, by their names.
    is_canceled : bool
        Whether the last training was canceled.
    comparison : Comparison or None
        Whether a network from random weights has caught up with a forest; None where they were not
        compared.

    Examples
    --------
    >>> import numpy as np
    >>> from sskseg.datasets import make_cells
    >>> from sskseg.napari import Session, Training
    >>> X, y = make_cells(n_samples=1, shape=(32, 32), random_state=0)
    >>> session = Session()
    >>> sample = session.add("cells", X[0])
    >>> session.paint("cells", np.where(y[0] > 0, 2, 1) * (np.arange(32) < 16))
    >>> training = Training(session, width=4, depth=1, max_steps=4, random_state=0)
    >>> training.start()
    >>> training.wait()
    >>> [name for name, _ in training.model.steps]
    ['percentilescaler', 'semisupervisedsegmenter', 'instancecounter']
    """

    def __init__(
        self,
        session: Session,
        *,
        start_from: str | None = "auto",
        with_intervals: bool = False,
        **parameters: Any,
    ):
        super().__init__()
        self.session, self.parameters = session, parameters
        self.start_from, self.with_intervals = start_from, with_intervals
        self.started_from: str | None = None
        self.model: Pipeline | None = None
        self.is_calibrated, self.n_trainings = False, 0
        self.answers: dict[str, Answer] = {}
        self.comparison: Comparison | None = None
        self.is_canceled = False

    def check(self) -> None:
        """Check that a training can start.

        Raises
        ------
        RuntimeError
            If one is running.
        ValueError
            If objects or background are not painted.
        """
        if self.is_running:
            raise RuntimeError("A training is running: cancel it, or wait for its end.")
        check_painted(self.session.samples.values())

    def start(self) -> None:
        """Start a training; see `check` for what it raises."""
        self.check()
        self._stop, self.is_canceled = StopSignal(), False
        self._start(self.session.snapshot())

    def keep(self) -> None:
        """End the training after its current step, and keep the network."""
        self._stop.stop()

    def cancel(self) -> None:
        """End the training after its current step; the model before it stays."""
        self.is_canceled = True
        self._stop.stop()

    def _work(self, session):
        torch.set_num_threads(n_threads())  # of this thread alone
        regions = session.complete_regions()
        model = self._fit(session.training_data(), regions)
        if self.is_canceled:
            self.progress, self.seconds_left = 0.0, None
            return
        session = self.session.snapshot()  # with images that were added meanwhile
        answers = answer_of(session, model)  # not in the thread of the window
        # A trained model predicted the strokes well before it was trained on them.
        self.comparison = None if self.started_from else compare(session, answers)
        self.n_trainings = 1 if self.with_intervals else self.n_trainings + 1
        self.answers, self.is_calibrated = answers, is_calibrated(regions)
        self.model = model
        self.progress, self.seconds_left = 1.0, 0.0

    def _fit(self, data, regions):
        X, y, positions = data
        options = OF_KIND[self.session.kind]
        scaler = PercentileScaler(**SCALER_OF_KIND[self.session.kind])
        segmenter = self._segmenter()
        segmenter.set_callbacks(ReportProgress(self._report), self._stop)
        scaled, probabilities = self._with_start(scaler.fit_transform(X), y), None
        if self.with_intervals:
            folds = CrossFitted(segmenter, cv=N_FOLDS)
            probabilities = folds.fit_transform(scaled, y, positions=positions)
            segmenter = folds.segmenter_
        else:
            segmenter.fit(scaled, y, positions=positions)
        # Networks of folds that were ended early would be worse than the one that is kept.
        in_sample = probabilities is None or self._stop.should_stop
        if in_sample:
            probabilities = segmenter.transform(scaled, positions=positions)
        segmenter.set_callbacks()  # they hold the thread, which cannot be copied
        if self.is_canceled:
            return None
        # A stroke does not show how large an object is: complete regions do.
        counter = fit_counter(
            InstanceCounter(**options), regions, probabilities, positions, y=y,
            in_sample=in_sample,
        )  # fmt: skip
        return make_pipeline(scaler, segmenter, counter)

    def _with_start(self, X, y):
        """Hand on the network to start from, unless the last model is continued."""
        if self.model is None or self.with_intervals:
            is_default = not {"network", "width", "depth"} & {*self.parameters}
            fits = self.session.kind == "images" and is_default
            self.started_from = self.start_from if fits else None
            if self.started_from == "auto":
                self.started_from, _ = choose_start(X, y)
        if self.started_from is None:
            return X
        return PretrainedBackbone(segmenter_of(self.started_from)).fit_transform(X)

    @property
    def segmenter_parameters(self) -> dict[str, Any]:
        """Parameters of the segmenter, which starts from `started_from` or from random weights."""
        return {"network": "unet-shuffle"} | OF_KIND[self.session.kind] | self.parameters

    def _segmenter(self):
        if self.model is None or self.with_intervals:
            return SemiSupervisedSegmenter(**self.segmenter_parameters)
        return copy.deepcopy(self.model[1]).set_params(warm_start=True, **self.parameters)

    def _report(self, estimator, progress, seconds_left):
        self.progress, self.seconds_left = progress, seconds_left
