"""Scripts that a session writes, run in this process."""

import runpy
from pathlib import Path

import torch


def run_script(folder: Path) -> dict:
    """Run ``script.py``, and return its variables; the number of threads stays as it was."""
    n_threads = torch.get_num_threads()
    try:
        return runpy.run_path(str(folder / "script.py"))
    finally:
        torch.set_num_threads(n_threads)
