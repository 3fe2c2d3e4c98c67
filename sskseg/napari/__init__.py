"""A window of napari: paint, train a model, correct its objects, count.

Everything but `sskseg.napari.widget` works without Qt.
"""

from .answers import Answer, answer_of, count_objects
from .forest import ForestView
from .session import Sample, Session
from .training import Training

__all__ = ["Answer", "ForestView", "Sample", "Session", "Training", "answer_of", "count_objects"]
