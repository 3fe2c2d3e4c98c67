"""Pages of zeros in label files: labeled as background, or not labeled at all."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np

_MIN_SHARE = 0.5  # of empty pages, from which on a stack looks partly labeled


def check_empty(empty: str | None) -> None:
    """Raise for another value than those of `decided_pages`."""
    if empty not in (None, "background", "unlabeled"):
        raise ValueError(f"empty must be 'background', 'unlabeled' or None, got {empty!r}.")


def decided_pages(
    images: Sequence[np.ndarray], empty: str | None, file: Path, *, is_exact: bool
) -> list[np.ndarray]:
    """Decide what pages of zeros mean in a file whose other pages have objects.

    Parameters
    ----------
    images : sequence of ndarray of int, shape (height, width) or (depth, height, width)
        Label images of a file.
    empty : {"background", "unlabeled"} or None
        None is "background", with a warning where this is doubtful.
    file : Path
    is_exact : bool
        Whether zeros are background for sure, since `write_labels` would have written -1.

    Returns
    -------
    list of ndarray of int
        With "unlabeled", pages of zeros are -1, in one signed type.

    Raises
    ------
    ValueError
        If they are to be -1 beside a number beyond int64.

    Warns
    -----
    UserWarning
        If at least half of the pages are empty, and no pixel of the file is -1.
    """
    pages = [image.reshape(-1, *image.shape[-2:]) for image in images]
    are_empty = [~stack.any(axis=(1, 2)) for stack in pages]
    n_empty, n_pages = int(np.concatenate(are_empty).sum()), sum(len(page) for page in pages)
    if empty == "background" or not n_empty or not any((image > 0).any() for image in images):
        return list(images)
    if empty == "unlabeled":
        return _unlabeled(images, pages, are_empty, file)
    marks_unlabeled = any((image < 0).any() for image in images)
    if n_empty >= _MIN_SHARE * n_pages and not marks_unlabeled and not is_exact:
        warnings.warn(
            f"{n_empty} of {n_pages} pages of {file} hold zeros only. Zero is background: a "
            "network learns that these pages have no objects. If they are not labeled yet, read "
            "them with empty='unlabeled'. If they have no objects, empty='background' turns off "
            "this warning.",
            UserWarning,
            stacklevel=4,
        )
    return list(images)


def warn_of_zeros(images: Sequence[np.ndarray], zeros: Sequence[Path], n_files: int) -> None:
    """Warn if "unlabeled" has set no page to -1, and files hold zeros only.

    Parameters
    ----------
    images : sequence of ndarray of int
        Of all files, as decided.
    zeros : sequence of Path
        Files of zeros.
    n_files : int
    """
    if not zeros or any((image < 0).any() for image in images):
        return
    warnings.warn(
        f"{len(zeros)} of {n_files} label files hold zeros only, such as {zeros[0]}: their images "
        "are labeled as background, since empty='unlabeled' is for pages beside others with "
        "objects. Remove the label files of images that are not labeled.",
        UserWarning,
        stacklevel=4,
    )


def _unlabeled(images, pages, are_empty, file):
    """Set the empty pages of images to -1, all in a type of integers that holds it."""
    dtype = np.result_type(np.int8, *images)
    if dtype.kind == "f":  # uint64 and a signed type have no common type of integers
        dtype, largest = np.dtype(np.int64), max(int(image.max()) for image in images)
        if largest > np.iinfo(dtype).max:
            raise ValueError(f"{file} must hold labels that fit into int64, got {largest}.")
    signed = [stack.astype(dtype) for stack in pages]
    for stack, is_empty in zip(signed, are_empty, strict=True):
        stack[is_empty] = -1
    return [stack.reshape(image.shape) for stack, image in zip(signed, images, strict=True)]
