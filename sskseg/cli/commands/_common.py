"""What several commands do."""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer
from tqdm import tqdm

from ... import PercentileScaler
from ...images import ImageStack, consecutive_runs, invert_images, spatial_ndim_of
from ...io import read_images, read_pairs
from ...io.folders import RECORD, SUFFIXES, stem
from ...io.images import channels_in, image_files, read_headers
from ...io.rasters import SUFFIXES as RASTERS
from ...io.stacks import warn_of_section_numbers
from ...io.trained import trained_file
from ...io.units import complete_size, describe_size, unit_symbol
from ...models import load_model
from ...preprocessing import DomainCheck
from ...preprocessing.pixel_size import warn_of_pixel_size
from ...training import prediction_callbacks
from ...training.progress_bar import progress_bar
from ..results import check_no_results, warn_of_predictions
from ._channels import check_channels, trained_channel

MODEL = "model.sskseg"
OF_TRAINING = "of the training images: the files have none"
_ALONG_Z = "along z that of the training images: the files have none"
# Suffixes of files, which no folder of results should have.
_FILES = (
    *SUFFIXES, ".csv", ".json", ".xml", ".zip", ".html", ".geojson", ".h5", ".onnx", ".pdf", ".pt",
    ".pth", ".pkl",
)  # fmt: skip


def model_file(path: Path) -> Path:
    """Return the model file: the path itself if it is one or ends so, one in that folder, or one
    that comes with the package.
    """
    trained = trained_file(path)
    if trained is not None:
        return trained
    is_file = path.is_file() or path.suffix == Path(MODEL).suffix
    return path if is_file else path / MODEL


def record_file(file: Path) -> Path:
    """Return the record of the fit of a model file.

    Models in one folder each have a record; a folder of one model has run.json.
    """
    return file.with_name(RECORD if file.name == MODEL else f"{file.stem}.run.json")


def read_model(path: Path) -> Any:
    """Load a model from its file or folder."""
    is_name = len(path.parts) == 1 and not path.suffix and not path.exists()
    return load_model(path if is_name else model_file(path))  # a name, for the message


def model_of(options: argparse.Namespace) -> Any:
    """Load the model of the options; with ``--invert-images``, it inverts images first.

    Without ``--channel``, the channel that it was trained on is read.
    """
    model = read_model(options.model)
    if options.channel is None:
        options.channel = trained_channel(model_file(options.model))
        if options.channel is not None:
            say(options, f"The model was trained on {options.channel}: of images with several, it "
                "is read. --channel reads another.")  # fmt: skip
    if not options.invert_images:
        return model
    _check_inverts(model, options)
    return Pipeline([("invert", FunctionTransformer(invert_images)), *model.steps])


def _check_inverts(model: Any, options: argparse.Namespace) -> None:
    """Raise if inverted images would have a range of intensities that the model does not know."""
    scalers = [step for step in steps_of(model) if isinstance(step, PercentileScaler)]
    if not any(scaler.scope == "image" for scaler in scalers):
        raise ValueError(
            "--invert-images needs a model that scales each image by itself, as --scaler-scope "
            f"image of sskseg fit does: {options.model} keeps the scale of its training images."
        )


def takes_sections(model: Any) -> bool:
    """Whether a model takes planes for consecutive sections of one stack."""
    return getattr(steps_of(model)[-1], "sections", "independent") == "consecutive"


def steps_of(model: Any) -> list[Any]:
    """Steps of a model, which may be a single estimator."""
    return [step for _, step in model.steps] if hasattr(model, "steps") else [model]


def read(path: Path, options: argparse.Namespace, model: Any) -> tuple[list[str], ImageStack]:
    """Read images for a model, with the size of a pixel that was given."""
    ndim = spatial_ndim_of(model)
    check_no_results(path)
    names, X = read_images(path, spatial_ndim=ndim, channel=options.channel)
    check_channels(model_file(options.model), options.channel, channels_in(path))
    name_samples(options, path, names)
    if ndim == 2 and not takes_sections(model):
        _warn_of_planes(path)
    X = with_spacing(X, options, model)
    say_stacks(X, options, model)
    if not any(isinstance(step, DomainCheck) for step in steps_of(model)):
        warn_of_pixel_size("X", (X.spacing, X.unit), size_of_training(model), stacklevel=2)
    if len(X.spacing or ()) < (3 if takes_sections(model) else ndim):
        trained = size_of_training(model)
        spacing, unit = complete_size((X.spacing, X.unit), trained)
        say_size(options, spacing, unit, OF_TRAINING if spacing is trained[0] else _ALONG_Z)
        X = X if spacing is None else ImageStack(X, spacing=spacing, unit=unit)
    return names, X


