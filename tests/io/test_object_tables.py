"""Tables of objects in files, with their units."""

import os

import numpy as np
import pandas as pd
import pytest

from sskseg.datasets import make_cells
from sskseg.io import read_object_table, write_object_table
from sskseg.io.object_tables import iterate_object_table
from sskseg.morphology import measure_objects


@pytest.fixture
def table():
    X, y = make_cells(1, (40, 50), random_state=0)
    return measure_objects(y[0], probability=X[0] * 0, spacing=(0.3, 0.7), unit="micrometer")


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".CSV"])
def test_what_is_written_is_read(table, tmp_path, suffix):
    path = tmp_path / f"objects{suffix}"
    write_object_table(path, table)
    found = read_object_table(path)
    pd.testing.assert_frame_equal(found, table, rtol=1e-14, check_dtype=suffix == ".parquet")
    assert found.attrs == table.attrs
    assert found.attrs["units"]["area"] == "micrometer^2"
    assert os.listdir(tmp_path) == [path.name]


def test_pandas_reads_the_same_numbers_and_units(table, tmp_path):
    write_object_table(tmp_path / "a.csv", table)
    write_object_table(tmp_path / "a.parquet", table)
    csv = pd.read_csv(tmp_path / "a.csv")
    assert list(csv.columns)[:4] == [
        "id", "centroid_y [micrometer]", "centroid_x [micrometer]", "area [micrometer^2]"
    ]  # fmt: skip
    assert np.allclose(csv["area [micrometer^2]"], table["area"])
    assert pd.read_parquet(tmp_path / "a.parquet").attrs == table.attrs


def test_units_survive_what_is_done_with_tables(table, tmp_path):
    several = pd.concat([table, table], ignore_index=True)
    assert several[several["area"] > 0].assign(kind="a").attrs == table.attrs


def test_a_selection_of_columns_has_its_units(table, tmp_path):
    write_object_table(tmp_path / "a.csv", table[["id", "area"]])
    assert read_object_table(tmp_path / "a.csv").attrs == {"units": {"area": "micrometer^2"}}


def test_a_table_without_units_or_rows_keeps_its_names(table, tmp_path):
    plain = table.head(0).copy()
    plain.attrs.clear()
    write_object_table(tmp_path / "a.csv", plain)
    found = read_object_table(tmp_path / "a.csv")
    assert list(found.columns) == list(table.columns)
    assert found.attrs == {}


def test_names_that_look_like_missing_numbers_stay_names(tmp_path):
    table = pd.DataFrame(
        {
            "image": ["NA", "007", "None"],
            "condition": ["NA", "wild type", "nan"],
            "well": ["B2", None, "NA"],
            "area": [1.5, np.nan, 2.0],
            "n": [1, 2, 3],
            "is_large": [True, False, True],
        }
    )
    write_object_table(tmp_path / "a.csv", table)
    found = read_object_table(tmp_path / "a.csv")
    pd.testing.assert_frame_equal(found, table, check_dtype=False)
    assert found.dtypes[["area", "n", "is_large"]].astype(str).tolist() == [
        "float64", "int64", "bool",
    ]  # fmt: skip
    # pyarrow and R name what is missing.
    (tmp_path / "b.csv").write_text("image,area,n\nNA,nan,1\nb,2.5,NA\n")
    found = read_object_table(tmp_path / "b.csv")
    assert found["image"].tolist() == ["NA", "b"]
    np.testing.assert_array_equal(found["area"], [np.nan, 2.5])
    np.testing.assert_array_equal(found["n"], [1, np.nan])


def test_columns_of_long_tables_have_one_type(tmp_path):
    """What is missing, or text, may be in the last row alone."""
    n = 2**17  # of four columns, pandas reads as many rows at once
    text = "id,area,n,group\n" + "1,1.5,1,2\n" * n + "2,NA,1,wild type\n"
    (tmp_path / "a.csv").write_text(text)
    found = read_object_table(tmp_path / "a.csv")
    assert found["area"].dtype == float
    assert found["area"].sum() == 1.5 * n
    assert set(found["group"]) == {"2", "wild type"}


