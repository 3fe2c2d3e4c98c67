"""Cross-validation, scorers and parameter search with unlabeled samples."""

from ._split import LabeledKFold
from .cross_fitted import CrossFitted
from .scorers import count_scorer, dice_scorer

__all__ = ["CrossFitted", "LabeledKFold", "count_scorer", "dice_scorer"]
