"""The counter's tables: selected columns and units."""

import numpy as np
import pandas as pd
import pytest
from skimage.segmentation import clear_border

from sskseg import InstanceCounter
from sskseg.counting._splitting import Splitter
from sskseg.counting.tables import measure_detections
from sskseg.datasets import make_cells
from sskseg.detection import Detections
from sskseg.images import ImageStack
from sskseg.morphology import contour_areas, measure_objects, trace_contours


@pytest.fixture(scope="module")
def made():
    y = make_cells(2, (48, 56), random_state=0)[1]
    probabilities = (y > 0).astype(float)
    return probabilities, InstanceCounter("components").fit(probabilities, y)


def test_columns_are_those_of_measure_objects(made):
    X, counter = made
    columns = ["solidity", "feret_diameter", "orientation", "score"]
    table = counter.measure(X, columns=columns)
    parts = [
        measure_objects(label, probability=x, columns=columns)
        for label, x in zip(counter.label(X), X, strict=True)
    ]
    pd.testing.assert_frame_equal(table.drop(columns="sample"), pd.concat(parts, ignore_index=True))
    assert table["sample"].nunique() == 2
    with pytest.raises(ValueError, match=r"columns has \['sol'\]"):
        counter.measure(X, columns=["sol"])


def test_labels_and_table_of_one_splitting(made, monkeypatch):
    X, counter = made
    expected, expected_table = counter.label(X), counter.measure(X)
    calls = []
    split = Splitter.label
    monkeypatch.setattr(Splitter, "label", lambda *args: calls.append(1) or split(*args))
    table, labels = counter.measure(X, return_labels=True)
    assert len(calls) == 1
    assert labels.dtype == np.int64
    assert np.array_equal(labels, expected)
    pd.testing.assert_frame_equal(table, expected_table)
    _, several = counter.measure([X[0], X[1, :40]], return_labels=True)
    assert [label.shape for label in several] == [(48, 56), (40, 56)]
    sections = InstanceCounter("components", sections="consecutive").fit(X)
    table, labels = sections.measure(X, positions=[5, 6], return_labels=True)
    assert np.array_equal(labels, sections.label(X, positions=[5, 6]))
    assert set(table.id) == set(np.unique(labels)) - {0}


def test_the_unit_is_that_of_the_images_or_as_given(made):
    X, counter = made
    stack = ImageStack(X, spacing=(0.5, 0.5), unit="µm")
    assert counter.measure(stack).attrs["units"]["area"] == "micrometer^2"
    assert counter.measure(stack, unit="pc").attrs["units"]["area"] == "parsec^2"
    own = InstanceCounter("components", spacing=(2, 2)).fit(X, (X > 0).astype(int))
    assert "area" not in own.measure(stack).attrs["units"]  # that of the counter is not known
    assert counter.measure(X).attrs["units"]["area"] == "pixel^2"
    assert own.measure(X, unit="furlong").attrs["units"]["centroid_y"] == "furlong"
    with pytest.raises(ValueError, match="unit='nm' and no spacing"):
        counter.measure(X, unit="nm")


def test_the_first_and_the_last_section_are_borders():
    """As in `clear_border` of scikit-image; the bounding box shows which borders are touched."""
    stack = np.zeros((5, 16, 20))
    stack[0:2, 3:6, 3:6] = stack[1:4, 3:6, 10:13] = stack[2:4, 9:12, 0:4] = 1
    sections = InstanceCounter("components", sections="consecutive").fit(stack)
    volumes = InstanceCounter("components").fit(ImageStack(stack[None], spatial_ndim=3))
    for table, labels in (
        sections.measure(stack, return_labels=True),
        volumes.measure(stack[None], return_labels=True),
    ):
        kept = np.unique(clear_border(labels.reshape(stack.shape)))
        assert table["touches_border"].tolist() == [True, False, True]
        assert {*table["id"][~table["touches_border"]]} == {*kept} - {0}
        in_plane = (table["min_y"] == 0) | (table["max_y"] == 16)
        in_plane |= (table["min_x"] == 0) | (table["max_x"] == 20)
        assert in_plane.tolist() == [False, False, True]
    two = InstanceCounter("components", sections="consecutive").fit(stack[:2]).measure(stack[:2])
    assert two["touches_border"].all()


def test_sections_with_some_columns(made):
    X, _ = made
    counter = InstanceCounter("components", sections="consecutive", spacing=(3, 1, 1)).fit(X)
    whole = counter.measure(X, positions=[5, 6], unit="nm")
    assert whole.attrs["units"]["volume"] == "nanometer^3"
    some = counter.measure(X, positions=[5, 6], columns=["volume", "centroid"])
    pd.testing.assert_frame_equal(some, whole[some.columns])
    assert some["centroid_z"].between(15, 18).all()
    box = counter.measure(X, positions=[5, 6], columns=["bounding_box"])
    assert box["min_z"].min() == 5
    assert list(counter.measure(X, columns=["extent"]).columns) == ["id", "extent"]


def test_contours_keep_their_score_and_perimeter():
    labels = make_cells(1, (48, 56), random_state=0)[1][0]
    ids, contours = trace_contours(labels)
    scores = np.linspace(0.5, 1, len(ids))
    numbers = np.where(labels > 0, np.searchsorted(ids, labels) + 1, 0)
    found = [Detections(numbers, contours, scores)]
    table = measure_detections(found, [None], (0.5, 0.5), unit="nm")
    assert table["score"].tolist() == scores.tolist()
    assert list(table.columns).index("score") == list(table.columns).index("touches_border") + 1
    assert np.allclose(table["contour_area"], np.abs(contour_areas(contours)) / 4)
    assert table.attrs["units"]["contour_area"] == "nm^2"
    assert table.attrs["units"]["perimeter"] == "nm"
    some = measure_detections(found, [None], None, columns=["score", "perimeter", "area"])
    outline = ["contour_area", "perimeter", "polygon"]
    assert list(some.columns) == ["sample", "id", "area", "score", *outline]
    with pytest.raises(ValueError, match=r"columns has \['perimiter'\]"):
        measure_detections(found, [None], None, columns=["perimiter"])


def test_a_unit_of_other_axes_is_not_that_of_the_table():
    """Images without a distance of sections are measured with that of fit, in their own unit."""
    X = np.zeros((2, 8, 8))
    X[:, 2:6, 2:6] = 1
    counter = InstanceCounter("components", min_size=0, sections="consecutive")
    flat = ImageStack(X, spacing=(0.5, 0.5), unit="micrometer")
    table = counter.fit(X).measure(flat)
    assert (table.volume.item(), table.attrs["units"].get("volume")) == (32, "pixel^3")
    table = counter.fit(ImageStack(X, spacing=(40, 4, 4), unit="nanometer")).measure(flat)
    assert table.volume.item() == pytest.approx(32 * 0.04 * 0.25)
    assert table.attrs["units"]["volume"] == "micrometer^3"
