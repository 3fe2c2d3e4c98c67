"""Prediction of dask arrays: the same bits as in memory, in few tasks."""

import dask
import dask.array as da
import numpy as np
import pytest
import torch

from sskseg.inference import (
    ChannelNormalization,
    DensePredictor,
    SectionPredictor,
    Sections,
    TileSettings,
)
from sskseg.nn import ContinuityNet, make_network


def predictor(context=0, correction_context=4, tile=48, augmented=False):
    torch.manual_seed(0)
    network = make_network("unet", 2 * context + 1, 1, width=2, depth=1)
    correction = ContinuityNet(2 * correction_context + 1, 1)
    torch.nn.init.normal_(correction.correction.head.weight)
    tiling = TileSettings((tile, tile), (8, 8), (4, 4))
    normalization = ChannelNormalization(np.zeros(1, np.float32), np.ones(1, np.float32))
    first = DensePredictor(network.eval(), torch.sigmoid, normalization, tiling)
    second = DensePredictor(correction.eval(), torch.sigmoid, None, tiling)
    sections = Sections(True, context, correction_context)
    return SectionPredictor(first, 1, sections, second, augmented)


def n_tasks(array):
    """Tasks of the optimized graph."""
    (optimized,) = dask.optimize(array)
    return len(dict(optimized.__dask_graph__()))


def foreground(output):
    return output[0]


@pytest.mark.parametrize("context", [0, 1])
@pytest.mark.parametrize("n_chunk", [1, 7])
def test_continuity_makes_few_tasks_a_section(context, n_chunk):
    n = 28
    X = da.zeros((n, 96, 90, 1), chunks=(n_chunk, 32, 32, 1), dtype=np.float32)
    lazy = predictor(context).predict_lazily(X, None, foreground)
    assert lazy.numblocks[1:] == (3, 3)
    assert n_tasks(lazy) <= 40 * n


def test_a_section_of_one_block_makes_a_few_tasks():
    X = da.zeros((28, 32, 32, 1), chunks=(1, 32, 32, 1), dtype=np.float32)
    assert n_tasks(predictor().predict_lazily(X, None, foreground)) <= 4 * 28


@pytest.mark.parametrize("augmented", [False, True])
@pytest.mark.parametrize("context", [0, 1])
@pytest.mark.parametrize("chunks", [(1, 64, 64, 1), (3, 17, 90, 1)])
def test_dask_gives_the_bits_of_memory(context, chunks, augmented):
    X = np.random.default_rng(0).normal(size=(6, 75, 90, 1)).astype(np.float32)
    positions = np.array([3, 4, 5, 9, 2, 10])
    model = predictor(context, 1, augmented=augmented)
    found = dict(model.predict(list(X), positions))
    lazy = model.predict_lazily(da.from_array(X, chunks=chunks), positions, foreground)
    assert lazy.shape == (6, 75, 90)
    computed = lazy.compute(scheduler="threads", num_workers=2)
    assert np.array_equal(computed, np.stack([found[i][0] for i in range(6)]))
    part = lazy[1, 10:40, 60:].compute(scheduler="synchronous")
    assert np.array_equal(part, computed[1, 10:40, 60:])
