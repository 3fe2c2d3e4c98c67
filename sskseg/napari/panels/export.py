"""The panel of exports: outlines, the model, a package, a script, the whole file."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication, QProgressBar

from ...io import atomic_path, write_rois
from ...models import save_model
from ..counts import NOT_CALIBRATED
from ..files import read_result
from ..script import script_of
from ..whole_file import ScanRun
from .buttons import Panel

_INTERVAL = 200  # milliseconds between two readings of the progress
_QUESTIONS = {  # of a package of bioimage.io, and answers
    "Name of the model": "Segmentation of cells", "Description": "", "Author": "",
    "License": "CC-BY-4.0",
}  # fmt: skip


class ExportPanel(Panel):
    """Write outlines, the model and a script, and count a whole file.

    Parameters
    ----------
    window : SegmentationWidget
    """

    def __init__(self, window: Any):
        super().__init__(window)
        self.run: ScanRun | None = None
        self.bar, self.timer = QProgressBar(), QTimer(self)
        self.timer.timeout.connect(self.update_run)
        self.add_row({"Save outlines...": self.save_outlines, "Save model...": self.save_model})
        self.add_row({
            "Save for bioimage.io...": self.save_package, "Copy as Python": self.copy_script,
        })  # fmt: skip
        self.add_row({"Run on the whole file...": self.run_on_file, "Cancel": self.cancel_run})
        self.column.addWidget(self.bar)
        self.column.addStretch()

    def save_outlines(self) -> None:
        """Write the outlines of the selected image's objects, for Fiji or QuPath."""
        window = self.window_
        window.model()
        name = window.layers.image_of(window.viewer.layers.selection.active)
        answer = window.session.answers[name]
        path = self.ask_path(f"{name}.geojson", "GeoJSON (*.geojson);;ROIs of Fiji (*.zip)")
        if path:
            write_rois(path, answer.labels, table=answer.table)
            self.window_.say(f"{len(answer.table)} outlines of {name} are in {path}.")

    def save_model(self) -> None:
        """Write the pipeline."""
        model, path = self.window_.model(), self.ask_path("model.sskseg", "sskseg (*.sskseg)")
        if path:
            save_model(model, path)
            self.window_.say(f"The model is in {path}: for `sskseg predict` and load_model.")

    def save_package(self) -> None:
        """Write the network to a package of the BioImage Model Zoo."""
        from ...export import export_bioimageio

        model, session = self.window_.model(), self.window_.session
        path = self.ask_path("model.zip", "BioImage Model Zoo (*.zip)")
        if not path:
            return
        texts = []
        for question, default in _QUESTIONS.items():
            texts.append((self.ask_text("bioimage.io", question, default) or "").strip())
            if not texts[-1]:
                raise ValueError(f"Nothing was written: {question!r} has no answer.")
        name, description, author, license = texts
        export_bioimageio(
            model, path, sample=session.stack(), name=name, description=description,
            authors=[author], license=license,
        )  # fmt: skip
        self.window_.say(f"{path}: test it with bioimageio.core.test_model.")

    def copy_script(self) -> None:
        """Write the data, and copy a script that trains and counts the same."""
        window = self.window_
        window.model()
        window.layers.read()
        if window.session.folder is None:  # where the script reads the data
            window.folders_panel.save_in()
        folder = window.session.folder
        if folder is not None:
            window.session.save_data(folder)
            script = script_of(window.training, folder)
            with atomic_path(folder / "train_and_count.py") as path:
                path.write_text(script, encoding="utf-8")
            QApplication.clipboard().setText(script)
            window.say(f"Copied, and written to {folder / 'train_and_count.py'}.")

    def run_on_file(self) -> None:
        """Count a file larger than memory, in the background."""
        model = self.window_.model()
        if self.run is not None and self.run.is_running:
            raise RuntimeError("A file is being counted: cancel it, or wait for its end.")
        if not self.window_.training.is_calibrated:
            raise ValueError(NOT_CALIBRATED)
        source = self.ask_file("Image to count")
        destination = source and self.ask_path(f"{source.stem}_objects.zarr", "OME-Zarr (*.zarr)")
        if source and destination:
            self.run = ScanRun(model, source, destination)
            self.run.start()
            self.timer.start(_INTERVAL)
            self.window_.say(f"Counting {source.name}. You can paint meanwhile.")

    def cancel_run(self) -> None:
        """End the run after its current block."""
        if self.run is not None:
            self.run.cancel()

    def update_run(self) -> None:
        """Show the progress of the run, and its result once it is done."""
        if self.run is None:
            return
        run = self.run
        self.show_progress(self.bar, run)
        if not run.is_running:
            self.timer.stop()
            self.window_.attempt(lambda: self._show_run(run))

    def _show_run(self, run):
        if run.error is not None:
            raise RuntimeError(f"{run.source.name} was not counted: {run.error}") from run.error
        if run.is_canceled:
            self.window_.say(f"Canceled. Another run to {run.destination} resumes.")
            return
        for data, options, _ in read_result(run.destination):
            self.window_.viewer.add_labels(data, **options)
        self.window_.say(f"{run.source.name}: {run.n_objects} objects, in {run.destination}.")
