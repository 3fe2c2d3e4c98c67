"""What the commands of scans share."""

from __future__ import annotations

import argparse
from dataclasses import replace

from ...io.scans import Scan, open_scan
from ._common import given_spacing


def open_source(source: str, options: argparse.Namespace) -> Scan:
    """Open a scan, with the channel and the size of a pixel that were given."""
    scan = open_scan(source, channel=options.channel)
    if options.spacing is None:
        return scan
    spacing, unit = given_spacing(options, len(scan.spacing))
    return replace(scan, spacing=spacing, unit=unit)
