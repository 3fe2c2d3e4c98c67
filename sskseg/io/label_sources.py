"""Which files of a folder hold labels: label images, regions, and images with an overlay."""

from __future__ import annotations

import filecmp
import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .folders import companion_files, label_files, list_images, stem, without_label_suffix
from .images import image_files, read_headers, read_pictures
from .rois.formats import (
    holds_regions,
    image_name,
    is_damaged,
    is_region_file,
    is_stray,
    names_images,
    region_files,
)
from .rois.imagej import has_overlay
from .rois.regions import listed

_CELLPOSE = "_cp_masks"


class LabelSources(NamedTuple):
    """Files of labels.

    Parameters
    ----------
    path : Path
        The file or the folder.
    images : list of Path
        Label images.
    regions : list of Path
        Files of regions, and TIFF images with an overlay.
    """

    path: Path
    images: list[Path]
    regions: list[Path]


def label_sources(path: Path) -> LabelSources:
    """Find the files of labels in a folder, whose other images may be those that are labeled.

    Images that are not named as labels are labels themselves if nothing else is.
    """
    if not path.is_dir():
        if is_region_file(path):
            return LabelSources(path, [], [path])
        if not path.exists():
            raise FileNotFoundError(f"No label file at {path}.")
        return LabelSources(path, [path], [])
    every, regions = _images(path), region_files(path)
    named = label_files(every)
    if not named and (not regions or (every and not any(map(holds_regions, regions)))):
        return LabelSources(path, every, [])
    if not named and any(without_label_suffix(stem(file)) != stem(file) for file in every):
        drawn = {image_name(file) for file in regions}
        named = [file for file in every if stem(file) not in drawn]
    return LabelSources(path, named, [*filter(holds_regions, regions)] if named else regions)


def label_sources_beside(path: Path) -> LabelSources:
    """Find the labels in a folder of images, or in an image: also in overlays that Fiji saved.

    Raises
    ------
    ValueError
        If there are none.
    """
    if not path.is_dir():
        return LabelSources(path, [], [path])
    images = label_files(_images(path))
    regions = [*filter(holds_regions, region_files(path)), *overlay_files(path)]
    if not images and not regions:
        raise ValueError(
            f"{path} holds images, and no labels: expected files with the names of images, such as "
            "cell_mask.png or cell.zip for cell.tif, or overlays of Fiji in TIFF files."
        )
    return LabelSources(path, images, regions)


def overlay_files(path: Path) -> list[Path]:
    """List the images of a file or a folder in which Fiji saved an overlay."""
    return [file for file in image_files(path) if has_overlay(file)]


def label_sources_of(path: Path, images: Path) -> LabelSources:
    """Find the labels of images that are elsewhere. Copies of these images are no labels, but an
    overlay that Fiji saved in a copy is.

    Warns
    -----
    UserWarning
        Of overlays in files with other pixels, which are read instead.
    """
    if path.exists() and images.exists() and path.samefile(images):
        return label_sources_beside(path)
    sources = label_sources(path)
    every = _images(path) if path.is_dir() else sources.images
    named = label_files(every)
    regions = sources.regions if named else _regions(path)
    drawn = [file for file in every if has_overlay(file)]
    if not every or (not drawn and (named or not regions)):
        return sources
    known = {stem(file): file for file in image_files(images)}
    only = images if images.is_file() and path.is_file() else None
    candidates = every if regions else drawn
    copies = [file for file in candidates if _is_copy(file, known.get(stem(file), only))]
    _warn_of_overlays([file for file in drawn if file not in copies])
    labels = [file for file in named or every if file not in copies]
    return LabelSources(path, labels, [*regions, *(file for file in drawn if file in copies)])


def _regions(path):
    """Files of regions in a folder whose images are label images, or copies of images."""
    if not path.is_dir():
        return []
    return [*filter(holds_regions, region_files(path, has_images=False))]


def _images(path):
    every = list_images(path)
    aside = set(companion_files(every))
    return [file for file in every if file not in aside]


def _is_copy(file, image):
    """Whether a file has the pixels of an image: Fiji adds ROIs when it saves a copy."""
    if image is None:
        return False
    if filecmp.cmp(file, image, shallow=False):
        return True
    kinds = [[(h.shape, h.dtype) for h in read_headers(each)] for each in (file, image)]
    return kinds[0] == kinds[1] and all(
        np.array_equal(a.pixels, b.pixels)
        for a, b in zip(read_pictures(file), read_pictures(image), strict=True)
    )


def _warn_of_overlays(files):
    if files:
        names = listed(file.name for file in files)
        warnings.warn(
            f"{names}: the pixels are not those of the image of this name, so they are read as "
            "labels, and the overlay of ROIs is not. To train on the ROIs, save them from the ROI "
            f"Manager of Fiji as {stem(files[0])}.zip instead.",
            UserWarning,
            stacklevel=4,
        )


