"""`ContourDetector`: outlines of objects, overlapping ones too, from few label images."""

import math
from dataclasses import replace
from numbers import Integral, Real
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from ..base import TorchEstimator
from ..images import are_counts, check_images, check_labeled, check_labels, is_lazy, like_input
from ..images.augmentation import PRESETS
from ..inference import predict_images, round_up, tile_settings, values_per_pixel
from ..inference.lazy import map_samples
from ..io.registry import register
from ..model_selection.intervals import joined_errors
from ..model_selection.parameter_search import Calibration
from ..model_selection.reference import (
    count_each,
    hold_points,
    is_unlabeled,
    score_labels,
    truth_of_labels,
)
from ..morphology import contour_masks, label_objects, paint_masks, suppress_overlaps
from ..nn import make_feature_network, pad_to_multiple
from ..training import check_batch, inference_copy, patch_sides, standardized_sections
from ..training.simulated import balanced_weights, draw_simulated
from ..training.transfer import FINETUNE, rate_groups, start_network
from .batches import ContourBatches, outline
from .network import ContourProposalNetwork

_PATCH = 256
_SIMULATED = 64  # images
_HELD_OUT = 0.1  # share of the labeled images
_MIN_LABELED_TO_HOLD_OUT = 5
_SCORES = (0.5, 0.4, 0.6, 0.3, 0.7, 0.2, 0.8)
_OVERLAPS = (0.3, 0.5, 0.2, 0.7, 0.1)
_TRAINING_SHARE = 0.95  # of the time; calibration needs some
_MAPS_BYTES = 128  # of a pixel: maps, those that outlines are moved by, proposals as masks
_MAX_PROPOSALS_PER_OBJECT = (
    8  # proposals that are looked at for each object of typical size that fits in the image
)


