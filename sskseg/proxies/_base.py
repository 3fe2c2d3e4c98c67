"""Base class and registry of proxies."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

    from ._batches import CropBatch

PROXIES: dict[str, type[Proxy]] = {}


@dataclass(frozen=True)
class Crop:
    """A region of an image that proxies turn into a patch.

    Parameters
    ----------
    image : ndarray of shape (n_channels, *spatial), float32
        At least as large as the patch; more where a proxy has a wide `field`.
    shape : tuple of int
        Size of the patch in pixels.
    magnification : float, default=None
        Magnification of the scan, if it is known.
    guards : bool, default=True
        Whether shortcuts to the class, which are not content, are removed.
    """

    image: np.ndarray
    shape: tuple[int, ...]
    magnification: float | None = None
    guards: bool = True

    def middle(self, factor: float = 1.0) -> np.ndarray:
        """Return the middle of the image, `factor` times as wide as the patch."""
        return self.image[(slice(None), *middle_of(self.image.shape[1:], self.shape, factor))]

    def with_image(self, image: np.ndarray) -> Crop:
        """Return the crop with another image."""
        return replace(self, image=np.ascontiguousarray(image, dtype=np.float32))


def middle_of(size: Sequence[int], shape: Sequence[int], factor: float = 1.0) -> tuple[slice, ...]:
    """Return where the middle of a region is, `factor` times as wide as a patch.

    Parameters
    ----------
    size, shape : sequence of int
        Of the region, and of the patch.
    factor : float, default=1.0

    Returns
    -------
    tuple of slice
    """
    wanted = [max(1, round(factor * side)) for side in shape]
    first = [(whole - new) // 2 for whole, new in zip(size, wanted, strict=True)]
    return tuple(slice(a, a + new) for a, new in zip(first, wanted, strict=True))


class Proxy:
    """A task whose target is known without labels (a pretext task).

    A proxy that asks for a class overrides `find_classes` and `make`; one that asks to restore what
    it damaged sets ``restores = True`` and overrides `make`. A subclass with a `name` is found by
    it, ``ProxyPretrainer(proxies=("my-name",))``, if its constructor needs no argument.

    Attributes
    ----------
    name : str
        Without a point.
    restores : bool
        Whether the network restores an image, instead of predicting a class.
    draws : bool
        Whether `make` draws a patch of its own in the place of a crop, and the network predicts
        the image that it returns beside. Such a proxy ``restores``, and is the only one.
    field : float
        Width of the region that `make` reads, in widths of the patch.
    matches_scans : bool
        Whether classes come from scans (or sizes) of unequal blur and noise, which would be a
        shortcut: see `sskseg.proxies.guard`.
    classes : list
        Set by `prepare`.

    Examples
    --------
    >>> from sskseg.proxies import Proxy
    >>> class UpsideDown(Proxy):
    ...     name = "upside-down"
    ...
    ...     def find_classes(self, n_channels, magnifications):
    ...         return [False, True]
    ...
    ...     def make(self, crop, rng):
    ...         target = int(rng.integers(2))
    ...         return crop.with_image(crop.image[:, :: 1 - 2 * target]), target
    """

    name: str = ""
    restores: bool = False
    draws: bool = False
    field: float = 1.0
    matches_scans: bool = False
    classes: list = []  # noqa: RUF012 - each prepared proxy has a list of its own

    def __init_subclass__(cls, **options):
        super().__init_subclass__(**options)
        if vars(cls).get("name"):  # of its own: a variant of another does not take its place
            PROXIES[cls.name] = cls

    def prepare(self, n_channels: int, magnifications: np.ndarray | None) -> Self:
        """Return a copy with the `classes` of the images; parameters as in `find_classes`."""
        prepared = copy(self)
        prepared.classes = list(self.find_classes(n_channels, magnifications))
        if not self.restores and len(prepared.classes) < 2:
            raise ValueError(
                f"The proxy {self.name!r} needs at least two classes, got {prepared.classes}."
            )
        return prepared

    def find_classes(self, n_channels: int, magnifications: np.ndarray | None) -> list[Any]:
        """Return the classes; none for a proxy that restores.

        Parameters
        ----------
        n_channels : int
        magnifications : ndarray of shape (n_samples,), or None
            Magnifications of the scans, if they are known.

        Returns
        -------
        list of int, float, bool or str

        Raises
        ------
        ValueError
            If the images do not suit the proxy.
        """
        return []

    def adapt(self, images: Sequence[np.ndarray], simulator: Any) -> Self:
        """Return the proxy for the images that are fitted; most need nothing of them.

        Parameters
        ----------
        images : list of ndarray of shape (*spatial, n_channels)
        simulator : object or None
            That of an `ImageStack`.

        Returns
        -------
        Proxy
            Itself, or a copy.
        """
        return self

    def make(self, crop: Crop, rng: np.random.Generator) -> tuple[Crop, int | np.ndarray]:
        """Turn a crop into a task.

        Parameters
        ----------
        crop : Crop
            Crop. For a proxy that restores, it has one channel and is as large as the patch.
        rng : numpy.random.Generator

        Returns
        -------
        crop : Crop
            Input of the network, or of the next proxy.
        target : int or ndarray of shape (*shape)
            The index of the class. Of a proxy that restores, the weights of pixels in the loss; of
            one that draws, the image to predict.
        """
        raise NotImplementedError

    def make_batch(
        self, crops: CropBatch, rng: np.random.Generator
    ) -> tuple[CropBatch, np.ndarray | Tensor]:
        """Turn the crops of a batch into tasks, at once and on their device.

        A class may do without: then `make` makes the patches of a GPU too, on the CPU. One that
        overrides `make` of a class with both methods overrides both, or is one without.

        Parameters
        ----------
        crops : sskseg.proxies.CropBatch
            Crops. For a proxy that restores, they are as large as the patch.
        rng : numpy.random.Generator

        Returns
        -------
        crops : CropBatch
            Input of the network, or of the next proxy.
        target : ndarray of int, shape (batch,), or Tensor of shape (batch, 1, *shape)
            The indices of the classes. Of a proxy that restores, the weights of pixels in the loss.
        """
        raise NotImplementedError


def makes_batches(proxy: Proxy) -> bool:
    """Return whether `make_batch` of a proxy does what its `make` does."""
    kinds = type(proxy).__mro__
    batch, single = (
        next(i for i, kind in enumerate(kinds) if name in vars(kind))
        for name in ("make_batch", "make")
    )
    return kinds[batch] is not Proxy and batch <= single


def make_proxy(proxy: str | Proxy) -> Proxy:
    """Return a proxy by its name, or as it is.

    Parameters
    ----------
    proxy : str or Proxy

    Returns
    -------
    Proxy

    Raises
    ------
    ValueError
        For an unknown name or another object, and for a proxy without a proper name.
    """
    if isinstance(proxy, Proxy):
        if not proxy.name or "." in proxy.name:
            raise ValueError(f"A proxy needs a name without a point, got {proxy.name!r}.")
        return proxy
    if isinstance(proxy, str) and proxy in PROXIES:
        return PROXIES[proxy]()
    raise ValueError(f"A proxy is one of {sorted(PROXIES)} or a Proxy object, got {proxy!r}.")
