"""Images that a model does not know: warnings, scores, files, scans."""

import re
import warnings

import numpy as np
import pytest
from scipy.ndimage import uniform_filter
from sklearn.pipeline import make_pipeline

from sskseg import DomainCheck, ImageStack, OtsuWatershed, PercentileScaler
from sskseg.datasets import make_cells
from sskseg.images import invert_images
from sskseg.images.appearance import APPEARANCE, measure_appearance
from sskseg.models import load_model, save_model
from sskseg.preprocessing._differences import describe_difference


@pytest.fixture(scope="module")
def cells():
    return make_cells(n_samples=56, shape=(96, 96), radius=7, random_state=0)[0]


def test_appearance_does_not_depend_on_the_range_of_intensities(cells):
    image = cells[0][..., None]
    assert len(measure_appearance(image)) == len(APPEARANCE)
    assert np.allclose(measure_appearance(image), measure_appearance(500 + 40 * image), atol=1e-3)


def test_appearance_of_volumes_strips_and_constant_images():
    rng = np.random.default_rng(0)
    for shape in ((20, 24, 28, 1), (1, 40, 2), (3, 3, 1)):
        assert np.isfinite(measure_appearance(rng.random(shape))).all()
    assert np.isfinite(measure_appearance(np.full((16, 16, 1), 7))).all()


def test_object_size_is_that_of_disks():
    y, x = np.mgrid[:200, :200]
    image = ((y % 50 - 25) ** 2 + (x % 50 - 25) ** 2 < 12**2).astype(float)
    size = measure_appearance(image[..., None])[APPEARANCE.index("object size")]
    assert np.exp(size) == pytest.approx(24, rel=0.1)


def test_like_images_pass_and_unlike_ones_warn(cells):
    check = DomainCheck().fit(cells[:48])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert check.transform(cells[48:]) is not None
    assert (check.predict(cells[48:]) == 1).all()
    big = make_cells(n_samples=3, shape=(96, 96), radius=25, random_state=1)[0]
    mixed = [*cells[48:50], *(1 - cells[50:52]), *big]
    assert check.predict(mixed).tolist() == [1, 1, -1, -1, -1, -1, -1]
    with pytest.warns(UserWarning, match=r"5 of 7 images .* on: X\[2\], .*, X\[6\]\. Their "):
        assert check.transform(mixed) is mixed
    scores = check.score_samples(mixed)
    assert scores[:2].min() > -1.25 > scores[2:].max()


def test_warning_names_what_differs(cells):
    check = DomainCheck().fit(cells[:48])
    big = make_cells(n_samples=8, shape=(96, 96), radius=25, random_state=1)[0]
    with pytest.warns(UserWarning, match=r"on: X\[0\], .* and 3 more\. Their") as caught:
        check.transform(big)
    text = str(caught[0].message)
    found = re.search(
        r"Their objects look larger: about (\d+) pixels across, (\d+) in the most similar training "
        r"images\.",
        text,
    )
    assert int(found[1]) > 35
    assert 10 < int(found[2]) < 25
    assert "train on them, too." in text
    blurred = np.stack([uniform_filter(image, 5) for image in cells[48:]])
    text = check.compare(blurred)[1]
    assert "They show less fine structure, as blurred images do." in text


def test_every_measurement_has_a_sentence():
    for name in APPEARANCE:
        more, less = describe_difference(name, 1.0, 0.5), describe_difference(name, 0.5, 1.0)
        assert more != less
        assert more.endswith(".")


def test_inverted_images_are_recognized(cells):
    """Either of them may be those of fit; images that are unlike either way are not inverted."""
    for images, words in ((cells, "dark, and .* bright"), (1 - cells, "bright, and .* dark")):
        check = DomainCheck().fit(images[:48])
        expected = f"objects seem to be {words}: use invert_images"
        with pytest.warns(UserWarning, match=expected):
            check.transform(invert_images(images[48:]))
        unlike, about = check.compare(np.random.default_rng(0).random((3, 96, 96)))
        assert unlike.tolist() == [0, 1, 2]
        assert "invert_images" not in about
        assert check.compare(images[:2])[1] == ""


