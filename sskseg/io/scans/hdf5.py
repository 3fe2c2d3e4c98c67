"""HDF5: one dataset of a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from .on_disk import ArrayOnDisk
from .scan import FileContent, check_level, letters_of

SUFFIXES = (".h5", ".hdf5", ".hdf")


def open_hdf5(path: Path, inside: str, level: int, chunks: Any) -> FileContent:
    """Open the dataset at `inside`, or the only one of the file."""
    import h5py

    check_level(level)
    with h5py.File(path) as file:
        names: list[str] = []
        file.visititems(lambda name, item: names.append(name) if hasattr(item, "shape") else None)
        name = inside.strip("/") or (names[0] if len(names) == 1 else None)
        if name not in names:
            raise ValueError(f"{path} holds the datasets {names}; name one as {path}:/NAME.")
        dataset = file[name]
        array = _Hdf5(str(path), name, dataset.shape, dataset.dtype, dataset.chunks)
        spacing, axes = _element_size(dataset), letters_of(_names(dataset))
    return FileContent(array.to_dask(chunks), axes, spacing, dict.fromkeys(spacing, "µm"))


def _element_size(dataset):
    """Size of a pixel by axis, as the HDF5 plugins of Fiji and ilastik write it."""
    sizes = np.ravel(dataset.attrs.get("element_size_um", ())).tolist()
    return dict(zip("zyx"[3 - len(sizes) :], sizes, strict=True)) if len(sizes) in (2, 3) else {}


def _names(dataset):
    """Names of the axes, as vigra (ilastik) and h5py write them."""
    tags = dataset.attrs.get("axistags")
    if tags is None:
        return [axis.label for axis in dataset.dims]
    return [axis.get("key") for axis in json.loads(tags)["axes"]]


class _Hdf5(ArrayOnDisk):
    def __getitem__(self, region: Any) -> np.ndarray:
        import h5py

        with h5py.File(self.path) as file:
            return file[self.inside][region]
