"""Of all tests: as many threads as there are cores, shared by the processes of pytest-xdist."""

import os

import torch

_PROCESSES = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", 1))
torch.set_num_threads(max(1, min(2, os.cpu_count() or 1) // _PROCESSES))