def test_invert_images():
    rng = np.random.default_rng(0)
    for dtype in (np.uint8, np.uint16, np.int16, np.float32, bool):
        X = (rng.random((2, 5, 6)) * 200).astype(dtype)
        inverted = invert_images(X)
        assert inverted.dtype == X.dtype
        assert np.array_equal(invert_images(inverted), X)
        order = np.argsort(X.ravel(), kind="stable")
        assert (np.diff(inverted.ravel()[order].astype(float)) <= 0).all()
    stack = invert_images(ImageStack([X, X[:, :3]], spacing=(0.5, 0.5), unit="µm"))
    assert stack.spacing == (0.5, 0.5)
    assert [image.shape for image in stack] == [(2, 5, 6), (2, 3, 6)]
    ragged = np.empty(2, object)
    ragged[:] = [np.zeros((2, 2), np.uint8), np.full((3, 3), 7, np.uint8)]
    assert [np.unique(image).tolist() for image in invert_images(ragged)] == [[255], [248]]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint32, np.uint64, np.int32])
def test_inverted_integers_keep_their_contrast(cells, dtype):
    bright = np.rint(cells.clip(0, 1) * 200).astype(dtype)
    check = DomainCheck().fit(bright[:48])
    inverted = invert_images(200 - bright[48:])
    assert np.array_equal(invert_images(inverted), 200 - bright[48:])
    assert (check.predict(inverted) == check.predict(bright[48:])).all()


def test_size_of_pixels(cells):
    check = DomainCheck().fit(ImageStack(cells[:48], spacing=(0.5, 0.5), unit="µm"))
    for spacing, unit in (((500, 500), "nm"), ((0.6, 0.6), "µm"), (None, None)):
        check.transform(ImageStack(cells[48:], spacing=spacing, unit=unit))
    with pytest.warns(UserWarning, match=r"A pixel of X is 1e\+03 nm, and .* 0.5 µm"):
        check.transform(ImageStack(cells[48:], spacing=(1000, 1000), unit="nm"))


def test_bad_input(cells):
    with pytest.raises(ValueError, match="at least 5 images, got 3"):
        DomainCheck().fit(cells[:3])
    check = DomainCheck().fit(cells[:48])
    with pytest.raises(ValueError, match=r"channel"):
        check.transform(np.stack([cells, cells], -1))
    with pytest.raises(ValueError, match="quantile"):
        DomainCheck(quantile=0).fit(cells)


def test_images_without_variation_are_no_division_by_zero():
    check = DomainCheck().fit(np.zeros((6, 20, 20)))
    assert (check.predict(np.zeros((2, 20, 20))) == 1).all()
    noise = np.random.default_rng(0).random((2, 20, 20))
    assert (check.predict(noise) == -1).all()


def test_in_a_saved_pipeline(cells, tmp_path):
    model = make_pipeline(DomainCheck(), PercentileScaler(), OtsuWatershed()).fit(cells)
    save_model(model, tmp_path / "m.sskseg")
    loaded = load_model(tmp_path / "m.sskseg")
    assert np.array_equal(loaded.predict(cells), model.predict(cells))
    with pytest.warns(UserWarning, match="unlike"):
        loaded.predict(1 - cells[:2])


def test_dask_arrays_stay_lazy(cells):
    da = pytest.importorskip("dask.array")
    check = DomainCheck().fit(cells)
    lazy = da.from_array(1 - cells[:2], chunks=(1, 96, 96))
    assert check.transform(lazy) is lazy


