"""Images larger than memory, block by block."""

from .blocks import predict_blocks
from .counting import ScanPlan, ScanResult, count_scan, plan_scan
from .labels import label_blocks
from .opening import Scan, open_scan
from .tables import count_by_region, density_map
from .workers import ScanError

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