@register
class ContourDetector(TorchEstimator):
    """Find objects by their outlines, with a network that learns from label images.

    A contour proposal network [1]_: pixels in the middle of an object tell its outline, as elliptic
    Fourier descriptors; a few times each point of it is then moved by what the image looks like
    there. Of proposals that share too much the best one stays. An object is whole before it is
    painted, so that objects that overlap or touch are told apart, and hidden parts are known.

    Parameters
    ----------
    network : str or callable, default="unet-shuffle"
        U-Net with same padding: "unet-shuffle", "unet" or "unet-lite", see
        `sskseg.nn.make_network`.
    finetune : {"last", "all", "gradual"}, default="all"
        How to go on from the backbone of an `ImageStack`, as in `SemiSupervisedSegmenter`: only the
        last level and the head learn, all do (pretrained layers half as fast), or first the one
        and from 30 % of the training on the other.
    order : int, default=5
        Harmonics of the outlines; 1 draws ellipses.
    samples : int, default=32
        Points of an outline.
    score_threshold : float in (0, 1) or "auto", default="auto"
        Proposals score 1 in the middle of an object and 0 outside; below this they are dropped.
    nms_threshold : float in [0, 1] or "auto", default="auto"
        Of two objects that share more than this of the smaller one's pixels, the one that scores
        more stays.
    width, depth : int, default=16 and 4
        Channels of the network's first level, and number of poolings.
    max_steps : int, default=None
        Training steps; None is 1000, or no limit where `time_budget` is given.
    time_budget : float, default=None
        Seconds that `fit` may take; the learning-rate schedule is complete when it ends.
    learning_rate : float, default=5e-3
    batch_size : int, default=4
    patch_size : int, tuple of int or "auto", default="auto"
        Side of the training patches in pixels; "auto" is 256, or the size of the smallest image.
    device, precision, random_state, warm_start, verbose
        As for `SemiSupervisedSegmenter`.

    Attributes
    ----------
    network_ : sskseg.nn.ContourProposalNetwork
        On the CPU.
    score_threshold_, nms_threshold_ : float
        As given, or those with the best average precision at IoU 0.5 to 0.7 (better than the
        default by more than its standard error, where there are several) on the images that were
        held out: a tenth of the labeled ones, where there are 5 or more; simulated ones where
        nothing real is labeled; else the images of the training.
    validation_indices_ : ndarray of int
        The samples that were held out.
    count_residuals_ : ndarray of float, or None
        Errors of the counts of held-out samples, each with thresholds that were calibrated on
        others, in units of ``sqrt(count + 1)``; None where fewer than two were held out.
    n_channels_ : int
    channel_mean_, channel_std_ : ndarray of shape (n_channels,)
        Fixed at `fit`; images are standardized by them.
    architecture_ : tuple of (network, width, depth), or None
        Of the backbone that the network started from.
    patch_shape_ : tuple of int
    history_ : list of dict
        ``stage, step, time, loss, learning_rate``.

    See Also
    --------
    InstanceCounter : Counts, intervals and tables, with ``method="contours"``.

    Notes
    -----
    Images are two-dimensional. All of their labeled objects should be whole: of one that is cut by
    unlabeled pixels nothing is learned.

    References
    ----------
    .. [1] Upschulte, Harmeling, Amunts, Dickscheid. Contour proposal networks for biomedical
       instance segmentation. Medical Image Analysis 2022. :doi:`10.1016/j.media.2022.102371`

    Examples
    --------
    >>> from sskseg import ContourDetector
    >>> from sskseg.datasets import make_cells
    >>> X, y = make_cells(n_samples=4, shape=(64, 64), random_state=0)
    >>> detector = ContourDetector(width=8, depth=2, max_steps=30, random_state=0)
    >>> detector.fit(X, y).predict(X).shape
    (4, 64, 64)
    >>> contours, scores = detector.contours(X)
    >>> contours[0].shape[1:], len(contours[0]) == len(scores[0])
    ((32, 2), True)
    """

    spatial_ndim = 2
    _fitted = {  # noqa: RUF012
        "n_channels_": "a count",
        "channel_mean_": "numbers",
        "channel_std_": "numbers",
        "patch_shape_": "a shape",
        "architecture_": "a tuple or None",
        "score_threshold_": "a number",
        "nms_threshold_": "a number",
        "count_residuals_": "numbers or None",
        "validation_indices_": "numbers",
        "history_": "a list",
        "network_": "a network",
    }
    _parameter_constraints: dict = {  # noqa: RUF012 - scikit-learn's name and form
        **TorchEstimator._parameter_constraints,
        "network": [str, callable],
        "finetune": [StrOptions(set(FINETUNE))],
        "order": [Interval(Integral, 1, 32, closed="both")],
        "samples": [Interval(Integral, 8, 1024, closed="both")],
        "score_threshold": [Interval(Real, 0, 1, closed="neither"), StrOptions({"auto"})],
        "nms_threshold": [Interval(Real, 0, 1, closed="both"), StrOptions({"auto"})],
    }

    def __init__(
        self, network="unet-shuffle", *, finetune="all", order=5, samples=32,
        score_threshold="auto", nms_threshold="auto", width=16, depth=4, max_steps=None,
        time_budget=None, learning_rate=5e-3, batch_size=4, patch_size="auto", device="auto",
        precision="auto", random_state=None, warm_start=False, verbose=False,
    ):  # fmt: skip
        self.network = network
        self.finetune = finetune
        self.order = order
        self.samples = samples
        self.score_threshold = score_threshold
        self.nms_threshold = nms_threshold
        self.width = width
        self.depth = depth
        self.max_steps = max_steps
        self.time_budget = time_budget
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.patch_size = patch_size
        self.device = device
        self.precision = precision
        self.random_state = random_state
        self.warm_start = warm_start
        self.verbose = verbose

    def fit(self, X, y=None):
        """Learn the outlines of labeled objects.

        Parameters
        ----------
        X : array-like of shape (n_samples, height, width) or (n_samples, height, width, n_channels)
            Or a list of images of different sizes, or an `ImageStack`: the network starts from its
            backbone, and 64 images of its simulator are learned from too, as much as from real
            labels. A simulator with ``sample_contours(n, random_state) -> (X, y, contours)``, the
            outlines of objects 1, 2, ... of each image as arrays (k, 2), teaches hidden parts too.
        y : array-like of int, shape (n_samples, height, width), default=None
            -1 unlabeled, 0 background, > 0 object. A list may hold None for an unlabeled sample.
            Where there is a simulator nothing needs to be labeled.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For input that breaks the contract, points or counts in the place of label images,
            and where no object is labeled.
        FloatingPointError
            If training diverges.
        """
        budget = self._budget()
        self._validate_params()
        images = check_images(X, 2)
        simulator = getattr(X, "simulator", None)
        labels = _check_label_images(y, images, simulator is not None)
        with self._session() as (rng, device, dtype):
            samples = self._samples(images, labels, simulator, rng)
            network = self._prepare(images, samples, getattr(X, "backbone", None))
            batches = self._batches(network, samples, rng, device)
            self.network_ = self._optimize(
                network.to(device), batches, lambda network, batch, progress: batch.loss(network),
                budget.part(_TRAINING_SHARE), device, dtype,
                groups=rate_groups(network, self.finetune) if self.architecture_ else None,
            )  # fmt: skip
            self._calibrate(samples, device, dtype)
        return self

    def predict(self, X):
        """Label objects.

        Parameters
        ----------
        X : array-like
            As in `fit`; a dask array gives a lazy dask array.

        Returns
        -------
        labels : ndarray of int64, shape (n_samples, height, width), list of ndarray or dask array
            0 background; 1, 2, ... in each sample, in the order of `contours`. A pixel that several
            objects share belongs to the one that scores most.
        """
        check_is_fitted(self)
        if is_lazy(X):
            return map_samples(self, X, "predict", n_channels=self.n_channels_)
        return like_input([found.labels for found in self.detect(X)], X)

    def transform(self, X):
        """Label objects; the same as `predict`.

        Parameters
        ----------
        X : array-like
            As in `fit`.

        Returns
        -------
        labels : ndarray of int64, list of ndarray or dask array
        """
        return self.predict(X)

    def contours(self, X):
        """Outlines of the objects that `predict` labels.

        Parameters
        ----------
        X : array-like
            As in `fit`; not a dask array.

        Returns
        -------
        contours : list of ndarray of float32, shape (n_objects, samples, 2)
            Row and column of the points of closed polygons, hidden parts too; pixel centers count
            from 0. Contour i is that of label i + 1.
        scores : list of ndarray of float32, shape (n_objects,)
            From high to low.
        """
        check_is_fitted(self)
        found = self.detect(X)
        return [f.contours.astype(np.float32) for f in found], [f.scores for f in found]

    def score(self, X, y, *, sample_weight=None):
        """F1 of the objects at IoU 0.5.

        Parameters
        ----------
        X : array-like
            As in `fit`.
        y : array-like of int
            As in `fit`; -1 is left out.
        sample_weight : array-like of shape (n_samples,), default=None
            How often each sample counts.

        Returns
        -------
        float
            Of all samples together.
        """
        check_is_fitted(self)
        images = check_images(X, 2, n_channels=self.n_channels_)
        labels = _check_label_images(y, images, may_be_unlabeled=False)
        return score_labels(labels, images, list(self.predict(images)), sample_weight)

    def detect(self, X):
        """Find labels, outlines and scores at once.

        Parameters
        ----------
        X : array-like
            As in `fit`; not a dask array.

        Returns
        -------
        list of Detections
            Of each image ``labels, contours, scores``, as `predict` and `contours` give them, but
            contours in float64.
        """
        check_is_fitted(self)
        images = check_images(X, 2, n_channels=self.n_channels_)
        found = zip(self._maps(images, *self._place()), images, strict=True)
        return [self.block_objects(maps, image.shape[:-1]) for maps, image in found]

    def block_halo(self):
        """How blocks of a scan are read, so that maps are those of the whole.

        Returns
        -------
        halo, stride : tuple of int
            Pixels on each side that the network looks at, and steps at which what is read starts.
        """
        check_is_fitted(self)
        tiles = tile_settings(self.network_, 2)
        return tiles.halo, tiles.stride

    def block_bytes(self, n_pixels):
        """Bytes that are kept at one time of so many pixels, about, in float32.

        Parameters
        ----------
        n_pixels : int
            Of a block of a scan that the network sees.

        Returns
        -------
        int
            Of the network in one tile, and of the maps and proposals.
        """
        check_is_fitted(self)
        tile = min(n_pixels, math.prod(tile_settings(self.network_, 2).tile))
        values = values_per_pixel(self.network_, self.n_channels_, 2)
        return int(4 * values * tile) + _MAPS_BYTES * n_pixels

    def block_maps(self, X):
        """What the network tells of one image: the first half of `detect`.

        Parameters
        ----------
        X : array-like
            As in `fit`, of one sample.

        Returns
        -------
        Tensor of shape (n_maps, h, w)
        """
        check_is_fitted(self)
        images = check_images(X, 2, n_channels=self.n_channels_)
        return next(self._maps(images, *self._place()))

    def block_objects(self, maps, shape):
        """Objects of one image from what the network tells of it: the second half of `detect`.

        Parameters
        ----------
        maps : Tensor of shape (n_maps, h, w)
        shape : tuple of 2 ints
            Of the image.

        Returns
        -------
        Detections
        """
        proposed = self._propose(maps, shape, self.score_threshold_)
        return _settle(*proposed, shape, self.nms_threshold_)

    # What is learned

    def _samples(self, images, labels, simulator, rng):
        """Real and simulated images with what is known of them."""
        n_real = len(images)
        known = [outline(label_objects(label)) for label in labels]
        weights = np.ones(n_real)
        if simulator is not None:
            drawn, drawn_known = _draw(simulator, images[0].shape[-1], int(rng.integers(2**31)))
            numbers = ([k.numbers for k in some] for some in (known, drawn_known))
            weights = balanced_weights(weights, *numbers)
            images, known = [*images, *drawn], [*known, *drawn_known]
        labeled = check_labeled([k.numbers for k in known])
        if not any(len(k.contours) for k in known):
            raise ValueError("y holds no object: nothing is above 0, so that no contour is known.")
        real = labeled[labeled < n_real]
        judged = real if real.size else labeled
        held = len(judged) >= _MIN_LABELED_TO_HOLD_OUT
        if held:
            judged = np.sort(rng.permutation(judged)[: max(1, round(_HELD_OUT * len(judged)))])
            weights[judged] = 0
        self.validation_indices_ = judged[judged < n_real] if held else np.empty(0, np.intp)
        return _Samples(images, known, weights, judged)

    def _prepare(self, images, samples, backbone):
        """Take statistics of the images and return the network: new, that of the last fit, or
        one that starts from a backbone."""
        self.patch_shape_ = self._patch_shape(samples.images)
        network = start_network(self, images, backbone, lambda network: network.unet)
        check_batch(self.batch_size, self.patch_shape_, network)
        if not self._goes_on(network):
            network.scale.fill_(float(np.median(samples.radii)))
        return network

    def _make_module(self, name):
        network, width, depth = self.architecture_ or (self.network, self.width, self.depth)
        unet = make_feature_network(network, self.n_channels_, width, depth, ndim=2)
        return ContourProposalNetwork(unet, width, order=self.order, samples=self.samples)

    def _patch_shape(self, images):
        if self.patch_size == "auto":
            smallest = np.min([image.shape[:-1] for image in images], axis=0)
            return tuple(min(_PATCH, round_up(int(size), 8)) for size in smallest)
        return patch_sides(self.patch_size, 2)

    def _batches(self, network, samples, rng, device):
        augmentation = PRESETS["full"]
        if self._goes_on(network):
            augmentation = replace(augmentation, warm_up=0)
        return ContourBatches(
            samples.images, samples.known, self.samples, self.patch_shape_, samples.weights,
            augmentation=augmentation,
            mean=self.channel_mean_, std=self.channel_std_, batch_size=self.batch_size,
            rng=np.random.default_rng(int(rng.integers(2**62))), device=device,
        )  # fmt: skip

    def _calibrate(self, samples, device, dtype):
        """Thresholds that suit the images that are judged, and errors of counts."""
        truth = truth_of_labels([samples.known[row].numbers for row in samples.judged])
        images = [samples.images[samples.judged[row]] for row in truth.rows]
        given = {"score_threshold": self.score_threshold, "nms_threshold": self.nms_threshold}
        choices = {"score_threshold": _SCORES, "nms_threshold": _OVERLAPS}
        start = {k: choices[k][0] if v == "auto" else v for k, v in given.items()}
        auto = [k for k, v in given.items() if v == "auto"]
        least = min(_SCORES) if "score_threshold" in auto else start["score_threshold"]
        shapes = [image.shape[:-1] for image in images]
        every_map = zip(self._maps(images, device, dtype), shapes, strict=True)
        proposed = [(*self._propose(maps, shape, least), shape) for maps, shape in every_map]

        def evaluate(score_threshold, nms_threshold):
            found = []
            for contours, scores, masks, shape in proposed:
                good = np.flatnonzero(scores > score_threshold)
                some = contours[good], scores[good], masks[good]
                found.append(_settle(*some, shape, nms_threshold).labels)
            return truth.judge(found)

        order = auto * 2 if len(auto) > 1 else auto
        calibration = Calibration(evaluate, truth.loss, len(images), start, order, choices)
        for name, value in calibration.search().items():
            setattr(self, f"{name}_", value)
        is_new = len(self.validation_indices_) > 0
        self.count_residuals_ = None
        if is_new:
            others = [samples.images[samples.judged[row]] for row in truth.other_rows]
            every_map = zip(self._maps(others, device, dtype), others, strict=True)
            found = (self.block_objects(maps, image.shape[:-1]) for maps, image in every_map)
            counts = [count_each([one.labels])[0] for one in found]
            residuals = calibration.count_residuals(truth.counts)
            self.count_residuals_ = joined_errors(residuals, truth.other_counts, counts)

    # What is found

    def _propose(self, maps, shape, threshold):
        """Contours, scores and masks of an image."""
        contours, scores = self.network_.propose(maps, threshold)
        fit_in = np.prod(shape) / (np.pi * float(self.network_.scale) ** 2)
        best = scores.argsort(descending=True, stable=True)[
            : int(_MAX_PROPOSALS_PER_OBJECT * (fit_in + 8))
        ]
        contours, scores = contours[best].numpy(), scores[best].numpy()
        return contours, scores, contour_masks(contours, shape)

    def _maps(self, images, device, dtype):
        """Maps (n_maps, h, w) of one image after the other."""
        rows = np.arange(len(images))[:, None]
        inputs = standardized_sections(images, rows, self.channel_mean_, self.channel_std_, dtype)
        factor, stride = self.network_.factor, self.network_.stride
        padded = (pad_to_multiple(x.unsqueeze(0), stride).squeeze(0) for x in inputs)
        ready = inference_copy(self.network_, device, dtype, 2)
        outputs = predict_images(
            lambda x: _pack(ready(x), factor), padded, tile_settings(self.network_, 2),
            device=device, dtype=dtype,
        )  # fmt: skip
        for image, output in zip(images, outputs, strict=True):
            sides = [-(-size // factor) for size in image.shape[:-1]]
            maps = F.pixel_unshuffle(torch.from_numpy(output), factor)
            yield maps[: self.network_.n_maps, : sides[0], : sides[1]]


class Detections(NamedTuple):
    """Objects of an image.

    Parameters
    ----------
    labels : ndarray of int64, shape (height, width)
    contours : ndarray of float64, shape (n_objects, samples, 2)
    scores : ndarray of float32, shape (n_objects,)
    """

    labels: np.ndarray
    contours: np.ndarray
    scores: np.ndarray


class _Samples(NamedTuple):
    """Images, `Outlined`, weights, and the rows that thresholds are judged on."""

    images: list
    known: list
    weights: np.ndarray
    judged: np.ndarray

    @property
    def radii(self):
        """Of the objects that are learned, or of all where these are none."""
        used = [k.radii for k, w in zip(self.known, self.weights, strict=True) if w > 0]
        used = np.concatenate(used)
        return used if used.size else np.concatenate([k.radii for k in self.known])


def _settle(contours, scores, masks, shape, nms_threshold):
    """What is left of proposals."""
    kept = suppress_overlaps(masks, scores, nms_threshold)
    labels, shown = paint_masks(masks[kept], shape)
    return Detections(labels, contours[kept[shown]], scores[kept[shown]])


def _pack(maps, factor):
    """Maps at the resolution of the image: of each pixel's block, in fewer channels."""
    more = -maps.shape[1] % factor**2
    return F.pixel_shuffle(F.pad(maps, (0, 0, 0, 0, 0, more)), factor)


def _check_label_images(y, images, may_be_unlabeled):
    """Label images; all -1 where there are none and need not be."""
    if may_be_unlabeled and is_unlabeled(y):
        return check_labels([None] * len(images), images)
    if y is not None and (are_counts(y) or hold_points(y, images)):
        raise ValueError(
            "y must be label images: contours are not learned from points or counts. Give -1 for "
            "what is not labeled, or use method='watershed' of InstanceCounter."
        )
    if isinstance(y, (np.ndarray, list, tuple)) and any(np.ndim(label) == 3 for label in y):
        raise ValueError(
            "Contours are of two-dimensional images, got label images of 3 axes. Volumes are for "
            "SemiSupervisedSegmenter and InstanceCounter(method='watershed')."
        )
    return check_labels(y, images)


def _draw(simulator, n_channels, seed):
    """Simulated images and what is known of them."""
    images, y, polygons = draw_simulated(
        simulator, _SIMULATED, seed, n_channels=n_channels, outlined=True
    )
    known = []
    for label, outlines in zip(check_labels(y, images), polygons, strict=True):
        if outlines is not None and len(outlines) != label.max():
            raise ValueError(
                "stack.simulator.sample_contours must give one outline for each label 1, 2, ..., "
                f"got {len(outlines)} outlines of labels up to {label.max()}."
            )
        known.append(outline(label_objects(label) if outlines is None else label, outlines))
    return images, known
