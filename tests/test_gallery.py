"""The scripts of the gallery run."""

import os
import runpy
import warnings
from pathlib import Path

import pytest
import sklearn.ensemble  # noqa: F401 - draws from Python's random when it is first imported

SCRIPTS = sorted((Path(__file__).parents[1] / "docs" / "gallery").glob("plot_*.py"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_it_runs(script, monkeypatch):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    monkeypatch.setitem(os.environ, "SSKSEG_GALLERY_SECONDS", "2")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of a network that has learnt nothing yet
        runpy.run_path(str(script), run_name="__main__")
    assert plt.get_fignums()
    plt.close("all")
