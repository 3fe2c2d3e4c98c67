"""Public sets of images, read from a folder."""

import csv
import os
from pathlib import Path

import numpy as np

from ._io import list_images, read_image


def _find(folder, name, *choices):
    """The first of several sets of files that is there, each a list of paths.

    Raises FileNotFoundError naming the folder and what was looked for.
    """
    if folder is None:
        root = os.environ.get("SSKSEG_DATA")
        if root is None:
            raise FileNotFoundError(f"No folder was given for {name}, and SSKSEG_DATA is not set.")
        folder = Path(root) / name
    folder = Path(folder)
    for choice in choices:
        paths = [folder / part for part in choice]
        if all(path.exists() for path in paths):
            return paths
    wanted = " or ".join(" + ".join(choice) for choice in choices)
    raise FileNotFoundError(f"{name} is not in {folder}: expected {wanted}.")


def _check_pair(image, label, path):
    if image.shape[: label.ndim] != label.shape:
        raise ValueError(
            f"{path} does not pair with its image: labels of shape {label.shape}, image of shape "
            f"{image.shape}."
        )


def load_isbi2012(folder=None):
    """Load the ISBI 2012 stack of neuronal membranes.

    Serial-section transmission electron microscopy of the ventral nerve cord of a Drosophila larva,
    4 x 4 x 50 nm. Training data of the challenge, https://imagej.net/events/isbi-2012-segmentation-challenge
    (terms of use not stated).

    Parameters
    ----------
    folder : str or path-like, default=None
        Holds ``images.tif`` and ``membranes_inverted.tif``, or the challenge's
        ``train-volume.tif`` and ``train-labels.tif``; None is the subfolder ``isbi2012`` of the
        folder that the environment variable ``SSKSEG_DATA`` names.

    Returns
    -------
    X : ndarray of uint8, shape (n_sections, 512, 512)
    y : ndarray of uint8, shape (n_sections, 512, 512)
        1 inside cells, 0 on membranes.

    Raises
    ------
    FileNotFoundError, ValueError
        If files are missing, unreadable or do not pair; the message names them.

    References
    ----------
    .. [1] Arganda-Carreras et al. Crowdsourcing the creation of image segmentation algorithms for
       connectomics. Frontiers in Neuroanatomy 2015. :doi:`10.3389/fnana.2015.00142`
    """
    images, labels = _find(
        folder,
        "isbi2012",
        ["images.tif", "membranes_inverted.tif"],
        ["train-volume.tif", "train-labels.tif"],
    )
    X, y = read_image(images), read_image(labels)
    _check_pair(X, y, labels)
    return X, (y > 0).astype(np.uint8)


def load_epfl_mitochondria(folder=None, *, split="train"):
    """Load the EPFL volumes of mitochondria.

    Focused ion beam scanning electron microscopy of the CA1 hippocampus, 5 nm isotropic.
    https://www.epfl.ch/labs/cvlab/data/data-em/ (terms of use not stated).

    Parameters
    ----------
    folder : str or path-like, default=None
        Holds ``train_images_*.tif`` in one or more parts and ``train_labels.tif`` (or ``test_*``),
        or the original ``training.tif``, ``training_groundtruth.tif``, ``testing.tif`` and
        ``testing_groundtruth.tif``; None is the subfolder ``epfl_mitochondria`` of the folder that
        the environment variable ``SSKSEG_DATA`` names.
    split : {"train", "test"}, default="train"

    Returns
    -------
    X : ndarray of uint8, shape (n_sections, 768, 1024)
    y : ndarray of uint8, shape (n_sections, 768, 1024)
        1 mitochondrion, 0 elsewhere.

    Raises
    ------
    FileNotFoundError, ValueError
        If files are missing, unreadable or do not pair; the message names them.

    References
    ----------
    .. [1] Lucchi, Li, Fua. Learning for structured prediction using approximate subgradient descent
       with working sets. CVPR 2013. :doi:`10.1109/CVPR.2013.259`
    """
    if split not in ("train", "test"):
        raise ValueError(f"split must be 'train' or 'test', got {split!r}.")
    name = "epfl_mitochondria"
    where = Path(folder or Path(os.environ.get("SSKSEG_DATA", ".")) / name)
    parts = sorted(p.name for p in where.glob(f"{split}_images_*.tif"))
    names = sorted(p.name for p in where.glob(f"{split}_labels*.tif"))
    if not parts or len(names) != 1:
        parts, names = [f"{split}ing.tif"], [f"{split}ing_groundtruth.tif"]
    *images, labels = _find(folder, name, [*parts, *names])
    X, y = np.concatenate([read_image(path) for path in images]), read_image(labels)
    _check_pair(X, y, labels)
    return X, (y > 0).astype(np.uint8)


