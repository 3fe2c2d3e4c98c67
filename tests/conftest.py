import os
import random
from pathlib import Path

import numpy as np
import pytest
import torch

torch.set_num_threads(min(2, os.cpu_count() or 1))


@pytest.fixture(scope="session")
def data_dir():
    """The folder of real images: SSKSEG_DATA, or shared/data beside the checkout."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("SSKSEG_DATA", default))
    if not folder.is_dir():
        pytest.skip(f"real images are not at {folder}; set SSKSEG_DATA")
    return folder


@pytest.fixture(autouse=True)
def _global_random_state_is_left_alone(request):
    """No test changes numpy's or Python's; torch's is looked at in test_common_images."""
    before = np.random.get_state()[1].copy(), random.getstate()
    yield
    if request.module.__name__ != "test_common":  # scikit-learn's checks draw from it themselves
        assert (np.random.get_state()[1] == before[0]).all()
        assert random.getstate() == before[1]
