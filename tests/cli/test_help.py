"""Help: whole sentences, choices, and what it takes to show it."""

import os
import re
import subprocess
import sys

import pytest

from sskseg.cli import main
from sskseg.cli.options import STEPS, make_parser
from sskseg.cli.parameters import estimator_parameters, typed

EVERY = [p for name, prefix in STEPS for p in estimator_parameters(name, prefix)]


def help_of(*names):
    """Help of a command, or of an action of it."""
    parser = make_parser()
    for name in names:
        parser = parser._subparsers._group_actions[0].choices[name]
    return parser.format_help()


@pytest.mark.parametrize("parameter", EVERY, ids=lambda parameter: parameter.option)
def test_summaries_are_whole_sentences_in_the_words_of_the_command_line(parameter):
    assert re.fullmatch(r"[A-Z\"].*\.", parameter.summary)
    assert "`" not in parameter.summary
    assert not re.search(r"\bNone\b|sskseg\.|\[\d\]|\bsee \b", parameter.summary)
    assert parameter.summary.count("(") == parameter.summary.count(")")
    assert parameter.kind
    assert not re.search(r"[{}\"]|None|callable|[A-Z]", parameter.kind)


def test_choices_are_listed():
    known = {parameter.option: parameter for parameter in EVERY}
    assert known["--network"].kind == "auto, unet-shuffle, unet, unet-valid, unet-lite or dmcn"
    for name in ("auto", "section-mean", "continuity", "self-training", "mean-teacher", "none"):
        assert name in known["--semi-supervision"].kind
    assert known["--counter-method"].kind == "watershed or components"
    assert known["--counter-threshold"].kind == "float in (0, 1) or auto"
    assert known["--scaler-percentiles"].kind == "two floats separated by commas in [0, 100]"
    assert known["--width"].summary != known["--depth"].summary
    scope = known["--scaler-scope"].summary
    assert 'over all images of fit ("dataset"), or each image by its own' in scope
    assert '("image")' in scope
    assert "without a --time-budget, and unlimited" in known["--max-steps"].summary
    text = " ".join(help_of("fit").split())
    assert "(dataset or image; default: image, for consecutive sections dataset)" in text
    for option in ("--finetune", "--warm-start", "--loss", "--target"):
        assert option not in text


def test_each_option_of_a_scan_has_its_own_text():
    text = " ".join(help_of("scan", "run").split())
    assert "--block-shape PIXELS size of a block" in text
    assert "--halo PIXELS width of the margin that is read around each block" in text


def test_each_action_shows_its_own_options():
    shown = {
        action: {*re.findall(r"^  (--[a-z-]+)", help_of(*action.split()), re.MULTILINE)}
        for action in ("scan plan", "scan run", "scan status", "totals plan", "totals estimate",
                       "totals compare")
    }  # fmt: skip
    of_plan = {"--model", "--channel", "--spacing", "--block-shape", "--halo", "--workers",
               "--mask", "--object-diameter", "--invert-images", "--json"}  # fmt: skip
    assert shown["scan plan"] == of_plan
    assert shown["scan run"] == of_plan | {
        "--out", "--shard", "--scheduler", "--skip-below", "--intensity", "--zarr-format", "--fresh"
    }  # fmt: skip
    assert shown["scan status"] == {"--json"}
    assert {"--tile", "--out"} < shown["totals plan"]
    assert shown["totals estimate"] == {
        "--annotations", "--name", "--overwrite", "--confidence", "--dry-run", "--json"
    }  # fmt: skip
    assert shown["totals compare"] == {
        "--out", "--overwrite", "--groups", "--per", "--method", "--confidence", "--dry-run",
        "--json",
    }  # fmt: skip


def test_plan_takes_the_options_of_the_command_that_it_prints():
    arguments = ["scan.tif", "--model", "m", "--out", "result", "--skip-below", "3", "--fresh"]
    plan, run = (make_parser().parse_args(["scan", name, *arguments]) for name in ("plan", "run"))
    assert {**vars(plan), "action": "run"} == vars(run)


def test_what_is_offered_can_be_typed():
    text = " ".join(help_of("fit").split())
    assert "Augmentation of the training patches. (full, dihedral or none; default: full)" in text
    assert "2 for images, 3 for volumes. (2 or 3; default: 2)" in text  # none is an error
    assert not re.search(r"\b(dict|callable|instance)\b", text)


def test_defaults_are_as_they_are_typed():
    assert [typed(x) for x in (None, True, 0.005, "auto", (1.0, 99.8))] == [
        "none", "yes", "0.005", "auto", "1.0,99.8"
    ]  # fmt: skip


def test_help_takes_less_than_half_a_second():
    """Of the processor: of its own, in the best of three tries."""
    code = "from sskseg.cli import main\nmain(['fit', '--help'])"
    seconds = []
    for _ in range(3):
        start = os.times()
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
        end = os.times()
        seconds.append(
            end.children_user - start.children_user + end.children_system - start.children_system
        )
    assert min(seconds) < 0.5


@pytest.mark.parametrize(
    ("arguments", "usage"),
    [
        (["fit", "images", "--labels", "y", "--out", "m", "--max-stepz", "3"],
         "sskseg fit --labels LABELS --out OUT images [OPTIONS] (see sskseg fit --help)"),
        (["scan"], "sskseg scan ACTION ... [OPTIONS] (see sskseg scan --help)"),
        (["scan", "run", "a.tif"],
         "sskseg scan run --model MODEL --out OUT source [OPTIONS] (see sskseg scan run --help)"),
        (["scan", "status", "a", "--model", "m"],
         "sskseg scan status destination [OPTIONS] (see sskseg scan status --help)"),
        (["totals", "plan", "a", "b"],
         "sskseg totals plan PATH [OPTIONS] (see sskseg totals plan --help)"),
        (["fitt"], "sskseg COMMAND ... [OPTIONS] (see sskseg --help)"),
        (["demo", "--no"],
         "python -m sskseg.demo [OPTIONS] (see python -m sskseg.demo --help)"),
    ],
)  # fmt: skip
def test_a_wrong_option_shows_what_is_needed_in_a_line(arguments, usage, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    first, error = capsys.readouterr().err.splitlines()
    assert first == f"usage: {usage}"
    assert "error: " in error
