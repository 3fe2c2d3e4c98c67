import numpy as np
import pytest

from sskseg.images import are_points, draw_points


def test_discs_rings_and_the_nearest_point():
    points = np.array([[10.0, 10.0], [10.0, 15.0], [30.5, 0.0]])
    label = draw_points(points, (40, 40), 3.0)
    grid = np.stack(np.indices((40, 40)), -1)
    distance = np.linalg.norm(grid[:, :, None] - points, axis=-1)
    nearest, number = distance.min(-1), distance.argmin(-1) + 1
    expected = np.where(nearest <= 3, number, np.where(nearest <= 6, -1, 0))
    assert np.array_equal(label, expected)
    assert (label[10, 12], label[10, 13]) == (1, 2)


def test_balls_in_volumes():
    label = draw_points(np.array([[4.0, 5.0, 6.0]]), (9, 11, 13), 2.0)
    assert (label == 1).sum() == 33
    assert label[4, 5, 6] == 1
    assert label[0, 0, 0] == 0


def test_balls_in_volumes_of_coarse_z():
    label = draw_points(np.array([[4.0, 8.0, 8.0]]), (9, 17, 17), 3.0, (3.0, 1.0, 1.0))
    assert np.flatnonzero((label == 1).any((1, 2))).tolist() == [3, 4, 5]
    assert np.flatnonzero((label == 1).any((0, 1))).tolist() == [5, 6, 7, 8, 9, 10, 11]
    assert np.flatnonzero((label == -1).any((1, 2))).tolist() == [2, 3, 4, 5, 6]


@pytest.mark.parametrize(
    ("values", "shape", "expected"),
    [
        (np.zeros((5, 2)), (8, 8), True),
        ([(1, 2), (3, 4)], (8, 8), True),
        ([], (8, 8), True),
        (np.zeros((0, 2)), (8, 8), True),
        (np.zeros((5, 3)), (4, 8, 8), True),
        (np.zeros((8, 2)), (8, 2), False),
        (np.zeros((8, 8)), (8, 8), False),
        (np.zeros((8, 7)), (8, 8), False),
    ],
)
def test_points_are_told_from_label_images(values, shape, expected):
    assert are_points(values, shape) is expected


def test_the_pixel_of_a_point_is_of_its_disc_where_pixels_are_long():
    points = np.array([[2.5, 4.0, 4.0], [6.6, 10.4, 10.4], [0.0, 12.0, 2.0]])
    label = draw_points(points, (9, 15, 15), 2.0, (10.0, 1.0, 1.0))
    assert label[3, 4, 4] == 1
    assert label[7, 10, 10] == 2
    assert np.count_nonzero(label == 1) == np.count_nonzero(label == 2) == 1
    assert np.count_nonzero(label == 3) == 13  # the disc in its section
    assert set(np.unique(label)) == {-1, 0, 1, 2, 3}
    tiny = draw_points(np.array([[1.4, 1.4]]), (3, 4), 0.1)
    assert np.array_equal(np.argwhere(tiny), [[1, 1]])