def size_of_training(model: Any) -> tuple[tuple[float, ...] | None, str | None]:
    """Return the size of a pixel of the training images, and its unit; None where unknown."""
    last = steps_of(model)[-1]
    return getattr(last, "spacing_", None), getattr(last, "unit_", None)


def _warn_of_planes(path):
    """Warn of volumes whose planes the model takes for images that have nothing in common."""
    folder = path if path.is_dir() else path.parent
    depths = {name: _n_planes(folder / name) for name in file_names(path).values()}
    deep = {name: n for name, n in depths.items() if n > 1}
    if deep:
        name, n = next(iter(deep.items()))
        more = f" (and {len(deep) - 1} more)" if len(deep) > 1 else ""
        warnings.warn(
            f"{name}{more} has {n} planes along z, and this model takes each plane for an image: "
            "an object counts in each plane in which it is visible. Project the planes, or fit a "
            "model with --sections consecutive (planes are far apart) or --spatial-ndim 3.",
            stacklevel=3,
        )


def _n_planes(file):
    if file.suffix.lower() in RASTERS:  # without axes, and decoded as a whole for a header
        return 1
    header = read_headers(file)[0]
    return header.shape[header.axes.index("z")] if "z" in header.axes else 1


def read_with_labels(
    options: argparse.Namespace, ndim: int
) -> tuple[list[str], ImageStack, list[Any] | None]:
    """Read the images of the options, and the labels that some have; None without --labels."""
    check_no_results(options.images)
    if options.labels is None:
        names, X = read_images(options.images, spatial_ndim=ndim, channel=options.channel)
        y = None
    else:
        names, X, y = read_pairs(
            options.images, options.labels, spatial_ndim=ndim, background=options.background,
            empty=options.empty, channel=options.channel,
        )  # fmt: skip
        warn_of_predictions(options.labels)
    if options.model is not None:
        check_channels(model_file(options.model), options.channel, channels_in(options.images))
    name_samples(options, options.images, names)
    return names, X, y


def name_samples(options: argparse.Namespace, path: Path, names: list[str]) -> None:
    """Let messages about the images name their files, see `sskseg.cli.messages`."""
    options.images = path
    files = file_names(path) if path.is_dir() else {}
    if len(names) == 1:
        options.samples = [str(path / files.get(names[0], ""))]
    else:
        options.samples = [
            str(path / files[name]) if name in files else f"{path}, image {name!r}"
            for name in names
        ]


def with_spacing(X: ImageStack, options: argparse.Namespace, model: Any) -> ImageStack:
    """Return the images with the size of pixels of ``--spacing``, if it was given, and show it."""
    if options.spacing is not None:
        ndim = spatial_ndim_of(model)
        if takes_sections(model):
            _check_sections(options.spacing[0])
        # Of sections, their distance comes first.
        spacing, unit = given_spacing(options, ndim, 3 if ndim == 2 else None)
        X = ImageStack(X, spacing=spacing, unit=unit)
    say_size(options, X.spacing, X.unit, source_of_size(options))
    return X


def _check_sections(spacing):
    """Raise for one size for all axes: sections are seldom as thick as a pixel is wide."""
    if len(spacing) != 3:
        raise ValueError(
            "--spacing must have three numbers for consecutive sections: their distance, and the "
            f"size of a pixel along y and x, such as 0.05,0.005,0.005. Got {len(spacing)}."
        )


def given_spacing(
    options: argparse.Namespace, *n_axes: int | None
) -> tuple[tuple[float, ...], str]:
    """Return the size of a pixel along each axis, and its unit, of ``--spacing``.

    One number is that of y and x. Volumes need three, since z is seldom like y and x.
    """
    spacing, unit = options.spacing
    if len(spacing) == 1 and n_axes[0] == 2:
        return spacing * 2, unit
    if n_axes[0] == 3 != len(spacing):
        raise ValueError(
            "--spacing must have three numbers for volumes, along z, y and x, such as "
            f"2,0.5,0.5. Got {len(spacing)}."
        )
    if len(spacing) not in n_axes:
        expected = " or ".join(str(n) for n in n_axes if n)
        raise ValueError(
            f"--spacing must have one number, or {expected}, one for each axis, got {len(spacing)}."
        )
    return spacing, unit


