"""Regions of ImageJ and Fiji: .roi files, .zip files of the ROI Manager, overlays in TIFF files."""

from __future__ import annotations

import zipfile
from itertools import pairwise
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from ..truncation import unreadable
from .objects import Drawing, Shape
from .regions import (
    UNLABELED,
    ImageRegions,
    Region,
    as_measurement,
    as_number,
    leave_out,
    points_of,
    rectangle,
    vertices_of,
    warn_of_kinds,
    where_is,
)

_TIFF = (".tif", ".tiff")
_MAX_SIDE = 60535  # of corners that 16 bits hold, as ImageJ reads them
_MAX_ENTRIES, _MAX_ENTRY, _MAX_TOTAL = 2**21, 2**26, 2**31  # of a zip, bytes
_MAX_RATIO, _SMALL = 200, 2**20
_POLYGON, _RECTANGLE, _OVAL, _FREEHAND, _TRACED, _POINT = 0, 1, 2, 7, 8, 10
_TEXT, _ARROW, _IMAGE = 1, 2, 4
_POLYGONS = (_POLYGON, _FREEHAND, _TRACED)
_CURVE = np.linspace(0, 1, 17)[1:, None]  # where curves are sampled


def read_roi(file: Path) -> list[ImageRegions]:
    """Read a .roi file."""
    if file.stat().st_size > _MAX_ENTRY:
        raise ValueError(f"{file} has {file.stat().st_size} bytes: it is no ROI of ImageJ.")
    return [ImageRegions(None, None, _regions(file, [(file.stem, file.read_bytes())]))]


def read_zip(file: Path) -> list[ImageRegions]:
    """Read a .zip file in memory; nothing is unpacked to disk.

    Raises
    ------
    ValueError
        If it is damaged, holds anything but ROIs, or would need too much memory.
    """
    try:
        archive = zipfile.ZipFile(file)
    except Exception as error:  # of many kinds, for damaged files
        raise unreadable(file, "a zip file of ROIs", error) from error
    with archive:
        entries = [entry for entry in archive.infolist() if not _is_extra(entry)]
        _check_sizes(entries, file)
        return [ImageRegions(None, None, _regions(file, _unpacked(archive, entries, file)))]


def _unpacked(archive, entries, file):
    """Names and bytes of the entries of a zip."""
    for entry in entries:
        try:
            content = archive.read(entry)
        except Exception as error:  # of many kinds, for damaged files
            raise ValueError(
                f"{where_is(file, entry.filename)} is damaged: {error}. Copy or export it again."
            ) from error
        yield entry.filename, content


def _is_extra(entry):
    """Whether an entry is a folder, or what the Finder of macOS adds."""
    return entry.is_dir() or entry.filename.startswith("__MACOSX/")


def _check_sizes(entries, file):
    """Refuse a zip that would fill the memory, before anything is unpacked."""
    if len(entries) > _MAX_ENTRIES:
        raise ValueError(f"{file} has {len(entries)} entries; at most {_MAX_ENTRIES} are read.")
    for entry in entries:
        if not entry.filename.lower().endswith(".roi"):
            raise ValueError(f"{where_is(file, entry.filename)} is no ROI of ImageJ (.roi).")
        is_bomb = entry.file_size > max(_SMALL, _MAX_RATIO * entry.compress_size)
        if entry.file_size > _MAX_ENTRY or is_bomb:
            raise ValueError(
                f"{where_is(file, entry.filename)} has {entry.file_size} bytes, compressed to "
                f"{entry.compress_size}: it is no ROI, and is not unpacked."
            )
    total = sum(entry.file_size for entry in entries)
    if total > _MAX_TOTAL:
        raise ValueError(f"{file} unpacks to {total} bytes; at most {_MAX_TOTAL} are read.")


