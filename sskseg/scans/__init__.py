"""Images larger than memory, block by block."""

from .blocks import predict_blocks

__all__ = ["predict_blocks"]
