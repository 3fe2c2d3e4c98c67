"""Scans: images larger than memory, processed block by block."""

from ..counting import count_by_region
from ..inference.blocks import predict_blocks
from ..io.scans import Scan, open_scan
from .components import label_blocks
from .count import ScanResult, count_scan
from .estimate import ScanPlan, plan_scan
from .scheduler import ScanError
from .tables import density_map

__all__ = [
    "Scan",
    "ScanError",
    "ScanPlan",
    "ScanResult",
    "count_by_region",
    "count_scan",
    "density_map",
    "label_blocks",
    "open_scan",
    "plan_scan",
    "predict_blocks",
]
