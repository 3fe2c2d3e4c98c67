"""Read images, with errors and warnings that name the file."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..images import ImageStack
from . import rasters, tiff, vendors
from .channels import TrainedChannel, channel_index, unlike_names
from .folders import (
    check_names,
    check_no_scan,
    companion_files,
    files_of,
    label_files,
    list_images,
    no_files,
    number,
    stem,
    warn_of_other_files,
    warn_of_subfolders,
)
from .pictures import Header, Picture, has_colors
from .stacks import depths, stack_positions
from .truncation import unreadable
from .units import Size, convert_spacing, is_same_size


def read_images(
    path: str | os.PathLike[str],
    *,
    spatial_ndim: int = 2,
    channel: int | str | TrainedChannel | None = None,
) -> tuple[list[str], ImageStack]:
    """Read the images of a file or of a folder.

    All series and pages of a file are read. Channels become the last axis. Photographs and
    the pages of a TIFF are rotated by their orientation (EXIF, tag 274). Palettes are converted to
    colors, except for gray ramps (the lookup table of a gray image). Of nd2, CZI and LIF files,
    each scene, position or image is read, and of a CZI file the whole mosaic.

    Parameters
    ----------
    path : str or path-like
        A TIFF (including ImageJ and OME-TIFF), PNG, JPEG, BMP, nd2, CZI or LIF file, or a folder of
        such files. A folder is read in natural order ("2" before "10"). Hidden files, label files
        next to images ("cell_mask.png" next to "cell.tif"), and outlines and flows of Cellpose are
        ignored. Other formats of microscopes are read by bioio, as a single file or a folder that
        contains no other images.
    spatial_ndim : {2, 3}, default=2
        2: each plane along z and time is an image; those of one time follow each other, whatever
        the order in the file is. 3: each volume is an image.
    channel : int, str or TrainedChannel, default=None
        The only channel to read: its index, from 0, or its name, if the files have names (OME-TIFF,
        ImageJ, nd2, CZI, LIF). None reads all channels.

    Returns
    -------
    names : list of str
        For each image, the name of its file without the suffix. If a file has several images, a
        number follows.
    images : ImageStack
        The images, with the size of a pixel (`spacing`, `unit`) along y and x, and along z, if the
        files contain it. Files of several planes are stacks of their own, and so are the times of
        volumes: `positions` keep them apart.

    Raises
    ------
    FileNotFoundError
        If there is no such file, or no image in the folder.
    ValueError
        If a file cannot be read or is incomplete, files of its set are missing, or it has no such
        channel. If two images have one name: a page of "a.tif" and "a_0001.tif". If a channel is
        chosen by its number, and files have channels in another order. The message names the file.
    ImportError
        If the library for a file is not installed: the extras ``nd2``, ``czi`` and ``lif`` (or
        ``vendors`` for all three), or bioio.

    Warns
    -----
    UserWarning
        If the size of a pixel is omitted, because images have different sizes, units cannot be
        converted, or volumes have no size along z. If a file does not name its first axes, a folder
        has files of other formats or subfolders with other images, or images of a LIF file are
        ignored. If files name the channels that are read differently.
    """
    names, images, of, stacks = [], [], [], []
    sizes: list[tuple[Path, Size]] = []
    read: list[tuple[Path, tuple[str, ...]]] = []  # names of channels
    files = image_files(path)
    for i, file in enumerate(files):
        try:
            pictures = read_pictures(file)
        except ValueError as error:
            others = _damaged(files[i + 1 :])
            if not others:
                raise
            raise ValueError(f"{error} Also damaged: {others}.") from error
        _warn_of_unnamed_axes(pictures, file)
        found = _named(lambda p: images_of(p, spatial_ndim, channel), pictures, file)
        names += number(file, len(found))
        images += found
        of += [file] * len(found)
        stacks += [n for picture in pictures for n in depths(picture)]
        sizes += _sizes(pictures, file, spatial_ndim)
        read += [(file, picture.channels) for picture in pictures]
    check_names(names, of)  # of pages, too
    _check_channels(read, channel)
    spacing, unit = _common(sizes)
    positions = stack_positions(stacks) if spatial_ndim == 2 else None
    return names, ImageStack(images, spacing=spacing, unit=unit, positions=positions)


def _damaged(files):
    """The names of the first damaged files, and how many others there are; empty if none is."""
    names = [file.name for file in files if _is_damaged(file)]
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return f"{', '.join(names[:5])}{more}"


def _is_damaged(file):
    try:
        read_headers(file)
    except Exception as error:  # others are no faults of the file
        return isinstance(error, ValueError)
    return False


def read_image(path: str | os.PathLike[str]) -> np.ndarray:
    """Read one image file as one array, as it is stored.

    Parameters
    ----------
    path : str or path-like
        File, as for `read_images`.

    Returns
    -------
    ndarray of shape (height, width), (height, width, channels) or (pages, height, width, ...)

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it cannot be read as an image, or holds images of several shapes; the message names it.
    ImportError
        If the library that reads it is not installed.
    """
    pictures = read_pictures(_existing(path))
    if len(pictures) > 1:
        raise ValueError(
            f"{path} holds {len(pictures)} images of shapes {[p.pixels.shape for p in pictures]}: "
            "expected one, or pages of one shape. See read_images."
        )
    return pictures[0].pixels


def read_pictures(path: Path) -> list[Picture]:
    """Read all pictures of a file, with errors that name it."""
    if vendors.is_vendor_file(path):
        return vendors.read_scenes(path)
    try:
        if path.suffix.lower() in tiff.SUFFIXES:
            pictures = tiff.read_tiff(path)
        else:
            pictures = [rasters.read_raster(path)]
    except Exception as error:  # decoders raise errors of many kinds
        raise unreadable(path, "an image", error) from error
    # tifffile only logs that the first page is not there
    if not pictures or any(p.pixels.size == 0 or p.pixels.ndim < 2 for p in pictures):
        raise unreadable(path, "an image", "it holds no page of pixels")
    return pictures


def read_headers(path: Path) -> list[Header]:
    """Describe the pictures of a file without their pixels; errors are those of `read_pictures`."""
    if vendors.is_vendor_file(path):
        return [
            Header(s.axes, s.shape, s.dtype, s.spacing, s.units, s.channels)
            for s in vendors.open_scenes(path)
        ]
    if path.suffix.lower() not in tiff.SUFFIXES:
        return [Header(p.axes, p.pixels.shape, p.pixels.dtype, p.spacing, p.units)
                for p in read_pictures(path)]  # fmt: skip
    try:
        headers = tiff.tiff_headers(path)
    except Exception as error:  # decoders raise errors of many kinds
        raise unreadable(path, "an image", error) from error
    if not headers:
        raise unreadable(path, "an image", "it holds no page of pixels")
    return headers


def image_files(path: str | os.PathLike[str]) -> list[Path]:
    """List the files of `read_images`: the file itself, or the images of the folder.

    Of an OME-TIFF that is spread over several files, the first stands for all. Files for bioio are
    listed if there are no others.
    """
    path = Path(path)
    if not path.is_dir():
        return [_existing(path)]
    every = list_images(path) or files_of(path, vendors.BIOIO_SUFFIXES)
    aside = {*label_files(every), *companion_files(every)}
    files = [file for file in every if file not in aside]
    if not files:
        check_no_scan(path)
        raise no_files(path, "image")
    warn_of_other_files(path, every)
    warn_of_subfolders(path, files)
    check_names(map(stem, files), files)
    chosen, read = [], set()
    for file in files:
        if file.name not in read:
            chosen.append(file)
            read |= _set_of(file)
    return chosen


def _set_of(file):
    """Names of the files of an OME-TIFF; errors are left to the reader, which names the file."""
    if not file.name.lower().endswith((".ome.tif", ".ome.tiff")):
        return set()
    try:
        return tiff.series_files(file)
    except Exception:  # decoders raise errors of many kinds
        return set()


def _existing(path):
    path = Path(path)
    if path.is_file() or ".zarr" in str(path):  # which may name a group inside
        check_no_scan(path)
    if not path.is_file():
        raise FileNotFoundError(f"No image file at {path}.")
    return path


def _named(function: Callable[[Picture], list], pictures: list[Picture], file: Path) -> list[Any]:
    """Apply a function to pictures; its errors name the file."""
    try:
        return [item for picture in pictures for item in function(picture)]
    except ValueError as error:
        raise ValueError(f"{file} cannot be read: {error}.") from error


def images_of(
    picture: Picture, spatial_ndim: int, channel: int | str | TrainedChannel | None = None
) -> list[np.ndarray]:
    """Return the images of a picture, with all channels or one."""
    images, palette = picture.samples(spatial_ndim), picture.palette
    if has_colors(palette):
        images = [palette[image] if image.ndim == 2 else image for image in images]
    if channel is None:
        return images
    images = [image if image.ndim > spatial_ndim else image[..., None] for image in images]
    n = images[0].shape[-1] if images else 1
    index = channel_index(channel, n, picture.channels)
    return [image[..., index].copy() for image in images]  # not a view of all channels


def _check_channels(read, channel):
    """Warn of files that name what is read differently; refuse those with channels in another
    order, if one is read by its number.
    """
    chosen = [_channels_read(names, channel) for _, names in read]
    found = unlike_names(chosen)
    if found is None:
        return
    if isinstance(channel, str) and len({own[0].casefold() for own in chosen if own}) == 1:
        return  # of a name that they write in upper and lower case
    (one, names), (other, others) = (read[i] for i in found)
    first, second = (", ".join(map(repr, chosen[i])) for i in found)
    if channel is not None and (chosen[found[0]][0] in others or chosen[found[1]][0] in names):
        raise ValueError(
            f"channel must be the same in all files, got {channel}, which is {first} in {one} and "
            f"{second} in {other}. Choose it by its name."
        )
    warnings.warn(
        f"{one} has {first}, and {other} has {second}: channels are read as if they were the same. "
        "If they are not, read one by its name, or separate the images.",
        UserWarning,
        stacklevel=3,
    )


def _channels_read(names, channel):
    """Names of the channels of a picture that are read."""
    if channel is None or not names:
        return names
    return (names[channel_index(channel, len(names), names)],)


def find_channel(path: str | os.PathLike[str], channel: int | str) -> TrainedChannel:
    """Find the index and the name of a channel that `read_images` has read.

    Parameters
    ----------
    path : str or path-like
    channel : int or str

    Returns
    -------
    TrainedChannel
        By the first file that names its channels, or else the first one.
    """
    names = next((names for _, names, _ in channels_in(path) if names), None)
    if names is None:
        return TrainedChannel(int(channel))
    index = channel_index(channel, len(names), names)
    return TrainedChannel(index, names[index])


def channels_in(path: str | os.PathLike[str]) -> Iterator[tuple[Path, tuple[str, ...], int]]:
    """Yield the file, the names of the channels, and their number, of each image of `read_images`.

    Raster files name no channels, and are left out: their headers need all pixels.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they come from reading the images
        files = image_files(path)
    for file in files:
        for header in () if file.suffix.lower() in rasters.SUFFIXES else read_headers(file):
            n = header.shape[header.axes.index("c")] if "c" in header.axes else 1
            yield file, header.channels, n


