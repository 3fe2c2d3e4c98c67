"""`ProxyPretrainer`: a backbone from images without labels."""

from numbers import Integral, Real

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted

from ..base import TorchEstimator
from ..images import (
    ImageStack,
    check_images,
    check_lazy_images,
    child_generator,
    is_lazy,
    like_input,
)
from ..inference import predict_images, round_up, tile_settings
from ..nn import Backbone, ProxyNetwork, make_feature_network, pad_to_multiple
from ..proxies import Proxy, guard, make_proxy, probe_features, standardize
from ..training import check_batch, patch_sides
from .batches import ProxyBatches, field_shape, proxy_loss
from .shortcuts import balanced_accuracy, probe_accuracy, warn_of_shortcuts
from .strata import check_channels, check_magnification, find_strata, hold_out

_PATCH = {2: 128, 3: 32}
_MIN_PATCH = 16
_CROPS = 400  # on which the proxies and the probe are evaluated


class ProxyPretrainer(TorchEstimator):
    """Pretrain a network, encoder and decoder, on tasks that need no labels.

    In a pipeline it precedes the segmenter, which starts from the network that `transform` returns
    in an `ImageStack`. All tasks are learned together, from patches of one channel.

    Parameters
    ----------
    proxies : str, Proxy, or a tuple of these, default=("magnification", "channel")
        Of "magnification", "channel", "rotation", "restoration" and "masked", see `sskseg.proxies`,
        or objects of a class of your own.
    network : str or callable, default="unet-shuffle"
        As for `SemiSupervisedSegmenter`; one that has decoder features and same padding
        ("unet-shuffle", "unet" or "unet-lite").
    spatial_ndim : {2, 3}, default=2
        Spatial axes of one sample.
    guards : bool, default=True
        Remove shortcuts to the class of a patch that are not content: brightness, contrast, gamma,
        and, if scans or magnifications differ, sharpness and noise. See `sskseg.proxies.guard`.
    width, depth : int, default=16 and 4
        Channels of the network's first level, and number of poolings.
    max_steps : int, default=None
        Training steps; None is 1000, or no limit where `time_budget` is given.
    time_budget : float, default=None
        Seconds of training; the learning-rate schedule is complete when it ends.
    learning_rate : float, default=5e-3
    batch_size : int, default=16
    patch_size : int, tuple of int or "auto", default="auto"
        Side of the patches in pixels, rounded up to a multiple of the network's stride; "auto" is
        128 in the plane and 32 in a volume, or what fits into the smallest image, which
        magnifications that are not known need several times over.
    validation_fraction : float in [0, 1), default=0.1
        Share of the images of each domain that is held out for `report_`, if there are four or
        more; at least one. Smaller domains are evaluated on other crops of the same images.
    device : str, default="auto"
        "auto" is the GPU where there is one.
    precision : {"auto", "float32", "bfloat16"}, default="auto"
        "auto" is bfloat16 where the hardware computes it natively.
    random_state : int, RandomState, Generator or None, default=None
        Same seed, same `max_steps`, same machine, CPU: same result to the bit.
    warm_start : bool, default=False
        Start from the network of the last `fit`.
    verbose : bool, default=False
        Show a progress bar.

    Attributes
    ----------
    network_ : ProxyNetwork
        On the CPU.
    classes_ : dict of str to list
        Of each proxy that predicts classes.
    n_channels_ : int
    patch_shape_ : tuple of int
    validation_indices_ : ndarray of int
        Images that were held out.
    report_ : dict of str to dict
        For each proxy ``network``: its balanced accuracy on crops of held-out images (of a proxy
        that restores, the share of the variance that it explains); and if it predicts classes
        ``chance`` and ``probe``: the balanced accuracy of logistic regression on histogram and
        power spectrum of the same patches. A probe that comes 0.4 of the way from chance to
        certainty warns of a shortcut: what it uses is not, or not only, content.
    history_ : list of dict
        ``phase, step, time, loss, learning_rate``.

    See Also
    --------
    SemiSupervisedSegmenter : Starts from the backbone, see `finetune`.

    Examples
    --------
    >>> from sskseg import ProxyPretrainer
    >>> from sskseg.datasets import make_neuromuscular_junctions
    >>> X, _ = make_neuromuscular_junctions(2, (64, 64), random_state=0)
    >>> pretrainer = ProxyPretrainer(
    ...     ("restoration", "masked"), width=8, depth=2, max_steps=5, random_state=0
    ... )
    >>> pretrainer.fit_transform(X)
    ImageStack(shape=(2, 64, 64, 2), backbone)
    """

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
        self, proxies=("magnification", "channel"), *, network="unet-shuffle", spatial_ndim=2,
        guards=True, width=16, depth=4, max_steps=None, time_budget=None, learning_rate=5e-3,
        batch_size=16, patch_size="auto", validation_fraction=0.1, device="auto",
        precision="auto", random_state=None, warm_start=False, verbose=False,
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

    def fit(self, X, y=None, *, magnification=None, domains=None):
        """Pretrain on images.

        Parameters
        ----------
        X : array-like of shape (n_samples, *spatial) or (n_samples, *spatial, n_channels)
            Or a list of images of different sizes, or an `ImageStack`. Constant images teach
            nothing.
        y : object, default=None
            Ignored.
        magnification : array-like of shape (n_samples,), default=None
            Of each scan, where it is known. None: the magnification proxy shrinks the scans.
        domains : array-like of shape (n_samples,), default=None
            The domain that each image is from (staining, microscope, ...); all domains, and where
            magnifications are known all pairs of domain and magnification, are drawn equally often,
            however many images they have. None: one domain.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For input that breaks the contract or does not serve a proxy (one channel for the
            channel proxy, a single or unknown magnification, images smaller than the patch, or
            constant throughout), before training starts.
        FloatingPointError
            If training diverges.
        """
        budget = self._budget()
        self._validate_params()
        images, strata, magnification, proxies = self._check(X, magnification, domains)
        check_channels(images)
        with self._session() as (rng, device, dtype):
            network = self._prepare(images[0].shape[-1], proxies)
            self.patch_shape_ = self._patch_shape(images, network.backbone.stride, proxies)
            check_batch(self.batch_size, self.patch_shape_, network.backbone)
            held, trained = hold_out(strata, self.validation_fraction, rng)
            data = images, trained, magnification, proxies
            batches = self._batches(*data, rng, device)
            self.network_ = self._optimize(
                network.to(device), batches, proxy_loss, budget, device, dtype, phase="proxies"
            )
            evaluated = self._batches(images, held, magnification, proxies, rng, device)
            self.report_ = self._report(batches, evaluated, device, dtype)
        self.validation_indices_ = np.setdiff1d(np.concatenate(held), np.concatenate(trained))
        warn_of_shortcuts(self.report_)
        return self

    def predict(self, X):
        """Predict the classes of the proxies for each channel of each image.

        Parameters
        ----------
        X : array-like
            As in `fit`.

        Returns
        -------
        pandas.DataFrame
            One row for each ``sample`` and ``channel`` of it, and a column for each proxy that
            predicts classes, ``predicted_magnification`` and so on: the most likely class of the
            whole image. Proxies that restore have no column.
        """
        check_is_fitted(self)
        images = check_images(X, self.spatial_ndim, n_channels=self.n_channels_)
        at = [(i, c) for i in range(len(images)) for c in range(self.n_channels_)]
        table = pd.DataFrame(at, columns=["sample", "channel"])
        if not self.classes_:
            return table
        network = self.network_

        def forward(x):
            logits, _ = network(pad_to_multiple(x, network.backbone.stride))
            every = torch.cat([logits[name].log_softmax(1) for name in self.classes_], dim=1)
            return every[(..., *(None,) * self.spatial_ndim)].expand(-1, -1, *x.shape[2:])

        predictions = [
            m.mean(tuple(range(1, m.ndim))) for one in self._dense(forward, images) for m in one
        ]
        first = 0
        for name, classes in self.classes_.items():
            scores = np.stack(predictions)[:, first : first + len(classes)]
            table[f"predicted_{name}"] = [classes[k] for k in scores.argmax(1)]
            first += len(classes)
        return table

    def transform(self, X):
        """Return the images with the backbone.

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
        check(X, self.spatial_ndim, n_channels=self.n_channels_)
        backbone = Backbone(
            self.network_.backbone, self.network, self.width, self.depth, self.spatial_ndim
        )
        return ImageStack(X, backbone=backbone)

    def features(self, X):
        """Dense features: what the last level of the decoder computes.

        Parameters
        ----------
        X : array-like
            As in `fit`.

        Returns
        -------
        ndarray of float32, shape (n_samples, *spatial, n_channels * width), or list of ndarray
            The features of one channel after those of the other, at the resolution of the images.
        """
        check_is_fitted(self)
        images = check_images(X, self.spatial_ndim, n_channels=self.n_channels_)
        network = self.network_.backbone
        mode = "bilinear" if self.spatial_ndim == 2 else "trilinear"

        def forward(x):
            padded = pad_to_multiple(x, network.stride)
            found = F.interpolate(network.features(padded), size=padded.shape[2:], mode=mode)
            return found[(..., *(slice(size) for size in x.shape[2:]))]

        results = [
            np.moveaxis(np.concatenate(outputs), 0, -1) for outputs in self._dense(forward, images)
        ]
        return like_input(results, X)

    def score(self, X, y=None, *, magnification=None, domains=None):
        """Compute the mean over proxies of their balanced accuracy on crops of new images.

        Of proxies that restore, the share of the variance that is explained.

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
        data = self._check_new(X, magnification, domains)
        with self._session() as (rng, device, dtype):
            batches = self._batches(*data, rng, device)
            scores = self._evaluate(_draw(batches), device, dtype)
        return float(np.mean(list(scores.values())))

    def try_proxies(self, X, n, *, magnification=None, domains=None):
        """Predict the classes of patches, as in training.

        Parameters
        ----------
        X, magnification, domains
            As in `fit`.
        n : int
            How many patches.

        Returns
        -------
        patches : ndarray of float32, shape (n, *patch_shape_)
        answers : pandas.DataFrame
            One row a patch; for each proxy that predicts classes ``true_magnification`` and
            ``predicted_magnification`` and so on.

        Raises
        ------
        ValueError
            As in `score`, or if no proxy predicts classes.
        """
        check_is_fitted(self)
        data = self._check_new(X, magnification, domains)
        if not self.classes_:
            raise ValueError(f"A proxy that predicts classes is needed, got {self.proxies!r}.")
        patches, answers = [], []
        with self._session() as (rng, device, _), torch.inference_mode():
            batches = self._batches(*data, rng, device)
            network = self.network_.to(device).eval()
            for _ in range(-(-n // self.batch_size)):
                batch = next(batches)
                logits, _ = network(batch.images, restores=False)
                found = {name: values.argmax(1) for name, values in logits.items()}
                patches.append(batch.images[:, 0].cpu().numpy())
                answers.append(_named(self.classes_, batch.targets, "true"))
                answers[-1] |= _named(self.classes_, found, "predicted")
            self.network_.cpu()
        table = pd.concat([pd.DataFrame(columns) for columns in answers], ignore_index=True)
        return np.concatenate(patches)[:n], table.iloc[:n]

    # How `fit` goes about it

    def _check_new(self, X, magnification, domains):
        """As `_check`, of images that must suit the fitted proxies."""
        data = self._check(X, magnification, domains, self.n_channels_)
        images, proxies = data[0], data[-1]
        if _classes(proxies) != self.classes_:
            raise ValueError(f"X must hold the classes {self.classes_}, got {_classes(proxies)}.")
        _check_sizes(images, field_shape(proxies, self.patch_shape_))
        return data

    def _check(self, X, magnification, domains, n_channels=None):
        """Images, rows of each domain and magnification, magnifications, proxies."""
        images = check_images(X, self.spatial_ndim, n_channels=n_channels)
        magnification = check_magnification(magnification, len(images))
        spatial = tuple(range(self.spatial_ndim))
        varied = np.array([(x.min(spatial) < x.max(spatial)).any() for x in images])
        strata = find_strata(varied, domains, magnification)
        proxies = self._make_proxies()
        names = [proxy.name for proxy in proxies]
        if not names or len(set(names)) < len(names):
            raise ValueError(f"proxies must be one or several different ones, got {names}.")
        n_channels = images[0].shape[-1]
        known = None if magnification is None else magnification[varied]
        proxies = [proxy.prepare(n_channels, known) for proxy in proxies]
        return images, strata, magnification, proxies

    def _make_proxies(self):
        given = (self.proxies,) if isinstance(self.proxies, (str, Proxy)) else self.proxies
        return [make_proxy(proxy) for proxy in given]

    def _prepare(self, n_channels, proxies):
        """The network, new or that of the last fit."""
        classes = _classes(proxies)
        if self.warm_start and hasattr(self, "network_"):
            if (n_channels, classes) != (self.n_channels_, self.classes_):
                raise ValueError(
                    f"X must have {self.n_channels_} channel(s) and the classes {self.classes_}, "
                    f"got {n_channels} and {classes}."
                )
            return self.network_
        self.n_channels_, self.classes_ = n_channels, classes
        return self._make_module("network_")

    def _make_module(self, name):
        backbone = make_feature_network(
            self.network, 1, self.width, self.depth, ndim=self.spatial_ndim
        )
        n_classes = {name: len(classes) for name, classes in self.classes_.items()}
        return ProxyNetwork(backbone, self.width, n_classes)

    def _patch_shape(self, images, stride, proxies):
        """Size of the patches: as wanted, or what fits into the smallest image."""
        smallest = np.min([image.shape[:-1] for image in images], axis=0)
        if self.patch_size == "auto":
            field = max(proxy.field for proxy in proxies)
            sides = [
                min(_PATCH[self.spatial_ndim], int(size / field) // step * step)
                for size, step in zip(smallest, stride, strict=True)
            ]
            if any(proxy.name == "rotation" for proxy in proxies):
                sides[-2:] = [min(sides[-2:])] * 2
            least = [round_up(_MIN_PATCH, step) for step in stride]
            shape = tuple(max(side, low) for side, low in zip(sides, least, strict=True))
        else:
            sides = patch_sides(self.patch_size, self.spatial_ndim)
            shape = tuple(round_up(s, step) for s, step in zip(sides, stride, strict=True))
        _check_sizes(images, field_shape(proxies, shape))
        return shape

    def _batches(self, images, strata, magnification, proxies, rng, device):
        return ProxyBatches(
            images, strata, magnification, proxies=proxies, patch_shape=self.patch_shape_,
            guards=self.guards, batch_size=self.batch_size,
            rng=child_generator(rng), device=device,
        )  # fmt: skip

    # What was learned

    def _evaluate(self, drawn, device, dtype):
        """Score of each proxy on batches."""
        network = self.network_.to(device).eval()
        restores = drawn[0].clean is not None
        found = {name: [] for name in self.classes_}
        errors, variances = [], []
        with (
            torch.inference_mode(),
            torch.autocast(device.type, dtype, enabled=dtype != torch.float32),
        ):
            for batch in drawn:
                logits, image = network(batch.images, restores=restores)
                for name, values in logits.items():
                    found[name].append(values.argmax(1).cpu())
                if restores:
                    errors.append(float((batch.weights * (image.float() - batch.clean) ** 2).sum()))
                    variances.append(float((batch.weights * batch.clean**2).sum()))
        self.network_.cpu()
        restored = 1 - sum(errors) / max(sum(variances), 1e-9) if restores else None
        scores = dict.fromkeys([proxy.name for proxy in self._make_proxies()], restored)
        for name, classes in found.items():
            scores[name] = balanced_accuracy(_answers(drawn, name), torch.cat(classes).numpy())
        return scores

    def _report(self, trained, held, device, dtype):
        """Accuracy of the network and of a probe, on held-out images."""
        held, trained = _draw(held), _draw(trained)
        report = {name: {"network": x} for name, x in self._evaluate(held, device, dtype).items()}
        if self.classes_:
            known, new = (
                probe_features(torch.cat([batch.images[:, 0] for batch in drawn]).cpu().numpy())
                for drawn in (trained, held)
            )
        for name, classes in self.classes_.items():
            chance = 1 / len(classes)
            answers = _answers(trained, name), _answers(held, name)
            report[name] |= {
                "chance": chance,
                "probe": probe_accuracy(known, new, *answers, chance),
            }
        return report

    def _input(self, plane):
        """One channel of an image as the network is used to it."""
        matches = any(proxy.matches_scans for proxy in self._make_proxies())
        plane = plane.astype(np.float32)
        plane = guard(plane, None, matches_scans=matches) if self.guards else standardize(plane)
        return torch.from_numpy(plane)[None]

    def _dense(self, forward, images):
        """`forward` applied to each channel of each image: lists of (n_outputs, *spatial)."""
        tiles = tile_settings(self.network_.backbone, self.spatial_ndim)
        device, _ = self._place()
        self.network_.to(device).eval()
        planes = (self._input(image[..., c]) for image in images for c in range(image.shape[-1]))
        found = predict_images(forward, planes, tiles, device=device, dtype=torch.float32)
        results = [[next(found) for _ in range(image.shape[-1])] for image in images]
        self.network_.cpu()
        return results


def _draw(batches):
    """Draw as many batches as proxies and probe are evaluated on."""
    return [next(batches) for _ in range(-(-_CROPS // batches.batch_size))]


def _answers(drawn, name):
    """True classes of a proxy."""
    return torch.cat([batch.targets[name] for batch in drawn]).cpu().numpy()


def _classes(proxies):
    return {proxy.name: proxy.classes for proxy in proxies if not proxy.restores}


def _named(classes_of, indices, what):
    """Classes by name, of tensors of indices."""
    return {
        f"{what}_{name}": [classes[k] for k in indices[name].tolist()]
        for name, classes in classes_of.items()
    }


def _check_sizes(images, field):
    """Raise a ValueError for images smaller than the field."""
    for i, image in enumerate(images):
        if any(size < side for size, side in zip(image.shape, field, strict=False)):
            raise ValueError(
                f"X[{i}] has shape {image.shape[:-1]}, smaller than {field}, which the proxies "
                "make patches of: choose a smaller patch_size, a smaller depth (sides of "
                "patches are multiples of the network's stride) or a proxy with a smaller "
                "field, such as Magnification(factors=(1, 2))."
            )
