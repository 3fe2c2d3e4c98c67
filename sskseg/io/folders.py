"""Image files of a folder: their order, names, and what stands beside them."""

from __future__ import annotations

import os
import re
import unicodedata
import warnings
from collections.abc import Iterable
from pathlib import Path, PurePath

from . import rasters, tiff, vendors

SUFFIXES = (*tiff.SUFFIXES, *rasters.SUFFIXES, *vendors.SUFFIXES)
RECORD = "run.json"  # of the command line, in a folder of results
LABEL_SUFFIXES = ("_cp_masks", "_masks", "_mask", "_labels", "_label", "_seg", "_gt")
_COMPANIONS = ("_cp_outlines", "_cp_output", "_cp_flows", "_outlines", "_flows")  # of Cellpose
_OF_SYSTEM = ("thumbs.db", "desktop.ini")  # hidden files of Windows
# Formats of images and arrays that `read_images` does not read.
_OTHER_FORMATS = (
    ".webp", ".gif", ".avif", ".heic", ".heif", ".jxl", ".jp2", ".j2k", ".jpx", ".jfif", ".tga",
    ".pgm", ".ppm", ".pnm", ".psd", ".exr", ".hdr", ".svg", ".dng", ".ets", ".xdce", ".ser", ".emd",
    ".rec", ".map", ".am", ".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd", ".img", ".ids",
    ".dcm", ".fits", ".raw", ".npy", ".npz", ".mat", ".h5", ".hdf5", ".hdf", ".zarr", ".n5", ".klb",
    *vendors.BIOIO_SUFFIXES,
)  # fmt: skip


def is_visible(path: PurePath) -> bool:
    """Return whether the name of a file is not that of a hidden one, such as ``._a.tif`` of macOS
    and ``Thumbs.db`` of Windows.
    """
    return not path.name.startswith(".") and path.name.lower() not in _OF_SYSTEM


def check_names(names: Iterable[str], files: Iterable[Path]) -> None:
    """Refuse one name of two files, or of a page of one: one would take the place of the other."""
    known: dict[str, Path] = {}
    for name, file in zip(names, files, strict=True):
        other = known.setdefault(name, file)
        if other is not file:
            raise ValueError(
                f"{other} and {file} have one name, {name!r}, by which images and labels "
                "are paired. If they show the same, move one of them into another folder; if not, "
                "rename one of them."
            )


def list_images(folder: str | os.PathLike[str]) -> list[Path]:
    """List the image files of a folder in natural order, without hidden ones."""
    return files_of(folder, SUFFIXES)


def files_of(folder: str | os.PathLike[str], suffixes: tuple[str, ...]) -> list[Path]:
    """List the files of a folder that have one of the suffixes, as `list_images` does."""
    files = filter(is_visible, Path(folder).iterdir())
    return sorted(
        (f for f in files if f.suffix.lower() in suffixes and f.is_file()), key=natural_key
    )


def label_files(files: list[Path]) -> list[Path]:
    """Find label files among images: their name is that of another file and a suffix of labels."""
    return _named_after(files, LABEL_SUFFIXES, {stem(file) for file in files})


def stem(path: Path) -> str:
    """Return the name of a file without ".tif", and without ".ome" before it."""
    name = composed(path.stem)
    return name[: -len(".ome")] if name.lower().endswith(".ome") else name


def composed(name: str) -> str:
    """Return a name with composed letters: macOS and archives made on it separate "ü" into two.

    Names that look alike pair then.
    """
    return unicodedata.normalize("NFC", name)


def without_label_suffix(name: str) -> str:
    """Remove what programs add to the name of an image for its labels."""
    return _without(name, LABEL_SUFFIXES)


def natural_key(path: str | os.PathLike[str]) -> list[tuple[int, str]]:
    """Return a sort key under which "section2" comes before "section10"."""
    parts = re.split(r"(\d+)", Path(path).name)
    return [(int(part), "") if part.isdecimal() else (0, part) for part in parts]


def number(file: Path, n: int) -> list[str]:
    """Name the images of a file."""
    return [stem(file)] if n == 1 else [f"{stem(file)}_{i:04d}" for i in range(n)]


