"""Numbers of bytes, seconds, pixels and blocks as people read them."""

from __future__ import annotations

from collections.abc import Iterable

_UNITS = ("bytes", "kB", "MB", "GB", "TB", "PB")


def shape_text(sides: Iterable[object]) -> str:
    """Return sides with crosses between them, such as "64 x 512 x 512"."""
    return " x ".join(map(str, sides))


def bytes_text(n: float) -> str:
    """Return a number of bytes with a unit.

    Parameters
    ----------
    n : float

    Returns
    -------
    str

    Examples
    --------
    >>> from sskseg.cli.sizes import bytes_text
    >>> bytes_text(10223616), bytes_text(12)
    ('10.2 MB', '12 bytes')
    """
    power = 0
    while n >= 1000 and power < len(_UNITS) - 1:
        n, power = n / 1000, power + 1
    return f"{n:.3g} {_UNITS[power]}"


def duration_text(seconds: float) -> str:
    """Return a duration in seconds, minutes, hours or days.

    Parameters
    ----------
    seconds : float

    Returns
    -------
    str

    Examples
    --------
    >>> from sskseg.cli.sizes import duration_text
    >>> duration_text(0.02), duration_text(90), duration_text(9000)
    ('1 second', '2 minutes', '2.5 hours')
    """
    lengths = {"day": 86400, "hour": 3600, "minute": 60}
    unit = next((unit for unit, length in lengths.items() if seconds >= 1.5 * length), "second")
    n = max(seconds / lengths.get(unit, 1), 1)
    digits = 1 if unit in ("day", "hour") and n < 10 else 0
    text = f"{n:.{digits}f}".removesuffix(".0")
    return f"{text} {unit}{'' if text == '1' else 's'}"


def count_text(n: int, what: str) -> str:
    """Return a number of things, such as "1 block" or "2 blocks"."""
    return f"{n} {what}{'' if n == 1 else 's'}"


def of_total(n: int, total: int) -> str:
    """Return how many blocks are finished, and how many are left.

    Parameters
    ----------
    n, total : int

    Returns
    -------
    str

    Examples
    --------
    >>> from sskseg.cli.sizes import of_total
    >>> of_total(120, 480)
    '120 of 480 blocks (25 %), 360 left'
    """
    share = 100 * n // total if total else 100
    return f"{n} of {count_text(total, 'block')} ({share} %), {total - n} left"
