"""``sskseg info``: what a model, images, regions or OME-Zarr hold."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ...io.models import is_model_file
from ...io.storage import is_url
from ...io.summaries import summarize
from ...io.trained import trained_file
from ...models import load_metadata, model_card
from ..sizes import count_text
from ._common import MODEL, model_file, read_model, say

_ATTRIBUTES = (
    "n_channels_", "object_size_", "label_offset_", "semi_supervision_", "threshold_", "min_size_",
    "seeds_",
)  # fmt: skip
_MAX_LISTED = 20


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Show the steps of a model, or what files hold."""
    if is_url(options.path):
        return _shown(options, summarize(options.path))
    path = Path(options.path)
    is_trained = trained_file(path) is not None
    is_file = path.suffix == Path(MODEL).suffix or is_model_file(path)
    is_model = is_trained or is_file or (path / MODEL).is_file()
    result = _of_model(path) if is_model else summarize(path)
    if is_trained:
        result = {**asdict(model_card(str(path))), **result}
    return _shown(options, result)


def _shown(options, result):
    """Show a result, and return it."""
    for line in _lines(result):
        say(options, line)
    return result


def _of_model(path):
    model = read_model(path)
    steps = model.steps if hasattr(model, "steps") else [(type(model).__name__, model)]
    result = {name: repr(step) for name, step in steps}
    for name, step in steps:
        for attribute in _ATTRIBUTES:
            if hasattr(step, attribute):
                value = getattr(step, attribute)
                value = value.tolist() if hasattr(value, "tolist") else value
                result[f"{name}.{attribute}"] = value
    return {**result, **load_metadata(model_file(path))}


def _lines(result: dict[str, Any], indent: str = "") -> Iterator[str]:
    """Lines of text: one for each value, and for the regions of an image."""
    for name, value in result.items():
        if name == "regions":
            yield from _of_regions(value)
        elif name == "channels":
            yield from _of_channels(value, indent)
        elif isinstance(value, dict):
            yield f"{indent}{name}:"
            yield from _lines(value, f"{indent}  ")
        else:
            yield f"{indent}{name}: {_text(value)}"


def _of_channels(files, indent):
    """A line for each channel, by its file if files have different ones."""
    if isinstance(files, list):  # of OME-Zarr
        files = {"": files}
    for file, names in files.items():
        yield f"{indent}channels{f' of {file}' if len(files) > 1 else ''}:"
        yield from (f"{indent}  {i}: {name or 'without a name'}" for i, name in enumerate(names))
        known = next((name for name in names if name), None)
        by_name = "" if known is None else f", or by its name: --channel {shlex.quote(known)}"
        if len(names) > 1:
            yield f"{indent}  Choose one by its number: --channel {len(names) - 1}{by_name}"


def _of_regions(images):
    n = sum(each.get("regions", each.get("labels", 0)) for each in images.values())
    yield f"regions: {n} in {count_text(len(images), 'image')}"
    for name, each in images.items():
        parts = [f"{each[key]} {key}" for key in ("regions", "labels", "points") if each.get(key)]
        classes = [f"{kind} ({number})" for kind, number in each.get("classes", {}).items()]
        parts += [f"classes {', '.join(classes)}"] if classes else []
        parts += [f"{axis} {low:g} to {high:g}" for axis, (low, high) in
                  each.get("extent", {}).items()]  # fmt: skip
        if "image shape" in each:
            parts.append(f"image of {_shape(each['image shape'])}")
        yield f"  {name}: {'; '.join(parts) or 'nothing'}"


def _text(value):
    """A value, or the first ones of a list."""
    if not isinstance(value, list):
        return str(value)
    more = f" and {len(value) - _MAX_LISTED} more" if len(value) > _MAX_LISTED else ""
    shown = [_shape(each) if isinstance(each, list) else str(each) for each in value]
    return ", ".join(shown[:_MAX_LISTED]) + more


def _shape(sides):
    return " x ".join(map(str, sides))
