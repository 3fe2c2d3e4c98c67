"""Cross-validation and scorers that know of unlabeled samples."""

from ._split import LabeledKFold
from .scorers import count_scorer, dice_scorer

__all__ = ["LabeledKFold", "count_scorer", "dice_scorer"]
