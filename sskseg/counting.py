"""`InstanceCounter`: objects, counts and tables from probabilities."""

from numbers import Integral, Real

import numpy as np
import pandas as pd
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from ._calibration import Calibration, object_sizes
from .base import ImageEstimator
from .images import (
    are_counts,
    are_points,
    check_counts,
    check_images,
    check_labelled,
    check_labels,
    check_lazy_images,
    check_numbers,
    check_points,
    check_positions,
    consecutive_runs,
    is_lazy,
    like_input,
    unwrap,
)
from .metrics import count_error, f1_instances, match_instances
from .morphology import (
    count_objects,
    count_over_sections,
    fill_holes,
    join_sections,
    label_components,
    label_objects,
    measure_objects,
    merge_fragments,
    relabel,
    relief_of,
    remove_small,
    split_touching,
)

_DEFAULTS = {"threshold": 0.5, "seed_height": 0.05, "min_size": 0}
_CALIBRATION_IOU = (0.5, 0.6, 0.7)
_MOST_PIXELS = 2**24  # of images that are calibrated on
_SIMULATED = 32  # images to calibrate on where no real one is labelled


class InstanceCounter(ImageEstimator):
    """Split foreground probabilities into objects, count and measure them.

    Parameters
    ----------
    method : {"watershed", "components"}, default="watershed"
        ``"components"``: connected components of the foreground. ``"watershed"``: touching objects
        are told apart too, along the valleys of a relief.
    spatial_ndim : {2, 3}, default=2
        Spatial axes of one sample.
    threshold : float in (0, 1) or "auto", default="auto"
        Foreground is where the probability exceeds this. "auto" parameters are calibrated in
        `fit`.
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
    merge_distance : float, default=0.0
        Fragments at most this far apart (in units of `spacing`) are one object.
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
        What is used: calibrated, or as given.
    count_residuals_ : ndarray of float, or None
        Errors of the counts of the samples of `fit`, each with parameters that were calibrated on
        others, in units of ``sqrt(count + 1)``; None where no true counts are known.

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

    _parameter_constraints: dict = {  # noqa: RUF012 - scikit-learn's name and form
        "method": [StrOptions({"watershed", "components"})],
        "spatial_ndim": [Interval(Integral, 2, 3, closed="both")],
        "threshold": [Interval(Real, 0, 1, closed="neither"), StrOptions({"auto"})],
        "seeds": [StrOptions({"distance", "probability"})],
        "seed_height": [Interval(Real, 0, 1, closed="neither"), StrOptions({"auto"})],
        "smoothing": [Interval(Real, 0, None, closed="left")],
        "min_size": [Interval(Integral, 0, None, closed="left"), StrOptions({"auto"})],
        "fill_holes": ["boolean"],
        "merge_distance": [Interval(Real, 0, None, closed="left")],
        "sections": [StrOptions({"independent", "consecutive"})],
        "spacing": [tuple, list, np.ndarray, None],
        "margin": [Interval(Integral, 0, None, closed="left")],
    }

    def __init__(
        self, method="watershed", *, spatial_ndim=2, threshold="auto", seeds="distance",
        seed_height="auto", smoothing=1.0, min_size="auto", fill_holes=True, merge_distance=0.0,
        sections="independent", spacing=None, margin=0,
    ):  # fmt: skip
        self.method = method
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
        """Calibrate the parameters that are "auto".

        Parameters
        ----------
        X : array-like of shape (n_samples, *spatial)
            Foreground probabilities, as `SemiSupervisedSegmenter.transform` returns them. Where
            nothing is labelled, and an `ImageStack` carries a simulator, its images are calibrated
            on.
        y : label images, points, counts of shape (n_samples,), or None
            With label images (-1 left out) F1 at IoU 0.5 to 0.7 is maximized; with points, a list
            of arrays of shape (k, spatial_ndim) in pixels and None for unlabelled samples, F1 of
            points that lie in an object of their own; with counts the sum of the absolute errors
            is minimized. None keeps the defaults: threshold 0.5, seed height 0.05, minimum size 0.
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
        maps = self._check_maps(X)
        positions = check_positions(positions, len(maps))
        for name, default in _DEFAULTS.items():
            given = getattr(self, name)
            setattr(self, f"{name}_", default if given == "auto" else given)
        self.count_residuals_ = None
        if getattr(X, "simulator", None) is not None and _is_unlabelled(y):
            X, y = X.simulator.sample(_SIMULATED, 0)
            maps, positions = self._check_maps(X), np.arange(len(X))
        if y is not None:
            self._calibrate(maps, y, positions)
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
        return like_input(self._label(self._check_maps(X), positions), X)

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
            average at least.

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
        Split conformal prediction [1]_: in `fit`, each sample is counted with parameters that
        were calibrated on others; the interval holds what is as far from the count, in units of
        ``sqrt(count + 1)``, as the quantile of these errors. The images must be new to the
        segmenter as well, in `fit` and in `predict`: errors on images that it was trained on are
        smaller.

        References
        ----------
        .. [1] Lei, G'Sell, Rinaldo, Tibshirani, Wasserman. Distribution-free predictive inference
           for regression. JASA 2018. :doi:`10.1080/01621459.2017.1307116`
        """
        check_is_fitted(self)
        if return_interval:
            width = self._interval_width(X, coverage)
        if is_lazy(X):
            return self._lazy(X, positions, "predict")
        maps = self._check_maps(X)
        counts = self._count(self._label(maps, positions), check_positions(positions, len(maps)))
        if not return_interval:
            return counts
        half = width * np.sqrt(counts + 1)
        low, high = np.ceil(counts - half).clip(0), np.floor(counts + half)
        return counts, np.stack([low, high], axis=1).astype(np.int64)

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
            `sskseg.morphology.measure_objects`, lengths in units of `spacing`.
        """
        check_is_fitted(self)
        maps = self._check_maps(X)
        labels = self._label(maps, positions)
        images = [None] * len(maps)
        if intensity is not None:
            images = check_images(intensity, self.spatial_ndim, name="intensity")
            if [i.shape[:-1] for i in images] != [m.shape for m in maps]:
                raise ValueError(
                    "intensity must have as many images as X, of their shapes "
                    f"{sorted({m.shape for m in maps})}, got {len(images)} of "
                    f"{sorted({i.shape[:-1] for i in images})}."
                )
            images = [i[..., 0] if i.shape[-1] == 1 else i for i in images]
        if self.sections == "consecutive":
            return self._measure_stack(labels, maps, images, positions)
        tables = [
            measure_objects(label, probability=m, intensity=image, spacing=self.spacing)
            for label, m, image in zip(labels, maps, images, strict=True)
        ]
        for sample, table in enumerate(tables):
            table.insert(0, "sample", sample)
        return pd.concat(tables, ignore_index=True)

    def score(self, X, y, *, positions=None):
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

        Returns
        -------
        float
            Of all samples together; at most 1.
        """
        check_is_fitted(self)
        maps = self._check_maps(X)
        if are_counts(y):
            counts = check_counts(y, len(maps))
            return 1 - count_error(counts, self.predict(X, positions=positions))["wape"]
        if _hold_points(y, maps):
            rows, points = _check_point_lists(y, maps)
            found = self._label(maps, positions)
            return _f1_inside(points, [found[row] for row in rows])
        labels = check_labels(y, [m[..., None] for m in maps])
        check_labelled(labels)
        found = self._label(maps, positions)
        return f1_instances([label_objects(label) for label in labels], found)

    # Checks

    def _check_maps(self, X):
        maps = check_images(X, self.spatial_ndim, n_channels=1)
        maps = [m[..., 0] for m in maps]
        low, high = min(m.min() for m in maps), max(m.max() for m in maps)
        if low < -1e-3 or high > 1 + 1e-3:
            raise ValueError(
                f"X must be probabilities between 0 and 1, got values from {low:g} to {high:g}. "
                "Images go through a segmenter first."
            )
        shapes = {m.shape for m in maps}
        if self.sections == "consecutive" and (self.spatial_ndim != 2 or len(shapes) > 1):
            raise ValueError(
                f"Consecutive sections must be 2-D and of one shape, got {sorted(shapes)}."
            )
        self._check_spacing()
        return maps

    def _check_spacing(self):
        if self.spacing is None:
            return
        expected = self.spatial_ndim + (self.sections == "consecutive")
        steps = check_numbers(self.spacing, "spacing")
        if steps.shape != (expected,) or not (np.isfinite(steps) & (steps > 0)).all():
            raise ValueError(f"spacing must be {expected} positive numbers, got {self.spacing!r}.")

    def _plane_spacing(self):
        return None if self.spacing is None else tuple(self.spacing)[-self.spatial_ndim :]

    # Labels

    def _split(self, probability):
        """Objects of one sample, small ones too."""
        if self.method == "components":
            labels = label_components(probability > self.threshold_)
        else:
            mask, relief = relief_of(
                probability,
                self.threshold_,
                seeds=self.seeds,
                smooth=self.smoothing,
                spacing=self._plane_spacing(),
            )
            labels = split_touching(mask, relief, self.seed_height_)
        labels = merge_fragments(labels, self.merge_distance, self._plane_spacing())
        return fill_holes(labels) if self.fill_holes else labels

    def _label(self, maps, positions):
        positions = check_positions(positions, len(maps))
        labels = [relabel(remove_small(self._split(m), self.min_size_)) for m in maps]
        if self.sections == "consecutive":
            return join_sections(labels, positions)
        return [label.astype(np.int64) for label in labels]

    # Counts and tables

    def _count(self, labels, positions):
        if self.sections == "consecutive":
            return count_over_sections(labels, positions, self.margin)
        return np.array([count_objects(x, self.margin) for x in labels], dtype=np.int64)

    def _measure_stack(self, labels, maps, images, positions):
        """Objects over sections, as a volume for each run of consecutive positions."""
        positions = check_positions(positions, len(maps))
        tables = []
        for rows in consecutive_runs(positions):
            image = None if images[0] is None else np.stack([images[r] for r in rows])
            table = measure_objects(
                np.stack([labels[r] for r in rows]),
                probability=np.stack([maps[r] for r in rows]),
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
        rows, judge, loss, sizes, true_counts = self._criterion(maps, y, positions)
        maps = [maps[row] for row in rows]
        order = ["threshold", "min_size"]
        if self.method == "watershed":
            order = ["seed_height", "threshold", "seed_height", "min_size"]

        def split(threshold, seed_height):
            self.threshold_, self.seed_height_ = threshold, seed_height
            return [self._split(m) for m in maps]

        calibration = Calibration(
            split, judge, loss, sizes,
            (self.threshold_, self.seed_height_, self.min_size_),
            [name for name in order if getattr(self, name) == "auto"],
        )  # fmt: skip
        known = np.isfinite(true_counts)
        if known.sum() > 1:
            held_out = calibration.held_out_counts()[known]
            residuals = np.abs(true_counts[known] - held_out) / np.sqrt(held_out + 1)
            self.count_residuals_ = np.sort(residuals)
        for name, value in calibration.search().items():
            setattr(self, f"{name}_", value)

    def _criterion(self, maps, y, positions):
        """Rows to calibrate on; what judges their label images, the loss of its sum, the sizes of
        true objects, and the true counts (NaN: not known)."""
        if are_counts(y):
            return self._count_criterion(maps, y, positions)
        if _hold_points(y, maps):
            rows, points = _check_point_lists(y, maps)

            def judge(labels):
                evidence = [_found_inside(p, x) for p, x in zip(points, labels, strict=True)]
                return np.array(evidence), self._counts(labels)

            counts = np.array([len(p) for p in points], float)
            return rows, judge, _negative_f1, [np.empty(0)] * len(rows), counts
        truth = check_labels(y, [m[..., None] for m in maps])
        rows = _thinned(check_labelled(truth), maps)
        whole = [bool((truth[row] >= 0).all()) for row in rows]
        truth = [label_objects(truth[row]) for row in rows]

        def judge_objects(labels):
            evidence = [
                [matches[:3] for matches in match_instances(t, x, _CALIBRATION_IOU)]
                for t, x in zip(truth, labels, strict=True)
            ]
            return np.array(evidence, float), self._counts(labels)

        counts = np.where(whole, self._counts([np.maximum(t, 0) for t in truth]), np.nan)
        return rows, judge_objects, _negative_precision, [object_sizes(t) for t in truth], counts

    def _count_criterion(self, maps, y, positions):
        counts = check_counts(y, len(maps))
        if self.sections == "consecutive":  # the whole stack is one sample

            def judge_stack(labels):
                found = self._count(join_sections(labels, positions), positions)
                return np.array([[np.abs(found - counts).sum()]]), np.array([found.sum()])

            unknown = np.array([np.nan])
            return np.arange(len(maps)), judge_stack, _only, [np.empty(0)], unknown

        def judge(labels):
            found = self._counts(labels)
            return np.abs(found - counts)[:, None], found

        return np.arange(len(maps)), judge, _only, [np.empty(0)] * len(maps), counts

    def _counts(self, labels):
        """Of samples by themselves."""
        return np.array([count_objects(x, self.margin) for x in labels], dtype=np.int64)

    def _interval_width(self, X, coverage):
        """Quantile of the errors of held-out counts."""
        if not isinstance(coverage, Real) or not 0 < coverage < 1:
            raise ValueError(f"coverage must be between 0 and 1, got {coverage!r}.")
        if is_lazy(X) or self.sections == "consecutive":
            raise ValueError("Intervals are of independent images in memory.")
        residuals = () if self.count_residuals_ is None else self.count_residuals_
        rank = int(np.ceil((len(residuals) + 1) * coverage))
        if rank > len(residuals):
            raise ValueError(
                f"coverage={coverage} needs true counts of at least "
                f"{int(np.ceil(coverage / (1 - coverage) - 1e-9))} samples in fit, got "
                f"{len(residuals)}."
            )
        return residuals[rank - 1]

    # Dask

    def _lazy(self, X, positions, method):
        import dask
        import dask.array as da

        X = check_lazy_images(X, self.spatial_ndim, n_channels=1)
        n = len(X)
        check_positions(positions, n)
        together = self.sections == "consecutive"
        X = X.rechunk({0: n if together else 1, **dict.fromkeys(range(1, X.ndim), -1)})
        counts = method == "predict"
        axes = list(range(1, X.ndim)) if counts else [X.ndim - 1]
        return da.map_blocks(
            _call_block, X, counter=dask.delayed(self, pure=True), method=method,
            positions=None if positions is None or not together else np.asarray(positions),
            dtype=np.int64, drop_axis=axes,
            meta=np.empty((0,) * (X.ndim - len(axes)), np.int64),
        )  # fmt: skip


def _call_block(block, *, counter, method, positions):
    return getattr(counter, method)(block, positions=positions)


def _is_unlabelled(y):
    """Whether y is None, or None or -1 in each sample."""
    if y is None:
        return True
    return all(item is None or (np.ndim(item) > 0 and np.size(item) > 0 and
               np.all(np.asarray(item) == -1)) for item in unwrap(y))  # fmt: skip


def _hold_points(y, maps):
    """Whether y holds points in the place of label images."""
    if not isinstance(y, (list, tuple)) or len(y) != len(maps):
        return False
    given = [(item, m.shape) for item, m in zip(y, maps, strict=True) if item is not None]
    return bool(given) and all(are_points(item, shape) for item, shape in given)


def _check_point_lists(y, maps):
    """Rows that have points, and their points as the pixels that these are in."""
    rows = [row for row, item in enumerate(y) if item is not None]
    points = [check_points(y[row], maps[row].shape, f"y[{row}]") for row in rows]
    return rows, [np.round(p).astype(np.intp) for p in points]


def _f1_inside(points, labels):
    """F1 of points that lie in an object of their own."""
    evidence = [_found_inside(p, x) for p, x in zip(points, labels, strict=True)]
    return -_negative_f1(np.sum(evidence, axis=0))


def _found_inside(pixels, label):
    """Objects in which there is a point, and the number of points and objects."""
    ids = label[tuple(pixels.T)]
    return len(np.unique(ids[ids > 0])), len(pixels) + len(np.unique(label[label > 0]))


def _only(evidence):
    return float(evidence[0])


def _negative_f1(evidence):
    found, total = evidence
    return -2 * found / total if total else -1.0


def _negative_precision(matches):
    """Minus the mean average precision; matches are (n_thresholds, 3): TP, FP, FN."""
    total = matches.sum(axis=1)
    return -float(np.where(total > 0, matches[:, 0] / np.maximum(total, 1), 1.0).mean())


def _thinned(rows, maps):
    """Evenly spaced rows, as many as calibrate in reasonable time."""
    pixels = sum(maps[row].size for row in rows)
    return rows[:: -(-pixels // _MOST_PIXELS)]
