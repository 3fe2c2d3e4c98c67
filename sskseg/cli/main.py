"""Parse the command line, and run a command."""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

from .. import __version__
from .formats import FORMATS
from .parameters import estimator_parameters
from .values import parse_duration, parse_spacing, parse_value

BAD_INPUT, INTERRUPTED = 2, 130
_EPILOG = """exit codes: 0 done; 1 an error of the program, with a traceback; 2 bad command line or
input, which the message explains; 130 interrupted without a result"""
_NO_ROIS = ("tif", "ilastik", "ome-zarr")  # formats of label images
SHARED = ("sections", "spatial_ndim")  # parameters of several steps, given once
# Where the command line differs from the estimators.
_DEFAULTS = {
    "--random-state": "0",
    "--verbose": "True, without --json",
    "--scaler-scope": "'image', for consecutive sections 'dataset'",
}
_SPECIAL = {"time_budget": (parse_duration, "DURATION")}
# Prefix of the options of each step of the pipeline.
STEPS = (
    ("SemiSupervisedSegmenter", ""),
    ("PercentileScaler", "scaler-"),
    ("InstanceCounter", "counter-"),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : sequence of str, default=None
        None is ``sys.argv[1:]``.

    Returns
    -------
    int
        Exit code: 0 done; 2 bad input, which a message on the standard error output explains; 130
        interrupted by Ctrl-C before there was a result.

    Raises
    ------
    SystemExit
        With 2 for a bad command line, and with 0 after ``--help`` and ``--version``.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if arguments[:1] == ["demo"]:  # has a parser of its own
        return import_module("sskseg.demo").main(arguments[1:])
    options = make_parser().parse_args(arguments)
    options.arguments = arguments
    try:
        command = import_module(f"sskseg.cli.commands.{options.command}")
        with _short_warnings():
            result = command.run(options)
    except KeyboardInterrupt:
        print("sskseg: interrupted", file=sys.stderr)  # noqa: T201
        return INTERRUPTED
    except (OSError, ValueError, ImportError) as error:
        print(f"sskseg {options.command}: {error}", file=sys.stderr)  # noqa: T201
        return BAD_INPUT
    if options.json:
        print(json.dumps(result, indent=1))  # noqa: T201
    return 0


@contextmanager
def _short_warnings():
    """Show warnings as a line of text, without the code that they come from."""
    former = warnings.formatwarning
    warnings.formatwarning = lambda message, *_, **__: f"sskseg: warning: {message}\n"
    try:
        yield
    finally:
        warnings.formatwarning = former


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands but ``demo``."""
    parser = argparse.ArgumentParser(
        prog="sskseg",
        description="Segment and count objects in microscope images from few labels.",
        epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, summary, add_options in _COMMANDS:
        command = commands.add_parser(name, help=summary, description=summary + ".", epilog=_EPILOG)
        add_options(command)
        command.add_argument("--json", action="store_true", help="print the result as JSON")
    commands.add_parser("demo", help="fit, count and report in one go, see demo --help")
    return parser


def _fit(command):
    command.add_argument("images", type=Path, help="file or folder of images")
    command.add_argument(
        "--labels", type=Path, required=True,
        help="file or folder of label images, or a table of points; paired with images by name",
    )  # fmt: skip
    command.add_argument("--out", type=Path, required=True, help="model file, or folder for it")
    _spacing(command)
    command.add_argument("--dry-run", action="store_true", help="check everything, train nothing")
    for class_name, prefix in STEPS:
        _parameters(command, class_name, prefix)


def _spacing(command):
    command.add_argument(
        "--spacing", type=parse_spacing, metavar="SIZE",
        help="size of a pixel, such as 0.5um or, along each axis, 2,0.5,0.5um; by default that "
        "of the files",
    )  # fmt: skip


def _parameters(command, class_name, prefix):
    """Options for the parameters of an estimator; those that are not given are not set."""
    group = command.add_argument_group(f"parameters of {class_name}")
    for parameter in estimator_parameters(class_name):
        if prefix and parameter.name in SHARED:
            continue
        option = f"--{prefix}{parameter.name.replace('_', '-')}"
        default = _DEFAULTS.get(option, parameter.default)
        text = f"{parameter.summary} (default: {default})".replace("%", "%%")
        settings: dict = {"help": text, "default": argparse.SUPPRESS}
        settings["dest"] = f"{class_name}.{parameter.name}"
        parse, metavar = _SPECIAL.get(parameter.name, (parse_value, "VALUE"))
        if parameter.is_flag:
            group.add_argument(option, action=argparse.BooleanOptionalAction, **settings)
        else:
            group.add_argument(option, type=parse, metavar=metavar, **settings)


def _model(command):
    command.add_argument("--model", type=Path, required=True, help="model file, or its folder")


def _images_and_model(command):
    command.add_argument("images", type=Path, help="file or folder of images")
    _model(command)


def _predict(command):
    _images_and_model(command)
    command.add_argument("--out", type=Path, required=True, help="folder for the results")
    command.add_argument(
        "--output", choices=("labels", "probability", "mask"), default="labels",
        help="what to write of each image (default: labels)",
    )  # fmt: skip
    _spacing(command)


def _count(command):
    _images_and_model(command)
    command.add_argument("--out", type=Path, help="folder for counts.csv, objects.csv and labels")
    command.add_argument(
        "--rois", action="append", default=[], choices=[f for f in FORMATS if f not in _NO_ROIS],
        help="write objects in this format, too; may be given several times",
    )  # fmt: skip
    _spacing(command)


def _report(command):
    _images_and_model(command)
    command.add_argument("--labels", type=Path, help="labels to compare with")
    command.add_argument("--out", type=Path, required=True, help="HTML file")


def _convert(command):
    command.add_argument("labels", type=Path, help="label images, ROIs or other regions")
    command.add_argument("--images", type=Path, help="their images, for sizes and names")
    command.add_argument(
        "--to", choices=FORMATS, metavar="FORMAT",
        help=f"{', '.join(FORMATS)}; imagej is an ROI zip, geojson for QuPath",
    )  # fmt: skip
    command.add_argument("--out", type=Path, help="folder for the results")
    group = command.add_argument_group("for labels in an OME-Zarr image (--to ome-zarr)")
    group.add_argument("--image", help="the image, such as scan.ome.zarr or plate.zarr:/A/1/0")
    group.add_argument("--name", help="name of the labels (default: objects)")
    group.add_argument("--table", type=Path, help="measurements of the objects, objects.csv")
    group.add_argument("--overwrite", action="store_true", help="replace labels of this name")


def _export(command):
    _model(command)
    command.add_argument("--out", type=Path, required=True, help="NAME.onnx or NAME.zip")
    group = command.add_argument_group("for a bioimage.io package (NAME.zip)")
    group.add_argument("--sample", type=Path, help="an image that may be published")
    group.add_argument("--name", help="name of the model")
    group.add_argument("--description", help="a sentence or two")
    group.add_argument("--author", action="append", help="may be given several times")
    group.add_argument("--license", help="such as CC-BY-4.0")
    _spacing(group)


def _info(command):
    command.add_argument("path", type=Path, help="model, image file or folder of images")


def _scan(command):
    command.add_argument("action", choices=("plan", "run", "status"))
    command.add_argument("source", type=Path, help="scan; with status the destination")
    command.add_argument("--model", type=Path, help="model file, or its folder")
    command.add_argument("--out", type=Path, help="destination folder")
    for name in ("block-shape", "halo"):
        command.add_argument(f"--{name}", type=parse_value, help="pixels, such as 64,512,512")
    command.add_argument("--workers", type=int, help="threads of this process")
    command.add_argument("--scheduler", help="address of a dask scheduler, such as tcp://host:8786")
    command.add_argument("--skip-below", type=float, help="intensity that blocks must reach")
    command.add_argument("--intensity", action="store_true", help="measure intensities of objects")
    command.add_argument("--fresh", action="store_true", help="start anew instead of resuming")


_COMMANDS: tuple[tuple[str, str, Callable], ...] = (
    ("fit", "Learn from images of which some are labeled; write a model", _fit),
    ("predict", "Write labels, probabilities or masks of images", _predict),
    ("count", "Count and measure the objects in images", _count),
    ("scan", "Count the objects of a scan larger than memory", _scan),
    ("report", "Write an HTML page about a model and its predictions", _report),
    ("convert", "Convert labels and regions of interest between programs", _convert),
    ("export", "Write a model for other programs: ONNX or bioimage.io", _export),
    ("info", "Show what a model or an image file holds", _info),
)
