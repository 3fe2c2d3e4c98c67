"""One page of all that is known of a fitted pipeline."""

from datetime import datetime
from html import escape
from pathlib import Path

import numpy as np
import pandas as pd

from ..io import write_atomically
from ..morphology import measure_objects
from ._axes import check_plot, numbered
from ._facts import fitted_facts, installed_versions, score_rows, settings
from ._outputs import apply, choose_rows, read_reference
from ._page import facts, paragraph, picture, section, table, whole_page
from .calibration import ReliabilityDisplay
from .counts import CountAgreementDisplay, SizeDisplay
from .curves import HistoryDisplay
from .pretraining import FeatureDisplay, ProxyDisplay
from .segmentation import ProbabilityDisplay, SegmentationDisplay
from .simulation import SimulationDisplay
from .volume import VolumeDisplay

_MAX_COUNTS = 200  # rows


def html(
    estimator, X, y=None, path="report.html", *, positions=None, names=None, spacing=None,
    unit="µm", max_images=6, max_rows=20, heading=None,
):  # fmt: skip
    """Write one self-contained page about a fitted estimator or pipeline and what it finds.

    Settings and history of each step, scores on what is labeled, pictures, counts with intervals
    where there are any, the first objects, versions. The page needs no other file, no network and
    no script, and follows the reader's light or dark mode.

    Parameters
    ----------
    estimator : object
        Fitted: a pipeline of any of the steps, or one of them by itself.
    X : array-like of shape (n_samples, *spatial) or (n_samples, *spatial, n_channels)
        Images in memory; probabilities for an `InstanceCounter` by itself.
    y : label images, points, counts of shape (n_samples,), or None
        What is known of them, -1 or None where nothing is. Best of images that were not trained on:
        scores of the others are too good.
    path : str or path-like, default="report.html"
        Written under another name and renamed, so that an older page stays until the new one is
        whole.
    positions : array-like of int, shape (n_samples,), default=None
        Of consecutive sections.
    names : sequence of str, default=None
        Of the images; None numbers them.
    spacing : sequence of float, default=None
        Size of a pixel along each axis, for scale bars and sizes; None is that of the counter.
    unit : str, default="µm"
        Of `spacing`.
    max_images : int, default=6
        That are shown.
    max_rows : int, default=20
        Of the table of objects.
    heading : str, default=None
        Of the page; None names the steps.

    Returns
    -------
    pathlib.Path
        `path`.

    Raises
    ------
    ImportError
        If matplotlib is not installed (extra ``plot``).
    NotFittedError
        Before `fit`.
    ValueError
        For input that breaks the contract.

    Examples
    --------
    >>> from sskseg import OtsuWatershed, report
    >>> from sskseg.datasets import make_cells
    >>> X, y = make_cells(n_samples=2, shape=(48, 48), random_state=0)
    >>> path = report.html(OtsuWatershed().fit(X, y), X, y, "report.html")  # doctest: +SKIP
    """
    check_plot()
    outputs = apply(estimator, X, positions)
    page = _Page(outputs, y, names, spacing, unit, max_images, max_rows)
    made = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z")
    steps = ", ".join(type(step).__name__ for _, step, _ in outputs.steps)
    text = whole_page(heading or f"sskseg: {steps}", f"Written {made}.", page.sections())
    path = Path(path)
    write_atomically(path, text.encode())
    return path


