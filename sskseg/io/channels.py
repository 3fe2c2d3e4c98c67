"""Channels of an image: their names, and the choice of one."""

from __future__ import annotations

from collections.abc import Sequence


def channel_names(names: Sequence[str | None], axes: str, shape: Sequence[int]) -> tuple[str, ...]:
    """Return the names of channels if there is one for each along the axis c, or none."""
    n = shape[axes.index("c")] if "c" in axes else 1
    found = tuple(str(name or "") for name in names)
    return found if len(found) == n and any(found) and "s" not in axes else ()


def channel_index(channel: int | str, n: int, names: Sequence[str] = ()) -> int:
    """Return the index of a channel.

    Parameters
    ----------
    channel : int or str
        Index from 0, or a name. A name of digits that no channel has is an index.
    n : int
        Number of channels.
    names : sequence of str, default=()
        Names of the channels, where the file has them.

    Returns
    -------
    int

    Raises
    ------
    ValueError
        If there is no such channel, or several of that name.

    Examples
    --------
    >>> from sskseg.io.channels import channel_index
    >>> channel_index("GFP", 2, ("DAPI", "GFP")), channel_index("0", 2)
    (1, 0)
    """
    known: list[int | str] = [name for name in names if name]
    if known.count(channel) > 1:
        raise ValueError(
            f"channel must be a number from 0 to {n - 1}, since several channels have one name, "
            f"got {channel!r}"
        )
    if channel in known:
        return list(names).index(str(channel))
    index = int(channel) if str(channel).isdecimal() else -1
    if not 0 <= index < n:
        numbers = f"a number from 0 to {n - 1}" if n > 1 else "0, the only one"
        listed = f" or one of {', '.join(map(repr, dict.fromkeys(known)))}" if known else ""
        raise ValueError(f"channel must be {numbers}{listed}, got {channel!r}")
    return index
