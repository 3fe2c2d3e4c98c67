"""Points, complete regions, files of labels: what becomes of them as annotations."""

import numpy as np
import pytest
import tifffile

from sskseg import InstanceCounter
from sskseg.datasets import make_cells
from sskseg.images.points import draw_points
from sskseg.io import write_labels, write_ome_zarr, write_rois
from sskseg.napari import Session
from sskseg.napari.annotations import annotations_of
from sskseg.napari.calibration import fit_counter, is_calibrated, regions_of, stroke_size
from sskseg.napari.label_files import load_labels
from sskseg.napari.regions import polygons_of

SHAPE = (40, 50)
POINTS = np.array([[8.0, 9.0], [30.0, 40.0]])


def new_session(kind="images", shape=SHAPE):
    session = Session(kind=kind)
    session.add("a", np.random.default_rng(0).random(shape))
    return session


def test_points_of_a_complete_image_are_drawn_as_by_annotations():
    nothing, all_of_it = np.zeros(SHAPE, int), np.ones(SHAPE, bool)
    y = annotations_of(nothing, all_of_it, POINTS, 3)
    # Objects are numbered from 2: of one object alone, 1 would say that y is a mask.
    assert (np.where(y > 0, y - 1, y) == draw_points(POINTS, SHAPE, 3)).all()


def test_beyond_complete_regions_pixels_far_from_points_are_unlabeled():
    nothing = np.zeros(SHAPE, int)
    y = annotations_of(nothing, nothing > 0, POINTS, 3)
    assert set(np.unique(y)) == {-1, 2, 3}
    assert (y > 0).sum() == (draw_points(POINTS, SHAPE, 3) > 0).sum()


def test_a_point_on_something_painted_adds_nothing():
    painted = np.zeros(SHAPE, int)
    painted[5:12, 5:12] = 3
    y = annotations_of(painted, np.ones(SHAPE, bool), POINTS, 3)
    assert (y[5:12, 5:12] == 2).all()
    assert len(np.unique(y[y > 0])) == 2


def test_points_in_sections_are_discs_in_their_section():
    nothing = np.zeros((3, *SHAPE), int)
    points = np.array([[1.0, 8, 9], [2.0, 30, 40]])
    y = annotations_of(nothing, nothing == 0, points, 3, sections=True)
    assert (y[0] == 0).all()
    assert len(np.unique(y[y > 0])) == 2
    volume = annotations_of(nothing, nothing == 0, points, 3)
    assert (volume[0] > 0).any()  # a ball


def test_points_outside_of_the_image_are_refused_and_nothing_is_lost():
    session = new_session()
    with pytest.raises(ValueError, match="points of 'a'"):
        session.paint("a", np.ones(SHAPE, int), points=np.array([[100.0, 3]]))
    assert (session.samples["a"].painted == 0).all()


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("shape", [(12, 15), (4, 9, 11)])
def test_rectangles_of_a_mask_cover_exactly_its_pixels(seed, shape):
    mask = np.random.default_rng(seed).random(shape) < 0.5
    covered = np.zeros(shape, int)
    for corners in polygons_of(mask):
        low, high = (corners.min(0) + 0.5).astype(int), (corners.max(0) + 0.5).astype(int)
        high[:-2] += 1  # of one section
        low[:-2], high[:-2] = corners[0, :-2], corners[0, :-2] + 1
        covered[tuple(slice(*side) for side in zip(low, high))] += 1
    assert (covered == mask).all()


def test_each_complete_region_is_cut_out():
    y = np.full(SHAPE, -1)
    y[2:10, 3:20] = 0
    y[20:30, 20:30] = 4
    regions = regions_of([y], [y >= 0], [np.zeros((0, 2))], as_boxes=True)
    assert [region.y.shape for region in regions] == [(8, 17), (10, 10)]
    assert all(region.is_known for region in regions)
    assert is_calibrated(regions)
    assert not is_calibrated(regions[:1])
    (whole,) = regions_of([y], [y >= 0], [np.zeros((0, 2))], as_boxes=False)
    assert (whole.y == y).all()