class _Page:
    """What the sections are about."""

    def __init__(self, outputs, y, names, spacing, unit, max_images, max_rows):
        self.outputs, self.y, self.images = outputs, y, outputs.images
        shapes = [x.shape[:-1] for x in self.images]
        self.truth = read_reference(
            y, shapes, consecutive=outputs.consecutive, positions=outputs.positions
        )
        self.names = numbered(len(shapes)) if names is None else list(names)
        if len(self.names) != len(shapes):
            raise ValueError(f"names must be {len(shapes)}, one an image, got {len(self.names)}.")
        self.spacing = outputs.last("spacing") if spacing is None else spacing
        self.options = {"spacing": self.spacing, "unit": unit}
        self.max_images, self.max_rows = max_images, max_rows
        self.has_points = any(hasattr(step, "points") for _, step, _ in outputs.steps)
        self.counts, self.intervals, self.reason = outputs.counts()

    @property
    def labeled(self):
        """Rows with a label image."""
        return [i for i, label in enumerate(self.truth.labels) if label is not None]

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
            "Pretraining": self.pretraining,
            "Simulation": self.simulation,
            "Objects": self.objects,
            "Versions": self.versions,
        }
        return {name: section(name, *make()) for name, make in makers.items()}

    def glance(self):
        shapes = {x.shape[:-1] for x in self.images}
        sizes = " × ".join(map(str, shapes.pop())) if len(shapes) == 1 else "different sizes"
        channels = self.images[0].shape[-1]
        noun = "channel" if channels == 1 else "channels"
        rows = [
            ("Images", f"{len(self.images)}, {sizes}, {channels} {noun}"),
            ("Labeled", f"{len(self.truth.labeled)} of {len(self.images)}"),
        ]
        if self.counts is not None:
            rows.append(("Objects", f"{int(np.sum(self.counts))} counted"))
        if trained := self._training_seconds():
            rows.append(("Training took", f"{trained:.0f} s"))
        rows.append(("Prediction took", f"{self.outputs.seconds:.1f} s"))
        return [facts(rows)]

    def _training_seconds(self):
        seconds = 0.0
        for _, step, _ in self.outputs.steps:
            ends = {row.get("stage"): row["time"] for row in getattr(step, "history_", [])}
            seconds += sum(ends.values())
        return seconds

    def steps(self):
        yield paragraph("What differs from the default is marked with a star.")
        for name, step, _ in self.outputs.steps:
            changed, frame = settings(step)
            told = ", ".join(changed) or "all settings are the defaults"
            parts = [table(frame, f"Settings of {name}")] if len(frame) else []
            if found := fitted_facts(step):
                parts.append(f"<h3>Found in fit</h3>{facts(found)}")
            yield (
                f"<details><summary><strong>{escape(type(step).__name__)}</strong> "
                f"<code>{escape(told)}</code></summary>{''.join(parts)}</details>"
            )

    def training(self):
        for name, step, _ in self.outputs.steps:
            history = getattr(step, "history_", None)
            if history:
                ends = ", ".join(
                    f"{key.replace('_', ' ')} {value:.4g}"
                    for key, value in history[-1].items()
                    if key not in ("stage", "step", "time", "learning_rate")
                    and isinstance(value, (int, float))
                )
                yield picture(
                    HistoryDisplay(history=history, name=name).plot,
                    f"Learning curves of {name}. At the end: {ends}.",
                    f"{name}, at the end: {ends}.",
                )

    def scores(self):
        rows = score_rows(self.outputs, self.truth, self.counts, self.has_points)
        if not rows:
            return []
        frame = pd.DataFrame(rows, columns=["score", "value", "images"])
        return [
            table(frame, "Scores on what is labeled"),
            paragraph("Scores of images that were trained on are better than those of new ones."),
        ]

    def pictures(self):
        outputs, objects = self.outputs, self.outputs.objects
        n = len(self.images)
        if objects is None:
            return
        judged = [None] * n if self.has_points else self.truth.labels
        known = [i for i in range(n) if judged[i] is not None]
        rows = choose_rows(n, known, self.max_images)
        names = [self.names[i] for i in rows]
        shown = SegmentationDisplay(
            images=[self.images[i] for i in rows], y_pred=[objects[i] for i in rows],
            y_true=[judged[i] for i in rows], names=names, **self.options,
        )  # fmt: skip
        yield picture(
            shown.plot, lambda d: "Outlines of objects. " + _overlay_words(names, d.counts_),
            "Found: IoU of 0.5 or more with a true object. What is shaded is not labeled.",
        )  # fmt: skip
        if outputs.probability is not None:
            rows = choose_rows(n, known, min(3, self.max_images))
            shown = ProbabilityDisplay(
                images=[self.images[i] for i in rows],
                probability=[outputs.probability[i] for i in rows],
                names=[self.names[i] for i in rows], **self.options,
            )  # fmt: skip
            yield picture(
                shown.plot,
                "Images, the probability of the foreground in each pixel, and its uncertainty.",
                "Uncertainty is the entropy of the probability: 1 bit where it is 0.5.",
            )
        if outputs.spatial_ndim == 3 or outputs.consecutive:
            yield picture(
                lambda figure: VolumeDisplay._of(outputs, self.y if self.labeled else None, 0,
                                                 figure, self._volume_options()),
                "Three orthogonal views of the volume, with outlines of objects.",
                "Three views through one point, marked by dashed lines.",
            )  # fmt: skip

    def _volume_options(self):
        spacing = self.spacing
        return {**self.options, "spacing": spacing if np.size(spacing) == 3 else None}

    def count_tables(self):
        if self.counts is None:
            return
        known = np.isfinite(self.truth.counts)
        frame = pd.DataFrame({"image": self.names, "objects": self.counts})
        if self.intervals is not None:
            frame["least"], frame["most"] = self.intervals.T
        if known.any():
            frame["true"] = self.truth.counts
        yield table(frame.head(_MAX_COUNTS), _first("Counts", len(frame), _MAX_COUNTS))
        if self.intervals is not None:
            yield paragraph(
                "Of new images like those of fit, 9 of 10 true counts lie between least and most."
            )
        elif self.reason:
            yield paragraph(f"No intervals: {self.reason}", "soft")
        if known.sum() > 1:
            intervals = None if self.intervals is None else self.intervals[known]
            shown = CountAgreementDisplay(
                y_true=self.truth.counts[known], y_pred=self.counts[known], intervals=intervals
            )
            yield picture(
                shown.plot,
                lambda d: f"Predicted against true counts: relative error (WAPE) "
                f"{100 * d.errors_['wape']:.1f} %, mean difference {d.errors_['bias']:+.1f}.",
                "Left: the line is where counts agree. Right (Bland-Altman): mean difference and "
                "95 % limits of agreement.",
            )  # fmt: skip

    def sizes(self):
        objects = self.outputs.objects
        if objects is None or self.has_points or not any((x > 0).any() for x in objects):
            return
        whole = [x if np.isfinite(c) else None
                 for x, c in zip(self.truth.labels, self.truth.counts, strict=True)]  # fmt: skip
        stacked = self.outputs.consecutive and self.outputs.labels is not None
        ndim = self.outputs.spatial_ndim + stacked
        options = {**self.options}
        if np.size(self.spacing) != ndim:
            options["spacing"] = None
        yield picture(
            lambda figure: SizeDisplay.from_predictions(
                objects, whole, stacked=stacked, ax=figure, **options
            ),
            lambda d: f"Histogram of the sizes of {len(d.sizes)} objects, "
            f"median {np.median(d.sizes):.4g} pixels.",
            "Sizes of objects; true ones of images that are labeled throughout.",
        )  # fmt: skip

    def calibration(self):
        if self.outputs.probability is None or not self.labeled:
            return
        true = [self.truth.labels[i] for i in self.labeled]
        maps = [self.outputs.probability[i] for i in self.labeled]
        yield picture(
            lambda figure: ReliabilityDisplay.from_predictions(true, maps, ax=figure),
            lambda d: f"Reliability of probabilities: expected calibration error "
            f"{d.calibration_error:.3f}.",
            "On the line probabilities mean what they say; above it they are too low.",
        )  # fmt: skip

    def pretraining(self):
        for _, step, inputs in self.outputs.steps:
            if not hasattr(step, "features"):
                continue
            report = [{"proxy": name, **row} for name, row in step.report_.items()]
            yield table(pd.DataFrame(report), "Balanced accuracy of the proxies on held-out crops")
            try:
                patches, answers = step.try_proxies(inputs, 12)
            except ValueError as error:
                yield paragraph(f"No patches are shown: {error}", "soft")
            else:
                yield picture(
                    ProxyDisplay(patches=patches, answers=answers).plot,
                    lambda d: "Patches with what the network answers. Right: "
                    + ", ".join(f"{100 * v:.0f} % of {k}" for k, v in d.accuracy_.items()) + ".",
                    "Patches as the network sees them, and what it tells of them.",
                )  # fmt: skip
            yield picture(
                lambda figure, step=step, inputs=inputs: FeatureDisplay.from_estimator(
                    step, inputs, max_images=2, ax=figure
                ),
                "Images and, as colors, three principal components of their features.",
                "Pixels of one color look alike to the network.",
            )

    def simulation(self):
        for _, step, inputs in self.outputs.steps:
            if hasattr(step, "refine"):
                yield facts((k.replace("_", " "), v) for k, v in step.report_.items())
                yield picture(
                    lambda figure, step=step, inputs=inputs: SimulationDisplay.from_estimator(
                        step, inputs, ax=figure
                    ),
                    "Rows of simulated, refined and real images.",
                    "Simulated images, the same ones refined, and real ones, in one gray scale.",
                )

    def objects(self):
        if self.outputs.labels is None:
            return []
        frame = self._measured()
        if "sample" in frame:
            frame.insert(0, "image", [self.names[i] for i in frame.pop("sample")])
        return [table(frame.head(self.max_rows), _first("Objects", len(frame), self.max_rows))]

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
        return [facts(installed_versions())]


def _overlay_words(names, counts):
    told = [f"{name}: " + ", ".join(f"{n} {kind}" for kind, n in row.items() if n)
            for name, row in zip(names, counts, strict=True)]  # fmt: skip
    return "; ".join(told) + "."


def _first(what, n, most):
    return f"{what}, {n} rows" if n <= most else f"{what}, the first {most} of {n} rows"
