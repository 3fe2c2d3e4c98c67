"""The notebooks hold what their pages say, and ran without an error."""

import importlib.util
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat")
ROOT = Path(__file__).parents[1]


def load():
    """Import docs/make_notebooks.py, which is in no package."""
    spec = importlib.util.spec_from_file_location("make_notebooks", ROOT / "docs/make_notebooks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


make_notebooks = load()


@pytest.fixture(params=make_notebooks.PAGES)
def page(request):
    return request.param


def test_a_notebook_has_the_cells_of_its_page(page):
    """If this fails, run `python docs/make_notebooks.py`."""
    stored = nbformat.read(make_notebooks.path_of(page), as_version=4)
    nbformat.validate(stored)
    assert [(cell.cell_type, cell.source) for cell in stored.cells] == make_notebooks.cells(page)


def test_a_notebook_ran_from_the_first_cell_to_the_last(page):
    stored = nbformat.read(make_notebooks.path_of(page), as_version=4)
    code = [cell for cell in stored.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error"]
    assert len(outputs) > 3


def test_code_has_neither_prompts_nor_outputs(page):
    code = "\n".join(source for kind, source in make_notebooks.cells(page) if kind == "code")
    assert ">>>" not in code
    compile(code, page, "exec")


def test_links_lead_to_pages_from_the_folder_of_notebooks():
    text = make_notebooks._markdown("howto/rois", "[files](../guide/files.md#labels), [a](b.md)")
    assert text == "[files](../howto/../guide/files.md#labels), [a](../howto/b.md)"
