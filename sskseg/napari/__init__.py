"""A window of napari: paint, train a model, correct its objects, count.

Everything but `sskseg.napari.widget` and `sskseg.napari.panels` works without Qt.
"""

from .answers import Answer, answer_of
from .corrections import correct
from .counts import count_objects, count_session
from .forest import ForestView, Part, View
from .sample import Sample
from .session import Session
from .starting import choose_start
from .suggestions import Suggestion, suggest
from .training import Training

__all__ = [
    "Answer",
    "ForestView",
    "Part",
    "Sample",
    "Session",
    "Suggestion",
    "Training",
    "View",
    "answer_of",
    "choose_start",
    "correct",
    "count_objects",
    "count_session",
    "suggest",
]
