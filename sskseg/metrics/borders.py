"""Thin the borders between objects to one pixel."""

import numpy as np
from skimage.segmentation import watershed

from ..morphology import label_components


def thin_borders(mask: np.ndarray) -> np.ndarray:
    """Grow the components of a mask until lines of one pixel are left between them.

    Metrics of the objects then do not depend on the thickness of the borders, only on which objects
    they separate. Background that separates nothing disappears.

    Parameters
    ----------
    mask : ndarray of bool or int, 2-D or 3-D
        > 0 inside of objects. Pixels of different values, and components (over faces) of one, are
        different objects.

    Returns
    -------
    ndarray of int32 or int64, shape of `mask`
        Labels 1, 2, ... of the grown components, 0 on the lines; all 0 for an empty mask.

    Notes
    -----
    A watershed of a flat relief, as in the evaluation of the ISBI 2012 challenge [1]_.

    References
    ----------
    .. [1] Arganda-Carreras et al. Crowdsourcing the creation of image segmentation algorithms for
       connectomics. Frontiers in Neuroanatomy 2015. :doi:`10.3389/fnana.2015.00142`

    Examples
    --------
    >>> import numpy as np
    >>> from sskseg.metrics import thin_borders
    >>> thin_borders(np.array([[1, 0, 0, 0, 1]] * 2))
    array([[1, 1, 0, 2, 2],
           [1, 1, 0, 2, 2]], dtype=int32)
    """
    seeds = label_components(mask)
    if not seeds.any():
        return seeds
    flat = np.zeros(seeds.shape, np.uint8)
    return watershed(flat, seeds, connectivity=1, watershed_line=True).astype(seeds.dtype)
