"""Files and description of a package of the BioImage Model Zoo."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from ..images.displacement import displacement_margin
from ..inference import tile_settings
from ..io.units import ngff_unit
from ._architecture import FACTORY, architecture
from ._graph import INPUT, OPSET, OUTPUT, make_graph, probability_module
from ._metadata import add_metadata, axis_names, input_channels, metadata, output_channels
from ._parts import Parts
from ._preprocessing import ImagePercentiles, described_steps, preprocessing_steps
from ._sample import cover
from ._sizes import InputSizes, input_sizes
from ._verification import verify_graph

# What fields of the description must be, where the format says it in many words.
_EXPECTED = {
    "name": "at least 5 letters, digits, spaces, _+-()",
    "license": "an identifier of SPDX such as CC-BY-4.0",
}


def check_bioimageio() -> None:
    """Raise ImportError if what writes packages is not installed."""
    try:
        import bioimageio.spec  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "Packages need bioimageio.spec, which is not installed: pip install sskseg[export] "
            f"({error})"
        ) from error


def _spec() -> tuple[Any, Any]:
    """Return what describes a file, and the module of the format; their types are those of YAML."""
    from bioimageio.spec.common import FileDescr
    from bioimageio.spec.model import v0_5

    return FileDescr, v0_5


def check_fields(fields: dict[str, Any]) -> None:
    """Raise ValueError for fields of the user that the format does not allow.

    The description of a model has more rules, and needs its files, which take long to write.
    """
    from bioimageio.spec.generic import v0_3

    version: Any = v0_3.GenericDescr.implemented_format_version
    try:
        v0_3.GenericDescr(type="fields", format_version=version, **fields)
    except ValueError as error:
        raise _of_fields(error, fields) from error


@dataclass(frozen=True)
class Package:
    """A model as files and fields of a description.

    Parameters
    ----------
    parts : Parts
    steps : list of torch.nn.Module
        Preprocessing.
    sizes : InputSizes
        Of images that the package takes.
    halo : tuple of int
        Pixels that programs cut off.
    """

    parts: Parts
    steps: list[nn.Module]
    sizes: InputSizes
    halo: tuple[int, ...]

    @classmethod
    def of(cls, parts: Parts, halo: int | None) -> Package:
        """Return the package of a model; see `export_bioimageio` for `halo`."""
        steps = preprocessing_steps(parts)
        sizes = input_sizes(parts.segmenter.network_, parts.segmenter.spatial_ndim_)
        if any(sizes.margin) and any(isinstance(step, ImagePercentiles) for step in steps):
            raise ValueError(
                "A package cannot scale by the percentiles of images, scope='image', where the "
                "network has valid padding: they would be those of padded images. Use "
                "scope='dataset'."
            )
        halos = _halo(parts, sizes, halo)
        least = [2 * each + 1 if each else 0 for each in halos]
        return cls(parts, steps, sizes._replace(minimum=sizes.smallest(least)), halos)

    @cached_property
    def described(self) -> list[dict[str, Any]]:
        """Preprocessing that the description holds."""
        return described_steps(self.steps, axis_names(self.parts))

    @property
    def inside(self) -> list[nn.Module]:
        """Preprocessing that the graph holds."""
        return self.steps[len(self.described) :]

    @property
    def metadata(self) -> dict[str, Any]:
        """What `export_onnx` writes to a file, too."""
        return metadata(self.parts, self.sizes, self.described)

    def write(
        self, folder: Path, inputs: np.ndarray, outputs: np.ndarray, text: str
    ) -> dict[str, Any]:
        """Write the files of the package to a folder.

        Parameters
        ----------
        folder : Path
        inputs, outputs : ndarray
            Test tensors.
        text : str
            Of the README.

        Returns
        -------
        dict
            Fields of the description that refer to files.
        """
        import imageio.v3 as iio
        import tifffile

        FileDescr, v0_5 = _spec()

        for name, array in ((INPUT, inputs), (OUTPUT, outputs)):
            np.save(folder / f"test_{name}.npy", array)
            tifffile.imwrite(folder / f"sample_{name}.tif", array, photometric="minisblack")
        iio.imwrite(folder / "cover.png", cover(inputs[0], outputs[0]))
        (folder / "README.md").write_text(text, encoding="utf-8")
        onnx, torch_weights = self._write_onnx(folder), self._write_torch(folder)
        if torch_weights is not None:
            onnx.parent = torch_weights.type
        return {
            "documentation": FileDescr(source=folder / "README.md"),
            "covers": [FileDescr(source=folder / "cover.png")],
            "weights": v0_5.WeightsDescr(onnx=onnx, pytorch_state_dict=torch_weights),
            "tensors": {
                name: {
                    "test_tensor": FileDescr(source=folder / f"test_{name}.npy"),
                    "sample_tensor": FileDescr(source=folder / f"sample_{name}.tif"),
                }
                for name in (INPUT, OUTPUT)
            },
        }

    def _write_onnx(self, folder: Path) -> Any:
        network, ndim = self.parts.segmenter.network_, self.parts.segmenter.spatial_ndim_
        sizes = input_sizes(network, ndim)
        graph = make_graph(self.parts, self.inside, sizes, len(input_channels(self.parts)))
        add_metadata(graph, metadata(self.parts, sizes, self.described))
        verify_graph(graph, self.parts, self.steps[: len(self.described)], sizes)
        (folder / "weights.onnx").write_bytes(graph.SerializeToString())
        return _spec()[1].OnnxWeightsDescr(source=folder / "weights.onnx", opset_version=OPSET)

    def _write_torch(self, folder: Path) -> Any:
        """Write weights and code; None for a network that is not of this library."""
        found = architecture(self.parts, self.inside)
        if found is None:
            return None
        code, arguments = found
        (folder / "architecture.py").write_text(code, encoding="utf-8")
        module = nn.Sequential(
            *self.inside, probability_module(self.parts, self.parts.segmenter.network_)
        )
        state = {name: tensor.cpu() for name, tensor in module.state_dict().items()}
        torch.save(state, folder / "weights.pt")
        _, v0_5 = _spec()
        return v0_5.PytorchStateDictWeightsDescr(
            source=folder / "weights.pt",
            architecture=v0_5.ArchitectureFromFileDescr(
                source=folder / "architecture.py", callable=FACTORY, kwargs=arguments
            ),
            pytorch_version=torch.__version__.partition("+")[0],
        )

    def description(self, files: dict[str, Any], fields: dict[str, Any], sample: Any) -> Any:
        """Return the description of the package.

        Parameters
        ----------
        files : dict
            Of `write`.
        fields : dict
            Of the user.
        sample : array-like

        Returns
        -------
        bioimageio.spec.model.v0_5.ModelDescr

        Raises
        ------
        ValueError
            For a field that the format does not allow.
        """
        _, v0_5 = _spec()

        axes = self._axes(v0_5, _scales(self.parts, sample))
        probability = v0_5.IntervalOrRatioDataDescr(type="float32", range=(0.0, 1.0))
        tensors = files["tensors"]
        given: dict[str, Any] = {
            "id": INPUT, "axes": axes[0], "preprocessing": self.described, **tensors[INPUT],
            "data": v0_5.IntervalOrRatioDataDescr(type="float32"), "pad": self._padding(v0_5),
        }  # fmt: skip
        output = v0_5.OutputTensorDescr(
            id=OUTPUT, axes=axes[1], data=probability, **tensors[OUTPUT]
        )
        try:
            return v0_5.ModelDescr(
                **fields,
                documentation=files["documentation"],
                covers=files["covers"],
                inputs=[v0_5.InputTensorDescr(**given)],
                outputs=[output],
                weights=files["weights"],
                config=v0_5.Config(sskseg=self.metadata),
            )
        except ValueError as error:
            raise _of_fields(error, fields) from error

    def _padding(self, v0_5: Any) -> Any:
        if any(self.sizes.margin):
            return v0_5.ReflectPadding(mode="reflect")
        return v0_5.EdgePadding(mode="edge")  # named: defaults are not written

    def _axes(self, v0_5: Any, scales: list[dict[str, Any]]) -> tuple[list[Any], list[Any]]:
        """Axes of the input and the output."""
        names, sizes = axis_names(self.parts), self.sizes
        before = [v0_5.BatchAxis()]
        inputs = [*before, v0_5.ChannelAxis(channel_names=input_channels(self.parts))]
        outputs = [*before, v0_5.ChannelAxis(channel_names=output_channels(self.parts))]
        for axis, name in enumerate(names):
            side = v0_5.ParameterizedSize(min=sizes.minimum[axis], step=sizes.stride[axis])
            options: dict[str, Any] = {"id": name, **scales[axis]}
            inputs.append(v0_5.SpaceInputAxis(size=side, concatenable=True, **options))
            same = v0_5.SizeReference(tensor_id=INPUT, axis_id=name, offset=-2 * sizes.margin[axis])
            if self.halo[axis]:
                options["halo"] = self.halo[axis]
            kind = v0_5.SpaceOutputAxisWithHalo if self.halo[axis] else v0_5.SpaceOutputAxis
            outputs.append(kind(size=same, **options))
        return inputs, outputs


def _halo(parts: Parts, sizes: InputSizes, halo: int | None) -> tuple[int, ...]:
    """Pixels that are cut off along each axis."""
    network, ndim = parts.segmenter.network_, parts.segmenter.spatial_ndim_
    if halo is not None and (isinstance(halo, bool) or not isinstance(halo, Integral) or halo < 0):
        raise ValueError(f"halo must be a number of pixels or None, got {halo!r}.")
    if any(sizes.margin):  # which the network itself cuts off
        if halo:
            raise ValueError(f"halo must be None or 0 where padding is valid, got {halo!r}.")
        return (0,) * ndim
    if halo is not None:
        return (int(halo),) * ndim
    margin = displacement_margin(parts.segmenter.label_offset_)
    return tile_settings(network, ndim, margin=margin).halo


def _scales(parts: Parts, sample: Any) -> list[dict[str, Any]]:
    """Size and unit of a pixel along each axis, as far as they are known."""
    ndim = parts.segmenter.spatial_ndim_
    spacing, unit = getattr(sample, "spacing", None), ngff_unit(getattr(sample, "unit", None) or "")
    if spacing is None or unit is None:
        return [{}] * ndim
    return [{"scale": float(size), "unit": unit} for size in spacing[-ndim:]]


def _of_fields(error: Any, fields: dict[str, Any]) -> ValueError:
    """The error of the format for fields of the user: a line for each, where it has many."""
    found = {each["loc"][0]: each for each in getattr(error, "errors", list)() if each["loc"]}
    known = [name for name in found if name in fields]
    if not known:
        return error
    return ValueError(" ".join(_of_field(name, found[name], fields[name]) for name in known))


def _of_field(name, found, value):
    if name in _EXPECTED:
        return f"{name} must be {_EXPECTED[name]}, got {value!r}."
    where = ".".join(map(str, found["loc"]))
    return f"{name} must be what packages allow, got {value!r} ({where}: {found['msg']})."


def save_package(description: Any, folder: Path) -> Path:
    """Write a package to a ZIP file in a folder.

    Parameters
    ----------
    description : bioimageio.spec.model.v0_5.ModelDescr
    folder : Path

    Returns
    -------
    Path
    """
    from bioimageio.spec import save_bioimageio_package

    return Path(save_bioimageio_package(description, output_path=folder / "package.zip"))