def load_dsb2018_nuclei(folder=None):
    """Load fluorescent nuclei of the Data Science Bowl 2018.

    Stage 1, grey-scale subset. https://bbbc.broadinstitute.org/BBBC038 (CC0).

    Parameters
    ----------
    folder : str or path-like, default=None
        Holds ``images`` and ``masks`` with files of the same names, or the original
        ``stage1_train`` (of which color images are left out); None is the subfolder
        ``dsb2018_nuclei`` of the folder that the environment variable ``SSKSEG_DATA`` names.

    Returns
    -------
    X : list of ndarray of uint8, each (height, width)
    y : list of ndarray of int32
        0 background; 1, 2, ... nuclei.

    Raises
    ------
    FileNotFoundError, ValueError
        If files are missing, unreadable or do not pair; the message names them.

    References
    ----------
    .. [1] Caicedo et al. Nucleus segmentation across imaging experiments: the 2018 Data Science
       Bowl. Nature Methods 2019. :doi:`10.1038/s41592-019-0612-7`
    """
    found = _find(folder, "dsb2018_nuclei", ["images", "masks"], ["stage1_train"])
    if len(found) == 1:
        return _load_stage1(found[0])
    return _load_pairs(*found)


def _load_pairs(image_folder, mask_folder):
    """Images and masks in two folders, paired by the stems of their names."""
    images = {path.stem: path for path in list_images(image_folder)}
    masks = {path.stem: path for path in list_images(mask_folder)}
    for stem in images.keys() ^ masks.keys():
        path = images.get(stem, masks.get(stem))
        raise ValueError(f"{path} has no partner in {image_folder} and {mask_folder}.")
    X = [read_image(path) for path in images.values()]
    y = [read_image(masks[stem]).astype(np.int32) for stem in images]
    for image, label, stem in zip(X, y, images, strict=True):
        _check_pair(image, label, masks[stem])
    return X, y


def _load_stage1(folder):
    """The original layout: a folder an image, with one mask file a nucleus."""
    X, y = [], []
    for sample in sorted(path for path in folder.iterdir() if path.is_dir()):
        for path in list_images(sample / "images"):
            image = read_image(path)
            planes = image[..., :3] if image.ndim == 3 else image[..., None]
            if (planes != planes[..., :1]).any():
                continue  # color
            label = np.zeros(planes.shape[:2], np.int32)
            for number, mask in enumerate(list_images(sample / "masks"), start=1):
                nucleus = read_image(mask)
                _check_pair(planes, nucleus, mask)
                label[nucleus > 0] = number
            X.append(planes[..., 0])
            y.append(label)
    return X, y


def load_psd95_puncta(folder=None):
    """Load synaptic puncta (PSD95) with the place of each.

    Crops of fluorescence micrographs; the annotation is noisy (terms of use not stated).

    Parameters
    ----------
    folder : str or path-like, default=None
        Holds ``images.tif`` and ``points.csv`` (columns image, y, x); None is the subfolder
        ``psd95_puncta`` of the folder that the environment variable ``SSKSEG_DATA`` names.

    Returns
    -------
    X : ndarray of uint16, shape (n_samples, 128, 128)
    points : list of ndarray of float, each (n_points, 2)
        Rows are (y, x) in pixels.

    Raises
    ------
    FileNotFoundError, ValueError
        If files are missing or unreadable; the message names them.
    """
    images, table = _find(folder, "psd95_puncta", ["images.tif", "points.csv"])
    X = read_image(images)
    rows = [[] for _ in X]
    try:
        with table.open(newline="") as file:
            for row in csv.DictReader(file):
                rows[int(row["image"])].append((float(row["y"]), float(row["x"])))
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise ValueError(
            f"{table} must have columns image, y, x for {len(X)} images: {error!r}."
        ) from error
    return X, [np.array(points, float).reshape(-1, 2) for points in rows]


