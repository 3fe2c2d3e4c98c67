"""HTML page about a fitted pipeline."""

import warnings
from collections.abc import Sequence
from datetime import datetime
from os import PathLike
from pathlib import Path
from typing import Any

from numpy.typing import ArrayLike

from ..io import write_atomically
from ._axes import check_plot
from ._html import whole_page
from ._outputs import apply
from ._page_sections import Page


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

    The page shows settings and history of each step, scores on labeled samples, figures, counts
    (with intervals if the counter gives them), the first objects, and versions. It needs no other
    file, no network and no script, and follows the light or dark mode of the browser.

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
        images of `fit`, in the same order. Or a word for each image: "training", "validation" or
        "new". The page reports training images, the validation set (`validation_indices_`) and new
        images separately. Pass an empty list if all images are new, and None if you do not know.
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
        Maximum number of images in the figures.
    max_rows : int, default=20
        Maximum number of rows of the table of objects.
    heading : str, default=None
        Heading of the page. None: the names of the steps.

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
    check_plot()
    outputs = _apply(estimator, X, positions)
    page = Page(outputs, y, trained_on, names, spacing, unit, max_images, max_rows)
    made = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z")
    steps = ", ".join(type(step).__name__ for _, step, _ in outputs.steps)
    text = whole_page(heading or f"sskseg: {steps}", f"Written {made}.", page.sections())
    path = Path(path)
    write_atomically(path, text.encode())
    return path


def _apply(estimator, X, positions):
    """Run the steps; their warnings are shown, and kept for the page."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        outputs = apply(estimator, X, positions)
    for each in caught:
        warnings.warn_explicit(each.message, each.category, each.filename, each.lineno)
        if issubclass(each.category, UserWarning):
            outputs.cautions.append(str(each.message))
    return outputs
