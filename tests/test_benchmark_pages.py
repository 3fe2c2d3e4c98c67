"""The tables of the benchmark pages are those that the results files give."""

import re
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "benchmarks"))
import page_tables


@pytest.mark.parametrize("page", page_tables.PAGES, ids=lambda page: page.stem)
def test_tables_of_a_page_are_up_to_date(page):
    """If this fails, run `python tests/benchmarks/page_tables.py`."""
    text = page.read_text(encoding="utf-8")
    assert text.count("<!-- table: ") == text.count("<!-- end of table -->")
    assert page_tables.with_tables(text) == text


def test_every_table_is_on_a_page():
    text = "".join(page.read_text(encoding="utf-8") for page in page_tables.PAGES)
    page_tables.with_tables("")  # registers the tables
    assert set(re.findall(r"<!-- table: (\w+) -->", text)) == set(page_tables.TABLES)


def test_the_page_of_headlines_is_short():
    text = (page_tables.DOCS / "benchmarks.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 60
    assert text.count("![") <= 4


def test_one_line_is_asked_for_and_several_fit():
    with pytest.raises(ValueError, match=r"lines of peers.jsonl fit, expected 1"):
        page_tables.only("peers", lambda row: True)
