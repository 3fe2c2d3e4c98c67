"""The trained network that a fit starts from with ``network="auto"``."""

import numpy as np
import pytest
from scipy.ndimage import center_of_mass, label

from sskseg import ImageStack, PercentileScaler, SegmentationLoss, SemiSupervisedSegmenter
from sskseg.datasets import make_cells, make_neuromuscular_junctions
from sskseg.metrics import dice
from sskseg.models import PretrainedBackbone, load_model
from sskseg.nn import weights_of

X, Y = make_cells(n_samples=3, shape=(96, 96), random_state=0)


def fitted(images=X, labels=Y, max_steps=1, **parameters):
    model = SemiSupervisedSegmenter(
        semi_supervision=None, max_steps=max_steps, patch_size=64, random_state=0, **parameters
    )
    return model.fit(images, labels)


def test_images_that_a_trained_model_knows_start_from_it():
    model = fitted(max_steps=2)
    assert model.trained_model_ == "cells-simulated"
    assert model.architecture_ == ("unet-shuffle", 16, 4)
    known = load_model("cells-simulated")["segmenter"]
    assert (model.object_size_, model.has_cores_) == (known.object_size_, known.has_cores_)
    start, end = weights_of(known.network_), weights_of(model.network_)
    assert all(np.allclose(end[name], start[name], atol=0.1) for name in start if "weight" in name)
    assert dice(np.stack(Y) > 0, model.predict(X)) > 0.9


def test_a_network_that_is_named_starts_from_random_weights():
    model = fitted(network="unet-shuffle", max_steps=2)
    assert model.trained_model_ is None
    assert model.architecture_ is None
    assert dice(np.stack(Y) > 0, model.predict(X)) < 0.8


@pytest.mark.parametrize("change", ["float", "percentiles", "16 bits"])
def test_the_choice_does_not_depend_on_the_unit_of_intensity(change):
    images = {
        "float": X.astype(np.float32) * 1e-3 + 7,
        "percentiles": PercentileScaler().fit_transform(X),
        "16 bits": np.rint(np.asarray(X, float) * 1000).astype(np.uint16) + 500,
    }[change]
    assert fitted(images).trained_model_ == "cells-simulated"


def test_images_of_two_channels_start_from_junctions():
    images, labels = make_neuromuscular_junctions(n_samples=1, shape=(256, 256), random_state=1)[:2]
    assert fitted(images, labels).trained_model_ == "junctions-simulated"


def test_dark_objects_start_from_the_network_of_bright_ones():
    """With the weights of its first layer negated."""
    bright, dark = fitted(X, max_steps=2), fitted(X.max() - X, max_steps=2)
    assert dark.trained_model_ == "cells-simulated"
    assert dice(np.stack(Y) > 0, dark.predict(X.max() - X)) > 0.9
    first = next(name for name in weights_of(bright.network_) if name.endswith("weight"))
    weights = [weights_of(model.network_)[first] for model in (bright, dark)]
    np.testing.assert_allclose(weights[0], -weights[1], atol=0.02)


@pytest.mark.parametrize("images", [X, X.max() - X], ids=["bright", "dark"])
def test_colors_start_from_the_network_of_one_channel(images):
    colors = np.stack([images, images, images], axis=-1)
    model = fitted(colors, max_steps=2)
    assert model.trained_model_ == "cells-simulated"
    assert dice(np.stack(Y) > 0, model.predict(colors)) > 0.9


def test_images_that_no_model_knows_start_from_random_weights():
    noise = np.random.default_rng(0).random(X.shape, np.float32)
    assert fitted(noise).trained_model_ is None


def test_false_objects_in_a_large_background_start_from_random_weights():
    """The network would find all cells, of which one in each image is labeled."""
    one = np.where(np.array([y[y > 0].min() for y in Y])[:, None, None] == Y, Y, 0)
    assert fitted(labels=one).trained_model_ is None


