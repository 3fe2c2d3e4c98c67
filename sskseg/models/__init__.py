"""Fitted pipelines as files, and trained ones that come with the package."""

from .cards import ModelCard, list_models, model_card
from .files import load_metadata, load_model, save_model
from .pretrained import PretrainedBackbone

__all__ = [
    "ModelCard",
    "PretrainedBackbone",
    "list_models",
    "load_metadata",
    "load_model",
    "model_card",
    "save_model",
]
