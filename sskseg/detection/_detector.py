"""`ContourDetector`: contours of objects, overlapping ones too, from few label images."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from numbers import Integral, Real
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import ArrayLike
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from ..base import TorchEstimator, transaction
from ..images import check_images, child_generator, is_lazy, like_input
from ..images.augmentation import PRESETS
from ..inference import (
    ChannelNormalization,
    Compute,
    DensePredictor,
    round_up,
    tile_settings,
    values_per_pixel,
)
from ..inference.lazy import map_samples
from ..io.registry import register
from ..model_selection.intervals import join_held_out, known_counts
from ..model_selection.reference import count_each, reference_of, score_labels
from ..morphology import contour_masks
from ..nn import make_feature_network, network_size, pad_to_multiple
from ..training import check_batch, falling_share, patch_sides
from ..training.callbacks import with_progress
from ..training.prediction_callbacks import prediction
from ..training.transfer import FINETUNE, rate_groups, start_network
from ._thresholds import lowest_score_threshold, threshold_search
from ._training_data import annotations_of, check_annotations, make_training_data
from .device_batches import contour_batches_on
from .network import ContourProposalNetwork
from .suppression import Detections, Proposals, non_maximum_suppression

_MAX_PATCH = 256  # pixels along a side
_TRAINING_SHARE = 0.95  # of the time budget; the search of thresholds takes the rest
_BYTES_PER_PIXEL = 128  # of head outputs, the field of displacements, masks of proposals
_MAX_PROPOSALS_PER_OBJECT = 8  # per object of typical size that fits in the image


@register
class ContourDetector(TorchEstimator):
    """Detect objects and their outlines, also if they overlap.

    This is a contour proposal network [1]_. Each pixel in the middle of an object proposes a
    contour, as elliptic Fourier descriptors. The points of the contour are then refined a few times
    by offsets that the network predicts. Non-maximum suppression removes proposals that overlap
    better ones. Because whole contours are predicted, objects that overlap or touch are separated,
    and hidden parts are predicted, too.

    Parameters
    ----------
    network : str or callable, default="unet-shuffle"
        Architecture of the network, a U-Net with same padding: "unet-shuffle", "unet" or
        "unet-lite" (see `sskseg.nn.make_network`).
    finetune : {"last", "all", "gradual"}, default="all"
        How to fine-tune the backbone of an `ImageStack`, as in `SemiSupervisedSegmenter`. "last"
        trains only the last level and the head. "all" trains all layers. "gradual" trains as "last"
        for 30 % of the training, and then as "all".
    order : int, default=5
        Number of harmonics of the contours. 1 gives ellipses.
    samples : int, default=32
        Number of points of a contour.
    score_threshold : float in (0, 1) or "auto", default="auto"
        Proposals with a lower score are removed. The score is 1 in the middle of an object, and 0
        outside of objects.
    nms_threshold : float in [0, 1] or "auto", default="auto"
        If two objects share more than this fraction of the pixels of the smaller one, the object
        with the lower score is removed.
    width, depth : int, default=None
        Number of channels in the first level of the network, and number of poolings. None is the
        default of the network, 16 and 4 for "unet-shuffle" (see `sskseg.nn.make_network`).
    max_steps : int, default=None
        Number of training steps. None is 1000 without a `time_budget`, and unlimited with one.
    time_budget : float, default=None
        Maximum time of `fit` in seconds. The learning-rate schedule is complete at its end.
    learning_rate : float, default=5e-3
        Maximum of the learning-rate schedule.
    batch_size : int, default=4
        Number of patches in a training step.
    patch_size : int, tuple of int or "auto", default="auto"
        Side of the training patches in pixels. "auto" is 256, or the size of the smallest image if
        this is smaller.
    device, precision, random_state, warm_start, verbose
        See `SemiSupervisedSegmenter`.

    Attributes
    ----------
    network_ : sskseg.nn.ContourProposalNetwork
        The trained network, on the CPU.
    score_threshold_, nms_threshold_ : float
        The thresholds in use: as given, or found by a search for the best average precision at IoU
        0.5 to 0.7. With several images, a value must exceed the default by more than the standard
        error. The search uses the validation set, a tenth of the labeled images, if 5 or more are
        labeled. With fewer it uses the training images, and simulated images if no real image is
        labeled.
    validation_indices_ : ndarray of int
        Indices of the samples in the validation set.
    held_out_counts_ : ndarray of float, shape (n_known, 2), or None
        True and predicted counts of the samples in the validation set. The thresholds for each
        prediction were searched on other samples. None if fewer than two samples were held out.
    n_channels_ : int
    channel_mean_, channel_std_ : ndarray of shape (n_channels,)
        Mean and standard deviation of each channel in the images of `fit`. They standardize all
        images.
    architecture_ : tuple of (network, width, depth), or None
        `network`, `width` and `depth` of the backbone that the network started from.
    patch_shape_ : tuple of int
    history_ : list of dict
        ``phase, step, time, loss, learning_rate``.

    See Also
    --------
    InstanceCounter : Counts, intervals and tables, with ``method="contours"``.

    Notes
    -----
    Only two-dimensional images are supported. Label whole objects: objects that touch unlabeled
    pixels are ignored.

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
    _kept = ("network", "width", "depth", "order", "samples")
    _fitted = {  # noqa: RUF012
        "n_channels_": "a count",
        "channel_mean_": "numbers",
        "channel_std_": "numbers",
        "patch_shape_": "a shape",
        "architecture_": "a tuple or None",
        "score_threshold_": "a number",
        "nms_threshold_": "a number",
        "held_out_counts_": "pairs of numbers or None",
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
        self,
        network: str | Callable = "unet-shuffle",
        *,
        finetune: str = "all",
        order: int = 5,
        samples: int = 32,
        score_threshold: float | str = "auto",
        nms_threshold: float | str = "auto",
        width: int | None = None,
        depth: int | None = None,
        max_steps: int | None = None,
        time_budget: float | None = None,
        learning_rate: float = 5e-3,
        batch_size: int = 4,
        patch_size: int | tuple[int, int] | str = "auto",
        device: str = "auto",
        precision: str = "auto",
        random_state: int | np.random.Generator | None = None,
        warm_start: bool = False,
        verbose: bool | int = False,
    ):
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

    @with_progress
    def fit(self, X: ArrayLike, y: ArrayLike | list | None = None) -> ContourDetector:
        """Train the network on the contours of labeled objects, and search the thresholds.

        Parameters
        ----------
        X : array-like of shape (n_samples, height, width) or (n_samples, height, width, n_channels)
            Images, a list of images of different sizes, or an `ImageStack`. The network starts from
            the backbone of the `ImageStack`. If this has a simulator, 64 simulated images are added
            to the training images. At first, half of the patches are simulated, later fewer, and
            none at the end if 10 images or more are labeled. A simulator with a method
            ``sample_contours(n, random_state) -> (X, y, contours)`` also gives the hidden parts of
            objects. The contours of objects 1, 2, ... of each image are arrays of shape (k, 2).
        y : array-like of int, shape (n_samples, height, width), default=None
            -1 is unlabeled, 0 is background, and positive numbers are objects. In a list, None is
            an unlabeled sample. With a simulator, all samples may be unlabeled.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If an argument is invalid, `y` has points or counts instead of label images, or no
            object is labeled.
        FloatingPointError
            If training diverges.
        """
        budget = self._budget()
        self._validate_params()
        images = check_images(X, 2)
        simulator = getattr(X, "simulator", None)
        annotations = check_annotations(y, images, may_be_unlabeled=simulator is not None)
        with transaction(self), self._session() as (rng, device, dtype):
            data = make_training_data(images, annotations, simulator, rng)
            self.validation_indices_ = data.validation
            network = self._prepare(images, data, getattr(X, "backbone", None))
            batches = self._batches(network, data, rng, device)
            groups = rate_groups(network, self.finetune) if self.architecture_ else None
            self.network_ = self._optimize(
                network.to(device), batches, lambda network, batch, progress: batch.loss(network),
                budget.part(_TRAINING_SHARE), device, dtype, parameter_groups=groups,
                callbacks=falling_share(batches.sampler, data.weights, data.n_real),
            )  # fmt: skip
            self._search_thresholds(data)
        return self

    def predict(self, X: ArrayLike) -> np.ndarray | list[np.ndarray]:
        """Label objects.

        Parameters
        ----------
        X : array-like
            As in `fit`; a dask array gives a lazy dask array.

        Returns
        -------
        labels : ndarray of int64, shape (n_samples, height, width), list of ndarray or dask array
            0 is background, and 1, 2, ... are the objects of each sample, in the order of
            `contours`. If several objects share a pixel, it belongs to the object with the highest
            score.
        """
        check_is_fitted(self)
        if is_lazy(X):
            return map_samples(self, X, "predict", n_channels=self.n_channels_)
        return like_input([detected.labels for detected in self.detect(X)], X)

    def transform(self, X: ArrayLike) -> np.ndarray | list[np.ndarray]:
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

    def contours(self, X: ArrayLike) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Return the contours of the objects that `predict` labels.

        Parameters
        ----------
        X : array-like
            As in `fit`; not a dask array.

        Returns
        -------
        contours : list of ndarray of float32, shape (n_objects, samples, 2)
            Points (row, column) of closed polygons, including hidden parts. The center of the first
            pixel is 0. Contour i belongs to label i + 1.
        scores : list of ndarray of float32, shape (n_objects,)
            Scores of the contours, the highest first.
        """
        check_is_fitted(self)
        detected = self.detect(X)
        return [d.contours.astype(np.float32) for d in detected], [d.scores for d in detected]

    def score(
        self, X: ArrayLike, y: ArrayLike | list, *, sample_weight: ArrayLike | None = None
    ) -> float:
        """Compute F1 of the objects at an IoU of 0.5.

        Parameters
        ----------
        X : array-like
            As in `fit`.
        y : array-like of int
            As in `fit`; -1 is ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            How often each sample counts.

        Returns
        -------
        float
            The score over all samples together.
        """
        check_is_fitted(self)
        images = check_images(X, 2, n_channels=self.n_channels_)
        annotations = check_annotations(y, images)
        return score_labels(annotations, list(self.predict(images)), sample_weight)

    def detect(self, X: ArrayLike) -> list[Detections]:
        """Return labels, contours and scores at once.

        Parameters
        ----------
        X : array-like
            As in `fit`; not a dask array.

        Returns
        -------
        list of Detections
            Of each image ``labels, contours, scores``, as `predict` and `contours` return them,
            but contours in float64.
        """
        check_is_fitted(self)
        images = check_images(X, 2, n_channels=self.n_channels_)
        with prediction(self, len(images)):
            outputs = zip(self._outputs(images), images, strict=True)
            return [self.block_objects(each, image.shape[:-1]) for each, image in outputs]

    # Blocks of a scan

    def block_halo(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return how to read blocks of a scan, so that outputs are those of the whole.

        Returns
        -------
        halo, stride : tuple of int
            Pixels on each side that the network needs, and the step at which reading starts.
        """
        check_is_fitted(self)
        tiles = tile_settings(self.network_, 2)
        return tiles.halo, tiles.stride

    def block_bytes(self, n_pixels: int) -> int:
        """Estimate the peak memory of a block, in float32.

        Parameters
        ----------
        n_pixels : int
            Number of pixels of the block, with the pixels around it that the network needs.

        Returns
        -------
        int
            Bytes, of the network in one tile, and of its outputs and the proposals.
        """
        check_is_fitted(self)
        tile = min(n_pixels, math.prod(tile_settings(self.network_, 2).tile))
        values = values_per_pixel(self.network_, self.n_channels_, 2)
        return int(4 * values * tile) + _BYTES_PER_PIXEL * n_pixels

    def block_outputs(self, X: ArrayLike) -> Tensor:
        """Compute the network's outputs for one image: the first half of `detect`.

        Parameters
        ----------
        X : array-like
            As in `fit`, of one sample.

        Returns
        -------
        Tensor of shape (n_outputs, h, w)
        """
        check_is_fitted(self)
        images = check_images(X, 2, n_channels=self.n_channels_)
        return next(self._outputs(images))

    def block_objects(self, outputs: Tensor, shape: tuple[int, int]) -> Detections:
        """Detect the objects of one image from the network's outputs: the second half of `detect`.

        Parameters
        ----------
        outputs : Tensor of shape (n_outputs, h, w)
        shape : tuple of 2 ints
            Size of the image in pixels.

        Returns
        -------
        Detections
        """
        proposals = self._propose(outputs, shape, self.score_threshold_)
        return non_maximum_suppression(proposals, self.nms_threshold_)

    # Training

    def _prepare(self, images, data, backbone):
        """Compute statistics of the images and return the network: a new one, that of the last fit,
        or one that starts from a backbone."""
        self.patch_shape_ = self._patch_shape(data.images)
        network = start_network(
            self, images, backbone, pretrained_part=lambda network: network.unet
        )
        check_batch(self.batch_size, self.patch_shape_, network)
        if not self._resumes(network):
            network.scale.fill_(float(np.median(data.radii)))
        return network

    def _make_module(self, name):
        network, width, depth = self.architecture_ or (self.network, self.width, self.depth)
        width, depth = network_size(network, width, depth)
        unet = make_feature_network(network, self.n_channels_, width, depth, ndim=2)
        return ContourProposalNetwork(unet, width, order=self.order, samples=self.samples)

    def _patch_shape(self, images):
        if self.patch_size == "auto":
            smallest = np.min([image.shape[:-1] for image in images], axis=0)
            return tuple(min(_MAX_PATCH, round_up(int(size), 8)) for size in smallest)
        return patch_sides(self.patch_size, 2)

    def _batches(self, network, data, rng, device):
        augmentation = replace(PRESETS["full"], haze=0.0)  # not measured
        if self._resumes(network):
            augmentation = replace(augmentation, warm_up=0)
        return contour_batches_on(device)(
            data.images, data.outlined, self.samples, self.patch_shape_, data.weights,
            augmentation=augmentation,
            mean=self.channel_mean_, std=self.channel_std_, batch_size=self.batch_size,
            rng=child_generator(rng), device=device,
        )  # fmt: skip

    def _search_thresholds(self, data):
        """Search the thresholds; count held-out samples."""
        reference = reference_of(annotations_of([data.outlined[i] for i in data.evaluated]))
        given = {"score_threshold": self.score_threshold, "nms_threshold": self.nms_threshold}
        lowest = lowest_score_threshold(self.score_threshold)
        images = [data.images[i] for i in data.evaluated[reference.indices]]
        outputs = zip(self._outputs(images), images, strict=True)
        proposals = [self._propose(each, image.shape[:-1], lowest) for each, image in outputs]
        search = threshold_search(proposals, reference, given)
        for name, value in search.search().items():
            setattr(self, f"{name}_", value)
        self.held_out_counts_ = None
        if len(self.validation_indices_):
            others = [data.images[i] for i in data.evaluated[reference.other_indices]]
            detected = self.detect(others) if others else []
            counts = [count_each([each.labels])[0] for each in detected]
            further = known_counts(reference.other_counts, counts)
            held_out = search.held_out_counts(reference.counts)
            self.held_out_counts_ = join_held_out(held_out, further)

    # Prediction

    def _propose(self, outputs, shape, threshold):
        """Return the proposals of an image, the best first."""
        network: Any = self.network_
        contours, scores = network.propose(outputs, threshold)
        n_fitting = np.prod(shape) / (np.pi * float(network.scale) ** 2)
        best = scores.argsort(descending=True, stable=True)[
            : int(_MAX_PROPOSALS_PER_OBJECT * (n_fitting + 8))
        ]
        contours, scores = contours[best].numpy(), scores[best].numpy()
        return Proposals(contours, scores, contour_masks(contours, shape), shape)

    def _predictor(self) -> DensePredictor:
        return DensePredictor(
            self.network_,
            partial(_shuffle, factor=self.network_.factor),
            ChannelNormalization(self.channel_mean_, self.channel_std_),
            tile_settings(self.network_, 2),
            Compute(self.device, self.precision),
        )

    def _outputs(self, images) -> Iterator[Tensor]:
        """Compute outputs (n_outputs, h, w) of one image after the other."""
        network: Any = self.network_
        predictor, factor, stride = self._predictor(), network.factor, network.stride
        inputs = predictor.inputs(images)
        padded = (pad_to_multiple(x.unsqueeze(0), stride).squeeze(0) for x in inputs)
        for image, tiled in zip(images, predictor.predict_inputs(padded), strict=True):
            sides = [-(-size // factor) for size in image.shape[:-1]]
            outputs = F.pixel_unshuffle(torch.from_numpy(tiled), factor)
            yield outputs[: network.n_outputs, : sides[0], : sides[1]]


def _shuffle(outputs, factor):
    """Bring outputs to the resolution of the image, since tiles are, by fewer channels."""
    missing = -outputs.shape[1] % factor**2
    return F.pixel_shuffle(F.pad(outputs, (0, 0, 0, 0, 0, missing)), factor)
