"""`Annotations`: label images, masks, points or counts, parsed once.

Import it from this module: it needs `sskseg.morphology`, which needs `sskseg.images`.
"""

from collections.abc import Sequence
from functools import cached_property
from numbers import Integral, Real
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from ..morphology import count_objects, label_components
from ..morphology.counts import inside_frame, object_centroids
from .annotated_sections import count_annotated
from .annotation_checks import (
    are_counts,
    check_counts,
    check_label_image,
    check_sequence,
    is_labeled,
    looks_like_labels,
    warn_of_values,
)
from .points import POINT_RADIUS, are_points, check_points, draw_points
from .spacing import check_spacing
from .stack import sample_key, take_samples

Kind = Literal["labels", "points", "mixed", "counts"]


class Annotations:
    """Store the annotations of images: label images, masks, points or counts.

    Estimators convert ``y`` to this class. Create it yourself to set what an array cannot contain:
    the radius of points, or that label images in which 1 is the only positive value are not masks.

    Parameters
    ----------
    y : array-like of n_samples or Annotations
        One entry for each sample. Label images contain integers or booleans: -1 is unlabeled, 0 is
        background, and positive numbers are objects or classes. Points are arrays of shape (k,
        spatial_ndim) in pixels, one point for each object. Counts have shape (n_samples,); None,
        NaN and -1 are unknown counts. In a list, None is an unlabeled sample, and some samples may
        have points and others label images. A Series of pandas is such a list. Of an `Annotations`,
        its `y` is used.
    images : sequence of ndarray of shape (*spatial, n_channels), default=None
        The images, as `check_images` returns them. Only their shapes are read, to validate `y`.
        Without them, `y` is stored without validation; see `bind`.
    target : {"instances", "classes"}, default="instances"
        Whether different values are different objects or classes. Points cannot be classes.
    is_mask : bool, default=None
        Whether connected components are the objects. None: if 1 is the only positive value of `y`.
    point_radius : float, default=3.0
        Radius of the disc around each point that becomes foreground, in units of `spacing`. A ring
        around the disc is unlabeled.
    spacing : sequence of float, default=None
        Size of a pixel along each axis. None is 1.
    name : str, default="y"
        The name of the argument in error messages.

    Attributes
    ----------
    y : sequence
    kind : {"labels", "points", "mixed", "counts"}
        "mixed" means that some samples have points, and others label images.
    is_mask : bool
    labeled, fully_labeled : ndarray of int
    label_images : list of ndarray of int, shape (*spatial)
    classes : ndarray of int

    Examples
    --------
    >>> import numpy as np
    >>> from sskseg.images import check_images
    >>> from sskseg.images.annotations import Annotations
    >>> y = np.array([[[1, 0, 1]], [[1, 1, 0]], [[-1, -1, -1]]])
    >>> annotations = Annotations(y, check_images(np.zeros((3, 1, 3)), 2))
    >>> annotations.kind, annotations.is_mask, annotations.labeled
    ('labels', True, array([0, 1]))
    >>> annotations.counts()
    array([ 2.,  1., nan])
    """

    def __init__(
        self,
        y: Any,
        images: Sequence[np.ndarray] | None = None,
        *,
        target: str = "instances",
        is_mask: bool | None = None,
        point_radius: float = POINT_RADIUS,
        spacing: Sequence[float] | None = None,
        name: str = "y",
    ):
        if isinstance(y, Annotations):
            spacing = spacing if y.spacing is None else y.spacing
            y, is_mask, point_radius = y.y, y._is_mask, y.point_radius
        if target not in ("instances", "classes"):
            raise ValueError(f"target must be 'instances' or 'classes', got {target!r}.")
        if not isinstance(point_radius, Real) or not 0 < point_radius < np.inf:
            raise ValueError(f"point_radius must be a positive number, got {point_radius!r}.")
        self.y: Any = check_sequence(y, name)
        self.target: str = target
        self.point_radius: float = point_radius
        self.spacing: tuple[float, ...] | None = check_spacing(spacing)
        self.name: str = name
        self._is_mask: bool | None = is_mask
        self._shapes: Any = None  # of the images, once these are known
        self._points: list[Any] = []
        self._given: list[Any] = []  # label images
        self._counts: Any = None
        if images is not None:
            self._parse([tuple(image.shape[:-1]) for image in images])

    def bind(self, images: Sequence[np.ndarray]) -> "Annotations":
        """Validate against images.

        Parameters
        ----------
        images : sequence of ndarray of shape (*spatial, n_channels)

        Returns
        -------
        Annotations

        Raises
        ------
        ValueError
            For another number of samples, another shape or dtype, values below -1, points outside
            of their image, counts that are negative or infinite.
        """
        return Annotations(self, images, target=self.target, name=self.name)

    def __len__(self) -> int:
        return len(self.y)

    @property
    def shape(self) -> tuple[int]:
        """``(n_samples,)``, by which scikit-learn recognizes what it can index."""
        return (len(self),)

    def __getitem__(self, key: Any) -> Any:
        key = sample_key(key)
        if isinstance(key, Integral):
            return self.y[key]
        part = Annotations(  # with the decision on masks of the whole
            take_samples(self.y, key), target=self.target, is_mask=self._mask_decision,
            point_radius=self.point_radius, spacing=self.spacing, name=self.name,
        )  # fmt: skip
        if self._shapes is not None:
            part._parse(take_samples(self._shapes, key))
        return part

    def __repr__(self) -> str:
        kind = "" if self._shapes is None else f", kind={self.kind!r}"
        return f"Annotations(n_samples={len(self)}{kind})"

    def _parse(self, shapes):
        """Validate `y` against the spatial shapes of the images."""
        self._shapes, n = shapes, len(shapes)
        self._points, self._given = [None] * n, [None] * n
        if are_counts(self.y):
            self._counts = check_counts(self.y, n, name=self.name)
            return
        if len(self) != n:
            raise ValueError(
                f"X and {self.name} must have the same number of samples, got {n} images "
                f"and {len(self)} label images."
            )
        takes_points = self.target == "instances"
        for i, (item, shape) in enumerate(zip(self.y, shapes, strict=True)):
            check_spacing(self.spacing, len(shape))
            name = f"{self.name}[{i}]"
            if item is not None and takes_points and are_points(item, shape):
                self._points[i] = check_points(item, shape, name)
            elif item is not None:
                self._given[i] = check_label_image(item, shape, name, or_points=takes_points)
        warn_of_values(self._given, self.name)

    # What is annotated

    @cached_property
    def kind(self) -> Kind:
        """Kind of the annotations; "labels" where there are none."""
        if self._shapes is None:
            raise ValueError(f"{self.name} must be bound to its images: Annotations(y, images).")
        if self._counts is not None:
            return "counts"
        if all(points is None for points in self._points):
            return "labels"
        return "points" if all(label is None for label in self._given) else "mixed"

    @property
    def is_mask(self) -> bool:
        """Whether the connected components of label images are the objects."""
        return self.target == "instances" and self._mask_decision

    @cached_property
    def _mask_decision(self):
        if self._is_mask is not None:
            return bool(self._is_mask)
        if self._shapes is None:
            labels = [np.asarray(item) for item in self.y if looks_like_labels(item)]
        else:
            labels = [label for label in self._given if label is not None]
        return max((int(label.max(initial=0)) for label in labels), default=0) == 1

    @cached_property
    def labeled(self) -> np.ndarray:
        """Indices of the samples with an annotation: a labeled pixel, points or a count."""
        return np.flatnonzero([is_labeled(item) for item in self.y])

    @cached_property
    def fully_labeled(self) -> np.ndarray:
        """Indices of the samples whose objects can be counted: no pixel is unlabeled."""
        if self.kind == "counts":
            return self.labeled
        return np.array([i for i in self.labeled if self._is_complete(i)], dtype=np.intp)

    def _is_complete(self, index):
        label = self._given[index]
        return label is None or bool((label >= 0).all())

    def require_labeled(self) -> np.ndarray:
        """Return `labeled`, and raise if no sample is.

        Returns
        -------
        ndarray of int

        Raises
        ------
        ValueError
            If there is no annotation.
        """
        if self.labeled.size == 0 and self._counts is not None:
            raise ValueError(
                f"{self.name} labels nothing: all {len(self)} counts are unknown (None, NaN or "
                "-1). Give the count of one sample at least."
            )
        if self.labeled.size == 0:
            raise ValueError(
                f"{self.name} labels nothing: every pixel of all {len(self)} samples is -1. Label "
                "at least a part of one image."
            )
        return self.labeled

    def require_fully_labeled(self) -> np.ndarray:
        """Return `fully_labeled`, and raise if no sample is.

        Returns
        -------
        ndarray of int

        Raises
        ------
        ValueError
            If the objects of no sample can be counted.
        """
        if self.fully_labeled.size == 0:
            raise ValueError(
                f"{self.name} labels none of {len(self)} samples completely, so that its objects "
                "can be counted. Give points, counts, or a label image without -1."
            )
        return self.fully_labeled

    # Label images

    @cached_property
    def label_images(self) -> list[np.ndarray]:
        """Integer label images, views where possible: -1 unlabeled, points drawn as discs."""
        if self.kind == "counts":
            raise ValueError(
                f"{self.name} must be label images or points, got counts, {self.y!r}. Counts fit a "
                "counter only: counter.fit(probabilities, counts)."
            )
        return [self._label_image(i) for i in range(len(self))]

    def _label_image(self, index):
        if self.has_points(index):
            points, shape = self._points[index], self._shapes[index]
            return draw_points(points, shape, self.point_radius, self.spacing)
        if self._given[index] is not None:
            return self._given[index]
        return np.broadcast_to(np.int32(-1), self._shapes[index])

    def objects(self, index: int) -> np.ndarray:
        """Label the objects of a sample.

        Parameters
        ----------
        index : int

        Returns
        -------
        ndarray of int, shape (*spatial)
            -1 unlabeled, 0 background, a positive value for each object: the label image itself,
            or its connected components if `is_mask`.
        """
        label = self.label_images[index]
        if not self.is_mask or self.has_points(index) or not (label > 0).any():
            return label
        return np.where(label < 0, -1, label_components(label > 0))

    def foreground(self, index: int, background: int = 0) -> np.ndarray:
        """Separate foreground from background, as Dice coefficients need it.

        Parameters
        ----------
        index : int
        background : int, default=0
            The value of the background; of classes the first.

        Returns
        -------
        ndarray of int8, shape (*spatial)
            -1 unlabeled, 0 background, 1 foreground.
        """
        label = self.label_images[index]
        return np.where(label < 0, -1, label != background).astype(np.int8)

    @cached_property
    def classes(self) -> np.ndarray:
        """Values of labeled pixels, sorted."""
        values = [np.unique(self.label_images[i]) for i in self.require_labeled()]
        classes = np.unique(np.concatenate(values))
        return classes[classes >= 0]

    # Points and counts

    def has_points(self, index: int) -> bool:
        """Whether the annotation of a sample is points.

        Parameters
        ----------
        index : int

        Returns
        -------
        bool
        """
        return self.kind != "counts" and self._points[index] is not None

    def points(self, index: int) -> Any:
        """Locate the objects of a sample.

        Parameters
        ----------
        index : int

        Returns
        -------
        ndarray of float64, shape (n_objects, spatial_ndim), or None
            Pixels: the points, or the centroids of the objects of a fully labeled image. None of
            other samples.
        """
        if self.has_points(index):
            return self._points[index]
        if self._given[index] is None or not self._is_complete(index):
            return None
        return object_centroids(self.objects(index))

    def counts(self, margin: int = 0, positions: ArrayLike | None = None) -> np.ndarray:
        """Count the objects of each sample.

        Parameters
        ----------
        margin : int, default=0
            Width, pixels, of a frame: objects with their centroid in it do not count. Counts stay
            as they are.
        positions : array-like of int, shape (n_samples,), default=None
            Positions of consecutive sections. An object that spans sections counts once, in the
            section nearest to its centroid (see `sskseg.morphology.label_over_sections`).

        Returns
        -------
        ndarray of float64, shape (n_samples,)
            NaN where unknown: samples without annotation, or with an unlabeled pixel, and with
            `positions` all samples of a stack with such a section.
        """
        if self.kind == "counts":
            return self._counts.copy()
        if positions is not None and self.kind == "labels":
            return count_annotated(self, np.asarray(positions), margin)
        counts = np.full(len(self), np.nan)
        for i in self.fully_labeled:
            counts[i] = self._count(i, margin)
        return counts

    def _count(self, index, margin):
        points = self._points[index]
        if points is None:
            return count_objects(self.objects(index), margin)
        return inside_frame(points, self._shapes[index], margin).sum()
