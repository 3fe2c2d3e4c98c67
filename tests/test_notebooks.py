"""The notebooks hold what their pages say, and ran without an error."""

import importlib.util
from pathlib import Path

import pytest
import sklearn
from sklearn.pipeline import make_pipeline

from sskseg import InstanceCounter, PercentileScaler
from sskseg.datasets import make_cells

nbformat = pytest.importorskip("nbformat")
ROOT = Path(__file__).parents[1]
_SKLEARN = tuple(int(part) for part in sklearn.__version__.split(".")[:2])


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
    assert not [output for output in outputs if output.get("name") == "stderr"]  # no warnings
    assert len(outputs) > 2


def test_code_has_neither_prompts_nor_outputs(page):
    code = "\n".join(source for kind, source in make_notebooks.cells(page) if kind == "code")
    assert ">>>" not in code
    compile(code, page, "exec")


def test_links_lead_to_pages_from_the_folder_of_notebooks():
    text = make_notebooks._markdown("howto/rois", "[files](../guide/files.md#labels), [a](b.md)")
    assert text == "[files](../howto/../guide/files.md#labels), [a](../howto/b.md)"


def test_a_fitted_pipeline_shows_what_it_learned_in_a_notebook():
    X, y = make_cells(n_samples=2, shape=(48, 48), random_state=0)
    model = make_pipeline(PercentileScaler(clip=True), InstanceCounter()).fit(X, y)
    html = model._repr_html_()
    assert "PercentileScaler" in html
    assert "Fitted attributes" in html or _SKLEARN < (1, 9)  # shown from 1.9 on
    assert len(html) < 300_000
