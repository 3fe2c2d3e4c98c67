"""Predicting every pixel of images, in memory or lazily."""

from copy import copy
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted

from ..base import TorchEstimator
from ..images import (
    check_images,
    check_lazy_images,
    check_positions,
    consecutive_runs,
    is_lazy,
    like_input,
    section_indices,
)
from ..images.augmentation import check_augmentation
from ..inference import (
    TileSettings,
    core_size,
    covers_reach,
    dihedral_mean,
    dihedral_orientations,
    predict_blocks,
    predict_images,
    restore_size,
    round_up,
    tile_settings,
    values_per_pixel,
)
from ..nn import ContinuityNet, make_network, network_margin
from ..training import inference_copy, standardized_sections
from ..training.transfer import start_network

_SECTIONS = 16  # of a block of a scan
_NETWORK_BYTES = 2**32  # of a block of a scan, in the network, in float32


@dataclass
class _Blocks:
    """What an estimator that predicts the blocks of a scan has: their shape, and its networks,
    ready to predict, which do not travel."""

    shape: tuple[int, ...]
    ready: dict[Any, Any] = field(default_factory=dict)

    def __getstate__(self):
        return {"shape": self.shape, "ready": {}}


class DenseEstimator(TorchEstimator):
    """Base of the estimators whose network has an output for every pixel.

    Subclasses have the parameters `network`, `spatial_ndim`, `sections`, `section_context`,
    `tiling` and `test_time_augmentation`; the attributes `patch_shape_`, `architecture_` (network,
    width and depth of a backbone, or None), `continuity_` (a network that corrects consecutive
    sections by their neighbors, or None), where there is one the parameter `augmentation`, and
    `continuity_context_` (how many on each side); and say with `_objective` what the outputs are.
    """

    def _objective(self):
        """What the network is trained for: see `sskseg.training.objectives`."""
        raise NotImplementedError

    def _rows(self, positions, n_samples):
        """Sections that make up the input channels of each sample, (n_samples, n_sections)."""
        positions = check_positions(positions, n_samples)
        if self.sections == "independent":
            return np.arange(n_samples)[:, None]
        return section_indices(positions, self.section_context)

    def _check_images(self, X, n_channels=None):
        images = check_images(X, self.spatial_ndim, n_channels=n_channels)
        shapes = {image.shape for image in images}
        if self.sections == "consecutive" and len(shapes) > 1:
            raise ValueError(f"Consecutive sections must have one shape, got {sorted(shapes)}.")
        return images

    def _prepare(self, images, backbone=None):
        """Take statistics of the images and return the network: new, that of the last fit, or
        a backbone with new heads."""
        return start_network(self, images, backbone)

    def _make_module(self, name):
        if name == "continuity_":
            sections = 2 * self.continuity_context_ + 1
            return ContinuityNet(
                sections, self._objective().n_probabilities, ndim=self.spatial_ndim
            )
        sections = 2 * self.section_context + 1 if self.sections == "consecutive" else 1
        channels = sections * self.n_channels_, self._objective().n_outputs
        network, width, depth = self.architecture_ or (self.network, self.width, self.depth)
        module = make_network(network, *channels, width, depth, ndim=self.spatial_ndim)
        if not isinstance(network, str):
            _check_module(module, *channels, self.spatial_ndim)
        if self.tiling != "overlap-tile" and not any(network_margin(module, self.spatial_ndim)):
            raise ValueError(
                f"tiling={self.tiling!r} is for networks with valid padding, got network="
                f"{self.network!r}."
            )
        return module

    def _outputs(self, network, images, rows, device, dtype, *, views=None):
        """Probabilities (n_probabilities, *spatial) of one sample after the other.

        `views`: "mean" averages over flips and turns, an array of integers tells in which of them
        each sample is seen; None sees it as it is.
        """
        sections = rows.shape[1] * images[0].shape[-1] // self.n_channels_
        repeats = sections // rows.shape[1]
        inputs = standardized_sections(
            images, rows, np.tile(self.channel_mean_, repeats), np.tile(self.channel_std_, repeats),
            dtype,
        )  # fmt: skip
        forward = self._forward(network, device, dtype)
        if any(network_margin(network, self.spatial_ndim)):
            forward = restore_size(forward, network, self.tiling, self.patch_shape_)
        settings = self._tiles(network), {"device": device, "dtype": dtype}
        if isinstance(views, np.ndarray):
            turned = dihedral_orientations(forward, settings[0].stride)
            for image, view in zip(inputs, views, strict=True):
                yield from predict_images(turned[view], [image], settings[0], **settings[1])
            return
        if views == "mean":
            forward = dihedral_mean(forward, settings[0].stride)
        yield from predict_images(forward, inputs, settings[0], **settings[1])

    def _forward(self, network, device, dtype):
        """Function from inputs to probabilities."""
        ready = self._ready(network, device, dtype)
        activate = self._objective().activate
        return lambda x: activate(ready(x))

    def _ready(self, network, device, dtype):
        """The network to predict with; of `for_blocks` made once in a process."""
        if not hasattr(self, "_blocks"):
            return inference_copy(network, device, dtype, self.spatial_ndim)
        key = id(network), device, dtype
        if key not in self._blocks.ready:
            ready = inference_copy(network, device, dtype, self.spatial_ndim)
            self._blocks.ready[key] = ready
        return self._blocks.ready[key]

    def _views(self, positions=None):
        """How sections at `positions` are seen, or samples by themselves: see `_outputs`.

        What goes into `continuity_` is averaged over sections. Each is seen in another view, as in
        training, so that the mean is over views too, at no cost. By its position, and not by its
        place among others: in blocks of a scan as in the whole.
        """
        views, averaged = None, 1
        if self.continuity_ is not None:
            views, averaged = self._section_views(positions), 2 * self.continuity_context_ + 1
        few = views is None or averaged < 2 ** (self.spatial_ndim + 1)
        return "mean" if self.test_time_augmentation and few else views

    def _section_views(self, positions):
        """One of the flips and turns for each section; None where they are not learned."""
        if not check_augmentation(self.augmentation).dihedral:
            return None
        return positions % 2 ** (self.spatial_ndim + 1)

    def _corrected(self, continuity, windows, device, dtype):
        """What `continuity` makes of tensors (n_sections * n_probabilities, *spatial)."""
        forward = self._forward(continuity, device, dtype)
        return predict_images(forward, windows, self._tiles(continuity), device=device, dtype=dtype)

    def _predicted(self, images, positions, device, dtype, wanted=None):
        """Rows and their probabilities, in any order; perhaps of more rows than are `wanted`."""
        rows = self._rows(positions, len(images))
        wanted = np.arange(len(images)) if wanted is None else wanted
        if self.continuity_ is None:
            outputs = self._outputs(
                self.network_, images, rows[wanted], device, dtype, views=self._views()
            )
            yield from zip(wanted, outputs, strict=True)
            return
        positions = check_positions(positions, len(images))
        for run in consecutive_runs(positions):
            at = np.flatnonzero(np.isin(run, wanted))
            if not at.size:
                continue
            context = self.continuity_context_
            part = slice(max(0, at[0] - context), at[-1] + context + 1)
            run = run[part]
            views = self._views(positions[run])
            maps = self._outputs(self.network_, images, rows[run], device, dtype, views=views)
            windows = neighbor_windows(maps, len(run), context, dtype)
            outputs = self._corrected(self.continuity_, windows, device, dtype)
            yield from zip(run, outputs, strict=True)

    def _tiles(self, network):
        if not hasattr(network, "reach") or self.tiling != "overlap-tile":
            # a user's network, of which nothing is known, or one that cuts images itself
            endless = (2**31,) * self.spatial_ndim
            return TileSettings(endless, (0,) * self.spatial_ndim, (1,) * self.spatial_ndim)
        settings = tile_settings(network, self.spatial_ndim)
        if not hasattr(self, "_blocks") or not covers_reach(settings, network):
            return settings
        sides = zip(settings.tile, self._blocks.shape, strict=True)
        return replace(settings, tile=tuple(max(pair) for pair in sides))

    def for_blocks(self, core, halo):
        """A copy that predicts the blocks of `block_sizes` in one piece each.

        It keeps its network ready between calls, and does not carry what is as large as the
        training images.
        """
        shipped = copy(self)
        vars(shipped).update(dict.fromkeys(self._not_saved))
        sides = list(zip(core, halo, strict=True))[-self.spatial_ndim :]
        shipped._blocks = _Blocks(tuple(side + 2 * margin for side, margin in sides))
        return shipped

    def block_bytes(self, n_pixels):
        """Bytes that the network keeps at one time of so many pixels, about, in float32."""
        sections = 2 * self.section_context + 1 if self.sections == "consecutive" else 1
        n_channels = sections * self.n_channels_
        return int(4 * n_pixels * values_per_pixel(self.network_, n_channels, self.spatial_ndim))

    def _largest_core(self, tiles, wanted):
        """Sides of a block where the halo is all that the network looks at: `wanted`, or what the
        network has memory for."""
        n_pixels = _NETWORK_BYTES * 1000 / self.block_bytes(1000)
        side = int(n_pixels ** (1 / self.spatial_ndim))
        if self.continuity_ is not None:
            side //= 2  # it keeps the probabilities of several sections
        most = [(side - 2 * h) // s * s for h, s in zip(tiles.halo, tiles.stride, strict=True)]
        if wanted is None:
            return most
        wanted = [w // s * s for w, s in zip(wanted, tiles.stride, strict=True)]
        return [min(pair) for pair in zip(wanted, most, strict=True)]

    def block_sizes(self, shape, wanted=None):
        """How a scan is cut for this network, so that blocks give what the whole gives.

        Parameters
        ----------
        shape : tuple of int
            Of the scan, pixels; sections first where they are consecutive.
        wanted : tuple of int, default=None
            Pixels of a block, about; None is as many as the network takes in 4 GB. Where the halo
            does not cover all that the network looks at, blocks are the tiles of `predict`.

        Returns
        -------
        core, halo : tuple of int
            What a block writes, and reads beyond it on each side where the scan goes on.

        Raises
        ------
        ValueError
            For a network that does not tell how far it looks, or is not tiled.
        """
        check_is_fitted(self)
        tiles = self._tiles(self.network_)
        if self.tiling != "overlap-tile" or not hasattr(self.network_, "reach"):
            raise ValueError(
                "Scans are predicted with tiling='overlap-tile' and a network that tells its "
                f"reach and stride, got tiling={self.tiling!r} and {type(self.network_).__name__}."
            )
        plane = shape[-self.spatial_ndim :]
        axes = zip(plane, tiles.tile, tiles.halo, tiles.stride, strict=True)
        core, halo = tuple(core_size(*axis) for axis in axes), tiles.halo
        if covers_reach(tiles, self.network_):
            wanted = None if wanted is None else wanted[-self.spatial_ndim :]
            larger = self._largest_core(tiles, wanted)
            core = tuple(min(s, max(c, m)) for s, c, m in zip(plane, core, larger, strict=True))
        if self.sections == "independent":
            return core, halo
        if self.continuity_ is not None:
            more = self._tiles(self.continuity_).halo
            # Blocks begin at multiples of the stride, so that poolings lie as in the whole.
            axes = zip(halo, more, tiles.stride, strict=True)
            halo = tuple(round_up(a + b, step) for a, b, step in axes)
        return (_SECTIONS, *core), (self.section_context + self.continuity_context_, *halo)

    def _predict(self, X, positions, finish):
        check_is_fitted(self)
        if is_lazy(X):
            return self._predict_lazy(X, positions, finish)
        images = self._check_images(X, self.n_channels_)
        results = [None] * len(images)
        for row, output in self._predicted(images, positions, *self._place()):
            results[row] = finish(output)
        return like_input(results, X)

    def _predict_lazy(self, X, positions, finish):
        if self.tiling != "overlap-tile":
            raise ValueError(
                f"Dask arrays are predicted with tiling='overlap-tile' only, got {self.tiling!r}."
            )
        X = check_lazy_images(X, self.spatial_ndim, n_channels=self.n_channels_)
        rows = self._rows(positions, len(X))
        if self.continuity_ is None:
            return self._lazy_blocks(X, rows, "network_", finish, self._views())
        positions = check_positions(positions, len(X))
        maps = self._lazy_maps(X, rows, positions)
        rows = section_indices(positions, self.continuity_context_)
        return self._lazy_blocks(maps, rows, "continuity_", finish)

    def _lazy_maps(self, X, rows, positions):
        """What goes into `continuity_`, with the probabilities last."""
        import dask.array as da

        views = self._views(positions)
        if not isinstance(views, np.ndarray):
            return self._lazy_blocks(X, rows, "network_", self._to_channels, views)
        groups = [np.flatnonzero(views == view) for view in np.unique(views)]
        parts = [
            self._lazy_blocks(X, rows[group], "network_", self._to_channels, int(views[group[0]]))
            for group in groups
        ]
        return da.concatenate(parts)[np.argsort(np.concatenate(groups))]

    def _lazy_blocks(self, X, rows, name, finish, views=None):
        """One of the networks over the blocks of a dask array, with the sections of `rows`."""
        import dask.array as da

        if rows.shape[1] > 1 or len(rows) < len(X):
            X = da.concatenate([X[row] for row in rows.T], axis=-1)
        # What comes out of one pixel tells channels and dtype.
        one = (self._objective().n_probabilities, *(1,) * self.spatial_ndim)
        example = finish(np.zeros(one, np.float32))
        channels = example.shape[-1] if example.ndim > self.spatial_ndim else None
        tiles = self._tiles(getattr(self, name))
        axes = zip(X.shape[1:-1], tiles.tile, tiles.halo, tiles.stride, strict=True)
        shipped = copy(self)  # without what is as large as the training images
        vars(shipped).update(dict.fromkeys(self._not_saved))
        return predict_blocks(
            X, _predict_block, (shipped, name, finish.__name__, views),
            core=tuple(core_size(*axis) for axis in axes), halo=tiles.halo,
            output_channels=channels, dtype=example.dtype,
        )  # fmt: skip

    def _to_channels(self, output):
        return np.moveaxis(output, 0, -1)


def neighbor_windows(maps, n, context, dtype):
    """Each section's probabilities with those of its neighbors, as channels.

    Parameters
    ----------
    maps : iterable of `n` ndarray of shape (n_probabilities, *spatial)
        Of neighboring sections.
    n, context : int
    dtype : torch.dtype

    Yields
    ------
    Tensor of shape (n_sections * n_probabilities, *spatial)
    """
    maps = iter(maps)

    @lru_cache(maxsize=2 * context + 1)
    def section(_):  # asked for in their order, once
        return torch.from_numpy(next(maps)).to(dtype)

    for window in section_indices(np.arange(n), context):
        for row in range(window.min(), window.max() + 1):
            section(int(row))
        yield torch.cat([section(int(row)) for row in window])


def _check_module(module, in_channels, n_outputs, ndim):
    """Raise where a user's network does not give the outputs that are wanted."""
    training = module.training
    needed = ["valid_input_size", "check_size", "reach"] if hasattr(module, "margin") else []
    needed += ["stride"] if hasattr(module, "reach") else []
    missing = [name for name in needed if not hasattr(module, name)]
    if missing:
        raise ValueError(f"network tells a margin or a reach, so it must tell {missing} too.")
    size = module.valid_input_size(64) if hasattr(module, "valid_input_size") else 64
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
    estimator, name, finish, views = model
    network, finish = getattr(estimator, name), getattr(estimator, finish)
    device, dtype = estimator._place()
    if name == "continuity_":
        windows = (torch.from_numpy(x).movedim(-1, 0).to(dtype) for x in block)
        outputs = estimator._corrected(network, windows, device, dtype)
    else:
        images = check_images(block, estimator.spatial_ndim, name="a block of X")
        rows = np.arange(len(block))[:, None]
        views = np.full(len(block), views) if isinstance(views, int) else views
        outputs = estimator._outputs(network, images, rows, device, dtype, views=views)
    return np.stack([finish(output) for output in outputs])