def without_number(name: str) -> str:
    """Remove what `number` appends to the name of a file."""
    return re.sub(r"_\d{4,}$", "", name)


def companion_files(files: list[Path]) -> list[Path]:
    """Find pictures of outlines and flows, which Cellpose writes beside images or masks."""
    stems = {without_label_suffix(stem(file)) for file in files} | {stem(file) for file in files}
    return _named_after(files, _COMPANIONS, stems)


def _named_after(files, suffixes, stems):
    """Files whose name is one of `stems` and a suffix."""
    bare = {file: _without(stem(file), suffixes) for file in files}
    return [file for file in files if bare[file] != stem(file) and bare[file] in stems]


def check_no_scan(path: Path) -> None:
    """Refuse formats of scans, from which no images are read."""
    if re.search(r"\.zarr\b|\.(h5|hdf5|hdf)$", str(path), re.IGNORECASE):
        raise ValueError(
            f"{path} is a scan and no file of images: count it with count_scan. To train, save "
            "crops of it as TIFF."
        )


def no_files(folder: Path, kind: str) -> FileNotFoundError:
    """Make the error of a folder without images; it names files of formats that are not read."""
    others = other_files(folder)
    return FileNotFoundError(
        f"No {kind} files ({', '.join(SUFFIXES)}) in {folder}"
        + (f": {others} cannot be read. Convert them to TIFF." if others else ".")
        + _of_subfolders(folder)
    )


def _of_subfolders(folder):
    """What to say of subfolders with images, where the folder has none."""
    found = _subfolders(folder)
    if not found:
        return ""
    advice = (
        "give this folder" if len(found) == 1 else "give one of them, or move their files into one"
    )
    return f" Subfolders are not read, and there are some in {_listed(found)}: {advice}."


def warn_of_subfolders(folder: Path, read: Iterable[Path]) -> None:
    """Warn of subfolders with images that are left out, beside those that are read.

    Label images and copies, with the names of images that are read, may lie in a folder of theirs.
    """
    known = {_image_of(file) for file in read}
    found = [
        path for path in _subfolders(folder)
        if not known & {_image_of(file) for file in list_images(path)}
    ]  # fmt: skip
    if found:
        warnings.warn(
            f"{folder} has images, which are read, and subfolders with others, which are not: "
            f"{_listed(found)}. Give one of them, or move their files into one folder.",
            UserWarning,
            stacklevel=4,
        )


def _image_of(file):
    """The name of the file of the image that a file of an image, a page or labels is of."""
    return without_number(without_label_suffix(stem(file)))


def _subfolders(folder):
    """Subfolders with images; folders of results, which have a record, are none of them."""
    return [
        path for path in sorted(folder.iterdir(), key=natural_key)
        if path.is_dir() and is_visible(path) and list_images(path)
        and not (path / RECORD).exists()
    ]  # fmt: skip


def _listed(folders):
    names = ", ".join(str(path) for path in folders[:3])
    return names + (f" and {len(folders) - 3} more" if len(folders) > 3 else "")


def warn_of_other_files(folder: Path, read: Iterable[Path] = ()) -> None:
    """Warn of files of a format that is not read, beside those that are."""
    others = other_files(folder, {file.name for file in read})
    if others:
        warnings.warn(
            f"{folder} holds files that cannot be read, and are left out: {others}. Convert them "
            "to TIFF.",
            UserWarning,
            stacklevel=4,
        )


def other_files(folder: Path, read: Iterable[str] = ()) -> str:
    """Name the files of a folder in formats that are not read; empty without any."""
    known = set(read)
    stems = {stem(file) for file in list_images(folder)}
    stems |= {without_label_suffix(name) for name in stems}
    names = sorted(
        (
            file.name
            for file in folder.iterdir()
            if file.name.lower().endswith(_OTHER_FORMATS)
            and is_visible(file)
            and file.name not in known
            and _without(file.name, ("_seg.npy",)) not in stems  # of Cellpose
        ),
        key=natural_key,
    )
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _without(name, suffixes):
    found = next((s for s in suffixes if name.lower().endswith(s)), "")
    return name[: len(name) - len(found)]
