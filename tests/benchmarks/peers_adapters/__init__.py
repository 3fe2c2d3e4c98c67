"""Each peer behind one function, so that all are given the same.

``fit(images, labels, seconds, seed, hints)`` learns for about `seconds` and returns a function that
turns a list of images into label images. `images` is a list of arrays (height, width) or (height,
width, channels), `labels` a list of label images, with None for images that are not labeled:
whoever cannot learn from those leaves them out. What a method calibrates after training, it
calibrates on the labeled images; that, and predicting, is timed but not limited. Each module tells
all its settings in its docstring. Modules import their package when they are called.
"""

from importlib import import_module, metadata
from importlib.util import find_spec
from typing import NamedTuple

import numpy as np


class Hints(NamedTuple):
    """What a user knows beside the labels.

    Parameters
    ----------
    consecutive : bool
        Images are sections in z order.
    dark : bool
        Objects are darker than their background.
    per_image : bool
        Brightness varies from image to image.
    counter : dict
        Parameters of `InstanceCounter`.
    full : bool
        There is a GPU: networks of the size that their authors recommend.
    """

    consecutive: bool = False
    dark: bool = False
    per_image: bool = False
    counter: dict = {}
    full: bool = False


class Method(NamedTuple):
    """Where a method is found: module and function here, packages of the registry."""

    module: str
    function: str = "fit"
    packages: tuple = ()


METHODS = {
    "Otsu + watershed": Method("own", "otsu"),
    "PixelForest": Method("own", "forest"),
    "U-Net (skorch, MONAI)": Method("unet", packages=("skorch", "monai")),
    "CPN (celldetection)": Method("cpn", packages=("celldetection", "torchvision")),
    "torch-em, U-Net with distances": Method(
        "torch_em_distances", packages=("torch_em", "torchvision")
    ),
    "Cellpose 3 from scratch": Method("cellpose_scratch", packages=("cellpose",)),
    "StarDist from scratch": Method("stardist_scratch", packages=("stardist", "tensorflow-cpu")),
    "sskseg, labeled images only": Method("own", "supervised"),
    "sskseg": Method("own", "semi_supervised"),
    "sskseg, simulated images too": Method("own", "with_simulation"),
}
COMMON = ("sskseg", "torch", "numpy", "scikit-learn", "scikit-image")
_IMPORTED_AS = {"tensorflow-cpu": "tensorflow"}


def missing(name):
    """Packages of a method that are not installed."""
    return [p for p in METHODS[name].packages if find_spec(_IMPORTED_AS.get(p, p)) is None]


def adapter(name):
    """The `fit` of a method.

    Raises
    ------
    ImportError
        Where a package is not installed.
    """
    lacks = missing(name)
    if lacks:
        raise ImportError(f"{name} needs {', '.join(lacks)}: pip install {' '.join(lacks)}")
    method = METHODS[name]
    return getattr(import_module(f"{__name__}.{method.module}"), method.function)


def versions(name):
    """Versions of the packages that a method uses."""
    return {package: metadata.version(package) for package in (*COMMON, *METHODS[name].packages)}


def labeled(images, labels):
    """Those images that have labels, with their labels."""
    rows = [i for i, label in enumerate(labels) if label is not None]
    return [images[i] for i in rows], [labels[i] for i in rows]


def with_channels(image):
    """float32 (height, width, channels), from an image with or without channels."""
    image = np.asarray(image, np.float32)
    return image if image.ndim == 3 else image[..., None]


def random_crop(rng, image, label, size):
    """A window of (height, width, channels) and its label, flipped and turned at random."""
    top, left = (rng.integers(n - size + 1) for n in label.shape)
    at = np.s_[top : top + size, left : left + size]
    turns, flip = rng.integers(4), rng.random() < 0.5
    image, label = np.rot90(image[at], turns), np.rot90(label[at], turns)
    if flip:
        image, label = image[:, ::-1], label[:, ::-1]
    return np.ascontiguousarray(image), np.ascontiguousarray(label)


def crop_size(labels, largest=256):
    """The largest multiple of 32 that fits in every image, `largest` at most."""
    return min(largest, *(n // 32 * 32 for label in labels for n in label.shape))


def best(candidates, score):
    """The candidate with the highest score, the first of equals."""
    scores = [score(candidate) for candidate in candidates]
    return candidates[int(np.argmax(scores))]