@pytest.mark.parametrize("first", ["cells", "nothing"])
def test_the_order_of_images_does_not_matter(first, monkeypatch):
    monkeypatch.setattr("sskseg.segmentation._trained_start._MAX_PIXELS", 1)  # one image
    images, labels = [X[0], np.full_like(X[0], X.min())], [Y[0], np.zeros_like(Y[0])]
    if first == "nothing":
        images, labels = images[::-1], labels[::-1]
    assert fitted(images, labels).trained_model_ == "cells-simulated"


class Simulator:
    """Draws the images that it is given."""

    def __init__(self, images):
        self.images = images

    def sample(self, n, random_state=None):
        rows = np.arange(n) % len(self.images)
        return self.images[rows], Y[rows]


def test_without_labels_simulated_ones_decide():
    unlabeled = np.full_like(Y, -1)
    noise = np.random.default_rng(0).integers(0, 255, X.shape, np.uint8)
    cells = fitted(ImageStack(X, simulator=Simulator(X)), unlabeled)
    assert cells.trained_model_ == "cells-simulated"
    assert fitted(ImageStack(X, simulator=Simulator(noise)), unlabeled).trained_model_ is None
    # Labels of real images come first.
    assert fitted(ImageStack(noise, simulator=Simulator(X)), Y).trained_model_ is None


@pytest.mark.parametrize(
    "parameters",
    [
        {"width": 8, "depth": 2},
        {"depth": 3},
        {"sections": "consecutive"},
        {"target": "classes"},
        {"loss": SegmentationLoss(terms=("cross-entropy",))},
        {"network": "unet", "width": 4},
    ],
    ids=str,
)
def test_other_fits_start_from_random_weights(parameters):
    labels = Y > 0 if parameters.get("target") == "classes" else Y
    model = fitted(labels=np.asarray(labels).astype(int), **parameters)
    assert model.trained_model_ is None
    assert model.architecture_ is None


def test_four_channels_and_labels_of_one_value_start_from_random_weights():
    assert fitted(np.stack([X, X, X, X], axis=-1)).trained_model_ is None
    inside = np.where(Y > 0, Y, -1)
    assert fitted(labels=inside).trained_model_ is None


def test_fragmented_objects_do_not_start_from_cells():
    images, labels = make_neuromuscular_junctions(n_samples=2, shape=(192, 192), random_state=0)[:2]
    assert fitted(images[..., 0], labels).trained_model_ is None
    whole = [label(mask > 0)[0] for mask in labels]
    assert fitted(images[..., 0], np.stack(whole)).trained_model_ == "cells-simulated"


def test_points_and_strokes_start_from_random_weights():
    """They do not say how large an object is."""
    points = [np.array(center_of_mass(y > 0, y, np.unique(y[y > 0]))) for y in Y]
    assert fitted(labels=points).trained_model_ is None
    strokes = np.full(Y.shape, -1)
    strokes[:, 40:44] = Y[:, 40:44]
    assert fitted(labels=strokes).trained_model_ is None


def test_the_backbone_of_a_stack_and_a_warm_start_come_first():
    stack = PretrainedBackbone("nuclei").fit_transform(X)
    model = fitted(stack)
    assert model.trained_model_ is None
    assert model.architecture_ is not None
    model = fitted(warm_start=True)
    history = len(model.history_)
    model.fit(X, Y)
    assert model.trained_model_ == "cells-simulated"
    assert len(model.history_) > history


def test_the_choice_reads_labeled_images_only():
    unlabeled = np.full_like(Y, -1)
    noise = np.random.default_rng(0).integers(0, 255, X.shape, np.uint8)
    images = np.concatenate([X, noise])
    assert fitted(images, np.concatenate([Y, unlabeled])).trained_model_ == "cells-simulated"
    assert fitted(images, np.concatenate([unlabeled, Y])).trained_model_ is None


def test_files_keep_the_name(tmp_path):
    model = fitted()
    model.save(tmp_path / "model.sskseg")
    loaded = SemiSupervisedSegmenter.load(tmp_path / "model.sskseg")
    assert loaded.trained_model_ == "cells-simulated"
    assert loaded.network == "auto"
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
    assert load_model("nuclei")["segmenter"].trained_model_ is None  # written before there was one
