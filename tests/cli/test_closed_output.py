"""A program that reads the output may end before the command does."""

import subprocess
import sys

import pytest

from sskseg.cli import main
from sskseg.cli.commands import info


@pytest.mark.parametrize("arguments", ["info nuclei", "info nuclei --json"])
def test_closed_output_is_no_error(arguments):
    assert run(arguments) == 141


@pytest.mark.parametrize("arguments", ["fit --help", "demo --help", "--version"])
def test_closed_help_is_no_error(arguments):
    assert run(arguments) in (0, 141)  # argparse ignores errors of writing


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
