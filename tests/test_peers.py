"""The adapters of the benchmark of peers, as far as they need no further package."""

import sys
from pathlib import Path

import numpy as np
import pytest

from sskseg.datasets import make_cells
from sskseg.metrics import f1_instances

sys.path.insert(0, str(Path(__file__).parent / "benchmarks"))
import peers_adapters as adapters
import peers_adapters.own


@pytest.fixture(scope="module")
def cells():
    X, y = make_cells(n_samples=6, shape=(64, 64), random_state=0)
    return list(X), [label if i < 2 else None for i, label in enumerate(y)], list(y)


@pytest.mark.parametrize(
    ("method", "least"),
    [("Otsu + watershed", 0.5), ("PixelForest", 0.5),
     ("sskseg, labeled images only", 0.0), ("sskseg", 0.0)],
)  # fmt: skip
def test_adapters_of_ours_give_label_images(cells, method, least):
    images, labels, truth = cells
    predict = adapters.adapter(method)(images, labels, 1.5, 0, adapters.Hints())
    found = predict(images[2:])
    assert [np.shape(x) for x in found] == [(64, 64)] * 4
    assert all(np.issubdtype(np.asarray(x).dtype, np.integer) for x in found)
    assert f1_instances(truth[2:], list(found)) >= least


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(
        adapters.METHODS, "nobody's", adapters.Method("own", packages=("no-such-package",))
    )
    with pytest.raises(ImportError, match="pip install no-such-package"):
        adapters.adapter("nobody's")


def test_crops_keep_image_and_label_together():
    image = np.arange(40.0 * 50).reshape(40, 50)
    crop, label = adapters.random_crop(
        np.random.default_rng(0), image[..., None], image.astype(int), 32
    )
    assert crop.shape == (32, 32, 1)
    np.testing.assert_array_equal(crop[..., 0], label)
