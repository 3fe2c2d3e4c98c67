"""Same seed and steps: same bits in another process, nearly the same with other threads.

    python tests/test_determinism.py FOLDER

writes what the estimators learn with one thread and with two.
"""

import subprocess
import sys
import warnings
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
import torch

from sskseg import (
    InstanceCounter,
    ProxyPretrainer,
    SemiSupervisedSegmenter,
    SimulatedRefiner,
    pretraining,
    refinement,
)  # fmt: skip
from sskseg.datasets import make_cells

SMALL = {"width": 4, "depth": 1, "max_steps": 4, "batch_size": 2, "random_state": 0}
TOLERANCE = 1e-3  # of probabilities, features and intensities after 4 steps with other threads


def learned():
    """What each estimator gives, by its name."""
    X, y = make_cells(6, (64, 64), random_state=0)
    y[3:] = -1
    X = np.clip(X, 0, 1)
    segmenter = SemiSupervisedSegmenter(precision="float32", **SMALL).fit(X, y)
    sections = SemiSupervisedSegmenter(
        sections="consecutive", semi_supervision=("continuity", "self-training"),
        precision="float32", **SMALL,
    ).fit(X, y)  # fmt: skip
    with (
        patch.object(pretraining._pretrainer, "_CROPS", 16),
        patch.object(refinement._refiner, "_POOL", 8),
        patch.object(refinement.monitor, "N_PATCHES", 8),
        patch.object(refinement.monitor, "N_EVALUATED", 2),
    ):
        pretrainer = ProxyPretrainer(("rotation", "masked"), precision="float32", **SMALL).fit(X)
        refiner = SimulatedRefiner(precision="float32", **SMALL).fit(X)
    maps = segmenter.transform(X)
    return {
        "segmenter": maps,
        "sections": sections.transform(X),
        "pretrainer": pretrainer.features(X[:1]),
        "refiner": refiner.sample(2, random_state=0)[0],
        "counter": InstanceCounter().fit((y > 0).astype(float), y).transform(maps),
    }


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    """`learned` in a process of its own, by the number of threads."""
    folder = tmp_path_factory.mktemp("learned")
    subprocess.run([sys.executable, __file__, str(folder)], check=True, timeout=300)
    return {threads: dict(np.load(folder / f"{threads}.npz")) for threads in (1, 2)}


@pytest.fixture(scope="module")
def here():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = learned()
    torch.set_num_threads(threads)
    return found


def test_another_process_gives_the_same_bits(here, elsewhere):
    there = elsewhere[1]
    assert set(there) == set(here)
    for name, values in here.items():
        assert values.tobytes() == there[name].tobytes(), name


def test_other_threads_give_nearly_the_same(here, elsewhere):
    there = elsewhere[2]
    for name in ("segmenter", "sections", "pretrainer", "refiner"):
        assert np.abs(here[name] - there[name]).max() <= TOLERANCE, name


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    for threads in (1, 2):
        torch.set_num_threads(threads)
        np.savez(Path(sys.argv[1]) / f"{threads}.npz", **learned())
