"""``sskseg report``: an HTML page about a model and its predictions."""

from __future__ import annotations

import argparse
from typing import Any

from ...io.units import unit_symbol
from ...report import html
from ._common import new_folder, read_model, read_with_labels, say, spatial_ndim, with_spacing


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Write the page."""
    if options.out.is_dir():
        raise ValueError(f"{options.out} is a folder: --out must be an HTML file.")
    new_folder(options.out.absolute().parent)
    model = read_model(options.model)
    ndim = spatial_ndim(model)
    names, X, y = read_with_labels(options, ndim)
    X = with_spacing(X, options.spacing, ndim)
    unit = unit_symbol(X.unit or "pixels")
    path = html(model, X, y, options.out, names=names, spacing=X.spacing, unit=unit)
    say(options, f"Wrote {path}")
    return {"report": str(path)}
