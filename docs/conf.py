"""Configuration of Sphinx: `python -m sphinx -W --keep-going -b html docs docs/_build/html`."""

import os
import re
import sys
import warnings
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # this checkout, installed or not
os.environ.setdefault("MPLBACKEND", "Agg")

import sskseg  # noqa: E402

project = "sskseg"
copyright = "the sskseg developers"
release = version = sskseg.__version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.extlinks",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "_templates", "gallery/*"]
templates_path = ["_templates"]
default_role = "autolink"  # `names` in docstrings link to their pages
extlinks = {"doi": ("https://doi.org/%s", "doi:%s")}
extlinks_detect_hardcoded_links = False
myst_heading_anchors = 3
toc_object_entries_show_parents = "hide"  # "fit", not "SemiSupervisedSegmenter.fit"

# The reference: each name of `__all__` has a page, made from its docstring. Packages whose names
# are all in `sskseg` are not listed.
MODULES = [
    "sskseg",
    "sskseg.cli",
    "sskseg.counting",
    "sskseg.datasets",
    "sskseg.detection",
    "sskseg.export",
    "sskseg.images",
    "sskseg.inference",
    "sskseg.io",
    "sskseg.metrics",
    "sskseg.models",
    "sskseg.morphology",
    "sskseg.napari",
    "sskseg.nn",
    "sskseg.pretraining",
    "sskseg.proxies",
    "sskseg.refinement",
    "sskseg.report",
    "sskseg.scans",
    "sskseg.segmentation.semi_supervised",
    "sskseg.simulation",
    "sskseg.totals",
    "sskseg.training",
]
PUBLIC = {name: sorted(import_module(name).__all__) for name in MODULES}
for name in MODULES[1:]:  # names that sskseg re-exports have their page there
    PUBLIC[name] = [thing for thing in PUBLIC[name] if thing not in PUBLIC["sskseg"]]
autosummary_context = {"public": PUBLIC}
autosummary_generate = True
autodoc_default_options = {"member-order": "bysource"}
numpydoc_show_class_members = False  # the template of classes shows them

# The build runs the gallery scripts and makes their pictures; `-D plot_gallery=0` skips them.
# Scripts that need real scans are shown without pictures if these are missing.
plot_gallery = "True"
WITH_DATA = "SSKSEG_DATA" in os.environ
sphinx_gallery_conf = {
    "examples_dirs": "gallery",
    "gallery_dirs": "_generated/gallery",
    "filename_pattern": "plot_" if WITH_DATA else "plot_(?!.*real_scans)",
    "download_all_examples": False,
    "show_memory": False,
    "write_computation_times": False,
    "remove_config_comments": True,
    "min_reported_time": 1e9,
}
warnings.filterwarnings("ignore", category=UserWarning, module="sskseg")  # of short trainings

html_theme = "pydata_sphinx_theme"
html_title = "sskseg"
html_show_sourcelink = False
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_theme_options = {
    "logo": {"text": "sskseg"},
    "show_toc_level": 2,
    "navbar_align": "left",
    "header_links_before_dropdown": 6,
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
}
html_sidebars = {"index": [], "compare": []}  # pages without pages below them
linkcheck_ignore = [r"https?://"]  # links to other sites are checked by hand, before a release

copybutton_prompt_text = r">>> |\.\.\. "
copybutton_prompt_is_regexp = True


def leave_out(app, what, name, thing, default, options):
    """Skip members that are inherited from scikit-learn or torch."""
    foreign = str(getattr(thing, "__module__", "")).startswith(("sklearn.", "torch."))
    return foreign or default


def escape_stars(app, what, name, thing, options, lines):
    """Escape the stars of shapes such as (n, *spatial), which are no emphasis, outside of code."""
    for i, line in enumerate(lines):
        if not line.lstrip().startswith((">>>", "...")):
            parts = line.split("``")
            parts[::2] = [re.sub(r"(?<![*\\\w`])\*(?=\w)", r"\*", part) for part in parts[::2]]
            lines[i] = "``".join(parts)


def setup(app):
    app.connect("autodoc-skip-member", leave_out)
    app.connect("autodoc-process-docstring", escape_stars, priority=400)  # before numpydoc
