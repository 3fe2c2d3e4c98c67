"""Panels of the widget, one for each tab, and one of the forest. They need Qt."""

from .corrections import CorrectionsPanel
from .export import ExportPanel
from .folders import FoldersPanel
from .forest import ForestPanel
from .labels import LabelsPanel
from .results import ResultsPanel
from .training import TrainingPanel

__all__ = [
    "CorrectionsPanel",
    "ExportPanel",
    "FoldersPanel",
    "ForestPanel",
    "LabelsPanel",
    "ResultsPanel",
    "TrainingPanel",
]
