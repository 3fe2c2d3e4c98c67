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
    "PercentileScaler": "preprocessing/_scaler.py",
    "SemiSupervisedSegmenter": "segmentation/_segmenter.py",
    "InstanceCounter": "counting/_counter.py",
}


# Choices that the pipeline of ``sskseg fit`` cannot use, since its segmenter finds the foreground.
_LEFT_OUT = {"contours"}


class Parameter(NamedTuple):
    """A parameter of an estimator, in the words of the command line.

    Parameters
    ----------
    name : str
        In Python.
    option : str
    default : str
        As it would be typed.
    kind : str
        What values are: their type, or the choices.
    summary : str
        First sentence of its documentation, and those that explain choices.
    is_flag : bool
        Whether it is true or false.
    """

    name: str
    option: str
    default: str
    kind: str
    summary: str
    is_flag: bool


@cache
def estimator_parameters(class_name: str, prefix: str = "") -> tuple[Parameter, ...]:
    """Return the parameters of an estimator, in the order of its constructor.

    Parameters
    ----------
    class_name : {"PercentileScaler", "SemiSupervisedSegmenter", "InstanceCounter"}
    prefix : str, default=""
        Of the options.

    Returns
    -------
    tuple of Parameter

    Examples
    --------
    >>> from sskseg.cli.parameters import estimator_parameters
    >>> clip = estimator_parameters("PercentileScaler", "scaler-")[2]
    >>> clip.option, clip.default, clip.summary
    ('--scaler-clip', 'no', 'Whether to clip the result to the range from 0 to 1.')
    """
    tree = ast.parse((_PACKAGE / _SOURCES[class_name]).read_text(encoding="utf-8"))
    found = next(n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == class_name)
    init = next(n for n in found.body if isinstance(n, ast.FunctionDef) and n.name == "__init__")
    arguments = [*init.args.args[1:], *init.args.kwonlyargs]
    defaults = [*init.args.defaults, *init.args.kw_defaults]
    documented = _documentation(ast.get_docstring(found) or "")
    options = {a.arg: f"--{prefix}{a.arg.replace('_', '-')}" for a in arguments}
    parameters = []
    for argument, default in zip(arguments, defaults, strict=True):
        kind, text = documented.get(argument.arg, ("", ""))
        value, kind = ast.literal_eval(default) if default is not None else "", _kind(kind)
        parameters.append(Parameter(
            argument.arg, options[argument.arg], typed(value), kind, _summary(text, kind, options),
            isinstance(value, bool),
        ))  # fmt: skip
    return tuple(parameters)


def typed(value: object) -> str:
    """Return the text that is typed for a value."""
    words = {None: "none", True: "yes", False: "no"}
    if value is None or isinstance(value, bool):
        return words[value]
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _documentation(docstring):
    """Type and text of each parameter."""
    section = docstring.split("Parameters\n----------\n")[1]
    section = re.split(r"\n\n[A-Z][a-zA-Z ]+\n-+\n", section)[0].replace("\\\n", "")
    documented: dict[str, tuple[str, str]] = {}
    for entry in re.split(r"\n(?=\S)", section):
        head, _, body = entry.partition("\n")
        names, _, kind = head.partition(" : ")
        for name in names.split(", "):
            documented[name] = kind, " ".join(body.split())
    return documented


def _kind(kind):
    """Types that can be typed: without classes, and with names without quotes."""
    kind = kind.split(", default=")[0]
    kind = re.sub(r"tuple of them", "several separated by commas", kind)
    kind = re.sub(r"tuple of (\w+( floats)?)", r"\1 separated by commas", kind)
    kind = re.sub(r"[{}\"]", "", kind).replace("None", "none")
    parts = re.split(r"(?<!\()(?<!\[), | or ", re.sub(r"([(\[]\S+), ", r"\1,", kind))
    is_class = re.compile(r"\b([A-Z]\w+|callable|dict|torch\.)")
    parts = [part for part in parts if not is_class.search(part) and part not in _LEFT_OUT]
    text = ", ".join(parts[:-1]) + (" or " if len(parts) > 1 else "") + "".join(parts[-1:])
    return re.sub(r"([(\[]\S+),(\S+[)\]])", r"\1, \2", text)


def _summary(text, kind, options):
    """The first sentence and those that explain values, without references to Python."""

    def name(match):
        words = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", match[1]).lower()  # of a method, by its class
        return options.get(match[1], words if words in kind else match[1])

    text = re.sub(r" ?\[\d\]_", "", text.replace("``", ""))
    text = re.sub(r",? \(?(see|as) (the notes|(`[^`]+`( of)?,? ?)+)\)?", "", text)
    sentences = re.split(r"(?<=\.) (?=[A-Z\"`])", text)
    explains = re.compile(r"None is|\"([\w-]+)\":")
    found = [(i, sentence, explains.match(sentence)) for i, sentence in enumerate(sentences)]
    kept = [s for i, s, match in found if i == 0 or (match and match[1] not in _LEFT_OUT)]
    return re.sub(r"\bNone\b", "none", re.sub(r"`(\w+)`", name, " ".join(kept)))
