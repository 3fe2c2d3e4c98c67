import copy
import pickle

import numpy as np
import pandas as pd
import pytest
from scipy import ndimage
from sklearn.utils import _safe_indexing

from sskseg.images import check_images, points_from_table
from sskseg.images.annotated_sections import objects_over_sections
from sskseg.images.annotations import Annotations
from sskseg.model_selection import LabeledKFold
from sskseg.morphology import count_over_sections


def images_of(n, shape=(4, 4)):
    return check_images(np.zeros((n, *shape)), len(shape))


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.zeros((3, 4, 4), int), "got 2 images and 3 label images"),
        (np.zeros((2, 4, 5), int), r"y\[0\] must have the spatial shape of its image, \(4, 4\)"),
        (np.zeros((2, 4, 4)), "got dtype float64"),
        (np.full((2, 4, 4), -2), "values below -1"),
        (None, "y is None"),
        (3, "must be an array or a list of arrays, got int"),
        (np.array(3), "must be an array or a list of arrays, got ndarray"),
        ([1, 2, 3], r"y must have 2 counts, one a sample, got shape \(3,\)"),
        ([-2, 2], r"finite counts that are not negative .* got \[-2, 2\]"),
        ([np.inf, 2], "finite counts that are not negative"),
        (["a", "b"], "y must be counts, which are numbers"),
    ],
)
def test_invalid_annotations_are_refused(y, message):
    with pytest.raises(ValueError, match=message):
        Annotations(y, images_of(2))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": "objects"}, "target must be 'instances' or 'classes', got 'objects'"),
        ({"point_radius": 0}, "point_radius must be a positive number, got 0"),
        ({"point_radius": np.inf}, "point_radius must be a positive number, got inf"),
        ({"point_radius": "3"}, "point_radius must be a positive number, got '3'"),
    ],
)
def test_invalid_parameters_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Annotations(np.zeros((1, 4, 4), int), **options)


@pytest.mark.parametrize("wrong", [(5, 20.1), (-1, 3), (np.nan, 3), (3, np.inf)])
def test_points_outside_of_their_image_are_refused(wrong):
    with pytest.raises(ValueError, match=r"y\[0\] must hold points inside .* \(20, 20\), got"):
        Annotations([[(5, 5), wrong]], images_of(1, (20, 20)))


def test_points_in_the_last_half_pixel_are_those_of_the_edge():
    annotations = Annotations([[(5, 5), (10, 19.7)]], images_of(1, (20, 20)))
    assert annotations.points(0).tolist() == [[5, 5], [10, np.nextafter(19.5, 0)]]
    assert annotations.counts() == [2]
    assert annotations.label_images[0][10, 19] == 2


def test_tables_of_points_are_read_by_the_names_of_their_columns():
    given = pd.DataFrame({"X": [12.0, 3.0], "area": [9, 9], "Y": [4.0, 18.0]})
    annotations = Annotations([given, given[:0]], images_of(2, (20, 20)))
    assert annotations.points(0).tolist() == [[4, 12], [18, 3]]
    assert annotations.counts().tolist() == [2, 0]
    napari = pd.DataFrame({"index": [0], "axis-0": [7.0], "axis-1": [1.0], "axis-2": [2.0]})
    assert points_from_table(napari, 2).tolist() == [[1, 2]]
    assert points_from_table(napari, 3).tolist() == [[7, 1, 2]]
    with pytest.raises(ValueError, match=r"y\[0\] must have one column each of y, x.*'area'\]\.$"):
        Annotations([given[["X", "area"]]], images_of(1, (20, 20)))
    with pytest.raises(ValueError, match="If it holds counts of images, pass these as y to the"):
        points_from_table(pd.DataFrame({"Image": ["a"], "Nuclei": [7]}), 2)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32])
