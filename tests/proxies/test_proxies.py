"""Each proxy makes tasks whose answer is true, and refuses images that do not serve."""

import numpy as np
import pytest
from scipy import ndimage as ndi

from sskseg.proxies import (
    PROXIES,
    Channel,
    Crop,
    Magnification,
    Masked,
    Proxy,
    Restoration,
    Rotation,
    Simulation,
    disturb,
    guard,
    make_proxy,
    probe_features,
)
from sskseg.proxies._guards import restore_noise
from sskseg.simulation import CellSimulator


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def crop(rng, channels=2, side=32, shape=(8, 8), **options):
    image = rng.random((channels, *(side,) * len(shape)), dtype=np.float32)
    return Crop(image, shape, **options)


def test_magnification_shows_a_wider_field(rng):
    proxy = Magnification(factors=(1, 4)).prepare(2, None)
    assert (proxy.classes, proxy.field) == ([1.0, 4.0], 4.0)
    whole = crop(rng, guards=False)
    seen = {}
    for _ in range(20):
        made, target = proxy.make(whole, rng)
        seen[target] = made.image
    assert np.array_equal(seen[0], whole.image[:, 12:20, 12:20])
    means = whole.image.reshape(2, 8, 4, 8, 4).mean(axis=(2, 4))
    np.testing.assert_allclose(seen[1], means, atol=1e-6)


@pytest.mark.parametrize("shape", [(8, 8), (4, 8, 8)])
def test_magnification_that_is_known_is_the_class(rng, shape):
    proxy = Magnification().prepare(1, np.array([4.0, 1.0, 1.0]))
    assert (proxy.classes, proxy.field) == ([1.0, 4.0], 1.0)
    side = 12
    made, target = proxy.make(crop(rng, 1, side, shape, magnification=4.0), rng)
    assert target == 1
    assert made.image.shape == (1, *shape)


def test_channel_shows_the_channel_that_it_names(rng):
    proxy = Channel().prepare(3, None)
    whole = crop(rng, 3)
    for _ in range(10):
        made, target = proxy.make(whole, rng)
        assert np.array_equal(made.image, whole.image[target : target + 1])


def test_rotation_turns_as_often_as_it_says(rng):
    proxy = Rotation().prepare(1, None)
    whole = crop(rng, 1, 8)
    for _ in range(10):
        made, target = proxy.make(whole, rng)
        assert np.array_equal(np.rot90(made.image[0], -target), whole.image[0])
    with pytest.raises(ValueError, match=r"equal last two sides, got \(8, 16\)"):
        proxy.make(Crop(np.zeros((1, 8, 16), np.float32), (8, 16)), rng)


@pytest.mark.parametrize("shape", [(16, 16), (8, 16, 16)])
@pytest.mark.parametrize("proxy", [Restoration(), Masked(block=4)], ids=repr)
def test_what_restores_damages_and_leaves_the_original(proxy, shape, rng):
    whole = Crop(rng.random((1, *shape), dtype=np.float32), shape)
    before = whole.image.copy()
    made, weights = proxy.make(whole, rng)
    assert np.array_equal(whole.image, before)
    assert made.image.shape == (1, *shape)
    assert weights.shape == shape
    assert (made.image != before).any()


def test_masked_counts_what_it_hides(rng):
    whole = Crop(rng.random((1, 16, 16), dtype=np.float32), (16, 16))
    made, weights = Masked(share=0.5, block=4).make(whole, rng)
    assert weights.mean() == 0.5
    hidden = weights > 0
    assert np.array_equal(made.image[0][~hidden], whole.image[0][~hidden])
    assert np.ptp(made.image[0][hidden]) == 0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: make_proxy("jigsaw"), "A proxy is one of"),
        (lambda: make_proxy(3), "A proxy is one of"),
        (lambda: Magnification(factors=(2, 2)), "two or more different numbers"),
        (lambda: Magnification(factors=(0.5, 2)), "two or more different numbers"),
        (lambda: Masked(share=1.0), "share must be between 0 and 1"),
        (lambda: Restoration(shuffling=2), "shuffling must be between 0 and 1"),
        (lambda: Channel().prepare(1, None), "two channels or more, got 1"),
        (lambda: Magnification().prepare(1, np.ones(3)), r"two magnifications or more, got \[1.0"),
    ],
)
def test_what_does_not_serve_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_proxy_of_ones_own_is_found_by_its_name(rng):
    class Brighter(Proxy):
        name = "brighter"

    try:
        assert isinstance(make_proxy("brighter"), Brighter)
        with pytest.raises(ValueError, match="at least two classes"):
            Brighter().prepare(1, None)
        with pytest.raises(NotImplementedError):
            Brighter().make(None, rng)
    finally:
        del PROXIES["brighter"]


def test_a_variant_does_not_take_the_place_of_what_it_is_made_of():
    class Variant(Channel):
        pass

    assert PROXIES["channel"] is Channel
    assert make_proxy(Variant()).name == "channel"


@pytest.mark.parametrize("matches_scans", [False, True])
def test_a_few_bright_pixels_are_seen(matches_scans):
    patch = np.zeros((64, 64), np.float32)
    patch[30:33, 20:23] = 1
    seen = guard(patch, None, matches_scans=matches_scans)
    assert seen.std() == pytest.approx(1, abs=1e-3)
    assert seen[31, 21] == seen.max() > 5


