"""Search of a detector's thresholds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..model_selection.parameter_search import ParameterSearch
from ..model_selection.reference import Reference
from .suppression import Proposals, non_maximum_suppression

_CANDIDATES = {
    "score_threshold": (0.5, 0.4, 0.6, 0.3, 0.7, 0.2, 0.8),
    "nms_threshold": (0.3, 0.5, 0.2, 0.7, 0.1),
}


def lowest_score_threshold(given: Any) -> float:
    """Return the lowest score threshold that the search tries; `given` is a number or "auto"."""
    return min(_CANDIDATES["score_threshold"]) if given == "auto" else given


def threshold_search(
    proposals: list[Proposals], reference: Reference, given: Mapping[str, Any]
) -> ParameterSearch:
    """Return a search of the thresholds that are given as "auto".

    Parameters
    ----------
    proposals : list of Proposals
        Of the images that the reference evaluates, above the lowest score threshold.
    reference : Reference
    given : dict of str to float or "auto"
        ``score_threshold`` and ``nms_threshold``.
    """
    start = {k: _CANDIDATES[k][0] if value == "auto" else value for k, value in given.items()}
    auto = [name for name, value in given.items() if value == "auto"]

    def evaluate(score_threshold, nms_threshold):
        kept = (each.above(score_threshold) for each in proposals)
        return reference.evaluate([non_maximum_suppression(p, nms_threshold).labels for p in kept])

    return ParameterSearch(
        evaluate, reference.loss, len(proposals), start,
        auto * 2 if len(auto) > 1 else auto,  # they depend on each other
        _CANDIDATES,
    )  # fmt: skip
