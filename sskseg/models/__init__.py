"""Fitted pipelines as files."""

from .files import load_model, save_model

__all__ = ["load_model", "save_model"]
