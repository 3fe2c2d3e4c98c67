"""`SimulatedRefiner`: simulated images that look real, and keep their labels."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np
import torch
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from ..base import TorchEstimator, transaction
from ..images import ImageStack, check_generator, check_images, check_lazy_images, is_lazy
from ..images.annotations import Annotations
from ..images.tensors import array_to_device
from ..simulation import CellSimulator, label_conditioning
from ..training import LoopSettings, last_network, random_numbers, starts_warm
from ..training.callbacks import with_progress
from . import monitor
from .adversarial import train_refiner
from .monitor import Monitor, warn_of_polarity
from .network import PatchDiscriminator, Refiner
from .patches import hold_out, patch_shape, random_patches, real_batches, simulated_pools
from .realism import spectrum_realism, structure_realism

_POOL = 256  # simulated images that are drawn once
_HALVINGS = {2: 3, 3: 2}  # of the discriminator
_MAPS = 3


class SimulatedRefiner(TorchEstimator):
    """Make simulated images more realistic, with unlabeled real images (refinement).

    First, the simulator is calibrated to the real images. Then a small network changes the
    simulated images until a discriminator cannot distinguish them from real ones [1]_. The labels
    control the network through spatially-adaptive modulation [2]_. Self-regularization keeps the
    labeled objects in place.

    Parameters
    ----------
    simulator : object, default=None
        Object with a method ``sample(n, random_state) -> (X, y)``, which draws images of one
        channel and their labels, and optionally ``calibrate(X, y)``. None is ``CellSimulator()``. A
        simulator that is already calibrated (it has `variants`) is not changed.
    spatial_ndim : {2, 3}, default=2
        Number of spatial axes of a sample: 2 for images, 3 for volumes.
    self_regularization : float, default=10.0
        Weight of the changes of blurred intensities and gradients in objects and on their outlines.
        With a higher weight, images stay closer to the simulation.
    width, depth : int, default=32 and 4
        Channels of the refiner and of the discriminator's first layer, and blocks of the refiner.
    max_steps, time_budget : int and float, default=None
        Training steps, and maximum time in seconds. If both are None, there are 1000 steps.
    learning_rate : float, default=4e-4
        Learning rate of the discriminator. That of the refiner is a quarter of it.
    batch_size : int, default=8
        Number of patches in a training step.
    patch_size : int or "auto", default="auto"
        Side of the training patches in pixels. "auto" is 128 in two and 32 in three dimensions, or
        the size of the smallest image if this is smaller.
    device, precision, random_state, warm_start, verbose
        See `SemiSupervisedSegmenter`.

    Attributes
    ----------
    simulator_ : object
        The calibrated simulator.
    network_ : Refiner
        The refiner on the CPU, in the last state in which labels were valid.
    n_channels_, patch_shape_ : int and tuple of int
    report_ : dict
        Quality of the refined images. ``spectrum_realism`` and ``structure_realism`` are 1 if
        logistic regression cannot distinguish patches of refined images from real ones, and 0 if it
        always can (classifier two-sample tests). The former uses histograms and power spectra,
        which noise without any cell may pass; the latter uses structure. Both are measured on a
        quarter of the images, on which no network was trained, or on a part of a single image.
        ``spectrum_realism_simulated`` and ``structure_realism_simulated`` are those of unrefined
        images. ``boundary_shift`` is the median shift of outlines in pixels, ``boundary_shift_95``
        its 95th percentile, and ``boundary_bias`` the median with a sign, positive if objects grew.
        ``survival`` is the share of objects that keep half of their contrast, ``hallucination`` the
        number of new objects in the background per labeled object.
    history_ : list of dict
        Rows with ``phase, step, time, adversarial, regularization, discriminator, learning_rate,
        spectrum_realism, structure_realism, boundary_shift, boundary_bias, survival``.

    See Also
    --------
    sskseg.simulation.CellSimulator : The default simulator.

    References
    ----------
    .. [1] Shrivastava et al. Learning from simulated and unsupervised images through adversarial
       training. CVPR 2017. :doi:`10.1109/CVPR.2017.241`
    .. [2] Park, Liu, Wang, Zhu. Semantic image synthesis with spatially-adaptive normalization.
       CVPR 2019. :doi:`10.1109/CVPR.2019.00244`

    Examples
    --------
    >>> from sskseg import SimulatedRefiner
    >>> from sskseg.datasets import make_cells
    >>> X, _ = make_cells(n_samples=4, shape=(64, 64), random_state=0)
    >>> refiner = SimulatedRefiner(width=8, depth=1, max_steps=3, batch_size=2, random_state=0)
    >>> refiner.fit(X).sample(2, random_state=0)[0].shape
    (2, 64, 64)
    """

    _kept = ("width", "depth")
    _fitted = {  # noqa: RUF012
        "n_channels_": "a count",
        "patch_shape_": "a shape",
        "simulator_": "an object",
        "report_": "a dict",
        "history_": "a list",
        "network_": "a network",
    }
    _parameter_constraints: dict = {  # noqa: RUF012 - scikit-learn's name and form
        **TorchEstimator._parameter_constraints,
        "simulator": [object],
        "spatial_ndim": [Interval(Integral, 2, 3, closed="both")],
        "self_regularization": [Interval(Real, 0, None, closed="left")],
        "width": [Interval(Integral, 1, None, closed="left")],
        "depth": [Interval(Integral, 1, 12, closed="both")],
        "patch_size": [Interval(Integral, 24, None, closed="left"), StrOptions({"auto"})],
    }

    def __init__(
        self, simulator: Any = None, *, spatial_ndim: int = 2, self_regularization: float = 10.0,
        width: int = 32, depth: int = 4, max_steps: int | None = None,
        time_budget: float | None = None, learning_rate: float = 4e-4, batch_size: int = 8,
        patch_size: int | str = "auto", device: str = "auto", precision: str = "auto",
        random_state: Any = None, warm_start: bool = False, verbose: bool = False,
    ):  # fmt: skip
        self.simulator = simulator
        self.spatial_ndim = spatial_ndim
        self.self_regularization = self_regularization
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
    def fit(self, X: Any, y: Any = None) -> SimulatedRefiner:
        """Calibrate the simulator, and train the refiner.

        Parameters
        ----------
        X : array-like of shape (n_samples, *spatial)
            Real images with one channel and values of about 0 to 1 (see `PercentileScaler`), a list
            of images of different sizes, or an `ImageStack`.
        y : array-like of int, default=None
            Label images. If there are labeled objects, they help to calibrate the simulator.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If an argument is invalid, or no cell is detected in the images.

        Warns
        -----
        UserWarning
            If simulated cells are bright and real ones dark, or the other way round. If training
            diverged or collapsed (refined images look less real than plain simulated ones), or
            moved the labeled objects; the refiner then keeps its last valid state. If no part of a
            single small image can be held out.
        """
        budget = self._budget()
        self._validate_params()
        images = self._planes(X)
        if all(image.min() == image.max() for image in images):
            raise ValueError("All images of X are constant: there is nothing to learn.")
        with transaction(self), self._session() as (rng, device, dtype):
            self.n_channels_ = 1
            self.patch_shape_ = patch_shape(images, self.patch_size, self.spatial_ndim)
            self.simulator_ = self._calibrated(images, y)
            pool, held_out_pool = simulated_pools(*self._simulated(int(rng.integers(2**31))))
            warn_of_polarity(pool, images)
            with random_numbers():
                is_warm = starts_warm(self)
                self.network_ = last_network(self) if is_warm else self._make_module("network_")
            training, held_out = hold_out(images, self.patch_shape_, rng)
            evaluation = Monitor(self, held_out_pool, held_out, budget)
            settings = LoopSettings(self.learning_rate, device, dtype, verbose=bool(self.verbose))
            refiner = self.network_.to(device).train()
            with random_numbers():
                discriminator = PatchDiscriminator(
                    width=self.width, n_layers=_HALVINGS[self.spatial_ndim], ndim=self.spatial_ndim
                ).to(device).train()  # fmt: skip
            kind = self.patch_shape_, self.batch_size, rng, device
            rows = train_refiner(
                refiner, discriminator, pool.batches(*kind), real_batches(training, *kind),
                budget, settings, weight=self.self_regularization, rng=rng, monitor=evaluation,
            )  # fmt: skip
            self.history_ = [{"phase": "refiner", **row} for row in rows]
            self.report_ = evaluation.finish()
            self.network_ = refiner.cpu().eval()
        return self

    def refine(self, X: Any, y: Any, *, random_state: Any = None) -> np.ndarray:
        """Make simulated images look real.

        Parameters
        ----------
        X : array-like of shape (n_samples, *spatial)
        y : array-like of int, shape (n_samples, *spatial)
            Their labels.
        random_state : int, RandomState, Generator or None, default=None
            Seed of the textures.

        Returns
        -------
        ndarray of float32, shape (n_samples, *spatial)
        """
        check_is_fitted(self)
        planes = self._planes(X)
        labels = Annotations(y, [plane[..., None] for plane in planes]).label_images
        shapes = {plane.shape for plane in planes}
        if len(shapes) > 1:
            raise ValueError(f"X must hold images of one shape, got {sorted(shapes)}.")
        return self._refine(planes, map(label_conditioning, labels), check_generator(random_state))

    def sample(self, n: int, random_state: Any = None) -> tuple[np.ndarray, np.ndarray]:
        """Draw refined images with their labels.

        Parameters
        ----------
        n : int
        random_state : int, RandomState, Generator or None, default=None

        Returns
        -------
        X : ndarray of float32, shape (n, *spatial)
        y : ndarray of int32, shape (n, *spatial)
        """
        check_is_fitted(self)
        rng = check_generator(random_state)
        X, y = self.simulator_.sample(n, rng)
        return self.refine(X, y, random_state=rng), y

    @available_if(lambda self: hasattr(self.simulator_, "sample_contours"))
    def sample_contours(
        self, n: int, random_state: Any = None
    ) -> tuple[np.ndarray, np.ndarray, list[list[np.ndarray]]]:
        """Draw refined images with their labels and the outlines of whole objects.

        Parameters
        ----------
        n : int
        random_state : int, RandomState, Generator or None, default=None

        Returns
        -------
        X, y
            As `sample` gives them.
        contours : list of list of ndarray of shape (k, 2)
            As the simulator gives them.
        """
        check_is_fitted(self)
        rng = check_generator(random_state)
        X, y, contours = self.simulator_.sample_contours(n, rng)
        return self.refine(X, y, random_state=rng), y, contours

    def predict(self, y: Any) -> np.ndarray:
        """Draw realistic images of given labels.

        Parameters
        ----------
        y : array-like of int, shape (n_samples, *spatial)

        Returns
        -------
        ndarray of float32, shape (n_samples, *spatial)

        Raises
        ------
        ValueError
            If the simulator cannot draw given labels (it has no ``render``).
        """
        check_is_fitted(self)
        if not hasattr(self.simulator_, "render"):
            raise ValueError(
                f"predict needs a simulator with render(labels, random_state), got "
                f"{type(self.simulator_).__name__}."
            )
        if not isinstance(y, (np.ndarray, list, tuple)):
            raise ValueError(
                f"y must be an array or a list of label images, got {type(y).__name__}."
            )
        rng = check_generator(self.random_state)
        images = np.stack([self.simulator_.render(np.asarray(label), rng) for label in y])
        return self.refine(images, y, random_state=rng)

    def transform(self, X: Any) -> ImageStack:
        """Return the images, with this refiner as their simulator.

        Parameters
        ----------
        X : array-like
            Images, which are not changed; a dask array stays one.

        Returns
        -------
        ImageStack
        """
        check_is_fitted(self)
        check = check_lazy_images if is_lazy(X) else check_images
        check(X, self.spatial_ndim, n_channels=1)
        return ImageStack(X, simulator=self, spatial_ndim=self.spatial_ndim)

    def score(self, X: Any, y: Any = None) -> float:
        """Compute the realism: 1 if refined images cannot be distinguished, 0 if they always are.

        The smaller one of the realism of histogram and spectrum and that of structure, see
        `sskseg.refinement.spectrum_realism` and `sskseg.refinement.structure_realism`.

        Parameters
        ----------
        X : array-like
            Real images, as in `fit`, but others.
        y : object, default=None
            Ignored.

        Returns
        -------
        float
        """
        check_is_fitted(self)
        images = self._planes(X)
        rng = check_generator(self.random_state)
        real = random_patches(images, self.patch_shape_, rng)
        drawn, _ = self.sample(monitor.N_PATCHES // 2, rng)
        made = random_patches(list(drawn), self.patch_shape_, rng)
        samples = [[next(patches) for _ in range(monitor.N_PATCHES)] for patches in (real, made)]
        return min(spectrum_realism(*samples), structure_realism(*samples))

    def _planes(self, X):
        """Images without their channel axis."""
        images = check_images(X, self.spatial_ndim, n_channels=1)
        return [image[..., 0].astype(np.float32) for image in images]

    def _refine(self, planes, conditioning, rng):
        """Refined images, one after the other, on the device of the network."""
        refined = []
        self.network_.eval()
        device = next(self.network_.parameters()).device
        with torch.inference_mode():
            for plane, condition in zip(planes, conditioning, strict=True):
                noise = rng.standard_normal((1, 1, *plane.shape), dtype=np.float32)
                plane, condition = plane[None, None], condition[None]
                given = (array_to_device(each, device) for each in (plane, condition, noise))
                refined.append(self.network_(*given)[0, 0].cpu().numpy())
        return np.stack(refined)

    def _simulated(self, seed):
        """Images and labels of the simulator, of one channel and large enough."""
        X, y = self.simulator_.sample(_POOL, seed)
        images = check_images(X, self.spatial_ndim, n_channels=1, name="X of simulator.sample")
        Annotations(y, images, name="y of simulator.sample")
        shapes = {image.shape[:-1] for image in images}
        if len(shapes) > 1 or min(min(shapes)) < self.patch_shape_[0]:
            raise ValueError(
                f"simulator must draw images of one shape, of at least {self.patch_shape_} pixels, "
                f"got {sorted(shapes)}."
            )
        return np.stack([image[..., 0] for image in images]), y

    def _calibrated(self, images, y):
        simulator = self.simulator
        if simulator is None:
            simulator = CellSimulator(shape=self.patch_shape_)
        if not hasattr(simulator, "sample"):
            raise ValueError(
                f"simulator must have sample(n, random_state) -> (X, y), got {simulator!r}."
            )
        if not hasattr(simulator, "calibrate") or getattr(simulator, "variants", None):
            return simulator
        if y is not None:
            known = Annotations(y, [image[..., None] for image in images]).label_images
            indices = [i for i, label in enumerate(known) if (label > 0).any()]
            if indices:
                return simulator.calibrate(
                    [images[i] for i in indices], [known[i] for i in indices]
                )
        return simulator.calibrate(images)

    def _make_module(self, name):
        return Refiner(_MAPS, width=self.width, n_blocks=self.depth, ndim=self.spatial_ndim)
