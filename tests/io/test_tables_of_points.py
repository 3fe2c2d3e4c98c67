"""Tables of points as Fiji, napari and spreadsheets write them."""

import numpy as np
import pandas as pd
import pytest

from sskseg.images.points import points_from_table
from sskseg.io import read_points, write_rois


@pytest.fixture
def points_of(tmp_path):
    def read(text, names=None, encoding="utf-8", **options):
        (tmp_path / "a.csv").write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
        _, points = read_points(tmp_path / "a.csv", names, **options)
        return [None if each is None else each.tolist() for each in points]

    return read


def test_coordinates_are_divided_by_spacing(points_of):
    text = "X,Y,Z\n2.5,3,8\n"
    assert points_of(text, spacing=(1, 0.5)) == [[[3, 5]]]
    assert points_of(text, spacing=(2, 1, 0.5), spatial_ndim=3) == [[[4, 3, 5]]]
    assert points_of(text, spacing=(1, 0.5), origin="corner") == [[[2.5, 4.5]]]
    with pytest.raises(ValueError, match="spacing must be None or positive numbers, 2 of them"):
        points_of(text, spacing=(1, 1, 1))


def test_slices_count_from_1(points_of):
    text = " ,Area,X,Y,Slice\n1,0,2.5,3,1\n2,0,2.5,4,7\n"
    expected = [[[0, 3, 2.5], [6, 4, 2.5]]]
    assert points_of(text, spatial_ndim=3) == expected
    assert points_of(text, spatial_ndim=3, spacing=(9, 1, 0.5)) == [[[0, 3, 5], [6, 4, 5]]]
    assert points_of(text, spatial_ndim=3, origin="corner") == [[[0, 2.5, 2], [6, 3.5, 2]]]
    with pytest.raises(ValueError, match=r"a\.csv must count slices from 1, as Fiji does, got 0"):
        points_of("X,Y,Slice\n1,2,0\n", spatial_ndim=3)
    table = pd.DataFrame({"x": [2.5], "y": [3.0], "Slice": [7]})
    assert points_from_table(table, 3).tolist() == [[6, 3, 2.5]]


def test_imagej_appends_the_name_of_a_roi_to_the_name_of_the_image(points_of):
    text = " ,Label,X,Y\n1,a b.tif:0001-0002,2,1\n2,a b.tif:0003-0004,4,3\n3,c.tif,5,6\n"
    assert points_of(text, ["a b", "c"]) == [[[1, 2], [3, 4]], [[6, 5]]]
    with pytest.raises(ValueError, match=r"points of 'a:3', which pairs with no image of 'a'"):
        points_of("Label,X,Y\na:3,1,2\n", ["a"])


def test_names_of_images_are_text(points_of):
    text = "Image;x;y\nNA;1,5;2\n001;3;4\n"
    assert points_of(text, ["NA", "1", "001"]) == [[[2, 1.5]], None, [[4, 3]]]


@pytest.mark.parametrize("column", ["z", "Slice", "Frame", "t"])
def test_points_of_several_planes_are_not_those_of_one(points_of, column):
    with pytest.raises(ValueError, match=rf"a\.csv has points of several .*\['{column}'\]"):
        points_of(f"x,y,{column}\n1,2,1\n1,2,2\n")
    assert points_of(f"x,y,{column}\n1,2,1\n3,4,1\n") == [[[2, 1], [4, 3]]]


def test_leading_axes_of_napari_are_not_dropped(points_of):
    text = "index,axis-0,axis-1,axis-2\n0,4,1,2\n1,5,1,2\n"
    with pytest.raises(ValueError, match=r"a\.csv has points of several .*\['axis-0'\]"):
        points_of(text)
    assert points_of(text, spatial_ndim=3) == [[[4, 1, 2], [5, 1, 2]]]


def test_shapes_are_no_points(points_of):
    with pytest.raises(ValueError, match=r"a\.csv holds shapes of napari"):
        points_of("index,shape-type,vertex-index,axis-0,axis-1\n0,polygon,0,1,2\n")


@pytest.mark.parametrize("row", [",2", "nan,2", "1,", "inf,2"])
def test_coordinates_are_finite(points_of, row):
    with pytest.raises(ValueError, match=r"a\.csv must hold finite coordinates, got .* in row 2\."):
        points_of(f"x,y\n3,4\n{row}\n")
    with pytest.raises(ValueError, match=r"a\.csv .* in row 3\."):
        points_of(f"x,y,image\n3,4,a\n3,4,b\n{row},b\n", ["a", "b"])


