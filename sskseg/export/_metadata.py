"""Metadata of an exported model: what its users need beside the graph."""

from __future__ import annotations

import json
from typing import Any

from ..morphology import CUT_FEATURES
from ._graph import INPUT, OUTPUT, size_rule
from ._parts import Parts
from ._preprocessing import n_input_sections
from ._sizes import InputSizes

_COMMON = ("threshold", "min_size", "merge_distance")


def axis_names(parts: Parts) -> str:
    """Return the spatial axes, such as "yx"."""
    return "zyx"[-parts.segmenter.spatial_ndim_ :]


def input_channels(parts: Parts) -> list[str]:
    """Name the input channels: of all sections that the network reads, the first section first."""
    channels = [f"channel {i}" for i in range(parts.segmenter.n_channels_)]
    n_sections = n_input_sections(parts.segmenter)
    if n_sections == 1:
        return channels
    sections = range(-(n_sections // 2), n_sections // 2 + 1)
    return [f"section {section:+d} {channel}" for section in sections for channel in channels]


def output_channels(parts: Parts) -> list[str]:
    """Name the outputs."""
    if parts.segmenter.target == "classes":
        return [f"class {value}" for value in parts.segmenter.classes_.tolist()]
    return ["foreground", "core"][: 1 + ("core" in parts.segmenter.loss_terms)]


def metadata(parts: Parts, sizes: InputSizes, outside: list[dict[str, Any]]) -> dict[str, Any]:
    """Describe a model: see `sskseg.export.export_onnx` for the keys.

    Parameters
    ----------
    parts : Parts
    sizes : InputSizes
    outside : list of dict
        Preprocessing that the graph does not hold.

    Returns
    -------
    dict
        Of what JSON can hold.
    """
    from .. import __version__

    segmenter = parts.segmenter
    described = {
        "sskseg_version": __version__,
        "axes": f"batch, channel, {', '.join(axis_names(parts))}",
        "input": INPUT,
        "input_channels": input_channels(parts),
        "preprocessing": outside,
        "output": OUTPUT,
        "output_channels": output_channels(parts),
        "sizes": size_rule(sizes),
        "minimum": list(sizes.minimum),
        "stride": list(sizes.stride),
        "margin": list(sizes.margin),
        "reach": None if sizes.reach is None else list(sizes.reach),
        "padding": "reflect" if any(sizes.margin) else "edge",
        "object_size": segmenter.object_size_,
        "pixel_size": _pixel_size(parts),
    }
    if segmenter.target == "classes":
        described["classes"] = segmenter.classes_.tolist()
    if parts.counter is not None:
        described["counter"] = counter_parameters(parts.counter)
    return described


def add_metadata(graph: Any, described: dict[str, Any]) -> None:
    """Add metadata to an ONNX graph: what is known, as JSON by key."""
    for key, value in described.items():
        if value is not None:
            entry = graph.metadata_props.add()
            entry.key, entry.value = key, json.dumps(value)


def _pixel_size(parts):
    """Size of a pixel along each axis, in the unit of the counter, or relative; None: unknown."""
    spacing = None if parts.counter is None else parts.counter.spacing_
    spacing = parts.segmenter.spacing_ if spacing is None else spacing
    return None if spacing is None else [float(value) for value in spacing]


def counter_parameters(counter: Any) -> dict[str, Any]:
    """Return how objects are found in the probabilities: the method, and its fitted parameters."""
    method = counter._method()
    values = {name: getattr(counter, f"{name}_") for name in (*_COMMON, *method.candidates)}
    plain = {
        name: value.item() if hasattr(value, "item") else value for name, value in values.items()
    }
    if plain.get("cut_weights"):
        intercept, *weights = plain["cut_weights"]
        named = dict(zip(CUT_FEATURES, weights, strict=True))
        plain["cut_weights"] = {"intercept": intercept, **named}
    return {"method": method.name or type(method).__name__, "fill_holes": counter.fill_holes,
            **plain}  # fmt: skip
