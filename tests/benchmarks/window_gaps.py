"""How long the window of napari does not answer while a network trains.

    xvfb-run -a python tests/benchmarks/window_gaps.py [--size 1024] [--seconds 60]

A timer of the event loop fires every 5 ms; a gap is the time between two of its calls, less that.
Meanwhile a script paints a stroke every second, so that the forest answers, and the network trains
in its thread. The objects, probabilities and uncertainties of the trained network are shown at the
end, which counts, too. "Idle" is the same without a training. Where other programs use the machine,
gaps are theirs, too.
"""

import argparse
import time

import napari
import numpy as np
from harness import Cells
from qtpy.QtCore import QEventLoop, QTimer

from sskseg.datasets import make_cells
from sskseg.napari import Session
from sskseg.napari.widget import SegmentationWidget

INTERVAL, LIMIT = 5, 100  # milliseconds
PAUSE = 1000  # milliseconds between two strokes


class Gaps:
    """Record the gaps between the calls of a timer."""

    def __init__(self):
        self.milliseconds, self.last = [], None
        self.timer = QTimer()
        self.timer.timeout.connect(self.note)
        self.timer.start(INTERVAL)

    def note(self):
        now = time.perf_counter()
        if self.last is not None:
            self.milliseconds.append(1000 * (now - self.last) - INTERVAL)
        self.last = now

    def figures(self):
        gaps = np.array(self.milliseconds)
        return {
            "n": len(gaps), "max": round(gaps.max(), 1), "above": int((gaps > LIMIT).sum()),
            "p99": round(float(np.percentile(gaps, 99)), 1),
        }  # fmt: skip


def run_loop(seconds):
    loop = QEventLoop()
    QTimer.singleShot(int(1000 * seconds), loop.quit)
    loop.exec_()


def play(size, seconds, *, is_trained, is_painted):
    """Gaps, in milliseconds, while strokes are painted, and a network trains."""
    rng = np.random.default_rng(0)
    X, y = make_cells(1, (size, size), random_state=0)
    viewer = napari.Viewer(show=True)
    widget = SegmentationWidget(viewer, Session(), time_budget=float(seconds))
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
    gaps = Gaps()
    if is_trained:
        widget.training_panel.seconds.setValue(seconds)
        widget.training_panel.train()
        while widget.training.is_running:
            run_loop(1)
    run_loop(3 if is_trained else seconds)  # the answers are shown
    brush.stop()
    found = gaps.figures()
    viewer.close()
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--seconds", type=int, default=60)
    options = parser.parse_args()
    results = Cells("window_gaps")
    for name, kind in {
        "idle": {"is_trained": False, "is_painted": False},
        "strokes": {"is_trained": False, "is_painted": True},
        "training": {"is_trained": True, "is_painted": False},
        "strokes and training": {"is_trained": True, "is_painted": True},
    }.items():
        key = {"size": options.size, "seconds": options.seconds, "what": name}
        results.run(key, lambda kind=kind: play(options.size, options.seconds, **kind))


if __name__ == "__main__":
    main()