def test_an_image_without_a_row_is_unlabeled(points_of, tmp_path):
    assert points_of("image,x,y\nb.tif,2,1\n", ["a", "b"]) == [None, [[1, 2]]]
    assert points_of("x,y\n", ["a"]) == [[]]
    with pytest.raises(ValueError, match=r"a\.csv has the column 'image' but no row"):
        points_of("image,x,y\n", ["a"])
    with pytest.raises(ValueError, match=r"a\.csv has points of 'c', which pairs with no image of"):
        points_of("image,x,y\nc.tif,2,1\n", ["a", "b"])
    with pytest.raises(ValueError, match=r"a\.csv names no image in row 2"):
        points_of("image,x,y\na,2,1\n,2,1\n", ["a", "b"])
    (tmp_path / "b.csv").write_text("x,y\n")
    (tmp_path / "a.csv").write_text("x,y\n1,2\n")
    _, points = read_points(tmp_path, ["a", "b", "c"])
    assert [None if p is None else p.shape for p in points] == [(1, 2), (0, 2), None]


def test_points_of_one_image_are_in_one_place(points_of, tmp_path):
    with pytest.raises(ValueError, match=r"a\.csv has points of \['a\.png', 'a\.tif'\], which are"):
        points_of("image,x,y\na.png,2,1\na.tif,2,1\n")
    (tmp_path / "a.csv").write_text("x,y\n1,2\n")
    (tmp_path / "a.tsv").write_text("x\ty\n1\t2\n")
    with pytest.raises(ValueError, match=r"a\.csv and .*a\.tsv have points of 'a'"):
        read_points(tmp_path)


@pytest.mark.parametrize("separator", [",", ";", "\t", " "])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
def test_separators_and_encodings(points_of, separator, encoding):
    lines = ["x y größe", "12.5 3 1", "1 2 1"]
    text = "\n".join(lines).replace(" ", separator)
    assert points_of(text, encoding=encoding) == [[[3, 12.5], [2, 1]]]


def test_decimal_commas(points_of):
    assert points_of("x;y;image\n12,5;3;a,1.tif\n1;2,25;a,1.tif\n") == [[[3, 12.5], [2.25, 1]]]
    assert points_of("x\ty\n12,5\t3\n") == [[[3, 12.5]]]
    with pytest.raises(ValueError, match=r"a\.csv .* row 1 has 4 values, and there are 2 columns"):
        points_of("x,y\n12,5,3,1\n")
    with pytest.raises(ValueError, match=r"a\.csv must hold numbers as coordinates"):
        points_of('x,y\n"12,5","3,1"\n')


@pytest.mark.parametrize("text", ["", "\n \n"])
def test_an_empty_file_is_named(points_of, text):
    with pytest.raises(ValueError, match=r"a\.csv is empty"):
        points_of(text)


def test_a_file_without_text_is_named(points_of):
    with pytest.raises(ValueError, match=r"a\.csv is no text, or UTF-16 without a mark"):
        points_of("x,y\n1,2\n".encode("utf-16-le"))


def test_points_are_exact(points_of):
    coordinates = np.random.default_rng(0).uniform(0, 1000, (50, 2))
    text = pd.DataFrame(coordinates, columns=["y", "x"]).to_csv(index=False)
    assert np.array_equal(points_of(text)[0], coordinates)


@pytest.mark.parametrize(
    "text",
    [
        "sep=;\nX;Y\n1,5;2\n",
        '\ufeff"sep=;"\r\nX;Y\r\n1,5;2\r\n',
        "X;Y\r1,5;2\r",  # of old programs on macOS
        "X;Y;;\n1,5;2;;\n;;;\n;;;\n",
        "X;Y\n;\n1,5;2\n;",
        "X;Y\n1,5;2\n;\n;",
        "sep=,\nX,Y\n1.5,2\n,\n",
    ],
)
def test_what_spreadsheets_add_is_left_out(points_of, text):
    assert points_of(text) == [[[2, 1.5]]]


def test_a_row_with_one_empty_cell_is_an_error(points_of):
    with pytest.raises(ValueError, match=r"finite coordinates, got \[nan, 1\.5\] in row 1"):
        points_of("X;Y\n1,5;\n2;3\n")


@pytest.mark.parametrize("hidden", ["._a.csv", ".DS_Store", "Thumbs.db", "desktop.ini"])
def test_hidden_files_are_no_tables(tmp_path, hidden):
    write_rois(tmp_path / "a.geojson", points=np.array([[2.0, 1.5]]))
    (tmp_path / hidden).write_bytes(b"\0\5\x16\7")
    names, points = read_points(tmp_path)
    assert (names, points[0].tolist()) == (["a"], [[2, 1.5]])
