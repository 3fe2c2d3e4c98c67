"""Details at the end of the page: for readers who want to check or repeat what was done."""

from __future__ import annotations

from html import escape
from typing import Any

import numpy as np
import pandas as pd

from ..images import check_positions
from ..io.object_tables import names_with_units
from ..morphology import measure_objects
from ._html import caption, paragraph, picture, section, summary, table
from ._summary import fitted_attributes, installed_versions, settings
from .calibration import ReliabilityDisplay
from .curves import HistoryDisplay


def sections(page: Any) -> dict[str, str]:
    """Make the sections of details, by name."""
    makers = {
        "Objects": _objects, "Data": _data, "Training": _training, "Settings": _settings,
        "Versions": _versions,
    }  # fmt: skip
    return {name: section(name, *make(page)) for name, make in makers.items()}


def calibration(page: Any) -> Any:
    """Yield the reliability of probabilities, for each group of labeled images."""
    for group in page.groups:
        labeled = [i for i in group.indices if i in page.labeled]
        if page.outputs.probability is not None and labeled:
            yield _reliability(page, labeled, group)


def _reliability(page, labeled, group):
    true = [page.reference.labels[i] for i in labeled]
    probability = [page.outputs.probability[i] for i in labeled]
    return picture(
        lambda figure: ReliabilityDisplay.from_predictions(true, probability, ax=figure),
        lambda d: f"{group.titled('Reliability of probabilities')}: expected calibration error "
        f"{d.calibration_error:.3f}.",
        f"{group.titled('Calibration of probabilities')}. On the line they are calibrated; above "
        "it they are too low. ECE is the mean distance from the line.",
    )  # fmt: skip


def _objects(page):
    if page.outputs.labels is None:
        return []
    frame = _measured(page.outputs, page.names)
    frame.columns = names_with_units([*frame.columns], frame.attrs.get("units", {}))
    if "sample" in frame:
        frame.insert(0, "image", [page.names[i] for i in frame.pop("sample")])
    return [table(frame.head(page.max_rows), caption("Objects", len(frame), page.max_rows))]


def _measured(outputs, names):
    """Measurements of the objects, as ``objects.csv`` has them."""
    _, step, inputs = outputs.steps[-1]
    if hasattr(step, "measure") and not outputs.consecutive:
        return step.measure(inputs)
    if hasattr(step, "measure"):
        from ..counting._checks import spacing_of  # imports torch
        from ..counting.tables import by_stack

        positions = check_positions(outputs.positions, len(names))
        table = step.measure(inputs, positions=positions)
        return by_stack(table, outputs.labels, positions, names, spacing_of(step, inputs))
    tables = [measure_objects(label) for label in outputs.labels]
    for i, each in enumerate(tables):
        each.insert(0, "sample", i)
    return pd.concat(tables, ignore_index=True)


def _data(page):
    shapes = {x.shape[:-1] for x in page.images}
    sizes = " × ".join(map(str, shapes.pop())) if len(shapes) == 1 else "different sizes"
    channels = page.images[0].shape[-1]
    named = [group for group in page.groups if group.name]
    pairs = [
        ("Images", f"{len(page.images)}, {sizes}, {channels} channel{'s' * (channels != 1)}"),
        *((f"{g.name} images".capitalize(), str(len(g.indices))) for g in named),
        ("Annotated images", f"{len(page.reference.labeled)}"),
    ]
    if page.counts is not None:
        pairs.append(("Objects", f"{int(np.sum(page.counts))} counted"))
        if not page.outputs.stacked:  # an object may be in sections of several groups
            sums = [(group, int(page.counts[group.indices].sum())) for group in named]
            pairs += [(group.titled("Objects"), f"{n}") for group, n in sums]
    if trained := _training_seconds(page.outputs):
        pairs.append(("Training took", f"{trained:.0f} s"))
    pairs.append(("Prediction took", f"{page.outputs.seconds:.1f} s"))
    return [summary(pairs)]


def _training_seconds(outputs):
    seconds = 0.0
    for _, step, _ in outputs.steps:
        ends = {row.get("phase"): row["time"] for row in getattr(step, "history_", [])}
        seconds += sum(ends.values())
    return seconds


def _training(page):
    for name, step, _ in page.outputs.steps:
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


def _settings(page):
    yield paragraph("A star marks parameters that differ from the default.")
    for name, step, _ in page.outputs.steps:
        changed, frame = settings(step)
        text = ", ".join(changed) or "default settings"
        parts = [table(frame, f"Settings of {name}")] if len(frame) else []
        if attributes := fitted_attributes(step):
            parts.append(f"<h3>Fitted attributes</h3>{summary(attributes)}")
        yield (
            f"<details><summary><strong>{escape(type(step).__name__)}</strong> "
            f"<code>{escape(text)}</code></summary>{''.join(parts)}</details>"
        )


def _versions(page):
    return [summary(installed_versions())]
