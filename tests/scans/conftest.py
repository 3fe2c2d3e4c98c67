"""What the tests of scans share."""

import pytest
from sklearn.pipeline import make_pipeline

from sskseg import InstanceCounter, PercentileScaler, SemiSupervisedSegmenter
from sskseg.datasets import make_cells


@pytest.fixture(scope="module")
def components():
    """A pipeline that was trained for a moment, and counts connected components."""
    X, y = make_cells(2, (64, 64), random_state=0)
    segmenter = SemiSupervisedSegmenter(
        semi_supervision=None, width=4, depth=1, max_steps=60, batch_size=2, precision="float32",
        random_state=0,
    )  # fmt: skip
    counter = InstanceCounter("components", fill_holes=False)
    return make_pipeline(PercentileScaler(), segmenter, counter).fit(X, y)
