"""The tables and figures of the benchmark pages are those that the results files give."""

import re
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "benchmarks"))
import page_tables
import wording

# Figures in sentences that no results file holds, and where they come from.
TYPED = {
    "benchmarks": {"0.01": "a point", "0.5": "threshold"},
    "contours": {"0.5": "threshold"},
    "counting": {"0.9": "nominal coverage", "0.5": "threshold"},
    "membranes": {"0.5": "threshold", "0.96": "target", "0.975": "target", "1.9": "parameters"},
    "mitochondria": {"0.5": "threshold", "0.870": "poster", "0.890": "poster", "2.2": "notes",
                     "2.5": "notes"},
    "peers": {"0.5": "threshold", "0.75": "threshold"},
    "nuclei": {"0.5": "threshold", "0.91": "target", "0.84": "target", "0.06": "target"},
    "scans": {"0.1": "assumption", "0.85": "target", "1.15": "target", "1.8": "target"},
    "simulation": {"0.95": "target", "0.92": "target"},
}  # fmt: skip
PAGES_OF_FIGURES = [
    page_tables.DOCS / "benchmarks.md",
    *(
        page
        for page in page_tables.PAGES
        if page.parent.name == "benchmarks" and page.stem not in ("totals", "window")
    ),
]


@pytest.mark.parametrize("page", page_tables.PAGES, ids=lambda page: page.stem)
def test_tables_of_a_page_are_up_to_date(page):
    """If this fails, run `python tests/benchmarks/page_tables.py`."""
    text = page.read_text(encoding="utf-8")
    assert text.count("<!-- table: ") == text.count("<!-- end of table -->")
    assert text.count("<!-- figure: ") == text.count("<!-- / -->")
    assert page_tables.with_tables(text) == text


def test_every_table_is_on_a_page():
    text = "".join(page.read_text(encoding="utf-8") for page in page_tables.PAGES)
    page_tables.with_tables("")  # registers the tables
    assert set(re.findall(r"<!-- table: (\w+) -->", text)) == set(page_tables.TABLES)


def test_every_figure_is_in_a_sentence():
    text = "".join(page.read_text(encoding="utf-8") for page in page_tables.PAGES)
    page_tables.with_tables("")
    assert set(re.findall(r"<!-- figure: (\w+) -->", text)) == set(page_tables.FIGURES)


@pytest.mark.parametrize("page", PAGES_OF_FIGURES, ids=lambda page: page.stem)
def test_no_figure_in_a_sentence_is_typed_by_hand(page):
    """If this fails, write a function of the figure in `tests/benchmarks/tables_prose.py`."""
    text = re.sub(r"<!-- figure: \w+ -->[^<]*<!-- / -->", "", page.read_text(encoding="utf-8"))
    typed = {
        figure
        for sentence in wording.sentences(text)
        for figure in re.findall(r"(?<![\d.])\d+\.\d+(?![\d.])", sentence)
    }
    assert typed <= set(TYPED.get(page.stem, {}))


def test_the_page_of_headlines_is_short():
    text = (page_tables.DOCS / "benchmarks.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 60
    assert text.count("![") <= 4


def test_one_line_is_asked_for_and_several_fit():
    with pytest.raises(ValueError, match=r"lines of peers.jsonl fit, expected 1"):
        page_tables.only("peers", lambda row: True)


def test_every_statement_about_another_program_has_a_source():
    text = (page_tables.DOCS / "compare.md").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.startswith("| [")]
    assert len(lines) >= 7
    for line in lines:
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        assert all("](https://" in cell for cell in cells if cell), line
