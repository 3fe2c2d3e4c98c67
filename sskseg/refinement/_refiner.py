"""`SimulatedRefiner`: simulated images that look real, and keep their labels."""

import copy
import warnings
from numbers import Integral, Real

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from ..base import TorchEstimator
from ..images import (
    ImageStack,
    check_generator,
    check_images,
    check_lazy_images,
    is_lazy,
)
from ..images.annotations import Annotations
from ..proxies import probe_features
from ..simulation import (
    CellSimulator,
    boundary_shifts,
    find_polarity,
    hallucinated,
    label_conditioning,
    surviving,
)
from ..training import LoopSettings
from .adversarial import train_refiner
from .network import PatchDiscriminator, Refiner

_POOL = 256  # simulated images that are drawn once
_JUDGED = 16  # of them, that annotations are looked at on
_PATCHES = 64  # of real and of refined images, for the realism
_SIDE = {2: (48, 128), 3: (24, 32)}  # of patches: the least, and what "auto" takes
_HALVINGS = {2: 3, 3: 2}  # of the discriminator
_MAPS = 3
_SHIFT, _SURVIVAL = 1.0, 0.97  # what annotations must keep to
_PATIENCE = 4  # reports without more realism
_COLLAPSED = 0.5, 0.1  # of the realism of plain simulated images; and as much below it


