"""Write the tables of the benchmark pages from the results files.

    python tests/benchmarks/page_tables.py

A page holds ``<!-- table: NAME -->`` and ``<!-- end of table -->``. Between them the
script writes what the function NAME in ``tables_*.py`` returns. A new table is one function there,
with `@table`, and the two markers on a page. A figure in a sentence is a function with `@figure` in
``tables_prose.py``, and stands between ``<!-- figure: NAME -->`` and ``<!-- / -->``.
tests/test_benchmark_pages.py compares pages and results files.
"""

import json
import re
from importlib import import_module
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
DOCS = HERE.parents[1] / "docs"
PAGES = (
    DOCS / "benchmarks.md",
    DOCS / "compare.md",
    *sorted((DOCS / "benchmarks").glob("*.md")),
    *sorted((DOCS / "guide").glob("*.md")),
    *sorted((DOCS / "howto").glob("*.md")),
)
TABLES = {}
FIGURES = {}
_MARKED = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end of table -->)", re.DOTALL)
_INLINE = re.compile(r"(<!-- figure: (\w+) -->)[^<]*(<!-- / -->)")
_MACHINES = {
    "AMD EPYC": "EPYC",
    "Intel(R) Xeon": "Xeon",
    "NVIDIA H100": "H100",
    "NVIDIA H200": "H200",
}


def table(function):
    """Register a function that returns a Markdown table under its name."""
    TABLES[function.__name__] = function
    return function


def figure(function):
    """Register a function that returns a figure as text under its name."""
    FIGURES[function.__name__] = function
    return function


def cells(name, where=lambda row: True):
    """Return the lines of a results file, oldest first, as flat dicts of key and figures.

    ``recipe`` is the last part of the recipe, "" for lines without one. The time of the whole
    cell is ``cell_seconds``, since some keys have ``seconds``. Of lines that differ in nothing
    but the version, all are returned.
    """
    lines = (HERE / "results" / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [_flat(json.loads(line)) for line in lines]
    return [row for row in rows if where(row)]


def _flat(line):
    own = {"recipe": "", **line["key"], **line["figures"], "cell_seconds": line["seconds"]}
    return {**own, "machine": _machine(line["machine"]), "version": line["version"]}


def _machine(text):
    short = next((name for start, name in _MACHINES.items() if text.startswith(start)), text)
    if short == "Xeon" and "float32" not in text.split(", "):
        return f"{short}, bfloat16"  # all that were used before lines named the precision
    return f"{short}, bfloat16" if "bfloat16" in text else short


def only(name, where):
    """Return the one line of a results file that fits.

    Raises
    ------
    ValueError
        If none or several fit.
    """
    rows = cells(name, where)
    if len(rows) != 1:
        raise ValueError(f"{len(rows)} lines of {name}.jsonl fit, expected 1.")
    return rows[0]


def grouped(rows, *names):
    """Return {values of the names: rows}, in the order of their first rows."""
    groups = {}
    for row in rows:
        groups.setdefault(tuple(row.get(name) for name in names), []).append(row)
    return groups


def mean(rows, name):
    """Return the mean of a figure, or None where a row lacks it; an error without a row."""
    if not rows:
        raise ValueError(f"No finished run has {name!r}: run the benchmark before its page.")
    values = [row.get(name) for row in rows]
    return None if None in values else float(np.mean(values))


def markdown(rows, columns):
    """Write a Markdown table.

    Parameters
    ----------
    rows : list of dict
    columns : dict
        Heading: name of a value, or (name, format). Missing values are empty cells.
    """
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    for row in rows:
        lines.append("| " + " | ".join(_cell(row, column) for column in columns.values()) + " |")
    return "\n".join(lines)


def _cell(row, column):
    name, form = column if isinstance(column, tuple) else (column, "")
    value = row.get(name)
    return "" if value is None else format(value, form)


def with_tables(text):
    """Return the text of a page with the tables and figures of its markers.

    Raises
    ------
    KeyError
        If no function has the name of a marker.
    """
    for module in sorted(HERE.glob("tables_*.py")):
        import_module(module.stem)
    text = _MARKED.sub(lambda match: f"{match[1]}{TABLES[match[2]]()}\n{match[3]}", text)
    return _INLINE.sub(lambda match: f"{match[1]}{FIGURES[match[2]]()}{match[3]}", text)


def main():
    for page in PAGES:
        page.write_text(with_tables(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    # Tables register themselves in the module of this name, not in __main__.
    import_module("page_tables").main()
