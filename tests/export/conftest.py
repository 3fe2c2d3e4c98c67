"""What the tests of exports share."""

from functools import cache

import pytest


@pytest.fixture(scope="module", autouse=True)
def _operators_are_listed_once():
    """torch lists the operators of ONNX for each export, which takes a sixth of its time."""
    from torch.onnx._internal.exporter._registration import ONNXRegistry

    with pytest.MonkeyPatch.context() as patch:
        listed = staticmethod(cache(ONNXRegistry.from_torchlib))
        patch.setattr(ONNXRegistry, "from_torchlib", listed)
        yield