def test_clicks_in_a_complete_region_are_its_reference_with_painted_objects():
    painted = np.zeros(SHAPE, int)
    painted[20:26, 20:26] = 3
    complete = np.zeros(SHAPE, bool)
    complete[4:34, 4:44] = True
    session = new_session()
    session.paint("a", painted, complete, points=np.array([[8.0, 9.0], [38.0, 40.0]]))
    (region,) = session.complete_regions()
    assert sorted(region.points.tolist()) == [[4.0, 5.0], [18.5, 18.5]]


def test_a_counter_is_calibrated_on_clicks_in_complete_regions():
    # What is less probable is no object: nobody clicked it.
    probability = np.zeros((1, *SHAPE), np.float32)
    for row in range(2, 36, 10):
        probability[0, row : row + 6, 4:10] = probability[0, row : row + 6, 14:20] = 0.95
        probability[0, row : row + 5, 22:27] = 0.55
    session = new_session()
    complete = np.zeros(SHAPE, bool)
    complete[:, :28] = True
    clicks = np.array([[row + 3.0, column] for row in range(2, 36, 10) for column in (7.0, 17.0)])
    session.paint("a", np.zeros(SHAPE, int), complete, points=clicks)
    counter = fit_counter(
        InstanceCounter(), session.complete_regions(), probability, None, in_sample=True,
        y=[session.samples["a"].y],
    )  # fmt: skip
    assert counter.predict(probability) == [8]
    assert counter.largest_image_ == 40 * 28
    assert counter.in_sample_


def test_without_a_complete_region_strokes_give_the_minimum_size():
    probability = np.zeros((1, *SHAPE), np.float32)
    probability[0, 2:12, 2:12] = probability[0, 20:30, 20:30] = 1
    probability[0, 35:37, 3:5] = 1  # a fragment
    y = np.full(SHAPE, -1)
    y[4:8, 4:10] = 1  # strokes of 24 and 30 pixels
    y[21:26, 21:27] = 2
    y[33] = 0
    assert stroke_size([y]) == 13
    counter = fit_counter(InstanceCounter(), [], probability, None, in_sample=True, y=[y])
    assert counter.predict(probability) == [2]
    assert InstanceCounter().fit(probability).predict(probability) == [3]


def test_few_large_objects_in_complete_regions_do_not_remove_smaller_ones():
    probability = np.zeros((1, *SHAPE), np.float32)
    probability[0, 2:14, 2:14] = probability[0, 18:30, 2:14] = 1  # 144 pixels each, painted
    probability[0, 4:9, 30:35] = probability[0, 20:25, 30:35] = 1  # 25 pixels
    probability[0, 35:37, 40:42] = 1  # a fragment
    y = np.full(SHAPE, -1)
    y[:32, :16] = 0
    y[2:14, 2:14], y[18:30, 2:14] = 2, 3
    counts = {}
    for n in (1, 30):  # regions alike
        regions = regions_of(n * [y], n * [y >= 0], n * [np.zeros((0, 2))], as_boxes=True)
        stack = np.repeat(probability, n, axis=0)
        counter = fit_counter(InstanceCounter(), regions, stack, None, in_sample=True, y=n * [y])
        counts[n] = counter.predict(probability).item(), counter.min_size_
    assert counts == {1: (4, 14), 30: (2, 72)}  # half of the smallest, once there are many


# Files

CELLS = make_cells(1, SHAPE, random_state=0)[1][0]


@pytest.mark.parametrize("suffix", [".tif", ".zip", ".geojson"])
def test_label_files_are_painted(tmp_path, suffix):
    path = tmp_path / f"other{suffix}"
    write = write_labels if suffix == ".tif" else write_rois
    write(path, [CELLS] if suffix == ".tif" else CELLS)
    session = new_session()
    found = load_labels(session, "a", path)
    sample = session.samples["a"]
    assert sample.complete.all()
    assert (sample.y > 0).tolist() == (CELLS > 0).tolist()
    assert len(np.unique(sample.y)) == len(np.unique(CELLS))
    assert "all objects of the whole image" in found.summary
    session.undo()
    assert (sample.y == -1).all()


