"""Folder layouts of the data sets."""

import os
from pathlib import Path

import numpy as np

from ..io.folders import list_images
from ..io.images import read_image


def where_is(folder, name):
    """Folder of a data set; None is the subfolder `name` of the folder SSKSEG_DATA."""
    if folder is not None:
        return Path(folder)
    root = os.environ.get("SSKSEG_DATA")
    if root is None:
        raise FileNotFoundError(f"No folder was given for {name}, and SSKSEG_DATA is not set.")
    return Path(root) / name


def find(folder, name, *choices):
    """Find the first layout of which all files exist, each layout a list of paths.

    Raises FileNotFoundError with the folder, the expected files and the missing ones.
    """
    folder = where_is(folder, name)
    for choice in choices:
        paths = [folder / part for part in choice]
        if all(path.exists() for path in paths):
            return paths
    expected = " or ".join(" + ".join(choice) for choice in choices)
    # Of a layout that is incomplete, name the missing files only.
    missing = [[part for part in choice if not (folder / part).exists()] for choice in choices]
    partly = [m for m, choice in zip(missing, choices, strict=True) if len(m) < len(choice)]
    hint = f"; {' and '.join(partly[0])} is missing" if partly else ""
    raise FileNotFoundError(f"{name} is not in {folder}: expected {expected}{hint}.")


def check_pair(image, label, path):
    """Raise ValueError with `path`, the file of the label, if the shapes differ."""
    if label.ndim < 2 or image.shape[: label.ndim] != label.shape:
        raise ValueError(
            f"{path} does not pair with its image: labels of shape {label.shape}, image of shape "
            f"{image.shape}."
        )


def load_pairs(image_folder, mask_folder):
    """Load images and masks from two folders, paired by the stems of their names."""
    images = {path.stem: path for path in list_images(image_folder)}
    masks = {path.stem: path for path in list_images(mask_folder)}
    for stem in sorted(images.keys() ^ masks.keys()):
        path = images.get(stem, masks.get(stem))
        raise ValueError(f"{path} has no partner in {image_folder} and {mask_folder}.")
    if not images:
        raise FileNotFoundError(f"No image files in {image_folder} and {mask_folder}.")
    X = [read_image(path) for path in images.values()]
    y = [read_image(masks[stem]).astype(np.int32) for stem in images]
    for image, label, stem in zip(X, y, images, strict=True):
        check_pair(image, label, masks[stem])
    return X, y, list(images)


def load_stage1(folder):
    """Load the original layout: one folder per image, one mask file per nucleus."""
    X, y, names = [], [], []
    for sample in sorted(path for path in folder.iterdir() if path.is_dir()):
        for part in ("images", "masks"):
            if not (sample / part).is_dir() or not list_images(sample / part):
                raise FileNotFoundError(f"No image files in {sample / part}.")
        for path in list_images(sample / "images"):
            image = read_image(path)
            planes = image[..., :3] if image.ndim == 3 else image[..., None]
            if (planes != planes[..., :1]).any():
                continue  # color
            X.append(planes[..., 0])
            y.append(_join_masks(sample / "masks", X[-1].shape))
            names.append(path.stem)
    if not X:
        raise FileNotFoundError(f"No gray-scale image in the folders of {folder}.")
    return X, y, names


def _join_masks(folder, shape):
    """Join mask files with one nucleus each to a label image."""
    label = np.zeros(shape, np.int32)
    for number, path in enumerate(list_images(folder), start=1):
        mask = read_image(path)
        check_pair(label, mask, path)
        label[mask > 0] = number
    return label
