"""Zeiss' CZI, read by the library pylibCZIrw."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

import numpy as np

from ..channels import channel_names
from .scene import Box, Scene, axis_letters, long_axes, missing_library, read_planes

_LOOPS = "BVHIRTZC"  # dimensions of planes, the slowest first
_NO_SCENE = -1
_MICROMETERS = 1e6  # in a meter, in which CZI defines sizes
# By the name of libCZI; colors are in the order blue, green, red.
_DTYPES = {
    "Gray8": np.uint8, "Gray16": np.uint16, "Gray32Float": np.float32,
    "Bgr24": np.uint8, "Bgr48": np.uint16, "Bgr96Float": np.float32,
}  # fmt: skip


class _Tile(NamedTuple):
    coordinate: dict[str, int]
    x: int
    y: int
    width: int
    height: int
    pixel_type: str


class _Place(NamedTuple):
    """Where a scene is in the file."""

    number: int
    x: int
    y: int
    fixed: dict[str, int]  # index along dimensions of length one
    indices: dict[str, tuple[int, ...]]  # along the others, which may not begin with 0
    pixel_types: dict[int, str]  # by the index of the channel


def open_czi(path: Path) -> list[Scene]:
    """Return the scenes of a file, each with all tiles of its mosaic."""
    try:
        from pylibCZIrw import czi
    except ImportError as error:
        raise missing_library(path, "pylibCZIrw", "czi") from error
    with czi.open_czi(str(path)) as file:
        tiles, metadata = _tiles(file), file.raw_metadata
    return [_scene(str(path), n, tiles[n], metadata) for n in sorted(tiles)]


def _tiles(file: Any) -> dict[int, list[_Tile]]:
    """Headers of the tiles of each scene, without those of the pyramid."""
    found: dict[int, list[_Tile]] = {}

    def add(_, info):
        coordinate, rect = dict(info.coordinate.to_dict()), info.logicalRect
        scene = found.setdefault(coordinate.pop("S", _NO_SCENE), [])
        scene.append(_Tile(coordinate, rect.x, rect.y, rect.w, rect.h, info.pixelType.name))
        return True

    file.enumerate_subblocks_subset(add, only_layer0=True)
    return found


def _scene(path, number, tiles, metadata):
    """Describe a scene by its tiles."""
    every = {d: sorted({t.coordinate.get(d, 0) for t in tiles}) for d in _LOOPS}
    _check_complete(tiles, every)
    pixel_types = {t.coordinate.get("C", 0): t.pixel_type for t in tiles}
    dtype, n_samples = _pixel_format(set(pixel_types.values()))
    x, y = min(t.x for t in tiles), min(t.y for t in tiles)
    sizes = {d: len(indices) for d, indices in every.items()}
    sizes["Y"] = max(t.y + t.height for t in tiles) - y
    sizes["X"] = max(t.x + t.width for t in tiles) - x
    sizes["S"] = n_samples
    kept = long_axes(sizes)
    place = _Place(
        number, x, y,
        {d: indices[0] for d, indices in every.items() if len(indices) == 1},
        {d: tuple(indices) for d, indices in every.items() if len(indices) > 1},
        pixel_types,
    )  # fmt: skip
    axes, shape = axis_letters(kept), tuple(sizes[name] for name in kept)
    spacing, names = _described(metadata, axes)
    return Scene(
        axes, shape, dtype, partial(_read, path, place, dtype), spacing,
        dict.fromkeys(spacing, "µm"), channel_names(names, axes, shape),
    )  # fmt: skip


def _check_complete(tiles, every):
    """Refuse a scene that lacks planes: the library reads them as zeros."""
    found = len({tuple(t.coordinate.get(d, 0) for d in _LOOPS) for t in tiles})
    expected = int(np.prod([len(indices) for indices in every.values()]))
    if found < expected:
        raise ValueError(
            f"a scene has {found} planes of the {expected} of its channels, sections and times: it "
            "is not complete. Export the planes that are there to TIFF"
        )


def _pixel_format(pixel_types):
    """Dtype that all channels fit in, and number of colors."""
    unknown = sorted(pixel_types - _DTYPES.keys())
    n_samples = {3 if name.startswith("Bgr") else 1 for name in pixel_types}
    if unknown or len(n_samples) > 1:
        raise ValueError(
            f"it has pixels of the types {sorted(pixel_types)}: expected gray or color, of 8 or 16 "
            "bits or floats, in all channels"
        )
    return np.result_type(*(_DTYPES[name] for name in pixel_types)), n_samples.pop()


def _described(metadata, axes):
    """Sizes in micrometers, and names of channels; nothing where the metadata are damaged."""
    try:
        root = ElementTree.fromstring(metadata)
        distances = {
            element.get("Id", "").lower(): float(element.findtext("Value") or 0) * _MICROMETERS
            for element in root.iterfind(".//Scaling/Items/Distance")
        }
    except (ElementTree.ParseError, ValueError):
        return {}, []
    spacing = {
        axis: float(f"{size:.12g}")  # without the rounding of the factor
        for axis, size in distances.items()
        if axis in set("zyx") & set(axes) and 0 < size < np.inf
    }
    channels = root.iterfind(".//Information/Image/Dimensions/Channels/Channel")
    return spacing, [element.get("Name") for element in channels]


def _read(path: str, place: _Place, dtype: np.dtype, box: Box) -> np.ndarray:
    """Read a box of a scene, plane by plane."""
    from pylibCZIrw import czi

    loops = list(place.indices)
    scene = None if place.number == _NO_SCENE else place.number
    with czi.open_czi(path) as file:

        def read(indices, part):
            at = {d: place.indices[d][i] for d, i in zip(loops, indices, strict=True)}
            plane = {**place.fixed, **at}
            y, x = part[:2]
            pixels = file.read(
                roi=(place.x + x.start, place.y + y.start, x.stop - x.start, y.stop - y.start),
                plane=plane, scene=scene, pixel_type=place.pixel_types[plane["C"]],
            )  # fmt: skip
            return pixels[..., ::-1][..., part[2]] if len(part) > 2 else pixels[..., 0]

        return read_planes(box, len(loops), dtype, read)
