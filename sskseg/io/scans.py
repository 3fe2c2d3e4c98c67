"""Scans on disk as lazy arrays, with axes, spacing and unit."""

import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

_TIFF = (".tif", ".tiff", ".btf", ".tf8")
_HDF5 = (".h5", ".hdf5", ".hdf")
SECTIONS = (*_TIFF, ".png", ".jpg", ".jpeg", ".bmp")
ZARR_METADATA = ("zarr.json", ".zgroup", ".zarray", ".zattrs")
_CHUNK = 2**26  # bytes, where the file has no chunks of its own
_LENGTHS = {  # in meters, with the names that OME-NGFF has first
    1e-12: ("picometer", "pm"),
    1e-10: ("angstrom", "Å", "A"),
    1e-9: ("nanometer", "nm"),
    1e-6: ("micrometer", "µm", "μm", "um", "micron"),
    1e-3: ("millimeter", "mm"),
    1e-2: ("centimeter", "cm"),
    0.0254: ("inch", "in"),
    1.0: ("meter", "m"),
}


@dataclass(frozen=True)
class Scan:
    """A lazy array and what its axes mean.

    Parameters
    ----------
    data : dask array
        Axes in the order of `axes`; channels last.
    axes : str
        Of "z", "y", "x" and "c", one letter an axis.
    spacing : tuple of float
        Size of a pixel along each spatial axis, in `unit`; 1 where it is not known.
    unit : str or None
    source : str
        Where it is from.
    """

    data: Any
    axes: str
    spacing: tuple[float, ...]
    unit: str | None
    source: str

    def __repr__(self):
        return (
            f"Scan(axes={self.axes!r}, shape={self.data.shape}, dtype={self.data.dtype}, "
            f"spacing={self.spacing}, unit={self.unit!r})"
        )


def open_scan(path, *, level=0, axes=None, spacing=None, unit=None, chunks="auto"):
    """Open a scan without reading its pixels.

    Parameters
    ----------
    path : str or path-like
        OME-Zarr or zarr (a folder), HDF5 (``file.h5`` with one dataset, or ``file.h5:/data``),
        TIFF, BigTIFF or OME-TIFF, or a folder of sections, one image file each, in the order of
        the numbers in their names.
    level : int, default=0
        Of the resolution pyramid; 0 is the finest.
    axes : str, default=None
        Of "z", "y", "x" and "c", one letter for each axis in the file; None: as the file tells, or
        "yx" and "zyx" where it does not. Axes "t" and others are taken where their length is 1.
    spacing : sequence of float, default=None
        Of the spatial axes; None: as the file tells (OME-Zarr, OME-TIFF and what ImageJ writes), 1
        where it does not. Axes that it has in other units are converted to that of x.
    unit : str, default=None
        Of `spacing`. Where `spacing` is None, what the file tells is converted to it; None: as the
        file tells.
    chunks : int, tuple or "auto", default="auto"
        Of the lazy array where the file has none; see `dask.array.from_array`.

    Returns
    -------
    Scan

    Raises
    ------
    FileNotFoundError
        If nothing is at `path`.
    ValueError
        If it is no scan, has no such level or dataset, or other axes than are said; or if it tells
        sizes of pixels in units that cannot be converted.
    ImportError
        If the library that reads the format is not installed (extra ``scans``).

    Warns
    -----
    UserWarning
        If the file tells the size of a pixel along some axes only; along the others it is then 1.
    """
    name, separator, inside = _split(str(path))
    where = Path(name).absolute()  # workers may have another folder
    if not where.exists():
        raise FileNotFoundError(f"No scan at {where}.")
    if where.is_dir():
        if any((where / name).exists() for name in ZARR_METADATA):
            found = _open_zarr(where, inside, level)
        else:
            found = _open_sections(where, level)
    elif where.suffix.lower() in _HDF5:
        found = _open_hdf5(where, inside, level, chunks)
    elif where.suffix.lower() in _TIFF:
        found = _open_tiff(where, level, chunks)
    else:
        raise ValueError(
            f"{where} is no scan: expected zarr, HDF5 ({', '.join(_HDF5)}), TIFF "
            f"({', '.join(_TIFF)}) or a folder of sections."
        )
    data, told, steps, units = found
    if spacing is None:
        spacing, unit = _in_one_unit(steps, units, unit, where)
    return _ordered(data, axes or told, spacing, unit, f"{where}{separator}{inside}")


def _split(path):
    """File and what is inside it; the colon of a Windows drive stays."""
    match = re.match(r"^(.*\.(?:h5|hdf5|hdf|zarr))(:/?)(.*)$", path, re.IGNORECASE)
    return match.groups() if match else (path, "", "")


