"""Channels that a model was trained on: kept in its file, and compared with those of images."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path, PurePath
from typing import Any

from ...io.channels import TrainedChannel
from ...io.images import channels_in, find_channel
from ...models import load_metadata


def channel_metadata(images: Path, channel: str | None) -> dict[str, Any] | None:
    """Return what the file of a model says of the channels of its training images."""
    if channel is not None:
        return {"channel": asdict(find_channel(images, channel))}
    names = next((names for _, names, n in channels_in(images) if names and n > 1), None)
    return None if names is None else {"channels": list(names)}


def trained_channel(model_file: Path) -> TrainedChannel | None:
    """Return the only channel that a model was trained on; None if it takes all."""
    channel = load_metadata(model_file).get("channel")
    return channel and TrainedChannel(channel["index"], channel["name"])


def check_channels(
    model_file: Path,
    channel: int | str | TrainedChannel | None,
    found: Iterable[tuple[str | Path, tuple[str, ...], int]],
) -> None:
    """Compare the channels of images or a scan with those that a model was trained on.

    Parameters
    ----------
    model_file : Path
    channel : int, str, TrainedChannel or None
        The only channel to read; None reads all.
    found : iterable of (path, tuple of str, int)
        File, names of the channels, and their number, of each image.

    Raises
    ------
    ValueError
        If the model takes all channels, and those of a file have another order.

    Warns
    -----
    UserWarning
        If the channels of a file have other names, or none where the model knows one.
    """
    if channel is None:
        known = tuple(load_metadata(model_file).get("channels", ()))
        if known:
            _check_all(known, found)
    elif isinstance(channel, TrainedChannel) and channel.name:
        nameless = [file for file, names, n in found if n > 1 and not names]
        if nameless:
            warnings.warn(
                f"{PurePath(nameless[0]).name} does not name its channels: channel {channel.index} "
                f"is read, since the model was trained on {channel}. Check that it is the same, or "
                "give --channel.",
                stacklevel=3,
            )


def _check_all(known, found):
    others = [(file, names) for file, names, _ in found if names and names != known]
    if not others:
        return
    in_other_order = [each for each in others if sorted(each[1]) == sorted(known)]
    file, names = (in_other_order or others)[0]
    text = f"{file} has the channels {', '.join(names)}, and the model was trained on "
    text += ", ".join(known)
    if in_other_order:
        raise ValueError(f"{text}, in this order: save the channels in that order.")
    warnings.warn(f"{text}: they are read as if they were the same.", stacklevel=3)
