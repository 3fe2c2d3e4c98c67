"""Public data sets, read from a folder."""

import csv
from os import PathLike

import numpy as np

from ..io.images import read_image
from ._layouts import check_pair, find, load_pairs, load_stage1, where_is

Folder = str | PathLike[str] | None


def load_isbi2012(folder: Folder = None) -> tuple[np.ndarray, np.ndarray]:
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
    images, labels = find(
        folder,
        "isbi2012",
        ["images.tif", "membranes_inverted.tif"],
        ["train-volume.tif", "train-labels.tif"],
    )
    X, y = read_image(images), read_image(labels)
    check_pair(X, y, labels)
    return X, (y > 0).astype(np.uint8)


def load_epfl_mitochondria(
    folder: Folder = None, *, split: str = "train"
) -> tuple[np.ndarray, np.ndarray]:
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
    where = where_is(folder, name)
    parts = sorted(p.name for p in where.glob(f"{split}_images_*.tif"))
    names = sorted(p.name for p in where.glob(f"{split}_labels*.tif"))
    parts, names = parts or [f"{split}_images_*.tif"], names or [f"{split}_labels.tif"]
    original = [f"{split}ing.tif", f"{split}ing_groundtruth.tif"]
    *images, labels = find(folder, name, [*parts, names[0]], original)
    volumes = [read_image(path) for path in images]
    for path, volume in zip(images, volumes, strict=True):
        if volume.ndim != 3 or volume.shape[1:] != volumes[0].shape[1:]:
            raise ValueError(
                f"{path} must hold sections of the shape of {images[0]}, {volumes[0].shape[1:]}, "
                f"got shape {volume.shape}."
            )
    X, y = np.concatenate(volumes), read_image(labels)
    check_pair(X, y, labels)
    return X, (y > 0).astype(np.uint8)


def load_dsb2018_nuclei(
    folder: Folder = None, *, split: str = "train", return_names: bool = False
) -> tuple:
    """Load fluorescent nuclei of the Data Science Bowl 2018.

    Stage 1, gray-scale subset (CC0); pixel sizes vary and are not known. The original is at
    https://bbbc.broadinstitute.org/BBBC038, StarDist's selection (497 images, 447 of them for
    training) at https://github.com/stardist/stardist/releases/download/0.1.0/dsb2018.zip.

    Parameters
    ----------
    folder : str or path-like, default=None
        Holds ``images`` and ``masks`` with files of the same names, or the original
        ``stage1_train`` (of which color images are left out), or StarDist's ``train`` and ``test``
        (also in ``dsb2018``), each with ``images`` and ``masks``; None is the subfolder
        ``dsb2018_nuclei`` of the folder that the environment variable ``SSKSEG_DATA`` names.
    split : {"train", "test"}, default="train"
        Only StarDist's selection has a "test" part.
    return_names : bool, default=False
        Whether to return the names of the images, too.

    Returns
    -------
    X : list of ndarray of uint8, each (height, width)
    y : list of ndarray of int32
        0 background; 1, 2, ... nuclei.
    names : list of str
        Stems of the image files. Only with `return_names`.

    Raises
    ------
    FileNotFoundError, ValueError
        If files are missing, unreadable or do not pair; the message names them.

    References
    ----------
    .. [1] Caicedo et al. Nucleus segmentation across imaging experiments: the 2018 Data Science
       Bowl. Nature Methods 2019. :doi:`10.1038/s41592-019-0612-7`
    """
    if split not in ("train", "test"):
        raise ValueError(f"split must be 'train' or 'test', got {split!r}.")
    halves = [[f"{top}{split}/images", f"{top}{split}/masks"] for top in ("", "dsb2018/")]
    whole = [["images", "masks"], ["stage1_train"]] if split == "train" else []
    folders = find(folder, "dsb2018_nuclei", *whole, *halves)
    X, y, names = load_stage1(folders[0]) if len(folders) == 1 else load_pairs(*folders)
    return (X, y, names) if return_names else (X, y)


