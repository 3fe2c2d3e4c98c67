"""`ImageStack`: images, together with what earlier pipeline steps learned from them."""

from collections.abc import Callable, Sequence
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .spacing import check_spacing


class ImageStack(Sequence):
    """Images with the backbone and the simulator that earlier pipeline steps learned from them.

    An immutable array-like: ``np.asarray(stack)`` is the array of images, and ``stack[indices]``
    the stack of some samples (one image for an integer), so that scikit-learn can split it.

    Parameters
    ----------
    images : ndarray of shape (n_samples, *spatial[, n_channels]), list of ndarray, dask array or \
ImageStack
        A list if the sizes of images differ. Images are not copied.
    backbone : object, default=None
        Pretrained network. None keeps the backbone of `images` if that is a stack.
    simulator : object, default=None
        Has ``sample(n, random_state) -> (X, y)``. None keeps the simulator of `images` if that is
        a stack.
    spacing : sequence of float, default=None
        Size of a pixel along each spatial axis, y and x last; of sections, preceded by their
        distance. None keeps that of `images` if that is a stack, and is unknown otherwise.
    unit : str, default=None
        Unit of `spacing`.
    in_sample : bool, default=None
        For a stack of predictions. True: the model was trained on the labels of these samples.
        False: the samples were new to the model. None: the value of `images` if this is a stack,
        and otherwise unknown.
    positions : array-like of int, shape (n_samples,), default=None
        Positions along z, for estimators with ``sections="consecutive"`` that are given none:
        samples are neighbors if theirs differ by one. None: those of `images` if this is a stack,
        and otherwise ``0, 1, ...``.
    spatial_ndim : {2, 3}, default=None
        Number of spatial axes of a sample, as an earlier step read it. Later steps refuse to read
        the samples differently. None: the value of `images` if this is a stack, and otherwise
        unknown.
    classes : sequence of int, default=None
        For a stack of predictions: the values of the labels that the model was trained on, if these
        are classes and not objects. None keeps those of `images` if that is a stack.

    Attributes
    ----------
    images : ndarray, list of ndarray or dask array
    backbone : object or None
    simulator : object or None
    spacing : tuple of float, or None
    unit : str or None
    in_sample : bool or None
    positions : ndarray of int, shape (n_samples,), or None
    spatial_ndim : int or None
    classes : tuple of int, or None

    Examples
    --------
    >>> import numpy as np
    >>> from sskseg.images import ImageStack
    >>> stack = ImageStack(np.zeros((4, 8, 8)))
    >>> len(stack), stack[[0, 2]].images.shape, np.asarray(stack).shape
    (4, (2, 8, 8), (4, 8, 8))
    """

    __slots__ = (
        "_backbone", "_classes", "_images", "_in_sample", "_positions", "_simulator", "_spacing",
        "_spatial_ndim", "_unit",
    )  # fmt: skip

    def __init__(
        self,
        images: Any,
        *,
        backbone: Any = None,
        simulator: Any = None,
        spacing: Sequence[float] | None = None,
        unit: str | None = None,
        in_sample: bool | None = None,
        positions: ArrayLike | None = None,
        spatial_ndim: int | None = None,
        classes: Sequence[int] | None = None,
    ):
        if isinstance(images, ImageStack):
            backbone = images.backbone if backbone is None else backbone
            simulator = images.simulator if simulator is None else simulator
            if spacing is None:
                spacing, unit = images.spacing, images.unit if unit is None else unit
            in_sample = images.in_sample if in_sample is None else in_sample
            positions = images.positions if positions is None else positions
            spatial_ndim = images.spatial_ndim if spatial_ndim is None else spatial_ndim
            classes = images.classes if classes is None else classes
            images = images.images
        if spatial_ndim not in (None, 2, 3):
            raise ValueError(f"spatial_ndim must be 2, 3 or None, got {spatial_ndim!r}.")
        self._spacing, self._unit = check_spacing(spacing), unit
        self._images = images if hasattr(images, "shape") else list(images)
        self._backbone = backbone
        self._simulator = simulator
        self._in_sample = in_sample
        self._positions = None if positions is None else np.asarray(positions)
        self._spatial_ndim = spatial_ndim
        self._classes = None if classes is None else tuple(int(value) for value in classes)

    @property
    def images(self) -> Any:
        return self._images

    @property
    def backbone(self) -> Any:
        return self._backbone

    @property
    def simulator(self) -> Any:
        return self._simulator

    @property
    def spacing(self) -> tuple[float, ...] | None:
        return self._spacing

    @property
    def unit(self) -> str | None:
        return self._unit

    @property
    def in_sample(self) -> bool | None:
        return self._in_sample

    @property
    def positions(self) -> np.ndarray | None:
        return self._positions

    @property
    def spatial_ndim(self) -> int | None:
        return self._spatial_ndim

    @property
    def classes(self) -> tuple[int, ...] | None:
        return self._classes

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array of images; ``(n_samples,)`` of a list, as of files."""
        return getattr(self._images, "shape", (len(self._images),))

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> Any:
        key = sample_key(key)
        if isinstance(key, Integral):
            return self._images[key]
        positions = None if self._positions is None else take_samples(self._positions, key)
        return self._carrying(take_samples(self._images, key), self._simulator, positions)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if isinstance(self._images, list):
            shapes = {np.shape(image) for image in self._images}
            if len(shapes) > 1:
                raise ValueError(
                    "An ImageStack of images of different sizes cannot become one array; "
                    f"use stack.images. Got shapes {sorted(shapes)}."
                )
        return np.array(self._images, dtype=dtype, copy=bool(copy) or None)

    def with_images(self, images: Any, transform: Callable | None = None) -> "ImageStack":
        """Replace the images, and keep all else.

        Parameters
        ----------
        images : array-like
        transform : callable, default=None
            ``transform(X) -> X`` that maps the images of this stack to `images`. It is applied to
            the images of the simulator, too.

        Returns
        -------
        ImageStack
        """
        simulator = self._simulator
        if simulator is not None and transform is not None:
            simulator = _TransformedSimulator(simulator, transform)
        return self._carrying(images, simulator, self._positions)

    def _carrying(self, images, simulator, positions):
        return ImageStack(
            images, backbone=self._backbone, simulator=simulator, spacing=self._spacing,
            unit=self._unit, in_sample=self._in_sample, positions=positions,
            spatial_ndim=self._spatial_ndim, classes=self._classes,
        )  # fmt: skip

    def __reduce__(self):
        kept = (self._backbone, self._simulator, self._spacing, self._unit, self._in_sample)
        return _rebuild, (self._images, *kept, self._positions, self._spatial_ndim, self._classes)

    def __eq__(self, other):
        return self is other

    __hash__ = object.__hash__

    def __repr__(self):
        kept = [name for name in ("backbone", "simulator") if getattr(self, name) is not None]
        if self._spacing is not None:
            kept.append(f"spacing={self._spacing}")
        kept += [
            f"{name}={getattr(self, name)}"
            for name in ("in_sample", "spatial_ndim", "classes")
            if getattr(self, name) is not None
        ]
        return f"ImageStack(shape={self.shape}{''.join(', ' + name for name in kept)})"


def sample_key(key: Any) -> Any:
    """Reduce ``(key, ...)``, with which scikit-learn indexes samples, to ``key``.

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


