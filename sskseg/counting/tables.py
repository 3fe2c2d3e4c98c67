"""Tables of objects: one row an object."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from ..detection import Detections
from ..images import consecutive_runs
from ..io.folders import without_number
from ..morphology import contour_columns, measure_objects, with_units
from ..morphology.columns import length_unit, select_columns

Intensities = Sequence[np.ndarray | None]


def measure_samples(
    labels: Iterable[np.ndarray],
    probabilities: Sequence[np.ndarray],
    intensities: Intensities,
    spacing: tuple[float, ...] | None = None,
    **options: Any,
) -> pd.DataFrame:
    """Measure the objects of independent samples.

    Parameters
    ----------
    labels : iterable of ndarray of int, shape (*spatial)
    probabilities : sequence of ndarray of shape (*spatial)
    intensities : sequence of ndarray or None
        Images, with or without channels.
    spacing : tuple of float, default=None
        Size of a pixel along each axis; None is 1.
    **options
        `unit` and `columns` of `sskseg.morphology.measure_objects`.

    Returns
    -------
    pandas.DataFrame
        ``sample``, and the columns of `sskseg.morphology.measure_objects`.
    """
    samples = zip(labels, probabilities, intensities, strict=True)
    return _concatenate(
        measure_objects(
            label, probability=probability, intensity=intensity, spacing=spacing, **options
        )
        for label, probability, intensity in samples
    )


def measure_detections(
    detections: Iterable[Detections],
    intensities: Intensities,
    spacing: tuple[float, ...] | None = None,
    *,
    unit: str | None = None,
    columns: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Measure detected objects and their contours.

    Parameters
    ----------
    detections : iterable of Detections
        Of each sample.
    intensities, spacing, unit, columns
        As in `measure_samples`.

    Returns
    -------
    pandas.DataFrame
        As `measure_samples` returns it, with the detector's ``score`` and the columns of
        `sskseg.morphology.contour_columns`, whatever `columns` are; the perimeter is that of the
        contour.
    """
    steps = np.ones(2) if spacing is None else np.asarray(spacing, float)
    if columns is not None:
        select_columns(columns, 2, ("probability", "intensity"))  # names them as they were given
        columns = [name for name in columns if name not in ("score", "perimeter")]
    tables = []
    for detected, intensity in zip(detections, intensities, strict=True):
        table = measure_objects(
            detected.labels, intensity=intensity, spacing=spacing, columns=columns
        )
        outlines = contour_columns(detected.contours, steps)
        after = "touches_border" if "touches_border" in table else table.columns[-1]
        table.insert(int(table.columns.get_loc(after)) + 1, "score", detected.scores)
        tables.append(with_units(table.assign(**outlines), length_unit(unit, spacing)))
    return _concatenate(tables)


def measure_sections(
    labels: Sequence[np.ndarray],
    probabilities: Sequence[np.ndarray],
    intensities: Intensities,
    positions: np.ndarray,
    spacing: tuple[float, ...] | None = None,
    **options: Any,
) -> pd.DataFrame:
    """Measure objects over consecutive sections, each run of neighbors as a volume.

    Parameters
    ----------
    labels : sequence of ndarray of int, shape (height, width)
        Objects have the same id in all of their sections.
    probabilities, intensities
        As in `measure_samples`.
    positions : ndarray of int, shape (n_samples,)
        Of the sections along z.
    spacing : tuple of float, default=None
        Distance of sections and size of a pixel; None is 1.
    **options
        `unit` and `columns` of `sskseg.morphology.measure_objects`.

    Returns
    -------
    pandas.DataFrame
        The columns of `sskseg.morphology.measure_objects` for volumes.
    """
    tables = []
    for run in consecutive_runs(positions):
        table = measure_objects(
            np.stack([labels[i] for i in run]),
            probability=np.stack([probabilities[i] for i in run]),
            intensity=None if intensities[0] is None else np.stack([intensities[i] for i in run]),
            spacing=spacing,
            **options,
        )
        first = int(positions[run[0]])
        step = 1.0 if spacing is None else spacing[0]
        for name, shift in (("centroid_z", first * step), ("min_z", first), ("max_z", first)):
            if name in table:
                table[name] += shift
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def by_stack(
    objects: pd.DataFrame,
    labels: Sequence[np.ndarray],
    positions: np.ndarray,
    names: Sequence[str],
    spacing: Sequence[float] | None,
) -> pd.DataFrame:
    """Name the stack of each object, and let its z start there; a single stack stays as it is.

    Parameters
    ----------
    objects : DataFrame
        As `InstanceCounter.measure` returns it, for consecutive sections.
    labels : sequence of ndarray of int
    positions : ndarray of int, shape (n_sections,)
        With a gap between stacks.
    names : sequence of str
        Of the sections. A stack has the name of its first section; without the number, if no other
        stack is of the same file.
    spacing : sequence of float or None
        Distance of sections first.

    Returns
    -------
    DataFrame
    """
    runs = consecutive_runs(positions)
    if len(runs) == 1:
        return objects
    step = 1.0 if spacing is None else spacing[0]
    firsts = [names[run[0]] for run in runs]
    files = [*map(without_number, firsts)]
    titles = firsts if len(set(files)) < len(files) else files
    objects = objects.copy()
    objects.insert(0, "image", "")
    for run, title in zip(runs, titles, strict=True):
        rows = objects.id.isin(np.unique(np.stack([labels[i] for i in run])))
        objects.loc[rows, "image"] = title
        first = positions[run[0]]
        for name, shift in (("centroid_z", first * step), ("min_z", first), ("max_z", first)):
            objects.loc[rows, name] -= shift
    return objects


def _concatenate(tables):
    tables = list(tables)
    for sample, table in enumerate(tables):
        table.insert(0, "sample", sample)
    return pd.concat(tables, ignore_index=True)
