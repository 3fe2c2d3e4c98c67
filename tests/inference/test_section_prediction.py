"""Prediction of sections, and their correction by neighbors."""

import dask.array as da
import numpy as np
import pytest
import torch

from sskseg.inference import (
    ChannelNormalization,
    Compute,
    DensePredictor,
    SectionPredictor,
    Sections,
    TileSettings,
)
from sskseg.nn import ContinuityNet

TILING = TileSettings((32, 32), (8, 8), (8, 8))


class Pixel(torch.nn.Module):
    """The logit is the pixel."""

    def forward(self, x):
        return x


def corrected(precision):
    """A predictor whose untrained correction is the mean of three sections."""
    torch.manual_seed(0)
    normalization = ChannelNormalization(np.zeros(1, np.float32), np.ones(1, np.float32))
    compute = Compute("cpu", precision)
    first = DensePredictor(Pixel(), _probability, normalization, TILING, compute)
    correction = DensePredictor(
        ContinuityNet(3, 1).eval(), _probability, None, TILING, compute, torch.float32
    )
    return SectionPredictor(first, 1, Sections(True, 0, 1), correction, dihedral=False)


def _probability(logits):
    return logits.float().sigmoid()


def finish(output):
    return output[0]


@pytest.mark.parametrize("value", [0.9985, 0.0004, 0.7])
def test_probabilities_near_one_pass_the_correction(value):
    """In bfloat16 0.9985 is 1, which the correction cuts to 0.9999."""
    logit = torch.tensor(np.log(value / (1 - value)), dtype=torch.bfloat16).item()
    expected = 1 / (1 + np.exp(-logit))
    X = np.full((5, 24, 24, 1), logit, np.float32)
    predictor = corrected("bfloat16")
    outputs = dict(predictor.predict(list(X)))
    lazily = np.asarray(predictor.predict_lazily(da.from_array(X), None, finish))
    for i in range(5):
        assert np.allclose(outputs[i], expected, atol=2e-6)
        assert np.allclose(lazily[i], expected, atol=2e-6)
