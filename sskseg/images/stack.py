"""`ImageStack`: images, together with what earlier pipeline steps learned from them."""

from collections.abc import Sequence
from numbers import Integral

import numpy as np


class ImageStack(Sequence):
    """Images with the backbone and the simulator that earlier steps learned from them.

    An immutable array-like: ``np.asarray(stack)`` gives the images, ``stack[rows]`` the
    images of some samples (a stack again for a slice, list, index array or boolean mask; one image
    for an integer), so that scikit-learn's splitters can take it apart.

    Parameters
    ----------
    images : ndarray of shape (n_samples, *spatial[, n_channels]), list of ndarray, dask array or \
ImageStack
        The images; a list where their sizes differ. They are held, not copied.
    backbone : object, default=None
        A pretrained network, or None. None keeps the backbone of `images` if that is a stack.
    simulator : object, default=None
        Has ``sample(n, random_state) -> (X, y)``, or None. None keeps the simulator of `images`
        if that is a stack.

    Attributes
    ----------
    images : ndarray, list of ndarray or dask array
    backbone : object or None
    simulator : object or None

    Examples
    --------
    >>> import numpy as np
    >>> from sskseg.images import ImageStack
    >>> stack = ImageStack(np.zeros((4, 8, 8)))
    >>> len(stack), stack[[0, 2]].images.shape, np.asarray(stack).shape
    (4, (2, 8, 8), (4, 8, 8))
    """

    __slots__ = ("_backbone", "_images", "_simulator")

    def __init__(self, images, *, backbone=None, simulator=None):
        if isinstance(images, ImageStack):
            backbone = images.backbone if backbone is None else backbone
            simulator = images.simulator if simulator is None else simulator
            images = images.images
        self._images = images if hasattr(images, "shape") else list(images)
        self._backbone = backbone
        self._simulator = simulator

    @property
    def images(self):
        return self._images

    @property
    def backbone(self):
        return self._backbone

    @property
    def simulator(self):
        return self._simulator

    @property
    def shape(self):
        """Shape of the array of images; ``(n_samples,)`` where their sizes differ."""
        return getattr(self._images, "shape", (len(self._images),))

    @property
    def ndim(self):
        return len(self.shape)

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, key):
        key = sample_key(key)
        if isinstance(key, Integral):
            return self._images[key]
        return self.with_images(take_samples(self._images, key))

    def __array__(self, dtype=None, copy=None):
        if isinstance(self._images, list):
            shapes = {np.shape(image) for image in self._images}
            if len(shapes) > 1:
                raise ValueError(
                    "An ImageStack of images of different sizes cannot become one array; "
                    f"use stack.images. Got shapes {sorted(shapes)}."
                )
        return np.array(self._images, dtype=dtype, copy=bool(copy) or None)

    def with_images(self, images, transform=None):
        """Return a stack of other images with the same backbone and simulator.

        Parameters
        ----------
        images : array-like
        transform : callable, default=None
            ``transform(X) -> X``, how `images` were made from those of this stack; the images of
            the simulator are transformed alike.

        Returns
        -------
        ImageStack
        """
        simulator = self._simulator
        if simulator is not None and transform is not None:
            simulator = _TransformedSimulator(simulator, transform)
        return ImageStack(images, backbone=self._backbone, simulator=simulator)

    def __reduce__(self):
        return _rebuild, (self._images, self._backbone, self._simulator)

    def __eq__(self, other):
        return self is other

    __hash__ = object.__hash__

    def __repr__(self):
        kept = [name for name in ("backbone", "simulator") if getattr(self, name) is not None]
        return f"ImageStack(shape={self.shape}{''.join(', ' + name for name in kept)})"


def sample_key(key):
    """Reduce ``(key, ...)``, by which scikit-learn takes samples of arrays, to ``key``.

    Parameters
    ----------
    key : object

    Returns
    -------
    object
    """
    while isinstance(key, tuple) and len(key) > 1 and key[-1] is Ellipsis:
        key = key[:-1]
    return key[0] if isinstance(key, tuple) and len(key) == 1 else key


def take_samples(samples, key):
    """Take some samples of an array or a list.

    Parameters
    ----------
    samples : ndarray, dask array, list or tuple
    key : slice, array-like of int, or array-like of bool

    Returns
    -------
    ndarray, dask array, list or tuple
    """
    if isinstance(key, slice) or hasattr(samples, "shape"):
        return samples[key]
    key = np.asarray(key)
    key = np.flatnonzero(key) if key.dtype == bool else key
    return [samples[i] for i in key]


def wrap_like(X, images, transform):
    """Wrap transformed images in the type of X: an `ImageStack` with what X carries, if it is one.

    Parameters
    ----------
    X : array-like
    images : array-like
    transform : callable
        ``transform(X) -> images``.

    Returns
    -------
    array-like or ImageStack
    """
    return X.with_images(images, transform) if isinstance(X, ImageStack) else images


class _TransformedSimulator:
    """A simulator whose images are transformed as the real ones were."""

    def __init__(self, simulator, transform):
        self.simulator, self.transform = simulator, transform

    def sample(self, n, random_state=None):
        X, *known = self.simulator.sample(n, random_state)
        return self.transform(X), *known

    def __getattr__(self, name):
        # Only a simulator that knows hidden parts gives them.
        if name != "sample_contours" or not hasattr(self.simulator, name):
            raise AttributeError(f"{type(self).__name__!r} has no attribute {name!r}")

        def sample_contours(n, random_state=None):
            X, *known = self.simulator.sample_contours(n, random_state)
            return self.transform(X), *known

        return sample_contours


def _rebuild(images, backbone, simulator):
    return ImageStack(images, backbone=backbone, simulator=simulator)