def test_guards_take_brightness_contrast_and_gamma(rng):
    patch = rng.random((32, 32)).astype(np.float32)
    plain = guard(patch, None)
    np.testing.assert_allclose(guard(100 + 7 * patch, None), plain, atol=1e-4)
    for _ in range(5):
        guarded = guard(patch, rng, matches_scans=True)
        assert abs(guarded.mean()) < 1e-4
        assert abs(disturb(guarded, rng).std() - 1) < 1e-4
    assert not guard(np.ones((8, 8)), rng).any()


def test_what_is_shrunk_gets_its_noise_back(rng):
    flat, edges = np.zeros((128, 128)), np.zeros((128, 128))
    edges[:, 64:] = 50
    image = np.stack([flat, edges]) + np.array([0.5, 2.0])[:, None, None] * rng.normal(
        size=(2, 128, 128)
    )
    shrunk = image.reshape(2, 32, 4, 32, 4).mean(axis=(2, 4)).astype(np.float32)
    noisy = restore_noise(shrunk, image.astype(np.float32), rng)
    assert noisy.dtype == np.float32
    np.testing.assert_allclose(noisy[:, :, :15].std(axis=(1, 2)), [0.5, 2.0], rtol=0.1)
    assert noisy[1, :, 17:].mean() == pytest.approx(50, abs=1)
    smooth = ndi.gaussian_filter(image, (0, 3, 3)).astype(np.float32)
    assert np.array_equal(restore_noise(image.astype(np.float32), smooth, rng), image.astype("f4"))
    volume = rng.normal(size=(1, 24, 32, 32)).astype(np.float32)
    halved = volume.reshape(1, 12, 2, 16, 2, 16, 2).mean(axis=(2, 4, 6))
    assert restore_noise(halved, volume, rng).std() == pytest.approx(1, rel=0.1)


def test_without_guards_noise_stays_averaged_away(rng):
    image = rng.normal(size=(1, 64, 64)).astype(np.float32)
    proxy = Magnification(factors=(2, 4)).prepare(1, None)
    guarded, open_ = (Crop(image, (16, 16), guards=guards) for guards in (True, False))
    for _ in range(4):
        assert proxy.make(guarded, rng)[0].image.std() == pytest.approx(1, rel=0.25)
        assert proxy.make(open_, rng)[0].image.std() < 0.6


@pytest.mark.parametrize("shape", [(32, 48), (16, 32, 32)])
def test_sharpness_of_guarded_patches_overlaps(shape, rng):
    """Checkerboards are lost on a coarser grid, slow waves are not."""
    at = np.indices(shape)
    fine, slow = 2.0 * (at.sum(axis=0) % 2), np.sin(at[-1] * np.pi / 16)
    kept = np.array([
        [np.corrcoef(guard(patch, rng, matches_scans=True).ravel(), patch.ravel())[0, 1]
         for patch in (fine, slow)] for _ in range(10)
    ])  # fmt: skip
    assert kept[:, 1].min() > 0.9
    assert kept[:, 0].min() < 0.3


def test_the_probe_sees_histograms_and_spectra_only(rng):
    patches = rng.standard_normal((5, 16, 16))
    found = probe_features(patches)
    assert found.shape == (5, 48)
    np.testing.assert_allclose(found[:, :32].sum(axis=1), 1)
    np.testing.assert_allclose(probe_features(patches[:, ::-1, ::-1]), found, atol=1e-6)
    rolled = probe_features(np.roll(patches, 3, axis=1))
    np.testing.assert_allclose(rolled, found, atol=1e-6)
    assert probe_features(rng.standard_normal((2, 8, 8, 8))).shape == (2, 48)


@pytest.mark.parametrize("shape", [(32, 24), (16, 24, 24)])
def test_simulation_shows_objects_and_where_their_middle_is(rng, shape):
    simulator = CellSimulator(shape=shape, coverage=0.4, noise=0.0, background_spread=0.0)
    proxy = Simulation(simulator)
    crops = [proxy.make(Crop(np.empty((1, 0)), shape), rng) for _ in range(4)]
    images, targets = (np.stack(each) for each in zip(*((c.image[0], t) for c, t in crops)))
    assert images.shape == targets.shape == (4, *shape)
    assert set(np.unique(targets[targets <= 0])) == {-1}
    assert targets.max() == 1
    assert images[targets > 0].mean() > images[targets < 0].mean() + 0.2
    assert np.corrcoef(images.ravel(), targets.ravel())[0, 1] > 0.7


def test_simulation_is_calibrated_to_images_but_not_a_second_time(rng):
    dark = [1 - image[..., None] for image in CellSimulator(shape=(64, 64)).sample(3, rng)[0]]
    adapted = Simulation().adapt(dark, None)
    assert adapted.simulator.foreground < adapted.simulator.background
    assert adapted.adapt([1 - x for x in dark], None).simulator is adapted.simulator
    assert Simulation().adapt(dark, adapted.simulator).simulator is adapted.simulator


def test_simulators_of_ones_own_draw_larger_images_and_not_smaller_ones(rng):
    class Stripes:
        def __init__(self, side):
            self.side = side

        def sample(self, n, random_state):
            y = np.broadcast_to(np.arange(self.side) // 8 % 2, (n, self.side, self.side))
            return np.float32(y)[..., None], y

    made, target = Simulation(Stripes(64)).make(Crop(np.empty((1, 0)), (32, 32)), rng)
    assert np.array_equal(made.image[0] > 0, target > -1)
    with pytest.raises(ValueError, match="at least the shape of patches, \\(32, 32\\)"):
        Simulation(Stripes(16)).make(Crop(np.empty((1, 0)), (32, 32)), rng)
    with pytest.raises(ValueError, match="must have sample"):
        Simulation(object()).adapt([made.image[0][..., None]], None)