def _ordered(data, axes, spacing, unit, source):
    """Spatial axes in the order z, y, x, then channels."""
    if axes is None:
        axes = {2: "yx", 3: "zyx", 4: "zyxc"}.get(data.ndim, "")
    axes = axes.lower()
    if len(axes) != data.ndim or len(set(axes)) < len(axes):
        raise ValueError(
            f"axes must name each of the {data.ndim} axes of shape {data.shape} once, got {axes!r}."
        )
    for letter in [a for a in axes if a not in "zyxc"]:
        at = axes.index(letter)
        if data.shape[at] != 1:
            raise ValueError(
                f"Axis {letter!r} has length {data.shape[at]}: only z, y, x and c may be longer "
                "than 1."
            )
        data, axes = data[(slice(None),) * at + (0,)], axes.replace(letter, "")
    if not {"y", "x"} <= set(axes):
        raise ValueError(f"A scan has the axes y and x at least, got {axes!r}.")
    order = [axes.index(letter) for letter in "zyxc" if letter in axes]
    spatial = "".join(letter for letter in "zyx" if letter in axes)
    steps = _spacing(spacing, spatial, source)
    wanted = spatial + ("c" if "c" in axes else "")
    return Scan(data.transpose(order), wanted, steps, unit, source)


def _in_one_unit(steps, units, wanted, where):
    """Sizes of pixels in one unit: `wanted`, or that of x; and that unit."""
    units = {axis: units.get(axis) or units.get("x") for axis in steps}
    unit, found = wanted or units.get("x"), {}
    for axis, step in steps.items():
        known = units[axis] in (None, unit) or axis not in "zyx"
        factor = 1.0 if known else _length(units[axis])[0] / _length(unit)[0]
        found[axis] = float(step) * factor
        if axis in "zyx" and not 0 < found[axis] < np.inf:
            raise ValueError(
                f"{where} tells pixels of {step!r} {units[axis] or ''} along {axis}, wanted in "
                f"{unit or 'any unit'}: give spacing and unit."
            )
    return found, unit


def unit_name(unit):
    """The name that OME-NGFF has for a unit of length; any other name as it is."""
    return _length(unit)[1]


def _length(unit):
    """Meters of a unit, NaN where it is not known, and its name."""
    for meters, names in _LENGTHS.items():
        if unit and (unit in names or unit.lower().removesuffix("s") in names):
            return meters, names[0]
    return np.nan, unit


def _spacing(spacing, spatial, source):
    if isinstance(spacing, dict):
        missing = [letter for letter in spatial if letter not in spacing]
        if 0 < len(missing) < len(spatial):
            warnings.warn(
                f"{source} does not tell the size of a pixel along {', '.join(missing)}: it is "
                "taken for 1. Give spacing.",
                UserWarning,
                stacklevel=4,
            )
        return tuple(float(spacing.get(letter, 1.0)) for letter in spatial)
    steps = tuple(float(step) for step in spacing)
    if len(steps) != len(spatial) or not all(0 < step < np.inf for step in steps):
        raise ValueError(f"spacing must be {len(spatial)} positive numbers, got {spacing!r}.")
    return steps


def _open_zarr(where, inside, level):
    import dask.array as da
    import zarr

    node = zarr.open(where, mode="r", path=inside or None)
    if not hasattr(node, "groups"):
        _only_level(level, 1)
        return da.from_zarr(node), None, {}, {}
    attributes = dict(node.attrs)
    pyramids = attributes.get("ome", attributes).get("multiscales")
    if not pyramids:
        arrays = [name for name, _ in node.arrays()]
        if len(arrays) != 1:
            raise ValueError(f"{where} is a group without multiscales, and holds {arrays}.")
        _only_level(level, 1)
        return da.from_zarr(node[arrays[0]]), None, {}, {}
    sets = pyramids[0]["datasets"]
    _only_level(level, len(sets))
    data = da.from_zarr(node[sets[level]["path"]])
    axes = [a if isinstance(a, dict) else {"name": a} for a in pyramids[0].get("axes", [])]
    letters = "".join(a["name"][0].lower() for a in axes) or None
    steps = dict.fromkeys(letters or "", 1.0)
    for part in (sets[level], pyramids[0]):  # one after the other
        for change in part.get("coordinateTransformations", []):
            if change["type"] == "scale":
                steps = {k: v * s for (k, v), s in zip(steps.items(), change["scale"], strict=True)}
    units = {a["name"][0].lower(): a["unit"] for a in axes if "unit" in a}
    return data, letters, steps, units


def _open_hdf5(where, inside, level, chunks):
    import dask.array as da
    import h5py

    _only_level(level, 1)
    with h5py.File(where) as file:
        names = []
        file.visititems(lambda name, item: names.append(name) if hasattr(item, "shape") else None)
        name = inside.strip("/") or (names[0] if len(names) == 1 else None)
        if name not in names:
            raise ValueError(f"{where} holds the datasets {names}; name one as {where}:/NAME.")
        source = _Hdf5(str(where), name, file[name].shape, file[name].dtype, file[name].chunks)
    return da.from_array(source, chunks=_chunks(source, chunks), name=False), None, {}, {}


