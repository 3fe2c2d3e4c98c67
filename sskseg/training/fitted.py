"""Parameters that describe what a fit learned, whatever they are set to later."""

from __future__ import annotations

from typing import TypeVar

from sklearn.base import BaseEstimator, clone

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
            name: clone(value) if isinstance(value, BaseEstimator) else value
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
    if all(getattr(estimator, name) is value for name, value in kept.items()):
        return estimator
    fitted = object.__new__(type(estimator))  # `copy` would copy the networks, too
    fitted.__dict__.update(vars(estimator), **kept)
    return fitted
