"""Layers, labels and folders with faults, as a window of napari meets them.

What raises is shown as a message by the widget; `tests/napari` does the same with napari's layers.
"""

from unittest import mock

import numpy as np
from bad_files import FILES, file, squares

from sskseg.io import write_labels, write_rois
from sskseg.morphology import measure_objects
from sskseg.napari import Answer, Session, Training, correct
from sskseg.napari.label_files import load_labels
from sskseg.napari.layers import Layers

__all__ = ["FILES"]
AT = "A window of napari (`sskseg.napari`, a message there; what is painted stays)"
SHAPE = (32, 32)
IMAGE = np.random.default_rng(0).random(SHAPE)


class Image:
    """What is read of a layer of napari."""

    def __init__(self, data, *, rgb=False, multiscale=False, name="cells"):
        self.data, self.rgb, self.multiscale, self.name = data, rgb, multiscale, name
        self.ndim = np.ndim(data) - rgb
        self.units, self.scale = None, np.ones(self.ndim)


def session_of(folder=None, painted=None, kind="images"):
    session = Session(folder, kind=kind)
    session.add("cells", IMAGE if kind == "images" else IMAGE[None].repeat(2, 0))
    if painted is not None:
        session.paint("cells", painted)
    return session


def row(what, run):
    """Add a row; ``run(folder)`` raises, or returns names and arrays."""
    file(AT, what, run)(lambda folder: folder)


def add(layer, session=None):
    session = Session() if session is None else session
    with mock.patch.object(Layers, "_show_sample"):
        Layers(mock.MagicMock(), session).add(layer)
    return [layer.name], [session.samples[layer.name].image]


def other(name):
    return type(name, (Image,), {})(IMAGE)


row("a layer of labels as the image", lambda f: add(other("Labels")))
row("a multiscale layer", lambda f: add(Image(IMAGE, multiscale=True)))
row("a layer of four axes", lambda f: add(Image(np.zeros((2, 2, 8, 8)))))
row("an RGB layer", lambda f: add(Image(squares()[..., None].repeat(3, 2), rgb=True)))
row("an RGB layer beside one of one channel",
    lambda f: add(Image(np.zeros((8, 8, 3)), rgb=True, name="rgb"), session_of()))  # fmt: skip
row("the same layer again", lambda f: add(Image(IMAGE), session_of()))
row("another image in its layer, of another shape",
    lambda f: session_of().replace_image("cells", np.ones((8, 9))))  # fmt: skip
row("an image with NaN", lambda f: add(Image(np.full(SHAPE, np.nan))))
row("stacks of sections of unlike planes",
    lambda f: session_of(kind="sections").add("other", np.ones((2, 8, 9))))  # fmt: skip
row("painted labels of another shape", lambda f: session_of(painted=np.zeros((8, 9), int)))
row("negative labels", lambda f: session_of(painted=np.full(SHAPE, -3)))
row("a point outside of the image", lambda f: session_of().paint(
    "cells", np.zeros(SHAPE, int), points=np.array([[40.0, 3]])))  # fmt: skip


def start(value):
    return lambda f: Training(session_of(f, np.full(SHAPE, value))).start()


row("Train: no label", start(0))
row("Train: background only", start(1))
row("Train: objects only", start(2))


def corrected(action, places):
    session = session_of()
    labels = squares().astype(np.int32)
    session.set_answers({"cells": Answer(IMAGE, labels, IMAGE, measure_objects(labels))})
    return correct(session, "cells", action, np.array(places))


row("Split: one place", lambda f: corrected("split", [[3, 3]]))
row("Split: places in two objects", lambda f: corrected("split", [[3, 3], [3, 13]]))
row("Merge: one object", lambda f: corrected("merge", [[3, 3], [4, 4]]))
row("Delete: background", lambda f: corrected("delete", [[0, 0]]))
row("Delete: outside of the image", lambda f: corrected("delete", [[99, 0]]))
row("Delete: before a training", lambda f: correct(session_of(), "cells", "delete", [[3, 3]]))


def load(path):
    return load_labels(session_of(), "cells", path)


def labels_of_shape(folder):
    write_labels(folder / "other.tif", [squares(side=24)])
    return load(folder / "other.tif")


def labels_of_two(folder):
    write_labels(folder / "two.tif", [squares(), squares()])
    return load(folder / "two.tif")


def points_outside(folder):
    write_rois(folder / "clicks.csv", points=[[99.0, 3]])
    return load(folder / "clicks.csv")


row("Load labels: of another shape", labels_of_shape)
row("Load labels: of two images", labels_of_two)
row("Load labels: a point outside of the image", points_outside)
row("Load labels: no file", lambda f: load(f / "none.tif"))


def on_full_disk(action):
    def run(folder):
        error = OSError(28, "No space left on device")
        with mock.patch("sskseg.napari.storage.write_labels", side_effect=error):
            return action(folder)

    return run


def save_where_another_is(folder):
    session_of(folder)
    return session_of().save_in(folder)


def save_in_a_file(folder):
    (folder / "file").write_text("")
    return session_of().save_in(folder / "file")


def load_without_an_image(folder):
    session_of(folder)
    (folder / "images" / "cells.npy").unlink()
    return Session.load(folder)


def load_damaged(folder):
    session_of(folder)
    (folder / "session.json").write_text("{")
    return Session.load(folder)


row("Save: a full disk", on_full_disk(lambda f: session_of(f, np.ones(SHAPE, int))))
row("Save: a folder with another session", save_where_another_is)
row("Save: a file in place of a folder", save_in_a_file)
row("Continue: a folder without a session", lambda f: Session.load(f))
row("Continue: an image is missing", load_without_an_image)
row("Continue: a damaged list of images", load_damaged)
