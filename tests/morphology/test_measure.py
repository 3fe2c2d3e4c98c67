"""The table of objects equals that of scikit-image; units, selected columns, bad input."""

import re
from pathlib import Path

import numpy as np
import pytest
from skimage.measure import regionprops_table

from sskseg.datasets import make_cells
from sskseg.morphology import (
    REGIONPROPS_NAMES,
    Runs,
    expand_runs,
    measure_objects,
    merge_sums,
    object_sums,
    sums_to_table,
)
from sskseg.morphology.columns import AXES, COLUMNS

ROOT = Path(__file__).parents[2]
ALL = {ndim: [n for n, c in COLUMNS.items() if ndim in c.ndim] for ndim in (2, 3)}


def shapes():
    """Pixels, lines, a diagonal, a ring, two parts, an L, a square, touching and cut objects."""
    labels = np.zeros((40, 50), np.int32)
    labels[0, 0] = 3
    labels[2, 3:9] = 5
    labels[4:12, 1] = 8
    labels[np.arange(6, 14), np.arange(6, 14)] = 9
    labels[15:26, 2:13] = 12
    labels[18:22, 5:9] = 0
    labels[2:4, 30:33] = labels[8:9, 34:40] = 13
    labels[12:30, 20:23] = labels[27:30, 20:40] = 20
    labels[12:20, 25:33] = 21
    labels[12:20, 33:38] = 22
    labels[30:40, 41:50] = 31
    labels[32:36, 5:30] = 40
    labels[36:37, 4:9] = 40
    labels[38, 10:12] = labels[39, 12] = 41
    return labels


def expected_columns(labels, intensity, spacing, names):
    """Columns of scikit-image under our names."""
    wanted = {REGIONPROPS_NAMES[name] for name in names}
    table = regionprops_table(labels, intensity, tuple(wanted), spacing=spacing)
    ndim, found = labels.ndim, {}
    for name in names:
        theirs = REGIONPROPS_NAMES[name]
        if name == "centroid":
            found |= {f"centroid_{x}": table[f"centroid-{i}"] for i, x in enumerate(AXES[ndim])}
        elif name == "bounding_box":
            for i, axis in enumerate(AXES[ndim]):
                found[f"min_{axis}"] = table[f"bbox-{i}"]
                found[f"max_{axis}"] = table[f"bbox-{i + ndim}"]
        else:
            channels = [key for key in table if key.startswith(f"{theirs}-")]
            found |= {f"{name}_{key.rpartition('-')[2]}": table[key] for key in channels}
            found |= {} if channels else {name: table[theirs]}
    return found


def assert_equal(table, expected, ndim):
    scale = np.sqrt(table["area"].max()) if ndim == 2 else np.cbrt(table["volume"].max())
    for name, values in expected.items():
        ours, theirs = table[name].to_numpy(), np.asarray(values)
        if name == "orientation":  # of an axis, so that -pi/2 is pi/2; that of round objects is any
            clear = table["major_axis_length"] > table["minor_axis_length"] * (1 + 1e-6)
            ours, theirs = (np.exp(2j * x[clear]) for x in (ours, theirs))
        # A root: half of the digits where the axis of a line is 0, or where an object is round.
        atol = 3e-7 * scale if name in ("minor_axis_length", "eccentricity") else 1e-9
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=atol, err_msg=name)


@pytest.mark.parametrize("spacing", [None, (0.5, 0.5), (2.0, 0.25)])
@pytest.mark.parametrize("made", ["shapes", "cells"])
def test_planes_equal_scikit_image(made, spacing):
    labels = shapes() if made == "shapes" else make_cells(1, (90, 120), random_state=3)[1][0]
    intensity = np.random.default_rng(0).random((*labels.shape, 2))
    is_square = spacing is None or spacing[0] == spacing[1]
    names = [n for n in ALL[2] if n in REGIONPROPS_NAMES and (is_square or n != "perimeter")]
    expected = expected_columns(labels, intensity, spacing, names)
    assert {"solidity", "feret_diameter", "max_intensity_1", "orientation"} <= set(expected)
    table = measure_objects(labels, intensity=intensity, spacing=spacing, columns=names)
    assert set(table.columns) == set(expected)
    assert_equal(table, expected, 2)


@pytest.mark.parametrize("spacing", [None, (2.0, 0.5, 0.25)])
def test_volumes_equal_scikit_image(spacing):
    labels = make_cells(1, (16, 30, 36), random_state=1)[1][0]
    labels[0, 0, :5], labels[15, 29, 35], labels[3:9, 0, 0] = 1000, 1001, 1002
    intensity = np.random.default_rng(0).integers(0, 255, labels.shape).astype(np.uint8)
    names = [n for n in ALL[3] if n in REGIONPROPS_NAMES]
    expected = expected_columns(labels, intensity, spacing, names)
    table = measure_objects(labels, intensity=intensity, spacing=spacing, columns=names)
    assert set(table.columns) == set(expected)
    assert "eccentricity" not in expected
    assert_equal(table, expected, 3)


