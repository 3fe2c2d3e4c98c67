"""HTML page about a fitted pipeline."""

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from numpy.typing import ArrayLike

from ._page_sections import Page
from ._write import outputs_of, write_page


def html(
    estimator: Any,
    X: Any,
    y: Any = None,
    path: str | PathLike[str] = "report.html",
    *,
    trained_on: ArrayLike | None = None,
    positions: ArrayLike | None = None,
    names: Sequence[str] | None = None,
    spacing: Sequence[float] | None = None,
    unit: str = "µm",
    max_images: int = 6,
    max_rows: int = 20,
    heading: str | None = None,
) -> Path:
    """Write a self-contained page about a fitted estimator or pipeline and its predictions.

    The page starts with the answer: how many objects, how good against which labels. Warnings,
    pictures, scores, counts (with intervals if the counter gives them) and sizes follow, then
    terms, settings and versions. It needs no other file, no network and no script, and follows the
    light or dark mode of the browser.

    Parameters
    ----------
    estimator : object
        Fitted pipeline, or a single fitted step.
    X : array-like of shape (n_samples, *spatial) or (n_samples, *spatial, n_channels)
        Images in memory. A single `InstanceCounter` takes probabilities instead.
    y : label images, points, counts of shape (n_samples,), or None
        Annotations to compare with. Unlabeled pixels are -1, and unlabeled samples None.
    path : str or path-like, default="report.html"
        File to write. An older page is replaced when the new one is complete.
    trained_on : array-like of int or str, default=None
        Indices of the images of `X` whose labels were given to `fit`. `X` must then start with the
        images of `fit`, in the same order. Or a word for each image: "training", "validation",
        "training or validation" if it is not known which of both, or "new". The page reports these
        groups separately; validation images are those of `validation_indices_`. Pass an empty list
        if all images are new, and None if you do not know.
    positions : array-like of int, shape (n_samples,), default=None
        Positions of consecutive sections.
    names : sequence of str, default=None
        Names of the images. None: images are numbered.
    spacing : sequence of float, default=None
        Size of a pixel along each axis, for scale bars and sizes. None is the spacing of the
        counter.
    unit : str, default="µm"
        Unit of `spacing`.
    max_images : int, default=6
        Maximum number of images in the pictures of each group. If there are more: the worst,
        the median and the best ones by F1; without labels, by their likeness to the training
        images if the pipeline has a `DomainCheck`, and by their number of objects if not. Of
        consecutive sections, evenly spaced ones.
    max_rows : int, default=20
        Maximum number of rows of the table of objects.
    heading : str, default=None
        Heading of the page. None: the number of objects and of images.

    Returns
    -------
    pathlib.Path
        `path`.

    Raises
    ------
    ImportError
        If matplotlib is not installed (extra ``plot``).
    NotFittedError
        Before `fit`.
    ValueError
        If X, y, trained_on, positions or names are invalid.

    Examples
    --------
    >>> from sskseg import OtsuWatershed, report
    >>> from sskseg.datasets import make_cells
    >>> X, y = make_cells(n_samples=2, shape=(48, 48), random_state=0)
    >>> path = report.html(OtsuWatershed().fit(X, y), X, y, "report.html")  # doctest: +SKIP
    """
    options, limits = {"spacing": spacing, "unit": unit}, (max_images, max_rows)
    outputs = outputs_of(estimator, X, positions)
    return write_page(path, Page(outputs, y, trained_on, names, options, limits), heading)