def test_tables_that_a_spreadsheet_saved_are_read(tmp_path):
    (tmp_path / "a.csv").write_bytes("\ufeffimage;area [µm^2]\r\n001;1,5\r\nB;\r\n".encode())
    found = read_object_table(tmp_path / "a.csv")
    assert found["image"].tolist() == ["001", "B"]
    np.testing.assert_array_equal(found["area"], [1.5, np.nan])
    assert found.attrs == {"units": {"area": "µm^2"}}


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "latin-1"])
@pytest.mark.parametrize(
    ("separator", "decimal", "first"),
    [(",", ".", ""), (";", ",", ""), (";", ".", ""), ("\t", ",", ""), (";", ",", "sep=;\n;;\n")],
)
def test_parts_of_a_table_are_those_of_the_whole(tmp_path, encoding, separator, decimal, first):
    path = tmp_path / "a.csv"
    areas = [0.5, 1.25, 3.0, 4.5, 7.75]
    rows = [("image", "n", "area [µm^2]"), *((f"00{i}", i, a) for i, a in enumerate(areas))]
    rows.insert(4, ("", "", ""))  # an empty row of a spreadsheet
    lines = [separator.join(map(str, row)).replace(".", decimal) for row in rows]
    path.write_bytes((first + "\n".join(lines)).replace("\n", "\r\n").encode(encoding))
    parts = [*iterate_object_table(path, ["area", "image"], chunk_size=2)]
    assert [len(part) for part in parts] == [2, 1, 2]
    found = pd.concat(parts, ignore_index=True)
    pd.testing.assert_frame_equal(found, read_object_table(path)[["area", "image"]])
    assert found["area"].tolist() == areas
    assert found["image"].tolist() == [f"00{i}" for i in range(5)]


def test_parts_of_bad_tables(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("area,n\n" + "1,2\n" * 4 + "1,5,2\n")
    parts = iterate_object_table(path, ["n"], chunk_size=2)
    assert [len(next(parts)), len(next(parts))] == [2, 2]
    with pytest.raises(ValueError, match=r"a.csv cannot be read as a table: row 5 has 3 values"):
        next(parts)
    path.write_text("")
    with pytest.raises(ValueError, match=r"a.csv is empty: expected a table"):
        next(iterate_object_table(path, ["n"]))
    path.write_text("area [nm],area\n1,2\n")
    with pytest.raises(ValueError, match=r"a.csv has several columns \['area'\]"):
        next(iterate_object_table(path, ["area"]))


def test_bad_tables_are_not_written(table, tmp_path):
    with pytest.raises(ValueError, match=r"a.xlsx must have a suffix of .csv or .parquet"):
        write_object_table(tmp_path / "a.xlsx", table)
    with pytest.raises(ValueError, match=r"'mean \[GFP\]' of a column would be read as another"):
        write_object_table(tmp_path / "a.csv", table.rename(columns={"score": "mean [GFP]"}))
    assert os.listdir(tmp_path) == []


def test_bad_files(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"a.csv"):
        read_object_table(tmp_path / "a.csv")
    with pytest.raises(ValueError, match=r"a.txt must have a suffix"):
        read_object_table(tmp_path / "a.txt")
    (tmp_path / "a.csv").write_text("")
    (tmp_path / "a.parquet").write_text("id,area")
    with pytest.raises(ValueError, match=r"a.csv is empty: expected a table"):
        read_object_table(tmp_path / "a.csv")
    with pytest.raises(ValueError, match=r"a.parquet cannot be read as a table of objects"):
        read_object_table(tmp_path / "a.parquet")
    (tmp_path / "a.csv").write_text("area [nm],area\n1,2\n")
    with pytest.raises(ValueError, match=r"a.csv has several columns \['area'\]"):
        read_object_table(tmp_path / "a.csv")