def paired(sources: LabelSources, names: Sequence[str]) -> LabelSources:
    """Keep the files of a folder that have the name of an image, or of a file of several images,
    and those that name their images themselves.
    """
    if not sources.path.is_dir():
        return sources
    known = _with_files(names)
    images = [file for file in sources.images if image_name(file) in known]
    regions = [f for f in sources.regions if image_name(f) in known or names_images(f)]
    return LabelSources(sources.path, images, regions)


def without_unpaired(sources: LabelSources, names: Sequence[str]) -> LabelSources:
    """Keep the files of `paired`, if there are any, and damaged ones, which the reader names.

    Warns
    -----
    UserWarning
        Of the files that are left out.
    """
    kept = paired(sources, names)
    if not kept.images and not kept.regions:
        return sources  # the reader says which one pairs with no image
    used = {*kept.images, *kept.regions}
    regions = [file for file in sources.regions if file in used or is_damaged(file)]
    used.update(regions)
    labels = [*sources.images, *filter(holds_regions, sources.regions)]
    warn_of_unpaired(sources.path, [file.name for file in labels if file not in used])
    return kept._replace(regions=regions)


def keep_paired(path: Path, found: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """Keep the labels of `names` among those by the names of images, if there are any.

    Warns
    -----
    UserWarning
        Of the names that are left out.
    """
    kept = {name: labels for name, labels in found.items() if name in names}
    if not kept:
        return found  # as above, or the only file pairs with images of other names
    warn_of_unpaired(path, [name for name in found if name not in kept])
    return kept


def warn_of_unpaired(path: Path, unused: Sequence[str]) -> None:
    """Warn of labels that pair with no image."""
    if unused:
        warnings.warn(
            f"{path} has labels that pair with no image, and are not used: {len(unused)} "
            f"({listed(unused)}).",
            UserWarning,
            stacklevel=4,
        )


def without_strays(sources: LabelSources, names: Sequence[str] | None) -> LabelSources:
    """Leave out files of a folder that cannot be read, and could hold labels of no image.

    Warns
    -----
    UserWarning
        Of the files that are left out.
    """
    if names is None or not sources.path.is_dir():
        return sources
    known = _with_files(names)
    strays = [file for file in sources.regions if is_stray(file, known)]
    regions = [file for file in sources.regions if file not in strays]
    if not strays or not (sources.images or regions):
        return sources  # the reader says why there are no labels
    warnings.warn(
        f"{sources.path} holds files that cannot be read as regions, and name none of the images. "
        f"They are left out: {listed(file.name for file in strays)}.",
        UserWarning,
        stacklevel=4,
    )
    return sources._replace(regions=regions)


def _with_files(names):
    """Names of images, and of their files if these hold several."""
    return {*names, *(re.sub(r"_\d{4,}$", "", name) for name in names)}


def without_copies(sources: LabelSources) -> LabelSources:
    """Leave out regions that Cellpose writes beside its masks ("cell_cp_masks.tif").

    Raises
    ------
    ValueError
        If another image has a label image and regions; the message names the files.

    Warns
    -----
    UserWarning
        Of the files that are left out.
    """
    labeled = {image_name(file): file for file in sources.images}
    twice = [file for file in sources.regions if image_name(file) in labeled]
    for file in twice:
        labels = labeled[image_name(file)]
        if not stem(labels).lower().endswith(_CELLPOSE):
            raise _several(sources, image_name(file), [labels, file])
    if twice:
        warnings.warn(
            f"{sources.path} holds masks of Cellpose, which are read, and files of regions of the "
            f"same images, which are left out: {listed(file.name for file in twice)}.",
            UserWarning,
            stacklevel=4,
        )
    return sources._replace(regions=[file for file in sources.regions if file not in twice])


def one_of_each(
    sources: LabelSources,
    names: Sequence[str],
    images: Sequence[np.ndarray | None],
    regions: Sequence[np.ndarray | None],
) -> list[np.ndarray | None]:
    """Join the labels of label images and of regions.

    Raises
    ------
    ValueError
        If an image has both, by the content of the files (COCO, CVAT).
    """
    for name, a, b in zip(names, images, regions, strict=True):
        if a is not None and b is not None:
            raise _several(sources, name, [*sources.images, *sources.regions])
    return [b if a is None else a for a, b in zip(images, regions, strict=True)]


def _several(sources, name, files):
    return ValueError(
        f"{sources.path} holds several files with labels of {name!r}: "
        f"{listed(file.name for file in files)}. Keep the labels of one of them."
    )


def has_regions_only(path: Path) -> bool:
    """Return whether labels are read from regions: a file of them, or a folder without others."""
    found = label_sources(path)
    return bool(found.regions) and not found.images
