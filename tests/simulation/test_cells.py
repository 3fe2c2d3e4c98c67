"""CellSimulator: what it draws, what it learns from real images, and learning from it alone."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage as ndi
from skimage.measure import grid_points_in_poly
from sklearn.pipeline import make_pipeline

from sskseg import ImageStack, InstanceCounter, PercentileScaler, SemiSupervisedSegmenter
from sskseg.datasets import load_dsb2018_nuclei, load_nissl_rat_cortex
from sskseg.simulation import CellSimulator, find_polarity


@pytest.mark.parametrize("shape", [(96, 80), (24, 40, 40)])
def test_images_match_their_parameters(shape):
    simulator = CellSimulator(shape=shape, coverage=0.2, radius=6, noise=0.0, texture=0.0)
    X, y = simulator.sample(8, random_state=0)
    assert X.shape == y.shape == (8, *shape)
    assert abs((y > 0).mean() - 0.2) < 0.07
    assert X[y > 0].mean() - X[y == 0].mean() > 0.2
    for label in y:
        ids = np.unique(label)
        assert np.array_equal(ids, np.arange(len(ids)))
    again, _ = simulator.sample(3, random_state=0)
    assert np.array_equal(again, X[:3])


def test_images_do_not_depend_on_how_many_are_drawn():
    found = CellSimulator().calibrate(CellSimulator(shape=(96, 96)).sample(3, 0)[0])
    for simulator in (CellSimulator(defocus=1.0), found):
        few, many = simulator.sample(2, 7), simulator.sample(4, 7)
        assert all(np.array_equal(a, b[:2]) for a, b in zip(few, many))


# What each parameter does


def sharpness(X, y):
    """Steepest slope of each cell in units of its brightness."""
    ids = np.unique(y)[1:]
    slope = ndi.maximum(ndi.gaussian_gradient_magnitude(X, 0.5), y, ids)
    return slope / ndi.maximum(X, y, ids)


def relative_distances(contour):
    distances = np.linalg.norm(contour - contour.mean(axis=0), axis=1)
    return distances.std() / distances.mean()


def area(contour):
    y, x = contour.T
    return abs(np.dot(y, np.roll(x, 1)) - np.dot(x, np.roll(y, 1))) / 2


EFFECTS = {  # of a parameter: two values, and what is larger with the second
    "coverage": (0.1, 0.4, lambda X, y, c: (y > 0).mean()),
    "radius": (5, 12, lambda X, y, c: np.median([area(p) for p in c])),
    "radius_spread": (0.05, 0.5, lambda X, y, c: np.std(np.log([area(p) for p in c]))),
    "elongation": (1, 3, lambda X, y, c: np.mean([relative_distances(p) for p in c])),
    "roughness": (0, 0.15, lambda X, y, c: np.mean([relative_distances(p) for p in c])),
    "overlap": (0.05, 0.6, lambda X, y, c: sum(area(p) for p in c) / (y > 0).sum()),
    "foreground": (0.4, 0.9, lambda X, y, c: X[y > 0].mean()),
    "background": (0.1, 0.3, lambda X, y, c: X[y == 0].mean()),
    "foreground_spread": (0, 0.5, lambda X, y, c: np.std(ndi.mean(X, y, range(1, y.max())))),
    "texture": (0, 0.3, lambda X, y, c: np.mean(ndi.variance(X, y, range(1, y.max())))),
    "background_spread": (0, 0.2, lambda X, y, c: X[y == 0].std()),
    "background_texture": ((), (0.0, 0.05), lambda X, y, c: X[y == 0].std()),
    "psf": (0.3, 3.0, lambda X, y, c: -np.median(sharpness(X, y))),
    "defocus": (0, 3.0, lambda X, y, c: np.std(np.log(sharpness(X, y)))),
    "noise": (0, 0.1, lambda X, y, c: X[y == 0].std()),
}


@pytest.mark.parametrize("name", EFFECTS)
def test_each_parameter_has_its_effect(name):
    low, high, quantity = EFFECTS[name]
    plain = {"shape": (160, 160), "noise": 0.0, "texture": 0.0, "background_spread": 0.0,
             "foreground_spread": 0.0, "psf": 0.5, "elongation": 1.0, "radius_spread": 0.2,
             "coverage": 0.3}  # fmt: skip
    values = []
    for value in (low, high):
        X, y, contours = CellSimulator(**{**plain, name: value}).sample_contours(1, 3)
        values.append(quantity(X[0], y[0], contours[0]))
    assert values[1] > values[0] + 0.02 * abs(values[0])


def test_sections_are_out_of_focus_by_different_amounts():
    plain = {"noise": 0.0, "texture": 0.0, "psf": 0.5, "foreground_spread": 0.0}
    spread = []
    for value in (0.0, 3.0):
        X, y = CellSimulator(section_blur=value, **plain).sample(8, 0)
        each = [np.log(np.median(sharpness(*pair))) for pair in zip(X, y)]
        spread.append(np.std(each))
    assert spread[1] > 3 * spread[0]


def test_a_volume_is_blurred_along_its_first_axis():
    options = {"shape": (24, 40, 40), "noise": 0.0, "radius": 5, "background_spread": 0.0}
    X, y = CellSimulator(**options).sample(1, 0)
    blurred, same = CellSimulator(defocus=2.5, **options).sample(1, 0)
    assert np.array_equal(y, same)
    ratios = [np.abs(np.diff(blurred, axis=k)).mean() / np.abs(np.diff(X, axis=k)).mean()
              for k in (1, 2, 3)]  # fmt: skip
    assert ratios[0] < 0.7 * ratios[1]
    assert abs(ratios[1] - ratios[2]) < 0.1


# Contours


def inside(contour, shape):
    return grid_points_in_poly(shape, contour)


@pytest.fixture(scope="module")
def crowded():
    simulator = CellSimulator(shape=(120, 100), coverage=0.5, radius=10, overlap=0.4)
    return simulator, *simulator.sample_contours(4, 0)


def test_contours_are_whole_and_in_the_order_of_labels(crowded):
    simulator, X, y, contours = crowded
    assert all(np.array_equal(a, b) for a, b in zip(simulator.sample(4, 0), (X, y)))
    hidden = 0
    for label, polygons in zip(y, contours, strict=True):
        assert len(polygons) == label.max() == len(np.unique(label[label > 0]))
        union = np.zeros(label.shape, bool)
        for number, polygon in enumerate(polygons, start=1):
            assert polygon.shape == (64, 2)
            whole, shown = inside(polygon, label.shape), label == number
            union |= whole
            # Only pixels that the outline passes through may differ.
            beyond = shown & ~whole
            assert beyond.sum() <= 0.03 * shown.sum() + 1
            covered = whole & ~shown
            assert (label[covered] == 0).sum() <= 3
            share = covered.sum() / whole.sum()
            assert share < simulator.overlap + 0.05
            hidden += share > 0.1
        assert (union != (label > 0)).mean() < 0.01
    assert hidden > 5


def test_contours_leave_the_image_where_cells_do(crowded):
    _, _, y, contours = crowded
    every = np.concatenate([p for polygons in contours for p in polygons])
    assert every.min() < -2
    assert (every > y.shape[1:]).any()


def test_there_are_no_contours_in_three_dimensions():
    with pytest.raises(ValueError, match=r"Contours need a shape of 2 sides, got \(16, 16, 16\)"):
        CellSimulator(shape=(16, 16, 16)).sample_contours(1)


def test_an_image_may_be_empty():
    X, y, contours = CellSimulator(coverage=0.0, defocus=1.0).sample_contours(1, 0)
    assert contours == [[]]
    assert y.max() == 0
    assert np.isfinite(X).all()


def test_a_density_that_does_not_fit_warns():
    crowd = CellSimulator(shape=(64, 64), coverage=0.9, overlap=0.0, radius=10, elongation=3)
    with pytest.warns(UserWarning, match=r"Only \d+ of \d+ cells could be placed in 3 images: "
                      r"lower coverage \(now 0.90\), or raise overlap \(now 0.00\)"):  # fmt: skip
        _, y = crowd.sample(3, 0)
    assert (y > 0).any()


# Calibration


def test_dark_cells_on_a_bright_background():
    X, y = CellSimulator(foreground=0.3, background=0.8).sample(2, random_state=0)
    assert X[y > 0].mean() < X[y == 0].mean() - 0.2


@pytest.mark.parametrize("with_labels", [False, True])
@pytest.mark.parametrize("levels", [(0.6, 0.15), (0.2, 0.7)])
def test_calibration_recovers_the_parameters(with_labels, levels):
    reference = CellSimulator(
        shape=(192, 192), coverage=0.15, radius=11.0, foreground=levels[0], background=levels[1],
        psf=1.5, noise=0.02, overlap=0.0,
    )  # fmt: skip
    X, y = reference.sample(6, random_state=0)
    found = CellSimulator().calibrate(X, y if with_labels else None)
    assert found.shape == (128, 128)
    assert abs(found.coverage - (y > 0).mean()) < 0.05
    assert abs(np.log(found.radius / 11)) < 0.25
    assert abs(found.foreground - levels[0]) < 0.05
    assert abs(found.background - np.median(X[y == 0])) < 0.05
    assert abs(found.psf - 1.5) < 0.6
    assert abs(found.noise - 0.02) < 0.01
    assert len(found.variants) == 6
    drawn, _ = found.sample(30, 0)
    assert drawn.shape == (30, 128, 128)


def test_calibration_recovers_the_background():
    rng = np.random.default_rng(0)
    smooth = CellSimulator(shape=(192, 192), noise=0.01, texture=0.0, background_spread=0.0)
    X, y = smooth.sample(4, 0)
    plain = CellSimulator().calibrate(X)
    grains = ndi.gaussian_filter(rng.normal(size=X.shape), (0, 1.5, 1.5))
    between = X + 0.05 * (y == 0) * grains / grains.std()
    textured = CellSimulator().calibrate(between)
    within = X + 0.05 * (y > 0) * grains / grains.std()
    inside = CellSimulator().calibrate(within)

    def total(spectrum):
        return np.linalg.norm(spectrum)

    assert total(plain.background_texture) < 0.01
    assert abs(total(textured.background_texture) - 0.05) < 0.01
    assert total(textured.texture) < total(plain.texture) + 0.03
    assert total(inside.background_texture) < 0.015
    contrast = inside.foreground - inside.background
    added = np.sqrt(total(inside.texture) ** 2 - total(plain.texture) ** 2) * contrast
    assert abs(added - 0.05) < 0.02
    # Fine and coarse grains are distinguished.
    coarse = ndi.gaussian_filter(rng.normal(size=X.shape), (0, 6, 6))
    found = CellSimulator().calibrate(X + 0.05 * (y == 0) * coarse / coarse.std())
    assert np.argmax(found.background_texture) > np.argmax(textured.background_texture)


ROUGH = {
    "shape": (256, 256), "radius": 12.0, "coverage": 0.2, "overlap": 0.0, "noise": 0.01, "psf": 1.0,
    "foreground_spread": 0.2, "texture": (0.1, 0.0, 0.15), "background_spread": 0.03,
    "background_texture": (0.03, 0.0, 0.03, 0.02),
}  # fmt: skip


@pytest.mark.parametrize("with_labels", [False, True])
@pytest.mark.parametrize("levels", [(0.7, 0.2), (0.2, 0.7)])
def test_calibrated_parameters_are_simulated(levels, with_labels):
    reference = CellSimulator(**ROUGH, foreground=levels[0], background=levels[1])
    X, y = reference.sample(12, random_state=0)
    found = CellSimulator().calibrate(X, y if with_labels else None)
    assert abs(np.linalg.norm(found.background_texture) - np.linalg.norm((0.03, 0.03, 0.02))) < 0.01
    assert np.abs(np.subtract(found.background_texture, (0.03, 0, 0.03, 0.02))).max() < 0.015
    assert 0.01 < found.background_spread < 0.05
    assert np.abs(np.subtract(found.texture[:3], (0.1, 0, 0.15))).max() < 0.08
    again = CellSimulator().calibrate(replace(found, shape=(256, 256)).sample(12, 1)[0])
    for name in ("texture", "background_texture"):
        ratio = np.linalg.norm(getattr(again, name)) / np.linalg.norm(getattr(found, name))
        assert 0.7 < ratio < 1.3


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"radius": 4.0},
        {"psf": 2.0},
        {"noise": 0.1},
        {"foreground_spread": 0.0, "texture": 0.0},
        {"shape": (32, 64, 64), "radius": 6.0},
    ],
)
def test_calibrated_cells_have_the_contrast_of_the_real_ones(options):
    """In the middle, whereas pixels of cells are darker on average."""
    reference = CellSimulator(**{"shape": (192, 192), "coverage": 0.15, **options})
    X, y = reference.sample(6 if len(reference.shape) == 2 else 2, 0)
    found = CellSimulator(shape=reference.shape).calibrate(X, y)
    contrast = found.foreground - found.background
    assert abs(contrast / 0.45 - 1) < 0.12
    drawn, labels = found.sample(len(X), 1)
    contrasts = [np.median(x[z > 0]) - np.median(x[z == 0]) for x, z in ((X, y), (drawn, labels))]
    assert abs(contrasts[1] / contrasts[0] - 1) < 0.12


def strokes(labels, width=4):
    """Labels inside of cells, and far from them."""
    inside, near = (
        change(labels > 0, iterations=width) for change in (ndi.binary_erosion, ndi.binary_dilation)
    )
    return np.where(inside, labels, np.where(near, -1, 0))


def boxes(labels):
    """Labels in windows that are smaller than most cells."""
    at = np.indices(labels.shape) % 40 < 14
    return np.where(at.all(axis=0), labels, -1)


def left(labels):
    return np.where(np.arange(labels.shape[-1]) < 90, labels, -1)


def ring(labels):
    near = ndi.binary_dilation(labels > 0, iterations=2)
    return np.where(near & (labels == 0), -1, labels)


@pytest.mark.parametrize("partly", [strokes, boxes, left, ring])
@pytest.mark.parametrize("is_mask", [False, True])
def test_borders_of_what_is_labeled_are_no_outlines_of_cells(partly, is_mask):
    reference = CellSimulator(shape=(192, 192), radius=11.0, psf=1.2, noise=0.02, coverage=0.2)
    X, y = reference.sample(4, 0)
    known = np.stack([partly(label) for label in y])
    found = CellSimulator(psf=1.2).calibrate(X, np.minimum(known, 1) if is_mask else known)
    assert abs(np.log(found.radius / 11)) < 0.2
    assert abs(found.coverage - (y > 0).mean()) < 0.06
    assert abs(found.psf - 1.2) < 0.3


def test_edges_of_images_are_no_outlines_of_cells():
    reference = CellSimulator(shape=(40, 40), radius=10.0, psf=1.0, noise=0.01, coverage=0.3)
    X, y = reference.sample(20, 0)
    assert abs(CellSimulator().calibrate(X, y).psf - 1) < 0.25


def test_few_of_many_images_have_labels_or_cells(monkeypatch):
    """All that are labeled are measured, and others until there is a cell."""
    monkeypatch.setattr("sskseg.simulation._calibration._MAX_PIXELS", 96**2)
    X, y = CellSimulator(shape=(96, 96), noise=0.05).sample(3, 0)
    empty = CellSimulator(shape=(96, 96), noise=0.05, coverage=0.0).sample(6, 1)[0]
    found = CellSimulator().calibrate([*empty, X[0]], [None] * 6 + [y[0]])
    expected = CellSimulator().calibrate(X[:1], y[:1])
    assert found == expected
    for known in (None, [np.zeros_like(y[0]), y[0], *np.zeros_like(y[[0, 0]])]):
        found = CellSimulator().calibrate([empty[0], X[0], *empty[1:3]], known)
        assert found.coverage > 0.1
    with pytest.raises(ValueError, match="No cell was found in X"):
        CellSimulator().calibrate(empty)


def test_scale_and_offset_of_images_change_nothing_else():
    X, _ = CellSimulator(**ROUGH).sample(3, 0)
    found = CellSimulator().calibrate(X)
    raw = CellSimulator().calibrate((10000 * X + 500).round().clip(0).astype(np.uint16))
    assert np.allclose(raw.texture, found.texture, atol=0.01)
    assert np.allclose(raw.background_texture, 1e4 * np.array(found.background_texture), atol=20)
    assert np.isclose(raw.background_spread, 1e4 * found.background_spread, rtol=0.02)
    assert np.isclose(raw.radius, found.radius, rtol=0.02)


@pytest.mark.parametrize(
    "renumber",
    [
        lambda y: np.where(y == y.max(), 250, y).astype(np.uint8),
        lambda y: np.where(y > 0, 7 * y.astype(np.int64) + 2**40, 0),
        lambda y: np.where(np.arange(y.shape[-1]) < 20, -1, y),
    ],
)
def test_numbers_of_labels_do_not_matter(renumber):
    X, y = CellSimulator(**ROUGH).sample(3, 0)
    expected = CellSimulator().calibrate(X, y)
    found = CellSimulator().calibrate(X, renumber(y))
    assert np.allclose(found.texture, expected.texture, atol=0.03)
    assert np.isclose(found.radius, expected.radius, rtol=0.15)


def test_touching_cells_have_outlines():
    """Bright middles of cells that fill the image are no texture."""
    side, n = 20, 16
    at = np.abs((np.arange(side * n) % side) - (side - 1) / 2)
    dome = 1 - 0.05 * np.maximum(at[:, None], at)
    y = np.arange(side * n)[:, None] // side * n + np.arange(side * n) // side + 1
    y[: 2 * side, : 2 * side] = 0
    noise = np.random.default_rng(0).normal(0, 0.01, y.shape)
    X = np.where(y > 0, dome, 0.1) + noise
    found = CellSimulator().calibrate(X[None], y[None])
    assert np.linalg.norm(found.texture) < 0.05


def test_parameters_that_cannot_be_measured_are_medians_or_do_not_change():
    """Small cells, hardly any background, volumes of few planes, nothing but cells labeled."""
    small = CellSimulator(shape=(64, 64), radius=2.0, coverage=0.1, overlap=0.0).sample(2, 0)[0]
    dense = CellSimulator(shape=(64, 64), radius=7.0, coverage=0.8, overlap=0.4)
    crowd, y = dense.sample(2, 0)
    for X, known in ((small, None), (crowd, y), (np.concatenate([small, crowd]), None)):
        found = CellSimulator().calibrate(X, known)
        assert np.isfinite([*np.ravel(found.texture), *found.background_texture]).all()
        assert np.isfinite(found.sample(3, 0)[0]).all()
    volume = CellSimulator(shape=(20, 48, 48), radius=5.0, coverage=0.1)
    X, y = volume.sample(2, 0)
    for planes in (X, X[:, 9:11], X[:, 9:10]):
        found = CellSimulator(shape=(16, 48, 48)).calibrate(planes)
        assert 0 < found.noise < 0.1
        assert len(found.background_texture) == 4
    # Of two labeled images one has no background: it is ignored.
    X, y = CellSimulator(**ROUGH).sample(2, 0)
    only_cells = np.stack([y[0], np.where(y[1] > 0, y[1], -1)])
    assert len(CellSimulator().calibrate(X, only_cells).variants) == 1


def test_a_cell_in_the_dark_does_not_spoil_the_texture_of_others():
    X, y = CellSimulator(**ROUGH).sample(2, 0)
    expected = CellSimulator().calibrate(X, y)
    y[:, 20:50, 20:50][y[:, 20:50, 20:50] == 0] = y.max() + 1  # labeled, and nothing is there
    found = CellSimulator().calibrate(X, y)
    assert np.linalg.norm(found.texture) < np.linalg.norm(expected.texture) + 0.1


def test_textures_are_defined_in_focus():
    plain = {**ROUGH, "noise": 0.0, "background_texture": (), "background_spread": 0.0,
             "texture": (0.3,), "foreground_spread": 0.0}  # fmt: skip
    roughness = []
    for options in ({}, {"psf": 3.0}, {"section_blur": 3.0}):
        X, y = CellSimulator(**{**plain, **options}).sample(4, 3)
        smooth = CellSimulator(**{**plain, **options, "texture": 0.0}).sample(4, 3)[0]
        inner = np.stack([ndi.binary_erosion(label > 0, iterations=4) for label in y])
        roughness.append(((X - smooth) / smooth)[inner].std())
    assert abs(roughness[1] / roughness[0] - 1) < 0.05
    assert roughness[2] < 0.8 * roughness[0]


def test_cells_larger_than_images_warn():
    with pytest.warns(UserWarning, match="No image has a cell: cells with a radius of 300 pixels"):
        _, y = CellSimulator(shape=(32, 32), radius=300.0).sample(4, 0)
    assert y.max() == 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert CellSimulator(shape=(32, 32), coverage=0.0).sample(2, 0)[1].max() == 0


def test_polarity_is_found_and_a_contradiction_warns():
    X, y = CellSimulator(foreground=0.2, background=0.7).sample(4, 0)
    assert find_polarity(X) == {"bright": 0, "dark": 4}
    assert find_polarity(-X) == {"bright": 4, "dark": 0}
    assert find_polarity(np.random.default_rng(0).normal(size=(3, 64, 64))) == {
        "bright": 0, "dark": 0
    }  # fmt: skip
    message = (
        r"polarity='bright' was given, but cells look dark in 4 of 4 images.* Set polarity='dark'"
    )
    for known in (None, y):
        with pytest.warns(UserWarning, match=message):
            CellSimulator().calibrate(X, known, polarity="bright")
        found = CellSimulator().calibrate(X, known, polarity="dark")
        assert found == CellSimulator().calibrate(X, known)
        assert found.foreground < found.background - 0.3
    with pytest.raises(ValueError, match=r"polarity must be one of .*, got 'Nissl'"):
        CellSimulator().calibrate(X, polarity="Nissl")


def test_polarity_is_a_majority_vote_of_the_images():
    sparse = CellSimulator(shape=(96, 96), coverage=0.2).sample(3, 0)[0]
    dense = 0.7 - sparse[:1]  # what is bright is the larger part of it
    assert find_polarity(dense) == {"bright": 0, "dark": 1}
    found = CellSimulator().calibrate(np.concatenate([sparse, dense]))
    assert all(v.foreground > v.background for v in found.variants)
    assert found.variants[3].coverage > 0.55


def test_images_without_cells_have_no_coverage():
    full = CellSimulator(shape=(96, 96), noise=0.05).sample(2, 0)[0]
    empty = CellSimulator(shape=(96, 96), noise=0.05, coverage=0.0).sample(2, 1)[0]
    found = CellSimulator().calibrate(np.concatenate([full, empty]))
    assert [v.coverage > 0.1 for v in found.variants] == [True, True, False, False]
    assert found.variants[2].coverage == 0.0
    assert found.coverage > 0.1
    _, y = found.sample(30, 0)
    assert 0.2 < np.mean(y.max(axis=(1, 2)) == 0) < 0.8
    with pytest.raises(ValueError, match="No cell was found in X; is it empty"):
        CellSimulator().calibrate(empty)


def test_images_of_several_kinds_are_drawn_in_each_of_them():
    small = CellSimulator(shape=(96, 96), radius=4, overlap=0.0).sample(3, 0)
    large = CellSimulator(shape=(96, 96), radius=14, overlap=0.0).sample(3, 0)
    found = CellSimulator().calibrate(np.concatenate([small[0], large[0]]))
    radii = sorted(v.radius for v in found.variants)
    assert radii[2] < 7
    assert radii[3] > 9


def test_real_images_are_imitated(data_dir):
    X, y = load_dsb2018_nuclei(data_dir / "dsb2018_nuclei")
    X = PercentileScaler(scope="image").fit_transform(X[:20])
    simulator = CellSimulator().calibrate(X)
    assert simulator.foreground > simulator.background + 0.2
    true = np.concatenate([np.unique(label[label > 0], return_counts=True)[1] for label in y[:20]])
    assert abs(np.log(simulator.radius / np.median(np.sqrt(true / np.pi)))) < 0.5
    cells, labels = load_nissl_rat_cortex(data_dir / "nissl_rat_cortex")
    gray = [np.mean(image, axis=-1) / 255 for image in cells]
    assert find_polarity(gray) == {"bright": 0, "dark": 3}
    found = CellSimulator().calibrate(gray)
    assert found.foreground < found.background
    assert find_polarity(X) == {"bright": 20, "dark": 0}
    # An uneven stain parts cells, and specks lie between them.
    sizes = [np.unique(label[label > 0], return_counts=True)[1] for label in labels]
    assert abs(np.log(found.radius / np.median(np.sqrt(np.concatenate(sizes) / np.pi)))) < 0.3


def test_invalid_images_are_refused():
    with pytest.raises(ValueError, match="No cell was found in X"):
        CellSimulator().calibrate(np.ones((2, 32, 32)))
    with pytest.raises(ValueError, match="No cell was found in X"):
        CellSimulator().calibrate(
            np.ones((2, 64, 64)), CellSimulator(shape=(64, 64)).sample(2, 0)[1]
        )
    with pytest.raises(ValueError, match="coverage must be between 0 and 0.9, got 2"):
        CellSimulator(coverage=2)
    with pytest.raises(ValueError, match="n must be a positive integer, got 0"):
        CellSimulator().sample(0)
    for name in ("texture", "background_texture"):
        for value in ((0.1, -0.1), (0.1, np.nan)):
            with pytest.raises(ValueError, match=f"{name} must be between 0 and inf"):
                CellSimulator(**{name: value})
        for value in ((0.1,) * 7, np.ones((2, 2))):
            with pytest.raises(ValueError, match=f"{name} must be at most 6 numbers"):
                CellSimulator(**{name: value})
        same = [CellSimulator(**{name: kind((0.1, 0.2))}) for kind in (tuple, list, np.array)]
        assert len(set(same)) == 1
    with pytest.raises(ValueError, match="background_texture must be at most 6 numbers, got 0.1"):
        CellSimulator(background_texture=0.1)
    with pytest.raises(TypeError):
        CellSimulator(radius=(5, 9))
    with pytest.raises(ValueError, match="2 or 3 sides of at least 8"):
        CellSimulator(shape=(4, 4))


# Learning from a simulator

TINY = {"width": 8, "depth": 2, "max_steps": 150, "batch_size": 4, "random_state": 0}


@pytest.fixture(scope="module")
def images():
    simulator = CellSimulator(shape=(64, 64), radius=7, coverage=0.2)
    return simulator, *simulator.sample(4, random_state=5)


def test_no_label_at_all(images):
    simulator, X, y = images
    stack = ImageStack(X * 100, simulator=Scaled(simulator))
    model = make_pipeline(
        PercentileScaler(), SemiSupervisedSegmenter(semi_supervision=None, **TINY),
        InstanceCounter(),
    )  # fmt: skip
    model.fit(stack, np.full(y.shape, -1))
    assert model.score(X * 100, y) > 0.5
    assert model[-1].held_out_counts_ is None  # those of drawings are not those of images
    with pytest.raises(ValueError, match="y labels nothing"):
        model.fit(X, np.full(y.shape, -1))


class Scaled:
    """A simulator in other units."""

    def __init__(self, simulator):
        self.simulator = simulator

    def sample(self, n, random_state=None):
        X, y = self.simulator.sample(n, random_state)
        return 100 * X, y


def test_simulated_images_are_used_for_training_beside_real_ones(images):
    simulator, X, y = images
    known = np.where(np.arange(4)[:, None, None] < 1, y, -1)
    options = {**TINY, "max_steps": 3}
    model = SemiSupervisedSegmenter(**options).fit(ImageStack(X, simulator=simulator), known)
    alone = SemiSupervisedSegmenter(**options).fit(X, known)
    assert model.transduction_.shape == y.shape
    assert not np.array_equal(model.predict_proba(X), alone.predict_proba(X))
    assert np.array_equal(model.channel_mean_, alone.channel_mean_)
    probability = model.transform(ImageStack(X, simulator=simulator))
    drawn, labels = probability.simulator.sample(2, 0)
    raw, same = simulator.sample(2, 0)
    assert np.array_equal(drawn, model.transform(raw))
    assert np.array_equal(labels, same)


def test_simulators_that_do_not_fit_are_refused(images):
    simulator, X, y = images
    both = ImageStack(np.stack([X, X], axis=-1), simulator=simulator)
    with pytest.raises(ValueError, match=r"draws images of 1 channel\(s\), and X has 2"):
        SemiSupervisedSegmenter(**TINY).fit(both, y)
    for options in ({"sections": "consecutive"}, {"target": "classes"}):
        with pytest.raises(ValueError, match="A stack with a simulator needs"):
            SemiSupervisedSegmenter(**options, **TINY).fit(ImageStack(X, simulator=simulator), y)


def test_labels_match_the_drawn_cells():
    X, y = CellSimulator(noise=0, texture=0, background_spread=0, psf=0.5).sample(1, 0)
    centers = ndi.center_of_mass(y[0] > 0, y[0], np.unique(y[0])[1:])
    bright = [X[0][tuple(np.round(c).astype(int))] for c in centers]
    assert np.median(bright) > 0.4
