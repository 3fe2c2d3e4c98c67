"""Style, types and layers: one command runs all."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    "command",
    [
        ["ruff", "check", "."],
        ["ruff", "format", "--check", "."],
        ["mypy"],
        ["importlinter.cli"],
    ],
    ids=["lint", "format", "types", "layers"],
)
def test_tools_are_content(command):
    if command == ["importlinter.cli"]:
        code = "from importlinter.cli import lint_imports_command; lint_imports_command()"
        command = [sys.executable, "-c", code]
    else:
        command = [sys.executable, "-m", *command]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_importing_it_is_light():
    heavy = ["torch", "sklearn", "pandas", "skimage", "pyarrow"]
    optional = ["matplotlib", "dask", "distributed", "zarr", "h5py", "tifffile"]
    code = (
        "import sys, sskseg\n"
        f"print([m for m in {heavy + optional} if m in sys.modules])\n"
        "from sskseg import *\n"
        f"print([m for m in {[*optional, 'sklearn.ensemble']} if m in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.split() == ["[]", "[]"]


def test_metrics_and_morphology_need_no_torch():
    code = (
        "import sys, sskseg.metrics, sskseg.morphology, sskseg.simulation, sskseg.datasets; "
        "print('torch' in sys.modules)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "False"
