"""What the commands of scans share."""

from __future__ import annotations

import argparse
from dataclasses import replace

from ...io.scans import Scan, choose_channel, open_scan
from ._channels import check_channels
from ._common import given_spacing, model_file


def open_source(source: str, options: argparse.Namespace) -> Scan:
    """Open a scan, with the channel and the size of a pixel that were given."""
    scan = open_scan(source)
    if options.model is not None:
        n_channels = scan.data.shape[-1] if "c" in scan.axes else 1
        found = [(source, scan.channels, n_channels)]
        check_channels(model_file(options.model), options.channel, found)
    if options.channel is not None:
        scan = choose_channel(scan, options.channel)
    if options.spacing is None:
        return scan
    spacing, unit = given_spacing(options, len(scan.spacing))
    return replace(scan, spacing=spacing, unit=unit)
