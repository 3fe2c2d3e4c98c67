"""Files of microscope vendors: nd2, CZI, LIF, and what bioio reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..vendors import Scene, naming, open_scenes
from ..vendors.scene import Box
from .on_disk import ArrayOnDisk
from .scan import FileContent, check_level, series_number


def open_vendor_file(path: Path, inside: str, level: int, chunks: Any) -> FileContent:
    """Open a scene: the first, or that of the number `inside`."""
    check_level(level)
    scenes = open_scenes(path)
    scene = scenes[series_number(path, inside, len(scenes))]
    array = _SceneOnDisk(str(path), scene, scene.shape, scene.dtype, scene.chunks)
    axes = scene.axes if "c" in scene.axes else scene.axes.replace("s", "c")
    return FileContent(array.to_dask(chunks), axes, scene.spacing, scene.units, scene.channels)


class _SceneOnDisk(ArrayOnDisk):
    """A scene, of which boxes are read."""

    inside: Scene

    def __getitem__(self, region: Any) -> np.ndarray:
        box, part = _as_box(region, self.shape)
        lengths = [each.stop - each.start for each in box]
        if 0 in lengths:  # dask asks for no pixels to find out the type of the array
            return np.empty(lengths, self.dtype)[part]
        with naming(self.path):
            return self.inside.read(box)[part]


def _as_box(region: Any, shape: tuple[int, ...]) -> tuple[Box, tuple[Any, ...]]:
    """Return the box around a region of integers and slices, and where the region is in it."""
    region = region if isinstance(region, tuple) else (region,)
    region += (slice(None),) * (len(shape) - len(region))
    box: list[slice] = []
    part: list[Any] = []
    for index, n in zip(region, shape, strict=True):
        if isinstance(index, slice):
            steps = range(n)[index]
            low, high = sorted((steps[0], steps[-1])) if steps else (0, -1)
            part.append(slice(None, None, steps.step))
        else:
            low = high = range(n)[index]
            part.append(0)
        box.append(slice(low, high + 1))
    return tuple(box), tuple(part)
