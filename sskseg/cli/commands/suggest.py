"""``sskseg suggest``: which images or sections to label next."""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from ... import SemiSupervisedSegmenter, suggest_samples
from ...images import spatial_ndim_of
from ._common import (
    model_of,
    progress_bars,
    read_with_labels,
    say,
    takes_sections,
    warn_of_numbers,
)


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Print the names of the images to label, the most useful one first."""
    model = None if options.model is None else model_of(options)
    ndim = _spatial_ndim(options, model)
    names, X, y = read_with_labels(options, ndim)
    if model is None:
        indices = suggest_samples(X, options.n, y=y, spatial_ndim=ndim)
    else:
        if takes_sections(model):
            warn_of_numbers(X, options)
        with progress_bars(options):
            indices = _by_disagreement(model, X, options.n, y)
    suggested = [names[i] for i in indices]
    for name in suggested:
        say(options, name)
    return {"images": len(names), "suggested": suggested}


def _spatial_ndim(options, model):
    """That of the model, or else the option."""
    given = options.spatial_ndim
    if model is None:
        return given or 2
    ndim = spatial_ndim_of(model)
    if given not in (None, ndim):
        raise ValueError(
            f"--spatial-ndim must be {ndim}, as of --model {options.model}, got {given}."
        )
    return ndim


def _by_disagreement(model: Any, X: Any, n: int, y: Any) -> np.ndarray:
    """Rank images by the disagreement of the network of a model, after the steps before it."""
    for step in [step for _, step in model.steps] if hasattr(model, "steps") else [model]:
        if isinstance(step, SemiSupervisedSegmenter):
            return step.suggest_sections(X, n, y=y)
        X = step.transform(X)
    raise ValueError("--model must have a SemiSupervisedSegmenter, such as sskseg fit writes.")
