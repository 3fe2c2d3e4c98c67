"""The gallery scripts run without errors."""

import os
import runpy
import warnings
from pathlib import Path

import pytest
import sklearn.ensemble  # noqa: F401 - draws from Python's random when it is first imported

SCRIPTS = sorted((Path(__file__).parents[1] / "docs" / "gallery").glob("plot_*.py"))


NEED_DATA = ("plot_proxies_on_real_scans",)  # the others use simulated images without data


@pytest.fixture
def _real_images(request, monkeypatch):
    """Read real images from the folder of the tests."""
    if request.node.callspec.params["script"].stem in NEED_DATA:
        monkeypatch.setenv("SSKSEG_DATA", str(request.getfixturevalue("data_dir")))


@pytest.mark.usefixtures("_real_images", "small_reports")
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_it_runs(script, monkeypatch):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    monkeypatch.setitem(os.environ, "SSKSEG_GALLERY_SECONDS", "0.5")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of a network that is hardly trained
        runpy.run_path(str(script), run_name="__main__")
    assert plt.get_fignums()
    plt.close("all")
