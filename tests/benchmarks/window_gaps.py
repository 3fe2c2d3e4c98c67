"""How long the window of napari does not answer while a network trains.

    xvfb-run -a python tests/benchmarks/window_gaps.py [--size 1024 4096] [--seconds 60]

A timer of the event loop fires every 5 ms; a gap is the time between two of its calls, less that.
Meanwhile a script paints a stroke every second, so that the forest answers, and the network trains
in its thread. What is painted is saved in a folder. The objects, probabilities and uncertainties of
the trained network are shown at the end, which counts, too. "Idle" is the same without a training.

"Before the training" is the time from the button "Train" to the start of the training, in which
napari adds the layers of the answers, and the window its own.

Where other programs use the machine, gaps are theirs, too. "work" is the longest time that the
window's thread computed in a gap: without the time in which it waited for a core, or for a thread
that holds Python's lock.
"""

import argparse
import os
import time
from functools import partial
from tempfile import TemporaryDirectory

import napari
import numpy as np
from harness import Cells
from qtpy.QtCore import QEventLoop, QTimer

from sskseg.datasets import make_cells
from sskseg.napari import Session
from sskseg.napari.widget import SegmentationWidget

INTERVAL, LIMIT = 5, 100  # milliseconds
TILE = 1024  # pixels a side of the simulated image, of which a larger one is made
PAUSE = 1000  # milliseconds between two strokes
KINDS = {
    "idle": {"is_trained": False, "is_painted": False},
    "strokes": {"is_trained": False, "is_painted": True},
    "training": {"is_trained": True, "is_painted": False},
    "strokes and training": {"is_trained": True, "is_painted": True},
}


class Gaps:
    """Record the gaps between the calls of a timer."""

    def __init__(self):
        self.milliseconds, self.work, self.last = [], [], None
        self.timer = QTimer()
        self.timer.timeout.connect(self.note)
        self.timer.start(INTERVAL)

    def note(self):
        now = time.perf_counter(), time.thread_time()
        if self.last is not None:
            self.milliseconds.append(1000 * (now[0] - self.last[0]) - INTERVAL)
            self.work.append(1000 * (now[1] - self.last[1]))
        self.last = now

    def figures(self):
        """Return what was recorded since the last call."""
        gaps, work = np.array([0, *self.milliseconds]), np.array([0, *self.work])
        self.milliseconds, self.work = [], []
        return {
            "n": len(gaps) - 1, "max": round(gaps.max(), 1), "above": int((gaps > LIMIT).sum()),
            "p99": round(float(np.percentile(gaps, 99)), 1), "work": round(work.max(), 1),
        }  # fmt: skip


def run_loop(seconds):
    loop = QEventLoop()
    QTimer.singleShot(int(1000 * seconds), loop.quit)
    loop.exec_()


def play(size, seconds, folder, *, is_trained, is_painted):
    """Gaps, in milliseconds, while strokes are painted, and a network trains."""
    rng = np.random.default_rng(0)
    simulated = make_cells(1, (TILE, TILE), random_state=0)
    X, y = (np.tile(each, (1, size // TILE, size // TILE)) for each in simulated)
    viewer = napari.Viewer(show=True)
    widget = SegmentationWidget(viewer, Session(folder), time_budget=float(seconds))
    viewer.window.add_dock_widget(widget)
    viewer.layers.selection.active = viewer.add_image(X[0], name="cells")
    widget.labels_panel.add_images()
    painted = viewer.layers["cells painted"]
    painted.brush_size = 5

    def stroke():
        is_object = bool(rng.integers(2))
        at = rng.integers(0, size, 2)
        while (y[0][tuple(at)] > 0) != is_object:
            at = rng.integers(0, size, 2)
        painted.paint(tuple(at), 1 + is_object)

    for _ in range(10):
        stroke()
    run_loop(5)  # the window is drawn, and the first answer is there
    brush = QTimer()
    brush.timeout.connect(stroke)
    if is_painted:
        brush.start(PAUSE)
    gaps, found = Gaps(), {}
    if is_trained:
        widget.training_panel.seconds.setValue(seconds)
        widget.training_panel.train()
        while not widget.training.is_running:
            run_loop(0.01)
        found["before"] = gaps.figures()
        while widget.training.is_running:
            run_loop(1)
        while widget.answers.outdated():
            run_loop(1)
    run_loop(3 if is_trained else seconds)
    brush.stop()
    found |= gaps.figures()
    widget.training.wait()
    viewer.close()
    return found


def cores():
    """The cores on which the script may run."""
    return len(os.sched_getaffinity(0))


def measured(size, seconds, kind):
    with TemporaryDirectory() as folder:
        return play(size, seconds, folder, **kind)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, nargs="+", default=[1024, 4096])
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--what", nargs="+", choices=KINDS, default=list(KINDS))
    options = parser.parse_args()
    results = Cells("window_gaps")
    for name in options.what:
        for size in options.size:
            key = {"size": size, "seconds": options.seconds, "what": name, "cores": cores()}
            results.run(key, partial(measured, size, options.seconds, KINDS[name]))


if __name__ == "__main__":
    main()