@pytest.mark.parametrize("target", ["instances", "classes"])
def test_void_values_are_warned_of(dtype, target):
    y = np.array([[[0, 1, 1], [0, 2, 2]]], dtype)
    Annotations(y, images_of(1, (2, 3)), target=target)
    y[0, 0, 0] = np.iinfo(dtype).max
    with pytest.warns(UserWarning, match=f"y holds {np.iinfo(dtype).max} beside small"):
        Annotations(y, images_of(1, (2, 3)), target=target)


def test_many_objects_are_not_taken_for_void():
    Annotations(np.arange(256, dtype=np.uint8).reshape(1, 16, 16), images_of(1, (16, 16)))


def test_interpolated_masks_are_warned_of():
    mask = np.zeros((40, 40), np.uint8)
    mask[10:30, 10:30] = 255
    blurred = np.rint(ndimage.gaussian_filter(mask.astype(float), 1)).astype(np.uint8)
    with pytest.warns(UserWarning, match="fall off at edges"):
        Annotations([blurred], images_of(1, (40, 40)))
    touching = np.kron(np.arange(1, 201).reshape(10, 20), np.ones((2, 2), int))
    Annotations([touching], images_of(1, (20, 40)))


def test_label_images_are_views():
    y = np.arange(32).reshape(2, 4, 4)
    annotations = Annotations(y, images_of(2))
    assert all(np.shares_memory(label, y) for label in annotations.label_images)
    assert annotations.objects(1) is annotations.label_images[1]


def test_none_is_an_unlabeled_sample():
    annotations = Annotations([None, np.ones((4, 4), bool)], images_of(2))
    assert (annotations.label_images[0] == -1).all()
    assert annotations.labeled.tolist() == annotations.require_labeled().tolist() == [1]


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.full((2, 4, 4), -1), "every pixel of all 2 samples is -1"),
        ([None, None], "every pixel of all 2 samples is -1"),
        ([np.nan, -1], "all 2 counts are unknown"),
    ],
)
def test_nothing_labeled_is_refused(y, message):
    annotations = Annotations(y, images_of(2))
    with pytest.raises(ValueError, match=message):
        annotations.require_labeled()
    with pytest.raises(ValueError, match="y labels none of 2 samples completely"):
        annotations.require_fully_labeled()
    assert Annotations(y).labeled.size == 0
    assert np.isnan(annotations.counts()).all()


def test_some_samples_may_have_points_and_others_label_images():
    given = [[(5, 5)], None, np.ones((20, 20), int), []]
    annotations = Annotations(given, images_of(4, (20, 20)), point_radius=2.0)
    assert annotations.kind == "mixed"
    values = [sorted(np.unique(x).tolist()) for x in annotations.label_images]
    assert values == [[-1, 0, 1], [-1], [1], [0]]
    assert annotations.is_mask  # by the label images alone
    assert annotations.labeled.tolist() == annotations.fully_labeled.tolist() == [0, 2, 3]
    assert annotations.counts() == pytest.approx([1, np.nan, 1, 0], nan_ok=True)
    assert [annotations.has_points(i) for i in range(4)] == [True, False, False, True]
    with pytest.raises(ValueError, match=r"y\[0\] must have the spatial shape"):
        Annotations(given, images_of(4, (20, 20)), target="classes")


@pytest.mark.parametrize("other", [1, 7])
def test_is_mask_is_decided_once(other):
    fragments = np.array([[1, 0, 1], [0, 0, 0]])
    annotations = Annotations(np.stack([fragments, fragments * other]), images_of(2, (2, 3)))
    assert annotations.is_mask == (other == 1)
    assert annotations.counts().tolist() == ([2, 2] if other == 1 else [1, 1])
    objects = [annotations.objects(i).tolist() for i in (0, 1)]
    expected = [[1, 0, 2], [0, 0, 0]] if other == 1 else (fragments * 1).tolist()
    assert objects[0] == expected


