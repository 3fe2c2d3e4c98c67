"""Read tables of text, with the separators and encodings that programs use."""

from __future__ import annotations

import codecs
import csv
import io
import warnings
from pathlib import Path
from typing import Any

_SEPARATORS = "\t;,"
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_table(path: Path) -> Any:
    """Read a table whose first line names the columns.

    The separator is the most frequent of tab, semicolon and comma in the first line, or spaces. The
    encoding is UTF-8, UTF-16 with its mark, or else Latin-1. Beside tabs and semicolons a comma is
    a decimal point.

    Parameters
    ----------
    path : Path

    Returns
    -------
    pandas.DataFrame
        With rows from 1.

    Raises
    ------
    ValueError
        If it is empty, no text, or has rows of more values than there are columns.
    """
    import pandas as pd

    text = _text(path)
    if not text.strip():
        raise ValueError(f"{path} is empty: expected a table whose first line names the columns.")
    header = text.lstrip().splitlines()[0]
    separator = max(_SEPARATORS, key=header.count)
    if separator not in header:
        separator = r"\s+"
    try:
        _check_lengths(text, separator)
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            table = pd.read_csv(
                io.StringIO(text), sep=separator, index_col=False, engine="python",
                decimal="." if separator == "," else ",",
            )  # fmt: skip
    except (ValueError, csv.Error, pd.errors.ParserWarning) as error:
        raise ValueError(f"{path} cannot be read as a table: {error}.") from error
    table.index += 1
    return table


def _text(path):
    content = path.read_bytes()
    if content.startswith(_UTF_16):
        return content.decode("utf-16")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    if "\0" in text:
        raise ValueError(f"{path} is no text, or UTF-16 without a mark: save it as CSV in UTF-8.")
    return text


def _check_lengths(text, separator):
    """Refuse rows of more values than columns, which would be moved to other columns."""
    if separator not in _SEPARATORS:
        return
    lines = [line for line in csv.reader(io.StringIO(text), delimiter=separator) if line]
    width = len(lines[0])
    for number, line in enumerate(lines[1:], start=1):
        if len(line) > width and any(line[width:]):
            raise ValueError(
                f"row {number} has {len(line)} values, and there are {width} columns. If commas "
                "are decimal points, separate columns by semicolons or tabs, or export with "
                "points"
            )