def test_axes_of_a_drawn_ellipse_are_its_own():
    y, x = np.mgrid[:200, :200] - 100.0
    angle = 0.5
    along, across = y * np.cos(angle) + x * np.sin(angle), x * np.cos(angle) - y * np.sin(angle)
    labels = ((along / 80) ** 2 + (across / 30) ** 2 < 1).astype(int)
    columns = ["major_axis_length", "minor_axis_length", "orientation", "feret_diameter",
               "eccentricity", "solidity", "equivalent_diameter"]  # fmt: skip
    table = measure_objects(labels, spacing=(0.5, 0.5), columns=columns)
    expected = [1, np.sqrt(160 * 60) / 2, 80, 30, np.sqrt(1 - (30 / 80) ** 2), angle, 1.0, 80]
    np.testing.assert_allclose(table.to_numpy()[0], expected, rtol=0.015)


def test_a_large_hull_has_the_same_diameter():
    y, x = np.mgrid[:700, :700] - 350.0
    labels = (y**2 + (1.1 * x) ** 2 < 340**2).astype(int)
    expected = regionprops_table(labels, properties=("feret_diameter_max",))
    table = measure_objects(labels, columns=["feret_diameter"])
    assert np.isclose(table["feret_diameter"][0], expected["feret_diameter_max"][0], rtol=1e-12)


