"""sskseg's own: two baselines, and segmenter + counter with and without other images.

Everything at its default, but for what `Hints` tells: sections that are consecutive, dark objects,
brightness that varies from image to image, and the counter's parameters. Counters are calibrated on
the labeled images, in sample. With a GPU the network is ``width=64, depth=4, batch_size=16``.
"""

import time

import numpy as np

from sskseg import (
    ImageStack,
    InstanceCounter,
    OtsuWatershed,
    PercentileScaler,
    PixelForest,
    SemiSupervisedSegmenter,
)
from sskseg.simulation import CellSimulator

from . import labeled

FULL = {"width": 64, "depth": 4, "batch_size": 16}


def otsu(images, labels, seconds, seed, hints):
    """A threshold of each image and a watershed, calibrated on the labeled images."""
    images, labels = labeled(images, labels)
    return OtsuWatershed(dark_objects=hints.dark).fit(images, labels).transform


def forest(images, labels, seconds, seed, hints):
    """Random forest on multiscale features, then the counter; no limit of time."""
    images, labels = labeled(images, labels)
    return _counted(PixelForest(random_state=seed), images, labels, hints)


def supervised(images, labels, seconds, seed, hints):
    """Segmenter and counter without self-training.

    Consecutive sections see their unlabeled neighbors as further channels; other unlabeled
    images are left out.
    """
    if not hints.consecutive:
        images, labels = labeled(images, labels)
    model = segmenter(seconds, seed, hints).set_params(semi_supervision=None)
    return _counted(model, images, labels, hints)


def semi_supervised(images, labels, seconds, seed, hints):
    """Segmenter and counter, unlabeled images too."""
    return _counted(segmenter(seconds, seed, hints), images, labels, hints)


def with_simulation(images, labels, seconds, seed, hints):
    """Segmenter and counter; images of a simulator that is calibrated to the others, too."""
    start = time.perf_counter()
    shape = tuple(min(256, *(np.shape(x)[axis] for x in images)) for axis in (0, 1))
    scaler = PercentileScaler(scope="image" if hints.per_image else "dataset")
    y = [np.full(np.shape(x)[:2], -1) if label is None else label
         for x, label in zip(images, labels, strict=True)]  # fmt: skip
    simulator = CellSimulator(shape=shape).calibrate(scaler.fit_transform(images), y)
    left = seconds - (time.perf_counter() - start)
    return _counted(segmenter(left, seed, hints), images, labels, hints, simulator)


def segmenter(seconds, seed, hints):
    sections = "consecutive" if hints.consecutive else "independent"
    size = FULL if hints.full else {}
    return SemiSupervisedSegmenter(
        sections=sections, time_budget=seconds, random_state=seed, **size
    )


def _counted(model, images, labels, hints, simulator=None):
    y = [np.full(np.shape(x)[:2], -1) if label is None else label
         for x, label in zip(images, labels, strict=True)]  # fmt: skip
    scaler = PercentileScaler(scope="image" if hints.per_image else "dataset")
    scaled = ImageStack(scaler.fit_transform(images), simulator=simulator)
    maps = model.fit(scaled, y).transform(scaled)
    counter = InstanceCounter(**hints.counter).fit(maps, y)
    return lambda images: counter.transform(model.transform(scaler.transform(images)))
