"""Make notebooks of pages, executed: `python docs/make_notebooks.py [NAME ...] [--out FOLDER]`.

The pages are the only source. Each block of Python becomes a cell without its prompts and expected
outputs, the text between blocks a cell of Markdown. tests/test_notebooks.py compares the cells of
the stored notebooks with the pages.
"""

import argparse
import doctest
import re
import tempfile
from pathlib import Path

import nbformat

DOCS = Path(__file__).parent
PAGES = ("tour", "howto/tiff_stack", "howto/rois")
_FENCE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(\]\()(?!https?://|#)([^)\s]+)\.md(#[^)\s]*)?\)")


def cells(page):
    """List the cells of a page, as (kind, source): "markdown" or "code"."""
    text = (DOCS / f"{page}.md").read_text(encoding="utf-8")
    found, start = [], 0
    for fence in _FENCE.finditer(text):
        found.append(("markdown", _markdown(page, text[start : fence.start()])))
        found += [("code", source) for source in _code(fence[1])]
        start = fence.end()
    found.append(("markdown", _markdown(page, text[start:])))
    return [(kind, source) for kind, source in found if source]


def _markdown(page, text):
    """Let links lead to the pages beside the folder of notebooks."""
    folder = Path("..", page).parent.as_posix()
    return _LINK.sub(rf"\1{folder}/\2.md\3)", text).strip()


def _code(block):
    """Split a block after each example that shows a value: a cell shows its last value only."""
    lines, sources = block.splitlines(), [""]
    for example in doctest.DocTestParser().get_examples(block):
        is_apart = example.lineno > 0 and not lines[example.lineno - 1].strip()
        sources[-1] += ("\n" if is_apart else "") + example.source
        if example.want:
            sources.append("")
    return [source.strip() for source in sources]


def notebook(page):
    """Make the notebook of a page, not yet executed."""
    makers = {"markdown": nbformat.v4.new_markdown_cell, "code": nbformat.v4.new_code_cell}
    made = [makers[kind](source) for kind, source in cells(page)]
    for i, cell in enumerate(made):
        cell["id"] = f"cell-{i}"  # stable, so that a notebook changes only where its page does
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return nbformat.v4.new_notebook(cells=made, metadata={"kernelspec": kernel})


def path_of(page, folder=DOCS / "notebooks"):
    return folder / f"{Path(page).name}.ipynb"


def main():
    from nbclient import NotebookClient

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "pages", nargs="*", default=PAGES, metavar="NAME", help="tour, howto/rois ..."
    )
    parser.add_argument("--out", type=Path, default=DOCS / "notebooks")
    options = parser.parse_args()
    options.out.mkdir(exist_ok=True)
    for page in options.pages:
        made = notebook(page)
        with tempfile.TemporaryDirectory() as folder:
            client = NotebookClient(
                made, resources={"metadata": {"path": folder}}, record_timing=False
            )
            client.execute()
        made.metadata.pop("language_info", None)  # the version of Python that ran it
        nbformat.write(made, path_of(page, options.out))


if __name__ == "__main__":
    main()
