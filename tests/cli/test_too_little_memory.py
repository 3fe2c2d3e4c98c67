"""Too little memory is said in words, and which command needs less; in Python it is an error."""

import numpy as np
import pytest
import tifffile
from command_line import run

from sskseg.cli import main
from sskseg.cli.commands import info
from sskseg.io import read_images, tiff

SIZE = "Unable to allocate 9.31 GiB for an array with shape (100000, 100000) and data type uint8"


@pytest.fixture
def image(tmp_path, monkeypatch):
    def read(path):
        raise MemoryError(SIZE)

    monkeypatch.setattr(tiff, "read_tiff", read)
    file = tmp_path / "large.tif"
    tifffile.imwrite(file, np.zeros((8, 8), np.uint8))
    return file


@pytest.mark.parametrize(
    ("command", "advice"),
    [
        (["count", "--model", "nuclei"], "sskseg scan run, which reads an image of any size in"),
        (["predict", "--model", "nuclei", "--out", "x"], "so does sskseg scan run"),
        (["fit", "--labels", "y", "--out", "x"], "a smaller --batch-size or --patch-size."),
        (["suggest"], "Fewer or smaller images need less."),
    ],
)
def test_the_file_and_what_needs_less_are_named(image, command, advice, capsys):
    name, *options = command
    assert run(name, image, *options) == 1
    (line,) = capsys.readouterr().err.splitlines()
    start = f"sskseg {name}: there is too little memory: {image} cannot be read as an image: "
    assert line.startswith(f"{start}{SIZE}. ")
    assert advice in line


def test_the_demo(image, tmp_path, capsys):
    options = ["--images", image, "--labels", image, "--out", tmp_path / "out"]
    assert run("demo", *options) == 1
    assert "sskseg demo: there is too little memory: " in capsys.readouterr().err


def test_python_gets_the_error(image):
    with pytest.raises(MemoryError, match="large.tif cannot be read as an image: Unable to"):
        read_images(image)


def test_errors_of_torch(monkeypatch, capsys):
    def fail(options):
        raise RuntimeError(
            "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate "
            "memory: you tried to allocate 12000000000 bytes. Error code 12"
        )

    monkeypatch.setattr(info, "run", fail)
    assert run("info", "a.tif") == 1
    assert "too little memory: 12 GB for the network. Fewer or" in capsys.readouterr().err

    def fault(options):
        raise RuntimeError("shapes do not fit")

    monkeypatch.setattr(info, "run", fault)
    with pytest.raises(RuntimeError, match="shapes do not fit"):
        main(["info", "a.tif"])
