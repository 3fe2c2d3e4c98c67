"""Simulated images, as napari's sample data."""

from __future__ import annotations

from typing import Any

from ..datasets import make_cells, make_neuromuscular_junctions

_SIZE = (256, 256)


def cells() -> list[tuple[Any, dict, str]]:
    """Simulate cells, as layers."""
    X, _ = make_cells(n_samples=3, shape=_SIZE, random_state=0)
    return [(image, {"name": f"cells {i + 1}"}, "image") for i, image in enumerate(X)]


def junctions() -> list[tuple[Any, dict, str]]:
    """Simulate the signal of neuromuscular junctions, as layers."""
    X, _ = make_neuromuscular_junctions(n_samples=3, shape=_SIZE, random_state=0)[:2]
    return [(image[..., 0], {"name": f"junctions {i + 1}"}, "image") for i, image in enumerate(X)]
