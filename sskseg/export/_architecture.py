"""The network of a segmenter as torch weights and one file of code that needs torch alone."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator, Sequence
from importlib import import_module
from types import ModuleType
from typing import Any

from torch import nn

from ..nn import resampled
from ..nn.registry import network_class
from ..nn.resampled import ResampledNetwork
from . import _modules
from ._graph import probability_module
from ._parts import Parts

_HEADER = '''"""Network of a segmenter of the library sskseg (BSD-3-Clause), without the library."""

from __future__ import annotations

'''
_FACTORY = '''

def make_model(steps, network, arguments, magnification=None, **options):
    """Build the model: preprocessing steps, network, activation and calibration."""
    names = globals()
    before = [names[name](**values) for name, values in steps]
    module = names[network](**arguments)
    if magnification is not None:
        module = ResampledNetwork(module, magnification)
    return nn.Sequential(*before, Probabilities(module, **options))
'''
FACTORY = "make_model"


def architecture(parts: Parts, steps: Sequence[nn.Module]) -> tuple[str, dict[str, Any]] | None:
    """Return code that builds a model, and the arguments of its function `FACTORY`.

    Parameters
    ----------
    parts : Parts
    steps : sequence of torch.nn.Module
        Preprocessing inside of the model.

    Returns
    -------
    code : str
    arguments : dict
        Of what JSON can hold.
        None for both if the network is a module or a function of the user.
    """
    segmenter = parts.segmenter
    name, width, depth = segmenter._architecture()
    if not isinstance(name, str):
        return None
    channels = len(segmenter.channel_mean_), segmenter._objective().n_outputs
    if segmenter.sections == "consecutive":
        channels = (2 * segmenter.section_context + 1) * channels[0], channels[1]
    spacing = None if segmenter.architecture_ else segmenter.spacing_
    network, arguments = network_class(
        name, *channels, width, depth, ndim=segmenter.spatial_ndim_, spacing=spacing
    )
    named: dict[str, Any] = {
        "steps": [[type(step).__name__, _options(step)] for step in steps],
        "network": network.__name__,
        "arguments": {k: list(v) if isinstance(v, tuple) else v for k, v in arguments.items()},
        **probability_module(parts, segmenter.network_).options(),
    }
    modules, done = [import_module(network.__module__)], set[str]()
    if isinstance(segmenter.network_, ResampledNetwork):
        named["magnification"] = segmenter.network_.factor
        modules.append(resampled)
    sources = [source for module in modules for source in _sources(module, done)]
    sources.append(_source(_modules))
    return _HEADER + "\n\n".join(sources) + _FACTORY, named


def _options(step: Any) -> dict[str, Any]:
    return step.options()


def _sources(module: ModuleType, done: set[str]) -> Iterator[str]:
    """Yield the code of a module after that of those it needs, without imports of each other."""
    done.add(module.__name__)
    for node in ast.parse(inspect.getsource(module)).body:
        if isinstance(node, ast.ImportFrom) and node.level:
            needed = import_module("." * node.level + (node.module or ""), module.__package__)
            if needed.__name__ not in done:
                yield from _sources(needed, done)
    yield _source(module)


def _source(module):
    text = inspect.getsource(module)
    lines = text.splitlines()
    nodes = [node for node in ast.parse(text).body if isinstance(node, ast.ImportFrom)]
    for node in reversed(nodes):
        if node.level or node.module == "__future__":
            del lines[node.lineno - 1 : node.end_lineno]
    return "\n".join(lines).strip() + "\n"
