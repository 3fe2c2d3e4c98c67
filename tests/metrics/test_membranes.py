import numpy as np
import pytest

from sskseg.metrics import membrane_curve, thin_borders, v_info, v_rand, warping_error


def grid_of_cells(size=24, step=8, thickness=1):
    """Square cells between straight membranes, whose middle does not move with their thickness."""
    at = (np.arange(size) - 3) % step
    at = np.minimum(at, step - at) > thickness // 2
    return (at[:, None] & at[None, :]).astype(int)


def test_thin_borders_are_one_pixel_thick_and_keep_the_cells():
    cells = grid_of_cells(thickness=5)
    thin = thin_borders(cells)
    assert set(np.unique(thin)) == set(range(17))
    assert (thin[cells > 0] > 0).all()
    # nowhere a square of border pixels, and two cells never touch over a side
    border = thin == 0
    assert not (border[1:, 1:] & border[:-1, 1:] & border[1:, :-1] & border[:-1, :-1]).any()
    for axis in (0, 1):
        a, b = np.moveaxis(thin, axis, 0)[:-1], np.moveaxis(thin, axis, 0)[1:]
        assert not ((a != b) & (a > 0) & (b > 0)).any()


@pytest.mark.parametrize("shape", [(5, 6), (1, 1), (0, 4), (3, 4, 5)])
def test_thin_borders_of_nothing_and_of_one_object(shape):
    assert not thin_borders(np.zeros(shape, int)).any()
    assert (thin_borders(np.ones(shape, int)) == 1).all()


@pytest.mark.parametrize("score", [v_rand, v_info])
def test_how_thick_borders_are_drawn_does_not_matter(score):
    cells = grid_of_cells(thickness=1)
    thick = grid_of_cells(thickness=5).astype(float)
    assert score(cells, thick, thresholds=[0.5], thin=False) < 0.7
    assert score(cells, thick, thresholds=[0.5]) > 0.97
    assert score(cells, cells.astype(float)) == 1


def test_one_threshold_for_all_sections_is_optimized():
    cells = np.stack([grid_of_cells()] * 2)
    probability = np.where(cells > 0, 0.95, np.array([0.25, 0.65])[:, None, None])
    curve = membrane_curve(cells, probability)
    assert curve.thresholds == pytest.approx(np.linspace(0, 1, 11))
    # below 0.25 all is one cell, up to 0.65 in the second section only, from 0.7 on in none
    assert curve.v_rand[2] == pytest.approx(curve.v_rand[0])
    assert curve.v_rand[0] < curve.v_rand[3] < 1
    assert curve.v_rand[7] == curve.v_rand[9] == 1
    assert v_rand(cells, probability) == 1
    assert v_rand(cells, probability, thresholds=[0.5]) == curve.v_rand[5]
    one_by_one = [v_rand(t, p, thresholds=[0.5]) for t, p in zip(cells, probability)]
    assert np.mean(one_by_one) == pytest.approx(curve.v_rand[5])


def test_label_images_are_used_as_they_are():
    labels = np.array([[1, 1, 2, 2]] * 2)
    curve = membrane_curve(labels, labels)
    assert np.isnan(curve.thresholds).all()
    assert curve.v_rand == curve.v_info == 1
    assert v_rand(labels, np.full_like(labels, 2)) == pytest.approx(2 / 3)


@pytest.mark.parametrize("dtype", [bool, np.uint8, int])
def test_masks_are_cut_into_cells(dtype):
    cells = grid_of_cells(thickness=3)
    mask = (cells > 0).astype(dtype)
    assert v_rand(mask.astype(int), mask) == 1
    assert v_rand(cells, mask) == v_rand(cells, mask.astype(float), thresholds=[0.5]) == 1


def test_masks_fall_into_components_in_the_plane_only():
    mask = np.array([[[1, 1, 0, 1, 1]], [[1, 1, 1, 1, 1]]])
    split = np.array([[[1, 1, 0, 2, 2]], [[1, 1, 1, 1, 1]]])
    assert v_rand(mask, split) == 1
    assert v_rand(mask, split, spatial_ndim=3) < 1


@pytest.mark.parametrize("score", [v_rand, v_info])
@pytest.mark.parametrize("value", [0, -1])
@pytest.mark.parametrize("shape", [(3, 4), (1, 1), (0, 4)])
def test_no_true_object_is_a_perfect_score(score, value, shape):
    assert score(np.full(shape, value), np.full(shape, 0.5)) == 1
    assert score(np.full(shape, value), np.zeros(shape, int)) == 1


def test_one_false_negative():
    cell = np.ones((4, 4), int)
    nothing = np.zeros((4, 4), int)
    # sixteen objects of one pixel: all pairs are split
    assert v_rand(cell, nothing) == pytest.approx(2 / 17)
    assert v_info(cell, nothing) == 0
    assert v_info(cell, cell) == 1


