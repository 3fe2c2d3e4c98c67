"""Counts of objects: number, density, sizes and intervals, by image and region."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from ..counting import count_by_region
from ..counting._region_objects import pixels_of_centroids
from ..model_selection.intervals import count_intervals
from .answers import measured
from .sample import Sample
from .session import Session

COVERAGE = 0.9
NOT_CALIBRATED = (
    "No count yet: mark a region in which every object is painted or clicked, and train. Without "
    "one, nothing says how large an object is, and fragments would count."
)


def count_objects(
    sample: Sample, labels: np.ndarray, regions: np.ndarray | None = None, *,
    names: Mapping[int, str] | None = None,
) -> pd.DataFrame:  # fmt: skip
    """Count the objects of an image, by region.

    Parameters
    ----------
    sample : Sample
    labels : ndarray of int, shape (*spatial)
        0 background, > 0 objects.
    regions : ndarray of int, shape (*spatial), default=None
        0 is outside of all; None: the whole image is one.
    names : dict of int to str, default=None
        Of regions.

    Returns
    -------
    table : pandas.DataFrame
        As `sskseg.counting.count_by_region` returns it, ``region, objects, size, density``, with
        ``median_area`` or ``median_volume`` of the objects, and ``n_pixels`` of the region.

    Raises
    ------
    ValueError
        If `regions` is of another shape.
    """
    regions = np.ones(labels.shape, np.int32) if regions is None else regions
    if regions.shape != labels.shape:
        raise ValueError(f"regions must have shape {labels.shape}, got {regions.shape}.")
    objects = measured(sample, labels, None)
    unit = None if sample.spacing is None else sample.unit
    table = count_by_region(objects, regions, names=names, spacing=sample.spacing, unit=unit)
    size = "volume" if labels.ndim == 3 else "area"
    medians = objects[size].groupby(regions_at(sample, objects, regions)).median()
    table[f"median_{size}"] = table["region"].map(medians).astype(float)
    pixels = dict(zip(*np.unique(regions, return_counts=True)))
    table["n_pixels"] = table["region"].map(pixels).fillna(0).astype(np.int64)
    if unit is not None:
        table.attrs["units"][f"median_{size}"] = objects.attrs["units"][size]
    return table


def regions_at(sample: Sample, objects: pd.DataFrame, regions: np.ndarray) -> np.ndarray:
    """Return the regions in which the centroids of objects lie.

    Parameters
    ----------
    sample : Sample
    objects : pandas.DataFrame
        As of `Answer`.
    regions : ndarray of int, shape (*spatial)

    Returns
    -------
    ndarray of int, shape (n_objects,)
    """
    spacing = np.ones(regions.ndim) if sample.spacing is None else np.array(sample.spacing)
    return regions[tuple(pixels_of_centroids(objects, regions, spacing).T)]


def count_session(
    session: Session, model: Any, regions: Mapping[str, tuple[np.ndarray, dict[int, str]]],
) -> pd.DataFrame:  # fmt: skip
    """Count the objects of all images.

    Parameters
    ----------
    session : Session
        With answers.
    model : Pipeline
        That gave the answers.
    regions : dict of (ndarray of int, dict of int to str)
        Label images of regions, and their names, by name of the image. Images without are one
        region.

    Returns
    -------
    table : pandas.DataFrame
        Rows of `count_objects` after a column ``image``, with ``low`` and ``high``: the interval
        of the count, at a coverage of `COVERAGE`; NaN where there is none.
    """
    tables = []
    for name, answer in session.answers.items():
        labels, names = regions.get(name, (None, {1: "whole image"}))
        table = count_objects(session.samples[name], answer.labels, labels, names=names)
        table.insert(0, "image", name)
        tables.append(table)
    units = [table.attrs.get("units") for table in tables]
    table = pd.concat(tables, ignore_index=True)
    table.attrs = {"units": units[0]} if units[0] and all(u == units[0] for u in units) else {}
    table["low"], table["high"] = intervals(table, model[-1]).T
    return table


def intervals(table: pd.DataFrame, counter: Any) -> np.ndarray:
    """Return intervals of counts, NaN where there is none.

    Parameters
    ----------
    table : pandas.DataFrame
        With ``objects`` and ``n_pixels``.
    counter : InstanceCounter
        Fitted.

    Returns
    -------
    ndarray of float, shape (n_rows, 2)
    """
    bounds = np.full((len(table), 2), np.nan)
    if why_no_interval(counter) is not None:
        return bounds
    # A larger region than those of `fit`, or more objects, would be extrapolated.
    largest = counter.held_out_counts_.max()
    fits = (
        (table["n_pixels"] <= counter.largest_image_) & (table["objects"] <= largest)
    ).to_numpy()
    if fits.any():
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # what would warn has been left out
            counts = table["objects"].to_numpy()[fits]
            bounds[fits] = count_intervals(counts, counter.held_out_counts_, COVERAGE)
    return bounds


def why_no_interval(counter: Any) -> str | None:
    """Return why no count has an interval, or None.

    Parameters
    ----------
    counter : InstanceCounter
        Fitted.
    """
    needed = int(np.ceil(COVERAGE / (1 - COVERAGE) - 1e-9))
    known = 0 if counter.held_out_counts_ is None else len(counter.held_out_counts_)
    if counter.sections == "consecutive":
        return "No interval: of consecutive sections there is none."
    if known < needed:
        return (
            f"No interval: {needed} rectangular complete regions are needed for a coverage of "
            f"{COVERAGE:.0%}, and there are {known or 'fewer'}."
        )
    if counter.in_sample_:
        return (
            "No interval: the network was trained on all complete regions, so that its errors on "
            "them are too small. Check 'Intervals' and train."
        )
    return None


def lines_of(table: pd.DataFrame) -> list[str]:
    """Return a line of text for each count.

    Parameters
    ----------
    table : pandas.DataFrame
        Of `count_session`.

    Returns
    -------
    list of str
    """
    size = next(column for column in table if column.startswith("median_"))
    units = table.attrs.get("units", {})
    lines = []
    for row in table.to_dict("records"):
        interval = "" if np.isnan(row["low"]) else f" ({row['low']:.0f} to {row['high']:.0f})"
        density = f"{row['density']:.4g} {units.get('density', 'per pixel')}"
        sizes = f"{size.replace('_', ' ')} {row[size]:.4g} {units.get(size, 'pixels')}"
        place = f"{row['image']}, {row['name']}"
        lines.append(f"{place}: {row['objects']} objects{interval}, {density}, {sizes}")
    return lines


def objects_of(
    session: Session, regions: Mapping[str, tuple[np.ndarray, dict[int, str]]]
) -> pd.DataFrame:
    """Return all objects, one row each, after the columns ``image`` and ``region``.

    Parameters
    ----------
    session : Session
        With answers.
    regions : dict of (ndarray of int, dict of int to str)
        As of `count_session`.

    Returns
    -------
    table : pandas.DataFrame
    """
    tables = []
    for name, answer in session.answers.items():
        table = answer.table.copy()
        labels, names = regions.get(name, (None, {}))
        if labels is not None:
            numbers = regions_at(session.samples[name], table, labels)
            table.insert(1, "region", [names.get(int(n), "outside") for n in numbers])
        table.insert(0, "image", name)
        tables.append(table)
    joined = pd.concat(tables, ignore_index=True)
    joined.attrs = dict(tables[0].attrs)
    return joined
