"""Same seed and steps: same bits in another process, nearly the same with other threads.

    python tests/test_determinism.py FILE THREADS

writes what the estimators learn with so many threads.
"""

import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from sskseg import InstanceCounter, ProxyPretrainer, SemiSupervisedSegmenter, SimulatedRefiner
from sskseg.datasets import make_cells

SMALL = {"width": 4, "depth": 1, "max_steps": 4, "batch_size": 2, "random_state": 0}
TOLERANCE = 1e-3  # of probabilities, features and intensities after 4 steps with other threads


def learnt():
    """What each estimator gives, by its name."""
    X, y = make_cells(6, (64, 64), random_state=0)
    y[3:] = -1
    X = np.clip(X, 0, 1)
    segmenter = SemiSupervisedSegmenter(precision="float32", **SMALL).fit(X, y)
    sections = SemiSupervisedSegmenter(
        sections="consecutive", semi_supervision=("continuity", "self-training"),
        precision="float32", **SMALL,
    ).fit(X, y)  # fmt: skip
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


def elsewhere(folder, threads):
    """`learnt` in a process of its own, with so many threads."""
    path = folder / f"{threads}.npz"
    command = [sys.executable, __file__, str(path), str(threads)]
    subprocess.run(command, check=True, timeout=300)
    return dict(np.load(path))


@pytest.fixture(scope="module")
def here():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = learnt()
    torch.set_num_threads(threads)
    return found


def test_another_process_gives_the_same_bits(here, tmp_path):
    there = elsewhere(tmp_path, 1)
    assert set(there) == set(here)
    for name, values in here.items():
        assert values.tobytes() == there[name].tobytes(), name


def test_other_threads_give_nearly_the_same(here, tmp_path):
    there = elsewhere(tmp_path, 2)
    for name in ("segmenter", "sections", "pretrainer", "refiner"):
        assert np.abs(here[name] - there[name]).max() <= TOLERANCE, name


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    torch.set_num_threads(int(sys.argv[2]))
    np.savez(Path(sys.argv[1]), **learnt())
