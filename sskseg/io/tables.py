"""Read tables of text, with the separators and encodings that programs use."""

from __future__ import annotations

import codecs
import csv
import io
import re
import warnings
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

_SEPARATORS = "\t;,"
_SEPARATOR_LINE = re.compile(r"\A\s*\"?sep=([\t;,])\"?[\t;, ]*\n", re.IGNORECASE)
_EMPTY_ROW = re.compile(r"^[\t;, ]+(?:\n|\Z)", re.MULTILINE)
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
# What programs write for a missing number. In a column of text, "NA" may be a group.
_MISSING = (
    "NA", "N/A", "n/a", "#N/A", "<NA>", "na", "nan", "NaN", "NAN", "-nan", "-NaN", "None", "null",
    "NULL",
)  # fmt: skip


def read_table(path: Path, text: Sequence[str] = ()) -> pd.DataFrame:
    """Read a table whose first line names the columns.

    The separator is the most frequent of tab, semicolon and comma in the first line, or spaces. The
    encoding is UTF-8, UTF-16 with its mark, or else Latin-1. A first line ``sep=;`` and rows of
    empty cells, as spreadsheets write them, are left out. Beside tabs and semicolons a comma is a
    decimal point. "NA", "nan" and the like are missing values in columns of numbers, and text in
    columns of text, where only an empty cell is missing.

    Parameters
    ----------
    path : Path
    text : sequence of str, default=()
        Columns that are text whatever they hold, as names of images do ("007", "NA"), in upper or
        lower case.

    Returns
    -------
    pandas.DataFrame
        With rows from 1.

    Raises
    ------
    ValueError
        If it is empty, no text, or has rows of more values than there are columns.
    """
    with open(path, encoding=_encoding(path)) as file:  # all ends of lines become \n
        return _read(path, file.read(), text)


def iterate_table(path: Path, text: Sequence[str], chunk_size: int) -> Iterator[pd.DataFrame]:
    """Read a table part by part, for tables larger than memory; see `read_table`.

    Parameters
    ----------
    path : Path
    text : sequence of str
    chunk_size : int
        Lines of a part, at most. Cells must not hold ends of lines.

    Yields
    ------
    pandas.DataFrame
        One at least.

    Raises
    ------
    ValueError
        As `read_table`.
    """
    with open(path, encoding=_encoding(path)) as file:
        head, n = _head(file), 0
        while (lines := [*islice(file, chunk_size)]) or not n:
            yield _read(path, head + "".join(lines), text, n)
            n += chunk_size


def _head(file):
    """The first lines of a table, up to the one that names the columns."""
    head = ""
    for line in iter(file.readline, ""):
        head += line
        if line.strip("\t;, \n") and not _SEPARATOR_LINE.match(line):
            break
    return head


def _read(path, content, text, n_before=0):
    """A table of some lines, below as many rows of the file."""
    import pandas as pd

    if "\0" in content:
        raise ValueError(f"{path} is no text, or UTF-16 without a mark: save it as CSV in UTF-8.")
    named = _SEPARATOR_LINE.match(content)
    content = _EMPTY_ROW.sub("", content[named.end() :] if named else content)
    if not content.strip():
        raise ValueError(f"{path} is empty: expected a table whose first line names the columns.")
    header = content.lstrip().splitlines()[0]
    separator = named[1] if named else max(_SEPARATORS, key=header.count)
    if separator not in header:
        separator = r"\s+"
    options: dict[str, Any] = {
        "sep": separator, "index_col": False, "decimal": "." if separator == "," else ",",
        "engine": "c" if separator in _SEPARATORS else "python",
    }  # fmt: skip
    if options["engine"] == "c":
        options["low_memory"] = False  # parts of a long column would have types of their own
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            table = _parse(content, text, **options)
    except (ValueError, pd.errors.ParserWarning) as error:
        reason = _long_row(content, separator, n_before) or error
        raise ValueError(f"{path} cannot be read as a table: {reason}.") from error
    table.index += 1 + n_before
    return table


def _parse(content, text, **options):
    """A table by `pandas.read_csv`, without its guesses about text."""
    import pandas as pd

    columns = pd.read_csv(io.StringIO(content), nrows=0, **options).columns
    own = [name for name in columns if str(name).strip().lower() in text]
    table = pd.read_csv(
        io.StringIO(content), dtype=dict.fromkeys(own, str), keep_default_na=False,
        na_values=[""], **options,
    )  # fmt: skip
    for name in table.columns.difference(own, sort=False):
        if pd.api.types.is_string_dtype(table[name]):
            table[name] = _numbers(table[name], options["decimal"])
    return table


def _numbers(values, decimal):
    """Values of a column as numbers, if all that are not missing are; else as they are."""
    import pandas as pd

    known = values[values.notna() & ~values.isin(_MISSING)]
    numbers = pd.to_numeric(known.str.replace(decimal, "."), errors="coerce")
    return values if numbers.isna().any() else numbers.reindex(values.index)


def _encoding(path):
    """The encoding of all of a file."""
    with open(path, "rb") as file:
        if file.read(2) in _UTF_16:
            return "utf-16"
    try:
        with open(path, encoding="utf-8-sig") as file:
            while file.read(2**20):
                pass
    except UnicodeDecodeError:
        return "latin-1"
    return "utf-8-sig"


def _long_row(text, separator, n_before):
    """Describe the first row of more values than columns, which would be moved to other columns."""
    if separator not in _SEPARATORS:
        return None
    lines = filter(None, csv.reader(io.StringIO(text), delimiter=separator))
    width = len(next(lines))
    for number, line in enumerate(lines, start=1 + n_before):
        if any(line[width:]):
            return (
                f"row {number} has {len(line)} values, and there are {width} columns. If commas "
                "are decimal points, separate columns by semicolons or tabs, or export with points"
            )
    return None
