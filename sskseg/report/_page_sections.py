"""Sections of the HTML page about a fitted pipeline."""

import re
import warnings
from html import escape

import numpy as np
import pandas as pd

from ..io.object_tables import names_with_units
from ..morphology import count_objects, measure_objects
from ._axes import numbered
from ._groups import image_groups, only
from ._html import caption, paragraph, picture, section, summary, table
from ._learned import pretraining, simulation
from ._outputs import choose_samples, read_reference, whole_objects
from ._summary import fitted_attributes, installed_versions, score_outputs, settings
from .calibration import ReliabilityDisplay
from .counts import CountAgreementDisplay
from .curves import HistoryDisplay
from .probability import ProbabilityDisplay
from .segmentation import SegmentationDisplay
from .sizes import SizeDisplay
from .volume import VolumeDisplay

_MAX_COUNTS = 200  # rows of the table of counts


class Page:
    """Sections of the page."""

    def __init__(self, outputs, y, trained_on, names, spacing, unit, max_images, max_rows):
        self.outputs, self.y, self.images = outputs, y, outputs.images
        shapes = [x.shape[:-1] for x in self.images]
        self.reference = read_reference(
            y, shapes, consecutive=outputs.consecutive, positions=outputs.positions
        )
        self.groups = image_groups(outputs, len(shapes), trained_on)
        self.names = numbered(len(shapes)) if names is None else list(names)
        if len(self.names) != len(shapes):
            raise ValueError(f"names must be {len(shapes)}, one per image, got {len(self.names)}.")
        self.spacing = outputs.last("spacing") if spacing is None else spacing
        self.options = {"spacing": self.spacing, "unit": unit}
        self.max_images, self.max_rows = max_images, max_rows
        self.has_points = any(hasattr(step, "points") for _, step, _ in outputs.steps)
        with warnings.catch_warnings(record=True) as caught:  # the page holds them
            warnings.simplefilter("always", UserWarning)
            self.counts, self.intervals, self.reason = outputs.counts()
        self.cautions = [str(each.message) for each in caught]

    @property
    def labeled(self):
        """Indices of samples with a label image."""
        return [i for i, label in enumerate(self.reference.labels) if label is not None]

    def sections(self):
        makers = {
            "At a glance": self.glance,
            "Steps": self.steps,
            "Training": self.training,
            "Scores": self.scores,
            "Images": self.pictures,
            "Counts": self.count_tables,
            "Sizes": self.sizes,
            "Calibration": self.calibration,
            "Pretraining": lambda: pretraining(self.outputs),
            "Simulation": lambda: simulation(self.outputs),
            "Objects": self.objects,
            "Versions": self.versions,
        }
        return {name: section(name, *make()) for name, make in makers.items()}

    def glance(self):
        shapes = {x.shape[:-1] for x in self.images}
        sizes = " × ".join(map(str, shapes.pop())) if len(shapes) == 1 else "different sizes"
        channels = self.images[0].shape[-1]
        named = [group for group in self.groups if group.name]
        rows = [
            ("Images", f"{len(self.images)}, {sizes}, {channels} channel{'s' * (channels != 1)}"),
            *((f"{g.name} images".capitalize(), str(len(g.indices))) for g in named),
            ("Annotated images", f"{len(self.reference.labeled)}"),
        ]
        if self.counts is not None:
            rows.append(("Objects", f"{int(np.sum(self.counts))} counted"))
            rows += [(g.titled("Objects"), f"{int(self.counts[g.indices].sum())}") for g in named]
        if trained := self._training_seconds():
            rows.append(("Training took", f"{trained:.0f} s"))
        rows.append(("Prediction took", f"{self.outputs.seconds:.1f} s"))
        return [summary(rows), *(paragraph(f"Warning: {text}") for text in self._warnings())]

    def _warnings(self):
        """What the steps warned of, with the names of images."""

        def name(match):
            return self.names[int(match[1])] if int(match[1]) < len(self.names) else match[0]

        return [re.sub(r"\bX\[(\d+)\]", name, text) for text in self.outputs.cautions]

    def _training_seconds(self):
        seconds = 0.0
        for _, step, _ in self.outputs.steps:
            ends = {row.get("phase"): row["time"] for row in getattr(step, "history_", [])}
            seconds += sum(ends.values())
        return seconds

    def steps(self):
        yield paragraph("A star marks parameters that differ from the default.")
        for name, step, _ in self.outputs.steps:
            changed, frame = settings(step)
            text = ", ".join(changed) or "default settings"
            parts = [table(frame, f"Settings of {name}")] if len(frame) else []
            if attributes := fitted_attributes(step):
                parts.append(f"<h3>Fitted attributes</h3>{summary(attributes)}")
            yield (
                f"<details><summary><strong>{escape(type(step).__name__)}</strong> "
                f"<code>{escape(text)}</code></summary>{''.join(parts)}</details>"
            )

    def training(self):
        for name, step, _ in self.outputs.steps:
            history = getattr(step, "history_", None)
            if history:
                ends = ", ".join(
                    f"{key.replace('_', ' ')} {value:.4g}"
                    for key, value in history[-1].items()
                    if key not in ("phase", "step", "time", "learning_rate")
                    and isinstance(value, (int, float))
                )
                yield picture(
                    HistoryDisplay(history=history, name=name).plot,
                    f"Learning curves of {name}. At the end: {ends}.",
                    f"{name}, at the end: {ends}.",
                )

    def scores(self):
        shown = False
        for group in self.groups:
            reference = only(self.reference, group)
            rows = score_outputs(self.outputs, reference, self.counts, self.has_points)
            if rows:
                frame = pd.DataFrame(rows, columns=["score", "value", "images"])
                yield table(frame, group.titled("Scores"))
                shown = True
        if shown and self.groups[0].name == "":
            yield paragraph(
                "It is unknown which of these images are training images (trained_on is not set). "
                "Scores on training images are usually better than on new images."
            )
        elif shown:
            yield paragraph(
                "Scores on training images are usually better than on new images. Those on "
                "validation images are often slightly better: the weights were chosen on them."
            )

    def pictures(self):
        if self.outputs.objects is None:
            return
        labels = [None] * len(self.images) if self.has_points else self.reference.labels
        for group in self.groups:
            labeled = [i for i in group.indices if labels[i] is not None]
            pool = np.asarray(labeled) if labeled else group.indices
            yield self._segmentation(labels, pool, group)
            if self.outputs.probability is not None:
                yield self._probability(pool, group)
        if self.outputs.spatial_ndim == 3 or self.outputs.consecutive:
            yield self._volume()

    def _segmentation(self, labels, pool, group):
        indices = choose_samples(len(labels), pool, self.max_images)
        names = [self.names[i] for i in indices]
        parts = (self.images, self.outputs.objects, labels)
        images, y_pred, y_true = ([part[i] for i in indices] for part in parts)
        display = SegmentationDisplay(
            images=images, y_pred=y_pred, y_true=y_true, names=names, **self.options
        )
        return picture(
            display.plot,
            lambda d: f"{group.titled('Outlines of objects')}. {_overlay_words(names, d.counts_)}",
            f"{group.titled('Objects')}. True positives (TP): IoU of 0.5 or more with a true "
            "object. FP: false positives, FN: false negatives. Unlabeled pixels are shaded.",
        )  # fmt: skip

    def _probability(self, pool, group):
        indices = choose_samples(len(self.images), pool, min(3, self.max_images))
        parts = (self.images, self.outputs.probability, self.names)
        images, probability, names = ([part[i] for i in indices] for part in parts)
        display = ProbabilityDisplay(
            images=images, probability=probability, names=names, **self.options
        )
        return picture(
            display.plot,
            "Images, the probability of the foreground in each pixel, and its uncertainty.",
            f"{group.titled('Probability')}. Uncertainty is the entropy of the probability: 1 bit "
            "at 0.5.",
        )

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

    def count_tables(self):
        if self.counts is None:
            return
        known = np.isfinite(self.reference.counts)
        frame = pd.DataFrame({"image": self.names, "objects": self.counts})
        for group in self.groups:
            if group.name:
                frame.loc[group.indices, "used"] = group.name
        if self.intervals is not None:
            frame["lower"], frame["upper"] = self.intervals.T
        if known.any():
            frame["true"] = self.reference.counts
        if self.outputs.stacked:
            frame["visible_objects"] = [count_objects(label) for label in self.outputs.labels]
        yield table(frame.head(_MAX_COUNTS), caption("Counts", len(frame), _MAX_COUNTS))
        if self.outputs.stacked:
            yield paragraph(
                "An object that spans sections counts once, in the section nearest to its center. "
                "It is visible in all of its sections."
            )
        if self.cautions:
            yield from (paragraph(f"Warning: {text}") for text in self.cautions)
        elif self.intervals is not None:
            yield paragraph(
                "Of new images like those of fit, about 9 of 10 true counts lie between lower and "
                "upper."
            )
        elif self.reason:
            yield paragraph(f"No intervals: {self.reason}", "soft")
        for group in self.groups:
            known = np.isfinite(only(self.reference, group).counts)
            if known.sum() > 1:
                yield self._agreement(known, group)

    def _agreement(self, known, group):
        intervals = None if self.intervals is None else self.intervals[known]
        display = CountAgreementDisplay(
            y_true=self.reference.counts[known], y_pred=self.counts[known], intervals=intervals
        )
        return picture(
            display.plot,
            lambda d: (
                f"{group.titled('Predicted against true counts')}: relative error (WAPE) "
                f"{100 * d.errors_['wape']:.1f} %, mean difference {d.errors_['bias']:+.1f}."
            ),
            f"{group.titled('Counts')}. Left: counts agree on the line. Right (Bland-Altman): mean "
            "difference and 95 % limits of agreement.",
        )

    def sizes(self):
        objects = self.outputs.objects
        if objects is None or self.has_points or not any((x > 0).any() for x in objects):
            return
        known, stacked = whole_objects(self.outputs, self.reference), self.outputs.stacked
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

    def calibration(self):
        for group in self.groups:
            labeled = [i for i in group.indices if i in self.labeled]
            if self.outputs.probability is not None and labeled:
                yield self._reliability(labeled, group)

    def _reliability(self, labeled, group):
        true = [self.reference.labels[i] for i in labeled]
        probability = [self.outputs.probability[i] for i in labeled]
        return picture(
            lambda figure: ReliabilityDisplay.from_predictions(true, probability, ax=figure),
            lambda d: f"{group.titled('Reliability of probabilities')}: expected calibration error "
            f"{d.calibration_error:.3f}.",
            f"{group.titled('Probabilities')}. On the line they are calibrated; above it they are "
            "too low.",
        )  # fmt: skip

    def objects(self):
        if self.outputs.labels is None:
            return []
        frame = self._measured()
        frame.columns = names_with_units([*frame.columns], frame.attrs.get("units", {}))
        if "sample" in frame:
            frame.insert(0, "image", [self.names[i] for i in frame.pop("sample")])
        return [table(frame.head(self.max_rows), caption("Objects", len(frame), self.max_rows))]

    def _measured(self):
        _, step, inputs = self.outputs.steps[-1]
        if hasattr(step, "measure"):
            positions = self.outputs.positions
            return step.measure(inputs, **({} if positions is None else {"positions": positions}))
        tables = [measure_objects(label) for label in self.outputs.labels]
        for i, each in enumerate(tables):
            each.insert(0, "sample", i)
        return pd.concat(tables, ignore_index=True)

    def versions(self):
        return [summary(installed_versions())]


def _overlay_words(names, counts):
    texts = [f"{name}: " + ", ".join(f"{n} {kind}" for kind, n in row.items() if n)
             for name, row in zip(names, counts, strict=True)]  # fmt: skip
    return "; ".join(texts) + "."
