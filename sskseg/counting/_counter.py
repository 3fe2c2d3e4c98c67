"""`InstanceCounter`: objects, counts and tables from probabilities, or from images by contours."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from numbers import Integral, Real

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.base import clone
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from ..base import ImageEstimator, transaction
from ..detection import ContourDetector
from ..images import check_images, check_positions, check_spacing, is_lazy, like_input
from ..images.annotations import Annotations
from ..inference.lazy import map_samples
from ..io.models import check_fitted
from ..model_selection.intervals import count_intervals
from ..model_selection.reference import (
    count_each,
    reference_of,
    score_counts,
    score_labels,
)
from ..morphology import count_over_sections, join_sections
from ..training.prediction_callbacks import prediction
from ._blocks import ContourObjects, ProbabilityObjects, counter_blocks
from ._checks import (
    check_intensity,
    check_plane,
    check_probabilities,
    pixels_of,
    spacing_of,
    unit_of,
)
from ._search import DEFAULTS, initial_values, search_values
from ._splitting import Splitter
from .methods import Contours, InstanceMethod, make_instance_method
from .tables import measure_detections, measure_samples, measure_sections

_N_SIMULATED = 32  # images for the parameter search if no real one is labeled

_IN_SAMPLE = (
    "The intervals are too narrow for new images: the counter was fitted on probabilities of "
    "images that the segmenter was trained on, where its errors are smaller. Wrap the segmenter in "
    "sskseg.CrossFitted, or fit the counter on images that the segmenter was not trained on."
)


class InstanceCounter(ImageEstimator):
    """Split foreground probabilities into objects, or detect them in images; count, measure them.

    Parameters
    ----------
    method : {"watershed", "components", "contours"} or InstanceMethod, default="watershed"
        How objects are found. ``"components"``: connected components of the foreground.
        ``"watershed"``: touching objects are separated, too, along the valleys of a relief.
        ``"contours"``: of images, not of probabilities; a `ContourDetector` is trained to detect
        objects by their contours, overlapping ones too, and of the other parameters only
        `min_size`, `spacing` and `margin` matter. An object has parameters of its own:
        `Components`, `Watershed`, `Contours`, or an `InstanceMethod` of your own. It is not
        modified.
    spatial_ndim : {2, 3}, default=2
        Spatial axes of one sample.
    threshold : float in (0, 1) or "auto", default="auto"
        Foreground is where the probability exceeds this. `fit` searches parameters that are "auto",
        see the notes.
    min_size : int or "auto", default="auto"
        Smaller objects are removed; pixels, in each section where they are consecutive.
    fill_holes : bool, default=True
        Assign enclosed background to the object around it.
    merge_distance : float or "auto", default="auto"
        Fragments at most this far apart (in units of `spacing`, a pixel more or less) are one
        object, unless ``"watershed"`` finds a deep valley between them.
    sections : {"independent", "consecutive"}, default="independent"
        ``"consecutive"``: objects that overlap in neighboring sections are one.
    spacing : tuple of float, default=None
        Size of a pixel along each spatial axis, preceded by the distance of sections where they
        are consecutive; the unit is that of `measure`. None is that of X, if X is an `ImageStack`
        that has one, see `sskseg.io.read_images`, and 1 otherwise.
    margin : int, default=0
        Width, pixels, of a frame that belongs to neighboring images: `predict` counts an object if
        its centroid lies inside of it, so that overlapping tiles count each object once.

    Attributes
    ----------
    threshold_, merge_distance_ : float
    min_size_ : int
    seeds_ : str
    seed_height_ : float
    cut_weights_ : tuple of float
        As given, or found by the search; seeds, their height and the weights of cuts are the
        watershed's, and parameters that a method of your own searches become attributes, too. With
        contours `threshold_` is that of the detector's score, and an "auto" minimum size 0.
    detector_ : ContourDetector or None
        Trained.
    spacing_ : tuple of float, or None
        As given, or that of the images of `fit`.
    largest_image_ : int
        Pixels of the largest image of `fit`.
    in_sample_ : bool
        Whether the segmenter was trained on the samples of `fit` (see `ImageStack`), so that
        intervals are too narrow. False where it is unknown.
    count_residuals_ : ndarray of float, shape (n_known,), or None
        True counts minus predicted ones, of `held_out_counts_`.
    held_out_counts_ : ndarray of float, shape (n_known, 2), or None
        True and predicted counts of the samples of `fit`, each with parameters searched on others;
        None if no true counts are known, or only those of simulated images. With contours of the
        samples that the detector held out, and None with a `min_size` or a `margin`.

    See Also
    --------
    ContourDetector : Returns contours as arrays.

    Notes
    -----
    The search starts from threshold 0.5, cores as seeds where X has them, seed height 0.1, as the
    minimum size half of a small object (the 2nd percentile of labeled objects, or of those that are
    split if there are points or counts), and nothing merged. If a tenth of the labeled objects or
    more are fragmented, merge distances are tried, and seeds are from distances first. Another
    value is chosen if it is better by more than the standard error of the difference over samples
    (jackknife); of a single sample, if it is better.

    Examples
    --------
    >>> import numpy as np
    >>> from sskseg import InstanceCounter
    >>> from sskseg.datasets import make_cells
    >>> _, y = make_cells(n_samples=3, shape=(64, 64), random_state=0)
    >>> counter = InstanceCounter().fit((y > 0).astype(float), y)
    >>> counter.predict((y > 0).astype(float)).shape
    (3,)
    """

    _inner: dict = {"detector_": ContourDetector}  # noqa: RUF012
    _fitted = {  # noqa: RUF012
        "threshold_": "a number",
        "min_size_": "a count",
        "merge_distance_": "a number",
        "held_out_counts_": "pairs of numbers or None",
        "spacing_": "a tuple or None",
        "in_sample_": "a boolean",
        "largest_image_": "a number",
    }
    _parameter_constraints: dict = {  # noqa: RUF012 - scikit-learn's name and form
        "method": [str, InstanceMethod],
        "spatial_ndim": [Interval(Integral, 2, 3, closed="both")],
        "threshold": [Interval(Real, 0, 1, closed="neither"), StrOptions({"auto"})],
        "min_size": [Interval(Integral, 0, None, closed="left"), StrOptions({"auto"})],
        "fill_holes": ["boolean"],
        "merge_distance": [Interval(Real, 0, None, closed="left"), StrOptions({"auto"})],
        "sections": [StrOptions({"independent", "consecutive"})],
        "spacing": [tuple, list, np.ndarray, None],
        "margin": [Interval(Integral, 0, None, closed="left")],
    }

    def __init__(
        self,
        method: str | InstanceMethod = "watershed",
        *,
        spatial_ndim: int = 2,
        threshold: float | str = "auto",
        min_size: int | str = "auto",
        fill_holes: bool = True,
        merge_distance: float | str = "auto",
        sections: str = "independent",
        spacing: tuple[float, ...] | None = None,
        margin: int = 0,
    ):
        self.method = method
        self.spatial_ndim = spatial_ndim
        self.threshold = threshold
        self.min_size = min_size
        self.fill_holes = fill_holes
        self.merge_distance = merge_distance
        self.sections = sections
        self.spacing = spacing
        self.margin = margin

    def fit(
        self, X: ArrayLike, y: ArrayLike | list | None = None, *, positions: ArrayLike | None = None
    ) -> InstanceCounter:
        """Search the parameters that are "auto"; with contours train the detector.

        Parameters
        ----------
        X : array-like of shape (n_samples, *spatial) or (n_samples, *spatial, 2)
            Probabilities of the foreground, or of foreground and cores, as
            `SemiSupervisedSegmenter.transform` returns them, of images that the segmenter was not
            trained on if intervals are wanted. If nothing is labeled and an `ImageStack` carries a
            simulator, simulated images serve. With ``method="contours"`` images, as
            `ContourDetector.fit` takes them.
        y : label images, points, counts of shape (n_samples,), or None
            The reference of the search: with label images (-1 ignored) it maximizes the average
            precision at IoU 0.5 to 0.7; with points, a list of arrays of shape (k, spatial_ndim)
            in pixels and None for unlabeled samples, F1 of points that lie in an object of their
            own; with counts it minimizes the sum of the absolute errors. None keeps the defaults:
            threshold 0.5, cores as seeds where X has them, seed height 0.1, minimum size 0, nothing
            merged. With
            ``method="contours"`` label images, used for training.
        positions : array-like of int, shape (n_samples,), default=None
            Of consecutive sections along z.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For input that breaks the contract, or if `y` labels nothing.
        """
        self._validate_params()
        check_spacing(self.spacing, self.spatial_ndim + (self.sections == "consecutive"))
        with transaction(self):
            self.spacing_ = None  # of an earlier fit
            self.spacing_ = spacing_of(self, X)
            if self._takes_images():
                return self._fit_detector(X, y)
            probabilities, in_sample = self._check_input(X), bool(getattr(X, "in_sample", False))
            positions = check_positions(positions, len(probabilities))
            unlabeled = y is None or Annotations(y).labeled.size == 0
            simulator = getattr(X, "simulator", None) if unlabeled else None
            if simulator is not None:
                X, y = simulator.sample(_N_SIMULATED, 0)
                probabilities = self._check_input(X)
                positions = np.arange(len(probabilities))
            has_cores = probabilities[0].shape[-1] > 1
            values = initial_values(self._given(), self._method(), has_cores=has_cores)
            held_out = None
            if y is not None:
                values, held_out = self._search(probabilities, y, positions)
            # Errors on simulated images would promise too much of real ones.
            self._set_fitted(values, held_out if simulator is None else None)
            self.in_sample_, self.largest_image_ = in_sample, max(map(pixels_of, probabilities))
        return self

    def label(
        self, X: ArrayLike, *, positions: ArrayLike | None = None
    ) -> np.ndarray | list[np.ndarray]:
        """Label objects.

        Parameters
        ----------
        X, positions
            As in `fit`; a dask array gives a lazy dask array.

        Returns
        -------
        labels : ndarray of int64, shape (n_samples, *spatial), or list of ndarray
            0 background; 1, 2, ... in each sample, or over all samples if sections are
            consecutive.
        """
        check_is_fitted(self)
        if is_lazy(X):
            return self._lazy(X, positions, "label")
        return like_input(self._label(self._check_input(X), positions), X)

    transform = label

    def predict(
        self,
        X: ArrayLike,
        *,
        positions: ArrayLike | None = None,
        return_interval: bool = False,
        coverage: float = 0.9,
    ) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
        """Count objects.

        Parameters
        ----------
        X : array-like
            As in `fit`; a dask array gives a lazy dask array.
        positions : array-like of int, shape (n_samples,), default=None
            As in `fit`.
        return_interval : bool, default=False
            Whether to return prediction intervals, too; not of dask arrays or consecutive sections.
        coverage : float in (0, 1), default=0.9
            Share of new samples, exchangeable with those of `fit`, whose true count lies in the
            interval, on average and approximately.

        Returns
        -------
        counts : ndarray of int64, shape (n_samples,)
            Objects whose centroid lies in the sample (see `margin`); if sections are consecutive,
            an object counts in the section nearest to its centroid, so that the sum is the number
            of objects.
        intervals : ndarray of int64, shape (n_samples, 2)
            Lower and upper bounds. Only with `return_interval`.

        Raises
        ------
        ValueError
            If intervals are requested and `fit` had too few samples with a known true count: at
            least ``coverage / (1 - coverage)``, 9 for 0.9.

        Warns
        -----
        UserWarning
            If intervals are requested and the segmenter was trained on the samples of `fit`, as in
            a pipeline without `sskseg.model_selection.CrossFitted`: they are then too narrow. If a
            count is above the largest of `fit`, or an image has more pixels than the largest of
            `fit`: the interval is extrapolated.

        Notes
        -----
        Conformal prediction by cross-validation, see
        `sskseg.model_selection.intervals.count_intervals`. The images must be new to the segmenter,
        in `fit` and in `predict`: errors on its training images are smaller.
        """
        check_is_fitted(self)
        if return_interval and (is_lazy(X) or self.sections == "consecutive"):
            raise ValueError("Intervals are of independent images in memory.")
        if is_lazy(X):
            return self._lazy(X, positions, "predict")
        images = self._check_input(X)
        positions = check_positions(positions, len(images))
        labels = self._label(images, positions)
        if self.sections == "consecutive":
            return count_over_sections(labels, np.asarray(positions), self.margin)
        counts = count_each(labels, self.margin)
        if not return_interval:
            return counts
        intervals = count_intervals(counts, self.held_out_counts_, coverage)
        if self.in_sample_:
            warnings.warn(_IN_SAMPLE, UserWarning, stacklevel=2)
        # Debris and background grow with the area, not with the number of objects.
        larger = [pixels_of(image) for image in images if pixels_of(image) > self.largest_image_]
        if larger:
            warnings.warn(
                f"{len(larger)} of {len(images)} images have more pixels than the largest image of "
                f"fit, {self.largest_image_}: up to {max(larger)}. Their intervals are "
                "extrapolated, and may be too narrow or too wide. Fit the counter on images as "
                "large.",
                UserWarning,
                stacklevel=2,
            )
        return counts, intervals

    def measure(
        self,
        X: ArrayLike,
        *,
        intensity: ArrayLike | None = None,
        positions: ArrayLike | None = None,
        columns: Sequence[str] | None = None,
        unit: str | None = None,
        return_labels: bool = False,
    ) -> pd.DataFrame | tuple[pd.DataFrame, np.ndarray | list[np.ndarray]]:
        """Measure objects.

        Parameters
        ----------
        X : array-like
            As in `fit`.
        intensity : array-like, default=None
            Images of X's spatial shape, with or without channels, to average over each object.
        positions : array-like of int, shape (n_samples,), default=None
            As in `fit`.
        columns : sequence of str, default=None
            Names of columns, as in `sskseg.morphology.measure_objects`; None are the default ones.
        unit : str, default=None
            Of `spacing`, for ``attrs["units"]`` of the table. None is that of X, if the spacing is
            that of X (an `ImageStack`), and unknown otherwise.
        return_labels : bool, default=False
            Whether to return the objects, too, as `label` does, which are then split once.

        Returns
        -------
        table : pandas.DataFrame
            One row an object: ``sample`` (if sections are independent), and the columns of
            `sskseg.morphology.measure_objects`, lengths in units of `spacing`. With
            ``method="contours"`` the score is the detector's, and there are ``contour_area`` and
            ``perimeter`` of the whole contour, hidden parts too, and the contour itself as
            well-known text, ``polygon``: ``POLYGON ((x y, ...))`` in units of `spacing`.
        labels : ndarray of int64, shape (n_samples, *spatial), or list of ndarray
            Only with `return_labels`.

        Raises
        ------
        ValueError
            For input that breaks the contract, unknown names of columns, and a `unit` without
            spacing.
        """
        check_is_fitted(self)
        images = self._check_input(X)
        intensities = check_intensity(intensity, images, self.spatial_ndim)
        spacing = spacing_of(self, X)
        options = {"unit": unit_of(self, X, unit), "columns": columns}
        if self._takes_images():
            detections = self._detect(images)
            if return_labels:  # else one after the other
                detections = list(detections)
            table = measure_detections(detections, intensities, spacing, **options)
            labels = [each.labels for each in detections] if return_labels else []
        else:
            labels = self._label(images, positions)
            probabilities = [image[..., 0] for image in images]
            measured = labels, probabilities, intensities
            if self.sections == "independent":
                table = measure_samples(*measured, spacing, **options)
            else:
                places = check_positions(positions, len(images))
                table = measure_sections(*measured, places, spacing, **options)
        return (table, like_input(labels, X)) if return_labels else table

    def score(
        self,
        X: ArrayLike,
        y: ArrayLike | list,
        *,
        positions: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> float:
        """F1 at IoU 0.5 for label images, ``1 - sum |error| / sum`` for counts.

        For points F1 of those that lie in an object of their own.

        Parameters
        ----------
        X : array-like
            As in `fit`.
        y : label images, points or counts of shape (n_samples,)
            As in `fit`.
        positions : array-like of int, shape (n_samples,), default=None
            As in `fit`.
        sample_weight : array-like of shape (n_samples,), default=None
            How often each sample counts.

        Returns
        -------
        float
            Of all samples together; at most 1.
        """
        check_is_fitted(self)
        images = self._check_input(X)
        annotations = Annotations(y, images)
        if annotations.kind == "counts":
            return score_counts(annotations, self.predict(X, positions=positions), sample_weight)
        return score_labels(annotations, self._label(images, positions), sample_weight)

    @property
    def exact(self) -> bool:
        """Whether objects are the connected components of the foreground, so that parts of an
        image join exactly by the pixels that touch."""
        plain = not self.fill_holes and self.merge_distance_ == 0
        return self._method().exact and plain

    def block_objects(self) -> ProbabilityObjects | ContourObjects:
        """Return what finds the objects of blocks of a scan, see `sskseg.scans.count_scan`.

        Returns
        -------
        sskseg.scans.protocol.BlockObjects

        Raises
        ------
        ValueError
            With a `margin`, or for contours of anything but independent planes.
        """
        check_is_fitted(self)
        return counter_blocks(self)

    @property
    def count_residuals_(self) -> np.ndarray | None:
        """True counts minus predicted ones, of `held_out_counts_`."""
        pairs = self.held_out_counts_
        return None if pairs is None else pairs[:, 0] - pairs[:, 1]

    # Labels

    def _label(self, images, positions):
        if self._takes_images():
            return [detected.labels for detected in self._detect(images)]
        positions = check_positions(positions, len(images))
        values = {name: getattr(self, f"{name}_") for name in self._given()}
        with prediction(self, len(images)):
            labels = self._splitter().label(images, values)
        if self.sections == "consecutive":
            return join_sections(labels, positions)
        return [label.astype(np.int64) for label in labels]

    def _detect(self, images):
        return (found.remove_small(self.min_size_) for found in self.detector_.detect(images))

    def _lazy(self, X, positions, method):
        consecutive = self.sections == "consecutive"
        positions = check_positions(positions, len(X))
        channels = self.detector_.n_channels_ if self._takes_images() else None
        return map_samples(
            self, X, method, n_channels=channels, positions=positions if consecutive else None
        )

    # Fitting

    def _splitter(self):
        spacing = spacing_of(self)
        spacing = None if spacing is None else spacing[-self.spatial_ndim :]
        return Splitter(self._method(), self.fill_holes, spacing)

    def _method(self):
        return make_instance_method(self.method)

    def _takes_images(self):
        """Whether objects are detected in images, and not split from probabilities."""
        return isinstance(self._method(), Contours)

    def _given(self):
        """Return the parameters of the search as given, "auto" or a value."""
        method = self._method()
        given = {name: getattr(self, name) for name in DEFAULTS}
        return given | {name: getattr(method, name) for name in method.candidates}

    def _search(self, images, y, positions):
        """Return the best parameters, and the counts of held-out samples."""
        stack = positions if self.sections == "consecutive" else None
        annotations = Annotations(y, images)
        reference = reference_of(annotations, margin=self.margin, positions=stack)
        return search_values(self._splitter(), self._given(), images, reference, self.margin)

    def _fit_detector(self, X, y):
        check_plane(self.spatial_ndim, self.sections)
        detector = self._method().new_detector().fit(X, y)
        values = initial_values(self._given(), self._method())
        values["threshold"] = detector.score_threshold_
        held_out = detector.held_out_counts_
        if held_out is not None:
            # A copy, since tensors of a model file must not share memory. With a minimum size or a
            # margin the detector counted other objects.
            held_out = None if values["min_size"] or self.margin else held_out.copy()
        self._set_fitted(values, held_out, detector)
        self.largest_image_ = max(map(pixels_of, check_images(X, 2)))
        return self

    def _set_fitted(self, values, held_out, detector=None):
        """Replace all fitted attributes; those of another method's parameters go."""
        for name in [name for name in vars(self) if name.endswith("_") and name != "spacing_"]:
            delattr(self, name)
        for name, value in values.items():
            setattr(self, f"{name}_", value)
        self.held_out_counts_, self.detector_, self.in_sample_ = held_out, detector, False

    # Checks

    def _validate_params(self):
        super()._validate_params()
        self._method()._validate_params()

    def _check_input(self, X):
        """Return images or probabilities, each with a channel axis."""
        if self._takes_images():
            return check_images(X, 2, n_channels=self.detector_.n_channels_)
        return check_probabilities(X, self.spatial_ndim, self.sections == "consecutive")

    def _restore(self, fitted, tensors):
        method = self._method()
        super()._restore({**_earlier_values(method), **fitted}, tensors)
        check_fitted(
            vars(self),
            {
                f"{name}_": "a number, text, boolean or tuple of numbers"
                for name in method.candidates
            },
        )
        values = {name: getattr(self, f"{name}_") for name in method.candidates}
        clone(method).set_params(**values)._validate_params()

    def __setstate__(self, state):
        if "seed_height_" in state:  # fitted, perhaps by an earlier version
            state = {**_earlier_values(self._method_of(state)), **state}
        super().__setstate__(state)

    @staticmethod
    def _method_of(state):
        return make_instance_method(state["method"])


def _earlier_values(method):
    """Fitted parameters that earlier versions did not have."""
    return {"cut_weights_": ()} if "cut_weights" in method.candidates else {}
