"""The panel of results: counts by image and region, and their tables."""

from __future__ import annotations

from typing import Any

import pandas as pd

from ...io import write_object_table
from ..counts import NOT_CALIBRATED, count_session, lines_of, objects_of, why_no_interval
from ..regions import regions_of_samples
from .buttons import Panel


class ResultsPanel(Panel):
    """Count, and write counts and objects.

    Parameters
    ----------
    window : SegmentationWidget
    """

    def __init__(self, window: Any):
        super().__init__(window)
        self.region_layer: Any = None
        self.region_text = self.add_text("Regions: the whole image")
        self.add_row(
            {"Regions: selected shapes": self.choose_regions, "No regions": self.no_regions}
        )
        self.add_row({"Name selected shapes...": self.name_shapes})
        self.add_row({"Count": self.count})
        self.add_row(
            {"Save counts (CSV)": self.save_counts, "Save objects (CSV)": self.save_objects}
        )
        self.column.addStretch()

    def choose_regions(self) -> None:
        """Count by the shapes of the selected layer."""
        layer = self.window_.viewer.layers.selection.active
        self._regions_of(layer)  # raises if they are none
        self.region_layer = layer
        self.region_text.setText(f"Regions: {layer.name}")

    def no_regions(self) -> None:
        """Count whole images."""
        self.region_layer = None
        self.region_text.setText("Regions: the whole image")

    def name_shapes(self) -> None:
        """Ask for the name of the selected shapes; shapes of one name are one region."""
        layer = self.window_.viewer.layers.selection.active
        chosen: Any = getattr(layer, "selected_data", ())
        if type(layer).__name__ != "Shapes" or not chosen:
            raise ValueError("Select shapes of a Shapes layer first.")
        name = self.ask_text("Region", "Name")
        if name is not None:
            features = layer.features.copy()
            names = features["name"].tolist() if "name" in features else [None] * len(features)
            features["name"] = [name if i in chosen else old for i, old in enumerate(names)]
            layer.features = features

    def counts(self) -> pd.DataFrame:
        """Return the counts of all images and regions, as a table."""
        window = self.window_
        model = window.model()
        if not window.training.is_calibrated:
            raise ValueError(NOT_CALIBRATED)
        return count_session(window.session, model, self._regions())

    def _regions(self):
        if self.region_layer is None:
            return {}
        if self.region_layer not in self.window_.viewer.layers:
            name = self.region_layer.name
            self.no_regions()
            raise ValueError(f"The layer of regions {name!r} was deleted: choose another.")
        self.region_text.setText(f"Regions: {self.region_layer.name}")  # it may have a new name
        return self._regions_of(self.region_layer)

    def _regions_of(self, layer):
        samples, layers = self.window_.session.samples, self.window_.layers
        return regions_of_samples(layer, samples.values(), {n: layers.get(n) for n in samples})

    def count(self) -> None:
        """Show the counts."""
        table = self.counts()
        notes = [why_no_interval(self.window_.model()[-1])]
        comparison = self.window_.training.comparison
        if comparison is not None and comparison.is_network_behind:
            notes.append(f"{comparison} Train longer, and count again.")
        self.window_.say("\n".join([*lines_of(table), *(note for note in notes if note)]))

    def save_counts(self) -> None:
        """Write the counts."""
        self._save(self.counts(), "counts.csv")

    def save_objects(self) -> None:
        """Write all objects, with their sizes."""
        self.window_.model()
        self._save(objects_of(self.window_.session, self._regions()), "objects.csv")

    def _save(self, table, name):
        path = self.ask_path(name, "CSV (*.csv)")
        if path:
            write_object_table(path, table)
            self.window_.say(f"{len(table)} rows are in {path}.")
