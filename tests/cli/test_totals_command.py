"""``sskseg totals``: plan, estimate and compare do what the functions do."""

import json

import numpy as np
import pandas as pd
import pytest
import tifffile
from command_line import run
from sklearn.pipeline import make_pipeline

from sskseg import InstanceCounter, PercentileScaler, SemiSupervisedSegmenter
from sskseg.datasets import make_cells
from sskseg.io import write_object_table
from sskseg.models import save_model
from sskseg.morphology import measure_objects
from sskseg.totals import count_tiles, estimate_total, plan_audit, predict_tiles, read_plan

SHAPE = (96, 128)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two images, a scan with two tables of its objects, and a model."""
    folder = tmp_path_factory.mktemp("totals")
    X, y = make_cells(n_samples=2, shape=SHAPE, radius=6, random_state=0)
    (folder / "images").mkdir()
    (folder / "atlas").mkdir()
    atlas = np.ones(SHAPE, np.uint8)
    atlas[:, 64:] = 2
    for i, image in enumerate(X):
        tifffile.imwrite(folder / "images" / f"cell{i}.tif", image)
        tifffile.imwrite(folder / "atlas" / f"cell{i}.tif", atlas)
    tifffile.imwrite(folder / "scan.tif", X[0])
    table = measure_objects(y[0])
    write_object_table(folder / "objects.csv", table)
    write_object_table(folder / "fewer.csv", table[::2])
    tiny = {"width": 4, "depth": 2, "max_steps": 8, "semi_supervision": None, "random_state": 0}
    model = make_pipeline(
        PercentileScaler(scope="image"), SemiSupervisedSegmenter(**tiny), InstanceCounter()
    )
    save_model(model.fit(X, y), folder / "model.sskseg")
    return folder, X, y, model


def of_scan(folder, out, *options):
    return run("totals", "plan", folder / "scan.tif", "--objects", folder / "objects.csv",
               "--objects", folder / "fewer.csv", "--tile", "32", "--audits", "6", "--out", out,
               *options)  # fmt: skip


def audit(out, extra=0):
    """Counts of a person: those of the table and one in some tiles."""
    frames = pd.read_csv(out / "frames.csv")
    counts = read_plan(out).tiles["count"][frames["tile"]].to_numpy() + extra
    counts += np.arange(len(frames)) % 2
    pd.DataFrame({"name": frames["name"], "count": counts}).to_csv(out / "counts.csv", index=False)
    return dict(zip(frames["tile"], counts, strict=True))


def test_images_are_planned_with_a_model(folder, tmp_path, capsys):
    folder, X, _, model = folder
    arguments = ["totals", "plan", folder / "images", "--model", folder / "model.sskseg",
                 "--tile", "32", "--audits", "5"]  # fmt: skip
    assert run(*arguments, "--dry-run") == 0
    assert "of 24 would be written" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())
    out = tmp_path / "audit"
    regions = ["--regions", folder / "atlas"]
    assert run(*arguments, *regions, "--out", out, "--json") == 0
    atlas = np.repeat([[1, 2]], 64, axis=1).repeat(96, axis=0)
    plan = plan_audit(
        predict_tiles(model, list(X), 32, regions=[atlas, atlas]), k=5, random_state=0
    )
    found = json.loads(capsys.readouterr().out)
    assert found == {"tiles": 24, "to_audit": len(plan.to_audit)}
    pd.testing.assert_frame_equal(read_plan(out).tiles, plan.tiles, check_dtype=False)
    assert len(list((out / "images").iterdir())) == len(plan.to_audit)
    record = json.loads((out / "run.json").read_text())
    assert record["result"] == found
    assert str(folder / "model.sskseg") in record["inputs"]


def test_an_image_may_lie_outside_of_all_regions(folder, tmp_path, capsys):
    folder, *_ = folder
    atlas = np.zeros((2, *SHAPE), np.uint8)
    atlas[0, :, :64], atlas[0, :, 64:] = 1, 2
    tifffile.imwrite(tmp_path / "atlas.tif", atlas, photometric="minisblack")
    plan = ["totals", "plan", folder / "images", "--model", folder / "model.sskseg", "--tile", "32"]
    assert run(*plan, "--regions", tmp_path / "atlas.tif", "--dry-run") == 0  # without a warning


def test_tables_of_a_scan_are_planned_and_estimated(folder, tmp_path, capsys):
    folder, _, y, _ = folder
    out = tmp_path / "audit"
    assert of_scan(folder, out) == 0
    assert "without opening plan.csv" in capsys.readouterr().out
    table = measure_objects(y[0])
    tiles = count_tiles([table, table[::2]], SHAPE, 32)
    plan = plan_audit(tiles, k=6, random_state=0)
    audited = audit(out)
    expected = estimate_total(plan, audited, confidence=0.9)
    arguments = ["totals", "estimate", out, "--confidence", "0.9", "--name", "cells"]
    assert run(*arguments, "--dry-run") == 0
    assert not (out / "total.json").exists()
    assert str(expected) in capsys.readouterr().out
    assert run(*arguments, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["total"] == expected.total
    assert found["interval"] == list(expected.interval)
    assert found["sentence"] == expected.sentence("cells")
    written = (out / "total.json").read_bytes()
    assert json.loads(written)["result"] == found
    assert run(*arguments) == 2
    message = "total.json exists: add --overwrite to replace this total."
    assert message in capsys.readouterr().err
    assert run(*arguments, "--dry-run") == 0
    assert (out / "total.json").read_bytes() == written
    assert run(*arguments[:3], "--overwrite") == 0
    assert json.loads((out / "total.json").read_text())["result"]["confidence"] == 0.95


def test_regions_are_in_the_result(folder, tmp_path, capsys):
    folder, *_ = folder
    out = tmp_path / "audit"
    regions = folder / "atlas" / "cell0.tif"
    assert of_scan(folder, out, "--regions", regions, "--audits", "12") == 0
    audit(out)
    assert run("totals", "estimate", out, "--json") == 0
    printed = capsys.readouterr()
    found = json.loads(printed.out[printed.out.index("{") :])
    assert [region["region"] for region in found["by_region"]] == [1, 2]
    assert sum(r["total"] for r in found["by_region"]) == pytest.approx(found["total"])


def test_groups_are_compared(folder, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    folder, *_ = folder
    audits = [tmp_path / f"audit{i}" for i in range(4)]
    for i, out in enumerate(audits):
        assert of_scan(folder, out, "--random-state", i) == 0
        audit(out, extra=i)
    arguments = ["totals", "compare", *audits, "--groups", "control,control,mutant,mutant"]
    capsys.readouterr()
    assert run(*arguments, "--method", "permutation", "--out", tmp_path / "result") == 0
    printed = capsys.readouterr().out
    assert "mutant / control" in printed
    assert "with another animal in each group" in printed
    found = json.loads((tmp_path / "result" / "comparison.json").read_text())["result"]
    assert found["ratio"] > 1
    assert found["p_value"] == pytest.approx(2 / 6)
    assert (tmp_path / "result" / "comparison.png").stat().st_size > 1000
    before = (tmp_path / "result" / "comparison.json").read_text()
    assert run(*arguments, "--out", tmp_path / "result") == 2
    message = "comparison.json exists: add --overwrite to replace this comparison, or let --out"
    assert message in capsys.readouterr().err
    assert (tmp_path / "result" / "comparison.json").read_text() == before
    assert run(*arguments, "--out", tmp_path / "result", "--overwrite") == 0
    assert json.loads((tmp_path / "result" / "comparison.json").read_text())["result"] != found
    assert run(*arguments, "--out", tmp_path / "other", "--dry-run") == 0
    assert not (tmp_path / "other").exists()
    capsys.readouterr()
    assert run(*arguments) == 0
    message = "Nothing was written: add --out FOLDER for comparison.json and comparison.png."
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["plan", "{scan}"], "needs --model, or --objects"),
        (["plan", "{scan}", "--objects", "{table}"], "--tile is missing"),
        (["plan", "{scan}", "--objects", "{table}", "--tile", "9"], "--out is missing"),
        (
            ["plan", "{scan}", "--objects", "{table}", "--tile", "9", "--audits", "1", "--dry-run"],
            "--audits must be an integer of at least 2, got 1",
        ),
        (
            ["plan", "{scan}", "--objects", "{table}", "--tile", "0", "--dry-run"],
            "--tile must be positive",
        ),
        (["estimate", "{none}"], "plan.csv does not exist"),
        (["compare", "{none}"], "--groups is missing"),
    ],
)
def test_bad_command_lines_are_explained(folder, tmp_path, capsys, arguments, message):
    folder, *_ = folder
    places = {
        "scan": folder / "scan.tif", "table": folder / "objects.csv", "none": tmp_path / "none",
    }  # fmt: skip
    assert run("totals", *[each.format(**places) for each in arguments]) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_audits_that_are_missing_or_of_one_animal_are_explained(folder, tmp_path, capsys):
    folder, *_ = folder
    out = tmp_path / "audit"
    assert of_scan(folder, out) == 0
    before = (out / "plan.csv").read_bytes()
    assert run("totals", "estimate", out) == 2
    assert "annotations" in capsys.readouterr().err
    audit(out)
    table = pd.read_csv(out / "counts.csv")
    table.assign(count=-1).to_csv(tmp_path / "negative.csv", index=False)
    assert run("totals", "estimate", out, "--annotations", tmp_path / "negative.csv") == 2
    assert "must be finite and not negative, got -1.0" in capsys.readouterr().err
    assert run("totals", "compare", out, out, out, "--groups", "a,a,b") == 2
    assert "'b' has one" in capsys.readouterr().err
    assert of_scan(folder, out) == 2
    assert "--out must be a new folder" in capsys.readouterr().err
    assert (out / "plan.csv").read_bytes() == before
