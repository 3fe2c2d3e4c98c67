"""The command line `sskseg`."""

from .main import main

__all__ = ["main"]
