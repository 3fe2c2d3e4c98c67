"""Parameters that describe what a fit learned, whatever they are set to later."""

from __future__ import annotations

import copy
from typing import Any, TypeVar

from sklearn.base import BaseEstimator

Estimator = TypeVar("Estimator", bound=BaseEstimator)


def keep_parameters(estimator: BaseEstimator) -> None:
    """Keep the parameters that describe what a fit learns, at its beginning.

    Parameters
    ----------
    estimator : estimator
        Its class lists their names as `_kept`.
    """
    names = getattr(estimator, "_kept", ())
    values = {name: getattr(estimator, name) for name in names}
    if values:
        estimator._fit_parameters_ = {
            # `clone` would copy the networks of encoders, too
            name: copy.copy(value) if isinstance(value, BaseEstimator) else value
            for name, value in values.items()
        }


def as_fitted(estimator: Estimator) -> Estimator:
    """Return an estimator with the parameters that its last fit kept.

    Predictions, files and pickles need them, as scikit-learn's estimators predict with what they
    learned: parameters that have been set since are for the next fit.

    Parameters
    ----------
    estimator : estimator

    Returns
    -------
    estimator
        Itself, or a shallow copy.
    """
    kept = vars(estimator).get("_fit_parameters_", {})  # not in pickles of earlier versions
    changed = {
        name: value
        for name, value in kept.items()
        if not _is_unchanged(getattr(estimator, name), value)
    }
    if not changed:
        return estimator
    fitted = object.__new__(type(estimator))  # `copy` would copy the networks, too
    fitted.__dict__.update(vars(estimator), **changed)
    return fitted


def _is_unchanged(value: Any, kept: Any) -> bool:
    if value is kept or not isinstance(kept, BaseEstimator):
        return value is kept
    parameters = kept.get_params(deep=False)
    return type(value) is type(kept) and all(
        getattr(value, name) is parameter for name, parameter in parameters.items()
    )