def has_overlay(file: Path) -> bool:
    """Return whether ImageJ saved an overlay with areas or points in a TIFF file.

    A selection is none: ImageJ also saves the last one that happened to be drawn. A damaged file or
    overlay is left to the reader, which names it.
    """
    import tifffile

    if file.suffix.lower() not in _TIFF:
        return False
    try:
        with tifffile.TiffFile(file) as tiff:
            found = (tiff.imagej_metadata or {}).get("Overlays", ())
    except Exception:  # of many kinds
        return False
    items = found if isinstance(found, (list, tuple)) else [found]
    if not items:
        return False
    parse = import_roifile().ImagejRoi.frombytes
    try:
        return any(_region(parse(item), "", str(file), 1) is not None for item in items)
    except Exception:  # of many kinds, for bytes that are no ROI
        return True


def read_overlay(file: Path) -> list[ImageRegions]:
    """Read the overlay that ImageJ saved in a TIFF file, or else the selection."""
    import tifffile

    try:
        with tifffile.TiffFile(file) as tiff:
            metadata = tiff.imagej_metadata or {}
            series = tiff.series[0]
            sides = dict(zip(series.axes, series.shape))
    except Exception as error:  # tifffile raises errors of many kinds
        raise unreadable(file, "an image", error) from error
    found = metadata.get("Overlays", metadata.get("ROI"))
    if found is None:
        raise ValueError(
            f"{file} holds no ROI: no overlay or selection that ImageJ saved. Save the ROIs of "
            "the ROI Manager as .zip, or add them to the overlay before you save the image."
        )
    items = found if isinstance(found, (list, tuple)) else [found]
    depth = prod(sides.get(axis, 1) for axis in "TZQI")
    shape = (*([depth] if depth > 1 else []), sides["Y"], sides["X"])
    content = ((f"overlay {i}", item) for i, item in enumerate(items, start=1))
    return [ImageRegions(None, shape, _regions(file, content, sides.get("Z", 1)))]


def _regions(file, content, n_sections=None):
    """Regions of pairs (name, bytes), of an image whose number of sections may be known."""
    roifile = import_roifile()
    regions, others = [], []
    for name, data in content:
        name = name.rsplit("/", 1)[-1].removesuffix(".roi")
        try:
            roi = roifile.ImagejRoi.frombytes(data)
        except Exception as error:  # of many kinds, for bytes that are no ROI
            raise ValueError(f"{where_is(file, name)} is damaged: {error}.") from error
        name = roi.name or name
        region = _region(roi, name, where_is(file, name), n_sections)
        if region is None:
            others.append(name)
        else:
            regions.append(region)
    leave_out(file, others, "lines, text or pictures", is_all=not regions, stacklevel=5)
    return regions


def import_roifile() -> Any:
    """Import roifile, which is installed with an extra."""
    try:
        import roifile
    except ImportError as error:
        raise ImportError(
            "ROIs of ImageJ need the package roifile: pip install 'sskseg[rois]'."
        ) from error
    return roifile


def _region(roi, name, where, n_sections=None):
    properties = roi.properties
    group = str(roi.group) if roi.group else None
    measurements = {k: as_measurement(v) for k, v in properties.items() if k != "object"}
    known = {
        "name": name,
        "key": as_number(properties.get("object")),
        "class_name": str(properties["class"]) if "class" in properties else group,
        "measurements": {k: v for k, v in measurements.items() if v is not None},
    }
    if roi.roitype == _POINT:
        # As lines, and unlike areas, points of ImageJ count from the center of the first pixel.
        points, planes = points_of(roi.coordinates(), where, offset=0), roi.counter_positions
        counters = [] if roi.counters is None else set(roi.counters.tolist())
        warn_of_kinds((f"counter {n}" for n in counters), where, 7)
        if planes is None or not planes.any():
            return Region(points=points, plane=_plane(roi, where, n_sections), **known)
        return Region(points=points, plane=planes.astype(int) - 1, **known)
    if roi.subtype in (_TEXT, _ARROW, _IMAGE):
        return None
    rings, mask = _area(roi, where)
    if not rings and not mask:
        return None
    return Region(rings=rings, mask=mask, plane=_plane(roi, where, n_sections), **known)


