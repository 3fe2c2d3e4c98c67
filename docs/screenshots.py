"""Takes the screenshots of the window, of the sample data, with a training of a minute.

xvfb-run -a -s "-screen 0 1280x900x24" python docs/screenshots.py [--out docs/images] [--seconds 60]
"""

import argparse
import warnings
from pathlib import Path

import napari
import numpy as np
from PIL import Image
from qtpy.QtCore import QEventLoop, Qt, QTimer
from skimage.draw import line
from skimage.morphology import dilation, disk

from sskseg.datasets import make_cells

SIZE = (1240, 860)  # of the window, pixels
WIDTH = 330  # of the widget, pixels
REGION = 96  # side of the complete region, pixels
COLORS = 128


class Session:
    """A window, and the steps of a session in it.

    Parameters
    ----------
    out : Path
        Folder of the pictures.
    seconds : int
        Of the training.
    """

    def __init__(self, out, seconds):
        self.out, self.seconds = out, seconds
        self.viewer = napari.Viewer(show=True)
        self.viewer.window.resize(*SIZE)
        dock, self.widget = self.viewer.window.add_plugin_dock_widget("sskseg", "Segment and count")
        self.viewer.window._qt_window.resizeDocks([dock], [WIDTH], Qt.Orientation.Horizontal)
        _, self.labels = make_cells(n_samples=3, shape=(256, 256), random_state=0)
        self.numbers = [n for n in np.unique(self.labels[0]) if n]

    def shoot(self, name):
        """Save the window in few colors."""
        wait(1)
        picture = Image.fromarray(self.viewer.screenshot(canvas_only=False, flash=False))
        picture = picture.convert("RGB").quantize(COLORS, dither=Image.Dither.NONE)
        picture.save(self.out / f"window_{name}.png", optimize=True)

    def tab(self, name):
        tabs = self.widget.tabs
        tabs.setCurrentIndex([tabs.tabText(i) for i in range(tabs.count())].index(name))

    def open(self):
        self.viewer.open_sample("sskseg", "cells")
        self.viewer.layers.selection = set(self.viewer.layers)
        self.widget.labels_panel.add_images()
        first = self.viewer.layers["cells 1"]
        self.widget.layers.go_to("cells 1", None, tuple(slice(0, n) for n in first.data.shape))
        while self.widget.forest_panel.answers.missing():
            wait(0.1)
        self.viewer.reset_view()
        self.shoot("open")

    def paint(self):
        """Three nuclei and two strokes of background."""
        self.widget.forest_panel.checked.setChecked(False)  # its answer is the next picture
        painted = self.viewer.layers["cells 1 painted"]
        painted.brush_size = 1
        for number in self.numbers[5:20:5]:
            self._stroke(painted, self.labels[0] == number, 2)
        painted.brush_size = 3
        for corner in ((10, 100), (200, 30)):
            inside = np.zeros(self.labels[0].shape, bool)
            inside[line(*corner, corner[0] + 40, corner[1] + 60)] = True
            self._stroke(painted, inside & ~dilation(self.labels[0] > 0, disk(2)), 1)
        self.shoot("paint")

    def _stroke(self, layer, inside, number):
        for at in np.argwhere(inside):
            layer.paint(tuple(at), number)

    def forest(self):
        self.widget.forest_panel.checked.setChecked(True)
        while not self.viewer.layers["cells 1 forest"].data.any():
            wait(0.1)
        self.shoot("forest")

    def complete(self):
        """Every cell of a region is painted by a number of its own."""
        painted = self.viewer.layers["cells 1 painted"]
        data, inside = painted.data.copy(), np.zeros(self.labels[0].shape, bool)
        inside[:REGION, :REGION] = True
        data[inside] = np.where(self.labels[0] > 0, self.labels[0] + 2, 0)[inside]
        painted.data = data
        self.widget.labels_panel.add_complete_regions()
        far = REGION - 0.5
        shapes = self.viewer.layers.selection.active
        shapes.add_rectangles([[-0.5, -0.5], [-0.5, far], [far, far], [far, -0.5]])
        self.shoot("complete")

    def train(self):
        self.tab("Train")
        panel = self.widget.training_panel
        panel.seconds.setValue(self.seconds)
        panel.train()
        while not self.widget.training.is_running:
            wait(0.1)
        wait(self.seconds / 2)
        self.shoot("train")
        while not self.widget.session.answers or self.widget.answers.outdated():
            wait(0.5)
        self.shoot("objects")

    def click(self):
        """The status bar shows the object below the mouse."""
        objects = self.viewer.layers["cells 1 objects"]
        self.viewer.layers.selection.active = objects
        row, column = np.argwhere(objects.data > 0)[len(self.numbers)]
        objects.selected_label = int(objects.data[row, column])
        self.tab("Correct")
        self.viewer.cursor.position = (float(row), float(column))
        self.viewer.status = objects.get_status((float(row), float(column)), world=True)
        self.shoot("click")

    def count(self):
        self.tab("Count")
        self.widget.results_panel.count()
        self.shoot("count")
        self.tab("Export")
        self.shoot("export")

    def play(self):
        for step in (
            self.open, self.paint, self.forest, self.complete, self.train, self.click, self.count,
        ):  # fmt: skip
            step()
        self.viewer.close()


def wait(seconds):
    """Let the window draw and answer."""
    loop = QEventLoop()
    QTimer.singleShot(int(1000 * seconds), loop.quit)
    loop.exec_()


def main(arguments=None):
    """Take the screenshots."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "images")
    parser.add_argument("--seconds", type=int, default=60)
    options = parser.parse_args(arguments)
    Session(options.out, options.seconds).play()


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