@pytest.mark.parametrize(
    ("true", "pred", "message"),
    [
        (np.ones((2, 2), int), np.full((2, 2), 1.5), r"must lie in \[0, 1\], got values from 1.5"),
        (np.ones((2, 2), int), np.full((2, 2), np.nan), r"must lie in \[0, 1\]"),
        (np.ones((2, 2)), np.ones((2, 2)), "y_true must be a label image or a mask, got float64"),
        (np.ones((2, 2), int), np.ones((2, 3)), r"got \(2, 2\) and \(2, 3\)"),
        (np.ones(4, int), np.ones(4), r"must have 2 axes, or 3 as a stack, got shape \(4,\)"),
        ([], [], "at least one image, got none"),
        ([np.ones((2, 2), int)] * 2, [np.ones((2, 2)), np.ones((2, 2), int)], "got both"),
    ],
)
def test_bad_input_is_refused(true, pred, message):
    with pytest.raises(ValueError, match=message):
        v_rand(true, pred)


def test_no_threshold_is_refused():
    with pytest.raises(ValueError, match="at least one number"):
        v_rand(np.ones((2, 2), int), np.ones((2, 2)), thresholds=[])


# Warping error


def topology(image):
    """Numbers of objects (over sides) and of borders (over corners)."""
    from scipy import ndimage as ndi

    framed = np.pad(image, 1)
    return ndi.label(framed)[1], ndi.label(framed == 0, np.ones((3, 3)))[1]


def test_simple_points_keep_the_topology():
    from sskseg.metrics.warping import _RING, _simple_points

    for code in range(256):
        image = np.zeros((3, 3), int)
        for place, (a, b) in enumerate(_RING):
            image[1 + a, 1 + b] = code >> place & 1
        with_it, without = image.copy(), image.copy()
        with_it[1, 1], without[1, 1] = 1, 0
        if _simple_points()[code]:
            assert topology(with_it) == topology(without), code
    assert sum(_simple_points()) == 116  # as many as in the literature for (4, 8)


def test_a_border_may_move_but_not_vanish():
    cells = np.zeros((12, 20), int)
    cells[2:10, 2:9] = cells[2:10, 11:18] = 1
    moved = np.zeros_like(cells)
    moved[1:11, 1:10] = moved[1:11, 11:19] = 1
    assert warping_error(cells, moved) == 0
    merged = cells.copy()
    merged[2:10, 9:11] = 1
    # a border of one pixel is left, and all of it is wrong
    assert warping_error(cells, merged) == pytest.approx(8 / 240)
    assert warping_error(merged, cells) == pytest.approx(2 / 240)  # a bridge one pixel wide
    missed = cells.copy()
    missed[:, 10:] = 0
    assert warping_error(cells, missed) == pytest.approx(1 / 240)
    holed = cells.copy()
    holed[5:7, 5:7] = 0
    assert warping_error(cells, holed) == pytest.approx(4 / 240)


def test_the_topology_of_the_reference_is_kept():
    rng = np.random.default_rng(0)
    from sskseg.metrics import warping

    kept = []
    original = warping._warp

    for _ in range(5):
        true, pred = rng.random((2, 12, 12)) > 0.4
        left = original(true, pred, np.abs(pred - true.astype(float)))
        kept.append(left)
        assert left / 144 == pytest.approx(warping_error(true.astype(int), pred))
        assert left <= np.count_nonzero(true != pred)
    assert max(kept) > 0


def test_strongest_disagreement_is_warped_first():
    # Two ways to give way: where the prediction is surest, the reference follows.
    true = np.array([[1, 1, 1, 1]])
    sure_left = np.array([[0.0, 0.2, 0.9, 0.9]])
    assert warping_error(true, sure_left) == 0
    assert warping_error(true, np.zeros((1, 4))) == pytest.approx(1 / 4)


@pytest.mark.parametrize("value", [0, 1, -1])
@pytest.mark.parametrize("shape", [(3, 4), (1, 1), (0, 4), (2, 3, 4)])
def test_warping_of_equal_images(value, shape):
    image = np.full(shape, value)
    assert warping_error(image, np.maximum(image, 0)) == 0


def test_unlabeled_pixels_do_not_count():
    true = np.array([[1, 1, -1, -1], [1, 1, -1, -1]])
    pred = np.array([[1, 1, 1, 0], [1, 1, 0, 1]])
    assert warping_error(true, pred) == 0


def test_warping_needs_planes():
    with pytest.raises(ValueError, match=r"must be 2-D, got shape \(2, 2, 2\)"):
        warping_error([np.zeros((2, 2, 2), int)], [np.zeros((2, 2, 2), int)])
    with pytest.raises(ValueError, match=r"got shape \(1, 2, 2, 2\)"):
        warping_error(np.zeros((1, 2, 2, 2), int), np.zeros((1, 2, 2, 2), int))


def test_whether_1_is_a_mask_is_decided_for_all_images():
    fragments = np.array([[1, 1, 0, 1, 1]] * 4)
    others = np.array([[1, 1, 0, 2, 2]] * 4)
    assert v_rand([fragments, others], [fragments * 7, others]) == 1.0
    assert v_rand([others, others], [fragments, others]) < 1.0