def _warn_of_unnamed_axes(pictures, file):
    found = next((p for p in pictures if p.n_unnamed > 1), None)
    if found is not None:
        warnings.warn(
            f"{file} has shape {found.pixels.shape} and does not say what its first "
            f"{found.n_unnamed} axes are: no one is taken for channels. Write axes (of ImageJ or "
            "OME-TIFF) if one is.",
            UserWarning,
            stacklevel=3,
        )


def _sizes(pictures, file, spatial_ndim):
    """Different sizes of pixels in a file."""
    different = {(*p.spacing.items(), *p.units.items()): p for p in pictures}
    return [(file, _spacing(picture, file, spatial_ndim)) for picture in different.values()]


def _spacing(picture, file, spatial_ndim):
    """Size of a pixel (y and x, and z if the file has it) and unit; None where it is unknown."""
    try:
        spacing, unit = convert_spacing(picture.spacing, picture.units, None, file)
    except ValueError as error:  # images can be read without
        warnings.warn(f"{error} Sizes are left out.", UserWarning, stacklevel=4)
        return None, None
    axes = [axis for axis in "zyx" if axis in spacing]
    if not {"y", "x"} <= set(axes):
        return None, None
    if len(axes) < spatial_ndim:
        warnings.warn(
            f"{file} does not define the size of a pixel along z: sizes are left out.",
            UserWarning,
            stacklevel=4,
        )
        return None, None
    return tuple(spacing[axis] for axis in axes), unit


def pixel_size(file: Path) -> Size:
    """Return the size of a pixel that the header of a file defines (y and x, and z if it has it),
    and its unit; None where it is unknown."""
    return _spacing(read_headers(file)[0], file, 2)


def _common(sizes):
    """Size of a pixel that all images share."""
    different: list[tuple[Path, Size]] = []
    for file, size in sizes:
        if not any(is_same_size(size, other) for _, other in different):
            different.append((file, size))
    if len(different) == 1:
        return different[0][1]
    listed = "; ".join(
        f"{file.name}: {'none in the file' if size is None else f'{size} {unit}'}"
        for file, (size, unit) in different[:3]
    )
    warnings.warn(
        f"The images have pixels of unlike sizes ({listed}): spacing is left out.",
        UserWarning,
        stacklevel=3,
    )
    return None, None
