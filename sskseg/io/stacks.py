"""Which planes of files are neighbors: those of one stack."""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Sequence
from itertools import chain, islice, pairwise
from math import gcd, prod
from pathlib import Path

from .folders import stem
from .pictures import Picture, planes_of


def depths(picture: Picture) -> list[int]:
    """Count the planes of the stacks of a picture.

    Parameters
    ----------
    picture : Picture

    Returns
    -------
    list of int
        The depth of the volume of each time or position; of a picture without z, all planes.
    """
    sizes = planes_of(picture.axes, picture.pixels.shape)
    n = prod(size for _, size in sizes)
    depth = dict(sizes).get("z", n)
    return [depth] * (n // depth) if depth else []


def stack_positions(stacks: Sequence[int]) -> list[int] | None:
    """Compute positions of sections, with a gap beside each stack of several.

    Parameters
    ----------
    stacks : sequence of int
        Numbers of sections, in the order of the files.

    Returns
    -------
    list of int, or None
        None for a single stack: one of several sections, or sections in a file each.
    """
    positions: list[int] = []
    start, was_stack = 0, False
    for n in stacks:
        start += bool(positions) and (n > 1 or was_stack)
        positions += range(start, start + n)
        start, was_stack = start + n, n > 1
    return positions if positions and positions[-1] >= len(positions) else None


def missing_numbers(files: Sequence[Path]) -> list[range]:
    """Find the numbers that the names of sections leave out.

    Parameters
    ----------
    files : sequence of Path
        In the order of their numbers, each of one section.

    Returns
    -------
    list of range
        One for each gap. Empty where names differ in more than one number. If all numbers are
        multiples of 10 apart, only such are missing.

    Examples
    --------
    >>> from pathlib import Path
    >>> from sskseg.io.stacks import missing_numbers
    >>> missing_numbers([Path(f"s_{n:03d}.tif") for n in (1, 2, 4)])
    [range(3, 4)]
    >>> missing_numbers([Path(f"s_{n:03d}.tif") for n in (10, 20, 40)])
    [range(30, 40, 10)]
    """
    parts = [_parts(file) for file in files]
    if len({tuple(each[::2]) for each in parts}) != 1:
        return []
    numbers = [set(map(int, each)) for each in zip(*(each[1::2] for each in parts), strict=True)]
    varying = [sorted(each) for each in numbers if len(each) > 1]
    if len(varying) != 1:
        return []
    found = varying[0]
    step = gcd(*(b - a for a, b in pairwise(found)))
    return [range(a + step, b, step) for a, b in pairwise(found) if b - a > step]


def numbered_series(files: Sequence[Path]) -> list[list[Path]]:
    """Find several series of sections, each with numbers of its own.

    Parameters
    ----------
    files : sequence of Path
        Each of one section.

    Returns
    -------
    list of list of Path
        Files that differ only in the last number that varies, if two series or more have a number
        in common. Otherwise empty: it is one series, or unknown.

    Examples
    --------
    >>> from pathlib import Path
    >>> from sskseg.io.stacks import numbered_series
    >>> names = ("A_1.tif", "A_2.tif", "B_1.tif", "B_2.tif")
    >>> [[file.name for file in series] for series in numbered_series(map(Path, names))]
    [['A_1.tif', 'A_2.tif'], ['B_1.tif', 'B_2.tif']]
    """
    alike: dict[tuple[str, ...], list[tuple[Path, list[str]]]] = {}
    for file in files:
        parts = _parts(file)
        alike.setdefault(tuple(parts[::2]), []).append((file, parts[1::2]))
    series: dict[tuple, dict[int, Path]] = {}
    for texts, found in alike.items():
        columns = list(zip(*(numbers for _, numbers in found), strict=True))
        varying = [i for i, column in enumerate(columns) if len(set(column)) > 1]
        for file, numbers in found if varying else ():
            number = int(numbers.pop(varying[-1]))
            series.setdefault((texts, *numbers), {})[number] = file
    several = [each for each in series.values() if len(each) > 1]
    shared = Counter(number for each in several for number in each)
    return [[*each.values()] for each in several] if max(shared.values(), default=1) > 1 else []


def _parts(file):
    """Texts and numbers of a name, in turn."""
    return re.split(r"(\d+)", stem(file))


def warn_of_section_numbers(folder: Path, files: Sequence[Path], stacklevel: int = 1) -> None:
    """Warn of sections that are read as neighbors, and may be none by their numbers.

    Their positions stay consecutive. An object that continues across one lost section would be
    counted twice otherwise, which is a larger error than that of its length. Series of numbers may
    be several stacks, or the slides of one.
    """
    series, missing = numbered_series(files), missing_numbers(files)
    if series:
        shown = ", ".join(f"{each[0].name} to {each[-1].name}" for each in series[:3])
        more = f" and {len(series) - 3} more" if len(series) > 3 else ""
        warnings.warn(
            f"{folder} has {len(series)} series of numbered sections ({shown}{more}), which are "
            "read as one stack: the last section of one is the neighbor of the first of the next. "
            "If they are several stacks, move each into a folder of its own, or save each as one "
            "file.",
            UserWarning,
            stacklevel=stacklevel + 1,
        )
    if not missing:
        return
    n = sum((gap.stop - gap.start) // gap.step for gap in missing)  # len() is limited
    first = islice(chain(*missing), 5)
    shown, more = ", ".join(map(str, first)), f" and {n - 5} more" if n > 5 else ""
    warnings.warn(
        f"{folder} has no section {shown}{more}, by the numbers in the names of its files: the "
        "sections before and after are read as neighbors. To keep them apart, save each stack as "
        "one file.",
        UserWarning,
        stacklevel=stacklevel + 1,
    )
