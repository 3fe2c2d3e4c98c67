"""How long the window of napari does not answer while a network trains.

    xvfb-run -a python tests/benchmarks/window_gaps.py [--size 1024 4096] [--seconds 60]
    xvfb-run -a python tests/benchmarks/window_gaps.py --what buttons [--code whole]

A timer of the event loop fires every 5 ms; a gap is the time between two of its calls, less that.
Meanwhile a script paints a stroke every second, so that the forest answers, and the network trains
in its thread. What is painted is saved in a folder. The objects, probabilities and uncertainties of
the trained network are shown at the end, which counts, too. "Idle" is the same without a training.

"Before the training" is the time from the button "Train" to the start of the training, in which
napari adds the layers of the answers, and the window its own.

"Buttons" are pressed one after the other on an image with the objects of a simulated network.
"Call" is the processor time of the window's thread until a button returns, and "max" the longest
gap until two seconds later, in which napari draws. The code named "whole" is an earlier one
(8c02fcd), which copied, measured and drew whole images.

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
from sskseg.morphology import label_components, measure_objects
from sskseg.napari import Answer, Session
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


def images(size):
    """An image of simulated cells, and its labels, which repeat themselves."""
    simulated = make_cells(1, (TILE, TILE), random_state=0)
    return (np.tile(each[0], (size // TILE, size // TILE)) for each in simulated)


def opened(image, folder, **parameters):
    """A window with an image that was added."""
    viewer = napari.Viewer(show=True)
    widget = SegmentationWidget(viewer, Session(folder), **parameters)
    viewer.window.add_dock_widget(widget)
    viewer.layers.selection.active = viewer.add_image(image, name="cells")
    widget.labels_panel.add_images()
    return viewer, widget


def play(size, seconds, folder, *, is_trained, is_painted):
    """Gaps, in milliseconds, while strokes are painted, and a network trains."""
    rng = np.random.default_rng(0)
    X, y = images(size)
    viewer, widget = opened(X, folder, time_budget=float(seconds))
    painted = viewer.layers["cells painted"]
    painted.brush_size = 5

    def stroke():
        is_object = bool(rng.integers(2))
        at = rng.integers(0, size, 2)
        while (y[tuple(at)] > 0) != is_object:
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


def press_buttons(size, folder):
    """Milliseconds of buttons, on an image that a network has predicted."""
    X, y = images(size)
    viewer, widget = opened(X, folder)
    viewer.layers["cells painted"].paint((5, 5), 1)
    labels, probability = label_components(y), (y > 0).astype(np.float32)
    uncertainty = np.random.default_rng(0).random(y.shape, np.float32)
    answer = Answer(probability, labels, uncertainty, measure_objects(labels))
    widget.training.model, widget.training.answers = object(), {"cells": answer}
    widget.training_panel.show_answers()
    while widget.answers.outdated():
        run_loop(1)
    run_loop(5)  # the objects are drawn
    widget.corrections_panel.click_places()
    table = answer.table.iloc[len(answer.table) // 2 :]
    centers = table[["centroid_y", "centroid_x"]].to_numpy()
    inside = centers[labels[tuple(np.rint(centers).astype(int).T)] == table["id"]]
    places = {"Split": [inside[0], inside[0] + [1, 0]], "Merge": inside[1:3], "Delete": inside[3:4]}
    gaps, found = Gaps(), {}
    for name in ("Split", "Merge", "Delete"):
        viewer.layers["places to correct"].data = places[name]
        found[name] = pressed(partial(widget.corrections_panel.correct, name.lower()), gaps)
    found["Undo"] = pressed(widget.labels_panel.undo, gaps)
    found["Where to paint next"] = pressed(widget.training_panel.find_next, gaps)
    viewer.close()
    return {"n_objects": len(answer.table), **found}


def pressed(action, gaps):
    """The time of a button, and the longest gap after it, milliseconds."""
    run_loop(2)
    gaps.figures()
    start = time.thread_time()
    action()
    call = 1000 * (time.thread_time() - start)
    run_loop(2)
    return {"call": round(call, 1), **gaps.figures()}


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
    parser.add_argument("--code", default="boxes")
    parser.add_argument("--what", nargs="+", choices=[*KINDS, "buttons"], default=list(KINDS))
    options = parser.parse_args()
    results = Cells("window_gaps")
    for name in options.what:
        for size in options.size:
            if name == "buttons":
                with TemporaryDirectory() as folder:
                    key = {"size": size, "cores": cores(), "code": options.code}
                    Cells("window_buttons").run(key, partial(press_buttons, size, folder))
                continue
            key = {"size": size, "seconds": options.seconds, "what": name, "cores": cores()}
            results.run(key, partial(measured, size, options.seconds, KINDS[name]))


if __name__ == "__main__":
    main()
