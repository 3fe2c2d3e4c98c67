"""Counts of a session: regions, sizes, intervals, and when there is none."""

import numpy as np
import pandas as pd
import pytest

from sskseg import InstanceCounter
from sskseg.datasets import make_cells
from sskseg.io import read_object_table, write_object_table
from sskseg.metrics import count_error
from sskseg.morphology import measure_objects
from sskseg.napari import Answer, Session, Training, count_session
from sskseg.napari.counts import intervals, lines_of, objects_of, why_no_interval

SHAPE = (64, 64)
SMALL = {
    "width": 4, "depth": 1, "max_steps": 40, "semi_supervision": None, "random_state": 0,
}  # fmt: skip


def answered(spacing=(0.5, 0.5)):
    """A session whose answers are the reference."""
    X, y = make_cells(2, SHAPE, random_state=0)
    session = Session()
    answers = {}
    for name, image, labels in zip("ab", X, y):
        unit = None if spacing is None else "micrometer"
        session.add(name, image, spacing=spacing, unit=unit)
        table = measure_objects(labels, spacing=spacing, unit=unit)
        answers[name] = Answer(image, labels.astype(np.int32), image, table)
    session.set_answers(answers)
    return session, y


def halves():
    labels = np.repeat([[1, 2]], 32, axis=1).repeat(64, axis=0)
    return {name: (labels, {0: "outside", 1: "left", 2: "right"}) for name in "ab"}


def model():
    """Without known counts."""
    probability = np.zeros((1, *SHAPE), np.float32)
    return [InstanceCounter().fit(probability)]


def test_counts_by_region_add_up_and_have_units(tmp_path):
    session, y = answered()
    whole = count_session(session, model(), {})
    parts = count_session(session, model(), halves())
    assert whole["objects"].tolist() == [len(np.unique(label)) - 1 for label in y]
    parts = parts[parts["region"] > 0]
    assert parts.groupby("image")["objects"].sum().tolist() == whole["objects"].tolist()
    assert parts["name"].tolist() == ["left", "right"] * 2
    assert whole["size"].to_numpy() == pytest.approx((64 * 0.5e-3) ** 2)
    areas = session.answers["a"].table["area"]
    assert whole["median_area"][0] == areas.median()
    write_object_table(tmp_path / "counts.csv", whole)
    units = read_object_table(tmp_path / "counts.csv").attrs["units"]
    assert units["size"] == "millimeter^2"
    assert units["median_area"] == "micrometer^2"
    assert lines_of(whole)[0].startswith(f"a, whole image: {whole['objects'][0]} objects, ")
    assert "1/millimeter^2" in lines_of(whole)[0]


def test_without_units_sizes_are_in_pixels():
    session, _ = answered(spacing=None)
    table = count_session(session, model(), {})
    assert (table["size"] == 64 * 64).all()
    assert "per pixel" in lines_of(table)[0]


def test_objects_are_listed_with_their_image_and_region(tmp_path):
    session, y = answered()
    table = objects_of(session, halves())
    assert len(table) == sum(len(np.unique(label)) - 1 for label in y)
    counts = count_session(session, model(), halves())
    found = table.groupby(["image", "region"]).size()
    for row in counts[counts["objects"] > 0].to_dict("records"):
        assert found[row["image"], row["name"]] == row["objects"]
    write_object_table(tmp_path / "objects.csv", table)
    assert read_object_table(tmp_path / "objects.csv").attrs["units"]["area"] == "micrometer^2"


def known(n):
    """A counter with `n` known counts of images of 64 x 64 pixels."""
    _, y = make_cells(n, SHAPE, random_state=0)
    return InstanceCounter().fit((y > 0).astype(np.float32), y)


def test_intervals_are_those_of_the_counter_where_nothing_is_extrapolated():
    counter = known(10)
    assert why_no_interval(counter) is None
    largest = int(counter.held_out_counts_.max())
    table = pd.DataFrame({
        "objects": [largest, largest, largest + 1], "n_pixels": [64 * 64, 64 * 64 + 1, 64 * 64],
    })  # fmt: skip
    bounds = intervals(table, counter)
    assert np.isnan(bounds[1:]).all()  # a larger region, more objects
    _, y = make_cells(10, SHAPE, random_state=0)
    counts, expected = counter.predict((y > 0).astype(np.float32), return_interval=True)
    assert bounds[0].tolist() == expected[counts.argmax()].tolist()


def test_it_is_said_why_there_is_no_interval():
    assert "9 rectangular complete regions are needed" in why_no_interval(known(8))
    counter = known(10)
    counter.in_sample_ = True
    assert "Check 'Intervals'" in why_no_interval(counter)


def test_regions_give_intervals_if_networks_were_trained_without_them():
    X, y = make_cells(3, (24, 72), radius=4, random_state=0)
    session = Session()
    complete = np.zeros((24, 72), bool)
    for left in (0, 25, 50):
        complete[:, left : left + 20] = True
    for name, image, label in zip("abc", X, y):
        session.add(name, image)
        session.paint(name, np.where(complete & (label > 0), label + 2, 0), complete)
    training = Training(session, with_intervals=True, **{**SMALL, "max_steps": 4})
    training.start()
    training.wait()
    counter = training.model[-1]
    assert training.is_calibrated
    assert len(counter.held_out_counts_) == 9
    assert why_no_interval(counter) is None
    training.start()
    training.keep()  # the folds end early, too, and are no reference then
    training.wait()
    assert training.model[-1].in_sample_
    training.with_intervals = False
    training.start()
    training.wait()
    assert "trained on all complete regions" in why_no_interval(training.model[-1])


@pytest.mark.parametrize("is_complete", [False, True])
def test_fragments_are_no_objects(is_complete):
    shape = (64, 64)
    X, y = make_cells(3, shape, radius=6, random_state=0)
    session = Session()
    for name, image in zip("abc", X):
        session.add(name, image)
    painted = np.where(y[0] > 0, 2, 1) * (np.arange(64)[:, None] % 8 < 2)  # strokes
    complete = np.zeros(shape, bool)
    if is_complete:
        complete[:, :32] = True
        painted = np.where(complete, np.where(y[0] > 0, y[0] + 2, 0), painted)
    session.paint("a", painted, complete)
    training = Training(session, **{**SMALL, "max_steps": 80})
    training.start()
    training.wait()
    assert training.is_calibrated == is_complete
    true = [len(np.unique(label)) - 1 for label in y[1:]]
    counts = [len(training.answers[name].table) for name in "bc"]
    assert count_error(true, counts)["wape"] < 0.4
    (_, scaler), (_, segmenter), _ = training.model.steps
    probability = segmenter.transform(scaler.transform(session.stack()))
    raw = InstanceCounter().fit(probability).predict(probability)[1:]
    assert count_error(true, raw)["wape"] > 4  # what a counter would say without labels
