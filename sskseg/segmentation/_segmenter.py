"""`SemiSupervisedSegmenter`: foreground from few labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted
from torch import nn

from ..base import TorchEstimator, transaction
from ..images import (
    ImageStack,
    check_images,
    check_lazy_images,
    check_positions,
    check_sample_weight,
    choose_spatial_ndim,
    is_lazy,
    like_input,
    positions_of,
    warn_of_spacing,
    wrap_like,
)
from ..images.annotation_checks import check_n_suggested
from ..images.annotations import Annotations
from ..images.augmentation import Augmentation
from ..inference import calibrate
from ..inference.object_size import SizedPredictor, resample_labels
from ..io.models import check_fitted, register, shortened
from ..nn import (
    Backbone,
    ContinuityNet,
    SectionMeanNet,
    check_network,
    make_network,
    network_size,
)
from ..training import FINETUNE, SegmentationLoss, as_fitted, check_batch, does_task, start_network
from ..training.callbacks import with_progress
from ..training.prediction_callbacks import prediction
from ._blocks import SegmenterBlocks, segmenter_blocks
from ._label_offset import check_fitted_offset, choose_label_offset
from ._object_size import fixed_magnification, normalize_size, scan_diameter
from ._outputs import foreground_and_core, mask, probability, uncertainty
from ._predictors import image_predictor, section_predictor, sections_of
from ._suggestions import disagreement, rank_sections
from ._trained_start import choose_backbone
from ._training import Training
from ._training_data import learns_cores, read_training_data, training_patch_shape
from ._validation import ValidationSet, mean_dice
from .semi_supervised import Continuity, SemiSupervisedMethod, check_methods, choose_methods


@register
class SemiSupervisedSegmenter(TorchEstimator):
    """Segment images with a network that learns from few labels.

    Parameters
    ----------
    network : {"auto", "unet-shuffle", "unet", "unet-valid", "unet-lite", "dmcn"}, callable or \
