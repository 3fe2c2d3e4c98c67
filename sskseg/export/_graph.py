"""ONNX graphs of torch modules."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from ..nn import fold_batch_norm
from ..training import own_defaults
from ._modules import Probabilities
from ._parts import Parts
from ._sizes import InputSizes

INPUT, OUTPUT = "images", "probabilities"
OPSET = 18
_IR_VERSION = 8  # of opset 18: older programs refuse files of newer versions
_AXES = "zyx"


def check_packages() -> None:
    """Raise ImportError if what writes and checks ONNX files is not installed."""
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "Exports need onnx, onnxruntime and onnxscript, which are not all installed: "
            f"pip install sskseg[export] ({error})"
        ) from error


def probability_module(parts: Parts, network: nn.Module) -> Probabilities:
    """Return the network of a segmenter with activation and calibration."""
    segmenter = parts.segmenter
    is_classes = segmenter.target == "classes"
    has_cores = not is_classes and "core" in segmenter.loss_terms
    return Probabilities(network, segmenter.calibration_.tolist(), is_classes, has_cores)


def make_graph(parts: Parts, steps: Sequence[nn.Module], sizes: InputSizes, n_channels: int) -> Any:
    """Make the ONNX graph of preprocessing steps, network, activation and calibration.

    Parameters
    ----------
    parts : Parts
    steps : sequence of torch.nn.Module
        Preprocessing inside of the graph.
    sizes : InputSizes
    n_channels : int
        Of the input.

    Returns
    -------
    onnx.ModelProto
        Batch and spatial axes are dynamic. Images of a size that the network does not take are an
        error that says so.

    Raises
    ------
    ValueError
        If torch cannot export the network.
    """
    network = fold_batch_norm(parts.segmenter.network_).cpu().float()
    module = nn.Sequential(*steps, probability_module(parts, network)).eval()
    # Different sides, none of them 1: torch takes equal sides for one, and a side of 1 for fixed.
    sides = [m + (3 + i) * s for i, (m, s) in enumerate(zip(sizes.minimum, sizes.stride))]
    with own_defaults(), torch.no_grad(), _quiet():
        example = torch.zeros(2, n_channels, *sides)
        try:
            program: Any = torch.onnx.export(
                module, (example,), dynamo=True, opset_version=OPSET, input_names=[INPUT],
                output_names=[OUTPUT], dynamic_shapes=((_dynamic_axes(sizes)),), verbose=False,
            )  # fmt: skip
        except torch.onnx.OnnxExporterError as error:
            raise ValueError(
                f"{type(parts.segmenter.network_).__name__}, the network of the segmenter, cannot "
                f"be exported by torch for images of any size: {_last_line(error)}"
            ) from error
    graph = program.model_proto
    graph.ir_version = min(graph.ir_version, _IR_VERSION)
    _insert_size_check(graph.graph, sizes)
    return graph


def _dynamic_axes(sizes):
    """Batch, and sides of ``n * stride + remainder`` pixels, by axis."""
    axes: dict[int, Any] = {0: torch.export.Dim("batch")}
    names = _AXES[-len(sizes.stride) :]
    for axis, (name, step, least) in enumerate(zip(names, sizes.stride, sizes.minimum), start=2):
        number: Any = torch.export.Dim(f"n_{name}")
        side = number if step == 1 else step * number
        axes[axis] = side + least % step if least % step else side
    return axes


@contextmanager
def _quiet() -> Iterator[None]:
    """Without torch's remarks on itself and on packages that are not needed here."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _last_line(error):
    cause = error.__cause__ or error
    return next((line for line in str(cause).splitlines() if line.strip()), repr(cause))[:300]


def size_rule(sizes: InputSizes) -> str:
    """Say which sides the images must have."""
    names = ", ".join(_AXES[-len(sizes.stride) :])
    if sizes.minimum == sizes.stride:
        return f"sides ({names}) of images must be multiples of {list(sizes.stride)} pixels"
    return (
        f"sides ({names}) of images must be {list(sizes.minimum)} pixels plus multiples of "
        f"{list(sizes.stride)}"
    )


def _insert_size_check(graph, sizes):
    """Let a graph fail for other sizes: some networks would crop or shift the output in silence.

    ONNX has no assertion. An index that is 0 for valid sizes, and beyond an array of one zero for
    others, is one: the error names the node, and the name of the node says what is wrong.
    """
    from onnx import TensorProto, helper

    for node in graph.node:
        node.input[:] = ["checked_images" if name == INPUT else name for name in node.input]
    ndim = len(sizes.stride)
    constants: dict[str, Any] = {
        "first_side": [2], "end": [2 + ndim], "smallest": sizes.minimum, "step": sizes.stride,
    }  # fmt: skip
    graph.initializer.extend(
        helper.make_tensor(f"check_{name}", TensorProto.INT64, [len(values)], values)
        for name, values in constants.items()
    )
    graph.initializer.append(helper.make_tensor("check_zero", TensorProto.FLOAT, [1], [0.0]))
    rule = f"{size_rule(sizes)}: pad them"
    nodes: list[tuple[str, list[str], str, dict[str, Any]]] = [
        ("Shape", [INPUT], "shape", {}),
        ("Slice", ["check_shape", "check_first_side", "check_end"], "sides", {}),
        ("Sub", ["check_sides", "check_smallest"], "beyond", {}),
        ("Sub", ["check_smallest", "check_sides"], "lacking", {}),
        ("Mod", ["check_beyond", "check_step"], "rest", {}),
        ("Max", ["check_rest", "check_lacking"], "errors", {}),
        ("ReduceMax", ["check_errors"], "error", {"keepdims": 0}),
    ]
    made = [
        helper.make_node(kind, inputs, [f"check_{output}"], name=f"check_{output}", **more)
        for kind, inputs, output, more in nodes
    ]
    made.append(helper.make_node("Gather", ["check_zero", "check_error"], ["check"], name=rule))
    made.append(helper.make_node("Add", [INPUT, "check"], ["checked_images"], name="check_images"))
    before = list(graph.node)
    del graph.node[:]
    graph.node.extend([*made, *before])
