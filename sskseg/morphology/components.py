"""Connected components."""

import warnings
from typing import Literal

import cc3d
import numpy as np
from scipy import ndimage as ndi

_NEIGHBORS: dict[tuple[int, int], Literal[4, 6, 8, 18, 26]] = {
    (2, 1): 4, (2, 2): 8, (3, 1): 6, (3, 2): 18, (3, 3): 26,
}  # fmt: skip
_MIN_PARTS = 5  # of one object; fragmented junctions have fewer
_MAX_LOCKED = 2**23  # pixels, for which no other thread of Python runs


def label_components(mask: np.ndarray, connectivity: int = 1) -> np.ndarray:
    """Label the connected components of a mask or of each value of a label image.

    Parameters
    ----------
    mask : ndarray of bool or int, 2-D or 3-D
        Pixels <= 0 are background; pixels of different values are never connected.
    connectivity : int, default=1
        1 joins pixels that share a face, up to ``mask.ndim`` which joins those that share a corner.

    Returns
    -------
    labels : ndarray of int32 or int64, shape of `mask`
        1, 2, ... in scan order; 0 is background.

    Raises
    ------
    ValueError
        If `mask` is not 2-D or 3-D or `connectivity` is out of range.

    Examples
    --------
    >>> from sskseg.morphology import label_components
    >>> import numpy as np
    >>> label_components(np.array([[1, 0, 1], [1, 0, 2]]))
    array([[1, 0, 2],
           [1, 0, 3]], dtype=int32)
    """
    mask = np.asarray(mask)
    if mask.ndim not in (2, 3) or not 1 <= connectivity <= mask.ndim:
        raise ValueError(
            "mask must be 2-D or 3-D and connectivity between 1 and its number of axes, got "
            f"{mask.ndim} axes and connectivity {connectivity}."
        )
    if mask.size == 0:
        return np.zeros(mask.shape, np.int32)
    dtype = np.int32 if mask.size < 2**31 else np.int64
    if mask.dtype == bool and (connectivity > 1 or mask.size > _MAX_LOCKED):
        # In scan order also by corners, and other threads run meanwhile, as of a window: cc3d holds
        # Python's lock.
        neighbors = ndi.generate_binary_structure(mask.ndim, connectivity)
        return ndi.label(mask, neighbors)[0].astype(dtype, copy=False)
    if mask.dtype.kind == "i":
        mask = np.maximum(mask, 0)
    # cc3d refuses read-only arrays, and those of the other byte order. It numbers components in
    # scan order, 1, 2, ..., without gaps.
    native = np.require(mask, mask.dtype.newbyteorder("="), ["C", "W"])
    labels = cc3d.connected_components(native, connectivity=_NEIGHBORS[mask.ndim, connectivity])
    # There are too few components for an unsigned integer to exceed the signed one.
    if labels.dtype.itemsize == np.dtype(dtype).itemsize:
        return labels.view(dtype)
    return labels.astype(dtype)


def label_objects(labels: np.ndarray) -> np.ndarray:
    """Label the objects of a label image, which may be a mask.

    Parameters
    ----------
    labels : ndarray of int
        -1 unlabeled, 0 background. Different values > 0 are different objects; if 1 is the
        only one, the image is a mask and its connected components are the objects.

    Returns
    -------
    ndarray of int
        `labels` itself, or the numbered components, with the -1 of `labels`.
    """
    if labels.size == 0 or labels.max() != 1:
        return labels
    return np.where(labels < 0, -1, label_components(labels > 0))


def warn_of_mask(labels: np.ndarray, name: str, stacklevel: int) -> None:
    """Warn of a label image with one object of many parts: a mask, whose parts are the objects.

    Parameters
    ----------
    labels : ndarray of int
        With one value above 0.
    name : str
    stacklevel : int
        As of `warnings.warn`, from here.
    """
    n_parts = int(label_components(labels > 0).max(initial=0))
    if n_parts >= _MIN_PARTS:
        warnings.warn(
            f"{name} holds one object of {n_parts} separate parts. If it is a mask, number its "
            "objects: sskseg.morphology.label_components(mask).",
            UserWarning,
            stacklevel=stacklevel,
        )
