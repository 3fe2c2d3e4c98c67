import os
import random
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture(scope="session")
def data_dir():
    """The folder of real images: SSKSEG_DATA, or shared/data beside the checkout."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("SSKSEG_DATA", default))
    if not folder.is_dir():
        pytest.skip(f"real images are not at {folder}; set SSKSEG_DATA")
    return folder


@pytest.fixture(autouse=True)
def _global_random_state_is_left_alone(request):
    """No test changes numpy's or Python's; torch's is looked at in test_common_images."""
    before = np.random.get_state()[1].copy(), random.getstate()
    yield
    if request.module.__name__ != "test_common":  # scikit-learn's checks draw from it themselves
        assert (np.random.get_state()[1] == before[0]).all()
        assert random.getstate() == before[1]


@pytest.fixture
def device_path(monkeypatch):
    """Batches are made as where a GPU trains, here on the CPU."""
    from sskseg.detection import device_batches as detection
    from sskseg.pretraining import device_batches as pretraining
    from sskseg.refinement import patches as refinement
    from sskseg.training import device_batches as training

    for module in (detection, pretraining, refinement, training):
        monkeypatch.setattr(module, "prepares_batches", lambda device: True)


@pytest.fixture(scope="session")
def cells():
    """Images, labels, and labels of which half are not known."""
    from sskseg.datasets import make_cells

    X, y = make_cells(4, (40, 48), random_state=0)
    return X, y, np.where(np.arange(4)[:, None, None] < 2, y, -1)


@pytest.fixture(scope="session")
def pipeline(cells):
    """A small pipeline that is fitted to `cells`."""
    from sklearn.pipeline import make_pipeline

    from sskseg import InstanceCounter, PercentileScaler, SemiSupervisedSegmenter

    X, _, known = cells
    segmenter = SemiSupervisedSegmenter(
        width=4, depth=1, max_steps=20, batch_size=2, patch_size=32, random_state=0
    )
    return make_pipeline(PercentileScaler(), segmenter, InstanceCounter()).fit(X, known)
