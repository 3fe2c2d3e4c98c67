import numpy as np
import pytest
from sklearn.pipeline import make_pipeline

from sskseg import InstanceCounter, PercentileScaler, SemiSupervisedSegmenter
from sskseg.datasets import make_cells


@pytest.fixture(scope="session")
def cells():
    """Images, labels, and labels of which half are not known."""
    X, y = make_cells(4, (40, 48), random_state=0)
    return X, y, np.where(np.arange(4)[:, None, None] < 2, y, -1)


@pytest.fixture(scope="session")
def pipeline(cells):
    X, _, known = cells
    segmenter = SemiSupervisedSegmenter(
        width=4, depth=1, max_steps=20, batch_size=2, patch_size=32, random_state=0
    )
    return make_pipeline(PercentileScaler(), segmenter, InstanceCounter()).fit(X, known)


@pytest.fixture(autouse=True)
def _figures_are_closed():
    plt = pytest.importorskip("matplotlib.pyplot")
    plt.switch_backend("agg")
    yield
    plt.close("all")
