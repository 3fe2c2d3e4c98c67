import pytest

from sskseg.images import check_spacing, relative_spacing


@pytest.mark.parametrize(
    ("spacing", "ndim", "expected"),
    [
        (None, 3, None),
        ((0.2, 0.2, 0.2), 3, None),
        ((0.1 + 0.2, 0.3, 0.3), 3, None),
        ([0.5, 0.1, 0.1], 3, (5, 1, 1)),
        ((1, 4, 4), 3, (0.25, 1, 1)),
        ((40, 5, 5), 2, None),
        ((5, 5), 2, None),
    ],
)
def test_only_the_ratio_of_z_to_the_plane_counts(spacing, ndim, expected):
    found = relative_spacing(spacing, ndim)
    assert found == (expected if expected is None else pytest.approx(expected))


def test_oblong_pixels_are_warned_of():
    with pytest.warns(UserWarning, match=r"not square in the plane, 1 x 2, but .* resample"):
        assert relative_spacing((3, 1, 2), 3)[0] == pytest.approx(3 / 2**0.5)


@pytest.mark.parametrize(
    ("spacing", "ndim"),
    [((1, 1), 3), ((1, 1, 1, 1), 3), ((1,), 2), ((0, 1, 1), 3), ((1, 1, float("nan")), 3),
     ("zyx", 3), (2.0, 3)],
)  # fmt: skip
def test_wrong_spacings_are_refused(spacing, ndim):
    with pytest.raises(ValueError, match=r"X.spacing must be None or positive numbers, .* got"):
        relative_spacing(spacing, ndim)
    with pytest.raises(ValueError, match=r"^spacing must be None or positive numbers, . of them"):
        check_spacing(spacing, ndim)