class SimulatedRefiner(TorchEstimator):
    """Refine simulated images with unlabeled real ones (simulated and unsupervised learning).

    The simulator is calibrated to the real images; a small network, told by the labels what is
    where (spatially-adaptive modulation [2]_), then changes its images until a discriminator cannot
    tell them from real ones, kept by self-regularization from moving what is labeled [1]_.

    Parameters
    ----------
    simulator : object, default=None
        Has ``sample(n, random_state) -> (X, y)``, one channel, and perhaps ``calibrate(X, y)``.
        None is ``CellSimulator()``; one that is calibrated already (`variants`) stays as it is.
    spatial_ndim : {2, 3}, default=2
        Of the images.
    self_regularization : float, default=10.0
        Weight of the changes of blurred intensities and of gradients in objects and on outlines.
    width : int, default=32
        Channels of the refiner and of the discriminator's first layer.
    depth : int, default=4
        Blocks of the refiner.
    max_steps : int, default=None
        None is 1000, or no limit where `time_budget` is given.
    time_budget : float, default=None
        Seconds.
    learning_rate : float, default=4e-4
        Of the discriminator; the refiner's is a quarter of it.
    batch_size : int, default=8
    patch_size : int or "auto", default="auto"
        "auto" is 128, in three dimensions 32, or the size of the smallest image.
    device, precision, random_state, warm_start, verbose
        As for `SemiSupervisedSegmenter`.

    Attributes
    ----------
    simulator_ : object
        Calibrated.
    network_ : Refiner
        On the CPU, in the last state that kept the annotations.
    n_channels_ : int
        1.
    patch_shape_ : tuple of int
    report_ : dict
        ``realism`` and ``realism_simulated``: of refined and of plain simulated images, 1 where
        logistic regression on histogram and spectrum does not tell patches from real ones, 0 where
        it always does (a classifier two-sample test). ``boundary_shift`` (median, pixels),
        ``boundary_shift_95`` and ``boundary_bias`` (median, positive where objects grew),
        ``survival`` (share of objects that keep half of their contrast) and ``hallucination`` (new
        objects in the background, by those that are labeled).
    history_ : list of dict
        ``phase, step, time, adversarial, regularization, discriminator, realism, boundary_shift,
        boundary_bias, survival``.

    See Also
    --------
    sskseg.simulation.CellSimulator : What is refined.

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
        "depth": [Interval(Integral, 1, 12, closed="both")],
        "patch_size": [Interval(Integral, 24, None, closed="left"), StrOptions({"auto"})],
    }

    def __init__(
        self, simulator=None, *, spatial_ndim=2, self_regularization=10.0, width=32, depth=4,
        max_steps=None, time_budget=None, learning_rate=4e-4, batch_size=8, patch_size="auto",
        device="auto", precision="auto", random_state=None, warm_start=False, verbose=False,
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

    def fit(self, X, y=None):
        """Calibrate the simulator and learn what real images look like.

        Parameters
        ----------
        X : array-like of shape (n_samples, *spatial)
            Real images of one channel, about 0 to 1 (see `PercentileScaler`); a list where sizes
            differ, or an `ImageStack`.
        y : array-like of int, default=None
            Label images; those with labeled objects help to calibrate. Not needed.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For input that breaks the contract, or images in which no cell is found.

        Warns
        -----
        UserWarning
            If simulated cells are bright where real ones look dark, or the other way round; if
            training diverged, collapsed (refined images look less real than plain simulated ones)
            or damaged annotations, and the last good state is kept.
        """
        budget = self._budget()
        self._validate_params()
        images = self._planes(X)
        if all(image.min() == image.max() for image in images):
            raise ValueError("All images of X are constant: there is nothing to learn.")
        self.n_channels_ = 1
        self.patch_shape_ = self._patch_shape(images)
        with self._session() as (rng, device, dtype):
            self.simulator_ = self._calibrated(images, y)
            pool = _Pool(*self._simulated(int(rng.integers(2**31))))
            _warn_of_polarity(pool, images)
            is_new = not (self.warm_start and hasattr(self, "network_"))
            self.network_ = self._make_module("network_") if is_new else self.network_
            real = _real_patches(images, self.patch_shape_, rng)
            watch = _Watch(self, pool, [next(real) for _ in range(_PATCHES)])
            settings = LoopSettings(self.learning_rate, device, dtype, verbose=bool(self.verbose))
            refiner = self.network_.to(device).train()
            discriminator = PatchDiscriminator(
                width=self.width, n_layers=_HALVINGS[self.spatial_ndim], ndim=self.spatial_ndim
            ).to(device).train()  # fmt: skip
            shape, size = self.patch_shape_, self.batch_size
            rows = train_refiner(
                refiner, discriminator, pool.batches(shape, size, rng, device),
                _batched(real, size, device), budget, settings,
                weight=self.self_regularization, rng=rng, watch=watch,
            )  # fmt: skip
            self.history_ = [{"phase": "refiner", **row} for row in rows]
            self.report_ = watch.finish()
            self.network_ = refiner.cpu().eval()
        return self

    def refine(self, X, y, *, random_state=None):
        """Make simulated images look real.

        Parameters
        ----------
        X : array-like of shape (n_samples, *spatial)
        y : array-like of int, shape (n_samples, *spatial)
            Their labels.
        random_state : int, RandomState, Generator or None, default=None
            Of the textures.

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

    def sample(self, n, random_state=None):
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
    def sample_contours(self, n, random_state=None):
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

    def predict(self, y):
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

    def transform(self, X):
        """Hand the images on, with this refiner as the simulator.

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
        return ImageStack(X, simulator=self)

    def score(self, X, y=None):
        """Realism: 1 where refined images are not told from real ones, 0 where they always are.

        Parameters
        ----------
        X : array-like
            Real images, as in `fit`.
        y : object, default=None
            Not looked at.

        Returns
        -------
        float
        """
        check_is_fitted(self)
        images = self._planes(X)
        rng = check_generator(self.random_state)
        real = _real_patches(images, self.patch_shape_, rng)
        drawn, _ = self.sample(_PATCHES // 2, rng)
        made = _real_patches(list(drawn), self.patch_shape_, rng)
        return realism([next(real) for _ in range(_PATCHES)], [next(made) for _ in range(_PATCHES)])

    def _planes(self, X):
        """Images without their channel axis."""
        images = check_images(X, self.spatial_ndim, n_channels=1)
        return [image[..., 0].astype(np.float32) for image in images]

    def _refine(self, planes, maps, rng):
        """Refined images, one after the other."""
        refined = []
        self.network_.eval()
        with torch.inference_mode():
            for plane, told in zip(planes, maps, strict=True):
                plane = torch.from_numpy(plane)[None, None]
                noise = torch.from_numpy(rng.standard_normal(plane.shape, dtype=np.float32))
                told = torch.from_numpy(told)[None]
                refined.append(self.network_(plane, told, noise)[0, 0].numpy())
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
        if not hasattr(simulator, "calibrate") or getattr(simulator, "variants", ()):
            return simulator
        if y is not None:
            known = Annotations(y, [image[..., None] for image in images]).label_images
            rows = [i for i, label in enumerate(known) if (label > 0).any()]
            if rows:
                return simulator.calibrate([images[i] for i in rows], [known[i] for i in rows])
        return simulator.calibrate(images)

    def _make_module(self, name):
        return Refiner(_MAPS, width=self.width, n_blocks=self.depth, ndim=self.spatial_ndim)

    def _patch_shape(self, images):
        sizes = [min(image.shape) for image in images]
        least, usual = _SIDE[self.spatial_ndim]
        side = min(usual, *sizes) if self.patch_size == "auto" else int(self.patch_size)
        if self.patch_size != "auto" and side < least:
            raise ValueError(
                f"patch_size must be at least {least} in {self.spatial_ndim} dimensions, got "
                f"{side}."
            )
        least, i = max(side, least), int(np.argmin(sizes))
        if sizes[i] < least:
            raise ValueError(
                f"X[{i}] must be at least {least} pixels wide, got shape {images[i].shape}."
            )
        return (side,) * self.spatial_ndim


class _Pool:
    """Simulated images with what the refiner is told of them."""

    def __init__(self, X, y):
        self.X, self.y = np.asarray(X, np.float32), np.asarray(y)
        self.maps = np.stack([label_conditioning(label) for label in self.y])

    def batches(self, shape, size, rng, device):
        """Endless (images, maps), flipped and turned."""
        both = np.concatenate([self.X[:, None], self.maps], axis=1)
        while True:
            rows = rng.integers(len(both), size=size)
            batch = np.stack([_crop(both[i], shape, rng) for i in rows])
            batch = torch.from_numpy(batch).to(device)
            yield batch[:, :1], batch[:, 1:]


class _Watch:
    """Looks at realism and annotations, and keeps the last good state."""

    def __init__(self, estimator, pool, real):
        self.estimator, self.real = estimator, real
        self.pool = pool
        self.good = copy.deepcopy(estimator.network_.state_dict())
        self.simulated = self._realism(pool.X[:_PATCHES])
        self.best, self.since = -1.0, 0

    def __call__(self, progress):
        found = self._look()
        if not self._faults(found):
            self.good = copy.deepcopy(self.estimator.network_.state_dict())
        better = found["realism"] > self.best + 0.01
        self.best, self.since = max(self.best, found["realism"]), 0 if better else self.since + 1
        keys = ("realism", "boundary_shift", "boundary_bias", "survival")
        stop = progress > 0.5 and self.since >= _PATIENCE
        return {key: found[key] for key in keys}, stop

    def finish(self):
        """The report of the state that is kept."""
        network = self.estimator.network_
        if not all(weights.isfinite().all() for weights in network.state_dict().values()):
            network.load_state_dict(self.good)  # it diverged, of which the loop has told
        last = self._look()
        faults = self._faults(last)
        if faults:
            warnings.warn(f"{' '.join(faults)} The last state that was good is kept.", stacklevel=3)
            network.load_state_dict(self.good)
            last = self._look()
        return {**last, "realism_simulated": self.simulated}

    def _faults(self, found):
        """What is wrong with a state, and what to change."""
        faults = []
        if found["boundary_shift"] > _SHIFT or found["survival"] < _SURVIVAL:
            faults.append(
                f"The refiner moves outlines by {found['boundary_shift']:.1f} pixels and keeps "
                f"{found['survival']:.2f} of the objects: raise self_regularization (now "
                f"{self.estimator.self_regularization:g})."
            )
        share, gap = _COLLAPSED
        if found["realism"] < min(share * self.simulated, self.simulated - gap):
            faults.append(
                f"Refining collapsed: refined images have a realism of {found['realism']:.2f}, "
                f"plain simulated ones {self.simulated:.2f}. Lower learning_rate (now "
                f"{self.estimator.learning_rate:g}) or raise self_regularization."
            )
        return faults

    def _look(self):
        network = self.estimator.network_
        device = next(network.parameters()).device
        network.cpu()
        refined = self.estimator._refine(
            self.pool.X[:_PATCHES], self.pool.maps[:_PATCHES], np.random.default_rng(0)
        )
        judged = slice(_JUDGED)
        both = list(zip(self.pool.X[judged], refined[judged], self.pool.y[judged], strict=True))
        shifts = np.concatenate([[0.0], *(boundary_shifts(*each) for each in both)])
        alive = np.concatenate([surviving(*each) for each in both])
        new = sum(hallucinated(*each) for each in both)
        network.to(device).train()
        return {
            "realism": self._realism(refined),
            "boundary_shift": float(np.median(np.abs(shifts))),
            "boundary_shift_95": float(np.percentile(np.abs(shifts), 95)),
            "boundary_bias": float(np.median(shifts)),
            "survival": float(alive.mean()) if len(alive) else 1.0,
            "hallucination": new / max(len(alive), 1),
        }

    def _realism(self, images):
        rng = np.random.default_rng(0)
        made = _real_patches(list(images), self.estimator.patch_shape_, rng)
        return realism(self.real, [next(made) for _ in range(len(self.real))])


def _warn_of_polarity(pool, images):
    """Are simulated cells bright where real ones are dark?"""
    labeled = [(x, y) for x, y in zip(pool.X, pool.y) if (y > 0).any() and (y == 0).any()]
    rises = [np.median(x[y > 0]) > np.median(x[y == 0]) for x, y in labeled[:_JUDGED]]
    if not rises:
        return
    made = "bright" if np.mean(rises) > 0.5 else "dark"
    votes = find_polarity(images[:_PATCHES])
    if votes[made] < 0.5 * sum(votes.values()):
        warnings.warn(
            f"Simulated cells are {made}, and real ones look the other way round in "
            f"{sum(votes.values()) - votes[made]} of {sum(votes.values())} images: exchange "
            "foreground and background of the simulator, or leave it to be calibrated.",
            stacklevel=3,
        )


def realism(real, made):
    """Classifier two-sample test of patches: 1 for chance, 0 for a classifier without error.

    Parameters
    ----------
    real, made : sequence of ndarray of one shape

    Returns
    -------
    float
        ``2 * (1 - balanced accuracy)``, at most 1, of cross-validated logistic regression on
        histogram and power spectrum.
    """
    patches = np.stack([*real, *made])
    # In units of the real patches, so that level and contrast count.
    low, high = np.mean(np.stack(real)), max(float(np.std(np.stack(real))), 1e-9)
    features = probe_features((patches - low) / high)
    answers = np.repeat([0, 1], [len(real), len(made)])
    judge = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=2000))
    order = np.random.default_rng(0).permutation(len(answers))
    found = cross_val_score(judge, features[order], answers[order], cv=5,
                            scoring="balanced_accuracy")  # fmt: skip
    return float(min(1.0, 2 * (1 - found.mean())))


def _real_patches(images, shape, rng):
    """Endless patches, flipped and turned."""
    while True:
        yield _crop(images[int(rng.integers(len(images)))], shape, rng)


def _crop(array, shape, rng):
    """A patch of the last axes from anywhere, flipped and turned in the last two."""
    ndim = len(shape)
    sizes = zip(array.shape[-ndim:], shape, strict=True)
    start = [int(rng.integers(n - s + 1)) for n, s in sizes]
    array = array[(..., *(slice(a, a + s) for a, s in zip(start, shape, strict=True)))]
    array = np.rot90(array, int(rng.integers(4)), axes=(-2, -1))
    array = np.flip(array, [axis for axis in range(-ndim, 0) if axis != -2 and rng.random() < 0.5])
    return np.ascontiguousarray(array)


def _batched(patches, size, device):
    while True:
        batch = np.stack([next(patches) for _ in range(size)])[:, None]
        yield torch.from_numpy(batch).to(device)
