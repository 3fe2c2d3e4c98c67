"""Cross-validation, scorers and parameter search with unlabeled samples."""

from ._split import LabeledKFold
from .cross_fitted import CrossFitted
from .scorers import count_scorer, dice_scorer
from .sections import cross_val_sections
from .suggestions import suggest_samples

__all__ = [
    "CrossFitted",
    "LabeledKFold",
    "count_scorer",
    "cross_val_sections",
    "dice_scorer",
    "suggest_samples",
]
