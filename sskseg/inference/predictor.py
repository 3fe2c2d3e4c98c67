"""`DensePredictor`: one network over whole images, in memory or over the blocks of a dask array."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch

from ..images import check_images
from ..nn import computes_parts, network_margin
from ..training import inference_copy, select_device, select_precision, standardized_sections
from .blocks import predict_blocks, predict_windows
from .orientations import dihedral_mean, dihedral_orientations
from .tiling import Box, TileSettings, core_size, predict_images
from .valid_padding import pad_to_valid

Orientations = str | np.ndarray | None


@dataclass(frozen=True)
class Compute:
    """Device and precision, resolved where a prediction runs.

    Parameters
    ----------
    device : str, default="auto"
    precision : {"auto", "float32", "bfloat16"}, default="auto"
    """

    device: str = "auto"
    precision: str = "auto"

    def resolve(self) -> tuple[torch.device, torch.dtype]:
        """Return the device and the dtype on this machine."""
        device = select_device(self.device)
        return device, select_precision(self.precision, device)


@dataclass(frozen=True)
class ChannelNormalization:
    """Standardization of images by fixed statistics.

    Parameters
    ----------
    mean, std : ndarray of shape (n_channels,), float32
    offset : ndarray of shape (ndim,), default=None
        By which images are displaced to where labels lie, pixels along each axis.
    """

    mean: np.ndarray
    std: np.ndarray
    offset: np.ndarray | None = None

    def inputs(
        self, images: Sequence[np.ndarray], indices: np.ndarray, dtype: torch.dtype
    ) -> Iterator[torch.Tensor]:
        """Yield network inputs (n_sections * n_channels, *spatial).

        Parameters
        ----------
        images : sequence of ndarray of shape (*spatial, n_channels)
            Of the blocks of a dask array the channels are those of all sections.
        indices : ndarray of int, shape (n_samples, n_sections)
        dtype : torch.dtype
        """
        repeats = images[0].shape[-1] // len(self.mean)
        mean, std = np.tile(self.mean, repeats), np.tile(self.std, repeats)
        return standardized_sections(images, indices, mean, std, dtype, self.offset)


@dataclass(frozen=True)
class DensePredictor:
    """Predict every pixel of images with one network.

    Parameters
    ----------
    network : torch.nn.Module
    activate : callable
        Maps the outputs of the network (batch, n_outputs, *spatial) to what is predicted.
    normalization : ChannelNormalization or None
        None: images are fed as they are.
    tiling : TileSettings
    compute : Compute
    input_dtype : torch.dtype, default=None
        Of the inputs of the network, which casts them itself; None: that of its weights.
    """

    network: torch.nn.Module
    activate: Callable[[torch.Tensor], torch.Tensor]
    normalization: ChannelNormalization | None
    tiling: TileSettings
    compute: Compute = Compute()
    input_dtype: torch.dtype | None = None

    @property
    def ndim(self) -> int:
        """Number of spatial axes."""
        return len(self.tiling.tile)

    def predict(
        self,
        images: Sequence[np.ndarray],
        indices: np.ndarray | None = None,
        orientations: Orientations = None,
        part: Box | None = None,
    ) -> Iterator[np.ndarray]:
        """Predict samples, one after the other.

        Parameters
        ----------
        images : sequence of ndarray of shape (*spatial, n_channels)
        indices : ndarray of int, shape (n_samples, n_sections), default=None
            Images that make up the input channels of each sample; None: each image by itself.
        orientations : {"mean"}, ndarray of int of shape (n_samples,) or None, default=None
            ``"mean"`` averages over flips and quarter turns (test-time augmentation); an array
            chooses one of them for each sample; None: images as they are.
        part : tuple of slice, default=None
            Of the images, which is all that is predicted; None is the whole.

        Yields
        ------
        ndarray of float32, shape (n_outputs, *part)
        """
        yield from self.predict_inputs(self.inputs(images, indices), orientations, part)

    def inputs(
        self, images: Sequence[np.ndarray], indices: np.ndarray | None = None
    ) -> Iterable[torch.Tensor]:
        """Return the inputs of the network (n_channels, *spatial) for samples; see `predict`."""
        if indices is None:
            indices = np.arange(len(images))[:, None]
        dtype = self.input_dtype or self.compute.resolve()[1]
        if self.normalization is None:
            return (torch.from_numpy(images[i]).movedim(-1, 0).to(dtype) for (i,) in indices)
        return self.normalization.inputs(images, indices, dtype)

    def predict_inputs(
        self,
        inputs: Iterable[torch.Tensor],
        orientations: Orientations = None,
        part: Box | None = None,
    ) -> Iterator[np.ndarray]:
        """Predict tensors (n_channels, *spatial) that are normalized already; see `predict`."""
        device, dtype = self.compute.resolve()
        options: dict[str, Any] = {
            "settings": self.tiling, "device": device, "dtype": self.input_dtype or dtype,
            "part": part,
        }  # fmt: skip
        forward = self._forward(device, dtype)
        if isinstance(orientations, np.ndarray):
            oriented = dihedral_orientations(forward, self.tiling.stride)
            for x, orientation in zip(inputs, orientations, strict=True):
                yield from predict_images(oriented[orientation], [x], **options)
            return
        if orientations == "mean":
            forward = dihedral_mean(forward, self.tiling.stride)
        yield from predict_images(forward, inputs, **options)

    def predict_lazily(
        self,
        X: Any,
        indices: np.ndarray,
        finish: Callable[[np.ndarray], np.ndarray],
        n_outputs: int,
        orientations: Orientations = None,
    ) -> Any:
        """Predict a dask array block by block, when the result is asked for.

        Parameters
        ----------
        X : dask array of shape (n_samples, *spatial, n_channels)
        indices : ndarray of int, shape (n_predicted, n_sections)
        finish : callable
            Maps the prediction of a sample, (n_outputs, *spatial), to what is returned; picklable.
        n_outputs : int
        orientations : {"mean"}, ndarray of int of shape (n_predicted,) or None, default=None
            As in `predict`.

        Returns
        -------
        dask array of shape (n_predicted, *spatial) or (n_predicted, *spatial, channels)
        """
        # The prediction of one pixel shows channels and dtype.
        example = finish(np.zeros((n_outputs, *(1,) * self.ndim), np.float32))
        tiling = self.tiling
        axes = zip(X.shape[1:-1], tiling.tile, tiling.halo, tiling.stride, strict=True)
        blocks: dict[str, Any] = {
            "core": tuple(core_size(*axis) for axis in axes), "halo": tiling.halo,
            "output_channels": example.shape[-1] if example.ndim > self.ndim else None,
            "dtype": example.dtype,
        }  # fmt: skip
        if isinstance(orientations, np.ndarray):
            each = orientations.tolist()
        elif indices.shape[1] > 1 or len(indices) < len(X):
            each = [orientations] * len(indices)
        else:
            model = self, finish, orientations
            return predict_blocks(X, _predict_block, model, takes_part=True, **blocks)
        return predict_windows(X, indices, _predict_window, (self, finish), each, **blocks)

    def _forward(self, device, dtype):
        """The network and its activation, with outputs of the size of the input."""
        network = inference_copy(self.network, device, dtype, self.ndim)
        forward: Any = _Activated(network, self.activate)
        if any(network_margin(self.network, self.ndim)):
            return pad_to_valid(forward, self.network)
        return forward


class _Activated(NamedTuple):
    """A network and its activation."""

    network: Any
    activate: Callable[[torch.Tensor], torch.Tensor]

    def __call__(self, x):
        return self.activate(self.network(x))

    def predict_part(self, x, part):
        if not computes_parts(self.network):  # its output may be coarser than the image
            return self(x)[(..., *part)]
        return self.activate(self.network.predict_part(x, part))


def _predict_block(model, block, part):
    """Predict a part of a block of a dask array, whose channels hold the neighboring sections."""
    predictor, finish, orientations = model
    images = list(block)
    if predictor.normalization is not None:  # values of a dask array are checked only here
        images = check_images(block, predictor.ndim, name="a block of X")
    outputs = predictor.predict(images, orientations=orientations, part=part)
    return np.stack([finish(output) for output in outputs])


def _predict_window(model, block, orientation, part):
    """Predict a part of a block of one sample."""
    if isinstance(orientation, int):
        orientation = np.array([orientation])
    return _predict_block((*model, orientation), block, part)
