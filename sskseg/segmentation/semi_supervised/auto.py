"""Which semi-supervised methods to use, and why."""

from __future__ import annotations

import logging
import warnings
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from sklearn.base import clone

from ...images import consecutive_runs, groups_of_sections
from ...images.annotation_checks import about_zeros, is_mostly_zeros
from ._base import SemiSupervisedMethod, make_method
from .continuity import Continuity, SectionMean
from .pseudo_labels import MAX_CONTEXT, is_mostly_unlabeled
from .self_training import SelfTraining

if TYPE_CHECKING:
    from .._training_data import TrainingData

_LOGGER = logging.getLogger("sskseg")
_MIN_LABELED_SECTIONS = 1.5  # areas of sections, whose labels teach more than pseudo-labels


class Choice(NamedTuple):
    """Semi-supervised methods, and the reason for them.

    Parameters
    ----------
    methods : list of SemiSupervisedMethod
    reason : str
    """

    methods: list
    reason: str

    def log(self) -> Choice:
        """Write the choice to the log."""
        names = " and ".join(method.name for method in self.methods) or "none"
        _LOGGER.info("semi-supervision: %s (%s)", names, self.reason)
        return self


def check_methods(semi_supervision: Any) -> list[SemiSupervisedMethod] | str:
    """Turn the parameter `semi_supervision` into "auto" or a list of methods.

    Parameters
    ----------
    semi_supervision : "auto", None, str, SemiSupervisedMethod or sequence of them

    Returns
    -------
    "auto" or list of SemiSupervisedMethod
        Clones, which a fit may change.

    Raises
    ------
    ValueError
        For unknown or repeated methods, and for two that have a teacher each.
    """
    if isinstance(semi_supervision, str) and semi_supervision == "auto":
        return "auto"
    if semi_supervision is None:
        return []
    single = isinstance(semi_supervision, (str, SemiSupervisedMethod))
    given = [semi_supervision] if single else list(semi_supervision)
    methods = [clone(make_method(method)) for method in given]
    names = [method.name for method in methods]
    if not methods or len(set(names)) < len(names):
        raise ValueError(
            "semi_supervision must be 'auto', None, or one or several different methods, got "
            f"{semi_supervision!r}."
        )
    teachers = [method.name for method in methods if method.has_teacher]
    if len(teachers) > 1:
        raise ValueError(f"semi_supervision takes {' or '.join(map(repr, teachers))}, not both.")
    return methods


def choose_methods(methods: list[SemiSupervisedMethod] | str, data: TrainingData) -> Choice:
    """Decide how to learn from unlabeled pixels.

    Parameters
    ----------
    methods : "auto" or list of SemiSupervisedMethod
        Methods, as `check_methods` returns them.
    data : TrainingData
        Without the labels of the validation set, whose samples do not count.

    Returns
    -------
    Choice

    Raises
    ------
    ValueError
        For a method that needs neighboring sections, if no samples are.
    """
    if isinstance(methods, list) and longest_run(data.image_positions) < 2:
        for method in methods:
            if method.needs_neighbors:
                raise ValueError(
                    f"semi_supervision={method.name!r} needs neighboring sections: "
                    "sections='consecutive' and positions that differ by one."
                )
    if not methods:
        return Choice([], "semi_supervision is None")
    used = np.flatnonzero(data.weight > 0)
    labels = [data.labels[i] for i in used]
    positions = None if data.positions is None else data.positions[used]
    unlabeled = [bool((label < 0).any()) for label in labels]
    if not any(unlabeled):
        _warn_of_labels(methods, labels)
        return Choice([], "every pixel is labeled")
    longest = longest_run(positions)
    if isinstance(methods, str):
        return _choose_automatically(labels, positions, longest, sum(unlabeled))
    usable = [method for method in methods if longest > 1 or not method.needs_neighbors]
    if len(usable) < len(methods):
        return Choice(usable, "as requested; no two training samples are neighboring sections")
    return Choice(methods, "as requested")


def _warn_of_labels(methods, labels):
    """Warn if every pixel is labeled, and this cannot be meant.

    To label whole images is the best case. But pages that nobody has painted yet are zeros, the
    foreground alone is no contrast to learn from, and a method that was asked for has no effect.
    """
    if not isinstance(methods, str):
        problem = "nothing is left for semi_supervision, which semi_supervision=None turns off."
    elif all((label > 0).all() for label in labels):
        problem = "none is background: label some pixels 0, and those that you do not know -1."
    elif is_mostly_zeros(labels):
        problem = f"training is supervised.{about_zeros(labels)}"
    else:
        return
    warnings.warn(f"Every pixel of y is labeled, and {problem}", UserWarning, stacklevel=4)


def _choose_automatically(labels, positions, longest, n_unlabeled):
    if not any(is_mostly_unlabeled(label) for label in labels):
        return Choice([], "every sample is mostly labeled, and unlabeled pixels are ignored")
    reason = f"{n_unlabeled} of {len(labels)} training samples are not fully labeled"
    if longest < 2:
        return Choice([SelfTraining()], f"{reason}; no two are neighboring sections")
    reason += f"; the longest run of neighboring sections has {longest}"
    n_labeled = _labeled_sections(labels, positions)
    if n_labeled >= _MIN_LABELED_SECTIONS:
        reason += f"; the labels amount to {n_labeled:.3g} sections (close ones count once)"
        return Choice([SectionMean()], reason)
    return Choice([SelfTraining(), Continuity()], reason)


def longest_run(positions: np.ndarray | None) -> int:
    """Return the number of sections in the longest stack; None is of independent samples."""
    return 1 if positions is None else max(len(run) for run in consecutive_runs(positions))


def _labeled_sections(labels, positions):
    """Return the labeled area in sections. Sections that are averaged together count once."""
    shares = np.array([np.mean(label >= 0) for label in labels])
    labeled = shares > 0
    groups = groups_of_sections(positions[labeled], 2 * MAX_CONTEXT)
    return sum(float(shares[labeled][group].max()) for group in groups)
