"""`InstanceCounter`: objects, counts and tables from probabilities."""

from numbers import Integral, Real

import numpy as np
import pandas as pd
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from .base import ImageEstimator
from .images import (
    are_points,
    check_images,
    check_labelled,
    check_labels,
    check_lazy_images,
    check_points,
    check_positions,
    is_lazy,
    like_input,
    unwrap,
)
from .metrics import average_precision, count_error, f1_instances
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
_THRESHOLDS = (0.5, 0.4, 0.6, 0.3, 0.7)
_HEIGHTS = (0.05, 0.03, 0.1, 0.15, 0.2)
_CALIBRATION_IOU = (0.5, 0.6, 0.7)
_MOST_PIXELS = 2**24  # of images that are calibrated on


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
            Foreground probabilities, as `SemiSupervisedSegmenter.transform` returns them.
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
        if y is not None:
            rows, loss, sizes = self._objective(maps, y, positions)
            self._calibrate([maps[row] for row in rows], loss, sizes)
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

    def predict(self, X, *, positions=None):
        """Count objects.

        Parameters
        ----------
        X, positions
            As in `fit`; a dask array gives a lazy dask array.

        Returns
        -------
        counts : ndarray of int64, shape (n_samples,)
            Objects whose centroid lies in the sample (see `margin`); where sections are
            consecutive an object counts in the section that is nearest to its centroid, so that
            the sum is the number of objects.
        """
        check_is_fitted(self)
        if is_lazy(X):
            return self._lazy(X, positions, "predict")
        maps = self._check_maps(X)
        return self._count(self._label(maps, positions), check_positions(positions, len(maps)))

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
                raise ValueError("intensity must have as many images as X, and their shapes.")
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
        if _are_counts(y):
            return 1 - count_error(y, self.predict(X, positions=positions))["wape"]
        check_is_fitted(self)
        maps = self._check_maps(X)
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
                f"X must be probabilities between 0 and 1, got values from {low} to {high}. Images "
                "go through a segmenter first."
            )
        shapes = {m.shape for m in maps}
        if self.sections == "consecutive" and (self.spatial_ndim != 2 or len(shapes) > 1):
            raise ValueError(
                f"Consecutive sections must be 2-D and of one shape, got {sorted(shapes)}."
            )
        expected = self.spatial_ndim + (self.sections == "consecutive")
        if self.spacing is not None and (len(self.spacing) != expected or min(self.spacing) <= 0):
            raise ValueError(f"spacing must be {expected} positive numbers, got {self.spacing!r}.")
        return maps

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
        order = np.argsort(positions)
        runs = np.split(order, np.flatnonzero(np.diff(positions[order]) != 1) + 1)
        tables = []
        for rows in runs:
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

    def _objective(self, maps, y, positions):
        """Rows to calibrate on, a loss of their label images, and the sizes of true objects."""
        if _are_counts(y):
            counts = _check_counts(y, len(maps))

            def count_loss(labels):
                if self.sections == "consecutive":
                    labels = join_sections(labels, positions)
                return float(np.abs(self._count(labels, positions) - counts).sum())

            return np.arange(len(maps)), count_loss, np.empty(0)
        if _hold_points(y, maps):
            rows, points = _check_point_lists(y, maps)
            return rows, lambda labels: -_f1_inside(points, labels), np.empty(0)
        truth = check_labels(y, [m[..., None] for m in maps])
        rows = _thinned(check_labelled(truth), maps)
        truth = [label_objects(truth[row]) for row in rows]

        def object_loss(labels):
            return -float(np.mean(average_precision(truth, labels, _CALIBRATION_IOU)))

        return rows, object_loss, _sizes(truth)

    def _calibrate(self, maps, loss, sizes):
        """Search threshold, seed height and smallest size, one after the other.

        Values are tried from the default outwards, and another takes its place only if it is
        better.
        """
        choices = {"threshold": _THRESHOLDS}
        order = ["threshold"]
        if self.method == "watershed":
            choices["seed_height"] = _HEIGHTS
            order = ["seed_height", "threshold", "seed_height"]
        losses = {}

        def evaluate(name, value):
            setattr(self, f"{name}_", value)
            key = (self.threshold_, self.seed_height_)
            if key not in losses:
                labels = [self._split(m) for m in maps]
                losses[key] = loss([remove_small(label, self.min_size_) for label in labels])
            return losses[key]

        for name in order:
            if getattr(self, name) == "auto":
                best = min(choices[name], key=lambda value, name=name: evaluate(name, value))
                setattr(self, f"{name}_", best)
        if self.min_size == "auto":
            labels = [self._split(m) for m in maps]
            candidates = _size_candidates(sizes if sizes.size else _sizes(labels))
            self.min_size_ = min(
                candidates, key=lambda size: loss([remove_small(x, size) for x in labels])
            )

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


def _are_counts(y):
    """Whether y is one number a sample."""
    y = unwrap(y)
    if not isinstance(y, (list, tuple, np.ndarray)) or len(y) == 0:
        return False
    return y[0] is not None and np.ndim(y[0]) == 0


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
    found = total = 0
    for pixels, label in zip(points, labels, strict=True):
        ids = label[tuple(pixels.T)]
        found += len(np.unique(ids[ids > 0]))
        total += len(pixels) + len(np.unique(label[label > 0]))
    return 2 * found / total if total else 1.0


def _check_counts(y, n_samples):
    counts = np.asarray(y, dtype=float)
    if counts.shape != (n_samples,):
        raise ValueError(f"y must have {n_samples} counts, one a sample, got {counts.shape}.")
    if not np.isfinite(counts).all() or (counts < 0).any():
        raise ValueError("y must be finite counts that are not negative.")
    return counts


def _thinned(rows, maps):
    """Evenly spaced rows, as many as calibrate in reasonable time."""
    pixels = sum(maps[row].size for row in rows)
    return rows[:: -(-pixels // _MOST_PIXELS)]


def _sizes(labels):
    """Pixels of each object."""
    return np.concatenate([np.unique(x[x > 0], return_counts=True)[1] for x in labels])


def _size_candidates(sizes):
    """Smallest sizes to try: nothing, and fractions of what is small among the objects."""
    if not sizes.size:
        return [0]
    small, middle = np.percentile(sizes, 2), np.median(sizes)
    fractions = [0, 0.25 * small, 0.5 * small, small, 0.1 * middle, 0.2 * middle, 0.3 * middle]
    return sorted({int(f) for f in fractions})
