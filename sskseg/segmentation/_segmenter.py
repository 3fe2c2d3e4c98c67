"""`SemiSupervisedSegmenter`: foreground from few labels."""

import warnings
from numbers import Integral, Real

import numpy as np
from sklearn.base import clone
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from ..images import (
    check_generator,
    check_positions,
    check_sample_weight,
    like_input,
    wrap_like,
)
from ..images.annotations import Annotations
from ..images.augmentation import Augmentation
from ..inference import TILINGS, fit_temperature, normalized_entropy, round_up, scale_temperature
from ..io.models import check_fitted
from ..metrics import dice
from ..nn import network_margin
from ..training import LOSSES, ClassObjective, ForegroundObjective, check_batch, patch_sides
from ..training.simulated import balanced_weights, draw_simulated
from ..training.transfer import FINETUNE
from ._semi_supervision import (
    check_semi_supervision,
    choose_methods,
    log_choice,
    longest_run,
    rank_sections,
)
from ._stages import StagedEstimator, TrainingData

_PATCH = {2: 256, 3: 64}
_MIN_LABELED_TO_HOLD_OUT = 5
_SIMULATED = 64  # images


class SemiSupervisedSegmenter(StagedEstimator):
    """Segment images with a network that learns from few labels.

    Parameters
    ----------
    network : str, callable or torch.nn.Module, default="unet-shuffle"
        A name that `sskseg.nn.make_network` knows: "unet-shuffle", "unet", "unet-valid",
        "unet-lite" or "dmcn". Or a callable ``(in_channels, out_channels, *, width, depth, ndim) ->
        torch.nn.Module``, or a module, which is copied. A module of your own may tell its
        ``stride`` and ``reach`` (tuples, pixels, see `sskseg.nn.UNet`); without them it is run on
        whole images. Where its output lacks a margin it tells ``margin``, ``valid_input_size`` and
        ``check_size`` too. In training it may return a tuple, what follows the first being outputs
        of auxiliary heads, which are trained with a weight that decays from 1 to 0.001.
    semi_supervision : {"auto", "continuity", "consistency", "self-training", "mean-teacher"}, \
tuple of them or None, default="auto"
        How unlabeled pixels are learned from; None: not at all. "auto": with neighboring sections
        that resemble each other "continuity"; where there are none, or where less than 1.5 sections
        are labeled (those up to eight positions apart count once), "self-training" too; and None
        where at least half of every sample is labeled.

        "self-training": up to three times, all training images are predicted, and the network goes
        on learning from that too, in samples of which less than half is labeled (in all, where
        there are none); of sections, what the mean over neighbors and
        `sskseg.morphology.enforce_continuity` agree on, of classes that mean. "continuity": a small
        second network corrects the probabilities of each section by those of up to four neighbors
        on each side; it learns from the same agreement and from labeled sections [2]_.
        "consistency": unlabeled patches are learned as the moving average of the network sees them,
        with their intensities changed and parts exchanged, and with features dropped [3]_.
        "mean-teacher": the probabilities of noisy patches are drawn to those of the moving average
        [4]_.
    finetune : {"last", "all", "gradual"}, default="all"
        How to go on from the backbone of an `ImageStack` (see `ProxyPretrainer`), whose `network`,
        `width` and `depth` are taken over. "last": only the last level and the head learn (the
        statistics of batch normalization are those of the new images throughout). "all": all do,
        pretrained layers half as fast. "gradual": the last ones first, from 30 % of the training
        on all of them half as fast.
    spatial_ndim : {2, 3}, default=2
        Spatial axes of one sample.
    point_radius : float, default=3.0
        Where `y` holds points: objects are discs of so many pixels around them, each in a ring as
        wide that is not learned from.
    target : {"instances", "classes"}, default="instances"
        ``"instances"``: different values of `y` are different objects, foreground is ``y > 0``, and
        the network learns, beside the foreground, the distance to the border of the object, so that
        it attends to borders. A label image whose only value is 1 is taken as a mask, its
        connected components as the objects. ``"classes"``: the values are classes.
    sections : {"independent", "consecutive"}, default="independent"
        ``"consecutive"``: samples are sections in z order (see `positions` of `fit`), and the
        network sees neighboring sections as further channels.
    section_context : int, default=2
        How many sections on each side, where they are consecutive.
    loss : {"auto"} or tuple, default="auto"
        Which of "cross-entropy", "dice" and "distance" (of pixels to the border of their object)
        are added, one of the first two at least; "auto" is all that `target` has.
    border_weight, border_sigma : float, default=10.0 and 5.0
        With ``target="instances"``, the cross-entropy of background pixels between objects that
        almost touch is weighed by ``1 + border_weight * exp(-(d1 + d2)**2 / (2 *
        border_sigma**2))`` where `d1` and `d2` are the distances (pixels) to the nearest two
        objects [1]_; 0 turns it off. See `sskseg.morphology.weight_map`. Weights rise from 1 in the
        first thousand steps (`warm_up` of the augmentation). The weights of a batch's
        background are divided by their mean, so that its share of the loss, and with it the
        meaning of a probability of 0.5, stays what it is without them.
    width, depth : int, default=16 and 4
        Channels of the network's first level, and number of poolings.
    max_steps : int, default=None
        Training steps; None is 1000, or no limit where `time_budget` is given. The network of
        "continuity" is trained for up to a quarter more.
    time_budget : float, default=None
        Seconds that `fit` may take; the learning-rate schedule is complete when it ends. To
        learn from unlabeled images, all training images are predicted two to four times, which
        is not cut short: "auto" leaves it out where two times would take more than three tenths
        of the time, and the third and the fourth are left out where they would exceed that.
    learning_rate : float, default=5e-3
        The highest of a schedule that rises and falls. Kernels of several pixels learn by Muon
        [6]_, whose updates are as large as those of Adam, and everything else by AdamW.
    batch_size : int, default=4
    patch_size : int, tuple of int or "auto", default="auto"
        Side of the training patches in pixels; "auto" is 256 in the plane and 64 in a volume, or
        the size of the smallest image. For a network with valid padding the size of its input,
        of which only the middle is learned; "auto" then adds the margin on both sides.
    augmentation : {"full", "dihedral"}, dict, Augmentation or None, default="full"
        See `sskseg.images.augmentation.Augmentation`; a dict changes fields of "full". Patches are
        changed more and more often in the first thousand steps.
    validation_fraction : float in [0, 1), default=0.1
        Share of the labeled samples that is held out to choose the best weights; whole samples
        only, and a contiguous block of consecutive sections. Fewer than 5 labeled samples are all
        trained on.
    patience : int, default=None
        Stop after so many validations without improvement; there are ten in the second half.
    tiling : {"overlap-tile", "average", "resize", "legacy_resize"}, default="overlap-tile"
        How a network with valid padding, whose output lacks a margin, predicts whole images.
        "overlap-tile": the image is continued by reflection [1]_. "average": the same, averaged
        over evenly spaced tiles of the training patches' size. "resize": the image is shrunk to the
        output of one such tile, and the output enlarged. "legacy_resize": the output of the tile in
        the middle is stretched over the whole image, which misplaces everything: only to reproduce
        results that were made so. Other networks know "overlap-tile" only.
    test_time_augmentation : bool, default=False
        Average predictions over flips and quarter turns: slower by 8 (16 in volumes). Where
        "continuity" corrects sections, each of them is seen in another view anyway, by its
        position, since they are averaged: at no cost, and unless turns are not learned
        (`augmentation`). Where that are as many sections as views, this parameter changes nothing.
    cross_fitting : int, default=None
        Folds of the labeled samples for `fit_transform`, which is what a pipeline calls: it then
        gives labeled samples the probabilities of networks that were not trained on them, at the
        cost of as many further trainings. A counter that is calibrated on them, and its
        intervals, are then right for new images too. None: `fit_transform` is `fit` and
        `transform`.
    device : str, default="auto"
        "auto" is the GPU where there is one.
    precision : {"auto", "float32", "bfloat16"}, default="auto"
        "auto" is bfloat16 where the hardware computes it natively.
    random_state : int, RandomState, Generator or None, default=None
        Same seed, same `max_steps`, same machine, CPU: same result to the bit.
    warm_start : bool, default=False
        Go on from the network of the last `fit`.
    verbose : bool, default=False
        Show a progress bar.

    Attributes
    ----------
    network_ : torch.nn.Module
        On the CPU.
    classes_ : ndarray
        With ``target="classes"``, the values of `y` in the order of `predict_proba`'s last axis.
    n_channels_ : int
    channel_mean_, channel_std_ : ndarray of shape (n_channels,)
        Fixed at `fit`; images are standardized by them.
    history_ : list of dict
        ``stage`` ("network", then "continuity", whose steps and time start anew), ``step, time,
        loss, learning_rate`` and perhaps ``validation_score`` (Dice).
    semi_supervision_ : tuple of str
        The methods that were used.
    semi_supervision_reason_ : str
        Why.
    continuity_ : ContinuityNet or None
        The second network, on the CPU.
    continuity_context_ : int
        How many sections on each side resemble the one between them: up to 4 whose predicted masks
        overlap with an IoU of 0.75 or more. Labels are settled on with the mean over them, and
        `continuity_` looks at them.
    transduction_ : ndarray of int, shape (n_samples, *spatial), list of ndarray, or None
        The labels that were settled on for the training images, 0 and 1 or classes: what is
        labeled, what was predicted, and -1 where that is unsure (a probability below 0.75; of
        sections, the mean over neighbors) or `sskseg.morphology.enforce_continuity` says otherwise.
        None without semi-supervision, and after `load`.
    temperature_ : float
        Logits are divided by it, so that probabilities mean what they say [5]_; found on the
        held-out samples, and 1 where there are none.
    validation_indices_ : ndarray of int
        The samples that were held out.
    architecture_ : tuple of (network, width, depth), or None
        Of the backbone that the network started from.
    patch_shape_ : tuple of int
        Size of the training patches.

    See Also
    --------
    InstanceCounter : Splits what `transform` returns into objects.

    References
    ----------
    .. [1] Ronneberger, Fischer, Brox. U-Net. MICCAI 2015. :doi:`10.1007/978-3-319-24574-4_28`
    .. [2] Xiao, Zhao, Yang. Semi-supervised segmentation of mitochondria from electron microscopy
       images using spatial continuity. ISBI 2022. :doi:`10.1109/ISBI52829.2022.9761519`
    .. [3] Yang, Qi, Feng, Zhang, Shi. Revisiting weak-to-strong consistency in semi-supervised
       semantic segmentation. CVPR 2023. :doi:`10.1109/CVPR52729.2023.00699`
    .. [4] Tarvainen, Valpola. Mean teachers are better role models. NeurIPS 2017.
       :doi:`10.48550/arXiv.1703.01780`
    .. [5] Guo, Pleiss, Sun, Weinberger. On calibration of modern neural networks. ICML 2017.
       :doi:`10.48550/arXiv.1706.04599`
    .. [6] Liu et al. Muon is scalable for LLM training. 2025. :doi:`10.48550/arXiv.2502.16982`

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
    _fitted = {  # noqa: RUF012
        "n_channels_": "a count",
        "channel_mean_": "numbers",
        "channel_std_": "numbers",
        "patch_shape_": "a shape",
        "architecture_": "a tuple or None",
        "continuity_context_": "a count",
        "temperature_": "a number",
        "semi_supervision_": "a tuple",
        "semi_supervision_reason_": "text",
        "validation_indices_": "numbers",
        "history_": "a list",
        "network_": "a network",
        "continuity_": "a network or None",
    }
    _parameter_constraints: dict = {  # noqa: RUF012
        **StagedEstimator._parameter_constraints,
        "network": [str, callable],
        "semi_supervision": [str, tuple, list, None],
        "finetune": [StrOptions(set(FINETUNE))],
        "spatial_ndim": [Interval(Integral, 2, 3, closed="both")],
        "point_radius": [Interval(Real, 0.5, None, closed="left")],
        "target": [StrOptions({"instances", "classes"})],
        "sections": [StrOptions({"independent", "consecutive"})],
        "section_context": [Interval(Integral, 0, None, closed="left")],
        "loss": [StrOptions({"auto"}), tuple, list],
        "border_weight": [Interval(Real, 0, 1e4, closed="both")],
        "border_sigma": [Interval(Real, 0, None, closed="neither")],
        "augmentation": [str, dict, Augmentation, None],
        "validation_fraction": [Interval(Real, 0, 1, closed="left")],
        "patience": [Interval(Integral, 1, None, closed="left"), None],
        "tiling": [StrOptions(set(TILINGS))],
        "test_time_augmentation": ["boolean"],
        "cross_fitting": [Interval(Integral, 2, None, closed="left"), None],
    }

    def __init__(
        self, network="unet-shuffle", *, semi_supervision="auto", finetune="all", spatial_ndim=2,
        point_radius=3.0, target="instances", sections="independent", section_context=2,
        loss="auto", border_weight=10.0, border_sigma=5.0, width=16, depth=4, max_steps=None,
        time_budget=None, learning_rate=5e-3, batch_size=4, patch_size="auto", augmentation="full",
        validation_fraction=0.1, patience=None, tiling="overlap-tile",
        test_time_augmentation=False, cross_fitting=None, device="auto", precision="auto",
        random_state=None, warm_start=False, verbose=False,
    ):  # fmt: skip
        self.network = network
        self.semi_supervision = semi_supervision
        self.finetune = finetune
        self.spatial_ndim = spatial_ndim
        self.point_radius = point_radius
        self.target = target
        self.sections = sections
        self.section_context = section_context
        self.loss = loss
        self.border_weight = border_weight
        self.border_sigma = border_sigma
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
        self.tiling = tiling
        self.test_time_augmentation = test_time_augmentation
        self.cross_fitting = cross_fitting
        self.device = device
        self.precision = precision
        self.random_state = random_state
        self.warm_start = warm_start
        self.verbose = verbose

    def fit(self, X, y, *, positions=None, sample_weight=None):
        """Learn from the labeled pixels.

        Parameters
        ----------
        X : array-like of shape (n_samples, *spatial) or (n_samples, *spatial, n_channels)
            Or a list of images of different sizes, or an `ImageStack`. Where that carries a
            simulator, 64 of its images are learned from too, as much as from real labels.
        y : array-like of int, shape (n_samples, *spatial)
            -1 unlabeled, 0 background, > 0 object or class. A list may hold None for an
            unlabeled sample, and points, of shape (k, spatial_ndim), for one in which every object
            is marked by a point (see `point_radius`). Where there is a simulator nothing needs to
            be labeled.
        positions : array-like of int, shape (n_samples,), default=None
            Of consecutive sections along z: two are neighbors exactly if they differ by one. None
            is ``0, 1, ...``.
        sample_weight : array-like of shape (n_samples,), default=None
            A sample of weight 2 is drawn twice as often; 0 leaves it out.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For input that breaks the contract, before training starts.
        FloatingPointError
            If training diverges.
        """
        budget = self._budget()
        self._validate_params()
        images = self._check_images(X)
        annotations = self._annotations(y, images)
        labels = [annotations.objects(i) for i in range(len(images))]
        weight = check_sample_weight(sample_weight, len(images))
        positions = check_positions(positions, len(images))
        n_real, simulator = len(images), getattr(X, "simulator", None)
        if simulator is not None:
            drawn = self._simulated(simulator, images, labels, weight)
            images, labels, weight = drawn
            positions = np.concatenate(
                [positions, positions.max() + 2 * np.arange(1, len(images) - n_real + 1)]
            )
        rows = self._rows(positions, len(images))
        labeled = np.flatnonzero([(label >= 0).any() for label in labels])
        if not labeled.size:
            annotations.require_labeled()
        labels = self._encode(labels, labeled)
        with self._session() as session:
            rng, device, dtype = session
            real = labeled[(weight[labeled] > 0) & (labeled < n_real)]
            self.validation_indices_ = self._held_out(real, positions, rng)
            data = self._training_data(images, labels, rows, positions, weight, n_real)
            self._choose_methods(data, positions)
            network = self._prepare(images[:n_real], getattr(X, "backbone", None))
            self.patch_shape_ = self._patch_shape(images, network)
            check_batch(self.batch_size, self.patch_shape_, network)
            validate = self._validator(images, labels, rows, device, dtype)
            self._train(network, data, budget, session, validate)
            self.temperature_ = self._calibrate(images, labels, positions, device, dtype)
        if self.transduction_ is not None:
            settled = self._with_held_out(self.transduction_, labels)[:n_real]
            self.transduction_ = like_input(settled, X)
        return self

    def fit_transform(self, X, y, *, positions=None, sample_weight=None):
        """Train, and give the probabilities of the foreground.

        Parameters
        ----------
        X, y, positions, sample_weight
            As in `fit`.

        Returns
        -------
        probabilities : ndarray of float32, list of ndarray or ImageStack
            As `transform` gives them; with `cross_fitting`, those of labeled samples from networks
            that were not trained on them, as scikit-learn's ``TargetEncoder`` does it.

        Raises
        ------
        ValueError
            As in `fit`, and if there are fewer labeled samples than folds.
        """
        if self.cross_fitting is None:
            fitted = self.fit(X, y, positions=positions, sample_weight=sample_weight)
            return fitted.transform(X, positions=positions)
        annotations = self._annotations(y, self._check_images(X))
        weight = check_sample_weight(sample_weight, len(annotations))
        labeled = annotations.require_labeled()
        labeled = labeled[weight[labeled] > 0]
        folds = self._folds(labeled, check_positions(positions, len(annotations)))
        self.fit(X, y, positions=positions, sample_weight=sample_weight)
        foreground = list(self._predict(X, positions, self._foreground))
        for fold in folds:
            # Of weight 0: nothing is guessed of them, and learned from that, either.
            others = weight.copy()
            others[list(fold)] = 0
            # The same methods, whatever "auto" would make of fewer labels
            methods = self.semi_supervision_ or None
            other = clone(self).set_params(warm_start=False, semi_supervision=methods)
            other.fit(X, y, positions=positions, sample_weight=others)
            maps = other._predict(X, positions, other._foreground)
            for row in fold:
                foreground[row] = maps[row]
        return wrap_like(X, like_input(foreground, X), self.transform)

    def predict(self, X, *, positions=None):
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
            1 where the foreground probability exceeds 0.5, 0 elsewhere (uint8); with
            ``target="classes"`` the classes.
        """
        return self._predict(X, positions, self._to_mask)

    def predict_proba(self, X, *, positions=None):
        """Probability of each pixel.

        Parameters
        ----------
        X, positions
            As in `predict`.

        Returns
        -------
        probabilities : ndarray of float32 or list of ndarray
            Of the foreground, shape (n_samples, *spatial); with ``target="classes"`` of each
            class, shape (n_samples, *spatial, n_classes).
        """
        return self._predict(X, positions, self._to_probability)

    def transform(self, X, *, positions=None):
        """Probability of the foreground, which `InstanceCounter` takes.

        Parameters
        ----------
        X : array-like
            As in `fit`; a dask array gives a lazy dask array.
        positions : array-like of int, shape (n_samples,), default=None
            As in `fit`.

        Returns
        -------
        probabilities : ndarray of float32, list of ndarray, ImageStack or dask array
            Shape (n_samples, *spatial); with ``target="classes"`` the probability of any class but
            the first. An `ImageStack` gives an `ImageStack` with what it carries.
        """
        foreground = self._predict(X, positions, self._foreground)
        return wrap_like(X, foreground, self.transform)

    def score(self, X, y, *, positions=None, sample_weight=None):
        """Mean Dice coefficient of the foreground over the samples that have labels.

        Parameters
        ----------
        X : array-like
            As in `predict`.
        y : array-like of int
            As in `fit`; pixels of -1 are left out.
        positions : array-like of int, shape (n_samples,), default=None
            As in `fit`.
        sample_weight : array-like of shape (n_samples,), default=None
            Of the mean.

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
        annotations = self._annotations(y, images)
        labeled = annotations.require_labeled()
        weight = check_sample_weight(sample_weight, len(images), labeled)
        outputs = self._wanted_outputs(images, positions, *self._place(), labeled)
        background = self.classes_[0] if self.target == "classes" else 0
        known = [annotations.foreground(i, background) for i in labeled]
        return self._mean_dice(known, [outputs[i] for i in labeled], weight[labeled])

    def predict_uncertainty(self, X, *, positions=None):
        """How unsure the prediction of each pixel is.

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
        return self._predict(X, positions, self._to_uncertainty)

    def suggest_sections(self, X, n, *, y=None, positions=None):
        """Rank unlabeled samples by what labeling them would teach.

        Parameters
        ----------
        X : array-like
            As in `fit`; not a dask array.
        n : int
            How many to suggest.
        y : array-like of int, default=None
            As in `fit`; samples with a labeled pixel are not suggested, nor what is near them.
        positions : array-like of int, shape (n_samples,), default=None
            As in `fit`.

        Returns
        -------
        rows : ndarray of shape (n,), int
            Of X, the best first.

        Raises
        ------
        ValueError
            If `n` is not an integer from 1 to the number of unlabeled samples.

        Notes
        -----
        A sample is worth labeling where the network contradicts itself: by the mutual information
        between pixels and views, which are neighboring sections where these resemble each other,
        and flips and turns elsewhere. Of neighboring sections, those near others that are
        labeled or suggested already count less.
        """
        check_is_fitted(self)
        images = self._check_images(X, self.n_channels_)
        labeled = self._annotations([None] * len(images) if y is None else y, images).labeled
        if not isinstance(n, Integral) or not 1 <= n <= len(images) - len(labeled):
            raise ValueError(
                "n must be an integer between 1 and the number of unlabeled samples, "
                f"{len(images) - len(labeled)}, got {n!r}."
            )
        is_stack = self.sections == "consecutive"
        positions = check_positions(positions, len(images))
        scores = self._disagreement(images, positions, *self._place())
        return rank_sections(scores, n, positions if is_stack else None, labeled)

    # How `fit` goes about it

    def _annotations(self, y, images):
        return Annotations(y, images, target=self.target, point_radius=self.point_radius)

    def _simulated(self, simulator, images, labels, weight):
        """Images, labels and weights with simulated ones at the end.

        As many of their pixels are drawn as of the labeled real ones; where nothing real is
        labeled all are simulated.
        """
        if self.sections == "consecutive" or self.target == "classes":
            raise ValueError(
                "A stack with a simulator needs sections='independent' and target='instances', got "
                f"{self.sections!r} and {self.target!r}."
            )
        seed = int(check_generator(self.random_state).integers(2**31))
        drawn, y, _ = draw_simulated(
            simulator, _SIMULATED, seed, n_channels=images[0].shape[-1],
            spatial_ndim=self.spatial_ndim,
        )  # fmt: skip
        annotations = self._annotations(y, drawn)
        drawn_labels = [annotations.objects(i) for i in range(len(drawn))]
        weights = balanced_weights(weight, labels, drawn_labels)
        return [*images, *drawn], [*labels, *drawn_labels], weights

    def _encode(self, labels, labeled):
        """Labels as the loss wants them: classes by their index."""
        if self.target == "instances":
            _warn_of_masks([labels[i] for i in labeled])
            return labels
        classes = np.unique(np.concatenate([np.unique(labels[i]) for i in labeled]))
        classes = classes[classes >= 0]
        if len(classes) < 2:
            raise ValueError(
                f"y must hold at least two classes with target='classes', got {classes.tolist()}."
            )
        if not (self.warm_start and hasattr(self, "classes_")):
            self.classes_ = classes
        unknown = np.setdiff1d(classes, self.classes_)
        if unknown.size:
            raise ValueError(f"y holds classes {unknown.tolist()} that the last fit did not.")
        indices = (np.where(x < 0, -1, np.searchsorted(self.classes_, x)) for x in labels)
        return [index.astype(np.int16) for index in indices]

    def _held_out(self, labeled, positions, rng):
        """Labeled rows that are not trained on."""
        n_held = round(self.validation_fraction * len(labeled))
        if self.validation_fraction > 0:
            n_held = min(max(1, n_held), len(labeled) - 1)
        if len(labeled) < _MIN_LABELED_TO_HOLD_OUT or n_held == 0:
            return np.empty(0, np.intp)
        # Of sections one block at the end, which has a training neighbor on one side only.
        return np.sort(self._in_order(labeled, positions, rng)[-n_held:])

    def _folds(self, labeled, positions):
        """Sets of labeled rows: blocks along z of sections, any others elsewhere."""
        if len(labeled) < self.cross_fitting:
            raise ValueError(
                f"cross_fitting={self.cross_fitting} needs as many labeled samples (of a positive "
                f"weight), got {len(labeled)}."
            )
        order = self._in_order(labeled, positions, check_generator(self.random_state))
        return [set(fold.tolist()) for fold in np.array_split(order, self.cross_fitting)]

    def _in_order(self, labeled, positions, rng):
        """Labeled rows along z, or at random where samples are no sections."""
        if self.sections == "consecutive":
            return labeled[np.argsort(positions[labeled])]
        return rng.permutation(labeled)

    def _choose_methods(self, data, positions):
        methods = check_semi_supervision(self.semi_supervision)
        is_stack = data.positions is not None
        if methods != "auto" and "continuity" in methods and longest_run(positions, is_stack) < 2:
            raise ValueError(
                "semi_supervision='continuity' needs neighboring sections: sections='consecutive' "
                "and positions that differ by one."
            )
        used = np.flatnonzero(data.weight > 0)
        self.semi_supervision_, self.semi_supervision_reason_ = choose_methods(
            methods, [data.labels[i] for i in used], positions[used], is_stack
        )
        log_choice(self.semi_supervision_, self.semi_supervision_reason_)

    def _with_held_out(self, settled, labels):
        """Settled labels with those that were held out in their place."""
        for row in self.validation_indices_:
            label = labels[row] if self.target == "classes" else np.sign(labels[row])
            known = np.where(labels[row] < 0, settled[row], self._decode([label])[0])
            settled[row] = known.astype(settled[row].dtype)
        return settled

    def _training_data(self, images, labels, rows, positions, weight, n_real):
        """What is held out, or has no weight, is not known in training."""
        labels, weight = list(labels), weight.copy()
        weight[self.validation_indices_] = 0
        for row in np.flatnonzero(weight == 0):
            labels[row] = np.broadcast_to(np.int8(-1), labels[row].shape)
        positions = positions if self.sections == "consecutive" else None
        return TrainingData(images, labels, rows, positions, weight, n_real)

    def _patch_shape(self, images, network):
        """Size of the network's input in training."""
        stride, margin = self._tiles(network).stride, network_margin(network, self.spatial_ndim)
        if self.patch_size != "auto":
            shape = patch_sides(self.patch_size, self.spatial_ndim)
            if any(margin):
                network.check_size(shape)
            return shape
        smallest = np.min([image.shape[:-1] for image in images], axis=0)
        most = _PATCH[self.spatial_ndim]
        if any(margin):
            sides = zip(smallest, margin, strict=True)
            return tuple(
                network.valid_input_size(min(most, int(size)) + 2 * m) for size, m in sides
            )
        return tuple(
            min(most, round_up(int(size), step))
            for size, step in zip(smallest, stride, strict=True)
        )

    def _validator(self, images, labels, rows, device, dtype):
        held = self.validation_indices_
        if held.size == 0:
            return None

        def validate(network):
            outputs = self._outputs(network, images, rows[held], device, dtype)
            return self._mean_dice([labels[i] for i in held], outputs)

        return validate

    def _mean_dice(self, labels, outputs, weight=None):
        mask = self._objective().foreground_mask
        scores = [
            dice(np.sign(label), mask(output))
            for label, output in zip(labels, outputs, strict=True)
        ]
        return float(np.average(scores, weights=weight))

    def _wanted_outputs(self, images, positions, device, dtype, wanted):
        """Probabilities of some rows, by their row."""
        outputs = self._predicted(images, positions, device, dtype, wanted)
        wanted = set(wanted.tolist())
        return {row: output for row, output in outputs if row in wanted}

    def _calibrate(self, images, labels, positions, device, dtype):
        """The temperature that suits the held-out samples."""
        held = self.validation_indices_
        if not held.size:
            return 1.0
        outputs = self._wanted_outputs(images, positions, device, dtype, held)
        return fit_temperature((outputs[i] for i in held), [labels[i] for i in held])

    def _restore(self, fitted, tensors):
        if self.target == "classes":
            check_fitted({k: v.numpy() for k, v in tensors.items()}, {"classes_": "numbers"})
        super()._restore(fitted, tensors)
        shapes = {self.channel_mean_.shape, self.channel_std_.shape}
        if shapes != {(self.n_channels_,)} or not (self.channel_std_ > 0).all():
            raise ValueError("channel_mean_ and channel_std_ must be of each channel.")

    # What the outputs of the network mean

    def _objective(self):
        known = LOSSES if self.target == "instances" else LOSSES[:2]
        losses = known if isinstance(self.loss, str) else tuple(self.loss)
        if not set(losses) & set(LOSSES[:2]) or not set(losses) <= set(known):
            raise ValueError(
                f"loss must be 'auto' or some of {known} with target={self.target!r}, with "
                f"{LOSSES[0]!r} or {LOSSES[1]!r} among them, got {self.loss!r}."
            )
        if self.target == "instances":
            return ForegroundObjective(losses, self.border_weight, self.border_sigma)
        return ClassObjective(losses, self.classes_)

    def _foreground(self, output):
        return self._objective().foreground(scale_temperature(output, self.temperature_))

    def _to_mask(self, output):
        return self._objective().mask(output)

    def _to_probability(self, output):
        return self._objective().probability(scale_temperature(output, self.temperature_))

    def _to_uncertainty(self, output):
        return normalized_entropy(scale_temperature(output, self.temperature_))

    def _decode(self, labels):
        if self.target == "instances":
            return labels
        classes = self.classes_.astype(np.int64)  # unsigned ones have no -1
        return [np.where(label < 0, -1, classes[label]) for label in labels]


def _warn_of_masks(labels):
    """Warn of masks of 0 and 255, whose cells would be taken for one object."""
    found = any(label.max() == 255 for label in labels)
    if found and all(np.isin(label, (-1, 0, 255)).all() for label in labels):
        warnings.warn(
            "y holds 0 and 255 only: pixels of 255 are one object in each image. If they are "
            "masks, give 1 instead, so that their components are the objects.",
            stacklevel=4,
        )
