"""Search of the counter's parameters on annotated samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..model_selection.intervals import join_held_out, known_counts
from ..model_selection.parameter_search import ParameterSearch
from ..model_selection.reference import Reference, count_each, object_sizes
from ..morphology import remove_small
from ._splitting import Splitter
from .candidates import merge_distance_candidates, min_size_candidates
from .methods import InstanceMethod

DEFAULTS = {"threshold": 0.5, "min_size": 0, "merge_distance": 0.0}
_THRESHOLDS = (0.5, 0.4, 0.6, 0.3, 0.7)
# Standard errors by which another value must be better. Of sizes and merge distances, labels know
# more than a default does; of few images, other seeds and thresholds are often chosen by chance.
_MARGINS = {"seeds": 2, "seed_height": 2, "threshold": 2, "cut_weights": 2}


def initial_values(
    given: Mapping[str, Any], method: InstanceMethod, *, has_cores: bool = False
) -> dict[str, Any]:
    """Replace "auto" by the default of each parameter."""
    return _initial_values(given, _candidates(given, method, has_cores, False))


def _candidates(given, method, has_cores, is_fragmented):
    """Values of the method's parameters to try; given distances say that objects are fragmented."""
    merges = given["merge_distance"] not in ("auto", 0)
    return method.candidates_of(has_cores=has_cores, is_fragmented=is_fragmented or merges)


def _initial_values(given, candidates):
    values: dict[str, Any] = {}
    for name, value in given.items():
        tried = candidates.get(name)
        if callable(tried):
            tried = tried({**DEFAULTS, **values}, ())  # of the parameters before it
        default = DEFAULTS[name] if tried is None else tried[0]
        values[name] = default if value == "auto" else value
    return values


def search_values(
    splitter: Splitter,
    given: Mapping[str, Any],
    outputs: Sequence[np.ndarray],
    reference: Reference,
    margin: int,
) -> tuple[dict[str, Any], np.ndarray | None]:
    """Search the parameters that are given as "auto".

    Parameters
    ----------
    splitter : Splitter
    given : dict
        Parameters of `Splitter.label`.
    outputs : sequence of ndarray of shape (*spatial, 1) or (*spatial, 2)
        Probabilities of all samples, see `Splitter.split`.
    reference : Reference
    margin : int
        As in `sskseg.morphology.count_objects`.

    Returns
    -------
    values : dict
    held_out : ndarray of float, shape (n_known, 2), or None
        True counts, and those predicted with values searched on other samples, see
        `ParameterSearch.held_out_counts`.
    """
    others = [outputs[i] for i in reference.other_indices]
    method, outputs = splitter.method, [outputs[i] for i in reference.indices]
    objective = _Objective(splitter, outputs, reference)
    merge_distances = objective.merge_distances()
    candidates = _candidates(given, method, outputs[0].shape[-1] > 1, len(merge_distances) > 1)
    start = _initial_values(given, candidates)
    if reference.objects:
        learned = method.learned_candidates(outputs, reference.objects, splitter.spacing)
        candidates = {**candidates, **learned}
    search = ParameterSearch(
        objective.evaluate, reference.loss, len(reference.sizes),
        start,
        [name for name in method.search_order if given[name] == "auto"],
        {
            "threshold": _THRESHOLDS, **candidates,
            "min_size": objective.min_sizes, "merge_distance": merge_distances,
        },
        _MARGINS,
    )  # fmt: skip
    values, held_out = search.search(), search.held_out_counts(reference.counts)
    # Samples that the search left out to save time are all held out.
    labels = (splitter.label([output], values) for output in others)
    counts = [count_each(label, margin)[0] for label in labels]
    return values, join_held_out(held_out, known_counts(reference.other_counts, counts))


class _Objective:
    """Compare the objects that parameters give with a reference."""

    def __init__(self, splitter, outputs, reference):
        self.splitter, self.outputs, self.reference = splitter, outputs, reference
        self._latest: tuple[dict[str, float], list[np.ndarray]] = {}, []

    def evaluate(self, min_size, **parameters):
        labels = self._split(parameters)
        return self.reference.evaluate([remove_small(label, min_size) for label in labels])

    def min_sizes(self, values, indices):
        """Return minimum sizes to try on some samples, from the sizes of labeled objects, or of
        those that the current values give."""
        sizes = np.concatenate([self.reference.sizes[i] for i in indices])
        if not sizes.size:
            labels = self._split({k: v for k, v in values.items() if k != "min_size"})
            sizes = np.concatenate([object_sizes(labels[i]) for i in indices])
        return min_size_candidates(sizes)

    def merge_distances(self):
        ndim = self.outputs[0].ndim - 1
        pixel = float(np.prod(self.splitter.spacing or 1.0)) ** (1 / ndim)
        sizes, parts = np.concatenate(self.reference.sizes), np.concatenate(self.reference.parts)
        return merge_distance_candidates(sizes, parts, ndim, pixel)

    def _split(self, parameters):
        """Split all samples; minimum sizes share the latest result."""
        if not self._latest[1] or self._latest[0] != parameters:
            labels = [self.splitter.split(output, parameters) for output in self.outputs]
            self._latest = parameters, labels
        return self._latest[1]
