"""Parameters of estimators, read from their source.

Importing an estimator imports torch, for which ``sskseg --help`` should not wait.
"""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

_PACKAGE = Path(__file__).resolve().parents[1]
_SOURCES = {
    "PercentileScaler": "preprocessing.py",
    "SemiSupervisedSegmenter": "segmentation/_segmenter.py",
    "InstanceCounter": "counting/_counter.py",
}


class Parameter(NamedTuple):
    """A parameter of an estimator.

    Parameters
    ----------
    name : str
    default : str
        As in the source.
    summary : str
        First sentence of its documentation.
    is_flag : bool
        Whether it is True or False.
    """

    name: str
    default: str
    summary: str
    is_flag: bool


@cache
def estimator_parameters(class_name: str) -> tuple[Parameter, ...]:
    """Return the parameters of an estimator, in the order of its constructor.

    Parameters
    ----------
    class_name : {"PercentileScaler", "SemiSupervisedSegmenter", "InstanceCounter"}

    Returns
    -------
    tuple of Parameter

    Examples
    --------
    >>> from sskseg.cli.parameters import estimator_parameters
    >>> estimator_parameters("PercentileScaler")[1]
    Parameter(name='scope', default="'dataset'", summary='"dataset": percentiles over all images \
of fit.', is_flag=False)
    """
    tree = ast.parse((_PACKAGE / _SOURCES[class_name]).read_text(encoding="utf-8"))
    found = next(n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == class_name)
    summaries = _summaries(ast.get_docstring(found) or "")
    init = next(n for n in found.body if isinstance(n, ast.FunctionDef) and n.name == "__init__")
    positional = init.args.args[1:]
    defaults = [*init.args.defaults, *init.args.kw_defaults]
    arguments = [*positional, *init.args.kwonlyargs]
    return tuple(
        Parameter(a.arg, ast.unparse(d) if d is not None else "", summaries.get(a.arg, ""),
                  isinstance(d, ast.Constant) and isinstance(d.value, bool))
        for a, d in zip(arguments, defaults, strict=True)
    )  # fmt: skip


def _summaries(docstring):
    """First sentence of the documentation of each parameter."""
    section = docstring.split("Parameters\n----------\n")[1]
    section = re.split(r"\n\n[A-Z][a-zA-Z ]+\n-+\n", section)[0].replace("\\\n", "")
    summaries: dict[str, str] = {}
    for entry in re.split(r"\n(?=\S)", section):
        head, _, body = entry.partition("\n")
        names, _, kind = head.partition(" : ")
        text = " ".join(body.split()).replace("`", "")
        sentence = re.split(r"(?<=[.:]) (?=[A-Z\"`])", text)[0] if text else kind
        for name in names.split(", "):
            summaries[name] = _without_references(sentence)
    return summaries


def _without_references(text):
    return re.sub(r" ?\[\d\]_", "", text).replace("``", "")
