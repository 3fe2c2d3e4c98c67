"""Style, types, layers and sizes: one command runs all. As a script, print the measurements."""

import subprocess
import sys
from pathlib import Path

import house
import pytest
import words

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    "command",
    [
        ["ruff", "check", "."],
        ["ruff", "format", "--check", "."],
        ["mypy"],
        ["importlinter.cli"],
    ],
    ids=["lint", "format", "types", "layers"],
)
def test_tools_are_content(command):
    if command == ["importlinter.cli"]:
        code = "from importlinter.cli import lint_imports_command; lint_imports_command()"
        command = [sys.executable, "-c", code]
    else:
        command = [sys.executable, "-m", *command]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_importing_it_is_light():
    heavy = ["torch", "sklearn", "pandas", "skimage", "pyarrow"]
    optional = ["matplotlib", "dask", "distributed", "zarr", "h5py", "tifffile"]
    code = (
        "import sys, sskseg\n"
        f"print([m for m in {heavy + optional} if m in sys.modules])\n"
        "from sskseg import *\n"
        f"print([m for m in {[*optional, 'sklearn.ensemble']} if m in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.split() == ["[]", "[]"]


def test_metrics_and_morphology_need_no_torch():
    code = (
        "import sys, sskseg.metrics, sskseg.morphology, sskseg.simulation, sskseg.datasets; "
        "print('torch' in sys.modules)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "False"


def test_no_module_opens_a_connection_starts_a_process_or_evaluates_text():
    assert house.risky_names() == set()


def test_no_private_module_is_at_the_top():
    assert house.private_modules_at_the_top() == []


def test_modules_do_not_import_each_other_in_cycles():
    assert house.import_cycles() == []


def test_imports_go_down():
    assert house.upward_imports() == []


def test_every_package_is_in_a_layer():
    assert house.top_level_names() == set().union(*house.layers())


def test_the_page_shows_the_layers_of_the_contract():
    assert house.documented_layers() == house.layers()


def test_few_files_are_large():
    assert len(house.large_files()) <= house.MAX_LARGE_FILES, house.large_files()


def test_bodies_are_short():
    assert house.body_percentile(90) <= house.MAX_BODY, house.bodies()[-20:]


def test_estimators_have_few_parameters_of_their_own():
    too_many = {k: n for k, n in house.own_parameters().items() if n > house.MAX_PARAMETERS}
    assert not too_many


def test_classes_have_few_methods():
    assert not {name: n for name, n in house.methods().items() if n > house.MAX_METHODS}


def test_words_of_the_list_do_not_come_back():
    lines = [f"{path}:{line}: {text!r} -> {term}" for path, line, text, term in words.hits()]
    assert not lines, "\n" + "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "n"),
    [
        ("the truth", 1), ("ground truth", 0), ("ground\n    # truth", 0), ("_truth", 1),
        ("label_settled", 1), ("stage1_train", 0), ("Stage 1", 0), ("two stages", 1),
        ("maps X to Y", 0), ("feature maps", 0), ("the maps", 1), ("factory", 0), ("neighbours", 1),
        ("metre", 1), ("meter", 0), ("go one", 0), ("supervised", 0), ("otherwise", 0),
        ("analyses", 0), ("analysed", 1), ("normalise", 1), ("stationary", 0), ("_ENOUGH", 1),
        ("enough", 0), ("Look at the report", 0), ("looks at", 1), ("postage", 0),
    ],
)  # fmt: skip
def test_patterns_hit_the_words_and_nothing_else(text, n):
    assert len(words.in_text("a.py", text)) == n


@pytest.mark.parametrize(
    ("code", "n"),
    [("def f(rows): pass", 1), ("rows = 1", 0), ("self.rows = 1", 1), ("maps = 1", 1),
     ("feature_maps = 1", 0), ("map(f, x)", 0), ("throws = 1", 0)],
)  # fmt: skip
def test_patterns_hit_names(code, n):
    assert len(words.in_names("a.py", code)) == n


if __name__ == "__main__":
    print(house.table())  # noqa: T201
