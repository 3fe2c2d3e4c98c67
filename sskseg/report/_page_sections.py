"""Sections of the HTML page about a fitted pipeline."""

import re
import warnings
from functools import cached_property

import numpy as np
import pandas as pd

from ..metrics import match_instances
from . import _details as details
from ._answer import ORDER, answer, headline
from ._axes import numbered
from ._choice import choose_images, evenly_spaced, rank_images
from ._groups import image_groups, only
from ._html import caption, definitions, paragraph, picture, section, table
from ._learned import pretraining, simulation
from ._outputs import compared_counts, read_reference, whole_objects
from ._panels import Panels
from ._summary import score_outputs
from ._terms import used_terms
from .counts import COVERAGE, CountAgreementDisplay
from .sizes import SizeDisplay
from .volume import VolumeDisplay

_MAX_COUNTS = 200  # rows of the table of counts
_LEVEL = f"{100 * COVERAGE:g} %"


class Page:
    """Sections of the page.

    Parameters
    ----------
    outputs : Outputs
    y, trained_on, names
        As in `html`.
    options : dict
        `spacing` and `unit` of displays.
    limits : tuple of int, default=(6, 20)
        Maximum numbers of images in pictures, and of rows of the table of objects.
    explain : callable, default=str
        Puts a message of the library into words of the reader.
    """

    def __init__(self, outputs, y, trained_on, names, options, limits=(6, 20), explain=str):
        self.outputs, self.y, self.images = outputs, y, outputs.images
        self.explain = explain
        shapes = [x.shape[:-1] for x in self.images]
        self.reference = read_reference(
            y, shapes, consecutive=outputs.consecutive, positions=outputs.positions
        )
        groups = image_groups(outputs, len(shapes), trained_on)
        self.groups = sorted(groups, key=lambda group: ORDER.index(group.name))
        self.names = numbered(len(shapes)) if names is None else list(names)
        if len(self.names) != len(shapes):
            raise ValueError(f"names must be {len(shapes)}, one per image, got {len(self.names)}.")
        given = options["spacing"]
        self.spacing = outputs.last("spacing") if given is None else given
        self.options = {**options, "spacing": self.spacing}
        self.max_images, self.max_rows = limits
        self.has_points = any(hasattr(step, "points") for _, step, _ in outputs.steps)
        with warnings.catch_warnings(record=True) as caught:  # the page holds them
            warnings.simplefilter("always", UserWarning)
            self.counts, self.intervals, self.reason = outputs.counts(COVERAGE)
        self.cautions = [*outputs.cautions, *(str(each.message) for each in caught)]

    @property
    def labeled(self):
        """Indices of samples with a label image."""
        return [i for i, label in enumerate(self.reference.labels) if label is not None]

    @cached_property
    def matches(self):
        """Matched objects of each image; None without labels or predicted objects."""
        if self.has_points or self.outputs.objects is None:
            return [None] * len(self.images)
        pairs = zip(self.reference.labels, self.outputs.objects, strict=True)
        return [None if true is None else match_instances(true, pred) for true, pred in pairs]

    @cached_property
    def f1(self):
        """F1 of each image; NaN without labels, 1 without objects."""
        sums = [(np.nan, 1) if m is None else (2 * m[0], 2 * m[0] + m[1] + m[2])
                for m in self.matches]  # fmt: skip
        return np.array([twice / total if total else 1.0 for twice, total in sums])

    @property
    def visible(self):
        """Number of objects in each image; an object of a stack counts in all its sections."""
        if not self.outputs.stacked:
            return self.counts
        return self.outputs.visible

    @cached_property
    def compared(self):
        """True and predicted counts of each image."""
        return compared_counts(self.outputs, self.reference, self.counts)

    def heading(self):
        return headline(self)

    def lead(self, training_note):
        """Make the answer: the first paragraphs of the page."""
        texts = answer(self, training_note)
        return "".join(paragraph(self.explain(text), "lead") for text in texts)

    def sections(self):
        makers = {
            "Warnings": self.warnings,
            "Images": self.pictures,
            "Scores": self.scores,
            "Counts": self.count_tables,
            "Sizes": self.sizes,
            "Calibration": lambda: details.calibration(self),
            "Pretraining": lambda: pretraining(self.outputs),
            "Simulation": lambda: simulation(self.outputs),
        }
        made = {name: section(name, *make()) for name, make in makers.items()}
        made["Terms"] = section("Terms", *self._terms("".join(made.values())))
        return made | details.sections(self)

    def warnings(self):
        """What the steps warned of, with the names of images."""

        def name(match):
            return self.names[int(match[1])] if int(match[1]) < len(self.names) else match[0]

        for text in self.cautions:
            named = re.sub(r"\bX\[(\d+)\]", name, text)
            yield paragraph(f"Warning: {self.explain(named)}", "warning")

    def pictures(self):
        if self.outputs.objects is None:
            return
        labels = [None] * len(self.images) if self.has_points else self.reference.labels
        panels = Panels(self.outputs, labels, self._titles(labels), self.options)
        for group in self.groups:
            if group.name:
                yield f"<h3>{group.name.capitalize()} images</h3>"
            chosen = self._chosen(labels, group)
            if chosen.rule:
                verb = "is" if len(chosen.indices) == 1 else "are"
                yield paragraph(f"Shown {verb} {chosen.rule}")
            yield panels.figures(chosen)
        if self.outputs.spatial_ndim == 3 or self.outputs.consecutive:
            yield self._volume()

    def _titles(self, labels):
        """Names of images, and F1 of labeled ones."""
        pairs = zip(self.names, self.f1, labels, strict=True)
        return [name if label is None else f"{name}, F1 {f1:.2f}" for name, f1, label in pairs]

    def _chosen(self, labels, group):
        labeled = [i for i in group.indices if labels[i] is not None]
        pool = labeled or list(group.indices)
        kind = "labeled " * bool(labeled) + "images"
        if self.outputs.consecutive:
            return evenly_spaced(pool, self.max_images, "sections")
        f1 = self.f1 if labeled else np.full(len(labels), np.nan)
        return choose_images(pool, rank_images(self.outputs, f1), self.max_images, kind)

    def _volume(self):
        y = self.y if self.labeled else None
        return picture(
            lambda figure: VolumeDisplay._of(self.outputs, y, 0, figure, self._volume_options()),
            "Three orthogonal views of the volume, with outlines of objects.",
            "Three views through one point, marked by dashed lines.",
        )

    def _volume_options(self):
        spacing = self.spacing
        return {**self.options, "spacing": spacing if np.size(spacing) == 3 else None}

    @cached_property
    def _scores(self):
        return {group.name: self._scored(group) for group in self.groups}

    def _scored(self, group):
        true, counts = self.compared
        reference = only(self.reference._replace(counts=true), group)
        return score_outputs(self.outputs, reference, counts, self.has_points)

    def scores_of(self, group):
        return self._scores[group.name]

    def scores(self):
        shown = False
        for group in self.groups:
            if scores := self.scores_of(group):
                columns = ["score", "value", "images", "meaning"]
                yield table(pd.DataFrame(scores, columns=columns), group.titled("Scores"))
                shown = True
        if any(match is not None for match in self.matches):
            yield paragraph(
                "A labeled object is found if a predicted one covers it with an IoU of 0.5 or more."
            )
        if shown and self.groups[0].name != "":
            yield paragraph(
                "Scores on training images are usually better than on new images. Those on "
                "validation images are often slightly better: the weights were chosen on them."
            )

    def count_tables(self):
        if self.counts is None:
            return
        frame = self._counts()
        yield table(frame.head(_MAX_COUNTS), caption("Counts", len(frame), _MAX_COUNTS))
        if self.outputs.stacked:
            yield paragraph(
                "An object that spans sections counts once, in the section nearest to its center. "
                "It is visible in all of its sections: these objects are compared with the labels."
            )
        if self.intervals is not None:
            yield paragraph(
                f"Lower and upper are the bounds of {_LEVEL} intervals: of new images like those "
                "of fit, about 9 of 10 true counts lie between them, unless a warning says "
                "otherwise."
            )
        elif self.reason:
            yield paragraph(f"No {_LEVEL} intervals: {self.explain(self.reason)}", "soft")
        for group in self.groups:
            known = group.indices[np.isfinite(self.compared[0][group.indices])]
            if len(known) > 1:
                yield self._agreement(known, group)

    def _counts(self):
        frame = pd.DataFrame({"image": self.names, "objects": self.counts})
        for group in self.groups:
            if group.name:
                frame.loc[group.indices, "used"] = group.name
        if self.intervals is not None:
            frame[f"lower, {_LEVEL}"], frame[f"upper, {_LEVEL}"] = self.intervals.T
        if self.outputs.stacked:
            frame["visible_objects"] = self.visible
        if np.isfinite(self.compared[0]).any():
            frame["true"] = self.compared[0]
        if any(match is not None for match in self.matches):
            for kind, at in (("found", 0), ("missed", 2), ("not labeled", 1)):
                numbers = [None if m is None else m[at] for m in self.matches]
                frame[kind] = pd.array(numbers, "Int64")
            frame["F1"] = self.f1.round(2)
        return frame

    def _agreement(self, known, group):
        intervals = None if self.intervals is None else self.intervals[known]
        display = CountAgreementDisplay(
            y_true=self.compared[0][known], y_pred=self.compared[1][known], intervals=intervals,
            coverage=COVERAGE,
        )  # fmt: skip
        return picture(
            display.plot,
            lambda d: (
                f"{group.titled('Predicted against true counts')}: relative error (WAPE) "
                f"{100 * d.errors_['wape']:.1f} %, mean difference {d.errors_['bias']:+.1f}."
            ),
            f"{group.titled('Counts')}. Left: counts agree on the line; WAPE is their relative "
            "error. Right (Bland-Altman): mean difference and 95 % limits of agreement.",
        )

    def sizes(self):
        objects = self.outputs.objects
        if objects is None or self.has_points or not any((x > 0).any() for x in objects):
            return
        known, stacked = whole_objects(self.reference), self.outputs.stacked
        ndim = self.outputs.spatial_ndim + stacked
        options = {**self.options}
        if np.size(self.spacing) != ndim:
            options["spacing"] = None
        yield picture(
            lambda figure: SizeDisplay.from_predictions(
                objects, known, stacked=stacked, ax=figure, **options
            ),
            lambda d: f"Histogram of the sizes of {len(d.sizes)} objects, "
            f"median {np.median(d.sizes):.4g} pixels.",
            "Sizes of objects; true sizes of fully labeled images.",
        )  # fmt: skip

    def _terms(self, text):
        visible = re.sub(r'src="[^"]*"|<[^>]+>', " ", text)
        terms = used_terms(visible)
        return [definitions(terms.items())] if terms else []