def test_parts_keep_the_decision_of_the_whole():
    fragments = np.array([[1, 0, 1, 0], [0, 0, 0, 0]])
    y, images = np.stack([fragments, fragments * 7]), images_of(2, (2, 4))
    assert Annotations(y[:1], images[:1]).counts().tolist() == [2]
    assert Annotations(y, images)[:1].counts().tolist() == [1]
    assert Annotations(y)[:1].bind(images[:1]).counts().tolist() == [1]
    assert Annotations(y[:1], images[:1], is_mask=False).counts().tolist() == [1]
    points = Annotations([np.array([[0, 1]]), fragments])[1:]  # coordinates are no label image
    assert points.bind(images[:1]).is_mask


def test_classes_are_no_masks():
    y = np.array([[[1, 2, -1]], [[1, 1, 1]]])
    annotations = Annotations(y, images_of(2, (1, 3)), target="classes")
    assert not annotations.is_mask
    assert annotations.classes.tolist() == [1, 2]
    assert annotations.foreground(0, background=1).tolist() == [[0, 1, -1]]
    assert Annotations(y, images_of(2, (1, 3))).foreground(0).tolist() == [[1, 1, -1]]


def test_unknown_counts():
    annotations = Annotations([None, np.nan, -1, 0, 3.0], images_of(5))
    assert annotations.kind == "counts"
    assert annotations.counts(margin=1) == pytest.approx([np.nan] * 3 + [0, 3], nan_ok=True)
    assert annotations.labeled.tolist() == annotations.fully_labeled.tolist() == [3, 4]
    with pytest.raises(ValueError, match="y must be label images or points, got counts"):
        annotations.label_images  # noqa: B018 - a property


def test_counts_leave_out_partly_labeled_samples_and_the_margin():
    y = np.zeros((3, 6, 6), int)
    y[:, 0, 0], y[:, 3, 3] = 4, 5
    y[2, 5, 5] = -1
    annotations = Annotations(y, images_of(3, (6, 6)))
    assert annotations.counts() == pytest.approx([2, 2, np.nan], nan_ok=True)
    assert annotations.counts(margin=2) == pytest.approx([1, 1, np.nan], nan_ok=True)
    assert annotations.points(0).tolist() == [[0, 0], [3, 3]]
    assert annotations.points(2) is None
    points = Annotations([[(0, 0), (3.2, 3)]] * 3, images_of(3, (6, 6)))
    assert points.counts(margin=2).tolist() == [1, 1, 1]
    assert points.points(1).tolist() == [[0, 0], [3.2, 3]]


def test_objects_over_sections_count_once_in_the_nearest_section():
    y = np.zeros((6, 8, 8), int)
    y[0:3, 1:3, 1:3] = 1
    y[1, 5:7, 5:7] = 1
    y[4:, 1:3, 1:3] = 1
    y[5, 0, 0] = -1
    positions = np.array([2, 3, 4, 6, 8, 9])  # three stacks; the last is not fully labeled
    annotations = Annotations(y, images_of(6, (8, 8)))
    counts = annotations.counts(positions=positions)
    assert counts == pytest.approx([0, 2, 0, 0, np.nan, np.nan], nan_ok=True)


def test_objects_of_a_label_volume_are_its_ids():
    y = np.zeros((4, 8, 8), int)
    y[:2, 1:5, 1:5], y[2:, 1:5, 1:5] = 4, 9  # one below the other
    y[:, 6:, 6:] = 2
    annotations = Annotations(y, images_of(4, (8, 8)))
    assert annotations.counts(positions=np.arange(4)).tolist() == [1, 0, 2, 0]


def test_components_of_a_mask_are_joined_by_overlap():
    y = np.zeros((3, 8, 8), int)
    y[0, 1:3, 1:3] = y[1:, 5:, 5:] = 1  # the first component of each section
    annotations = Annotations(y, images_of(3, (8, 8)))
    labels = objects_over_sections(annotations, np.arange(3))
    assert [np.unique(x).tolist() for x in labels] == [[0, 1], [0, 2], [0, 2]]


