import dask.array as da
import numpy as np
import pytest

from sskseg import ImageStack, PercentileScaler


@pytest.fixture
def X():
    rng = np.random.default_rng(0)
    return (rng.gamma(2, 100, (3, 40, 50, 2)) * [1, 5] + [10, 700]).astype(np.uint16)


def test_two_percentiles_become_zero_and_one(X):
    scaled = PercentileScaler((5, 95)).fit_transform(X)
    assert scaled.dtype == np.float32
    assert np.allclose(np.percentile(scaled.reshape(-1, 2), (5, 95), axis=0).T, [0, 1], atol=1e-4)


def test_each_image_by_itself(X):
    scaled = PercentileScaler((5, 95), scope="image").fit_transform(
        X * np.arange(1, 4)[:, None, None, None]
    )
    for image in scaled:
        values = np.percentile(image.reshape(-1, 2), (5, 95), axis=0)
        assert np.allclose(values.T, [0, 1], atol=1e-4)


def test_statistics_are_those_of_fit(X):
    scaler = PercentileScaler().fit(X)
    assert np.array_equal(scaler.transform(X)[1, 3:7, 4:9], scaler.transform(X[1:2, 3:7, 4:9])[0])


def test_clipping_and_back(X):
    scaler = PercentileScaler((0, 100)).fit(X)
    assert np.allclose(scaler.inverse_transform(scaler.transform(X)), X, rtol=1e-4)
    clipped = PercentileScaler((10, 90), clip=True).fit_transform(X)
    assert (clipped.min(), clipped.max()) == (0, 1)
    with pytest.raises(ValueError, match="cannot be scaled back"):
        PercentileScaler(scope="image").fit(X).inverse_transform(X)


@pytest.mark.parametrize("scope", ["dataset", "image"])
def test_constant_channels_become_zero(scope):
    X = np.full((2, 5, 5, 2), 7.0)
    X[..., 1] = np.arange(50).reshape(2, 5, 5)
    scaled = PercentileScaler(scope=scope).fit_transform(X)
    assert (scaled[..., 0] == 0).all()
    assert np.isfinite(scaled).all()


@pytest.mark.parametrize("scope", ["dataset", "image"])
def test_layouts(X, scope):
    scaler = PercentileScaler(scope=scope).fit(X)
    stack = scaler.transform(ImageStack(X, backbone="net"))
    assert stack.backbone == "net"
    assert np.array_equal(stack, scaler.transform(X))
    ragged = scaler.transform([X[0], X[1][:7]])
    assert [image.shape for image in ragged] == [(40, 50, 2), (7, 50, 2)]
    gray = PercentileScaler(scope=scope).fit(X[..., 0])
    assert gray.transform(X[..., 0]).shape == (3, 40, 50)


@pytest.mark.parametrize("scope", ["dataset", "image"])
@pytest.mark.parametrize("limit", [2**22, 500])
def test_dask_equals_memory(X, scope, limit, monkeypatch):
    da = pytest.importorskip("dask.array")
    monkeypatch.setattr("sskseg.images.normalization._MAX_PIXELS", limit)
    lazy = da.from_array(X, chunks=(2, 17, 50, 1))
    expected = PercentileScaler(scope=scope).fit(X)
    scaler = PercentileScaler(scope=scope).fit(lazy)
    assert np.array_equal(scaler.low_, expected.low_)
    result = scaler.transform(lazy)
    assert isinstance(result, da.Array)
    assert np.array_equal(result.compute(), expected.transform(X))
    gray = PercentileScaler(scope=scope).fit(X[..., 0])
    assert np.array_equal(gray.transform(lazy[..., 0]).compute(), gray.transform(X[..., 0]))


@pytest.mark.parametrize("percentiles", [(1,), (99, 1), (5, 5), (-1, 50), (0, 101)])
def test_bad_percentiles_are_refused(X, percentiles):
    with pytest.raises(ValueError, match="two rising numbers between 0 and 100"):
        PercentileScaler(percentiles).fit(X)


def test_other_channels_are_refused(X):
    with pytest.raises(ValueError, match=r"must have 2 channel\(s\), got 1"):
        PercentileScaler().fit(X).transform(X[..., 0])


@pytest.mark.parametrize("scope", ["dataset", "image"])
def test_sparse_spots_keep_their_range(scope):
    X = np.zeros((2, 64, 64), np.uint16)
    X[0, 10, 20], X[1, 5, 5] = 4000, 2000  # 0.02 % of the pixels: both percentiles are background
    scaled = PercentileScaler(scope=scope).fit_transform(X)
    assert scaled[0, 10, 20] == 1
    assert scaled[1, 5, 5] == (0.5 if scope == "dataset" else 1)
    assert np.count_nonzero(scaled) == 2
    lazy = PercentileScaler(scope=scope).fit(X).transform(da.from_array(X, chunks=(1, 32, 32)))
    assert np.array_equal(lazy.compute(), scaled)


@pytest.mark.parametrize("dtype", [np.float64, np.int64, np.uint32])
def test_a_large_offset_costs_no_contrast(X, dtype):
    levels = np.rint(1000 * X)
    plain = PercentileScaler().fit_transform(levels.astype(np.float32))
    shifted = PercentileScaler().fit_transform((levels + 1e8).astype(dtype))
    np.testing.assert_allclose(shifted, plain, atol=1e-6)


def test_another_bit_depth_is_noticed(tmp_path):
    bytes_ = np.random.default_rng(0).integers(5, 220, (2, 32, 32)).astype(np.uint8)
    scaler = PercentileScaler().fit(bytes_)
    for same in (bytes_.astype(np.uint16), bytes_ / 2.0, bytes_ // 20):  # another exposure
        scaler.transform(same)
    deep = bytes_.astype(np.uint16) * 257
    with pytest.warns(UserWarning, match=r"X\[1\] is uint16, and the images of fit were uint8"):
        scaler.transform([bytes_[0], deep[1]])
    PercentileScaler(scope="image").fit(bytes_).transform(deep)
    scaler = PercentileScaler().fit(deep)
    scaler.transform(deep // 20)
    scaler.save(tmp_path / "scaler")
    with pytest.warns(UserWarning, match=r"X\[0\] is uint8, and the images of fit were uint16"):
        PercentileScaler.load(tmp_path / "scaler").transform(bytes_)
    del scaler.dtype_  # as in files of earlier versions
    scaler.transform(bytes_)


@pytest.mark.parametrize(("known", "other"), [("uint8", "uint16"), ("uint16", "uint8")])
def test_another_bit_depth_of_a_dask_array_is_noticed(known, other):
    levels = np.random.default_rng(0).integers(5, 220, (2, 32, 32)).astype(np.uint8)
    images = {"uint8": levels, "uint16": levels.astype(np.uint16) * 257}
    lazy = {name: da.from_array(X, chunks=(1, 16, 32)) for name, X in images.items()}
    scaler = PercentileScaler().fit(images[known])
    scaled = scaler.transform(lazy[other])  # no block has been read
    with pytest.warns(UserWarning, match=f"X is {other}, and the images of fit were {known}"):
        found = scaled.compute()
    with pytest.warns(UserWarning, match=rf"X\[0\] is {other}"):
        np.testing.assert_array_equal(found, scaler.transform(images[other]))
    scaler.transform(lazy[known]).compute()
    PercentileScaler(scope="image").fit(images[known]).transform(lazy[other]).compute()