def test_a_mask_has_components_as_objects(tmp_path):
    write_labels(tmp_path / "mask.tif", [(CELLS > 0).astype(int)])
    session = new_session()
    load_labels(session, "a", tmp_path / "mask.tif")
    painted = session.samples["a"].painted
    assert set(np.unique(painted)) == {0, 2}


def test_unlabeled_pixels_of_a_file_stay_unlabeled(tmp_path):
    label = CELLS.copy()
    label[:, 20:] = -1
    write_labels(tmp_path / "half.tif", [label])
    session = new_session()
    found = load_labels(session, "a", tmp_path / "half.tif")
    assert (session.samples["a"].y[:, 20:] == -1).all()
    assert "40% of it" in found.summary


@pytest.mark.parametrize("name", ["clicks.csv", "clicks.zip", "clicks.geojson"])
def test_files_of_points_are_clicks(tmp_path, name):
    write_rois(tmp_path / name, points=POINTS)
    session = new_session()
    load_labels(session, "a", tmp_path / name)
    sample = session.samples["a"]
    assert np.allclose(sample.points, POINTS)
    assert sample.complete.all()


@pytest.mark.parametrize("kind", ["sections", "volume"])
def test_label_files_of_stacks(tmp_path, kind):
    stack = np.stack([CELLS, CELLS])
    write_labels(tmp_path / "stack.tif", [stack])
    write_rois(tmp_path / "stack.zip", stack)
    for name in ("stack.tif", "stack.zip"):
        session = new_session(kind, stack.shape)
        load_labels(session, "a", tmp_path / name)
        assert ((session.samples["a"].y > 0) == (stack > 0)).all()


def painted_sections(n=4):
    """Sections of which the first has objects."""
    return np.stack([CELLS, *[np.zeros_like(CELLS)] * (n - 1)])


@pytest.mark.parametrize("n_complete", [1, 3, 4])
def test_complete_sections_without_objects_come_back(tmp_path, n_complete):
    """As `Session.save_data` writes them, with -1 if a section is not complete."""
    stack = painted_sections()
    complete = np.ones(stack.shape, bool)
    complete[n_complete:] = False
    session = new_session("sections", stack.shape)
    session.paint("a", stack + (stack > 0), complete)
    session.save_data(tmp_path / "data")
    again = new_session("sections", stack.shape)
    load_labels(again, "a", tmp_path / "data" / "labels" / "a.tif")
    assert np.array_equal(again.samples["a"].complete, complete)
    assert np.array_equal(again.samples["a"].y > 0, stack > 0)


@pytest.mark.parametrize("value", [0, -1])
def test_sections_without_objects_of_other_programs(tmp_path, value):
    """They are not labeled, unless another pixel says that it is unlabeled."""
    stack = painted_sections().astype(np.int16)
    stack[0, -1, -1] = value
    tifffile.imwrite(tmp_path / "stack.tif", stack, photometric="minisblack")
    session = new_session("sections", stack.shape)
    load_labels(session, "a", tmp_path / "stack.tif")
    is_complete = session.samples["a"].complete.all(axis=(1, 2)).tolist()
    assert is_complete == ([True, False, False, False] if value == 0 else [False, True, True, True])


def test_sections_of_ome_zarr_are_read_as_they_are(tmp_path):
    stack = painted_sections()
    image = write_ome_zarr(tmp_path / "a.zarr", np.zeros(stack.shape), axes="zyx", labels=stack)
    session = new_session("sections", stack.shape)
    load_labels(session, "a", str(image))
    assert session.samples["a"].complete.all()


def test_a_file_of_another_shape_is_refused_and_nothing_is_lost(tmp_path):
    write_labels(tmp_path / "other.tif", [CELLS[:10]])
    session = new_session()
    session.paint("a", np.ones(SHAPE, int))
    with pytest.raises(ValueError, match=r"other.tif has the shape \(10, 50\), but 'a' has"):
        load_labels(session, "a", tmp_path / "other.tif")
    with pytest.raises(FileNotFoundError, match="No file of labels at"):
        load_labels(session, "a", tmp_path / "none.tif")
    assert (session.samples["a"].painted == 1).all()
