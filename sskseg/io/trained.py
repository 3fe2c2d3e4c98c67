"""Where the trained models are that come with the package."""

from __future__ import annotations

import os
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

TRAINED = Path(__file__).parents[1] / "models" / "trained"


def trained_names() -> list[str]:
    """Return the names of the trained models, sorted."""
    return sorted(path.stem for path in TRAINED.glob("*.json"))


def trained_file(path: str | os.PathLike[str]) -> Path | None:
    """Return the file of a trained model; None if a file has this name, or no model."""
    is_name = str(path) in trained_names() and not os.path.exists(path)
    return TRAINED / f"{path}.sskseg" if is_name else None


def did_you_mean(word: str, words: Iterable[str]) -> str:
    """Return a question with the closest of some words, for the end of a message; empty if none.

    Examples
    --------
    >>> from sskseg.io.trained import did_you_mean
    >>> did_you_mean("nuclie", ["junctions", "nuclei"])
    ' Did you mean nuclei instead of nuclie?'
    """
    closest = get_close_matches(word, list(words), n=1, cutoff=0.7)
    return f" Did you mean {closest[0]} instead of {word}?" if closest else ""
