"""`export_bioimageio`: a model with its description, as the BioImage Model Zoo reads it."""

from __future__ import annotations

import os
import shutil
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..io import atomic_path
from ._graph import check_packages
from ._package import Package, check_bioimageio, check_fields, save_package
from ._parts import split_model
from ._readme import readme
from ._sample import example_tensors


def export_bioimageio(
    model: Any,
    path: str | os.PathLike[str],
    *,
    sample: Any,
    name: str,
    description: str,
    authors: Sequence[str | Mapping[str, str]],
    license: str,
    cite: Sequence[Mapping[str, str]] = (),
    documentation: str | None = None,
    tags: Sequence[str] = (),
    halo: int | None = None,
) -> None:
    """Write a fitted segmenter to a package of the BioImage Model Zoo.

    Programs such as ilastik and deepImageJ run such packages (bioimage.io, format 0.5 [1]_). It is
    a ZIP file with an ONNX graph, torch weights and a file of code that builds the network (needs
    torch alone), a test image and what the model predicts of it, a cover, a README, and a
    description: axes and sizes, preprocessing, and under ``config: sskseg`` the metadata of
    `export_onnx` with the parameters of the counter.

    Parameters
    ----------
    model : SemiSupervisedSegmenter, CrossFitted or Pipeline
        Fitted model, as `export_onnx` takes it.
    path : str or path-like
        Its suffix is .zip. An older file of that name stays until the new one is complete.
    sample : array-like
        Images as the model takes them, without labels. The first, or the middle one of consecutive
        sections, is published in the package: a part of up to 512 pixels a side (96 in volumes).
        With the spacing of an `ImageStack`, if it has one, the package gives the size of a pixel.
    name : str
        At least 5 letters, digits, spaces, ``_+-()``.
    description : str
        A sentence or two.
    authors : sequence of str or dict
        Names, or dicts with ``name`` and ``affiliation``, ``email``, ``orcid`` or ``github_user``.
    license : str
        Identifier of SPDX [2]_ such as "CC-BY-4.0".
    cite : sequence of dict
        Publications: dicts with ``text`` and ``doi``.
    documentation : str, default=None
        Markdown for the README, after the description.
    tags : sequence of str, default=()
        Such as "nuclei", "fluorescence".
    halo : int, default=None
        Pixels that programs cut off on each side of a tile. None is that of tiles of this library:
        the receptive field, but at most an eighth of a tile. Images are at least two halos and one
        stride large, so that 0 allows small images, with seams between tiles.

    Raises
    ------
    TypeError, ValueError, RuntimeError, ImportError, sklearn.exceptions.NotFittedError
        As `export_onnx`. ValueError, too, for another suffix, a sample of other axes or channels,
        and what the format does not allow: the message names the field.

    Warns
    -----
    UserWarning
        As `export_onnx`.

    Notes
    -----
    Preprocessing is in the description, where the format has a name for it: the percentiles of each
    image (``scale_range``), fixed percentiles and standardization
    (``fixed_zero_mean_unit_variance``) and clipping (``clip``). The graph of the package therefore
    differs from that of `export_onnx`, which holds them.

    For a network that is a module or function of your own, the package holds the ONNX graph only.

    Test a package with ``bioimageio.core.test_model(path)``.

    References
    ----------
    .. [1] Ouyang et al. BioImage Model Zoo: A community-driven resource for accessible deep
       learning in bioimage analysis. 2022. :doi:`10.1101/2022.06.07.495102`
    .. [2] https://spdx.org/licenses

    Examples
    --------
    >>> import tempfile
    >>> import zipfile
    >>> from sskseg import SemiSupervisedSegmenter
    >>> from sskseg.datasets import make_cells
    >>> from sskseg.export import export_bioimageio
    >>> X, y = make_cells(n_samples=2, shape=(32, 32), random_state=0)
    >>> segmenter = SemiSupervisedSegmenter(
    ...     semi_supervision=None, width=4, depth=1, max_steps=5, random_state=0
    ... )
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     export_bioimageio(
    ...         segmenter.fit(X, y), f"{folder}/cells.zip", sample=X, name="Simulated cells",
    ...         description="Foreground of simulated cells.", authors=["A. Author"],
    ...         license="CC-BY-4.0",
    ...     )
    ...     "weights.onnx" in zipfile.ZipFile(f"{folder}/cells.zip").namelist()
    True
    """
    check_packages()
    check_bioimageio()
    if Path(path).suffix.lower() != ".zip":
        raise ValueError(f"{path} must have the suffix .zip, got {Path(path).suffix!r}.")
    package = Package.of(split_model(model), halo)
    inputs, outputs = example_tensors(package.parts, sample, package.sizes)
    fields: dict[str, Any] = {
        "name": name, "description": description, "license": license, "tags": list(tags),
        "authors": [_person(author) for author in authors], "cite": [dict(c) for c in cite],
    }  # fmt: skip
    check_fields(fields)
    text = readme(package.parts, name, description, documentation or "", package.metadata)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        # bioimageio.spec leaves it to Python to close the files that it has read.
        warnings.simplefilter("ignore", ResourceWarning)
        files = package.write(Path(folder), inputs, outputs, text)
        written = save_package(package.description(files, fields, sample), Path(folder))
        with atomic_path(path) as temporary:
            shutil.copyfile(written, temporary)


def _person(author):
    return {"name": author} if isinstance(author, str) else dict(author)
