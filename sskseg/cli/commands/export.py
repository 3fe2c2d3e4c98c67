"""``sskseg export``: a model for other programs."""

from __future__ import annotations

import argparse
from typing import Any

from ...export import export_bioimageio, export_onnx
from ...export._parts import NotExportable
from ..results import check_new_file
from ._channels import trained_channel
from ._common import model_file, read, read_model, say

_OF_PACKAGES = ("sample", "name", "description", "author", "license")


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Write an ONNX file, or a package of the BioImage Model Zoo."""
    suffix = options.out.suffix.lower()
    if suffix not in (".onnx", ".zip"):
        raise ValueError(f"{options.out} must end with .onnx or .zip (a bioimage.io package).")
    check_new_file(options.out, options, "export")
    model = read_model(options.model)
    try:
        export_onnx(model, options.out) if suffix == ".onnx" else _package(model, options)
    except NotExportable as error:
        raise ValueError(f"{options.model} cannot be exported: {error}") from error
    say(options, f"Wrote {options.out}")
    return {"output": str(options.out)}


def _package(model, options):
    missing = [f"--{name}" for name in _OF_PACKAGES if not getattr(options, name)]
    if missing:
        raise ValueError(f"A bioimage.io package needs {', '.join(missing)}.")
    if options.channel is None:
        options.channel = trained_channel(model_file(options.model))
    _, X = read(options.sample, options, model)
    export_bioimageio(
        model, options.out, sample=X, name=options.name, description=options.description,
        authors=options.author, license=options.license,
    )  # fmt: skip
