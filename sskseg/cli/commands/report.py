"""``sskseg report``: an HTML page about a model and its predictions."""

from __future__ import annotations

import argparse
from typing import Any

from ...io import read_pairs
from ...report import html
from ._common import read, read_model, say, spatial_ndim


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Write the page."""
    model, y = read_model(options.model), None
    if options.labels is None:
        options.spacing = None
        names, X = read(options.images, options, model)
    else:
        ndim = spatial_ndim(model)
        names, X, y = read_pairs(options.images, options.labels, spatial_ndim=ndim)
    path = html(model, X, y, options.out, names=names)
    say(options, f"Wrote {path}")
    return {"report": str(path)}
