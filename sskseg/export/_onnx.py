"""`export_onnx`: a segmenter as one ONNX file."""

from __future__ import annotations

import os
from typing import Any

from ..io import write_atomically
from ._graph import check_packages, make_graph
from ._metadata import add_metadata, axis_names, input_channels, metadata
from ._parts import split_model
from ._preprocessing import described_steps, n_outside_of_graphs, preprocessing_steps
from ._sizes import input_sizes
from ._verification import verify_graph


def export_onnx(model: Any, path: str | os.PathLike[str]) -> None:
    """Write a fitted segmenter to an ONNX file, which other programs run without this library.

    The graph holds everything from the image to calibrated probabilities: scaling of intensities,
    standardization, network, activation and calibration. It takes `images`, float32 of shape
    (batch, channels, \\*spatial), and returns `probabilities` of shape (batch, n_outputs,
    \\*spatial): of the foreground, of foreground and cores, or of each class, as `transform` and
    `predict_proba` do.

    Before the file appears, `onnxruntime` runs it on images of noise, of two sizes, and the result
    is compared with the model's.

    Parameters
    ----------
    model : SemiSupervisedSegmenter, CrossFitted or Pipeline
        Fitted. A pipeline may begin with a `PercentileScaler` and end with an `InstanceCounter`,
        whose parameters become metadata.
    path : str or path-like
        An older file of that name stays until the new one is complete.

    Raises
    ------
    TypeError
        For another model, or a pipeline with other steps.
    ValueError
        For a segmenter that a graph of one network cannot hold: one that corrects sections by their
        neighbors (`continuity_`), averages over flips and turns, or has a network without
        ``stride`` or one that torch cannot export.
    RuntimeError
        If the graph does not compute what the model predicts.
    ImportError
        If the packages of the extra ``export`` are not installed.
    sklearn.exceptions.NotFittedError

    Warns
    -----
    UserWarning
        If the segmenter resamples images to one size of objects (`object_size_`), and the objects
        of its training images have different sizes. The graph then does not resample.

    Notes
    -----
    **Sizes.** Batch and spatial axes may have any size that the network takes without padding:
    multiples of its ``stride``, or ``minimum + n * stride`` with valid padding, where the output
    lacks ``margin`` pixels on each side. Other sizes are an error. Pad images at their end by
    repeating the last pixel (with valid padding: by reflection, and by ``margin`` at the
    beginning), and crop the result: that is what predictions of this library do.

    **Object size.** A segmenter with `object_size_` resamples images. The graph does it with a
    fixed factor, for images whose objects have the diameter of the training objects
    (`object_diameter_`).

    **Metadata.** The file holds, as JSON by key: ``axes``, ``input_channels`` and
    ``output_channels``, in their order (of consecutive sections all channels of the first section
    first), ``preprocessing`` (what must be done before, in the terms of bioimage.io: only the
    percentiles of each image of ``PercentileScaler(scope="image")``), ``sizes`` (the rule in
    words), ``minimum``, ``stride``, ``margin``, ``reach`` (radius of the receptive field, pixels:
    let tiles overlap by it), ``padding``, ``pixel_size`` and ``object_size`` if they are known,
    ``classes``, ``counter`` (method and parameters) and ``sskseg_version``.

    The opset is 18, which onnxruntime 1.14 and later run.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from onnxruntime import InferenceSession
    >>> from sskseg import SemiSupervisedSegmenter
    >>> from sskseg.datasets import make_cells
    >>> from sskseg.export import export_onnx
    >>> X, y = make_cells(n_samples=2, shape=(32, 32), random_state=0)
    >>> segmenter = SemiSupervisedSegmenter(
    ...     semi_supervision=None, width=4, depth=1, max_steps=5, random_state=0
    ... )
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     export_onnx(segmenter.fit(X, y), f"{folder}/cells.onnx")
    ...     session = InferenceSession(f"{folder}/cells.onnx")
    >>> (probabilities,) = session.run(None, {"images": X[:, None].astype(np.float32)})
    >>> probabilities.shape
    (2, 2, 32, 32)
    """
    check_packages()
    parts = split_model(model)
    sizes = input_sizes(parts.segmenter.network_, parts.segmenter.spatial_ndim_)
    steps = preprocessing_steps(parts)
    n_outside = n_outside_of_graphs(steps)
    outside, inside = steps[:n_outside], steps[n_outside:]
    graph = make_graph(parts, inside, sizes, len(input_channels(parts)))
    described = metadata(parts, sizes, described_steps(outside, axis_names(parts)))
    add_metadata(graph, described)
    verify_graph(graph, parts, outside, sizes)
    write_atomically(path, graph.SerializeToString())