def source_of_size(options: argparse.Namespace) -> str:
    """Say where the size of a pixel comes from."""
    return "of the files" if options.spacing is None else "of --spacing"


def say_stacks(X: ImageStack, options: argparse.Namespace, model: Any) -> None:
    """Say that several stacks of sections are apart, if they are, or warn of their numbers."""
    if not takes_sections(model):
        return
    warn_of_numbers(X, options)
    if X.positions is not None:
        n = len(consecutive_runs(X.positions))
        say(options, f"{n} stacks of sections: no object continues from one to the next. If they "
            "are one stack, save it as one file.")  # fmt: skip


def warn_of_numbers(X: ImageStack, options: argparse.Namespace) -> None:
    """Warn of sections in a file each whose numbers leave out some, or begin again."""
    if X.positions is not None or not options.images.is_dir():
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the images have been read
        files = image_files(options.images)
    if len(files) == len(X):  # a section each
        warn_of_section_numbers(options.images, files, stacklevel=3)


def say_size(
    options: argparse.Namespace, spacing: Sequence[float] | None, unit: str | None, source: str
) -> None:
    """Show the size of a pixel, if it is known, and where it comes from."""
    if spacing is None or (unit is None and set(spacing) == {1.0}):
        return
    axes = "zyx"[-len(spacing) :]
    symbol = unit_symbol(unit) if unit else ""
    text = describe_size(dict(zip(axes, spacing)), dict.fromkeys(axes, symbol))
    say(options, f"Size of a pixel: {text} ({source})")


def say_nothing_written(options: argparse.Namespace, what: str) -> None:
    """Say, apart from the results, that they are not in files, and how they would be."""
    say(options, f"Nothing was written: add --out FOLDER for {what}.", file=sys.stderr)


def say(options: argparse.Namespace, text: str, file: TextIO | None = None) -> None:
    """Print a line for people, above a progress bar; with ``--json`` nothing."""
    if options.json:
        return
    try:
        tqdm.write(text, file=file)
    except BrokenPipeError:  # of the program that reads the output; results are still written
        options.is_closed = True


@contextmanager
def progress_bars(options: argparse.Namespace) -> Iterator[None]:
    """Show the progress of predictions that take more than a second; with ``--json`` nothing."""
    if options.json:
        yield
        return
    bars = _Bars()
    with prediction_callbacks(bars):
        try:
            yield
        finally:
            bars.close()


class _Bars:
    """A progress bar for each step of a pipeline."""

    def __init__(self):
        self._bar: Any = None
        self._estimator: Any = None

    def on_prediction_progress(self, estimator, progress, seconds_left):
        if estimator is not self._estimator:
            self.close()
            self._estimator = estimator
            self._bar = progress_bar(
                desc=type(estimator).__name__, total=1, delay=1, leave=False,
                bar_format="{desc}: {percentage:3.0f}%|{bar}| {elapsed}<{remaining}",
            )  # fmt: skip
        self._bar.update(progress - self._bar.n)
        if progress == 1:
            self.close()

    def close(self):
        if self._bar is not None:
            self._bar.close()
        self._bar = self._estimator = None


def new_folder(path: Path) -> Path:
    """Make a folder for results, if it does not exist."""
    check_folder(path)
    path.mkdir(parents=True, exist_ok=True)
    return path


def check_folder(path: Path, expected: str = "a folder for the results") -> None:
    """Raise if there cannot be a folder, or should be none: before anything is computed."""
    for part in (path, *path.parents):
        if part.exists() and not part.is_dir():
            raise ValueError(f"{part} is a file: --out must be {expected}.")
    existing = next(part for part in (path, *path.absolute().parents) if part.exists())
    if not os.access(existing, os.W_OK):
        raise ValueError(f"{existing} cannot be written to: --out must be another folder.")
    if path.suffix.lower() in _FILES and not path.exists():
        raise ValueError(f"{path} is the name of a file: --out must be {expected}.")


def file_names(path: Path) -> dict[str, str]:
    """Names of image files by those of their images, where each file holds one."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the images have been read
        return {stem(file): file.name for file in image_files(path)}
