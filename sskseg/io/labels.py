"""Read label images."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .empty_pages import check_empty, decided_pages, warn_of_zeros
from .folders import (
    check_names,
    composed,
    no_files,
    number,
    stem,
    warn_of_other_files,
    without_label_suffix,
)
from .images import image_files, read_pictures
from .label_numbers import decided_labels, stored_labels
from .label_sources import (
    LabelSources,
    label_sources,
    one_of_each,
    without_copies,
    without_strays,
)
from .ome_zarr.reading import holds_zarr, no_zarr, read_label_images
from .rois.adapters import read_areas
from .storage import check_no_options, is_url


def read_labels(
    path: str | os.PathLike[str],
    names: Sequence[str] | None = None,
    *,
    spatial_ndim: int = 2,
    shape: Sequence[int] | Sequence[Sequence[int]] | None = None,
    background: int | None = None,
    empty: str | None = None,
    storage_options: Mapping[str, Any] | None = None,
) -> tuple[list[str], list[np.ndarray | None]]:
    """Read label images: 0 is background, -1 is unlabeled, positive numbers are objects.

    Files of `write_labels` are read exactly as they were written. These rules apply to each other
    file:

    - Palette images are read as indices. In RGB and RGBA images, each color of an image is an
      object. Black and transparent pixels are background. If there are none, the color of most of
      the frame is background. If all colors are gray, the gray values are the numbers.
    - A file whose only positive value is 255, 65535 or 4294967295 is a mask, read as 0 and 1.
    - The largest value of the dtype (255 of uint8, 65535 of uint16, 4294967295 of uint32) is read
      as -1 if all other positive values are less than half of it.
    - Floats must be whole numbers.

    Regions of Fiji, QuPath and other programs are read as by `read_rois`. OME-Zarr is read with the
    stored integers: an image with one label image, the destination of `sskseg.scans.count_scan`,
    or ``scan.zarr:/labels/nuclei``.

    Parameters
    ----------
    path : str or path-like
        A file or a folder, as for `read_images`, or OME-Zarr, also at a URL in an object store. If
        a folder also has images, only label files ("cell_mask.png" next to "cell.tif") and files of
        regions ("cell.zip" next to "cell.tif") are read.
    names : sequence of str, default=None
        Names of images, as `read_images` returns them. Label files are paired with them: "cell.tif"
        with "cell.png", "cell_mask.png", "cell_cp_masks.png" or "cell_label.tif". A file with
        several pages is paired with the same number of images, in their order.
    spatial_ndim : {2, 3}, default=2
        2: each plane along z and time is an image. 3: each volume is an image.
    shape : tuple of int or sequence of tuples, default=None
        Shapes of the images, needed for files of regions that do not contain them (see
        `read_rois`). Not used for label images.
    background : int, default=None
        Number of the background class in label files of ilastik, or 0 if there is none. Not used
        for other files.
    empty : {"background", "unlabeled"} or None, default=None
        Meaning of pages that hold zeros only, in a file whose other pages have objects: labeled
        pages without an object, or unlabeled pages, which become -1. None is "background", with a
        warning if at least half of the pages are empty. If given, it also applies to files of
        `write_labels`. A file of zeros only is background, whatever `empty` is. For regions see
        `read_rois`, of which None is "unlabeled".
    storage_options : dict, default=None
        Options for URLs, as in `sskseg.scans.open_scan`.

    Returns
    -------
    names : list of str
        Names as given, or those of the label files.
    labels : list of ndarray of int, or None
        Label images. None is an image without a label file.

    Raises
    ------
    FileNotFoundError
        If there is no such file, or no image in the folder.
    ValueError
        If a file has no labels (fractions, a photograph, values from interpolation or lossy
        compression) or is incomplete, if two files pair with one image, or if a file pairs with no
        image. The message names the files.

    Warns
    -----
    UserWarning
        If a value is read as -1, a mask is read together with numbered files or has no background,
        the background of colors is not black, a file displays 0 as white, planes are stored as
        colors, half of the pages or more hold zeros only, "unlabeled" changes nothing in files of
        zeros, a folder has files of other formats, or regions that Cellpose wrote beside its masks
        ("cell_cp_masks.tif") are left out.
    """
    check_empty(empty)
    names = None if names is None else [*map(composed, names)]
    if not is_url(path):
        check_no_options(storage_options, path)
    if holds_zarr(path, storage_options):
        found, images = read_label_images(path, names, spatial_ndim, storage_options)
        decided = decided_pages(images, empty, Path(path), is_exact=True)
        if empty == "unlabeled" and not any(image.any() for image in images):
            warn_of_zeros(decided, [Path(path)], 1)
        return found, list(decided)
    if is_url(path):
        raise no_zarr(path)
    sources = without_copies(without_strays(label_sources(Path(path)), names))
    if not sources.regions:
        return read_label_files(sources, names, spatial_ndim, empty)
    found, regions = read_areas(
        sources.path, sources.regions, names, spatial_ndim, shape, background, empty
    )
    if not sources.images:
        return found, regions
    others, label_images = read_label_files(sources, names, spatial_ndim, empty)
    every = list(dict.fromkeys([*others, *found]))
    return every, one_of_each(
        sources, every, _in_order(every, others, label_images), _in_order(every, found, regions)
    )


def _in_order(names, found, items):
    by_name = dict(zip(found, items, strict=True))
    return [by_name.get(name) for name in names]


def read_label_files(
    sources: LabelSources, names: Sequence[str] | None, spatial_ndim: int, empty: str | None
) -> tuple[list[str], list[np.ndarray | None]]:
    """Read the label images of `sources`; see `read_labels`."""
    path, found, stored, of = sources.path, [], [], []
    for file in _checked(sources):
        stored.append(stored_labels(read_pictures(file), spatial_ndim, file))
        n = len(stored[-1].images)
        found += number(file.with_name(without_label_suffix(stem(file)) + file.suffix), n)
        of += [file] * n
    check_names(found, of)  # of pages, too
    labels: list[np.ndarray | None] = list(decided_labels(stored, empty, sources.regions))
    if names is None:
        return found, labels
    return list(names), _paired(list(names), found, labels, of, path)


def _checked(sources):
    """Files of labels of different names."""
    if not sources.path.is_dir():
        return image_files(sources.path)
    if not sources.images:
        raise no_files(sources.path, "label")
    warn_of_other_files(sources.path, sources.regions)
    check_names([without_label_suffix(stem(file)) for file in sources.images], sources.images)
    return sources.images


def _paired(names, found, labels, sources, path):
    """Order labels like the images, with None where there are none."""
    single = path.is_file()
    if single and len(found) != len(names):
        raise ValueError(
            f"{path} has {len(found)} pages, and there are {len(names)} images; they must agree."
        )
    if single:
        return list(labels)
    _check_pages(names, sources)
    by_name = {name: i for i, name in enumerate(found)}
    unpaired = sorted(by_name.keys() - set(names))
    if unpaired:
        file = sources[by_name[unpaired[0]]]
        raise ValueError(
            f"The label file {file.name!r} in {file.parent} pairs with no image of "
            f"{list(names)[:5]}{' and others' if len(names) > 5 else ''}."
        )
    return [labels[by_name[name]] if name in by_name else None for name in names]


def _check_pages(names, sources):
    """Raise for a file with fewer or more pages than its images, which may be any of them."""
    for file, n in Counter(sources).items():
        pattern = re.escape(without_label_suffix(stem(file))) + r"_\d{4,}"
        n_images = sum(re.fullmatch(pattern, name) is not None for name in names)
        if n > 1 and n_images not in (0, n):
            raise ValueError(
                f"{file} has {n} pages, and there are {n_images} images of that name; they must "
                "agree. Unlabeled pages are -1, or each labeled one is a file of its own, such as "
                f"{stem(file)}_0005{file.suffix}."
            )
