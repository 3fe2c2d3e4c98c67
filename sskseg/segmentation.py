"""`SemiSupervisedSegmenter`: foreground from few labels."""

import warnings
from numbers import Integral, Real

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from ._dense import DenseEstimator, network_margin
from .images import (
    ImageStack,
    PatchSampler,
    check_labelled,
    check_labels,
    check_positions,
    check_sample_weight,
)
from .images.augment import Augmentation, check_augmentation
from .metrics import dice
from .training import (
    LOSSES,
    TILINGS,
    ClassObjective,
    ForegroundObjective,
    PatchBatches,
    round_up,
)

_PATCH = {2: 256, 3: 64}
_FEWEST_TO_HOLD_OUT = 5


class SemiSupervisedSegmenter(DenseEstimator):
    """Segment images with a network that learns from few labels.

    Parameters
    ----------
    network : str, callable or torch.nn.Module, default="unet-shuffle"
        A name that `sskseg.nn.make_network` knows: "unet-shuffle", "unet", "unet-valid",
        "unet-lite" or "dmcn". Or a callable ``(in_channels, out_channels, *, width, depth, ndim) ->
        torch.nn.Module``, or a module, which is copied. A module of your own may tell its
        ``stride`` and ``reach`` (tuples, pixels, see `sskseg.nn.UNet`); without them it is run on
        whole images. Where its output lacks a margin it tells ``margin``, ``legal_size`` and
        ``check_size`` too. In training it may return a tuple, what follows the first being outputs
        of auxiliary heads, which are trained with a weight that decays from 1 to 0.001.
    semi_supervision : None, default=None
        How unlabelled images are learnt from.
    spatial_ndim : {2, 3}, default=2
        Spatial axes of one sample.
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
        objects [1]_; 0 turns it off. See `sskseg.morphology.weight_map`. The weights of a batch's
        background are divided by their mean, so that its share of the loss, and with it the
        meaning of a probability of 0.5, stays what it is without them.
    width, depth : int, default=32 and 3
        Channels of the network's first level, and number of poolings.
    max_steps : int, default=None
        Training steps; None is 1000, or no limit where `time_budget` is given.
    time_budget : float, default=None
        Seconds that `fit` may take; the learning-rate schedule is complete when it ends.
    learning_rate : float, default=2e-3
    batch_size : int, default=8
    patch_size : int, tuple of int or "auto", default="auto"
        Side of the training patches in pixels; "auto" is 256 in the plane and 64 in a volume, or
        the size of the smallest image. For a network with valid padding the size of its input,
        of which only the middle is learnt; "auto" then adds the margin on both sides.
    augmentation : {"full", "dihedral"}, dict, Augmentation or None, default="full"
        See `sskseg.images.augment.Augmentation`; a dict changes fields of "full".
    validation_fraction : float in [0, 1), default=0.1
        Share of the labelled samples that is held out to choose the best weights; whole samples
        only, and a contiguous block of consecutive sections. Fewer than 5 labelled samples are all
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
        Average predictions over flips and quarter turns: slower by 8 (16 in volumes).
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
        ``step, time, loss, learning_rate`` and perhaps ``validation_score`` (Dice).
    validation_rows_ : ndarray of int
        The samples that were held out.
    patch_shape_ : tuple of int
        Size of the training patches.

    See Also
    --------
    InstanceCounter : Splits what `transform` returns into objects.

    References
    ----------
    .. [1] Ronneberger, Fischer, Brox. U-Net. MICCAI 2015. :doi:`10.1007/978-3-319-24574-4_28`

    Examples
    --------
    >>> from sskseg import SemiSupervisedSegmenter
    >>> from sskseg.datasets import make_cells
    >>> X, y = make_cells(n_samples=4, shape=(64, 64), random_state=0)
    >>> segmenter = SemiSupervisedSegmenter(width=8, depth=2, max_steps=30, random_state=0)
    >>> segmenter.fit(X, y).predict(X).shape
    (4, 64, 64)
    """

    _parameter_constraints: dict = {  # noqa: RUF012
        **DenseEstimator._parameter_constraints,
        "network": [str, callable],
        "semi_supervision": [None],
        "spatial_ndim": [Interval(Integral, 2, 3, closed="both")],
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
    }

    def __init__(
        self, network="unet-shuffle", *, semi_supervision=None, spatial_ndim=2,
        target="instances", sections="independent", section_context=2, loss="auto",
        border_weight=10.0, border_sigma=5.0, width=32, depth=3, max_steps=None, time_budget=None,
        learning_rate=2e-3, batch_size=8, patch_size="auto", augmentation="full",
        validation_fraction=0.1, patience=None, tiling="overlap-tile",
        test_time_augmentation=False, device="auto", precision="auto", random_state=None,
        warm_start=False, verbose=False,
    ):  # fmt: skip
        self.network = network
        self.semi_supervision = semi_supervision
        self.spatial_ndim = spatial_ndim
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
        self.device = device
        self.precision = precision
        self.random_state = random_state
        self.warm_start = warm_start
        self.verbose = verbose

    def fit(self, X, y, *, positions=None, sample_weight=None):
        """Learn from the labelled pixels.

        Parameters
        ----------
        X : array-like of shape (n_samples, *spatial) or (n_samples, *spatial, n_channels)
            Or a list of images of different sizes, or an `ImageStack`.
        y : array-like of int, shape (n_samples, *spatial)
            -1 unlabelled, 0 background, > 0 object or class. A list may hold None for an
            unlabelled sample.
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
        labels = check_labels(y, images)
        weight = check_sample_weight(sample_weight, len(images))
        positions = check_positions(positions, len(images))
        rows = self._rows(positions, len(images))
        labelled = check_labelled(labels)
        labels = self._encode(labels, labelled)
        with self._session() as (rng, device, dtype):
            train, self.validation_rows_ = self._split(labelled, positions, rng)
            network = self._prepare(images)
            self.patch_shape_ = self._patch_shape(images, network)
            weight[~np.isin(np.arange(len(images)), train)] = 0
            batches = self._batches(images, labels, rows, weight, network, rng, device)
            self.network_ = self._optimize(
                network.to(device), batches, self._objective().loss, budget, device, dtype,
                validate=self._validator(images, labels, rows, device, dtype),
            )  # fmt: skip
        return self

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
        return X.with_images(foreground) if isinstance(X, ImageStack) else foreground

    def score(self, X, y, *, positions=None):
        """Mean Dice coefficient of the foreground over the samples that have labels.

        Parameters
        ----------
        X : array-like
            As in `predict`.
        y : array-like of int
            As in `fit`; pixels of -1 are left out.
        positions : array-like of int, shape (n_samples,), default=None
            As in `fit`.

        Returns
        -------
        float

        Raises
        ------
        ValueError
            If nothing is labelled.
        """
        check_is_fitted(self)
        images = self._check_images(X, self.n_channels_)
        labels = check_labels(y, images)
        labelled = check_labelled(labels)
        rows = self._rows(positions, len(images))[labelled]
        with self._session() as (_, device, dtype):
            return self._mean_dice(self.network_, images, labels, rows, labelled, device, dtype)

    # How `fit` goes about it

    def _encode(self, labels, labelled):
        """Labels as the loss wants them: classes by their index."""
        if self.target == "instances":
            _warn_of_masks([labels[i] for i in labelled])
            return labels
        classes = np.unique(np.concatenate([np.unique(labels[i]) for i in labelled]))
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

    def _split(self, labelled, positions, rng):
        """Rows to train on and rows to hold out."""
        n_held = round(self.validation_fraction * len(labelled))
        if self.validation_fraction > 0:
            n_held = max(1, n_held)
        if len(labelled) < _FEWEST_TO_HOLD_OUT or n_held == 0:
            return labelled, np.empty(0, np.intp)
        if self.sections == "consecutive":
            # One block at the end: held-out sections have a training neighbor on one side only.
            order = labelled[np.argsort(positions[labelled])]
        else:
            order = rng.permutation(labelled)
        return np.sort(order[:-n_held]), np.sort(order[-n_held:])

    def _batches(self, images, labels, rows, weight, network, rng, device):
        objective = self._objective()
        labels, maps = objective.prepare(labels, weight > 0)
        margin = network_margin(network, self.spatial_ndim)
        middle = tuple(s - 2 * m for s, m in zip(self.patch_shape_, margin, strict=True))
        return PatchBatches(
            images, labels, maps, rows=rows, sampler=PatchSampler(labels, middle, weights=weight),
            augmentation=check_augmentation(self.augmentation), mean=self.channel_mean_,
            std=self.channel_std_, batch_size=self.batch_size, rng=rng, device=device,
            margin=margin, weigh=objective.weigh,
        )  # fmt: skip

    def _patch_shape(self, images, network):
        """Size of the network's input in training."""
        stride, margin = self._tiles(network).stride, network_margin(network, self.spatial_ndim)
        if self.patch_size != "auto":
            sides = np.atleast_1d(self.patch_size)
            if sides.shape not in ((1,), (self.spatial_ndim,)) or sides.min() < 8:
                raise ValueError(
                    f"patch_size must be 'auto', an integer or {self.spatial_ndim} integers, of at "
                    f"least 8, got {self.patch_size!r}."
                )
            shape = tuple(int(side) for side in np.broadcast_to(sides, self.spatial_ndim))
            if any(margin):
                network.check_size(shape)
            return shape
        smallest = np.min([image.shape[:-1] for image in images], axis=0)
        most = _PATCH[self.spatial_ndim]
        if any(margin):
            sides = zip(smallest, margin, strict=True)
            return tuple(network.legal_size(min(most, int(size)) + 2 * m) for size, m in sides)
        return tuple(
            min(most, round_up(int(size), step))
            for size, step in zip(smallest, stride, strict=True)
        )

    def _validator(self, images, labels, rows, device, dtype):
        held = self.validation_rows_
        if held.size == 0:
            return None

        def validate(network):
            return self._mean_dice(network, images, labels, rows[held], held, device, dtype)

        return validate

    def _mean_dice(self, network, images, labels, rows, samples, device, dtype):
        outputs = self._outputs(network, images, rows, device, dtype)
        scores = [
            dice(np.sign(labels[i]), self._foreground(output) > 0.5)
            for i, output in zip(samples, outputs, strict=True)
        ]
        return float(np.mean(scores))

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

    def _n_outputs(self):
        return self._objective().n_outputs

    def _activate(self, logits):
        return self._objective().activate(logits)

    def _foreground(self, output):
        return self._objective().foreground(output)

    def _to_mask(self, output):
        return self._objective().mask(output)

    def _to_probability(self, output):
        return self._objective().probability(output)


def _warn_of_masks(labels):
    """Warn of masks of 0 and 255, whose cells would be taken for one object."""
    found = any(label.max() == 255 for label in labels)
    if found and all(np.isin(label, (-1, 0, 255)).all() for label in labels):
        warnings.warn(
            "y holds 0 and 255 only: pixels of 255 are one object in each image. If they are "
            "masks, give 1 instead, so that their components are the objects.",
            stacklevel=4,
        )
