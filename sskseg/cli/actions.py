"""Options of the commands that have actions: each action has its own."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from .shared_options import (
    MODEL_HELP,
    add_channel,
    add_invert,
    add_model,
    add_spacing,
    add_zarr_format,
)
from .values import parse_shard, parse_value

# By the name of an action: its summary, and what adds its options to a parser.
Actions = dict[str, tuple[str, Callable]]


def _scan_plan(command):
    _scan(command)
    shown = {*command._actions}
    _scan_run_alone(command, is_required=False)  # of the command that it prints
    for action in command._actions:
        if action not in shown:
            action.help = argparse.SUPPRESS


def _scan_run(command):
    _scan(command)
    _scan_run_alone(command, is_required=True)


def _scan_status(command):
    command.add_argument(
        "source", metavar="destination",
        help="destination of a run: a folder or a URL, such as s3://bucket/result",
    )  # fmt: skip


def _scan(command):
    """What `plan` and `run` need."""
    command.add_argument(
        "source", help="scan: a file, a folder, or a URL, such as s3://bucket/scan.zarr"
    )
    add_model(command)
    add_channel(command)
    add_spacing(command)
    shapes = {
        "block-shape": "size of a block, such as 2048 or 64,512,512 (default: 2048, for volumes "
        "128,512,512, or less if memory is small)",
        "halo": "width of the margin that is read around each block, larger than an object, such "
        "as 64 or 8,64,64 (default: 128, for volumes 32)",
    }
    for name, text in shapes.items():
        command.add_argument(f"--{name}", type=parse_value, metavar="PIXELS", help=text)
    command.add_argument("--workers", type=int, metavar="N", help="number of threads")
    command.add_argument(
        "--mask",
        help="mask image, as large as the scan or coarser; nothing is counted where it is 0",
    )
    command.add_argument(
        "--object-diameter", type=float, metavar="PIXELS",
        help="typical diameter of the objects in the scan (default: that of the training images; "
        "if these have objects of different sizes, it is measured on the scan)",
    )  # fmt: skip
    add_invert(command)


def _scan_run_alone(command, *, is_required):
    """What `run` needs beyond `plan`."""
    command.add_argument("--out", required=is_required, help="destination: a folder or a URL")
    command.add_argument(
        "--shard", type=parse_shard, metavar="I/N",
        help="index I (from 0) of this process, and number N of processes that count the scan "
        "together; auto reads both from SLURM, AWS Batch or torchrun",
    )  # fmt: skip
    command.add_argument("--scheduler", help="address of a dask scheduler, such as tcp://host:8786")
    command.add_argument(
        "--skip-below",
        type=float,
        metavar="INTENSITY",
        help="skip blocks without a pixel above this intensity",
    )
    command.add_argument("--intensity", action="store_true", help="measure intensities of objects")
    add_zarr_format(command)
    command.add_argument(
        "--fresh", action="store_true", help="start from scratch instead of resuming"
    )


def _totals_plan(command):
    command.add_argument("sources", nargs=1, type=Path, metavar="PATH", help="images, or a scan")
    command.add_argument("--out", type=Path, help="new folder for the tiles")
    _add_dry_run(command)
    command.add_argument("--model", type=Path, help=MODEL_HELP)
    add_channel(command)
    add_invert(command)
    command.add_argument(
        "--objects", type=Path, action="append", default=[],
        help="objects.parquet or objects.csv of sskseg scan run (repeat the option for a second "
        "run, with another threshold or network)",
    )  # fmt: skip
    command.add_argument(
        "--tile", type=parse_value, metavar="PIXELS", help="size of a tile, such as 256 or 32,256"
    )
    command.add_argument(
        "--audits",
        dest="k",
        type=int,
        default=20,
        metavar="N",
        help="number of tiles to draw, with replacement (default: 20)",
    )
    command.add_argument(
        "--margin", type=int, default=16, metavar="PIXELS",
        help="margin around a tile, at least the radius of an object (default: 16)",
    )  # fmt: skip
    command.add_argument(
        "--count-weight", type=float, default=0.1,
        help="weight of the counts of tiles in the draw, relative to the disagreement of two "
        "counts; 0 if the model misses most objects (default: 0.1)",
    )  # fmt: skip
    command.add_argument(
        "--regions", type=Path, help="label images or ROIs, such as an atlas, for totals of regions"
    )
    command.add_argument(
        "--random-state", type=int, default=0, help="seed of the draws (default: 0)"
    )
    add_spacing(command)


def _totals_estimate(command):
    command.add_argument(
        "sources", nargs=1, type=Path, metavar="PATH", help="folder of sskseg totals plan"
    )
    _add_dry_run(command)
    _add_confidence(command)
    command.add_argument(
        "--annotations", type=Path,
        help="folder of label images, points or ROIs, or counts.csv (default: those in the folder "
        "of plan)",
    )  # fmt: skip
    command.add_argument("--name", default="objects", help="name of the objects (default: objects)")
    command.add_argument("--overwrite", action="store_true", help="replace an earlier total.json")


def _totals_compare(command):
    command.add_argument(
        "sources", nargs="+", type=Path, metavar="PATH", help="folders of all animals"
    )
    command.add_argument("--out", type=Path, help="folder for comparison.json and comparison.png")
    command.add_argument("--overwrite", action="store_true", help="replace an earlier comparison")
    _add_dry_run(command)
    _add_confidence(command)
    command.add_argument(
        "--groups", type=lambda text: text.split(","), metavar="NAMES",
        help="group of each folder, such as control,control,mutant",
    )  # fmt: skip
    command.add_argument(
        "--per", choices=("total", "size"), default="total",
        help="compare totals, or densities: totals divided by size (default: total)",
    )  # fmt: skip
    command.add_argument(
        "--method", choices=("welch", "permutation"), default="welch",
        help="statistical test (default: welch)",
    )  # fmt: skip


def _add_dry_run(command):
    command.add_argument("--dry-run", action="store_true", help="check everything, write nothing")


def _add_confidence(command):
    command.add_argument(
        "--confidence", type=float, default=0.95,
        help="confidence level of intervals (default: 0.95)",
    )  # fmt: skip


SCAN: Actions = {
    "plan": (
        "Estimate the cost of a scan, and print the command that counts it, with the options of "
        "run that are given",
        _scan_plan,
    ),
    "run": ("Count the objects of a scan, or resume an earlier run", _scan_run),
    "status": ("Show the progress of a run, and the command that resumes it", _scan_status),
}
TOTALS: Actions = {
    "plan": ("Draw tiles to audit, and write their images", _totals_plan),
    "estimate": ("Estimate a total with an interval from audited tiles", _totals_estimate),
    "compare": ("Compare the totals of groups of animals", _totals_compare),
}
