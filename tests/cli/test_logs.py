"""Log lines of libraries: left out where an error of the command says it, and else shown once."""

import logging
import shutil

import numpy as np
import pytest
import tifffile
from command_line import run

from sskseg.cli import main
from sskseg.cli.commands import info

IMAGE = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)


def as_in_a_terminal(monkeypatch):
    """Without the handlers of pytest, in whose place Python prints lines to the error output."""
    monkeypatch.setattr(logging.getLogger(), "handlers", [])


@pytest.fixture
def damaged(tmp_path):
    """Files about which tifffile logs lines, of which the errors of sskseg say more."""
    path = tmp_path / "whole.tif"
    tifffile.imwrite(path, IMAGE, imagej=True, metadata={"axes": "YX"})
    content = bytearray(path.read_bytes())
    (tmp_path / "short.tif").write_bytes(content[: len(content) // 2])
    content[4:8] = (10**7).to_bytes(4, "big" if content[:2] == b"MM" else "little")
    (tmp_path / "lost.tif").write_bytes(content)
    return [(tmp_path / "short.tif", "it ends before"), (tmp_path / "lost.tif", "it holds no page")]


def test_errors_of_files_stand_alone(damaged, tmp_path, monkeypatch, capfd):
    as_in_a_terminal(monkeypatch)
    for file, fault in damaged:
        model = ["--model", "nuclei"]
        for command in (["info", file], ["count", file, *model], ["scan", "plan", file, *model]):
            assert run(*command) == 2
            (line,) = capfd.readouterr().err.splitlines()
            assert f"{file} cannot be read as an image: {fault}" in line
    folder = tmp_path / "images"
    folder.mkdir()
    shutil.copy(damaged[1][0], folder)
    demo = ["--images", folder, "--labels", folder, "--out", tmp_path / "out"]
    assert run("demo", *demo) == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert "lost.tif cannot be read as an image" in line


def test_what_nobody_else_reports_is_shown_once(monkeypatch, capfd):
    as_in_a_terminal(monkeypatch)

    def run_with_log(options):
        for _ in range(2):
            logging.getLogger("tifffile").warning("%s is odd", "a.tif")
        logging.getLogger("tifffile").info("more")
        return {}

    monkeypatch.setattr(info, "run", run_with_log)
    assert run("info", "a.tif") == 0
    assert capfd.readouterr().err == "sskseg: warning: tifffile: a.tif is odd\n"
    assert not logging.getLogger().handlers


def test_lines_before_a_fault_of_the_program_stay(monkeypatch, capfd):
    as_in_a_terminal(monkeypatch)

    def fail(options):
        logging.getLogger("reader").error("page 3 is lost")
        raise RuntimeError("fault")

    monkeypatch.setattr(info, "run", fail)
    with pytest.raises(RuntimeError, match="fault"):
        main(["info", "a.tif"])
    assert "sskseg: warning: reader: page 3 is lost\n" in capfd.readouterr().err


def test_a_faulty_line_of_a_library_does_not_end_a_command(monkeypatch, capfd):
    as_in_a_terminal(monkeypatch)

    def log(options):
        logging.getLogger("reader").warning("page %d", "three")
        logging.getLogger("reader").warning("page %d", 4)
        return {}

    monkeypatch.setattr(info, "run", log)
    assert run("info", "a.tif") == 0
    error = capfd.readouterr().err
    assert "Message: 'page %d'" in error  # as logging shows it, with the place
    assert error.endswith("sskseg: warning: reader: page 4\n")
