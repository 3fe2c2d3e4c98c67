"""A segmenter as scans use it: `sskseg.scans.protocol.BlockPredictor`."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch

from ..images import check_images
from ..inference import SectionPredictor
from ._block_shapes import block_bytes, block_sizes

# One network at a time in a process: torch has threads of its own, a GPU its own queue.
_NETWORK = threading.Lock()


@dataclass(frozen=True)
class SegmenterBlocks:
    """Predict blocks of a scan: see `BlockPredictor`.

    Parameters
    ----------
    predictor : SectionPredictor
        With tiles of the size of a block.
    finish : callable
        Maps the prediction of a sample to the probability of the foreground.
    core, halo : tuple of int
    n_channels : int
    """

    predictor: SectionPredictor
    finish: Callable[[np.ndarray], np.ndarray]
    core: tuple[int, ...]
    halo: tuple[int, ...]
    n_channels: int
    _on_device: dict[str, SectionPredictor] = field(default_factory=dict)
    takes_core = True

    @property
    def consecutive(self) -> bool:
        return self.predictor.sections.consecutive

    @property
    def has_cores(self) -> bool:
        return self.predictor.n_further > 0

    def memory(self, n_pixels: int) -> int:
        return block_bytes(self.predictor, self.n_channels, n_pixels)

    def predict(
        self,
        block: Any,
        *,
        positions: np.ndarray | None = None,
        device: str | None = None,
        core: tuple[slice, ...] | None = None,
    ) -> np.ndarray:
        samples = block if self.consecutive else block[None]
        images = check_images(samples, self.predictor.first.ndim, n_channels=self.n_channels)
        wanted, part = np.arange(len(images)), None
        if core is not None:
            wanted = wanted[core[0]] if self.consecutive else wanted
            part = core[-self.predictor.first.ndim :]
        predictor = self._on(device)
        with _network(predictor.first.compute):
            outputs = predictor.predict(images, positions, wanted, part)
            found = {i: self.finish(output) for i, output in outputs if i in wanted}
        predicted = [found[i] for i in wanted]
        return np.stack(predicted) if self.consecutive else predicted[0]

    def _on(self, device):
        """The predictor on a device, unless the segmenter chose one; its network stays ready."""
        if device is None or self.predictor.first.compute.device != "auto":
            return self.predictor
        if device not in self._on_device:
            first, correction = self.predictor.first, self.predictor.correction
            compute = replace(first.compute, device=device)
            if correction is not None:
                correction = replace(correction, compute=compute)
            moved = replace(
                self.predictor, first=replace(first, compute=compute), correction=correction
            )
            self._on_device[device] = moved
        return self._on_device[device]

    def __getstate__(self):
        return vars(self) | {"_on_device": {}}


def _network(compute):
    """The network of this process, or nothing where it has the one thread that it runs in."""
    alone = torch.get_num_threads() == 1 and compute.resolve()[0].type == "cpu"
    return nullcontext() if alone else _NETWORK


def segmenter_blocks(
    make_predictor: Callable[..., SectionPredictor],
    finish: Callable[[np.ndarray], np.ndarray],
    n_channels: int,
    shape: tuple[int, ...],
    wanted: tuple[int, ...] | None = None,
) -> SegmenterBlocks:
    """Plan the blocks of a scan.

    Parameters
    ----------
    make_predictor : callable
        Returns the predictor for blocks of a shape; by default that of images.
    finish, n_channels
        As `SegmenterBlocks` takes them.
    shape, wanted : tuple of int
        As `SemiSupervisedSegmenter.block_predictor` takes them.
    """
    predictor = make_predictor()
    core, halo = block_sizes(predictor, n_channels, shape, wanted)
    if len(core) != len(shape):
        kind = "consecutive" if predictor.sections.consecutive else "independent"
        raise ValueError(
            "Segmenter and counter must both have sections='consecutive', or neither, got a "
            f"segmenter with sections={kind!r} and a scan of {len(shape)} axes."
        )
    core = tuple(min(side, size) for side, size in zip(core, shape, strict=True))
    sides = list(zip(core, halo, strict=True))[-predictor.first.ndim :]
    predictor = make_predictor(tuple(side + 2 * margin for side, margin in sides))
    return SegmenterBlocks(predictor, finish, core, halo, n_channels)
