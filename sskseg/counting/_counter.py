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
from ..images import (
    check_images,
    check_positions,
    check_spacing,
    choose_spatial_ndim,
    is_lazy,
    like_input,
    positions_of,
)
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
from ..training import as_fitted
from ..training.prediction_callbacks import prediction
from ._blocks import ContourObjects, ProbabilityObjects, counter_blocks
from ._checks import (
    check_extents,
    check_intensity,
    check_margins,
    check_no_classes,
    check_no_probabilities,
    check_plane,
    check_probabilities,
    pixels_of,
    spacing_of,
    unit_of,
    warn_of_classes,
)
from ._search import DEFAULTS, initial_values, search_values
from ._splitting import Splitter
from .methods import Contours, InstanceMethod, make_instance_method
from .tables import measure_detections, measure_samples, measure_sections

_N_SIMULATED = 32  # images for the parameter search if no real one is labeled

_IN_SAMPLE = (
    "The {level:g} % intervals are too narrow for new images: the counter was fitted on "
    "probabilities of images that the segmenter was trained on, where its errors are smaller. "
    "Wrap the segmenter in sskseg.CrossFitted, or fit the counter on images that the segmenter "
    "was not trained on."
)


class InstanceCounter(ImageEstimator):
    """Separate, count and measure objects.

    X contains foreground probabilities, or images if ``method="contours"``.

    Parameters
    ----------
    method : {"watershed", "components", "contours"} or InstanceMethod, default="watershed"
        How objects are separated. ``"components"``: each connected component of the foreground is
        an object. ``"watershed"``: touching objects are split by a watershed. ``"contours"``: `fit`
        trains a `ContourDetector` on images (not on probabilities), which also separates
        overlapping objects; of the other parameters, only `min_size`, `spacing` and `margin` have
        an effect. Objects of the classes `Components`, `Watershed` and `Contours`, or of your own
        subclass of `InstanceMethod`, have parameters of their own. They are not modified. For
        example, ``Contours(ContourDetector(max_steps=500))`` sets the length of the training.
    spatial_ndim : {2, 3}, default=None
        Number of spatial axes of a sample: 2 for images, 3 for volumes. None: in a pipeline that of
        the segmenter (see `ImageStack`), and otherwise 2.
    threshold : float in (0, 1) or "auto", default="auto"
        Pixels with a higher probability are foreground. `fit` searches this and the other
        parameters that are "auto" (see Notes).
    min_size : int or "auto", default="auto"
        Smaller objects are removed. The size is in pixels; if sections are consecutive, it applies
        to each section.
    fill_holes : bool, default=True
        Whether to fill holes in objects.
    merge_distance : float or "auto", default="auto"
        Fragments within this distance are one object, unless ``"watershed"`` finds a deep valley
        between them. The distance is in units of `spacing`, with an accuracy of a pixel.
    sections : {"independent", "consecutive"}, default="independent"
        With ``"consecutive"``, objects that overlap in neighboring sections are one object.
    spacing : tuple of float, default=None
        Size of a pixel along each spatial axis. If sections are consecutive, the distance of
        sections comes first. The table of `measure` has the same unit. None is the spacing of X if
        X is an `ImageStack` that has one (see `sskseg.io.read_images`), and otherwise 1. If X has
        none along z, the distance of sections is that of `fit`.
    margin : int, default=0
        Width in pixels of a frame at the border of each image, in which objects are not counted.
        `predict` omits objects whose centroid is in the frame. If neighboring tiles overlap by
        twice this width, each object is counted once. It is less than half of the shortest side of
        each image.

    Attributes
    ----------
    threshold_, merge_distance_ : float
    min_size_ : int
    seeds_ : str
    seed_height_ : float
    cut_weights_ : tuple of float
        The parameters in use: as given, or found by the search. `seeds_`, `seed_height_` and
        `cut_weights_` belong to the watershed. The parameters of an instance method of your own
        become attributes, too. With contours, `threshold_` applies to the score of the detector,
        and an "auto" `min_size` is 0.
    detector_ : ContourDetector or None
        The trained detector, with ``method="contours"``.
    unit_ : str or None
        Unit of `spacing_`, if that is the spacing of the images of `fit`.
    spacing_ : tuple of float, or None
        Spacing as given, or that of the images of `fit`.
    spatial_ndim_ : int
        Number of spatial axes of a sample, as given, or that of the segmenter.
    largest_image_ : int
        Number of pixels of the largest image of `fit`.
    in_sample_ : bool
        Whether the segmenter was trained on the samples of `fit` (see `ImageStack`). Intervals are
        then too narrow. False if this is unknown.
    count_residuals_ : ndarray of float, shape (n_known,), or None
        True minus predicted counts of `held_out_counts_`.
    held_out_counts_ : ndarray of float, shape (n_known, 2), or None
        True and predicted counts of the samples of `fit`. The parameters for each prediction were
        searched on other samples. None if no true count is known, or only counts of simulated
        images. With contours, the samples are those that the detector held out, and the attribute
        is None with a `min_size` or a `margin`.

    See Also
    --------
    ContourDetector : Returns contours as arrays.

    Notes
    -----
    The search starts with these defaults: a threshold of 0.5; cores as seeds if X has cores, and
    cuts as in simulated cells; a seed height of 0.1; no merging; and a minimum size of half the
    size of a small object. A small object is the 2nd percentile of the labeled objects, or of the
    predicted ones if there are only points or counts. With fewer than 50 of them, the minimum size
    is at most a twentieth of their median. If at least a tenth of the labeled objects are
    fragmented, merge distances are searched, and the first seeds are those of distances. Another
    minimum size or merge distance replaces a default if it is better by more than the standard
    error of the difference over samples (jackknife), or over nine blocks of a single label image
    (27 of a volume). Other thresholds, seeds and cuts must be better by two standard errors. With
    points or counts of a single sample, a value only has to be better.

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

    _kept = ("method",)
    _inner: dict = {"detector_": ContourDetector}  # noqa: RUF012
    _fitted = {  # noqa: RUF012
        "threshold_": "a number",
        "min_size_": "a count",
        "merge_distance_": "a number",
        "held_out_counts_": "pairs of numbers or None",
        "spacing_": "a tuple or None",
        "unit_": "a text or None",
        "in_sample_": "a boolean",
        "largest_image_": "a number",
        "spatial_ndim_": "a count",
    }
    _parameter_constraints: dict = {  # noqa: RUF012 - scikit-learn's name and form
        "method": [str, InstanceMethod],
        "spatial_ndim": [Interval(Integral, 2, 3, closed="both"), None],
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
        spatial_ndim: int | None = None,
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
        """Search the parameters that are "auto". With contours, train the detector.

        Parameters
        ----------
        X : array-like of shape (n_samples, *spatial) or (n_samples, *spatial, 2)
            Probabilities as `SemiSupervisedSegmenter.transform` returns them: of the foreground, or
            of the foreground and of cores. For valid intervals, the segmenter must not have been
            trained on these images. If nothing is labeled and X is an `ImageStack` with a
            simulator, simulated images are used. With ``method="contours"``, images as for
            `ContourDetector.fit`.
        y : label images, points, counts of shape (n_samples,), or None
            The reference of the search. With label images (-1 is ignored), the search maximizes the
            average precision at IoU 0.5 to 0.7. With points (a list of arrays of shape (k,
            spatial_ndim) in pixels, None for unlabeled samples), it maximizes F1; an object that
            contains a point is a true positive. With counts, it minimizes the sum of the absolute
            errors. None keeps the defaults of the search (see Notes), and a minimum size of 0. With
            ``method="contours"``, label images for training.
        positions : array-like of int, shape (n_samples,), default=None
            Positions of consecutive sections along z, as in `SemiSupervisedSegmenter.fit`.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If an argument is invalid, or nothing is labeled in `y`. If `spatial_ndim` is not that
            of the segmenter, or if ``method="contours"`` receives probabilities of a segmenter. If
            `margin`, `min_size`, `merge_distance` or the `smoothing` of a `Watershed` is larger
            than the images. If `y` holds the classes of the segmenter.

        Warns
        -----
        UserWarning
            If the values of `y` seem to be classes, and not objects.
        """
        self._validate_params()
        with transaction(self):
            self.spatial_ndim_ = choose_spatial_ndim(self.spatial_ndim, X)
            check_spacing(self.spacing, self.spatial_ndim_ + (self.sections == "consecutive"))
            self.spacing_ = self.unit_ = None  # of an earlier fit
            self.spacing_, self.unit_ = spacing_of(self, X), unit_of(self, X, None)
            check_no_classes(X, y)
            if self._takes_images():
                return self._fit_detector(X, y)
            probabilities, in_sample = self._check_input(X), bool(getattr(X, "in_sample", False))
            check_extents(self, [image.shape[:-1] for image in probabilities])
            positions = check_positions(positions_of(X, positions), len(probabilities))
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
        return like_input(self._label(self._check_input(X), positions_of(X, positions)), X)

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
            Whether to return prediction intervals, too. Not available for dask arrays and
            consecutive sections.
        coverage : float in (0, 1), default=0.9
            Approximate share of new samples whose true count lies in the interval, on average over
            samples like those of `fit` (exchangeable samples).

        Returns
        -------
        counts : ndarray of int64, shape (n_samples,)
            Number of objects whose centroid lies in the sample (see `margin`). If sections are
            consecutive, each object is counted in the section nearest to its centroid, and the sum
            is the number of objects.
        intervals : ndarray of int64, shape (n_samples, 2)
            Lower and upper bounds. Only with `return_interval`.

        Raises
        ------
        ValueError
            If intervals are requested and `fit` had too few samples with a known count. At least
            ``coverage / (1 - coverage)`` are needed, for example 9 for a coverage of 0.9.

        Warns
        -----
        UserWarning
            If intervals are requested, and are too narrow because the segmenter was trained on the
            samples of `fit`, as in a pipeline without `sskseg.model_selection.CrossFitted`. Also if
            a count or an image is larger than those of `fit`: the interval is then an
            extrapolation.

        Notes
        -----
        Intervals are computed by conformal prediction with cross-validation, see
        `sskseg.model_selection.intervals.count_intervals`. The images of `fit` and of `predict`
        must be new to the segmenter, because errors on its training images are smaller.
        """
        check_is_fitted(self)
        if return_interval and (is_lazy(X) or self.sections == "consecutive"):
            raise ValueError("Intervals are of independent images in memory.")
        if is_lazy(X):
            return self._lazy(X, positions, "predict")
        images = self._check_input(X)
        positions = check_positions(positions_of(X, positions), len(images))
        labels = self._label(images, positions)
        if self.sections == "consecutive":
            return count_over_sections(labels, np.asarray(positions), self.margin)
        counts = count_each(labels, self.margin)
        if not return_interval:
            return counts
        intervals = count_intervals(counts, self.held_out_counts_, coverage)
        if self.in_sample_:
            warnings.warn(_IN_SAMPLE.format(level=100 * coverage), UserWarning, stacklevel=2)
        # Debris and background grow with the area, not with the number of objects.
        larger = [pixels_of(image) for image in images if pixels_of(image) > self.largest_image_]
        if larger:
            warnings.warn(
                f"{len(larger)} of {len(images)} images have more pixels than the largest image of "
                f"fit, {self.largest_image_}: up to {max(larger)}. Their {100 * coverage:g} % "
                "intervals are extrapolated, and may be too narrow or too wide. Fit the counter on "
                "images as large.",
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
            Images of X's spatial shape, with or without channels. The table then has their mean
            over each object.
        positions : array-like of int, shape (n_samples,), default=None
            As in `fit`.
        columns : sequence of str, default=None
            Names of columns, see `sskseg.morphology.measure_objects`. None are the default columns.
        unit : str, default=None
            Name of the unit of `spacing`, stored in ``attrs["units"]`` of the table. None is the
            unit of X, if X is an `ImageStack` and the spacing is that of X, or of the images of
            `fit`, if it is theirs; otherwise the unit is unknown.
        return_labels : bool, default=False
            Whether to return the label images, too, as `label` does. This is faster than a separate
            call.

        Returns
        -------
        table : pandas.DataFrame
            One row for each object. The columns are ``sample`` (unless sections are consecutive)
            and those of `sskseg.morphology.measure_objects`, with lengths in units of `spacing`.
            With ``method="contours"``, ``score`` is the score of the detector, ``contour_area`` and
            ``perimeter`` are those of the whole contour, including hidden parts, and ``polygon`` is
            the contour as well-known text, ``POLYGON ((x y, ...))``, in units of `spacing`.
        labels : ndarray of int64, shape (n_samples, *spatial), or list of ndarray
            Only with `return_labels`.

        Raises
        ------
        ValueError
            If an argument is invalid, a name of a column is unknown, or `unit` is given without a
            spacing.
        """
        check_is_fitted(self)
        images = self._check_input(X)
        intensities = check_intensity(intensity, images, self.spatial_ndim_)
        spacing, positions = spacing_of(self, X), positions_of(X, positions)
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
        """Compute F1 at IoU 0.5, or one minus the relative count error.

        For label images, the score is F1 at an IoU of 0.5. For points, it is F1, where an object
        that contains a point is a true positive. For counts, it is ``1 - sum |error| / sum``.

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
            The score over all samples together; at most 1.
        """
        check_is_fitted(self)
        images = self._check_input(X)
        annotations = Annotations(y, images)
        if annotations.kind == "counts":
            return score_counts(annotations, self.predict(X, positions=positions), sample_weight)
        labels = self._label(images, positions_of(X, positions))
        return score_labels(annotations, labels, sample_weight)

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
        check_margins(self, [X.shape[1 : 1 + self.spatial_ndim_]])
        positions = check_positions(positions_of(X, positions), len(X))
        channels = self.detector_.n_channels_ if self._takes_images() else None
        return map_samples(
            self, X, method, n_channels=channels, positions=positions if consecutive else None
        )

    # Fitting

    def _splitter(self):
        spacing = spacing_of(self)
        spacing = None if spacing is None else spacing[-self.spatial_ndim_ :]
        return Splitter(self._method(), self.fill_holes, spacing)

    def _method(self):
        return make_instance_method(as_fitted(self).method)

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
        warn_of_classes(reference.parts)
        return search_values(self._splitter(), self._given(), images, reference, self.margin)

    def _fit_detector(self, X, y):
        check_plane(self.spatial_ndim_, self.sections)
        check_no_probabilities(X)
        shapes = [image.shape[:-1] for image in check_images(X, 2)]
        check_margins(self, shapes)
        check_extents(self, shapes)
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
        kept = ("spacing_", "unit_", "spatial_ndim_", "_fit_parameters_")
        for name in [name for name in vars(self) if name.endswith("_") and name not in kept]:
            delattr(self, name)
        for name, value in values.items():
            setattr(self, f"{name}_", value)
        self.held_out_counts_, self.detector_, self.in_sample_ = held_out, detector, False

    # Checks

    def _validate_params(self):
        super()._validate_params()
        make_instance_method(self.method)._validate_params()

    def _check_input(self, X):
        """Return images or probabilities, each with a channel axis."""
        if self._takes_images():
            images = check_images(X, 2, n_channels=self.detector_.n_channels_)
        else:
            images = check_probabilities(X, self.spatial_ndim_, self.sections == "consecutive")
        check_margins(self, [image.shape[:-1] for image in images])
        return images

    def _restore(self, fitted, tensors):
        method = self._method()
        super()._restore({**_earlier_values(method, self.spatial_ndim), **fitted}, tensors)
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
        if "threshold_" in state:  # fitted, perhaps by an earlier version
            earlier = _earlier_values(self._method_of(state), state["spatial_ndim"])
            state = {**earlier, **state}
        super().__setstate__(state)

    @staticmethod
    def _method_of(state):
        return make_instance_method(state.get("_fit_parameters_", state)["method"])


def _earlier_values(method, spatial_ndim):
    """Fitted parameters that earlier versions did not have."""
    weights = {"cut_weights_": ()} if "cut_weights" in method.candidates else {}
    return {"unit_": None, "spatial_ndim_": spatial_ndim, **weights}
