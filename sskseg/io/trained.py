"""Where the trained models are that come with the package."""

from __future__ import annotations

import os
from pathlib import Path

TRAINED = Path(__file__).parents[1] / "models" / "trained"


def trained_names() -> list[str]:
    """Return the names of the trained models, sorted."""
    return sorted(path.stem for path in TRAINED.glob("*.json"))


def trained_file(path: str | os.PathLike[str]) -> Path | None:
    """Return the file of a trained model; None if a file has this name, or no model."""
    is_name = str(path) in trained_names() and not os.path.exists(path)
    return TRAINED / f"{path}.sskseg" if is_name else None