def load_psd95_puncta(folder: Folder = None) -> tuple[np.ndarray, list[np.ndarray]]:
    """Load synaptic puncta (PSD95) with the position of each.

    Crops of 128 x 128 pixels of fluorescence micrographs; pixel size, origin and terms of use are
    not stated. The annotation is noisy: about 2.4 bright spots an image are not marked.

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
    images, table = find(folder, "psd95_puncta", ["images.tif", "points.csv"])
    X = read_image(images)
    if X.ndim != 3:
        raise ValueError(f"{images} must hold a stack of images, got shape {X.shape}.")
    points: list[list[tuple[float, float]]] = [[] for _ in X]
    try:
        with table.open(newline="") as file:
            for row in csv.DictReader(file):
                number, point = int(row["image"]), (float(row["y"]), float(row["x"]))
                if number < 0 or not np.isfinite(point).all():
                    raise ValueError(f"image {number}, point {point}")
                points[number].append(point)
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise ValueError(
            f"{table} must have columns image, y, x for {len(X)} images: {error!r}."
        ) from error
    return X, [np.array(each, float).reshape(-1, 2) for each in points]


def load_nissl_rat_cortex(folder: Folder = None) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Load Nissl-stained rat cortex with instance masks.

    Brain cell bodies, dark on light; pixel size, origin and terms of use of the copy are not
    stated. Images of the same kind (juvenile rat, 0.346 um a pixel) are published with [1]_.

    Parameters
    ----------
    folder : str or path-like, default=None
        Holds ``images`` and ``masks`` with files of the same names; None is the subfolder
        ``nissl_rat_cortex`` of the folder that the environment variable ``SSKSEG_DATA`` names.

    Returns
    -------
    X : list of ndarray of uint8, each (512, 512, 3)
    y : list of ndarray of int32, each (512, 512)
        0 background; greater values are cells.

    Raises
    ------
    FileNotFoundError, ValueError
        If files are missing, unreadable or do not pair; the message names them.

    References
    ----------
    .. [1] Meystre et al. Cell density quantification of high resolution Nissl images of the
       juvenile rat brain. Frontiers in Neuroanatomy 2024. :doi:`10.3389/fnana.2024.1463632`
    """
    X, y, _ = load_pairs(*find(folder, "nissl_rat_cortex", ["images", "masks"]))
    return X, y


def load_lightsheet_2ch(folder: Folder = None) -> np.ndarray:
    """Load a light-sheet scan of brain: signal and autofluorescence background, unlabeled.

    From the public data of the BrainGlobe project, https://brainglobe.info (BSD-3-Clause), whose
    program for such scans is cellfinder [1]_; the voxel size of the copy is not stated.

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

    References
    ----------
    .. [1] Tyson et al. A deep learning algorithm for 3D cell detection in whole mouse brain image
       datasets. PLOS Computational Biology 2021. :doi:`10.1371/journal.pcbi.1009074`
    """
    return _load_zcyx(folder, "lightsheet_2ch")


def load_array_tomography_4ch(folder: Folder = None) -> np.ndarray:
    """Load multiplexed synaptic labels: synapsin, PSD95, GluR1 and LY, unlabeled.

    Array tomography, serial ultrathin sections [1]_; voxel size, origin and terms of use of the
    copy are not stated.

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

    References
    ----------
    .. [1] Micheva, Smith. Array tomography: a new tool for imaging the molecular architecture and
       ultrastructure of neural circuits. Neuron 2007. :doi:`10.1016/j.neuron.2007.06.014`
    """
    return _load_zcyx(folder, "array_tomography_4ch")


def _load_zcyx(folder, name):
    (path,) = find(folder, name, ["volume_zcyx.tif"])
    volume = read_image(path)
    if volume.ndim != 4:
        raise ValueError(f"{path} must hold axes ZCYX, got shape {volume.shape}.")
    return np.moveaxis(volume, 1, -1)


def load_nuclei3d(folder: Folder = None) -> tuple[np.ndarray, np.ndarray]:
    """Load a small volume of nuclei with instance labels.

    The small volume among the test data of StarDist [1]_, ``stardist/data/images/img3d.tif`` in
    https://github.com/stardist/stardist (BSD-3-Clause); the voxel size is not stated.

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

    References
    ----------
    .. [1] Weigert et al. Star-convex polyhedra for 3D object detection and segmentation in
       microscopy. WACV 2020. :doi:`10.1109/WACV45572.2020.9093435`
    """
    images, masks = find(folder, "nuclei3d", ["img3d.tif", "mask3d.tif"])
    X, y = read_image(images), read_image(masks).astype(np.int32)
    check_pair(X, y, masks)
    return X[None], y[None]