def load_nissl_rat_cortex(folder=None):
    """Load Nissl-stained rat cortex with instance masks.

    Brain cell bodies, dark on light (terms of use not stated).

    Parameters
    ----------
    folder : str or path-like, default=None
        Holds ``images`` and ``masks`` with files of the same names; None is the subfolder
        ``nissl_rat_cortex`` of the folder that the environment variable ``SSKSEG_DATA`` names.

    Returns
    -------
    X : list of ndarray of uint8, each (512, 512, 3)
    y : list of ndarray of int32, each (512, 512)

    Raises
    ------
    FileNotFoundError, ValueError
        If files are missing, unreadable or do not pair; the message names them.
    """
    return _load_pairs(*_find(folder, "nissl_rat_cortex", ["images", "masks"]))


def load_lightsheet_2ch(folder=None):
    """Load a light-sheet scan of brain: signal and autofluorescence background, unlabelled.

    From the public data of the BrainGlobe project, https://brainglobe.info (BSD-3-Clause).

    Parameters
    ----------
    folder : str or path-like, default=None
        Holds ``volume_zcyx.tif``; None is the subfolder ``lightsheet_2ch`` of the folder that the
        environment variable ``SSKSEG_DATA`` names.

    Returns
    -------
    X : ndarray of uint16, shape (20, 400, 512, 2)
        Sections in z order; channel 0 signal, channel 1 background.

    Raises
    ------
    FileNotFoundError, ValueError
        If the file is missing or unreadable.
    """
    return _load_zcyx(folder, "lightsheet_2ch")


def load_array_tomography_4ch(folder=None):
    """Load multiplexed synaptic labels: synapsin, PSD95, GluR1 and LY, unlabelled.

    Array tomography (terms of use not stated).

    Parameters
    ----------
    folder : str or path-like, default=None
        Holds ``volume_zcyx.tif``; None is the subfolder ``array_tomography_4ch`` of the folder
        that the environment variable ``SSKSEG_DATA`` names.

    Returns
    -------
    X : ndarray of uint8, shape (8, 512, 512, 4)
        Sections in z order, channels last.

    Raises
    ------
    FileNotFoundError, ValueError
        If the file is missing or unreadable.
    """
    return _load_zcyx(folder, "array_tomography_4ch")


def _load_zcyx(folder, name):
    (path,) = _find(folder, name, ["volume_zcyx.tif"])
    volume = read_image(path)
    if volume.ndim != 4:
        raise ValueError(f"{path} must hold axes ZCYX, got shape {volume.shape}.")
    return np.moveaxis(volume, 1, -1)


def load_nuclei3d(folder=None):
    """Load a small volume of nuclei with instance labels (BSD-3-Clause).

    Parameters
    ----------
    folder : str or path-like, default=None
        Holds ``img3d.tif`` and ``mask3d.tif``; None is the subfolder ``nuclei3d`` of the folder
        that the environment variable ``SSKSEG_DATA`` names.

    Returns
    -------
    X : ndarray of shape (1, depth, height, width)
    y : ndarray of int32 of the same shape

    Raises
    ------
    FileNotFoundError, ValueError
        If files are missing, unreadable or do not pair; the message names them.
    """
    images, masks = _find(folder, "nuclei3d", ["img3d.tif", "mask3d.tif"])
    X, y = read_image(images), read_image(masks).astype(np.int32)
    _check_pair(X, y, masks)
    return X[None], y[None]
