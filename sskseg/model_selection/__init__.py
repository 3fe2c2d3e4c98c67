"""Cross-validation and scorers that know of unlabelled samples."""

from ._split import LabelledKFold
from .scorers import count_scorer, dice_scorer

__all__ = ["LabelledKFold", "count_scorer", "dice_scorer"]