def test_each_stack_is_numbered_as_its_labels_are():
    """A label volume, and a stack whose sections start with 1 again: joined together, the objects
    of the volume that lie on each other would be one."""
    y = np.zeros((7, 8, 8), int)
    y[:2, 1:5, 1:5], y[2:4, 1:5, 1:5], y[:4, 6:, 6:] = 4, 9, 2
    y[4, 1:3, 1:3], y[4, 5:, 5:], y[5, 5:, 5:], y[5, 1:3, 1:3] = 1, 2, 1, 2
    y[6], y[5, 7, 0] = -1, -1
    positions = np.array([0, 1, 2, 3, 8, 9, 10])
    labels = objects_over_sections(Annotations(y, images_of(7, (8, 8))), positions)
    assert labels[6] is None
    assert [np.unique(x).tolist() for x in labels[:6]] == [
        [0, 1, 2], [0, 1, 2], [0, 1, 3], [0, 1, 3], [0, 4, 5], [-1, 0, 4, 5]
    ]  # fmt: skip
    assert labels[4][1, 1] == labels[5][1, 1]


def test_stacks_are_counted_as_each_alone():
    """An object in two sections counts in the same one, wherever its stack begins."""
    labels = [np.eye(4, dtype=int), np.eye(4, dtype=int), np.zeros((4, 4), int)]
    for first in (0, 1, 2):
        positions = np.array([0, 1, 2, 4 + first, 5 + first, 6 + first])
        other = [2 * each for each in labels]
        assert count_over_sections([*labels, *other], positions).tolist() == [1, 0, 0, 1, 0, 0]


@pytest.mark.parametrize("key", [[0, 2], np.array([0, 2]), np.array([True, False, True])])
@pytest.mark.parametrize("bound", [False, True])
def test_splitters_take_annotations_apart(key, bound):
    y = [np.ones((4, 4), int), None, np.array([[1.0, 2.0]])]
    annotations = Annotations(y, images_of(3) if bound else None, point_radius=1.5)
    for part in (annotations[key], annotations[key, ...], _safe_indexing(annotations, key)):
        assert isinstance(part, Annotations)
        assert part.point_radius == 1.5
        assert part.y[0] is y[0]
        part = part if bound else part.bind(images_of(2))
        assert part.kind == "mixed"
        assert part.labeled.tolist() == [0, 1]
    assert annotations[1] is None
    assert len(annotations[1:]) == 2


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_copies(duplicate):
    other = duplicate(Annotations([2, None], images_of(2)))
    assert other.counts() == pytest.approx([2, np.nan], nan_ok=True)
    assert repr(other) == "Annotations(n_samples=2, kind='counts')"


def test_lazy_label_images():
    da = pytest.importorskip("dask.array")
    y = np.ones((2, 4, 4), int)
    assert Annotations(da.from_array(y), images_of(2)).counts().tolist() == [1, 1]


@pytest.mark.parametrize("question", ["kind", "fully_labeled", "label_images", "counts", "points"])
def test_annotations_without_images_say_what_they_lack(question):
    annotations = Annotations(np.array([[[1, 0, 2]]]))

    def ask():
        found = getattr(annotations, question)
        return found(0) if callable(found) else found

    with pytest.raises(ValueError, match=r"y must be bound to its images: Annotations\(y, images"):
        ask()


@pytest.mark.parametrize("dtype", [float, object, "Float64", "Int64", "int64[pyarrow]"])
def test_a_column_of_a_spreadsheet_is_counts(dtype):
    """Its index does not matter, as for other estimators; a missing value is an unknown count."""
    column = pd.Series([3, None, 0], index=["c", "a", "b"]).astype(dtype)
    annotations = Annotations(column, check_images(np.zeros((3, 4, 4)), 2))
    assert annotations.kind == "counts"
    assert annotations.counts() == pytest.approx([3, np.nan, 0], nan_ok=True)
    assert annotations.labeled.tolist() == [0, 2]
    train, test = next(LabeledKFold(2).split(np.zeros((3, 4, 4)), column))
    assert (train.tolist(), test.tolist()) == ([1, 2], [0])
