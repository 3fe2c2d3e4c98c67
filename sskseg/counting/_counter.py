"""`InstanceCounter`: objects, counts and tables from probabilities, or from images by contours."""

from functools import lru_cache
from numbers import Integral, Real

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from ..base import ImageEstimator
from ..detection import ContourDetector, Detections
from ..images import (
    are_counts,
    check_images,
    check_numbers,
    check_positions,
    consecutive_runs,
    is_lazy,
    like_input,
)
from ..inference.lazy import map_samples
from ..model_selection.intervals import count_intervals, joined_errors
from ..model_selection.parameter_search import Calibration
from ..model_selection.reference import (
    count_each,
    is_unlabeled,
    object_sizes,
    score_counts,
    score_labels,
    truth_of,
)
from ..morphology import (
    bridge_gaps,
    contour_columns,
    count_over_sections,
    fill_holes,
    join_sections,
    label_components,
    measure_objects,
    relabel,
    relief_of,
    remove_small,
    split_touching,
)
from .candidates import merge_distances, smallest_sizes

_DEFAULTS = {"threshold": 0.5, "seed_height": 0.1, "min_size": 0, "merge_distance": 0.0}
_CHOICES = {
    "threshold": (0.5, 0.4, 0.6, 0.3, 0.7),
    "seed_height": (0.1, 0.05, 0.03, 0.15, 0.2),
}
_ORDER = {
    "components": ("merge_distance", "threshold", "min_size"),
    "watershed": ("merge_distance", "seed_height", "threshold", "seed_height", "min_size"),
}
_SIMULATED = 32  # images to calibrate on where no real one is labeled


