"""Pages have short sentences."""

import pytest
import wording

PAGES = wording.pages()


@pytest.mark.parametrize("name", PAGES)
def test_no_sentence_is_long(name):
    assert wording.too_long(PAGES[name].read_text(encoding="utf-8")) == []


def test_sentences_are_counted_without_tables_code_and_links():
    page = (
        "# A title\n\nOne [two](x.md) `three four`. Five\nsix.\n\n| a. | B |\n\n- item\n- Other\n"
    )
    assert wording.sentences(page) == ["One two code.", "Five six.", "- item", "- Other"]
    assert wording.too_long("word " * 36) == [(36, ("word " * 36).strip())]
