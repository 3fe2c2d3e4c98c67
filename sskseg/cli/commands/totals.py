"""``sskseg totals``: draw tiles to audit, estimate totals, and compare groups of animals."""

from __future__ import annotations

import argparse
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ...images import spatial_ndim_of
from ...io import read_labels
from ...io.scans import open_scan
from ...report import format_table
from ...totals import (
    AuditPlan,
    TotalEstimate,
    compare_groups,
    count_tiles,
    estimate_total,
    plan_audit,
    predict_tiles,
    read_audit,
    read_plan,
    write_audit,
)
from ..record import Record
from ..results import check_new_file, check_results
from ..sizes import count_text
from ._common import (
    check_folder,
    model_file,
    model_of,
    new_folder,
    progress_bars,
    read,
    say,
    say_nothing_written,
    say_size,
    source_of_size,
)
from ._scans import open_source
from .count import check_counts

_TOTAL, _COMPARISON, _PICTURE = "total.json", "comparison.json", "comparison.png"
_ZARR = ".zarr"


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Plan audits, estimate a total, or compare groups."""
    return {"plan": _plan, "estimate": _estimate, "compare": _compare}[options.action](options)


def _plan(options):
    if (options.model is None) == (not options.objects):
        raise ValueError("sskseg totals plan needs --model, or --objects of sskseg scan run.")
    if options.tile is None:
        raise ValueError("--tile is missing: sskseg totals plan needs the size of a tile.")
    if options.out is None and not options.dry_run:
        raise ValueError("--out is missing: sskseg totals plan needs a folder.")
    if options.out is not None:
        check_folder(options.out)
        check_results(options)
    tiles, images, inputs = (_of_objects if options.objects else _of_images)(options)
    plan = plan_audit(
        tiles, options.k, count_weight=options.count_weight, random_state=options.random_state
    )
    drawn = f"{count_text(len(plan.to_audit), 'tile')} of {len(tiles)}"
    found = {"tiles": len(tiles), "to_audit": len(plan.to_audit)}
    if options.dry_run:
        say(options, f"{drawn} would be written")
        return found
    record = Record(options.arguments, inputs)
    write_audit(plan, images, new_folder(options.out), margin=options.margin)
    record.write(options.out / "run.json", result=found)
    say(options, f"Wrote {drawn} to {options.out / 'images'}")
    say(
        options,
        "Count the objects in them without opening plan.csv, and save annotations in"
        f" {options.out / 'annotations'}, or counts in {options.out / 'counts.csv'}."
        + _about_frames(options),
    )
    return found


def _about_frames(options):
    """How to count by eye; of annotations, those outside of the frame are left out."""
    if options.margin == 0:
        return ""
    pixels = count_text(options.margin, "pixel")
    return (
        f" Images show up to {pixels} beside their tile. In counts.csv, count only objects whose"
        f" center is in the tile: {options.out / 'frames.csv'} has its place in each image."
    )


def _of_images(options):
    """Tiles of images that a model counts; in a dry run without counts."""
    source = options.sources[0]
    model = model_of(options)
    check_counts(model, options)
    names, X = read(source, options, model)
    ndim, regions = spatial_ndim_of(model), None
    if options.regions is not None:
        shapes = [x.shape[:ndim] for x in X]
        _, regions = read_labels(
            options.regions, names, spatial_ndim=ndim, shape=shapes, empty="background"
        )
        lacking = [name for name, region in zip(names, regions, strict=True) if region is None]
        if lacking:
            raise ValueError(f"--regions must have an image for each, lacks {lacking[:5]}.")
    inputs = [source, model_file(options.model)]
    if options.dry_run:
        empty = pd.DataFrame(columns=[f"centroid_{a}" for a in "zyx"[-ndim:]], dtype=float)
        tiles = [count_tiles([empty], x.shape[:ndim], options.tile) for x in X]
        return pd.concat(tiles, ignore_index=True), X, inputs
    with progress_bars(options):
        return predict_tiles(model, X, options.tile, regions=regions), X, inputs


def _of_objects(options):
    """Tiles of a scan whose objects are in tables."""
    scan = open_source(options.sources[0], options)
    say_size(options, scan.spacing, scan.unit, source_of_size(options))
    regions = options.regions
    if regions is not None and _ZARR in str(regions):
        regions = open_scan(regions).data
    shape = scan.data.shape[: len(scan.spacing)]
    tiles = count_tiles(
        options.objects, shape, options.tile, spacing=scan.spacing, regions=regions
    )  # fmt: skip
    return tiles, [scan.data], options.objects


def _read(folder: Path, options: argparse.Namespace, annotations=None) -> TotalEstimate:
    """Read an audit, and estimate its total."""
    plan: AuditPlan = read_plan(folder)
    audited = read_audit(folder, annotations)
    return estimate_total(plan, audited, confidence=options.confidence)


def _estimate(options):
    folder = options.sources[0]
    if not options.dry_run:
        check_new_file(folder / _TOTAL, options, "total")
    result = _read(folder, options, options.annotations)
    say(options, str(result))
    if result.by_region is not None:
        say(options, format_table(result.by_region, digits=0))
    say(options, f"\n{result.sentence(options.name)}")
    found = _plain(asdict(result)) | {"sentence": result.sentence(options.name)}
    if not options.dry_run:
        Record(options.arguments, [folder]).write(folder / _TOTAL, result=found)
        say(options, f"Wrote {folder / _TOTAL}")
    return found


def _compare(options):
    if options.groups is None:
        raise ValueError("--groups is missing: sskseg totals compare needs one for each audit.")
    if options.out is not None:
        check_folder(options.out)
        for name in (_COMPARISON, _PICTURE):
            check_new_file(options.out / name, options, "comparison")
    totals = [_read(folder, options) for folder in options.sources]
    choices = {"per": options.per, "method": options.method, "confidence": options.confidence}
    comparison = compare_groups(totals, options.groups, **choices)
    say(options, str(comparison))
    say(
        options,
        f"Standard error of the log ratio {comparison.standard_error:.3f}; with another animal in"
        f" each group {comparison.one_more_animal:.3f}, with another audit in each animal"
        f" {comparison.one_more_audit:.3f}",
    )
    say(options, f"\n{comparison.sentence()}")
    found = _plain(asdict(comparison)) | {"sentence": comparison.sentence()}
    if options.dry_run:
        return found
    if options.out is None:
        say_nothing_written(options, f"{_COMPARISON} and {_PICTURE}")
        return found
    from ...report import GroupComparisonDisplay

    record = Record(options.arguments, options.sources)
    folder = new_folder(options.out)
    display = GroupComparisonDisplay.from_totals(totals, options.groups, **choices)
    display.figure_.savefig(folder / _PICTURE, dpi=200)
    record.write(folder / _COMPARISON, result=found)
    say(options, f"Wrote {_COMPARISON} and {_PICTURE} to {folder}")
    return found


def _plain(value):
    """A value as JSON, which has no NaN and no tables."""
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, pd.DataFrame):
        return [_plain(row) for row in value.to_dict("records")]
    if isinstance(value, tuple | list):
        return [_plain(each) for each in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and math.isnan(value) else value
