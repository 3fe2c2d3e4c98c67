"""``sskseg scan``: plans, runs, and what is done of what."""

import json
from argparse import ArgumentTypeError

import numpy as np
import pandas as pd
import pytest
import tifffile
from command_line import run
from sklearn.pipeline import make_pipeline

from sskseg import InstanceCounter, SemiSupervisedSegmenter
from sskseg.cli.sizes import bytes_text, count_text, duration_text, of_total
from sskseg.cli.values import _SHARDS, parse_shard
from sskseg.datasets import make_cells
from sskseg.io import read_object_table, write_labels, write_ome_zarr
from sskseg.io.storage import open_storage
from sskseg.models import load_model, save_model
from sskseg.scans import scheduler
from sskseg.scans.checkpoints import Ledger
from sskseg.scans.status import scan_status
from sskseg.training import PredictionStopped, StopSignal, prediction_callbacks

zarr = pytest.importorskip("zarr")
BLOCKS = ["--block-shape", "64", "--halo", "16"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A scan of 128 x 192 pixels, and a model."""
    folder = tmp_path_factory.mktemp("scan")
    X, y = make_cells(n_samples=1, shape=(128, 192), random_state=0)
    tifffile.imwrite(folder / "scan.tif", X[0])
    write_labels(folder / "labels.tif", [y[0]])
    # Components of blocks are those of the whole scan.
    arguments = ["fit", folder / "scan.tif", "--labels", folder / "labels.tif", "--out", folder]
    options = ["--width", "4", "--depth", "2", "--max-steps", "30", "--semi-supervision", "none",
               "--scaler-scope", "dataset", "--augmentation", "none", "--no-counter-fill-holes",
               "--counter-method", "components", "--counter-merge-distance", "0"]  # fmt: skip
    assert run(*arguments, "--json", *options) == 0
    return folder


def start(folder, out, *options):
    """Run, and stop after some blocks."""
    signal = StopSignal()

    class Stop:
        blocks = 0

        def on_prediction_progress(self, estimator, progress, seconds_left):
            self.blocks += 1
            if self.blocks == 2:
                signal.stop()

    with pytest.raises(PredictionStopped), prediction_callbacks(Stop(), signal):
        run("scan", "run", folder / "scan.tif", "--model", folder, "--out", out, *BLOCKS, "--json",
            "--workers", "1", *options)  # fmt: skip


def test_plan_is_readable(folder, capsys):
    arguments = ["scan", "plan", folder / "scan.tif", "--model", folder, *BLOCKS]
    assert run(*arguments) == 0
    text = capsys.readouterr().out
    assert "scan:            128 x 192 pixels, 98.3 kB\n" in text
    assert "objects:         6 blocks of 64 x 64 pixels, and 0 x 0 around each\n" in text
    assert "size of a pixel: unknown; give it by --spacing" in text
    assert "on one worker of this computer" in text
    command = f"sskseg scan run {folder}/scan.tif --model {folder} --block-shape 64 --halo 16"
    assert text.endswith(f"Count with: {command} --out DESTINATION\n")
    assert run(*arguments, "--spacing", "0.5um", "--json") == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["n_blocks"] == 6
    assert run(*arguments, "--spacing", "0.5um") == 0
    assert "size of a pixel: 0.5 x 0.5 micrometer (of --spacing)\n" in capsys.readouterr().out


def test_shards_are_numbered_or_read_from_the_environment(folder, tmp_path, capsys, monkeypatch):
    out = tmp_path / "out"
    arguments = ["scan", "run", folder / "scan.tif", "--model", folder, "--out", out, *BLOCKS]
    with monkeypatch.context() as context:
        context.setitem(scheduler.TASKS, "join", lambda *_: 1 / 0)
        assert run(*arguments, "--shard", "1/2") == 1
    assert run("scan", "status", out) == 0
    text = capsys.readouterr().out
    assert "Of 2 shards these have started and not ended: none" in text
    assert text.rstrip().endswith("--shard I/2")
    assert run("scan", "status", out, "--json") == 0
    assert json.loads(capsys.readouterr().out)["shards"] == {"count": 2, "running": []}
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "7")
    monkeypatch.setenv("SLURM_ARRAY_TASK_MIN", "5")
    monkeypatch.setenv("SLURM_ARRAY_TASK_STEP", "2")
    monkeypatch.setenv("SLURM_ARRAY_TASK_COUNT", "2")
    assert run(*arguments, "--shard", "auto", "--json") == 0
    n_objects = json.loads(capsys.readouterr().out)["objects"]
    assert len(pd.read_parquet(out / "objects.parquet")) == n_objects > 0


def test_shards_that_are_refused(folder, tmp_path, capsys, monkeypatch):
    for names in _SHARDS:
        for name in filter(None, names):
            monkeypatch.delenv(name, raising=False)
    out = tmp_path / "out"
    arguments = ["scan", "run", folder / "scan.tif", "--model", folder, "--out", out]
    for more, message in [
        (["--shard", "2/2"], "--shard must have an index from 0 to 1 for 2 shards, got 2."),
        (["--shard", "0/2", "--fresh"], "--fresh with a shard would remove"),
    ]:
        assert run(*arguments, *more) == 2
        assert message in capsys.readouterr().err
    for text, message in [
        ("2", "expected a shard such as 0/4, the first of four, or auto, got '2'"),
        ("a/b", "expected a shard such as 0/4"),
        ("auto", "auto needs the environment variables SLURM_ARRAY_TASK_ID and SLURM_ARRAY"),
    ]:
        with pytest.raises(SystemExit):
            run(*arguments, "--shard", text)
        assert message in capsys.readouterr().err
    for variables, shard in [
        ({"RANK": "3", "WORLD_SIZE": "8"}, (3, 8)),
        ({"AWS_BATCH_JOB_ARRAY_INDEX": "0", "AWS_BATCH_JOB_ARRAY_SIZE": "9"}, (0, 9)),
    ]:
        with monkeypatch.context() as context:
            for name, value in variables.items():
                context.setenv(name, value)
            assert parse_shard("auto") == shard
    monkeypatch.setenv("RANK", "first")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ArgumentTypeError, match="numbers in RANK and WORLD_SIZE, got 'first'"):
        parse_shard("auto")
    assert not out.exists()


def test_status_says_what_is_done_of_what_and_which_command_resumes_it(
    folder, tmp_path, capsys, monkeypatch
):
    out = tmp_path / "out"
    start(folder, out)
    capsys.readouterr()
    assert run("scan", "status", out, "--json") == 0
    status = json.loads(capsys.readouterr().out)
    assert not status["done"]
    total = {task: blocks["total"] for task, blocks in status["blocks"].items()}
    assert total["objects"] == total["match"] == total["write"] == 6
    assert 0 < status["blocks"]["objects"]["finished"] < 6
    command = ["sskseg", "scan", "run", str(folder / "scan.tif")]
    assert status["continue"].split()[:4] == command
    assert run("scan", "status", out) == 0
    text = capsys.readouterr().out
    assert "Not done. Blocks of a scan of 128 x 192 pixels:\n" in text
    n = status["blocks"]["objects"]["finished"]
    assert f"split into objects:           {of_total(n, 6)}\n" in text
    assert f"Resume with: {status['continue']}\n" in text
    monkeypatch.chdir(tmp_path)  # another folder than that of the run
    assert run("scan", "status", "out") == 0
    assert (
        f"Resume with: cd {json.loads((out / 'run.json').read_text())['directory']} && sskseg"
        in (capsys.readouterr().out)
    )
    # The same command resumes it.
    assert run(*status["continue"].split()[1:]) == 0
    n_objects = json.loads(capsys.readouterr().out)["objects"]
    assert run("scan", "status", out, "--json") == 0
    status = json.loads(capsys.readouterr().out)
    assert (status["done"], status["objects"], status["continue"]) == (True, n_objects, None)
    assert all(n["finished"] == n["total"] for n in status["blocks"].values())
    assert run("scan", "status", out) == 0
    assert f"Done: {count_text(n_objects, 'object')}.\n" in capsys.readouterr().out
    record = json.loads((out / "run.json").read_text())
    assert record["result"]["objects"] == n_objects == len(pd.read_csv(out / "objects.csv"))


@pytest.mark.filterwarnings("ignore:Objects of the scan seem")
def test_the_diameter_of_objects_is_shown_by_a_run(tmp_path, capsys):
    X, y = make_cells(n_samples=2, shape=(64, 64), random_state=0)
    segmenter = SemiSupervisedSegmenter(
        semi_supervision=None, width=4, depth=1, max_steps=1, random_state=0,
        augmentation={"object_size": 20.0},
    )  # fmt: skip
    model = make_pipeline(segmenter, InstanceCounter("components"))
    save_model(model.fit(X, y), tmp_path / "model.sskseg")
    tifffile.imwrite(tmp_path / "scan.tif", np.tile(X[0], (2, 2)))
    arguments = ["scan", "run", tmp_path / "scan.tif", "--model", tmp_path, "--out"]
    for _ in range(2):  # also if the run is finished
        assert run(*arguments, tmp_path / "out", "--object-diameter", "15.5") == 0
        assert capsys.readouterr().out.startswith("object diameter: 15.5 pixels\n")
    assert run(*arguments, tmp_path / "out", "--object-diameter", "15.5", "--json") == 0
    assert json.loads(capsys.readouterr().out)["object_diameter"] == 15.5
    assert run(*arguments, tmp_path / "other") == 0
    shown = f"object diameter: {segmenter.object_diameter_:.3g} pixels\n"
    assert capsys.readouterr().out.startswith(shown)


def test_results_in_zarr_2(folder, tmp_path, capsys):
    out = tmp_path / "out"
    arguments = ["scan", "run", folder / "scan.tif", "--model", folder, "--out", out, *BLOCKS]
    assert run(*arguments, "--zarr-format", "2") == 0
    assert zarr.open(out / "labels" / "0", mode="r", zarr_format=2).shape == (128, 192)
    assert run(*arguments) == 2
    assert "holds a run of another --zarr-format" in capsys.readouterr().err


def test_a_run_of_an_earlier_version_has_no_totals(folder, tmp_path, capsys):
    out = tmp_path / "out"
    start(folder, out)
    file = out / "ledger" / "run.json"
    kept = {name: value for name, value in json.loads(file.read_text()).items() if name != "blocks"}
    file.write_text(json.dumps(kept))
    (out / "run.json").unlink()
    status = scan_status(out)
    assert (status.shape, status.total) == ((), {})
    assert status.finished["objects"] > 0
    assert run("scan", "status", out) == 0
    text = capsys.readouterr().out
    assert (
        f"split into objects:           {count_text(status.finished['objects'], 'block')}\n" in text
    )
    assert "Resume with: the sskseg scan run that wrote this folder\n" in text
    # Nor is it another run.
    assert Ledger(open_storage(out)).run() == kept
    assert run("scan", "run", folder / "scan.tif", "--model", folder, "--out", out, *BLOCKS) == 0


def test_spacing_is_that_of_the_option_where_the_file_has_none(folder, tmp_path, capsys):
    for name, options in (("plain", []), ("sized", ["--spacing", "0.5um"])):
        assert run("scan", "run", folder / "scan.tif", "--model", folder, "--out", tmp_path / name,
                   *options) == 0  # fmt: skip
    assert capsys.readouterr().out.count("Size of a pixel: y 0.5, x 0.5 µm (of --spacing)\n") == 1
    plain, sized = (pd.read_csv(tmp_path / name / "objects.csv") for name in ("plain", "sized"))
    assert len(sized) == len(plain) > 0
    assert np.allclose(sized["area [micrometer^2]"], 0.25 * plain["area [pixel^2]"])
    arguments = ["scan", "run", folder / "scan.tif", "--model", folder, "--out", tmp_path / "x"]
    assert run(*arguments, "--spacing", "1,2,3um") == 2
    assert "--spacing must have one number, or 2, one for each axis" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_the_size_of_the_training_images_where_the_scan_has_none(folder, tmp_path, capsys):
    model = load_model(folder / "model.sskseg")
    model[-1].spacing_, model[-1].unit_ = (0.5, 0.5), "micrometer"
    save_model(model, tmp_path / "sized.sskseg")
    arguments = [folder / "scan.tif", "--model", tmp_path / "sized.sskseg", *BLOCKS]
    assert run("scan", "plan", *arguments) == 0
    assert "size of a pixel: 0.5 x 0.5 micrometer (of the training" in capsys.readouterr().out
    assert run("scan", "run", *arguments, "--out", tmp_path / "out") == 0
    assert "Size of a pixel: y 0.5, x 0.5 µm (of the training images" in capsys.readouterr().out
    assert "area [micrometer^2]" in pd.read_csv(tmp_path / "out" / "objects.csv")
    with pytest.warns(UserWarning, match="A pixel of X is 5 micrometer, and one of the"):
        run("count", *arguments[:3], "--spacing", "5um")


_RED = np.zeros((3, 256), np.uint16)
_RED[0, 1:] = 2**16 - 1


@pytest.mark.parametrize("options", [{}, {"photometric": "palette", "colormap": _RED}])
def test_masks_leave_blocks_out(folder, tmp_path, capsys, options):
    mask = np.zeros((128, 192), np.uint8)
    mask[:64, :64] = 1
    tifffile.imwrite(tmp_path / "mask.tif", mask, **options)
    arguments = ["scan", "run", folder / "scan.tif", "--model", folder, *BLOCKS, "--json"]
    assert run(*arguments, "--out", tmp_path / "all") == 0
    every = json.loads(capsys.readouterr().out)["objects"]
    assert run(*arguments, "--out", tmp_path / "some", "--mask", tmp_path / "mask.tif") == 0
    some = json.loads(capsys.readouterr().out)["objects"]
    assert 0 < some < every
    table = read_object_table(tmp_path / "some" / "objects.csv")
    assert table[["max_y", "max_x"]].to_numpy().max() <= 64  # the maximum excluded
    whole, part = (zarr.open_array(tmp_path / name / "labels" / "0")[:] for name in ("all", "some"))
    assert {*np.unique(part)} == {0, *table["id"]}
    assert not part[mask == 0].any()
    assert whole[part > 0].all()  # the mask adds no foreground


def test_bad_scans_are_messages(folder, tmp_path, capsys, monkeypatch):
    def message_of(*arguments):
        capsys.readouterr()
        assert run("scan", *arguments) == 2
        return capsys.readouterr().err

    model = ["--model", folder]
    assert "is no destination of a scan" in message_of("status", folder)
    tifffile.imwrite(tmp_path / "rgb.tif", np.zeros((64, 64, 3), np.uint8), photometric="rgb")
    message = message_of("plan", tmp_path / "rgb.tif", *model)
    assert f"{tmp_path / 'rgb.tif'} must have 1 channel(s), got 3." in message
    assert " Its axes are yxc, its shape is (" in message
    write_ome_zarr(tmp_path / "volume.zarr", np.zeros((8, 64, 64)))
    message = message_of("plan", tmp_path / "volume.zarr", *model)
    assert (
        "volume.zarr must have 2 spatial axes, as the estimator does, got the axes 'zyx'" in message
    )
    out = tmp_path / "out"
    assert run("scan", "run", folder / "scan.tif", *model, "--out", out, "--json") == 0
    message = message_of("run", folder / "scan.tif", *model, "--out", out, *BLOCKS)
    assert "give another destination, or --fresh to start anew." in message
    message = message_of("run", folder / "scan.tif", *model, "--out", tmp_path)
    assert "holds something else than the output of sskseg scan run." in message

    def fail(*_):
        raise OSError("the disk is full")

    monkeypatch.setitem(scheduler.TASKS, "predict", fail)
    arguments = [folder / "scan.tif", *model, "--out", tmp_path / "failed", "--json"]
    assert run("scan", "run", *arguments) == 1  # no input is bad
    error = capsys.readouterr().err
    assert "the disk is full" in error
    assert "call sskseg scan run again when the cause is gone" in error
    assert "Traceback" not in error


def test_numbers_as_people_read_them():
    sizes = [bytes_text(n) for n in (999, 1000, 2.5e9, 3e18)]
    assert sizes == ["999 bytes", "1 kB", "2.5 GB", "3e+03 PB"]
    times = [duration_text(seconds) for seconds in (0, 1.4, 89, 90, 5400, 36000, 2e5)]
    assert times == [
        "1 second", "1 second", "89 seconds", "2 minutes", "1.5 hours", "10 hours", "2.3 days"
    ]  # fmt: skip
    assert of_total(0, 0) == "0 of 0 blocks (100 %), 0 left"
    assert of_total(1, 1) == "1 of 1 block (100 %), 0 left"
