"""Totals with intervals, from counts of a network and a few tiles that a person audits."""

from ._estimate import TotalEstimate, estimate_total
from ._files import read_audit, read_plan, write_audit
from ._groups import GroupComparison, compare_groups
from ._plan import AuditPlan, plan_audit
from ._predict import predict_tiles
from ._tiles import count_tiles

__all__ = [
    "AuditPlan",
    "GroupComparison",
    "TotalEstimate",
    "compare_groups",
    "count_tiles",
    "estimate_total",
    "plan_audit",
    "predict_tiles",
    "read_audit",
    "read_plan",
    "write_audit",
]
