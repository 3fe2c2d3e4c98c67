"""Write the HTML page of a model, for the library and for the command line."""

import warnings
from datetime import datetime
from os import PathLike
from pathlib import Path
from typing import Any

from .. import __version__
from ..io import write_atomically
from ._axes import check_plot
from ._html import whole_page
from ._outputs import Outputs, apply
from ._page_sections import Page


def outputs_of(estimator: Any, X: Any, positions: Any = None) -> Outputs:
    """Run the steps; their warnings are shown, and kept for the page.

    Raises
    ------
    ImportError
        If the page could not have figures: matplotlib is not installed.
    """
    check_plot()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        outputs = apply(estimator, X, positions)
    for each in caught:
        warnings.warn_explicit(each.message, each.category, each.filename, each.lineno)
        if issubclass(each.category, UserWarning):
            outputs.cautions.append(str(each.message))
    return outputs


def write_page(
    path: str | PathLike[str], page: Page, heading: str | None = None, training_note: str = ""
) -> Path:
    """Write a page.

    Parameters
    ----------
    path : str or path-like
    page : Page
    heading : str, default=None
        None is the number of objects and of images.
    training_note : str, default=""
        What is known about the training images if the page does not know them, as a sentence.

    Returns
    -------
    pathlib.Path
        `path`.
    """
    made = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z")
    footer = f"Written {made} by sskseg {__version__}."
    text = whole_page(heading or page.heading(), page.lead(training_note), page.sections(), footer)
    path = Path(path)
    write_atomically(path, text.encode())
    return path
