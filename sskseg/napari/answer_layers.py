"""Answers of the network as layers of napari: probabilities, objects, uncertainty."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from .answers import Answer
from .layers import OBJECTS, PAINTED, PROBABILITY, UNCERTAINTY, Layers
from .pixels import copy_for_layer, draw_labels

_DTYPES = {PROBABILITY: np.float32, UNCERTAINTY: np.float32, OBJECTS: np.uint16}


class AnswerLayers:
    """Show the answers of a session.

    napari needs a tenth of a second or more to add a layer. Layers are therefore added before they
    are needed, and one by one: `prepare` and `show` are generators that do one of them a step.

    Parameters
    ----------
    layers : Layers
    """

    def __init__(self, layers: Layers):
        self.layers, self.session, self.viewer = layers, layers.session, layers.viewer
        self._shown: dict[str, Answer] = {}
        self._versions: dict[str, int] = {}  # of the samples at that time

    def outdated(self) -> list[str]:
        """Return the names of images of which the last answer is not shown, visible ones first."""
        names = [
            name for name, answer in self.session.answers.items()
            if name in self.viewer.layers and self._shown.get(name) is not answer
        ]  # fmt: skip
        return sorted(names, key=lambda name: not self.viewer.layers[name].visible)

    def prepare(self, names: Iterable[str]) -> Iterator[None]:
        """Add the layers of answers, hidden and empty, where they are missing.

        Parameters
        ----------
        names : iterable of str
            Of images.
        """
        for name in names:
            for suffix in _DTYPES:
                if self._is_missing(name, suffix):
                    self._add(name, suffix)
                    yield

    def show(self, name: str) -> Iterator[None]:
        """Show the answer of an image; the objects have their measurements as features.

        Parameters
        ----------
        name : str
        """
        yield from self.prepare([name])
        sample = self.session.samples.get(name)
        if sample is None or sample.answer is None:  # the image was removed
            return
        answer, version = sample.answer, sample.version
        for suffix, data in (
            (PROBABILITY, answer.probability), (UNCERTAINTY, answer.uncertainty),
        ):  # fmt: skip
            if name + suffix in self.viewer.layers:
                self.viewer.layers[name + suffix].data = data
                yield
        if name + OBJECTS in self.viewer.layers:
            layer = self.viewer.layers[name + OBJECTS]
            version = sample.version  # from here on it may be corrected
            layer.data = copy_for_layer(answer.labels)  # which people may paint on
            yield
            self._show_table(layer, answer)
            layer.visible = name in self.layers.shown() and OBJECTS not in self.layers.hidden
        self._shown[name], self._versions[name] = answer, version

    def _show_table(self, layer, answer):
        layer.features = answer.table.rename(columns={"id": "index"})
        layer.selected_label = 0  # nobody has chosen an object yet

    def write(self) -> None:
        """Show objects that were corrected, or whose correction was undone."""
        for name in self.outdated():
            shown, answer = self._shown.get(name), self.session.answers[name]
            # Another prediction is shown by `show`.
            is_corrected = shown is not None and shown.probability is answer.probability
            if is_corrected and name + OBJECTS in self.viewer.layers:
                layer, sample = self.viewer.layers[name + OBJECTS], self.session.samples[name]
                draw_labels(layer, answer.labels, sample.changed_since(self._versions[name]))
                self._show_table(layer, answer)
                self._shown[name], self._versions[name] = answer, sample.version

    def _is_missing(self, name, suffix):
        layers = self.viewer.layers
        return name in self.session.samples and name in layers and name + suffix not in layers

    def _add(self, name, suffix):
        """Add an empty layer below what is painted, while one continues to paint."""
        layers = self.viewer.layers
        above = name + PAINTED
        index = layers.index(layers[above]) if above in layers else len(layers)
        data = np.zeros(self.session.samples[name].painted.shape, _DTYPES[suffix])
        look = {"opacity": 0.5, "colormap": "magma", "contrast_limits": (0, 1)}
        is_labels = suffix == OBJECTS
        self.layers.add_layer(
            "labels" if is_labels else "image", name, suffix, data, layers[name], index=index,
            **{} if is_labels else look, visible=False,
        )  # fmt: skip