class InstanceCounter(ImageEstimator):
    """Split foreground probabilities into objects, or find them in images; count, measure them.

    Parameters
    ----------
    method : {"watershed", "components", "contours"}, default="watershed"
        ``"components"``: connected components of the foreground. ``"watershed"``: touching objects
        are told apart too, along the valleys of a relief. ``"contours"``: of images, not of
        probabilities; a `ContourDetector` is trained to find objects by their outlines, overlapping
        ones too. What follows then does not matter, but `min_size`, `spacing` and `margin`.
    detector : ContourDetector, default=None
        With ``method="contours"``: a clone of it is trained. None is ``ContourDetector()``.
    spatial_ndim : {2, 3}, default=2
        Spatial axes of one sample.
    threshold : float in (0, 1) or "auto", default="auto"
        Foreground is where the probability exceeds this. "auto" parameters are calibrated in
        `fit`, see the notes.
    seeds : {"distance", "probability"}, default="distance"
        The relief, high in the middle of objects: the distance transform of the foreground (each
        component's as a fraction of its largest), or the probability.
    seed_height : float in (0, 1) or "auto", default="auto"
        Two peaks of the relief (which reaches 1) are two objects where the valley between them is
        at least so deep.
    smoothing : float, default=1.0
        Standard deviation, pixels, of the Gaussian that smooths the relief.
    min_size : int or "auto", default="auto"
        Smaller objects are dropped; pixels, in each section where they are consecutive.
    fill_holes : bool, default=True
        Give enclosed background to the object around it.
    merge_distance : float or "auto", default="auto"
        Fragments at most this far apart (in units of `spacing`, a pixel more or less) are one
        object, but where ``"watershed"`` finds a deep valley between them.
    sections : {"independent", "consecutive"}, default="independent"
        ``"consecutive"``: objects that overlap in neighboring sections are one.
    spacing : tuple of float, default=None
        Size of a pixel along each spatial axis, preceded by the distance of sections where they
        are consecutive; the unit is that of `measure`. None is 1.
    margin : int, default=0
        Width, pixels, of a frame that belongs to neighboring images: `predict` counts an object if
        its centroid lies inside of it, so that overlapping tiles count each object once.

    Attributes
    ----------
    threshold_, seed_height_ : float
    min_size_ : int
    merge_distance_ : float
        What is used: calibrated, or as given. With ``method="contours"`` `threshold_` is that of
        the detector's score, and an "auto" smallest size 0.
    detector_ : ContourDetector or None
        Trained.
    count_residuals_ : ndarray of float, or None
        Errors of the counts of the samples of `fit`, each with parameters that were calibrated on
        others, in units of ``sqrt(count + 1)``; None where no true counts are known, or those of
        simulated images only. With ``method="contours"`` of those samples that the detector held
        out, and None with a `min_size` or a `margin`.

    See Also
    --------
    ContourDetector : Gives contours as arrays.

    Notes
    -----
    "auto" parameters begin with a default: threshold 0.5, seed height 0.1, and as the smallest size
    half of a small object (the 2nd percentile of those that are labeled, or found where there are
    points or counts), and nothing merged; distances are tried where a tenth of the labeled objects
    or more are in fragments. Another value is taken where it is better by more than the standard
    error of the difference over samples (jackknife); a single sample is followed.

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
        "seed_height_": "a number",
        "min_size_": "a count",
        "merge_distance_": "a number",
        "count_residuals_": "numbers or None",
    }
    _parameter_constraints: dict = {  # noqa: RUF012 - scikit-learn's name and form
        "method": [StrOptions({"watershed", "components", "contours"})],
        "detector": [ContourDetector, None],
        "spatial_ndim": [Interval(Integral, 2, 3, closed="both")],
        "threshold": [Interval(Real, 0, 1, closed="neither"), StrOptions({"auto"})],
        "seeds": [StrOptions({"distance", "probability"})],
        "seed_height": [Interval(Real, 0, 1, closed="neither"), StrOptions({"auto"})],
        "smoothing": [Interval(Real, 0, None, closed="left")],
        "min_size": [Interval(Integral, 0, None, closed="left"), StrOptions({"auto"})],
        "fill_holes": ["boolean"],
        "merge_distance": [Interval(Real, 0, None, closed="left"), StrOptions({"auto"})],
        "sections": [StrOptions({"independent", "consecutive"})],
        "spacing": [tuple, list, np.ndarray, None],
        "margin": [Interval(Integral, 0, None, closed="left")],
    }

    def __init__(
        self, method="watershed", *, detector=None, spatial_ndim=2, threshold="auto",
        seeds="distance", seed_height="auto", smoothing=1.0, min_size="auto", fill_holes=True,
        merge_distance="auto", sections="independent", spacing=None, margin=0,
    ):  # fmt: skip
        self.method = method
        self.detector = detector
        self.spatial_ndim = spatial_ndim
        self.threshold = threshold
        self.seeds = seeds
        self.seed_height = seed_height
        self.smoothing = smoothing
        self.min_size = min_size
        self.fill_holes = fill_holes
        self.merge_distance = merge_distance
        self.sections = sections
        self.spacing = spacing
        self.margin = margin

    def fit(self, X, y=None, *, positions=None):
        """Calibrate the parameters that are "auto"; train the detector of contours.

        Parameters
        ----------
        X : array-like of shape (n_samples, *spatial)
            Foreground probabilities, as `SemiSupervisedSegmenter.transform` returns them. Where
            nothing is labeled, and an `ImageStack` carries a simulator, its images are calibrated
            on. With ``method="contours"`` images, as `ContourDetector.fit` takes them.
        y : label images, points, counts of shape (n_samples,), or None
            What "auto" parameters are judged by (see the notes of the class): with label images
            (-1 left out) the average precision at IoU 0.5 to 0.7; with points, a list of arrays of
            shape (k, spatial_ndim) in pixels and None for unlabeled samples, F1 of points that lie
            in an object of their own; with counts the sum of the absolute errors. None keeps the
            defaults: threshold 0.5, seed height 0.1, minimum size 0, nothing merged.
            With ``method="contours"`` label images, which are learned from.
        positions : array-like of int, shape (n_samples,), default=None
            Of consecutive sections along z.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For input that breaks the contract, or where `y` labels nothing.
        """
        self._validate_params()
        self._check_method()
        for name, default in _DEFAULTS.items():
            given = getattr(self, name)
            setattr(self, f"{name}_", default if given == "auto" else given)
        self.count_residuals_ = self.detector_ = None
        if self.method == "contours":
            return self._fit_detector(X, y)
        maps = self._check_input(X)
        positions = check_positions(positions, len(maps))
        simulated = getattr(X, "simulator", None) is not None and is_unlabeled(y)
        if simulated:
            X, y = X.simulator.sample(_SIMULATED, 0)
            maps, positions = self._check_input(X), np.arange(len(X))
        if y is not None:
            self._calibrate(maps, y, positions)
        if simulated:  # whose errors are not those of real images
            self.count_residuals_ = None
        return self

    def label(self, X, *, positions=None):
        """Label objects.

        Parameters
        ----------
        X, positions
            As in `fit`; a dask array gives a lazy dask array.

        Returns
        -------
        labels : ndarray of int64, shape (n_samples, *spatial), or list of ndarray
            0 background; 1, 2, ... in each sample, or over all samples where sections are
            consecutive.
        """
        check_is_fitted(self)
        if is_lazy(X):
            return self._lazy(X, positions, "label")
        return like_input(self._label(self._check_input(X), positions), X)

    def transform(self, X, *, positions=None):
        """Label objects; the same as `label`.

        Parameters
        ----------
        X : array-like
            As in `fit`.
        positions : array-like of int, shape (n_samples,), default=None
            As in `fit`.

        Returns
        -------
        labels : ndarray of int64, list of ndarray or dask array
        """
        return self.label(X, positions=positions)

    def predict(self, X, *, positions=None, return_interval=False, coverage=0.9):
        """Count objects.

        Parameters
        ----------
        X : array-like
            As in `fit`; a dask array gives a lazy dask array.
        positions : array-like of int, shape (n_samples,), default=None
            As in `fit`.
        return_interval : bool, default=False
            Whether to return intervals too; not of dask arrays or consecutive sections.
        coverage : float in (0, 1), default=0.9
            Share of new samples, like those of `fit`, whose true count lies in the interval, on
            average, about.

        Returns
        -------
        counts : ndarray of int64, shape (n_samples,)
            Objects whose centroid lies in the sample (see `margin`); where sections are
            consecutive an object counts in the section that is nearest to its centroid, so that
            the sum is the number of objects.
        intervals : ndarray of int64, shape (n_samples, 2)
            The least and the greatest count that is likely. Only with `return_interval`.

        Raises
        ------
        ValueError
            If intervals are wanted and `fit` saw too few samples whose true count is known: at
            least ``coverage / (1 - coverage)``, 9 for 0.9.

        Notes
        -----
        Conformal prediction [1]_ by cross-validation: in `fit`, each sample is counted with
        parameters that were calibrated on others, in five folds; the interval holds what is as far
        from the count, in units of ``sqrt(count + 1)``, as the quantile of these errors. Few
        parameters are calibrated, so that the final ones and those of the folds agree, and coverage
        is nearly that of a split; were they to differ, nothing would be guaranteed (as for the
        cross-validation that [2]_ compares with). The images must be new to the segmenter as well,
        in `fit` and in `predict`: errors on images that it was trained on are smaller.

        References
        ----------
        .. [1] Lei, G'Sell, Rinaldo, Tibshirani, Wasserman. Distribution-free predictive inference
           for regression. JASA 2018. :doi:`10.1080/01621459.2017.1307116`
        .. [2] Barber, Candes, Ramdas, Tibshirani. Predictive inference with the jackknife+. Annals
           of Statistics 2021. :doi:`10.1214/20-AOS1965`
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
            return count_over_sections(labels, positions, self.margin)
        counts = count_each(labels, self.margin)
        if not return_interval:
            return counts
        return counts, count_intervals(counts, self.count_residuals_, coverage)

    def measure(self, X, *, intensity=None, positions=None):
        """Measure objects.

        Parameters
        ----------
        X : array-like
            As in `fit`.
        intensity : array-like, default=None
            Images of X's spatial shape, with or without channels, whose mean over each object is
            wanted.
        positions : array-like of int, shape (n_samples,), default=None
            As in `fit`.

        Returns
        -------
        pandas.DataFrame
            One row an object: ``sample`` (where sections are independent), and the columns of
            `sskseg.morphology.measure_objects`, lengths in units of `spacing`. With
            ``method="contours"`` the score is the detector's, and there are ``contour_area`` and
            ``perimeter`` of the whole outline, hidden parts too, and the outline itself as
            well-known text, ``polygon``: ``POLYGON ((x y, ...))`` in units of `spacing`.
        """
        check_is_fitted(self)
        inputs = self._check_input(X)
        intensities = self._check_intensity(intensity, inputs)
        if self.sections == "consecutive":
            return self._measure_stack(inputs, intensities, positions)
        measure = self._measure_contours if self.method == "contours" else self._measure_each
        tables = list(measure(inputs, intensities))
        for sample, table in enumerate(tables):
            table.insert(0, "sample", sample)
        return pd.concat(tables, ignore_index=True)

    def score(self, X, y, *, positions=None, sample_weight=None):
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
        if are_counts(y):
            return score_counts(y, self.predict(X, positions=positions), sample_weight)
        return score_labels(y, images, self._label(images, positions), sample_weight)

    # Checks

    def _check_method(self):
        plain = self.spatial_ndim == 2 and self.sections == "independent"
        if self.method == "contours" and not plain:
            raise ValueError(
                "method='contours' finds objects in independent two-dimensional images, got "
                f"spatial_ndim={self.spatial_ndim} and sections={self.sections!r}."
            )
        if self.spacing is None:
            return
        expected = self.spatial_ndim + (self.sections == "consecutive")
        steps = check_numbers(self.spacing, "spacing")
        if steps.shape != (expected,) or not (np.isfinite(steps) & (steps > 0)).all():
            raise ValueError(f"spacing must be {expected} positive numbers, got {self.spacing!r}.")

    def _check_input(self, X):
        """Images or maps, each with a channel axis."""
        if self.method == "contours":
            return check_images(X, 2, n_channels=self.detector_.n_channels_)
        maps = check_images(X, self.spatial_ndim, n_channels=1)
        low, high = min(m.min() for m in maps), max(m.max() for m in maps)
        if low < -1e-3 or high > 1 + 1e-3:
            raise ValueError(
                f"X must be probabilities between 0 and 1, got values from {low:g} to {high:g}. "
                "Images go through a segmenter first."
            )
        shapes = {m.shape[:-1] for m in maps}
        if self.sections == "consecutive" and (self.spatial_ndim != 2 or len(shapes) > 1):
            raise ValueError(
                f"Consecutive sections must be 2-D and of one shape, got {sorted(shapes)}."
            )
        return maps

    def _check_intensity(self, intensity, inputs):
        if intensity is None:
            return [None] * len(inputs)
        images = check_images(intensity, self.spatial_ndim, name="intensity")
        if [i.shape[:-1] for i in images] != [x.shape[:-1] for x in inputs]:
            raise ValueError(
                "intensity must have as many images as X, of their shapes "
                f"{sorted({x.shape[:-1] for x in inputs})}, got {len(images)} of "
                f"{sorted({i.shape[:-1] for i in images})}."
            )
        return [i[..., 0] if i.shape[-1] == 1 else i for i in images]

    def _plane_spacing(self):
        return None if self.spacing is None else tuple(self.spacing)[-self.spatial_ndim :]

    # Labels

    def _label(self, inputs, positions):
        if self.method == "contours":
            return [found.labels for found in self._detect(inputs)]
        positions = check_positions(positions, len(inputs))
        labels = [relabel(remove_small(self._split(x[..., 0]), self.min_size_)) for x in inputs]
        if self.sections == "consecutive":
            return join_sections(labels, positions)
        return [label.astype(np.int64) for label in labels]

    def _split(self, probability):
        """Objects of one sample, small ones too."""
        mask, spacing = probability > self.threshold_, self._plane_spacing()
        if self.method == "components":
            labels = label_components(bridge_gaps(mask, self.merge_distance_, spacing))
        else:
            bridged, relief = relief_of(
                probability, self.threshold_, seeds=self.seeds, smooth=self.smoothing,
                spacing=spacing, bridge=self.merge_distance_,
            )  # fmt: skip
            labels = split_touching(bridged, relief, self.seed_height_)
        if self.merge_distance_ > 0:
            labels = np.where(mask, labels, 0)
        return fill_holes(labels) if self.fill_holes else labels

    def _lazy(self, X, positions, method):
        together = self.sections == "consecutive"
        positions = check_positions(positions, len(X))
        channels = self.detector_.n_channels_ if self.method == "contours" else 1
        return map_samples(
            self, X, method, n_channels=channels, positions=positions if together else None
        )

    # Contours

    def _fit_detector(self, X, y):
        detector = ContourDetector() if self.detector is None else clone(self.detector)
        self.detector_ = detector.fit(X, y)
        self.threshold_ = detector.score_threshold_
        residuals = detector.count_residuals_
        if residuals is not None and self.min_size_ == self.margin == 0:  # else other objects count
            self.count_residuals_ = residuals.copy()  # a model file has no shared memory
        return self

    def _detect(self, images):
        """What the detector finds, without small objects."""
        for found in self.detector_.detect(images):
            sizes = np.bincount(found.labels.ravel(), minlength=len(found.scores) + 1)[1:]
            large = sizes >= self.min_size_
            numbers = np.concatenate([[0], np.cumsum(large) * large])
            yield Detections(numbers[found.labels], found.contours[large], found.scores[large])

    # Tables

    def _measure_contours(self, images, intensities):
        spacing = np.ones(2) if self.spacing is None else np.asarray(self.spacing, float)
        for found, intensity in zip(self._detect(images), intensities, strict=True):
            table = measure_objects(found.labels, intensity=intensity, spacing=spacing)
            yield table.assign(score=found.scores, **contour_columns(found.contours, spacing))

    def _measure_each(self, maps, intensities):
        for m, label, image in zip(maps, self._label(maps, None), intensities, strict=True):
            yield measure_objects(
                label, probability=m[..., 0], intensity=image, spacing=self.spacing
            )

    def _measure_stack(self, maps, intensities, positions):
        """Objects over sections, as a volume for each run of consecutive positions."""
        positions = check_positions(positions, len(maps))
        labels = self._label(maps, positions)
        tables = []
        for rows in consecutive_runs(positions):
            image = None if intensities[0] is None else np.stack([intensities[r] for r in rows])
            table = measure_objects(
                np.stack([labels[r] for r in rows]),
                probability=np.stack([maps[r][..., 0] for r in rows]),
                intensity=image,
                spacing=self.spacing,
            )
            first = int(positions[rows[0]])
            table["centroid_z"] += first * (1.0 if self.spacing is None else self.spacing[0])
            table[["min_z", "max_z"]] += first
            tables.append(table)
        return pd.concat(tables, ignore_index=True)

    # Calibration

    def _calibrate(self, maps, y, positions):
        """Search the parameters that are "auto", and note the errors of held-out counts."""
        together = positions if self.sections == "consecutive" else None
        truth = truth_of(y, maps, margin=self.margin, positions=together)
        every, maps = maps, [maps[row][..., 0] for row in truth.rows]

        @lru_cache(maxsize=1)
        def split(threshold, seed_height, merge_distance):
            self.threshold_, self.seed_height_ = threshold, seed_height
            self.merge_distance_ = merge_distance
            return [self._split(m) for m in maps]

        def evaluate(min_size, **values):
            return truth.judge([remove_small(x, min_size) for x in split(**values)])

        def sizes(values, rows):
            known = np.concatenate([truth.sizes[row] for row in rows])
            if not known.size:
                labels = split(**{k: v for k, v in values.items() if k != "min_size"})
                known = np.concatenate([object_sizes(labels[row]) for row in rows])
            return smallest_sizes(known)

        objects = np.concatenate(truth.sizes), np.concatenate(truth.parts)
        pixel = float(np.prod(self._plane_spacing() or 1.0)) ** (1 / self.spatial_ndim)
        distances = merge_distances(*objects, self.spatial_ndim, pixel)
        calibration = Calibration(
            evaluate, truth.loss, len(truth.sizes),
            {name: getattr(self, f"{name}_") for name in _DEFAULTS},
            [name for name in _ORDER[self.method] if getattr(self, name) == "auto"],
            {**_CHOICES, "min_size": sizes, "merge_distance": distances},
        )  # fmt: skip
        residuals = calibration.count_residuals(truth.counts)
        for name, value in calibration.search().items():
            setattr(self, f"{name}_", value)
        if self.sections == "independent":  # intervals are of these alone
            # All of the others are new to the search.
            others = (self._label([every[row]], None) for row in truth.other_rows)
            counts = [count_each(label, self.margin)[0] for label in others]
            residuals = joined_errors(residuals, truth.other_counts, counts)
        self.count_residuals_ = residuals
