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
        help="size of a pixel: 0.5um, or for each axis (distance of sections first) 2,0.5,0.5um; "
        "a number without a unit is in micrometers (um) (default: the size in the files)",
    )  # fmt: skip


def add_channel(command: _ActionsContainer) -> None:
    """Add ``--channel``."""
    command.add_argument(
        "--channel", metavar="CHANNEL",
        help="the channel to read of images that have several: its number from 0, or its name, "
        "which sskseg info shows if the file has it (default: the one that the model was trained "
        "on, or all)",
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
        help="meaning of pages of zeros in a stack of labels whose other pages have objects: pages "
        "without an object, or pages that are not labeled yet (default: background, with a "
        "warning if they are at least half of the pages)",
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
        help="invert the images for the model: for dark objects, if it knows bright ones",
    )  # fmt: skip


def add_overwrite(command: _ActionsContainer) -> None:
    """Add ``--overwrite``, of earlier results."""
    command.add_argument(
        "--overwrite", action="store_true",
        help="replace the results of an earlier run in --out; files that it did not write, or that "
        "were changed since, are an error",
    )  # fmt: skip


def add_zarr_format(command: _ActionsContainer) -> None:
    """Add ``--zarr-format``."""
    command.add_argument(
        "--zarr-format", type=int, choices=(2, 3),
        help="version of Zarr: 2 for programs that do not read 3 (default: 3)",
    )  # fmt: skip
