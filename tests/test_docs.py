"""The pages: links, code, the reference, and the site that is built from them."""

import fnmatch
import importlib
import pkgutil
import re
import runpy
import shutil
import subprocess
import sys
import warnings
import zlib
from pathlib import Path

import pytest

import sskseg

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(
    path
    for suffix in ("md", "rst")
    for path in DOCS.rglob(f"*.{suffix}")
    if path.relative_to(DOCS).parts[0]
    not in ("_build", "_generated", "_static", "_templates", "gallery")
)
# Imports every public module now, since some libraries draw random numbers when first imported.
MODULES = runpy.run_path(str(DOCS / "conf.py"))["MODULES"]
ROOT_PAGES = [ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]  # pages of docs/ include them
MARKDOWN = [ROOT / "README.md", *ROOT_PAGES, *(path for path in PAGES if path.suffix == ".md")]
FENCE = re.compile(r"^```(\S*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
DIRECTIVES = {"{toctree}", "{glossary}", "{include}"}


NESTED = ["sskseg.segmentation.semi_supervised"]
# Of the site that is built: what takes long, and does not depend on what the pages say.
FASTER = """
html_sidebars["_generated/reference/*"] = []  # all names beside each
from numpydoc import docscrape_sphinx
from sphinx.builders.html import StandaloneHTMLBuilder
StandaloneHTMLBuilder.search = False  # an index of all words
def environment(loader, made=[], make=docscrape_sphinx.SandboxedEnvironment):
    made[:] = made or [make(loader=loader)]  # else each docstring compiles the template of all
    return made[0]
docscrape_sphinx.SandboxedEnvironment = environment
"""


def name_of(page):
    return page.relative_to(ROOT).as_posix()


def in_toctree(page):
    """List the pages in the toctrees of a page, relative to DOCS; * matches the others."""
    bodies = [body for kind, body in FENCE.findall(page.read_text()) if kind == "{toctree}"]
    entries = [line for body in bodies for line in body.splitlines() if line]
    folder = page.parent.relative_to(DOCS)
    return [(folder / line).as_posix() for line in entries if not line.startswith(":")]


def test_every_page_is_in_a_toctree():
    pages = {path.relative_to(DOCS).with_suffix("").as_posix() for path in PAGES}
    entries = [entry for page in PAGES for entry in in_toctree(page)]
    for entry in entries:
        if not entry.startswith("_generated/"):
            assert fnmatch.filter(pages, entry), f"{entry} in a toctree matches no page"
    listed = {
        page for page in pages for entry in entries
        if fnmatch.fnmatch(page, entry) and page.count("/") == entry.count("/")
    }  # fmt: skip
    assert pages - listed <= {"index"}


@pytest.mark.parametrize("page", MARKDOWN, ids=name_of)
def test_links_lead_somewhere(page):
    text = FENCE.sub("", page.read_text())
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"https://", target):
            continue
        path, _, anchor = target.partition("#")
        linked = (page.parent / path) if path else page
        assert linked.exists(), f"{name_of(page)} links to {target}"
        if anchor:
            assert anchor in headings(linked), f"{name_of(page)} links to {target}"


def headings(page):
    """Return the anchors of the headings, as GitHub and MyST make them."""
    titles = re.findall(r"^#+ (.*)$", FENCE.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_the_design_names_files_that_exist():
    text = (DOCS / "design.md").read_text()
    names = re.findall(r"`((?:\w+/)*\w+\.py|(?:\w+/)+)`", text)
    missing = [n for n in names if not any((ROOT / "sskseg").rglob(n)) and not (ROOT / n).exists()]
    assert len(names) > 20
    assert not missing


@pytest.mark.parametrize("page", MARKDOWN, ids=name_of)
def test_code_is_run_or_typed_in_a_shell(page):
    text = page.read_text()
    assert text.count("```") == 2 * len(FENCE.findall(text))
    for kind, body in FENCE.findall(text):
        if kind == "python":
            assert body.startswith(">>> "), body
            assert "+SKIP" not in body, body
            assert body.endswith("\n\n"), "the fence would be taken for output"
        else:
            assert kind in {"bash", "text"} | DIRECTIVES, f"{kind or 'nothing'}: {body}"
            assert ">>>" not in body


def test_every_public_module_is_in_the_reference():
    packages = [info.name for info in pkgutil.iter_modules(sskseg.__path__) if info.ispkg]
    names = {
        f"sskseg.{package}": getattr(importlib.import_module(f"sskseg.{package}"), "__all__", ())
        for package in packages
    }
    public = [name for name, own in names.items() if not set(own) <= set(sskseg.__all__)]
    assert sorted(["sskseg", *public, *NESTED]) == MODULES
    index = (DOCS / "reference" / "index.rst").read_text()
    assert re.findall(r"^   (sskseg[.\w]*)$", index, re.MULTILINE)[: len(MODULES)] == MODULES


def test_the_figures_are_drawn(tmp_path, data_dir, monkeypatch):
    """Draw those that take a second each; the others are drawn by hand."""
    monkeypatch.setenv("SSKSEG_DATA", str(data_dir))
    names = ["model_selection", "pretraining", "scaling", "scans"]
    draw = runpy.run_path(str(DOCS / "figures.py"))["main"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of a network that is hardly trained
        draw([*names, "--out", str(tmp_path), "--steps", "9"])
    drawn = {path.name for path in tmp_path.glob("*.png")}
    assert drawn == {f"guide_{name}.png" for name in names}
    assert drawn < {path.name for path in (DOCS / "images").iterdir()}


def test_the_site_is_built_without_a_warning(tmp_path):
    """Build without the pictures of the gallery, whose scripts test_gallery.py runs."""
    for name in ("myst_parser", "pydata_sphinx_theme", "sphinx_copybutton", "sphinx_gallery"):
        pytest.importorskip(name)
    source, site = tmp_path / "docs", tmp_path / "site"
    shutil.copytree(DOCS, source, ignore=shutil.ignore_patterns("_build", "_generated"))
    for page in ROOT_PAGES:
        shutil.copy(page, tmp_path)
    settings = source / "conf.py"
    settings.write_text(f"import gc\ngc.set_threshold(100_000)\n{settings.read_text()}{FASTER}")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-D", "plot_gallery=0"]
    result = subprocess.run(
        [*command, "-b", "html", str(source), str(site)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr
    documented = inventory(site / "objects.inv")
    missing = [
        f"{module}.{name}" for module in MODULES for name in importlib.import_module(module).__all__
        if not {f"{module}.{name}", f"sskseg.{name}"} & documented
    ]  # fmt: skip
    assert not missing


def inventory(path):
    """Return the names of the objects that have a page."""
    compressed = path.read_bytes().split(b"\n", 4)[4]
    lines = zlib.decompress(compressed).decode().splitlines()
    return {line.split(" ")[0] for line in lines}
