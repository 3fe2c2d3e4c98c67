"""Chosen images on the page: the image, the outlines of objects, and the probability."""

from __future__ import annotations

from html import escape
from typing import Any

from ._axes import as_plane, plane_spacing, show_plane
from ._choice import Chosen
from ._html import photo
from ._terms import with_meanings
from .segmentation import KINDS, SegmentationDisplay, classify_objects, shown_section

_WIDTH = 3.4  # inches of a panel
_RATIOS = 0.3, 2.5  # of height and width of a panel
_WORDS = {  # after numbers
    "true positives": "found",
    "false negatives": "missed",
    "false positives": "not labeled",
    "predicted": "counted",
    "not evaluated": "in unlabeled pixels",
}
_KEY = {"false positives": "counted, but not labeled"}


class Panels:
    """Pictures of images.

    Parameters
    ----------
    outputs : Outputs
    labels : list of ndarray of int or None
        Reference objects of each image.
    names : list of str
    options : dict
        `spacing` and `unit` of displays.
    """

    def __init__(self, outputs: Any, labels: list, names: list[str], options: dict):
        self.outputs, self.labels, self.names = outputs, labels, names
        self.options = {**options, "spacing": plane_spacing(options["spacing"])}

    def figures(self, chosen: Chosen) -> str:
        """Make a figure of each chosen image, and a key to the colors."""
        kinds, figures = set(), []
        for i, note in zip(chosen.indices, chosen.notes, strict=True):
            found = classify_objects(self.labels[i], self.outputs.objects[i])
            kinds |= {kind for kind, ids in found.items() if len(ids)}
            figures.append(self._figure(i, note, found))
        return "".join([self._key(kinds), *figures])

    def _key(self, kinds):
        items = [
            f'<li><span style="border-color:{color};border-style:{_border(style)}"></span>'
            f"{_KEY.get(kind, _WORDS[kind])}</li>"
            for kind, (color, _, style) in KINDS.items() if kind in kinds
        ]  # fmt: skip
        if self.outputs.probability is not None:
            items.append(
                '<li><span style="border:0;height:.8rem;background:linear-gradient(90deg,#00224e,'
                '#7c7b78,#fee838)"></span>probability of foreground, from 0 to 1</li>'
            )
        return f'<ul class="key">{"".join(items)}</ul>'

    def _figure(self, i, note, found):
        name, numbers = self.names[i], _numbers(found)
        z = shown_section(self.outputs.objects[i])
        parts = [
            photo(lambda figure: self._plane(figure, i, z), f"The image {name}, without outlines."),
            photo(
                lambda figure: self._outlines(figure, i, found), f"Outlines in {name}: {numbers}."
            ),
        ]
        if self.outputs.probability is not None:
            text = f"Probability of the foreground in {name}."
            parts.append(photo(lambda figure: self._probability(figure, i, z), text))
        section = "" if z is None else f" Section {z} of the volume."
        words = with_meanings(f"{note}. " if note else "") + escape(f"{numbers}.{section}")
        title = f"<figcaption><strong>{escape(name)}</strong>: {words}</figcaption>"
        return f'<figure>{title}<div class="panels">{"".join(parts)}</div></figure>'

    def _plane(self, figure, i, z):
        plane = as_plane(self.outputs.images[i], self.outputs.objects[i].ndim, z)
        show_plane(self._axes(figure, plane), plane, stretch=True, **self.options)

    def _outlines(self, figure, i, found):
        pred = self.outputs.objects[i]
        pictures = {"images": [self.outputs.images[i]], "y_pred": [pred], **self.options}
        plane = pred[0] if pred.ndim == 3 else pred
        SegmentationDisplay(**pictures).draw_panel(
            self._axes(figure, plane), self.outputs.images[i], self.labels[i], pred, found
        )

    def _probability(self, figure, i, z):
        probability = self.outputs.probability[i]
        plane = as_plane(probability, probability.ndim, z)
        options = {"vmin": 0, "vmax": 1, "cmap": "cividis"}
        spacing = {"spacing": self.options["spacing"], "unit": self.options["unit"]}
        show_plane(self._axes(figure, plane), plane, **options, **spacing)

    def _axes(self, figure, plane):
        """Axes that fill a figure of the proportions of a plane."""
        height, width = plane.shape[:2]
        if self.options["spacing"] is not None:
            y, x = self.options["spacing"]
            height, width = height * y, width * x
        low, high = _RATIOS
        figure.set_layout_engine("none")
        figure.set_size_inches(_WIDTH, _WIDTH * min(max(height / width, low), high))
        return figure.add_axes((0, 0, 1, 1))


def _numbers(found):
    """How many objects are of each kind."""
    shown = [
        kind for kind in KINDS if kind in found and (len(found[kind]) or kind != "not evaluated")
    ]
    return ", ".join(f"{len(found[kind])} {_WORDS[kind]}" for kind in shown)


def _border(style):
    return style if isinstance(style, str) else "dashed"