def take_samples(samples: Any, key: Any) -> Any:
    """Select samples of an array or a list.

    Parameters
    ----------
    samples : ndarray, dask array, list or tuple
    key : slice, array-like of int, or array-like of bool

    Returns
    -------
    ndarray, dask array, list or tuple

    Raises
    ------
    IndexError
        If a mask has another length, or a sample does not exist.
    """
    if isinstance(key, slice) or hasattr(samples, "shape"):
        return samples[key]
    key = np.asarray(key)
    if key.dtype == bool:  # numpy checks its length
        key = np.arange(len(samples))[key]
    return [samples[i] for i in key]


def positions_of(X: Any, positions: ArrayLike | None) -> ArrayLike | None:
    """Return the positions that are given, or else those of an `ImageStack`.

    Parameters
    ----------
    X : array-like
    positions : array-like of int, shape (n_samples,), or None

    Returns
    -------
    array-like of int, or None
    """
    return getattr(X, "positions", None) if positions is None else positions


def choose_spatial_ndim(given: int | None, X: Any) -> int:
    """Return the number of spatial axes of samples: as given, or of the step before, or 2.

    Parameters
    ----------
    given : int or None
        The parameter of an estimator.
    X : array-like
        An `ImageStack` may know the number of the step before.

    Returns
    -------
    int
    """
    return given or getattr(X, "spatial_ndim", None) or 2


def wrap_like(X: Any, images: Any, transform: Callable, *, spatial_ndim: int | None = None) -> Any:
    """Wrap transformed images in an `ImageStack` with X's backbone and simulator, if X is one.

    Parameters
    ----------
    X : array-like
    images : array-like
    transform : callable
        ``transform(X) -> images``.
    spatial_ndim : {2, 3}, default=None
        Number of spatial axes of a sample. None: unknown, or that of `X`.

    Returns
    -------
    array-like or ImageStack
    """
    if not isinstance(X, ImageStack):
        return images
    return ImageStack(X.with_images(images, transform), spatial_ndim=spatial_ndim)


class _TransformedSimulator:
    """Simulator whose images are transformed like the real ones."""

    def __init__(self, simulator, transform):
        self.simulator, self.transform = simulator, transform

    def sample(self, n, random_state=None):
        X, *labels = self.simulator.sample(n, random_state)
        return self.transform(X), *labels

    def __getattr__(self, name):
        # Only some simulators have outlines.
        if name != "sample_contours" or not hasattr(self.simulator, name):
            raise AttributeError(f"{type(self).__name__!r} has no attribute {name!r}")

        def sample_contours(n, random_state=None):
            X, *labels = self.simulator.sample_contours(n, random_state)
            return self.transform(X), *labels

        return sample_contours


def _rebuild(
    images, backbone, simulator, spacing=None, unit=None, in_sample=None, positions=None,
    spatial_ndim=None, classes=None,
):  # fmt: skip
    return ImageStack(
        images, backbone=backbone, simulator=simulator, spacing=spacing, unit=unit,
        in_sample=in_sample, positions=positions, spatial_ndim=spatial_ndim, classes=classes,
    )  # fmt: skip
