"""Semi-supervised methods: how to learn from unlabeled pixels."""

from ._base import METHODS, Correction, SemiSupervisedMethod, make_method
from .auto import Choice, check_methods, choose_methods
from .consistency import Consistency
from .continuity import Continuity, SectionMean
from .mean_teacher import MeanTeacher
from .pseudo_labels import CONFIDENCE, PseudoLabels, in_one_block
from .rounds import PseudoLabeling
from .self_training import SelfTraining

__all__ = [
    "CONFIDENCE",
    "METHODS",
    "Choice",
    "Consistency",
    "Continuity",
    "Correction",
    "MeanTeacher",
    "PseudoLabeling",
    "PseudoLabels",
    "SectionMean",
    "SelfTraining",
    "SemiSupervisedMethod",
    "check_methods",
    "choose_methods",
    "in_one_block",
    "make_method",
]
