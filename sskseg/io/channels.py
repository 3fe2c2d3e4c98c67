"""Channels of an image: their names, and the choice of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class TrainedChannel:
    """A channel that a model was trained on.

    Of files that name their channels, the one of this name is meant, and of others the one of this
    index. An image with one channel without a name needs no choice.

    Parameters
    ----------
    index : int
        From 0.
    name : str, default=""
        Empty if the files of the training did not name their channels.
    """

    index: int
    name: str = ""

    def __str__(self) -> str:
        return f"channel {self.index}" + (f" ({self.name!r})" if self.name else "")


def channel_names(names: Sequence[str | None], axes: str, shape: Sequence[int]) -> tuple[str, ...]:
    """Return the names of channels if there is one for each along the axis c, or none."""
    n = shape[axes.index("c")] if "c" in axes else 1
    found = tuple(str(name or "") for name in names)
    return found if len(found) == n and any(found) and "s" not in axes else ()


def channel_index(channel: int | str | TrainedChannel, n: int, names: Sequence[str] = ()) -> int:
    """Return the index of a channel.

    Parameters
    ----------
    channel : int, str or TrainedChannel
        Index from 0, or a name, in upper or lower case if a single channel has it so. A name of
        digits that no channel has is an index.
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
    >>> from sskseg.io.channels import TrainedChannel, channel_index
    >>> channel_index("GFP", 2, ("DAPI", "GFP")), channel_index("0", 2)
    (1, 0)
    >>> channel_index("gfp", 2, ("DAPI", "GFP"))
    1
    >>> trained = TrainedChannel(1, "GFP")
    >>> channel_index(trained, 2, ("GFP", "DAPI")), channel_index(trained, 2)
    (0, 1)
    """
    known: list[int | str] = [name for name in names if name]
    wanted = _of_training(channel, n, known) if isinstance(channel, TrainedChannel) else channel
    wanted = _as_written(wanted, known)
    if known.count(wanted) > 1:
        raise ValueError(
            f"channel must be a number from 0 to {n - 1}, since several channels have one name, "
            f"got {wanted!r}"
        )
    if wanted in known:
        return list(names).index(str(wanted))
    index = int(wanted) if str(wanted).isdecimal() else -1
    if not 0 <= index < n:
        numbers = f"a number from 0 to {n - 1}" if n > 1 else "0, the only one"
        listed = f" or one of {', '.join(map(repr, dict.fromkeys(known)))}" if known else ""
        raise ValueError(f"channel must be {numbers}{listed}, got {wanted!r}")
    return index


def _as_written(name, known):
    """A name as the file writes it: itself, or the only one that differs in case alone."""
    same = [other for other in known if other.casefold() == str(name).casefold()]
    return same[0] if name not in known and isinstance(name, str) and len(same) == 1 else name


def _of_training(channel, n, known):
    """What to choose of an image: the name where there are names, and the index where not."""
    if known and channel.name:
        name = _as_written(channel.name, known)
        if name in known:
            return name
        raise ValueError(
            f"channel must be given: the model was trained on {channel}, and there is "
            f"{', '.join(map(repr, known))}"
        )
    if channel.index >= n > 1:
        raise ValueError(
            f"channel must be given: the model was trained on {channel}, and there are {n} channels"
        )
    return channel.index if n > 1 else 0


def unlike_names(names: Sequence[Sequence[str]]) -> tuple[int, int] | None:
    """Find two images with as many channels, of which one has different names.

    Parameters
    ----------
    names : sequence of sequence of str
        Names of the channels of each image that are read; empty where a file has none.

    Returns
    -------
    tuple of int, or None
        Indices of the first two such images.

    Examples
    --------
    >>> from sskseg.io.channels import unlike_names
    >>> unlike_names([("DAPI", "GFP"), (), ("DAPI", ""), ("GFP", "DAPI")])
    (0, 3)
    """
    first: dict[tuple[int, int], int] = {}  # image that names a channel, by number of channels
    for i, own in enumerate(names):
        for channel, name in enumerate(own):
            j = first.setdefault((len(own), channel), i) if name else i
            if name and names[j][channel] != name:
                return j, i
    return None
