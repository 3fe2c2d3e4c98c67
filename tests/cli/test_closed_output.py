"""A program that reads the output may end before the command does."""

import os
import subprocess
import sys
from contextlib import redirect_stdout

import numpy as np
import pandas as pd
import pytest
import tifffile
from sklearn.pipeline import make_pipeline

from sskseg import InstanceCounter, PercentileScaler
from sskseg.cli import main
from sskseg.cli.commands import info
from sskseg.models import save_model


@pytest.mark.parametrize("arguments", ["info nuclei", "info nuclei --json", "demo --help"])
def test_closed_output_is_no_error(arguments, capsys):
    """In this process: importing takes longer than these commands."""
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w") as output, redirect_stdout(output):
        assert main(arguments.split()) == 141
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("arguments", ["fit --help", "--version"])
def test_closed_help_is_no_error(arguments):
    assert run(arguments) in (0, 141)  # argparse ignores errors of writing


def test_results_are_written_all_the_same(tmp_path):
    """More text than a pipe's buffer of Python takes is refused before the results are written."""
    tifffile.imwrite(tmp_path / "stack.tif", np.zeros((400, 8, 8), np.uint8))
    out = tmp_path / "out"
    model = tmp_path / "m.sskseg"
    counter = InstanceCounter(threshold=0.5).fit(np.zeros((1, 8, 8)))
    save_model(make_pipeline(PercentileScaler().fit(np.zeros((1, 8, 8))), counter), model)
    assert run(f"count {tmp_path}/stack.tif --model {model} --out {out}") == 141
    assert len(pd.read_csv(out / "counts.csv")) == 400
    assert (out / "run.json").is_file()


def run(arguments):
    """Run a command whose output is closed; it shows no error."""
    command = [sys.executable, "-m", "sskseg", *arguments.split()]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.stdout.close()
    assert process.stderr.read() == ""
    process.stderr.close()
    return process.wait()


def test_broken_pipes_of_networks_are_errors(monkeypatch, capsys):
    def fail(_):
        raise BrokenPipeError(32, "the server has closed the connection")

    monkeypatch.setattr(info, "run", fail)
    assert main(["info", "nuclei"]) == 2
    assert "the server has closed the connection" in capsys.readouterr().err
