"""Inputs of public bug reports: each program prints what was expected, and PASS or FAIL."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import sskseg

CASES = Path(__file__).parents[2] / "shared" / "cases"
PROGRAMS = sorted(CASES.glob("case_*.py"))


@pytest.mark.skipif(not PROGRAMS, reason="the cases are not there")
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_it_passes(program, tmp_path):
    source = str(Path(sskseg.__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": source, "TMPDIR": str(tmp_path)}
    run = subprocess.run(
        [sys.executable, "-B", program.name], cwd=CASES, env=environment, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert "PASS" in run.stdout
    assert "FAIL" not in run.stdout, run.stdout