torch.nn.Module, default="auto"
        Architecture of the network. `sskseg.nn.make_network` describes the names; a network with a
        name starts from random weights. "auto" is "unet-shuffle", and starts from the network of a
        trained model if this model predicts the labels well, see Notes. A callable
        ``(in_channels, out_channels, *, width, depth, ndim) -> torch.nn.Module``, such as a
        `sskseg.nn.PretrainedEncoder`, is called to build the network. A module is copied.
        `sskseg.nn.protocol` lists the attributes that a module of your own can have. Without
        ``stride`` and ``reach``, images are predicted as a whole. In training, a module may return
        a tuple: its output, then the outputs of auxiliary heads. The weight of their loss decays
        from 1 to 0.001.
    semi_supervision : {"auto", "section-mean", "continuity", "consistency", "self-training", \
"mean-teacher"}, \
SemiSupervisedMethod, tuple of them or None, default="auto"
        Methods that use unlabeled pixels. A name stands for the method with its default parameters,
        see `sskseg.segmentation.semi_supervised`. None trains on labeled pixels only. "auto"
        chooses: `SectionMean` for neighboring sections of which at least 1.5 are labeled;
        `SelfTraining` and `Continuity` for neighboring sections of which fewer are labeled;
        `SelfTraining` for independent images; no method if at least half of every sample is
        labeled. Labeled sections up to eight positions apart count once.
    finetune : {"last", "all", "gradual"}, default="all"
        How to fine-tune the backbone of an `ImageStack`, such as that of a `ProxyPretrainer`.
        `network`, `width` and `depth` are those of the backbone. "last" trains only the last level
        and the head, and batch normalization uses the statistics of the new images. "all" trains
        all layers. If the backbone already predicts the same outputs
        (`sskseg.models.PretrainedBackbone`), the head has a fifth of the learning rate, and all
        other layers a tenth.
        "gradual" trains the last layers first, and all layers after 30 % of the training, as "all"
        does.
    spatial_ndim : {2, 3}, default=None
        Number of spatial axes of a sample: 2 for images, 3 for volumes. None: that of the step
        before, such as a `ProxyPretrainer` (see `ImageStack`), and otherwise 2.
    target : {"instances", "classes"}, default="instances"
        ``"instances"``: different values of `y` are different objects, and the foreground is
        ``y > 0``. If 1 is the only positive value, `y` is a mask, whose connected components are
        the objects. ``"classes"``: the values are classes.
    sections : {"independent", "consecutive"}, default="independent"
        With ``"consecutive"``, samples are sections in z order (see `positions` of `fit`), and the
        network reads neighboring sections as additional channels.
    section_context : int, default=2
        Number of neighboring sections on each side that the network reads, if sections are
        consecutive.
    loss : "auto" or SegmentationLoss, default="auto"
        Loss to minimize. "auto" is ``SegmentationLoss()``.
    width : int, default=None
        Number of channels in the first level of the network. None is the default of the network, 16
        for "unet-shuffle" (see `sskseg.nn.make_network`).
    depth : int, default=None
        Number of poolings, each of which halves the resolution. None is the default of the network,
        4 for "unet-shuffle" (see `sskseg.nn.make_network`).
    max_steps : int, default=None
        Number of training steps. None is 1000 without a `time_budget`, and unlimited with one.
        `Continuity` trains its own network for up to a quarter more.
    time_budget : float, default=None
        Maximum time of `fit` in seconds. The learning-rate schedule is complete at its end. Some
        methods predict all training images two to four times to use unlabeled images. These
        predictions are not interrupted. "auto" uses no such method if two predictions would take
        more than three tenths of the time. The third and the fourth are skipped if they would
        exceed this share.
    learning_rate : float, default=5e-3
        Maximum of a schedule that rises and then falls. Convolution kernels are trained by Muon
        [1]_, with updates as large as those of Adam, and all other parameters by AdamW.
    batch_size : int, default=4
        Number of patches in a training step.
    patch_size : int, tuple of int or "auto", default="auto"
        Side of the training patches in pixels. "auto" is 256 in two and 64 in three dimensions, or
        the size of the smallest image if this is smaller. For a network with valid padding, it is
        the size of the input; only the middle of a patch has an output. "auto" then adds the margin
        on both sides.
    augmentation : {"full", "dihedral"}, dict, Augmentation or None, default="full"
        Augmentation of the training patches, see `sskseg.images.augmentation.Augmentation`. A dict
        changes fields of "full". The share of augmented patches grows in the first thousand steps.
    validation_fraction : float in [0, 1), default=0.1
        Share of the labeled samples in the validation set. It selects the best weights and
        calibrates the probabilities. Whole samples are held out; of consecutive sections, a
        contiguous block at the end of each stack. With fewer than 5 labeled samples there is no
        validation set.
    patience : int, default=None
        Early stopping: number of validations without improvement after which training stops. There
        are ten validations, all in the second half of the training. None never stops early.
    test_time_augmentation : bool, default=False
        Whether to average predictions over flips and quarter turns. Prediction takes 8 times as
        long (16 times in volumes). If False, and sections are averaged or corrected with their
        neighbors, each section is predicted in one orientation, chosen by its position (unless
        `augmentation` excludes turns).
    device : str, default="auto"
        Device of training and prediction. "auto" is the GPU if there is one.
    precision : {"auto", "float32", "bfloat16"}, default="auto"
        Number format of the network. "auto" is bfloat16 if the hardware computes it natively.
    random_state : int, RandomState, Generator or None, default=None
        Seed of random numbers. The same seed, `max_steps` and number of threads give bit-identical
        results on the same machine (CPU).
    warm_start : bool, default=False
        Whether to start from the network of the last `fit`.
    verbose : bool, default=False
        Whether to show a progress bar.

    Attributes
    ----------
    network_ : torch.nn.Module
        The trained network, on the CPU.
    classes_ : ndarray
        With ``target="classes"``, the values of `y` in the order of `predict_proba`'s last axis.
    spatial_ndim_ : int
        Number of spatial axes of a sample, as given, or that of the step before.
    n_channels_ : int
    channel_mean_, channel_std_ : ndarray of shape (n_channels,)
        Mean and standard deviation of each channel in the images of `fit`. They standardize all
        images.
    history_ : list of dict
        Rows with ``phase``, ``step``, ``time`` (seconds), ``loss``, ``learning_rate``, and after a
        validation ``validation_score`` (Dice). The phases are "network", and "continuity" if a
        second network is trained; steps and time of each phase start at 0.
    semi_supervision_ : tuple of str
        Names of the methods that `fit` used.
    semi_supervision_reason_ : str
        Why `fit` used these methods.
    continuity_ : torch.nn.Module or None
        Network that averages sections, or corrects them with their neighbors, on the CPU.
    continuity_context_ : int
        Number of sections on each side that resemble the section between them, see `SectionMean`.
        `continuity_` reads these sections, and pseudo-labels are computed from their mean.
    transduction_ : ndarray of int, shape (n_samples, *spatial), list of ndarray, or None
        Labels and pseudo-labels of the training images: 0 and 1, or classes. Pixels are -1 if the
        probability of the pseudo-label is below 0.75 (in sections, that of the mean over
        neighbors), if `sskseg.morphology.enforce_continuity` disagrees, and in samples of weight 0.
        None without semi-supervised learning, and after `load`.
    calibration_ : ndarray of float, shape (2,) or (1 + n_classes,)
        Slope and offset of the logits of the foreground, which calibrate the probabilities (Platt
        scaling [2]_). With ``target="classes"``, one slope, and an offset for each class [3]_. They
        are fitted on the labeled pixels of the validation set. Without a validation set, or with
        fewer than five held-out sections that are more than eight positions apart, the slope is 1
        and the offsets are 0. All predictions use them.
    validation_indices_ : ndarray of int
        Indices of the samples in the validation set.
    architecture_ : tuple of (network, width, depth), or None
        `network`, `width` and `depth` of the backbone that the network started from.
    trained_model_ : str or None
        Name of the trained model that the network started from, with ``network="auto"``.
    spacing_ : tuple of 3 floats, or None
        Size of a voxel along (z, y, x), relative to its size in the plane. It is set if `X` has a
        ``spacing`` (see `ImageStack`) and voxels are not cubes. Weights between close objects,
        distances to borders and the discs of points then have this scale. U-Nets with same padding
        (without a backbone) pool along z only at levels where voxels are about cubic.
    has_cores_ : bool
        Whether the loss has the term "core". `transform` then also returns probabilities of cores.
    object_size_ : float or None
        Diameter of objects in pixels to which images are resampled (see `Augmentation`), or that of
        the backbone if it has one. None: images are not resampled.
    object_diameter_ : float or None
        Diameter of the labeled objects of `fit` in pixels, if images are resampled and the objects
        of all images have about the same size. Scans are then resampled, too: their objects should
        have this diameter.
    label_offset_ : ndarray of shape (2,), or None
        Estimated shift between labels and images, in pixels along (y, x), see `SegmentationLoss`.
        Images are shifted by it in training and prediction, so that predictions have the same
        position as the labels. None: no shift.
    patch_shape_ : tuple of int
        Size of the training patches in pixels.

    See Also
    --------
    InstanceCounter : Splits the probabilities of `transform` into objects.
    sskseg.model_selection.CrossFitted : Out-of-fold probabilities for what follows in a pipeline.

    Notes
    -----
    With ``network="auto"``, images of one or three channels start from the trained model
    "cells-simulated", and images of two channels from "junctions-simulated" (see
    `sskseg.models.model_card`), if the Dice coefficient of what the model predicts of the labeled
    images is 0.7 or more. Otherwise the weights are random. If the labeled objects are dark, the
    first layer is inverted. If no real image is labeled, simulated images decide. Both models
    learned from simulated images alone, so that scores on held-out images mean what they say. To
    start from another trained model, put `sskseg.models.PretrainedBackbone` before the segmenter;
    it is inverted, too, if labeled objects are dark and it knows bright ones. Points, strokes,
    sections, volumes, classes, fragmented objects in one channel, losses with terms of your own,
    and networks with a `width` or `depth` of your own always start from random weights.

    References
    ----------
    .. [1] Liu et al. Muon is scalable for LLM training. 2025. :doi:`10.48550/arXiv.2502.16982`
    .. [2] Platt. Probabilistic outputs for support vector machines and comparisons to regularized
       likelihood methods. Advances in Large Margin Classifiers, MIT Press, 1999.
    .. [3] Alexandari, Kundaje, Shrikumar. Maximum likelihood with bias-corrected calibration is
       hard-to-beat at label shift adaptation. ICML 2020. :doi:`10.48550/arXiv.1901.06852`

    Examples
    --------
    >>> from sskseg import SemiSupervisedSegmenter
    >>> from sskseg.datasets import make_cells
    >>> X, y = make_cells(n_samples=4, shape=(64, 64), random_state=0)
    >>> y[2:] = -1
    >>> segmenter = SemiSupervisedSegmenter(width=8, depth=2, max_steps=30, random_state=0)
    >>> segmenter.fit(X, y).predict(X).shape
    (4, 64, 64)
    """

    _not_saved = ("transduction_",)
    _kept = ("network", "width", "depth", "target", "sections", "section_context", "loss")
    _fitted = {  # noqa: RUF012
        "spatial_ndim_": "a count",
        "n_channels_": "a count",
        "channel_mean_": "numbers",
        "channel_std_": "numbers",
        "patch_shape_": "a shape",
        "architecture_": "a tuple or None",
        "trained_model_": "text or None",
        "spacing_": "a spacing or None",
        "object_size_": "a number or None",
        "object_diameter_": "a number or None",
        "has_cores_": "a boolean",
        "label_offset_": "numbers or None",
        "continuity_context_": "a count",
        "calibration_": "numbers",
        "semi_supervision_": "a tuple",
        "semi_supervision_reason_": "text",
        "validation_indices_": "numbers",
        "history_": "a list",
        "network_": "a network",
        "continuity_": "a network or None",
    }
    transduction_: Any
    continuity_: Any
    _parameter_constraints: dict = {  # noqa: RUF012
        **TorchEstimator._parameter_constraints,
        "network": [str, callable],
        "semi_supervision": [str, SemiSupervisedMethod, tuple, list, None],
        "finetune": [StrOptions(set(FINETUNE))],
        "spatial_ndim": [Interval(Integral, 2, 3, closed="both"), None],
        "target": [StrOptions({"instances", "classes"})],
        "sections": [StrOptions({"independent", "consecutive"})],
        "section_context": [Interval(Integral, 0, None, closed="left")],
        "loss": [StrOptions({"auto"}), SegmentationLoss],
        "augmentation": [str, dict, Augmentation, None],
        "validation_fraction": [Interval(Real, 0, 1, closed="left")],
        "patience": [Interval(Integral, 1, None, closed="left"), None],
        "test_time_augmentation": ["boolean"],
    }

    def __init__(
        self, network: str | Callable | nn.Module = "auto", *,
        semi_supervision: str | SemiSupervisedMethod | Sequence[str | SemiSupervisedMethod] | None
        = "auto",
        finetune: str = "all", spatial_ndim: int | None = None, target: str = "instances",
        sections: str = "independent", section_context: int = 2,
        loss: str | SegmentationLoss = "auto", width: int | None = None, depth: int | None = None,
        max_steps: int | None = None, time_budget: float | None = None,
        learning_rate: float = 5e-3, batch_size: int = 4,
        patch_size: int | Sequence[int] | str = "auto",
        augmentation: str | dict | Augmentation | None = "full", validation_fraction: float = 0.1,
        patience: int | None = None, test_time_augmentation: bool = False, device: str = "auto",
        precision: str = "auto", random_state: Any = None, warm_start: bool = False,
        verbose: bool = False,
    ):  # fmt: skip
        self.network = network
        self.semi_supervision = semi_supervision
        self.finetune = finetune
        self.spatial_ndim = spatial_ndim
        self.target = target
        self.sections = sections
        self.section_context = section_context
        self.loss = loss
        self.width = width
        self.depth = depth
        self.max_steps = max_steps
        self.time_budget = time_budget
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.patch_size = patch_size
        self.augmentation = augmentation
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.test_time_augmentation = test_time_augmentation
        self.device = device
        self.precision = precision
        self.random_state = random_state
        self.warm_start = warm_start
        self.verbose = verbose

    @with_progress
    def fit(
        self, X: Any, y: Any, *, positions: Any = None, sample_weight: Any = None
    ) -> SemiSupervisedSegmenter:
        """Train on labeled and unlabeled pixels.

        Parameters
        ----------
        X : array-like of shape (n_samples, *spatial) or (n_samples, *spatial, n_channels)
            Images, a list of images of different sizes, or an `ImageStack`. If the `ImageStack` has
            a simulator, 64 simulated images are added to the training images. At first, half of the
            patches are simulated. At the end, none are if ten real images are labeled, and more if
            fewer are labeled. If no real image is labeled, all patches are simulated.
        y : array-like of int, shape (n_samples, *spatial)
            -1 is unlabeled, 0 is background, and positive numbers are objects or classes. In a
            list, None is an unlabeled sample, and an array of shape (k, spatial_ndim) contains one
            point for each object (see `Annotations` for their radius). With a simulator, all
            samples may be unlabeled.
        positions : array-like of int, shape (n_samples,), default=None
            Positions of consecutive sections along z, as whole numbers. Two sections are neighbors
            if their positions differ by one. None is ``0, 1, ...``.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each sample. A sample of weight 2 is drawn twice as often. A sample of weight
            0 is not used for training, pseudo-labels, the validation set, channel statistics or the
            patch size. The network only reads it as a neighbor of other sections.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If an argument is invalid. Nothing was trained then.
        FloatingPointError
            If training diverges.
        """
        budget = self._budget()
        self._validate_params()
        methods = check_methods(self.semi_supervision)
        with transaction(self), self._session() as session:
            self.spatial_ndim_ = choose_spatial_ndim(self.spatial_ndim, X)
            given = read_training_data(self, X, y, positions, sample_weight)
            backbone = choose_backbone(self, given, getattr(X, "backbone", None))
            self.has_cores_ = learns_cores(self, given, backbone)
            data = normalize_size(self, given, backbone)
            self.label_offset_ = choose_label_offset(self, data)
            held_out = data.choose_validation_set(self.validation_fraction, session[0])
            training_set, validation = data.without(held_out), ValidationSet(data, held_out)
            choice = choose_methods(methods, training_set).log()
            outputs = self._objective().outputs
            network = start_network(self, data.real_images, backbone, outputs)
            self.patch_shape_ = training_patch_shape(self, data.sample_images, network)
            check_batch(self.batch_size, self.patch_shape_, network)
            training = Training(
                self, training_set, network, budget, session, choice,
                is_trained=does_task(backbone, outputs),
            )  # fmt: skip
            score = validation.scorer(training.objective, training.predictor)
            self.network_ = training.fit_network(score)
            training.finish()
            _keep(self, training, data.image_indices[held_out])
            predictor = section_predictor(self)
            self.calibration_ = validation.calibration(training.objective, predictor)
            if training.transduction is not None:
                classes = getattr(self, "classes_", None)
                pairs = zip(training.transduction, given.labels, strict=False)
                pseudo = [resample_labels(label, old.shape) for label, old in pairs]
                replaced = held_out if data is given else np.arange(len(pseudo))
                self.transduction_ = like_input(given.transduction(pseudo, replaced, classes), X)
        return self

    def predict(self, X: Any, *, positions: Any = None) -> Any:
        """Segment images.

        Parameters
        ----------
        X : array-like
            As in `fit`; a dask array gives a lazy dask array.
        positions : array-like of int, shape (n_samples,), default=None
            As in `fit`.

        Returns
        -------
        masks : ndarray of shape (n_samples, *spatial) or list of ndarray
            1 where the calibrated foreground probability exceeds 0.5, 0 elsewhere (uint8); with
            ``target="classes"`` the most probable classes.
        """
        return self._predict(X, positions, mask)

    def predict_proba(self, X: Any, *, positions: Any = None) -> Any:
        """Predict the probability of each pixel.

        Parameters
        ----------
        X, positions
            As in `predict`.

        Returns
        -------
        probabilities : ndarray of float32 or list of ndarray
            Probabilities of the foreground, shape (n_samples, *spatial). With
            ``target="classes"``, those of each class, shape (n_samples, *spatial, n_classes).
        """
        return self._predict(X, positions, probability)

    def transform(self, X: Any, *, positions: Any = None) -> Any:
        """Predict the probabilities of foreground and cores, which `InstanceCounter` takes.

        Parameters
        ----------
        X : array-like
            As in `fit`; a dask array gives a lazy dask array.
        positions : array-like of int, shape (n_samples,), default=None
            As in `fit`.

        Returns
        -------
        probabilities : ndarray of float32, list of ndarray, ImageStack or dask array
            Shape (n_samples, *spatial, 2): of the foreground, as `predict_proba` returns it, and
            of the core of an object. Shape (n_samples, *spatial) where `has_cores_` is False, and
            with ``target="classes"``: the probability of any class but the first. An `ImageStack`
            gives an `ImageStack` with what it carries.
        """
        predicted = self._predict(X, positions, foreground_and_core, with_cores=True)
        return wrap_like(X, predicted, self.transform, spatial_ndim=self.spatial_ndim_)

    def fit_transform(
        self, X: Any, y: Any, *, positions: Any = None, sample_weight: Any = None
    ) -> ImageStack:
        """Fit, and predict the training images, as a pipeline does in its `fit`.

        Parameters
        ----------
        X, y, positions, sample_weight
            As in `fit`.

        Returns
        -------
        probabilities : ImageStack
            As `transform` returns them, with ``in_sample=True``: errors on new images are larger.
            With ``target="classes"``, `InstanceCounter` learns from its ``classes`` that these
            labels are no objects.
            `sskseg.model_selection.CrossFitted` gives probabilities that are out of sample.

        Raises
        ------
        ValueError, FloatingPointError
            As in `fit`.
        """
        self.fit(X, y, positions=positions, sample_weight=sample_weight)
        predicted = self.transform(X, positions=positions)
        classes = getattr(self, "classes_", None)  # only with target="classes"
        return ImageStack(
            predicted, in_sample=True, spatial_ndim=self.spatial_ndim_, classes=classes
        )

    def score(self, X: Any, y: Any, *, positions: Any = None, sample_weight: Any = None) -> float:
        """Compute the mean Dice coefficient of the foreground over labeled samples.

        Parameters
        ----------
        X : array-like
            As in `predict`.
        y : array-like of int
            As in `fit`; pixels of -1 are left out.
        positions : array-like of int, shape (n_samples,), default=None
            As in `fit`.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the mean.

        Returns
        -------
        float

        Raises
        ------
        ValueError
            If nothing is labeled, or has a weight.
        """
        check_is_fitted(self)
        images = self._check_images(X, self.n_channels_)
        annotations = self._annotations(y, images, self.spacing_)
        labeled = annotations.require_labeled()
        weight = check_sample_weight(sample_weight, len(images), labeled)
        positions = positions_of(X, positions)
        predicted = image_predictor(self).predict_some(images, positions, labeled)
        outputs = (calibrate(output, self.calibration_) for output in predicted)
        # All classes but the first are foreground, whatever their values.
        background = self.classes_[0] if as_fitted(self).target == "classes" else 0
        known = [annotations.foreground(i, background) for i in labeled]
        return mean_dice(self._objective(), known, outputs, weight[labeled])

    def measure_diameter(self, read_images: Callable[[], Any]) -> float | None:
        """Find the diameter of the objects of a scan, see `sskseg.scans.count_scan`.

        Parameters
        ----------
        read_images : callable
            Returns crops of the scan, as `predict` takes images. Only called if images are
            resampled to one size of objects.

        Returns
        -------
        float or None
            Diameter in pixels: `object_diameter_`, or if this is None the measured one, the
            diameter of a disk with the median area of the predicted objects. None if no object is
            found, or images are not resampled.

        Warns
        -----
        UserWarning
            If the measured diameter is far from `object_diameter_`.
        """
        check_is_fitted(self)
        predictor = image_predictor(self)
        if not isinstance(predictor, SizedPredictor):
            return None
        images = read_images()
        checked = self._check_images(images, self.n_channels_) if len(images) else []
        found = np.array([predictor.diameter(image) for image in checked])
        measured = float(np.nanmedian(found)) if np.isfinite(found).any() else None
        return scan_diameter(self.object_diameter_, measured)

    def block_predictor(
        self,
        shape: tuple[int, ...],
        wanted: tuple[int, ...] | None = None,
        *,
        object_diameter: float | None = None,
        with_cores: bool = True,
    ) -> SegmenterBlocks:
        """Plan the blocks in which a scan is predicted, see `sskseg.scans.count_scan`.

        Parameters
        ----------
        shape : tuple of int
            Size of the scan in pixels. Consecutive sections are the first axis.
        wanted : tuple of int, default=None
            Pixels of a block, about; None is as many as the network takes in 4 GB.
        object_diameter : float, default=None
            Diameter of the objects of the scan in pixels, if images are resampled to one size of
            objects. None is that of the images of `fit`.
        with_cores : bool, default=True
            Whether to predict the probability of cores, too, if the network does.

        Returns
        -------
        sskseg.scans.protocol.BlockPredictor
            It carries no training images.

        Raises
        ------
        ValueError
            For a network without ``reach``, a scan of other axes, or an `object_diameter` for a
            segmenter that does not resample images.
        """
        check_is_fitted(self)
        if object_diameter is not None and self.object_size_ is None:
            raise ValueError(
                "object_diameter must be None for a segmenter that does not resample images "
                f"(object_size_=None), got {object_diameter!r}."
            )
        factor = fixed_magnification(self, "A scan without object_diameter", object_diameter)
        finish = partial(foreground_and_core, self._objective(), self.calibration_)
        return segmenter_blocks(
            partial(section_predictor, self, with_cores=with_cores, factor=factor), finish,
            self.n_channels_, shape, wanted,
        )  # fmt: skip

    def backbone(self) -> Backbone:
        """Return the trained network, for another segmenter to start from.

        Returns
        -------
        Backbone
            For an `ImageStack`; see also `sskseg.models.PretrainedBackbone`.

        Raises
        ------
        ValueError
            For a network that pools voxels that are no cubes by their spacing.
        """
        check_is_fitted(self)
        network, width, depth = self._architecture()
        if self.spacing_ is not None and not self.architecture_:
            raise ValueError(
                "A network that was trained on voxels that are no cubes is no backbone; got "
                f"spacing_={self.spacing_}."
            )
        return Backbone(
            self.network_, network, *network_size(network, width, depth), self.spatial_ndim_,
            sections_of(self).n_read * self.n_channels_, self._objective().outputs,
            self.object_size_,
        )  # fmt: skip

    def predict_uncertainty(self, X: Any, *, positions: Any = None) -> Any:
        """Compute how uncertain the prediction of each pixel is.

        Parameters
        ----------
        X : array-like
            As in `predict`; a dask array gives a lazy dask array.
        positions : array-like of int, shape (n_samples,), default=None
            As in `fit`.

        Returns
        -------
        uncertainty : ndarray of float32, list of ndarray or dask array
            Shape (n_samples, *spatial), in [0, 1]: the entropy of the probabilities that
            `predict_proba` gives, divided by its maximum.
        """
        return self._predict(X, positions, uncertainty)

    def suggest_sections(
        self, X: Any, n: int, *, y: Any = None, positions: Any = None
    ) -> np.ndarray:
        """Rank unlabeled samples by how much the network disagrees with itself.

        Parameters
        ----------
        X : array-like
            As in `fit`; not a dask array.
        n : int
            How many to suggest.
        y : array-like of int, default=None
            As in `fit`; samples with a labeled pixel are not suggested, nor those near them.
        positions : array-like of int, shape (n_samples,), default=None
            As in `fit`.

        Returns
        -------
        indices : ndarray of shape (n,), int
            Indices of samples of X, the best one first.

        Raises
        ------
        ValueError
            If `n` is not an integer from 1 to the number of unlabeled samples.

        Notes
        -----
        Disagreement is the mutual information between pixels and predictions: of neighboring
        sections where these resemble each other, and of flips and turns elsewhere. Sections near
        others that are labeled or suggested already count less.
        """
        check_is_fitted(self)
        images = self._check_images(X, self.n_channels_)
        annotations = self._annotations([None] * len(images) if y is None else y, images)
        check_n_suggested(n, annotations)
        is_stack = as_fitted(self).sections == "consecutive"
        positions = check_positions(positions_of(X, positions), len(images))
        predictor = image_predictor(self)
        if isinstance(predictor, SizedPredictor):
            images = predictor.resampled(images)
        scores = disagreement(section_predictor(self), images, positions)
        return rank_sections(scores, n, positions if is_stack else None, annotations.labeled)

    # Prediction

    @property
    def loss_terms(self) -> tuple[str, ...]:
        """Terms of the loss that was minimized; see `SegmentationLoss`."""
        check_is_fitted(self)
        return self._objective().losses

    def _objective(self):
        fitted = as_fitted(self)
        loss = SegmentationLoss() if isinstance(fitted.loss, str) else fitted.loss
        classes, spacing = getattr(self, "classes_", None), getattr(self, "spacing_", None)
        has_cores = getattr(self, "has_cores_", True)
        return loss.objective(fitted.target, classes, spacing, has_cores=has_cores)

    def _predict(self, X, positions, output, with_cores=False):
        """Predict samples, in memory or lazily; `output` is a function of `_outputs`."""
        check_is_fitted(self)
        finish = partial(output, self._objective(), self.calibration_)
        predictor = image_predictor(self, with_cores=with_cores)
        positions = positions_of(X, positions)
        if is_lazy(X):
            X = check_lazy_images(X, self.spatial_ndim_, n_channels=self.n_channels_)
            return predictor.predict_lazily(X, positions, finish)
        images = self._check_images(X, self.n_channels_)
        warn_of_spacing(getattr(X, "spacing", None), self.spatial_ndim_, self.spacing_)
        with prediction(self, len(images) * predictor.n_passes):
            outputs = predictor.predict(images, positions)
            results = {index: finish(probabilities) for index, probabilities in outputs}
        return like_input([results[i] for i in range(len(images))], X)

    # Checks

    def _check_images(self, X, n_channels=None):
        images = check_images(X, self.spatial_ndim_, n_channels=n_channels)
        shapes = {image.shape for image in images}
        if as_fitted(self).sections == "consecutive" and len(shapes) > 1:
            raise ValueError(
                "X must hold the sections of one stack, since sections='consecutive': expected one "
                f"shape, got {sorted(shapes)}. Independent images need a fit with "
                "sections='independent'."
            )
        return images

    def _annotations(self, y, images, spacing=None):
        return Annotations(y, images, target=as_fitted(self).target, spacing=spacing)

    # Networks

    def _make_module(self, name):
        if name == "continuity_":
            n_sections = 2 * self.continuity_context_ + 1
            n_outputs = self._objective().n_probabilities
            is_learned = Continuity.name in self.semi_supervision_
            kind = ContinuityNet if is_learned else SectionMeanNet
            return kind(n_sections, n_outputs, ndim=self.spatial_ndim_)
        channels = sections_of(self).n_read * self.n_channels_, self._objective().n_outputs
        network, width, depth = self._architecture()
        spacing = None if self.architecture_ else self.spacing_  # backbones pool along all axes
        module = make_network(
            network, *channels, width, depth, ndim=self.spatial_ndim_, spacing=spacing
        )
        if not isinstance(network, str):
            check_network(module, *channels, self.spatial_ndim_)
        return module

    def _architecture(self):
        """The specification of the network, its width and its depth."""
        fitted = as_fitted(self)
        is_auto = isinstance(fitted.network, str) and fitted.network == "auto"
        network = "unet-shuffle" if is_auto else fitted.network
        return self.architecture_ or (network, fitted.width, fitted.depth)

    def _restore(self, fitted, tensors):
        # Files of earlier versions do not have these.
        earlier = {"trained_model_": None, "object_diameter_": None}
        fitted = {**earlier, "spatial_ndim_": self.spatial_ndim, **fitted}
        if self.target == "classes":
            check_fitted({k: v.numpy() for k, v in tensors.items()}, {"classes_": "numbers"})
        super()._restore(fitted, tensors)
        check_fitted_offset(self.label_offset_)
        shapes = {self.channel_mean_.shape, self.channel_std_.shape}
        if shapes != {(self.n_channels_,)} or not (self.channel_std_ > 0).all():
            raise ValueError("channel_mean_ and channel_std_ must be of each channel.")
        calibration, n = self.calibration_, 1 + self._objective().n_probabilities
        is_finite = calibration.shape == (n,) and np.isfinite(calibration).all()
        if not is_finite or calibration[0] <= 0:
            raise ValueError(
                f"calibration_ must be {n} finite numbers, the first of them positive, got "
                f"{shortened(calibration.tolist())}."
            )


def _keep(segmenter, training, validation_indices):
    """Keep the outcome of a training."""
    segmenter.validation_indices_ = validation_indices
    segmenter.semi_supervision_ = tuple(method.name for method in training.methods)
    segmenter.semi_supervision_reason_ = training.reason
    segmenter.transduction_, segmenter.continuity_ = None, None
    segmenter.continuity_context_ = training.pseudo_labeling.context or 0
    if training.correction is not None:
        segmenter.continuity_, segmenter.continuity_context_ = training.correction
