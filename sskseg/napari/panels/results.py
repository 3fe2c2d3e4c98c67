"""The panel of results: counts and files."""

from __future__ import annotations

from typing import Any

import pandas as pd

from ...io import write_object_table, write_rois
from ...models import save_model
from ..answers import count_objects
from ..layers import names_of
from .buttons import Panel


class ResultsPanel(Panel):
    """Count, and write counts, outlines and the model.

    Parameters
    ----------
    window : SegmentationWidget
    """

    def __init__(self, window: Any):
        super().__init__(window)
        self.add_row({"Count": self.count, "Save counts (CSV)": self.save_counts})
        self.add_row({"Save outlines": self.save_outlines, "Save model": self.save_model})
        self.column.addStretch()

    def counts(self) -> pd.DataFrame:
        """Return the counts of all images, as a table."""
        window = self.window_
        window.model()
        tables = [
            count_objects(window.session.samples[name], answer.labels).assign(image=name)
            for name, answer in window.answers.items()
        ]
        return pd.concat(tables, ignore_index=True)

    def count(self) -> None:
        """Show the counts."""
        table = self.counts()
        lines = [f"{row.image}: {row.objects} objects" for row in table.itertuples()]
        if self.window_.session.complete_annotations() is None:
            lines.append(
                "No complete region is marked: sizes are not calibrated, and fragments count."
            )
        self.window_.say("\n".join(lines))

    def save_counts(self) -> None:
        """Write the counts."""
        table, path = self.counts(), self.ask_path("counts.csv", "CSV (*.csv)")
        if path:
            write_object_table(path, table)

    def save_outlines(self) -> None:
        """Write the outlines of the selected image's objects, for Fiji or QuPath."""
        window = self.window_
        window.model()
        active = window.viewer.layers.selection.active
        selected = "" if active is None else active.name
        name = next((n for n in window.answers if selected in (n, *names_of(n))), None)
        if name is None:
            raise ValueError(f"Select a layer of an image of the session, got {selected!r}.")
        path = self.ask_path(f"{name}.geojson", "GeoJSON (*.geojson);;ROIs of Fiji (*.zip)")
        if path:
            write_rois(path, window.answers[name].labels)

    def save_model(self) -> None:
        """Write the pipeline."""
        model, path = self.window_.model(), self.ask_path("model.sskseg", "sskseg (*.sskseg)")
        if path:
            save_model(model, path)