@pytest.mark.parametrize("shape", [(60, 70), (14, 30, 36)])
def test_sums_of_parts_give_the_table_of_the_whole(shape):
    X, y = make_cells(1, shape, random_state=2)
    labels, image = y[0], X[0]
    expected = measure_objects(labels, probability=image, intensity=image)
    middle = [size // 2 - 3 for size in shape]
    parts = []
    for corner in np.ndindex(*(2,) * len(shape)):
        box = tuple(
            slice(m, None) if c else slice(0, m) for c, m in zip(corner, middle, strict=True)
        )
        start = [part.start for part in box]
        parts.append(
            object_sums(labels[box], start=start, probability=image[box], intensity=image[box])
        )
    table = sums_to_table(merge_sums(parts), shape, (1.0,) * len(shape))
    assert list(table.columns) == list(expected.columns)
    np.testing.assert_allclose(table.astype(float), expected.astype(float), rtol=1e-9)


@pytest.mark.parametrize("shape", [(60, 70), (14, 30, 36)])
def test_runs_are_the_label_image(shape):
    X, y = make_cells(1, shape, random_state=2)
    labels, runs = y[0].copy(), Runs(y[0])
    assert len(runs.values) < labels.size / 3
    assert np.array_equal(expand_runs(runs.values, runs.all_lengths, shape), labels)
    assert np.array_equal(runs.sizes()[1:], np.bincount(labels.ravel())[1:])
    table = np.arange(labels.max() + 1) * (np.arange(labels.max() + 1) % 3 > 0)  # drop a third
    runs.renumber(table)
    assert np.array_equal(expand_runs(runs.values, runs.all_lengths, shape), table[labels])
    expected = object_sums(table[labels], probability=X[0])
    for name, values in object_sums(runs, probability=X[0]).items():
        assert np.array_equal(values, expected[name]), name


def test_runs_of_nothing():
    runs = Runs(np.zeros((3, 4), int))
    assert runs.sizes().tolist() == [0]
    assert len(object_sums(runs, probability=np.ones((3, 4)))["label"]) == 0


def test_moments_do_not_cancel_far_from_the_corner():
    """Coordinates of a scan of millions of pixels."""
    labels = shapes()
    near, far = (object_sums(labels, start=s) for s in (None, (3_000_000, 5_000_000)))
    shape = (9_000_000,) * 2
    columns = ["major_axis_length", "minor_axis_length", "eccentricity", "orientation"]
    tables = [sums_to_table(merge_sums([s]), shape, (1, 1), columns=columns) for s in (near, far)]
    assert tables[0].equals(tables[1])


def test_columns_are_selected_in_the_order_of_the_table():
    table = measure_objects(shapes(), columns=["extent", "bounding_box", "extent", "id"])
    assert list(table.columns) == ["id", "min_y", "max_y", "min_x", "max_x", "extent"]
    assert list(measure_objects(shapes(), columns=[]).columns) == ["id"]
    default = set(measure_objects(shapes()).columns)
    assert {"area", "orientation", "extent"} <= default
    assert not {"solidity", "feret_diameter", "perimeter"} & default


def test_a_table_without_objects_has_all_columns():
    for labels in (np.zeros((4, 5), int), np.zeros((0, 5), int), np.full((3, 3), -1)):
        intensity = np.zeros(labels.shape)
        names = [n for n in ALL[2] if n != "score"]
        table = measure_objects(labels, intensity=intensity, columns=names)
        assert len(table) == 0
        assert {"feret_diameter", "perimeter", "max_intensity"} <= set(table.columns)
    assert len(measure_objects(np.zeros((2, 3, 4), int))) == 0


def test_unlabeled_pixels_are_no_object_and_large_ids_stay():
    labels = np.array([[-1, -1, 0], [2**40, 2**40, 7]])
    names = ["area", "perimeter", "solidity"]
    table = measure_objects(labels, columns=names)
    assert table["id"].tolist() == [7, 2**40]
    assert table["area"].tolist() == [1, 2]
    numbered = np.array([[0, 0, 0], [2, 2, 1]])
    assert table.drop(columns="id").equals(
        measure_objects(numbered, columns=names).drop(columns="id")
    )


def test_units_are_attributes_of_the_table():
    table = measure_objects(shapes(), spacing=(0.5, 0.5), unit="micrometer")
    assert table.attrs["units"] == {
        "centroid_y": "micrometer", "centroid_x": "micrometer", "area": "micrometer^2",
        "equivalent_diameter": "micrometer", "major_axis_length": "micrometer",
        "minor_axis_length": "micrometer", "orientation": "radian",
        **dict.fromkeys(["min_y", "max_y", "min_x", "max_x"], "pixel"),
    }  # fmt: skip
    volume = measure_objects(np.ones((2, 2, 2), int), spacing=(1, 1, 1), unit="nm")
    assert volume.attrs["units"]["volume"] == "nm^3"
    plain = measure_objects(shapes()).attrs["units"]
    assert (plain["area"], plain["centroid_y"], plain["min_y"]) == ("pixel^2", "pixel", "pixel")
    unknown = measure_objects(shapes(), spacing=(0.5, 0.5))  # of a unit that was not given
    assert {*unknown.attrs["units"].values()} == {"pixel", "radian"}
    assert "area" not in unknown.attrs["units"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"columns": ["area", "ara"]}, r"\['ara'\], .* Known are id, centroid, area, mean_"),
        ({"columns": ["volume"]}, "no columns of 2-D objects"),
        ({"columns": "area"}, "list of names, got the text 'area'"),
        ({"columns": ["score"]}, "'score', which needs probability"),
        ({"columns": ["max_intensity"]}, "needs intensity, but intensity is None"),
        ({"columns": ["perimeter"], "spacing": (1, 2)}, r"square pixels, got spacing=\(1.0, 2.0\)"),
        ({"spacing": (1, 1, 1)}, "spacing must be None or positive numbers, 2 of them"),
        ({"spacing": (1, 0)}, "spacing must be None or positive"),
        ({"unit": "micrometer"}, "unit='micrometer' and no spacing"),
        ({"probability": np.zeros((3, 3))}, r"probability must .*\(40, 50\), got \(3, 3\)"),
        ({"intensity": np.zeros((3, 3))}, r"intensity must .* got \(3, 3\)"),
    ],
)
def test_bad_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        measure_objects(shapes(), **options)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.zeros(5, int), r"2-D or 3-D, got shape \(5,\)"),
        (np.ones((3, 3)), "integers, .* got dtype float64"),
        (np.ones((3, 3), bool), "numbered by sskseg.morphology.label_components"),
        (np.full((3, 3), -2), "below -1 .* got -2"),
    ],
)
def test_bad_labels(labels, message):
    with pytest.raises(ValueError, match=message):
        measure_objects(labels)


def test_the_perimeter_of_volumes_is_unknown():
    with pytest.raises(ValueError, match=r"\['perimeter'\], which are no columns of 3-D objects"):
        measure_objects(np.ones((2, 2, 2), int), columns=["perimeter"])


def test_the_page_shows_the_columns():
    text = (ROOT / "docs" / "guide" / "counting.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)`(\*?) \|(.*)\|$", text, re.MULTILINE)
    page = {name: (mark, *map(str.strip, rest.split("|"))) for name, mark, rest in rows}
    assert list(page) == list(COLUMNS)
    powers = {0: "", 1: "unit", 2: "unit^2", 3: "unit^3"}
    for name, (asterisk, _, unit, axes, theirs) in page.items():
        column = COLUMNS[name]
        assert (asterisk == "") == column.is_default, name
        assert axes == ", ".join(map(str, column.ndim)), name
        assert theirs.strip("`") == column.regionprops, name
        assert powers[column.power] in unit, name
        assert column.power or "unit" not in unit, name
