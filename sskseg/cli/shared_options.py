"""Options that several commands have."""

from __future__ import annotations

from argparse import _ActionsContainer
from pathlib import Path

from .values import parse_spacing

MODEL_HELP = "model file, its folder, or the name of a trained model, such as nuclei"


def add_spacing(command: _ActionsContainer) -> None:
    """Add ``--spacing``."""
    command.add_argument(
        "--spacing", type=parse_spacing, metavar="SIZE",
        help="pixel size along y and x, such as 0.5um, or a size for each axis (z, or distance of "
        "sections, first), such as 2,0.5,0.5um, which volumes and stacks need; without a unit, "
        "micrometers (um) (default: the size in the files)",
    )  # fmt: skip


def add_channel(command: _ActionsContainer) -> None:
    """Add ``--channel``."""
    command.add_argument(
        "--channel", metavar="CHANNEL",
        help="channel to read if images have several: its number (from 0) or its name; sskseg info "
        "lists both (default: the channel that the model was trained on, or all)",
    )  # fmt: skip


def add_images(command: _ActionsContainer) -> None:
    """Add images, and ``--channel``."""
    command.add_argument("images", type=Path, help="file or folder of images")
    add_channel(command)


def add_background(command: _ActionsContainer) -> None:
    """Add ``--background``."""
    command.add_argument(
        "--background", type=int, metavar="CLASS",
        help="number of the background class in label files of ilastik (.h5); 0 if there is none",
    )  # fmt: skip


def add_empty(command: _ActionsContainer) -> None:
    """Add ``--empty``."""
    command.add_argument(
        "--empty", choices=("background", "unlabeled"),
        help="whether pages of zeros in a stack of labels are labeled pages without objects "
        "(background) or unlabeled pages (default: background, with a warning if they are at "
        "least half of the pages)",
    )  # fmt: skip


def add_model(command: _ActionsContainer) -> None:
    """Add ``--model``, which is required."""
    command.add_argument("--model", type=Path, required=True, help=MODEL_HELP)


def add_images_and_model(command: _ActionsContainer) -> None:
    """Add images and ``--model``."""
    add_images(command)
    add_model(command)


def add_invert(command: _ActionsContainer) -> None:
    """Add ``--invert-images``."""
    command.add_argument(
        "--invert-images", action="store_true",
        help="invert intensities, if objects are dark and the model was trained on bright objects "
        "(compare results with the images: bright-field images need a model of their own)",
    )  # fmt: skip


def add_overwrite(command: _ActionsContainer) -> None:
    """Add ``--overwrite``, of earlier results."""
    command.add_argument(
        "--overwrite", action="store_true",
        help="replace the results of an earlier run in --out; it is an error if the folder "
        "contains other files, or results that were changed",
    )  # fmt: skip


def add_zarr_format(command: _ActionsContainer) -> None:
    """Add ``--zarr-format``."""
    command.add_argument(
        "--zarr-format", type=int, choices=(2, 3),
        help="version of Zarr: 2 for programs that do not read version 3 (default: 3)",
    )  # fmt: skip
