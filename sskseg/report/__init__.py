"""Tables, figures, and an HTML page about a fitted pipeline."""

from .calibration import ReliabilityDisplay
from .counts import CountAgreementDisplay
from .curves import HistoryDisplay, LabelEfficiencyDisplay
from .overlay import draw_outlines, save_overlay
from .page import html
from .pretraining import FeatureDisplay, ProxyDisplay
from .probability import ProbabilityDisplay
from .segmentation import SegmentationDisplay
from .simulation import SimulationDisplay
from .sizes import SizeDisplay
from .tables import format_table
from .totals import GroupComparisonDisplay
from .volume import VolumeDisplay

__all__ = [
    "CountAgreementDisplay",
    "FeatureDisplay",
    "GroupComparisonDisplay",
    "HistoryDisplay",
    "LabelEfficiencyDisplay",
    "ProbabilityDisplay",
    "ProxyDisplay",
    "ReliabilityDisplay",
    "SegmentationDisplay",
    "SimulationDisplay",
    "SizeDisplay",
    "VolumeDisplay",
    "draw_outlines",
    "format_table",
    "html",
    "save_overlay",
]
