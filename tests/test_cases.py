"""Inputs of public bug reports: each program prints what was expected, and PASS or FAIL."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import sskseg

CASES = Path(__file__).parents[2] / "shared" / "cases"
PROGRAMS = sorted(CASES.glob("case_*.py"))
# Importing takes longer than most programs: each is a fork of a process that has imported.
FORKS = """
import os, runpy, sys, traceback
import sskseg.demo, sskseg.scans
sys.path.insert(0, os.getcwd())
for line in sys.stdin:
    if os.fork() == 0:
        program, output = line.split()
        for stream in (1, 2):
            os.dup2(os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND), stream)
        code = 0
        try:
            runpy.run_path(program, run_name="__main__")
        except SystemExit as end:
            code = end.code or 0
        except BaseException:
            traceback.print_exc()
            code = 1
        sys.stdout.flush()
        os._exit(code)
    print(os.waitstatus_to_exitcode(os.wait()[1]), flush=True)
"""


@pytest.fixture(scope="module")
def forks(tmp_path_factory):
    """A process that runs the programs whose names it reads."""
    source = str(Path(sskseg.__file__).parents[1])
    folder = str(tmp_path_factory.mktemp("cases"))
    with subprocess.Popen(
        [sys.executable, "-B", "-c", FORKS], cwd=CASES, text=True, bufsize=1,
        env={**os.environ, "PYTHONPATH": source, "TMPDIR": folder},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as run:  # fmt: skip
        yield run


@pytest.mark.skipif(not PROGRAMS, reason="the cases are not there")
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_it_passes(program, forks, tmp_path):
    forks.stdin.write(f"{program.name} {tmp_path / 'output.txt'}\n")
    code = int(forks.stdout.readline())
    output = (tmp_path / "output.txt").read_text()
    assert code == 0, output
    assert "PASS" in output
    assert "FAIL" not in output, output