@pytest.mark.filterwarnings("ignore:.*larger than the halo")
def test_scans_warn_once_and_count_the_same(tmp_path):
    da = pytest.importorskip("dask.array")
    pytest.importorskip("zarr")
    from sskseg import InstanceCounter, SemiSupervisedSegmenter
    from sskseg.scans import count_scan

    X, y = make_cells(n_samples=40, shape=(64, 64), random_state=0)
    segmenter = SemiSupervisedSegmenter(
        semi_supervision=None, width=4, depth=1, max_steps=20, batch_size=2, random_state=0
    )
    steps = PercentileScaler(), segmenter, InstanceCounter("components")
    model = make_pipeline(DomainCheck(), *steps).fit(X, y)
    plain = make_pipeline(*(step for _, step in model.steps[1:]))
    large = make_cells(n_samples=1, shape=(200, 200), random_state=1)[0][0]
    like, unlike = (da.from_array(a, chunks=(64, 64)) for a in (large, 1 - large))
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*unlike")
        counted = count_scan(model, like, tmp_path / "a", block_shape=(64, 64))
    same = count_scan(plain, like, tmp_path / "b", block_shape=(64, 64))
    assert counted.n_objects == same.n_objects
    with pytest.warns(UserWarning, match="of 5 crops are unlike") as caught:
        count_scan(model, unlike, tmp_path / "c", block_shape=(64, 64))
    assert sum("unlike" in str(w.message) for w in caught) == 1


def tiny_segmenter():
    from sskseg import SemiSupervisedSegmenter

    return SemiSupervisedSegmenter(
        semi_supervision=None, width=4, depth=1, max_steps=2, batch_size=2, random_state=0
    )


def warnings_of_scan(model, scan, folder):
    da = pytest.importorskip("dask.array")
    pytest.importorskip("zarr")
    from sskseg.scans import count_scan

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        count_scan(model, da.from_array(scan, chunks=64), folder, block_shape=(128, 128))
    return [str(each.message) for each in caught if "halo" not in str(each.message)]


@pytest.mark.parametrize("scope", ["dataset", "image"])
def test_scans_of_other_intensities_warn_where_the_scaler_keeps_those_of_fit(tmp_path, scope):
    """The appearance of a scan does not depend on them, but the outputs of the network do."""
    from sskseg import InstanceCounter

    X, y = make_cells(n_samples=40, shape=(64, 64), random_state=0)
    scan = make_cells(n_samples=1, shape=(200, 200), random_state=1)[0][0]
    steps = PercentileScaler(scope=scope), tiny_segmenter(), InstanceCounter("components")
    model = make_pipeline(DomainCheck(), *steps).fit(X, y)
    assert warnings_of_scan(model, scan, tmp_path / "a") == []
    found = warnings_of_scan(model, (100 * scan).astype(np.uint16), tmp_path / "b")
    assert len(found) == (scope == "dataset")
    assert all("has intensities from " in text and "(channel 0)" in text for text in found)


@pytest.mark.parametrize("scope", ["dataset", "image"])
def test_channels_of_scans_are_checked_as_the_steps_before_return_them(tmp_path, scope):
    """A bright channel of noise hides the cells of the others, unless they are scaled before."""
    from sskseg import InstanceCounter

    X, y = make_cells(n_samples=40, shape=(64, 64), random_state=0)
    scan = make_cells(n_samples=1, shape=(200, 200), random_state=1)[0]
    rng = np.random.default_rng(0)
    X, scan = (np.stack([x, x, 500 * rng.random(x.shape)], -1) for x in (X, scan))
    unlike = np.stack([1 - scan[..., 0], 1 - scan[..., 0], scan[..., 2]], -1)
    scaler = PercentileScaler(scope=scope)
    model = make_pipeline(scaler, DomainCheck(), tiny_segmenter(), InstanceCounter("components"))
    model.fit(X, y)
    assert warnings_of_scan(model, scan[0], tmp_path / "a") == []
    (found,) = warnings_of_scan(model, unlike[0], tmp_path / "b")
    assert "5 of 5 crops are unlike" in found
