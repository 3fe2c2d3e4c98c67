"""How many files a reader of `SemiSupervisedSegmenter.fit` opens on the way to a line that runs."""

import sys
import threading
from pathlib import Path

import networkx

import sskseg
from sskseg import SemiSupervisedSegmenter
from sskseg.datasets import make_cells

ROOT = str(Path(sskseg.__file__).parent)


def calls_between_files(function):
    """Run `function`; return which file called which, as a graph of their names."""
    calls = networkx.DiGraph()

    def record(frame, event, _):
        name = frame.f_code.co_filename
        if event != "call" or not name.startswith(ROOT):
            return
        caller = frame.f_back
        while caller is not None and not caller.f_code.co_filename.startswith(ROOT):
            caller = caller.f_back
        if caller is not None:
            calls.add_edge(*(each.f_code.co_filename[len(ROOT) + 1 :] for each in (caller, frame)))

    before, in_threads = sys.getprofile(), threading.getprofile()
    threading.setprofile(record)
    sys.setprofile(record)
    try:
        function()
    finally:
        sys.setprofile(before)
        threading.setprofile(in_threads)
    return calls


def test_every_line_of_a_supervised_training_is_near_fit():
    X, y = make_cells(n_samples=6, shape=(64, 64), random_state=0)
    segmenter = SemiSupervisedSegmenter(
        width=4, depth=1, max_steps=2, semi_supervision=None, random_state=0
    )
    calls = calls_between_files(lambda: segmenter.fit(X, y))
    start = str(Path("segmentation", "_segmenter.py"))
    distances = networkx.single_source_shortest_path_length(calls, start)
    decorator = str(Path("training", "callbacks.py"))  # of `fit`
    assert set(distances) == set(calls) - {decorator}
    assert {"training/loop.py", "training/objectives.py"} <= {Path(x).as_posix() for x in calls}
    assert 1 + max(distances.values()) <= 6
