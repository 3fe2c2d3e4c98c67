"""Trainings that start from a trained model."""

import numpy as np
import pytest
from scripts import run_script

from sskseg.datasets import make_cells
from sskseg.napari import Session, Training, choose_start, count_session
from sskseg.napari.script import script_of

STEPS = {"max_steps": 2, "batch_size": 2, "patch_size": 32, "random_state": 0}


def painted_session(X, y):
    """A session of which the left half of the first image is complete."""
    session = Session()
    for name, image in zip("ab", X):
        session.add(name, image)
    complete = np.zeros(y[0].shape, bool)
    complete[:, :32] = True
    session.paint("a", np.where(y[0] > 0, y[0] + 2, 0), complete)
    return session


def train(session, **parameters):
    training = Training(session, **{**STEPS, **parameters})
    training.start()
    training.wait()
    return training


@pytest.fixture(scope="module")
def cells():
    return make_cells(2, (64, 64), random_state=0)


def test_bright_cells_start_from_a_model_and_dark_ones_do_not(cells):
    X, y = cells
    name, accuracies = choose_start(X, list(y))
    assert name == max(accuracies, key=accuracies.get)
    assert accuracies[name] > 0.9
    name, accuracies = choose_start(1 - X, list(y))
    assert name is None
    assert max(accuracies.values()) < 0.8
    assert choose_start(np.stack([X, X], axis=-1), list(y)) == (None, {})  # two channels


def test_a_training_starts_from_the_model_and_is_right_at_once(cells):
    X, y = cells
    session = painted_session(X, y)
    training = train(session)
    assert training.started_from in ("nuclei", "cells-simulated")
    assert training.comparison is None  # with a forest: it would be shown
    session.set_answers(training.answers)
    found = session.answers["b"].probability > 0.5
    assert np.mean(found == (y[1] > 0)) > 0.9
    training.start()  # continues from its own network
    training.wait()
    assert training.n_trainings == 2
    assert training.started_from in ("nuclei", "cells-simulated")


@pytest.mark.parametrize(
    "parameters", [{"start_from": None}, {"width": 4, "depth": 1}, {"network": "unet-lite"}]
)
def test_others_start_from_random_weights(cells, parameters):
    assert train(painted_session(*cells), **parameters).started_from is None


def test_a_model_can_be_given_and_the_script_starts_from_it(cells, tmp_path):
    session = painted_session(*cells)
    training = train(session, start_from="cells-simulated")
    assert training.started_from == "cells-simulated"
    session.set_answers(training.answers)
    session.save_data(tmp_path)
    (tmp_path / "script.py").write_text(script_of(training, tmp_path))
    there = run_script(tmp_path)
    assert count_session(session, training.model, {}).equals(there["counts"])