def _open_tiff(where, level, chunks):
    import dask.array as da
    import tifffile

    with tifffile.TiffFile(where) as file:
        series = file.series[0]
        _only_level(level, len(series.levels))
        part = series.levels[level]
        axes = part.axes.lower().replace("s", "c").replace("q", "z").replace("i", "z")
        steps, units = _imagej_spacing(file) if file.is_imagej else _ome_spacing(file.ome_metadata)
        if level:
            wide, narrow = series.shape[axes.index("x")], part.shape[axes.index("x")]
            steps = {k: v * (wide / narrow if k in "yx" else 1) for k, v in steps.items()}
        page = part.keyframe
        tile = (page.tilelength, page.tilewidth) if page.is_tiled else None
        source = _Tiff(str(where), level, part.shape, part.dtype, tile)
    return da.from_array(source, chunks=_chunks(source, chunks), name=False), axes, steps, units


def _ome_spacing(text):
    """Pixel sizes and units of the first image of OME-XML."""
    try:
        elements = ElementTree.fromstring(text).iter() if text else ()
    except ElementTree.ParseError:  # which tells no size
        elements = ()
    told = next((e.attrib for e in elements if e.tag.rpartition("}")[2] == "Pixels"), {})
    sizes = {a.lower(): told[f"PhysicalSize{a}"] for a in "ZYX" if f"PhysicalSize{a}" in told}
    return (
        {axis: float(size) for axis, size in sizes.items()},
        {axis: told.get(f"PhysicalSize{axis.upper()}Unit", "µm") for axis in sizes},
    )


def _imagej_spacing(file):
    """Pixel sizes and unit of what ImageJ writes; nothing where it knows none.

    Of other files the resolution is not taken: it is mostly that of some screen.
    """
    told, tags = file.imagej_metadata, file.pages.first.tags

    def unit_of(axis):
        text = str(told.get(f"{axis}unit", told.get("unit", "")))
        return re.sub(r"\\u([0-9a-fA-F]{4})", lambda m: chr(int(m[1], 16)), text)

    if unit_of("x").lower() in ("", "pixel", "pixels"):
        return {}, {}
    steps = {"z": float(told["spacing"])} if told.get("spacing") else {}
    for axis, name in (("y", "YResolution"), ("x", "XResolution")):
        pixels, length = tags[name].value if name in tags else (0, 0)
        if pixels and length:
            steps[axis] = length / pixels
    return steps, {axis: unit_of(axis) for axis in steps}


def _open_sections(where, level):
    import dask
    import dask.array as da
    from skimage.io import imread

    _only_level(level, 1)
    files = [f for f in where.iterdir() if f.suffix.lower() in SECTIONS]
    if not files:
        raise ValueError(f"{where} holds no zarr and no image files ({', '.join(SECTIONS)}).")
    files.sort(key=lambda f: [int(p) if p.isdigit() else p for p in re.split(r"(\d+)", f.name)])
    first = imread(files[0])
    if first.ndim not in (2, 3):
        raise ValueError(f"{files[0]} must hold one section, got shape {first.shape}.")
    read = dask.delayed(_read_section, pure=True)
    sections = [da.from_delayed(read(str(f), first.shape), first.shape, first.dtype) for f in files]
    return da.stack(sections), "zyx" + "c" * (first.ndim == 3), {}, {}


def _read_section(path, shape):
    from skimage.io import imread

    section = imread(path)
    if section.shape != shape:
        raise ValueError(f"{path} has shape {section.shape}, the first section {shape}.")
    return section


def _only_level(level, n):
    if not 0 <= level < n:
        raise ValueError(f"level must be from 0 to {n - 1}, got {level!r}.")


@dataclass(frozen=True)
class _OnDisk:
    """An array in a file that is opened for each read, so that it travels to other processes.

    `inside` says where in the file it is; `own` are the file's chunks, of the last axes.
    """

    path: str
    inside: Any
    shape: tuple[int, ...]
    dtype: np.dtype
    own: tuple[int, ...] | None

    @property
    def ndim(self):
        return len(self.shape)


class _Hdf5(_OnDisk):
    def __getitem__(self, region):
        import h5py

        with h5py.File(self.path) as file:
            return file[self.inside][region]


class _Tiff(_OnDisk):
    """A level of the first series, through tifffile's view as zarr."""

    def __getitem__(self, region):
        import tifffile
        import zarr

        with (
            tifffile.TiffFile(self.path) as file,
            file.series[0].levels[self.inside].aszarr() as store,
        ):
            return np.asarray(zarr.open(store, mode="r")[region])


def _chunks(source, chunks):
    """Chunks of about 64 MB that are multiples of those of the file."""
    if chunks != "auto":
        return chunks
    own = [1] * source.ndim
    if source.own:
        own[source.ndim - len(source.own) :] = source.own
    wanted = list(source.shape)
    item = np.dtype(source.dtype).itemsize
    for axis in range(source.ndim):  # the slowest axis is cut first
        while np.prod(wanted) * item > _CHUNK and wanted[axis] > own[axis]:
            half = -(-wanted[axis] // 2)
            wanted[axis] = max(own[axis], -(-half // own[axis]) * own[axis])
            if wanted[axis] <= own[axis] or half <= own[axis]:
                break
    return tuple(wanted)
