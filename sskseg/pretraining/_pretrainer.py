"""`ProxyPretrainer`: pretrain a backbone without labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted

from ..base import TorchEstimator, transaction
from ..images import (
    ImageStack,
    check_channel_axis,
    check_images,
    check_lazy_images,
    child_generator,
    is_lazy,
    like_input,
)
from ..inference import Compute, DensePredictor, tile_settings
from ..nn import Backbone, ProxyNetwork, make_feature_network, network_size
from ..proxies import Proxy, guard, make_proxy, standardize
from ..training import as_fitted, check_batch, last_network, random_numbers, starts_warm
from ..training.callbacks import with_progress
from ._training_data import (
    check_channels,
    check_field,
    choose_patch_shape,
    hold_out,
    read_pretraining_data,
)
from .batches import proxy_loss
from .dense import ClassScores, DenseFeatures
from .device_batches import proxy_batches_on
from .scores import draw_batches, predict_classes, score_proxies, true_classes
from .shortcuts import probe_proxies, warn_of_shortcuts

_CROPS = 400  # on which the proxies and the probe are evaluated


class ProxyPretrainer(TorchEstimator):
    """Pretrain a network on pretext tasks that need no labels.

    Encoder and decoder are trained. `transform` returns an `ImageStack` with the images and the
    pretrained network. In a pipeline, a segmenter starts from this network. All tasks are trained
    together, on patches of one channel.

    Parameters
    ----------
    proxies : str, Proxy, or a tuple of these, default=("magnification", "channel")
        Pretext tasks. Names are "magnification", "channel", "rotation", "restoration", "masked" and
        "simulation", see `sskseg.proxies`. You can also pass objects of a class of your own.
    network : str or callable, default="unet-shuffle"
        Architecture of the network, see `SemiSupervisedSegmenter`. It needs decoder features and
        same padding: "unet-shuffle", "unet" or "unet-lite".
    spatial_ndim : {2, 3}, default=2
        Number of spatial axes of a sample: 2 for images, 3 for volumes.
    guards : bool, default=True
        Whether to remove cues that make the tasks too easy (shortcuts). Brightness, contrast and
        gamma of patches are changed at random, and if scans or magnifications differ, also
        sharpness and noise. See `sskseg.proxies.guard`.
    width, depth : int, default=None
        Number of channels in the first level of the network, and number of poolings. None is the
        default of the network, 16 and 4 for "unet-shuffle" (see `sskseg.nn.make_network`).
    max_steps : int, default=None
        Number of training steps. None is 1000 without a `time_budget`, and unlimited with one.
    time_budget : float, default=None
        Maximum training time in seconds. The learning-rate schedule is complete at its end.
    learning_rate : float, default=5e-3
        Maximum of the learning-rate schedule.
    batch_size : int, default=16
        Number of patches in a training step.
    patch_size : int, tuple of int or "auto", default="auto"
        Side of the patches in pixels, rounded up to a multiple of the stride of the network. "auto"
        is 128 in two and 32 in three dimensions, or less if the smallest image is smaller. If
        magnifications are unknown, images must be several times as large as patches.
    validation_fraction : float in [0, 1), default=0.1
        Share of the images of each domain that is held out for `report_`: the last images, at least
        one. The image before them is not used for training either, because images may be
        neighboring sections. If a domain has fewer than four images, none is held out. `report_`
        then evaluates other crops of the training images.
    device : str, default="auto"
        Device of training and prediction. "auto" is the GPU if there is one.
    precision : {"auto", "float32", "bfloat16"}, default="auto"
        Number format of the network. "auto" is bfloat16 if the hardware computes it natively.
    random_state : int, RandomState, Generator or None, default=None
        Seed. The same seed, `max_steps` and number of threads give bit-identical results on the
        same machine (CPU).
    warm_start : bool, default=False
        Whether to start from the network of the last `fit`.
    verbose : bool, default=False
        Whether to show a progress bar.

    Attributes
    ----------
    network_ : ProxyNetwork
        The trained network, on the CPU.
    classes_ : dict of str to list
        The classes of each proxy that has classes.
    n_channels_ : int
    patch_shape_ : tuple of int
    validation_indices_ : ndarray of int
        Indices of the images that were held out.
    report_ : dict of str to dict
        The scores of each proxy on held-out images. ``network`` is the balanced accuracy on crops
        (for a proxy that restores images, the explained share of the variance). A proxy with
        classes also has ``chance``, and ``probe``: the balanced accuracy of a logistic regression
        on histograms and power spectra of the same patches. If the probe reaches 0.4 of the way
        from chance to a perfect score, the task has a shortcut, and `fit` warns.
    history_ : list of dict
        ``phase, step, time, loss, learning_rate``.

    See Also
    --------
    SemiSupervisedSegmenter : Starts from the backbone, see its parameter `finetune`.

    Examples
    --------
    >>> from sskseg import ProxyPretrainer
    >>> from sskseg.datasets import make_neuromuscular_junctions
    >>> X, _ = make_neuromuscular_junctions(2, (64, 64), random_state=0)
    >>> pretrainer = ProxyPretrainer(
    ...     ("restoration", "masked"), width=8, depth=2, max_steps=5, random_state=0
    ... )
    >>> pretrainer.fit_transform(X)
    ImageStack(shape=(2, 64, 64, 2), backbone, spatial_ndim=2)
    """

    n_channels_: int
    classes_: dict[str, list]
    _kept = ("network", "width", "depth")
    _fitted = {  # noqa: RUF012
        "n_channels_": "a count",
        "patch_shape_": "a shape",
        "classes_": "a dict",
        "report_": "a dict",
        "history_": "a list",
        "validation_indices_": "numbers",
        "network_": "a network",
    }
    _parameter_constraints: dict = {  # noqa: RUF012 - scikit-learn's name and form
        **TorchEstimator._parameter_constraints,
        "proxies": [str, Proxy, tuple, list],
        "network": [str, callable],
        "spatial_ndim": [Interval(Integral, 2, 3, closed="both")],
        "guards": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="left")],
    }

    def __init__(
        self, proxies: str | Proxy | Sequence[str | Proxy] = ("magnification", "channel"), *,
        network: str | Callable = "unet-shuffle", spatial_ndim: int = 2, guards: bool = True,
        width: int | None = None, depth: int | None = None, max_steps: int | None = None,
        time_budget: float | None = None, learning_rate: float = 5e-3, batch_size: int = 16,
        patch_size: int | Sequence[int] | str = "auto", validation_fraction: float = 0.1,
        device: str = "auto", precision: str = "auto", random_state: Any = None,
        warm_start: bool = False, verbose: bool = False,
    ):  # fmt: skip
        self.proxies = proxies
        self.network = network
        self.spatial_ndim = spatial_ndim
        self.guards = guards
        self.width = width
        self.depth = depth
        self.max_steps = max_steps
        self.time_budget = time_budget
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.patch_size = patch_size
        self.validation_fraction = validation_fraction
        self.device = device
        self.precision = precision
        self.random_state = random_state
        self.warm_start = warm_start
        self.verbose = verbose

    @with_progress
    def fit(
        self,
        X: Any,
        y: Any = None,
        *,
        magnification: ArrayLike | None = None,
        domains: ArrayLike | None = None,
    ) -> ProxyPretrainer:
        """Pretrain on images.

        Parameters
        ----------
        X : array-like of shape (n_samples, *spatial) or (n_samples, *spatial, n_channels)
            Images, a list of images of different sizes, or an `ImageStack`. Constant images are not
            used.
        y : object, default=None
            Ignored.
        magnification : array-like of shape (n_samples,), default=None
            The magnification of each scan. None: it is unknown, and the magnification proxy
            downsamples the scans.
        domains : array-like of shape (n_samples,), default=None
            The domain (staining, microscope and so on) of each image. All domains, or all pairs of
            domain and known magnification, are sampled equally often, whatever their number of
            images. None: one domain.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            Before training starts, if an argument is invalid or does not suit a proxy. Examples are
            images with one channel for the channel proxy, a single magnification, images smaller
            than the patch, or only constant images.
        FloatingPointError
            If training diverges.

        Warns
        -----
        UserWarning
            If a proxy has a shortcut, see `report_`.
        """
        budget = self._budget()
        self._validate_params()
        data = self._data(X, magnification, domains)
        check_channel_axis(data.images, y)
        check_channels(data.images)
        with transaction(self), self._session() as (rng, device, dtype):
            network = self._prepare(data)
            self.patch_shape_ = choose_patch_shape(data, self.patch_size, network.backbone.stride)
            check_batch(self.batch_size, self.patch_shape_, network.backbone)
            validation, training = hold_out(data.strata, self.validation_fraction)
            batches = self._batches(data._replace(strata=training), rng, device)
            self.network_ = self._optimize(
                network.to(device), batches, proxy_loss, budget, device, dtype, phase="proxies"
            )
            held_out = self._batches(data._replace(strata=validation), rng, device)
            self.report_ = self._report(batches, held_out, device, dtype)
            self.validation_indices_ = np.setdiff1d(
                np.concatenate(validation), np.concatenate(training)
            )
            warn_of_shortcuts(self.report_)
        return self

    def predict(self, X: Any) -> pd.DataFrame:
        """Predict the class of each channel of each image, for each proxy with classes.

        Parameters
        ----------
        X : array-like
            As in `fit`.

        Returns
        -------
        pandas.DataFrame
            One row for each ``sample`` and ``channel``, and a column for each proxy with classes,
            ``predicted_magnification`` and so on: the most likely class of the whole image. Proxies
            that restore have no column.
        """
        check_is_fitted(self)
        images = check_images(X, self.spatial_ndim, n_channels=self.n_channels_)
        samples = [(i, c) for i in range(len(images)) for c in range(self.n_channels_)]
        table = pd.DataFrame(samples, columns=["sample", "channel"])
        if not self.classes_:
            return table
        outputs = list(
            self._predict_planes(ClassScores(self.network_, list(self.classes_)), images)
        )
        means = np.stack([output.mean(tuple(range(1, output.ndim))) for output in outputs])
        first = 0
        for name, classes in self.classes_.items():
            scores = means[:, first : first + len(classes)]
            table[f"predicted_{name}"] = [classes[k] for k in scores.argmax(1)]
            first += len(classes)
        return table

    def transform(self, X: Any) -> ImageStack:
        """Return the images with the backbone.

        Parameters
        ----------
        X : array-like
            Images, which are not changed; a dask array stays lazy.

        Returns
        -------
        ImageStack
        """
        check_is_fitted(self)
        check = check_lazy_images if is_lazy(X) else check_images
        check(X, self.spatial_ndim, n_channels=self.n_channels_)
        return ImageStack(X, backbone=self.backbone(), spatial_ndim=self.spatial_ndim)

    def backbone(self) -> Backbone:
        """Return the pretrained network, without the heads of the proxies.

        Returns
        -------
        Backbone
        """
        check_is_fitted(self)
        module: Any = self.network_.backbone
        fitted = as_fitted(self)
        size = network_size(fitted.network, fitted.width, fitted.depth)
        return Backbone(module, fitted.network, *size, self.spatial_ndim)

    def features(self, X: Any) -> np.ndarray | list[np.ndarray]:
        """Compute dense features: the outputs of the last level of the decoder.

        Parameters
        ----------
        X : array-like
            As in `fit`.

        Returns
        -------
        ndarray of float32, shape (n_samples, *spatial, n_channels * width), or list of ndarray
            The features of all channels, one channel after the other, at the resolution of the
            images.
        """
        check_is_fitted(self)
        images = check_images(X, self.spatial_ndim, n_channels=self.n_channels_)
        planes = self._predict_planes(DenseFeatures(self.network_), images)
        channels = ([next(planes) for _ in range(self.n_channels_)] for _ in images)
        return like_input([np.moveaxis(np.concatenate(each), 0, -1) for each in channels], X)

    def score(
        self,
        X: Any,
        y: Any = None,
        *,
        magnification: ArrayLike | None = None,
        domains: ArrayLike | None = None,
    ) -> float:
        """Compute the mean over proxies of their balanced accuracy on crops of images.

        For proxies that restore, the explained share of the variance.

        Parameters
        ----------
        X, y, magnification, domains
            As in `fit`.

        Returns
        -------
        float

        Raises
        ------
        ValueError
            As in `fit`, and for other classes than those of `fit`.
        """
        check_is_fitted(self)
        data = self._new_data(X, magnification, domains)
        with self._session() as (rng, device, dtype):
            batches = draw_batches(self._batches(data, rng, device), _CROPS)
            scores = self._score_proxies(batches, device, dtype)
        return float(np.mean(list(scores.values())))

    def try_proxies(
        self,
        X: Any,
        n: int,
        *,
        magnification: ArrayLike | None = None,
        domains: ArrayLike | None = None,
    ) -> tuple[np.ndarray, pd.DataFrame]:
        """Predict the classes of patches as they are sampled in training.

        Parameters
        ----------
        X, magnification, domains
            As in `fit`.
        n : int
            Number of patches.

        Returns
        -------
        patches : ndarray of float32, shape (n, *patch_shape_)
        answers : pandas.DataFrame
            One row for each patch; for each proxy with classes ``true_magnification`` and
            ``predicted_magnification`` and so on.

        Raises
        ------
        ValueError
            As in `score`, or if no proxy has classes.
        """
        check_is_fitted(self)
        data = self._new_data(X, magnification, domains)
        if not self.classes_:
            raise ValueError(f"A proxy with classes is needed, got {self.proxies!r}.")
        with self._session() as (rng, device, _):
            batches = draw_batches(self._batches(data, rng, device), n)
            predicted = predict_classes(self.network_.to(device).eval(), batches)
            self.network_.cpu()
        columns = {}
        for name, classes in self.classes_.items():
            columns[f"true_{name}"] = [classes[k] for k in true_classes(batches, name)]
            columns[f"predicted_{name}"] = [classes[k] for k in predicted[name]]
        patches = torch.cat([batch.images[:, 0] for batch in batches]).cpu().numpy()
        return patches[:n], pd.DataFrame(columns).iloc[:n]

    # Training

    def _data(self, X, magnification, domains, n_channels=None):
        images = check_images(X, self.spatial_ndim, n_channels=n_channels)
        proxies, simulator = self._make_proxies(), getattr(X, "simulator", None)
        return read_pretraining_data(images, magnification, domains, proxies, simulator)

    def _new_data(self, X, magnification, domains):
        """Read images that must suit the fitted proxies."""
        data = self._data(X, magnification, domains, self.n_channels_)
        if _classes(data.proxies) != self.classes_:
            raise ValueError(
                f"X must hold the classes {self.classes_}, got {_classes(data.proxies)}."
            )
        check_field(data, self.patch_shape_)
        return data

    def _make_proxies(self):
        given = (self.proxies,) if isinstance(self.proxies, (str, Proxy)) else self.proxies
        return [make_proxy(proxy) for proxy in given]

    def _prepare(self, data):
        """Return a new network, or that of the last fit."""
        n_channels, classes = data.images[0].shape[-1], _classes(data.proxies)
        if starts_warm(self):
            if (n_channels, classes) != (self.n_channels_, self.classes_):
                raise ValueError(
                    f"X must have {self.n_channels_} channel(s) and the classes {self.classes_}, "
                    f"got {n_channels} and {classes}."
                )
            return last_network(self)
        self.n_channels_, self.classes_ = n_channels, classes
        with random_numbers():
            return self._make_module("network_")

    def _make_module(self, name):
        width, depth = network_size(self.network, self.width, self.depth)
        backbone: Any = make_feature_network(self.network, 1, width, depth, ndim=self.spatial_ndim)
        n_classes = {name: len(classes) for name, classes in self.classes_.items()}
        return ProxyNetwork(backbone, width, n_classes)

    def _batches(self, data, rng, device):
        return proxy_batches_on(device, data.proxies)(
            data.images, data.strata, data.magnifications, proxies=data.proxies,
            patch_shape=self.patch_shape_, guards=self.guards, batch_size=self.batch_size,
            rng=child_generator(rng), device=device,
        )  # fmt: skip

    # Predictions

    def _score_proxies(self, batches, device, dtype):
        """Score each proxy on batches."""
        network = self.network_.to(device).eval()
        with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
            accuracies, restored = score_proxies(network, batches)
        network.cpu()
        return {p.name: accuracies.get(p.name, restored) for p in self._make_proxies()}

    def _report(self, training, validation, device, dtype):
        """Score the network and a probe on held-out images."""
        validation = draw_batches(validation, _CROPS)
        scores = self._score_proxies(validation, device, dtype)
        n_classes = {name: len(classes) for name, classes in self.classes_.items()}
        drawn = draw_batches(training, _CROPS) if n_classes else []
        probed = probe_proxies(drawn, validation, n_classes)
        return {name: {"network": x, **probed.get(name, {})} for name, x in scores.items()}

    def _input(self, plane):
        """Return a channel of an image as in training."""
        matches = any(proxy.matches_scans for proxy in self._make_proxies())
        plane = plane.astype(np.float32)
        plane = guard(plane, None, matches_scans=matches) if self.guards else standardize(plane)
        return torch.from_numpy(plane)[None]

    def _predict_planes(self, network, images):
        """Yield the predictions of each channel of each image, (n_outputs, *spatial)."""
        tiling = tile_settings(self.network_.backbone, self.spatial_ndim)
        compute = Compute(self.device, "float32")
        predictor = DensePredictor(network, torch.nn.Identity(), None, tiling, compute)
        planes = (self._input(image[..., c]) for image in images for c in range(image.shape[-1]))
        return predictor.predict_inputs(planes)


def _classes(proxies):
    return {proxy.name: proxy.classes for proxy in proxies if not proxy.restores}
