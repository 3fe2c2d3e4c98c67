"""Wheel and sdist: built, complete, and at work in an environment of their own."""

import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from configparser import ConfigParser
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import pytest

import sskseg

ROOT = Path(__file__).parents[1]
DATA = ["sskseg/py.typed"]  # files that are no modules, beside those of `models/trained`
BUILD_SDIST = "import setuptools.build_meta as b, sys; print(b.build_sdist(sys.argv[1]))"


def run(*command, cwd=ROOT):
    result = subprocess.run(
        [str(part) for part in command], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def sdist(tmp_path_factory):
    """Build from a copy, since setuptools writes into the folder of the sources."""
    for name, least in (
        ("pip", 23),
        ("setuptools", 77),
    ):  # not imported: setuptools changes distutils
        if find_spec(name) is None or int(version(name).split(".")[0]) < least:
            pytest.skip(f"needs {name} {least}")
    folder = tmp_path_factory.mktemp("package")
    files = run("git", "ls-files", "--cached", "--others", "--exclude-standard").splitlines()
    for name in files:
        if name.startswith("sskseg/") or "/" not in name:
            (folder / "source" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / "source" / name)
    run(sys.executable, "-c", BUILD_SDIST, folder, cwd=folder / "source")
    return next(folder.glob("*.tar.gz"))


@pytest.fixture(scope="module")
def wheel(sdist):
    """Build from the sdist, which must therefore be complete."""
    folder = sdist.parent / "unpacked"
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    source = next(folder.iterdir())
    options = ["--no-deps", "--no-build-isolation", "--no-index", "-q", "-w", sdist.parent]
    run(sys.executable, "-m", "pip", "wheel", source, *options)
    return next(sdist.parent.glob("*.whl"))


def test_the_wheel_holds_every_module_and_data_file(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    package = ROOT / "sskseg"
    modules = {path.relative_to(ROOT).as_posix() for path in package.rglob("*.py")}
    trained = {p.relative_to(ROOT).as_posix() for p in (package / "models/trained").iterdir()}
    assert len(modules) > 100
    assert len(trained) >= 4
    assert modules | trained | set(DATA) <= names
    assert not [name for name in names if name.startswith(("tests/", "docs/"))]


def test_the_sdist_holds_the_files_for_people(sdist):
    with tarfile.open(sdist) as archive:
        names = {name.split("/", 1)[-1] for name in archive.getnames()}
    assert {"README.md", "LICENSE", "CHANGELOG.md", "CITATION.cff", "CONTRIBUTING.md"} <= names


def test_the_wheel_works_in_an_environment_of_its_own(wheel, tmp_path):
    """Its dependencies are those of this environment: nothing is downloaded."""
    environment = tmp_path / "environment"
    run(sys.executable, "-m", "venv", "--without-pip", environment)
    python = environment / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    run(sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-deps", wheel)
    site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    code = (
        "import sskseg; from sskseg.models import load_model; "
        "print(sskseg.__file__, sskseg.__version__, len(load_model('nuclei').steps))"
    )
    path, built, steps = run(python, "-I", "-c", code, cwd=tmp_path).split()
    assert Path(path).is_relative_to(site)
    assert (built, steps) == (sskseg.__version__, "4")
    assert "count" in run(python.parent / "sskseg", "--help", cwd=tmp_path)


def setup():
    config = ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    return config


def test_versions_agree():
    for name in ("CITATION.cff", "conda/meta.yaml"):
        assert sskseg.__version__ in (ROOT / name).read_text(encoding="utf-8"), name


def test_the_conda_recipe_has_the_dependencies_of_the_package():
    text = (ROOT / "conda" / "meta.yaml").read_text(encoding="utf-8")
    recipe = set(re.findall(r"^    - ([\w-]+) >=([\w.]+)$", text.split("run:")[1], re.MULTILINE))
    lines = setup()["options"]["install_requires"].strip().splitlines()
    wanted = {tuple(line.split(">=")) for line in lines if not line.startswith("#")}
    names = {"torch": "pytorch"}
    expected = {(names.get(name, name), version) for name, version in wanted}
    assert recipe - {("python", "3.11")} == expected


def test_classifiers_name_the_versions_of_python_that_are_supported():
    classifiers = setup()["metadata"]["classifiers"]
    versions = re.findall(r"Python :: (3\.\d+)", classifiers)
    assert versions == ["3.11", "3.12", "3.13", "3.14"]
    assert setup()["options"]["python_requires"] == f">={versions[0]}"