def _plane(roi, where, n_sections):
    """Plane, from 0: a section or a time, of images with both a section of a time."""
    z, t = roi.z_position, roi.t_position
    if z > 0 and t > 1:
        if n_sections is None:
            raise ValueError(
                f"{where} is in section {z} of time {t}, and the file does not say how many "
                "sections a time has. In Fiji, add the ROIs to the overlay of the image (ROI "
                "Manager, From ROI Manager), save it as TIFF, and read it instead."
            )
        return (t - 1) * n_sections + z - 1
    position = z or roi.position or t
    return position - 1 if position > 0 else None


def _area(roi, where):
    """Rings and mask of an area; neither of a line."""
    if roi.roitype in _POLYGONS:
        return (vertices_of(roi.coordinates(), where),), None
    if roi.composite and roi.roitype == _RECTANGLE:
        return _flattened(roi.multi_coordinates.tolist(), where), None
    if roi.roitype not in (_RECTANGLE, _OVAL):
        return (), None
    # Of sides with fractions, ImageJ fills the box of whole pixels around them, too.
    box = roi.left, roi.top, roi.right, roi.bottom
    corners = rectangle(*box, where)
    if roi.roitype == _OVAL:
        return (), _oval(corners)
    return (corners,) if not roi.rounded_rect_arc_size else (_rounded(roi, box, where),), None


def _oval(corners):
    """Pixels whose center is in the ellipse in a box."""
    low, high = corners.min(axis=0), corners.max(axis=0)
    first, last = np.floor(low).astype(int), np.ceil(high).astype(int)
    y, x = np.ogrid[first[0] : last[0], first[1] : last[1]]
    (cy, cx), (ry, rx) = (low + high) / 2, (high - low) / 2
    inside = ((y + 0.5 - cy) / ry) ** 2 + ((x + 0.5 - cx) / rx) ** 2 <= 1
    return int(first[0]), int(first[1]), inside


def _rounded(roi, box, where):
    """A rectangle with quarters of a circle as corners."""
    x0, y0, x1, y1 = box
    radius = min(roi.rounded_rect_arc_size / 2, (x1 - x0) / 2, (y1 - y0) / 2)
    centers = [(x1 - radius, y1 - radius), (x0 + radius, y1 - radius),
               (x0 + radius, y0 + radius), (x1 - radius, y0 + radius)]  # fmt: skip
    arcs = []
    for quarter, center in enumerate(centers):
        angle = np.linspace(quarter, quarter + 1, 17) * np.pi / 2
        arcs.append(center + radius * np.stack([np.cos(angle), np.sin(angle)], axis=1))
    return vertices_of(np.concatenate(arcs), where)


def _flattened(path, where):
    """Rings of a path of lines and curves; of less than three vertices, they have no area."""
    rings: list[list] = []
    ring: list[list[float]] = []
    at = 0
    while at < len(path):
        kind = path[at]
        n = {0: 2, 1: 2, 2: 4, 3: 6, 4: 0}.get(kind)
        if n is None or at + n >= len(path) or (kind and not ring):
            raise ValueError(f"{where} is damaged: its path has no command {kind:g} at {at}.")
        points = np.array(path[at + 1 : at + 1 + n]).reshape(-1, 2)
        if kind in (0, 4):
            rings.append(ring)
            ring = points.tolist() if kind == 0 else ring[:0]
        else:
            ring += (points if kind == 1 else _curve(np.array([ring[-1], *points]))).tolist()
        at += 1 + n
    return tuple(vertices_of(ring, where) for ring in [*rings, ring] if len(ring) > 2)


def _curve(points):
    """Points on a Bezier curve, by the algorithm of de Casteljau."""
    level = [np.broadcast_to(point, (len(_CURVE), 2)) for point in points]
    while len(level) > 1:
        level = [a + _CURVE * (b - a) for a, b in pairwise(level)]
    return level[0]


