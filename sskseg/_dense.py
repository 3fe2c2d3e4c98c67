"""Predicting every pixel of images, in memory or lazily."""

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted

from .base import TorchEstimator
from .images import (
    check_images,
    check_lazy_images,
    check_positions,
    is_lazy,
    like_input,
    neighbor_rows,
)
from .nn import make_network
from .scans import predict_blocks
from .training import (
    TileSettings,
    channel_statistics,
    core_size,
    dihedral_mean,
    inference_copy,
    predict_images,
    restore_size,
    round_up,
    standardized_sections,
)

_TILE = {2: (1024, 1024), 3: (64, 128, 128)}


class DenseEstimator(TorchEstimator):
    """Base of the estimators whose network has an output for every pixel.

    Subclasses have the parameters `network`, `spatial_ndim`, `sections`, `section_context`,
    `tiling` and `test_time_augmentation`, the attribute `patch_shape_`, and say with `_n_outputs`
    and `_activate` what the outputs are.
    """

    def _n_outputs(self):
        """Channels of the network's output."""
        raise NotImplementedError

    def _activate(self, logits):
        """Logits (batch, n_outputs, *spatial) to float32 probabilities."""
        raise NotImplementedError

    def _rows(self, positions, n_samples):
        """Sections that make up the input channels of each sample, (n_samples, n_sections)."""
        positions = check_positions(positions, n_samples)
        if self.sections == "independent":
            return np.arange(n_samples)[:, None]
        return neighbor_rows(positions, self.section_context)

    def _check_images(self, X, n_channels=None):
        images = check_images(X, self.spatial_ndim, n_channels=n_channels)
        shapes = {image.shape for image in images}
        if self.sections == "consecutive" and len(shapes) > 1:
            raise ValueError(f"Consecutive sections must have one shape, got {sorted(shapes)}.")
        return images

    def _prepare(self, images):
        """Take statistics of the images and return the network, new or that of the last fit."""
        n_channels = images[0].shape[-1]
        if self.warm_start and hasattr(self, "network_"):
            if n_channels != self.n_channels_:
                raise ValueError(f"X must have {self.n_channels_} channel(s), got {n_channels}.")
            return self.network_
        self.n_channels_ = n_channels
        self.channel_mean_, self.channel_std_ = channel_statistics(images)
        return self._make_module("network_")

    def _make_module(self, name):
        sections = 2 * self.section_context + 1 if self.sections == "consecutive" else 1
        channels = sections * self.n_channels_, self._n_outputs()
        module = make_network(
            self.network, *channels, self.width, self.depth, ndim=self.spatial_ndim
        )
        if not isinstance(self.network, str):
            _check_module(module, *channels, self.spatial_ndim)
        if self.tiling != "overlap-tile" and not any(network_margin(module, self.spatial_ndim)):
            raise ValueError(
                f"tiling={self.tiling!r} is for networks with valid padding, got network="
                f"{self.network!r}."
            )
        return module

    def _outputs(self, network, images, rows, device, dtype):
        """Probabilities (n_outputs, *spatial) of one sample after the other."""
        sections = rows.shape[1] * images[0].shape[-1] // self.n_channels_
        repeats = sections // rows.shape[1]
        inputs = standardized_sections(
            images, rows, np.tile(self.channel_mean_, repeats), np.tile(self.channel_std_, repeats),
            dtype,
        )  # fmt: skip
        ready = inference_copy(network, device, dtype, self.spatial_ndim)

        def forward(x):
            return self._activate(ready(x))

        if any(network_margin(network, self.spatial_ndim)):
            forward = restore_size(forward, network, self.tiling, self.patch_shape_)
        if self.test_time_augmentation:
            forward = dihedral_mean(forward, self.spatial_ndim)
        return predict_images(forward, inputs, self._tiles(network), device=device, dtype=dtype)

    def _tiles(self, network):
        if not hasattr(network, "reach") or self.tiling != "overlap-tile":
            # a user's network, of which nothing is known, or one that cuts images itself
            endless = (2**31,) * self.spatial_ndim
            return TileSettings(endless, (0,) * self.spatial_ndim, (1,) * self.spatial_ndim)
        tile, reach = _TILE[self.spatial_ndim], network.reach
        if any(network_margin(network, self.spatial_ndim)):
            # A shorter halo would show it a mirror image where the image goes on.
            tile = tuple(max(side, 3 * r) for side, r in zip(tile, reach, strict=True))
        else:
            reach = tuple(min(r, side // 8) for side, r in zip(tile, reach, strict=True))
        halo = tuple(round_up(r, step) for r, step in zip(reach, network.stride, strict=True))
        return TileSettings(tile, halo, network.stride)

    def _predict(self, X, positions, finish):
        check_is_fitted(self)
        if is_lazy(X):
            return self._predict_lazy(X, positions, finish)
        images = self._check_images(X, self.n_channels_)
        rows = self._rows(positions, len(images))
        with self._session() as (_, device, dtype):
            outputs = self._outputs(self.network_, images, rows, device, dtype)
            return like_input([finish(output) for output in outputs], X)

    def _predict_lazy(self, X, positions, finish):
        import dask.array as da

        if self.tiling != "overlap-tile":
            raise ValueError(
                f"Dask arrays are predicted with tiling='overlap-tile' only, got {self.tiling!r}."
            )
        X = check_lazy_images(X, self.spatial_ndim, n_channels=self.n_channels_)
        rows = self._rows(positions, len(X))
        if rows.shape[1] > 1:
            X = da.concatenate([X[row] for row in rows.T], axis=-1)
        # What comes out of one pixel tells channels and dtype.
        example = finish(np.zeros((self._n_outputs(), *(1,) * self.spatial_ndim), np.float32))
        channels = example.shape[-1] if example.ndim > self.spatial_ndim else None
        tiles = self._tiles(self.network_)
        axes = zip(X.shape[1:-1], tiles.tile, tiles.halo, tiles.stride, strict=True)
        return predict_blocks(
            X, _predict_block, (self, finish.__name__),
            core=tuple(core_size(*axis) for axis in axes), halo=tiles.halo,
            output_channels=channels, dtype=example.dtype,
        )  # fmt: skip


def network_margin(network, ndim):
    """Pixels that the output of a network lacks on each side of each axis."""
    return getattr(network, "margin", (0,) * ndim)


def _check_module(module, in_channels, n_outputs, ndim):
    """Raise where a user's network does not give the outputs that are wanted."""
    training = module.training
    needed = ["legal_size", "check_size", "reach"] if hasattr(module, "margin") else []
    needed += ["stride"] if hasattr(module, "reach") else []
    missing = [name for name in needed if not hasattr(module, name)]
    if missing:
        raise ValueError(f"network tells a margin or a reach, so it must tell {missing} too.")
    size = module.legal_size(64) if hasattr(module, "legal_size") else 64
    example = torch.zeros(1, in_channels, *(size,) * ndim)
    try:
        with torch.no_grad():
            shape = tuple(module.eval()(example).shape)
    except (RuntimeError, TypeError, AttributeError) as error:
        raise ValueError(
            f"network must take float32 tensors of shape {tuple(example.shape)}, got: {error}"
        ) from error
    finally:
        module.train(training)
    margin = network_margin(module, ndim)
    expected = (1, n_outputs, *(size - 2 * m for m in margin))
    if shape != expected:
        raise ValueError(
            f"network must map {tuple(example.shape)} to {expected}, {n_outputs} output channel(s) "
            f"of the same spatial shape (less a margin that it tells), got {shape}."
        )


def _predict_block(model, block):
    """Predict one block of a dask array, whose channels hold the neighboring sections already."""
    estimator, finish = model
    rows = np.arange(len(block))[:, None]
    images = check_images(block, estimator.spatial_ndim)
    with estimator._session() as (_, device, dtype):
        outputs = estimator._outputs(estimator.network_, images, rows, device, dtype)
        return np.stack([getattr(estimator, finish)(output) for output in outputs])
