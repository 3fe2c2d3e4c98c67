"""Panels of the widget: labels, training, results. They need Qt."""

from .labels import LabelsPanel
from .results import ResultsPanel
from .training import TrainingPanel

__all__ = ["LabelsPanel", "ResultsPanel", "TrainingPanel"]
