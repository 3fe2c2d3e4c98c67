"""Learning from unlabeled images."""

from .consistency import MeanTeacher, WeakToStrong
from .continuity import DisturbedSections

__all__ = ["DisturbedSections", "MeanTeacher", "WeakToStrong"]