def write_imagej(path: Path, drawing: Drawing) -> None:
    """Write a .zip file as the ROI Manager does, or a .roi file of one ROI.

    Parameters
    ----------
    path : Path
    drawing : Drawing

    Raises
    ------
    ValueError
        If the image is larger than what ROIs hold, or a .roi file would hold several ROIs.
    """
    roifile = import_roifile()
    if max(drawing.shape[-2:], default=0) > _MAX_SIDE:
        raise ValueError(
            f"ROIs of ImageJ hold coordinates up to {_MAX_SIDE}, and the image has shape "
            f"{drawing.shape}: write GeoJSON."
        )
    rois = (_roi(roifile, shape) for shape in drawing.shapes())
    points = _point_roi(roifile, drawing)
    everything = (roi for group in (rois, points) for roi in group)
    if drawing.suffix == ".roi":
        found = list(everything)
        if len(found) != 1:
            raise ValueError(f"A .roi file holds one region, got {len(found)}: write a .zip file.")
        path.write_bytes(found[0].tobytes())
        return
    taken: set[str] = set()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for i, roi in enumerate(everything):
            roi.name = f"{roi.name}-{i}" if roi.name in taken else roi.name
            taken.add(roi.name)
            archive.writestr(f"{roi.name}.roi", roi.tobytes())


def _roi(roifile, shape: Shape):
    rings = [ring for polygon in shape.polygons for ring in polygon]
    low = np.min([ring.min(axis=0) for ring in rings], axis=0)
    high = np.max([ring.max(axis=0) for ring in rings], axis=0)
    roi = roifile.ImagejRoi(
        top=int(low[0]), left=int(low[1]), bottom=int(high[0]), right=int(high[1]),
        name=_name(shape), props=_properties(shape), position=(shape.plane or 0) + shape.has_plane,
    )  # fmt: skip
    if len(rings) == 1:
        roi.roitype = roifile.ROI_TYPE.TRACED
        roi.integer_coordinates = rings[0][:, ::-1] - low[::-1]
        roi.n_coordinates = len(rings[0])
        return roi
    roi.roitype = roifile.ROI_TYPE.RECT
    roi.multi_coordinates = np.concatenate([_path(ring) for ring in rings]).astype(np.float32)
    roi.shape_roi_size = len(roi.multi_coordinates)
    return roi


def _path(ring):
    """Commands of one ring: move to, line to, close."""
    commands = np.empty((len(ring), 3))
    commands[:, 0], commands[:, 1:] = 1, ring[:, ::-1]
    commands[0, 0] = 0
    return np.append(commands.ravel(), 4)


def _name(shape):
    name = shape.name.replace("/", "_").replace("\\", "_")
    return f"{shape.plane + 1:04d}-{name}" if shape.has_plane else name


def _properties(shape):
    if shape.number is None:
        return f"class: {UNLABELED}\n"
    lines = [f"object: {shape.number}\n"]
    lines += [f"class: {shape.class_name}\n"] if shape.class_name else []
    # ImageJ reads names up to a space.
    measured = {key.replace(" [", "["): value for key, value in shape.measurements.items()}
    return "".join([*lines, *(f"{key}: {value!r}\n" for key, value in measured.items())])


def _point_roi(roifile, drawing):
    """One multi-point ROI of all points, with the section of each."""
    points = drawing.points
    if points is None or not len(points):
        return []
    roi = roifile.ImagejRoi.frompoints(np.asarray(points[:, :-3:-1], np.float64), name="points")
    roi.roitype = roifile.ROI_TYPE.POINT
    if points.shape[1] == 3:
        roi.counters = np.zeros(len(points), np.uint8)
        roi.counter_positions = np.rint(points[:, 0]).astype(np.uint32) + 1
    return [roi]
