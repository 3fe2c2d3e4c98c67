"""Models for other programs: ONNX files and packages of the BioImage Model Zoo."""

from ._bioimageio import export_bioimageio
from ._onnx import export_onnx

__all__ = ["export_bioimageio", "export_onnx"]
