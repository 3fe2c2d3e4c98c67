"""Commands and their options; those of ``fit`` are generated from the estimators."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from .. import __version__
from .actions import SCAN, TOTALS, Actions
from .formats import FORMATS
from .parameters import estimator_parameters
from .parser import Parser
from .shared_options import (
    add_background,
    add_channel,
    add_empty,
    add_images,
    add_images_and_model,
    add_invert,
    add_model,
    add_overwrite,
    add_spacing,
    add_zarr_format,
)
from .values import parse_duration, parse_value

_EPILOG = """exit codes: 0: success; 1: an error of the program, with a traceback, too little
memory, or failed blocks of a scan; 2: a bad command line or bad input, which the message explains;
130: interrupted without a result; 141: the program that reads the output has ended"""
_NO_ROIS = ("tif", "ilastik", "ome-zarr")  # formats of label images
SHARED = ("sections", "spatial_ndim")  # parameters of several steps, given once
# Parameters that have one value on the command line: there is no backbone or earlier fit, a loss is
# an object, and classes are not counted. The spacing of the counter is that of the images.
_LEFT_OUT = ("finetune", "warm_start", "loss", "target", "spacing")
# Where the command line differs from the estimators.
_DEFAULTS = {
    "--random-state": "0",
    "--spatial-ndim": "2",  # no step before the segmenter knows it
    "--verbose": "yes, without --json",
    "--scaler-scope": "image, for consecutive sections dataset",
    "--time-budget": "none; 10m is ten minutes; the parameter search of the counter takes more",
}
_SPECIAL = {"time_budget": (parse_duration, "DURATION")}
# Prefix of the options of each step of the pipeline.
STEPS = (
    ("SemiSupervisedSegmenter", ""),
    ("PercentileScaler", "scaler-"),
    ("InstanceCounter", "counter-"),
)


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands but ``demo``."""
    parser = Parser(
        prog="sskseg",
        description="Segment and count objects in microscope images from few labels.",
        epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, summary, add_options in _COMMANDS:
        command = commands.add_parser(name, help=summary, description=summary + ".", epilog=_EPILOG)
        if callable(add_options):
            _add_all(command, add_options)
            continue
        actions = command.add_subparsers(dest="action", metavar="ACTION", required=True)
        for action, (text, add) in add_options.items():
            own = actions.add_parser(action, help=text, description=text + ".", epilog=_EPILOG)
            _add_all(own, add)
    commands.add_parser("demo", help="Train, count and report with one command")
    return parser


def _add_all(parser, add_options):
    """Add the options of a command or of its action, and that of all of them."""
    add_options(parser)
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def option_names(command: str) -> dict[str, str]:
    """Return the options of a command by the names of arguments in Python.

    Parameters
    ----------
    command : str

    Returns
    -------
    dict of str to str
        Parameters of estimators with the class, ``InstanceCounter.min_size``, and without.
    """
    found = next(add for name, _, add in _COMMANDS if name == command)
    options: list[argparse.Action] = []
    for add in [found] if callable(found) else [add for _, add in found.values()]:
        parser = argparse.ArgumentParser(add_help=False)
        add(parser)
        options += [action for action in parser._actions if action.option_strings]
    names = {action.dest: action.option_strings[0] for action in options}
    return {dest.rpartition(".")[2]: option for dest, option in reversed(names.items())} | names


def _fit(command):
    add_images(command)
    command.add_argument(
        "--labels", type=Path, required=True,
        help="file or folder of label images, regions or points, paired with images by name; pass "
        "the images again if labels are in the same folder, or are ROIs inside TIFF files",
    )  # fmt: skip
    command.add_argument(
        "--point-radius", type=float, metavar="PIXELS",
        help="about the radius of an object, if labels are points: a disc around each point is "
        "foreground, and a ring of the same width around it is unlabeled (default: 3)",
    )  # fmt: skip
    command.add_argument("--out", type=Path, required=True, help="model file, or folder for it")
    add_spacing(command)
    add_background(command)
    add_empty(command)
    command.add_argument("--overwrite", action="store_true", help="replace an earlier model")
    command.add_argument("--dry-run", action="store_true", help="check everything, train nothing")
    for class_name, prefix in STEPS:
        _parameters(command, class_name, prefix)


def _parameters(command, class_name, prefix):
    """Options for the parameters of an estimator; those that are not given are not set."""
    group = command.add_argument_group(f"parameters of {class_name}")
    for parameter in estimator_parameters(class_name, prefix):
        if parameter.name in _LEFT_OUT or (prefix and parameter.name in SHARED):
            continue
        default = _DEFAULTS.get(parameter.option, parameter.default)
        parse, metavar = _SPECIAL.get(parameter.name, (parse_value, "VALUE"))
        kind = "" if parameter.is_flag or metavar != "VALUE" else f"{parameter.kind}; "
        text = f"{parameter.summary} ({kind}default: {default})".replace("%", "%%")
        settings: dict = {"help": text, "default": argparse.SUPPRESS}
        settings["dest"] = f"{class_name}.{parameter.name}"
        if parameter.is_flag:
            group.add_argument(parameter.option, action=argparse.BooleanOptionalAction, **settings)
        else:
            group.add_argument(parameter.option, type=parse, metavar=metavar, **settings)


def _suggest(command):
    add_images(command)
    command.add_argument(
        "--labels", type=Path,
        help="file or folder of existing labels; labeled images are not suggested",
    )  # fmt: skip
    add_background(command)
    add_empty(command)
    command.add_argument(
        "--number", dest="n", type=int, default=5, metavar="N",
        help="number of images to suggest (default: 5)",
    )  # fmt: skip
    command.add_argument(
        "--model", type=Path,
        help="model file, or its folder: suggest the images, or the sections of a stack, on which "
        "the model is least certain (default: suggest images that represent all images)",
    )  # fmt: skip
    add_invert(command)
    command.add_argument(
        "--spatial-ndim", type=int, choices=(2, 3),
        help="2 for images, 3 for volumes (default: 2, or that of the model)",
    )  # fmt: skip


def _predict(command):
    add_images_and_model(command)
    command.add_argument("--out", type=Path, required=True, help="new folder for the results")
    add_overwrite(command)
    command.add_argument(
        "--output", choices=("labels", "probability", "mask"), default="labels",
        help="what to write for each image (default: labels)",
    )  # fmt: skip
    add_invert(command)
    add_spacing(command)


def _count(command):
    add_images_and_model(command)
    command.add_argument(
        "--out", type=Path, help="new folder for counts.csv, objects.csv and labels"
    )
    add_overwrite(command)
    command.add_argument(
        "--rois", action="append", default=[], choices=[f for f in FORMATS if f not in _NO_ROIS],
        help="also write objects in this format, to a folder of its name, such as imagej/ (repeat "
        "the option for several formats)",
    )  # fmt: skip
    command.add_argument(
        "--overlays", action="store_true",
        help="also write a picture of each image with the outlines and numbers of its objects, to "
        "overlays/",
    )  # fmt: skip
    add_invert(command)
    add_spacing(command)


def _report(command):
    add_images_and_model(command)
    command.add_argument("--labels", type=Path, help="labels to compare with")
    command.add_argument(
        "--trained-on", type=Path, metavar="LABELS",
        help="labels that were passed to sskseg fit, if run.json is not beside the model; their "
        "images are reported separately, and labels of other images are ignored (default: read "
        "run.json, and compare the content of files)",
    )  # fmt: skip
    add_background(command)
    add_empty(command)
    command.add_argument("--out", type=Path, required=True, help="HTML file")
    command.add_argument("--overwrite", action="store_true", help="replace an earlier page")
    add_invert(command)
    add_spacing(command)


def _convert(command):
    command.add_argument("labels", type=Path, help="label images, ROIs or other regions")
    command.add_argument("--images", type=Path, help="images of the labels, for sizes and names")
    command.add_argument(
        "--to", choices=FORMATS, metavar="FORMAT",
        help=f"{', '.join(FORMATS)}; imagej is a ROI zip, geojson is for QuPath (default: by the "
        "suffix of --out)",
    )  # fmt: skip
    command.add_argument(
        "--out", type=Path,
        help="folder for the results, or the file of one image, such as cell.geojson",
    )  # fmt: skip
    add_background(command)
    add_zarr_format(command)
    group = command.add_argument_group("for labels in an OME-Zarr image (--to ome-zarr)")
    group.add_argument("--image", help="the image, such as scan.ome.zarr or plate.zarr:/A/1/0")
    group.add_argument("--name", help="name of the labels (default: objects)")
    group.add_argument("--table", type=Path, help="measurements of the objects, objects.csv")
    group.add_argument("--overwrite", action="store_true", help="replace labels of this name")


def _export(command):
    add_model(command)
    command.add_argument("--out", type=Path, required=True, help="NAME.onnx or NAME.zip")
    command.add_argument("--overwrite", action="store_true", help="replace an earlier export")
    group = command.add_argument_group("for a bioimage.io package (NAME.zip)")
    group.add_argument("--sample", type=Path, help="an image that may be published")
    group.add_argument("--name", help="name of the model")
    group.add_argument("--description", help="a sentence or two")
    group.add_argument(
        "--author",
        action="append",
        help="name of an author (repeat the option for several authors)",
    )
    group.add_argument("--license", help="such as CC-BY-4.0")
    add_channel(group)
    add_spacing(group)


def _info(command):
    command.add_argument(
        "path",
        help="model, images, regions or OME-Zarr: a file, a folder of files, or a URL of OME-Zarr",
    )  # fmt: skip


_COMMANDS: tuple[tuple[str, str, Callable | Actions], ...] = (
    ("suggest", "Suggest which images or sections to label next", _suggest),
    ("fit", "Train on images, some of which are labeled, and write a model", _fit),
    ("predict", "Write labels, probabilities or masks of images", _predict),
    ("count", "Count and measure the objects in images", _count),
    ("scan", "Count the objects of a scan larger than memory", SCAN),
    ("totals", "Estimate totals with intervals from audited tiles, and compare groups", TOTALS),
    ("report", "Write an HTML page about a model and its predictions", _report),
    ("convert", "Convert labels and regions of interest between programs", _convert),
    ("export", "Write a model for other programs: ONNX or bioimage.io", _export),
    ("info", "Show what a model, images, regions or an OME-Zarr contain", _info),
)
