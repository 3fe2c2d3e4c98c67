"""Estimators on dask arrays, one sample at a time."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..images import check_lazy_images


def map_samples(
    estimator: Any,
    X: Any,
    method: str,
    *,
    n_channels: int | None,
    positions: np.ndarray | None = None,
) -> Any:
    """Call a method for each sample of a dask array, when the result is computed.

    Parameters
    ----------
    estimator : object
        Fitted; has `spatial_ndim`, or `spatial_ndim_` if `fit` infers it.
    X : dask array or ImageStack of one
    method : {"label", "predict", "transform"}
        Its results are integers of the spatial shape of X, or one a sample where that is
        "predict" of a counter.
    n_channels : int or None
        Expected number of channels; None accepts any.
    positions : ndarray of int, default=None
        Of samples that depend on each other, passed to the method; None: independent samples.

    Returns
    -------
    dask array of int64
    """
    import dask
    import dask.array as da

    ndim = getattr(estimator, "spatial_ndim_", estimator.spatial_ndim)
    X = check_lazy_images(X, ndim, n_channels=n_channels)
    blocks = {0: 1 if positions is None else len(X), **dict.fromkeys(range(1, X.ndim), -1)}
    counts = method == "predict" and hasattr(estimator, "label")
    axes = list(range(1, X.ndim)) if counts else [X.ndim - 1]
    return da.map_blocks(
        _call_block, X.rechunk(blocks), estimator=dask.delayed(estimator, pure=True),
        method=method, options={} if positions is None else {"positions": positions},
        dtype=np.int64, drop_axis=axes, meta=np.empty((0,) * (X.ndim - len(axes)), np.int64),
    )  # fmt: skip


def _call_block(block, *, estimator, method, options):
    return getattr(estimator, method)(block, **options)
