"""Values of options: durations, sizes of pixels, and parameters of estimators."""

from __future__ import annotations

import argparse
import ast
import os
import re
from typing import Any

_SECONDS = {"": 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
# Index, number and first index of this process among several, as schedulers name them.
_SHARDS = (
    ("SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_COUNT", "SLURM_ARRAY_TASK_MIN"),
    ("AWS_BATCH_JOB_ARRAY_INDEX", "AWS_BATCH_JOB_ARRAY_SIZE", None),
    ("RANK", "WORLD_SIZE", None),
)
_WORDS = {"none": None, "true": True, "false": False}


def parse_duration(text: str) -> float:
    """Convert a duration, such as "90", "90s", "10m" or "1.5h", to seconds.

    Parameters
    ----------
    text : str

    Returns
    -------
    float

    Raises
    ------
    argparse.ArgumentTypeError
        For another unit, or a number that is not positive.

    Examples
    --------
    >>> from sskseg.cli.values import parse_duration
    >>> parse_duration("10m"), parse_duration("90")
    (600.0, 90.0)
    """
    match = re.fullmatch(r"\s*([0-9.]+)\s*([a-z]*)\s*", text.lower())
    try:
        seconds = float(match[1]) * _SECONDS[match[2]]  # type: ignore[index]
    except (TypeError, KeyError, ValueError):
        seconds = 0.0
    if seconds <= 0:
        raise argparse.ArgumentTypeError(
            f"expected a duration such as 90s, 10m or 1.5h, got {text!r}"
        )
    return seconds


def parse_spacing(text: str) -> tuple[tuple[float, ...], str]:
    """Convert the size of a pixel, such as "0.5um" or "2,0.5,0.5um", to numbers and a unit.

    Parameters
    ----------
    text : str
        One number for square pixels, or one for each axis, separated by commas; then a unit, or
        none for micrometers.

    Returns
    -------
    spacing : tuple of float
    unit : str
        Its name in OME-Zarr.

    Raises
    ------
    argparse.ArgumentTypeError
        If it does not read so, or for what is no unit of length.

    Examples
    --------
    >>> from sskseg.cli.values import parse_spacing
    >>> parse_spacing("0.5um"), parse_spacing("2, 0.5, 0.5")
    (((0.5,), 'micrometer'), ((2.0, 0.5, 0.5), 'micrometer'))
    """
    from ..io.units import ngff_unit  # imports numpy, for which --help does not wait

    match = re.fullmatch(r"\s*([0-9.eE+\-,\s]*[0-9.])\s*([^\d,.\s]*)\s*", text)
    try:
        numbers = tuple(float(part) for part in match[1].split(","))  # type: ignore[index]
    except (TypeError, ValueError):
        numbers = ()
    if not numbers or any(not 0 < number < float("inf") for number in numbers):
        raise argparse.ArgumentTypeError(
            "expected the size of a pixel such as 0.5um or 2,0.5,0.5um, with positive numbers and "
            f"one unit at the end, got {text!r}"
        )
    given = match[2]  # type: ignore[index]
    unit = ngff_unit(given or "um")
    if unit is None:
        raise argparse.ArgumentTypeError(
            f"expected a unit of length such as nm, um or mm, got {given!r} in {text!r}"
        )
    return numbers, unit


def parse_shard(text: str) -> tuple[int, int]:
    """Convert a shard, such as "3/8" or "auto", to its index from 0 and how many there are.

    Parameters
    ----------
    text : str
        "auto" reads the environment of a SLURM or AWS Batch array job, or of torchrun.

    Returns
    -------
    index, count : int

    Raises
    ------
    argparse.ArgumentTypeError
        If it does not read so, or the environment has no such variables.

    Examples
    --------
    >>> from sskseg.cli.values import parse_shard
    >>> parse_shard("3/8")
    (3, 8)
    """
    if text == "auto":
        return _shard_of_environment()
    match = re.fullmatch(r"\s*(\d+)\s*/\s*(\d+)\s*", text)
    if match is None:
        raise argparse.ArgumentTypeError(
            f"expected a shard such as 0/4, the first of four, or auto, got {text!r}"
        )
    return int(match[1]), int(match[2])


def _shard_of_environment():
    for names in _SHARDS:
        index, count, first = (None if name is None else os.environ.get(name) for name in names)
        if index is None or count is None:
            continue
        step = os.environ.get("SLURM_ARRAY_TASK_STEP", "1") if first is not None else "1"
        try:
            return (int(index) - int(first or 0)) // int(step), int(count)
        except (ValueError, ZeroDivisionError):
            raise argparse.ArgumentTypeError(
                f"expected numbers in {names[0]} and {names[1]}, got {index!r} and {count!r}"
            ) from None
    pairs = ", ".join(f"{index} and {count}" for index, count, _ in _SHARDS)
    raise argparse.ArgumentTypeError(f"auto needs the environment variables {pairs}")


def parse_value(text: str) -> Any:
    """Convert the value of a parameter: a number, none, true, false, a tuple, a dict or a word.

    Parameters
    ----------
    text : str
        Python literals; "1,2" is a tuple. What is none of these is a string.

    Returns
    -------
    object

    Examples
    --------
    >>> from sskseg.cli.values import parse_value
    >>> [parse_value(text) for text in ("3", "1e-3", "none", "auto", "64,64")]
    [3, 0.001, None, 'auto', (64, 64)]
    """
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        if "," in text and text[0] not in "([{":
            return tuple(parse_value(part.strip()) for part in text.split(","))
        return text
