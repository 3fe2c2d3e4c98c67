"""Files of microscope vendors: nd2, CZI, LIF, and what bioio reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..vendors import Scene, naming, open_scenes
from .on_disk import ArrayOnDisk, as_box
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
        box, part = as_box(region, self.shape)
        lengths = [each.stop - each.start for each in box]
        if 0 in lengths:  # dask asks for no pixels to find out the type of the array
            return np.empty(lengths, self.dtype)[part]
        with naming(self.path):
            return self.inside.read(box)[part]
