"""``--channel``: commands read one channel of images that have several."""

import json

import numpy as np
import pandas as pd
import pytest
import tifffile
from command_line import TINY, run

from sskseg.datasets import make_cells
from sskseg.io import read_images, read_labels, write_labels
from sskseg.models import files, load_metadata, load_model, save_model


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Cells in the channel GFP and noise in DAPI, the same cells alone, labels and a model."""
    folder = tmp_path_factory.mktemp("channels")
    X, y = make_cells(n_samples=3, shape=(64, 64), random_state=0)
    noise = np.random.default_rng(0).random(X.shape, np.float32)
    for name in ("two", "one", "labels"):
        (folder / name).mkdir()
    metadata = {"axes": "CYX", "Channel": {"Name": ["DAPI", "GFP"]}}
    for i in range(3):
        both = np.stack([noise[i], X[i]])
        tifffile.imwrite(folder / "two" / f"c{i}.ome.tif", both, metadata=metadata)
        tifffile.imwrite(folder / "one" / f"c{i}.tif", X[i])
        write_labels(folder / "labels" / f"c{i}.tif", [y[i]])
    labels = ["--labels", folder / "labels"]
    assert run("fit", folder / "one", *labels, "--out", folder / "model", *TINY) == 0
    assert run("fit", folder / "two", *labels, "--channel", "GFP", "--out", folder / "same",
               *TINY) == 0  # fmt: skip
    return folder


@pytest.fixture
def counts(folder, capsys):
    def count(*arguments):
        assert run("count", *arguments, "--json") == 0
        return json.loads(capsys.readouterr().out)["counts"]

    return count


def test_fit_and_count_read_the_channel(folder, counts):
    expected = counts(folder / "one", "--model", folder / "model")
    assert sum(expected.values()) > 0
    for model in ("model", "same"):
        for channel in ("GFP", "gfp", 1):
            arguments = [folder / "two", "--model", folder / model, "--channel", channel]
            assert counts(*arguments) == expected


def test_other_commands_read_it(folder, tmp_path, capsys):
    options = ["--model", folder / "model"]
    second = [*options, "--channel", "GFP"]
    assert run("predict", folder / "one", *options, "--out", tmp_path / "a") == 0
    assert run("predict", folder / "two", *second, "--out", tmp_path / "b") == 0
    for a, b in zip(read_labels(tmp_path / "a")[1], read_labels(tmp_path / "b")[1], strict=True):
        assert np.array_equal(a, b)
    audit = [*second, "--tile", 32, "--audits", 2, "--margin", 0, "--out", tmp_path / "audit"]
    assert run("totals", "plan", folder / "two", *audit) == 0
    tile = next((tmp_path / "audit" / "images").iterdir())
    assert tifffile.imread(tile).shape == (32, 32)
    capsys.readouterr()
    suggested = []
    for name, more in (("one", []), ("two", ["--channel", "GFP"])):
        assert run("suggest", folder / name, "--number", 1, *more, "--json") == 0
        suggested.append(json.loads(capsys.readouterr().out)["suggested"])
    assert suggested[0] == suggested[1]


def test_report_reads_it(folder, tmp_path):
    pytest.importorskip("matplotlib")
    labels = ["--labels", folder / "labels", "--trained-on", folder / "labels"]
    assert run("report", folder / "two", "--model", folder / "model", "--channel", 1, *labels,
               "--out", tmp_path / "a.html") == 0  # fmt: skip
    assert ", 1 channel<" in (tmp_path / "a.html").read_text(encoding="utf-8")


def test_scans_of_another_channel_are_not_resumed(folder, tmp_path, capsys):
    pytest.importorskip("zarr")
    model = tmp_path / "model.sskseg"
    labels = ["--labels", folder / "labels", "--scaler-scope", "dataset"]
    assert run("fit", folder / "one", *labels, "--out", model, *TINY) == 0
    for source, out, more in (("one/c0.tif", "a", []), ("two/c0.ome.tif", "b", ["--channel", 1])):
        arguments = [folder / source, "--model", model, "--out", tmp_path / out, *more]
        assert run("scan", "run", *arguments, "--json") == 0
    a, b = (pd.read_csv(tmp_path / name / "objects.csv") for name in "ab")
    pd.testing.assert_frame_equal(a, b)
    arguments = [folder / "two" / "c0.ome.tif", "--model", model, "--out", tmp_path / "b"]
    capsys.readouterr()
    assert run("scan", "run", *arguments, "--channel", 0) == 2
    assert "--fresh" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["count"], ["scan", "plan"]])
def test_messages_name_the_file_and_the_option(folder, command, capsys):
    file = folder / "two" / "c0.ome.tif"
    advice = "Read the channel that shows the objects, with --channel and one of 'DAPI', 'GFP'."
    assert run(*command, file, "--model", folder / "model") == 2
    error = capsys.readouterr().err
    assert f"{file} must have 1 channel(s), got 2" in error
    assert advice in error
    assert run("count", folder / "two", "--model", folder / "model") == 2
    assert f"got 2 ({file}). {advice}" in capsys.readouterr().err
    assert run(*command, file, "--model", folder / "model", "--channel", "RFP") == 2
    error = capsys.readouterr().err
    assert f"{file}" in error
    assert "--channel must be a number from 0 to 1 or one of 'DAPI', 'GFP', got 'RFP'" in error


def test_images_with_different_numbers_of_channels(folder, tmp_path, capsys):
    (tmp_path / "images").mkdir()
    one = tifffile.imread(folder / "one" / "c0.tif")
    tifffile.imwrite(tmp_path / "images" / "c0.tif", one)
    tifffile.imwrite(tmp_path / "images" / "c1.tif", np.stack([one, one]), imagej=True,
                     metadata={"axes": "CYX"})  # fmt: skip
    (tmp_path / "labels").mkdir()
    write_labels(tmp_path / "labels" / "c0.tif", [one > 0.5])
    arguments = [tmp_path / "images", "--labels", tmp_path / "labels", "--out", tmp_path / "m"]
    assert run("fit", *arguments, "--dry-run") == 2
    error = capsys.readouterr().err
    assert "got 1 (" in error
    assert "with --channel 0 if it is the first." in error
    assert run("fit", *arguments, "--dry-run", "--channel", 0) == 0


def test_a_model_remembers_its_channel(folder, counts, tmp_path, capsys):
    expected = counts(folder / "two", "--model", folder / "same", "--channel", "GFP")
    assert sum(expected.values()) > 0
    assert counts(folder / "two", "--model", folder / "same") == expected
    assert counts(folder / "one", "--model", folder / "same") == expected  # the channel alone
    assert counts(folder / "two", "--model", folder / "same", "--channel", 0) != expected
    assert run("info", folder / "same", "--json") == 0
    channel = {"index": 1, "name": "GFP"}
    assert json.loads(capsys.readouterr().out)["channel"] == channel
    assert load_metadata(folder / "same" / "model.sskseg") == {"channel": channel}
    assert run("count", folder / "two", "--model", folder / "same") == 0
    text = capsys.readouterr().out
    assert "trained on channel 1 ('GFP'): of images with several, it is read" in text
    assert run("predict", folder / "one", "--model", folder / "same", "--out", tmp_path / "a") == 0
    assert run("predict", folder / "two", "--model", folder / "same", "--out", tmp_path / "b") == 0
    for a, b in zip(read_labels(tmp_path / "a")[1], read_labels(tmp_path / "b")[1], strict=True):
        assert np.array_equal(a, b)


def write_channels(path, names, swap=False):
    """Cells in the channel 1 (0 if they swap), noise in the other one."""
    X, _ = make_cells(n_samples=1, shape=(64, 64), random_state=0)
    noise = np.random.default_rng(0).random(X[0].shape, np.float32)
    metadata = {"axes": "CYX"} | ({"Channel": {"Name": names}} if names else {})
    pixels = np.stack([X[0], noise] if swap else [noise, X[0]])
    path.parent.mkdir(exist_ok=True)
    tifffile.imwrite(path, pixels, ome=True, metadata=metadata)
    return path.parent


def test_the_name_of_a_channel_comes_first(folder, counts, tmp_path, capsys):
    model = ["--model", folder / "same"]
    expected = counts(folder / "two" / "c0.ome.tif", *model)["c0"]
    swapped = write_channels(tmp_path / "swapped" / "a.ome.tif", ["GFP", "DAPI"], swap=True)
    assert counts(swapped, *model) == {"a": expected}
    nameless = write_channels(tmp_path / "nameless" / "a.ome.tif", None)
    with pytest.warns(UserWarning, match=r"a\.ome\.tif does not name its channels: channel 1 is"):
        assert counts(nameless, *model) == {"a": expected}
    others = write_channels(tmp_path / "others" / "a.ome.tif", ["DAPI", "RFP"])
    assert run("count", others, *model) == 2
    assert (
        "a.ome.tif cannot be read: --channel must be given: the model was trained on channel 1 "
        "('GFP'), and there is 'DAPI', 'RFP'."
    ) in capsys.readouterr().err
    assert counts(others, *model, "--channel", 1) == {"a": expected}
    scan = [others / "a.ome.tif", *model]
    assert run("scan", "plan", *scan) == 2
    assert "the model was trained on channel 1 ('GFP')" in capsys.readouterr().err
    with pytest.warns(UserWarning, match=r"a\.ome\.tif does not name its channels: channel 1 is"):
        assert run("scan", "plan", nameless / "a.ome.tif", *model) == 0


def test_files_that_name_a_channel_differently_are_not_mixed(tmp_path, capsys):
    write_channels(tmp_path / "a.ome.tif", ["DAPI", "GFP"])
    write_channels(tmp_path / "b.ome.tif", ["GFP", "DAPI"], swap=True)
    with pytest.raises(ValueError, match=r"'DAPI' in .*a\.ome\.tif and 'GFP' in .*b\.ome\.tif"):
        read_images(tmp_path, channel=0)
    assert run("suggest", tmp_path, "--channel", 1) == 2
    error = capsys.readouterr().err
    assert "--channel must be the same in all files, got 1, which is 'GFP' in" in error
    _, X = read_images(tmp_path, channel="GFP")
    assert np.array_equal(X[0], X[1])
    with pytest.warns(UserWarning, match="as if they were the same"):
        read_images(tmp_path)


def test_a_model_of_all_channels_remembers_their_order(folder, counts, tmp_path, capsys):
    model = tmp_path / "all"
    arguments = ["fit", folder / "two", "--labels", folder / "labels", "--out", model, *TINY]
    assert run(*arguments) == 0
    capsys.readouterr()
    assert load_metadata(model / "model.sskseg") == {"channels": ["DAPI", "GFP"]}
    same = counts(folder / "two" / "c0.ome.tif", "--model", model)["c0"]
    swapped = write_channels(tmp_path / "swapped" / "a.ome.tif", ["GFP", "DAPI"], swap=True)
    assert run("count", swapped, "--model", model) == 2
    assert "a.ome.tif has the channels GFP, DAPI, and the model was trained on DAPI, GFP, in" in (
        capsys.readouterr().err
    )
    assert run("scan", "plan", swapped / "a.ome.tif", "--model", model) == 2
    assert "a.ome.tif has the channels GFP, DAPI, and" in capsys.readouterr().err
    others = write_channels(tmp_path / "others" / "a.ome.tif", ["Hoechst", "Alexa488"])
    with pytest.warns(UserWarning, match="channels Hoechst, Alexa488, and the model was trained"):
        assert counts(others, "--model", model) == {"a": same}
    write_channels(others / "b.ome.tif", ["GFP", "DAPI"], swap=True)
    with pytest.warns(UserWarning, match="as if they were the same"):  # of the reader
        assert run("count", others, "--model", model) == 2
    assert "b.ome.tif has the channels GFP, DAPI, and" in capsys.readouterr().err


def test_files_may_write_a_name_in_other_cases(tmp_path):
    write_channels(tmp_path / "a.ome.tif", ["DAPI", "GFP"])
    write_channels(tmp_path / "b.ome.tif", ["gfp", "dapi"], swap=True)
    _, X = read_images(tmp_path, channel="Gfp")  # without a warning
    assert np.array_equal(X[0], X[1])


def test_names_that_only_differ_are_a_warning(tmp_path):
    write_channels(tmp_path / "a.ome.tif", ["DAPI 100ms", "GFP 50ms"])
    write_channels(tmp_path / "b.ome.tif", ["DAPI 120ms", "GFP 50ms"])
    with pytest.warns(UserWarning, match=r"has 'DAPI 100ms', and .* has 'DAPI 120ms'"):
        _, X = read_images(tmp_path, channel=0)
    assert len(X) == 2
    assert len(read_images(tmp_path, channel=1)[0]) == 2


def test_labels_of_fiji_that_name_a_file_are_no_channels(tmp_path):
    for name in "ab":
        labels = [f"c:{i}/2 - {name}.tif" for i in (1, 2)]
        tifffile.imwrite(tmp_path / f"{name}.tif", np.zeros((2, 8, 8), np.uint8), imagej=True,
                         metadata={"axes": "CYX", "Labels": labels})  # fmt: skip
    assert len(read_images(tmp_path, channel=1)[0]) == 2


def test_a_damaged_channel_of_a_model(folder, tmp_path, capsys, monkeypatch):
    path = tmp_path / "m.sskseg"
    model = load_model(folder / "model" / "model.sskseg")
    for channel in (1, {"index": -1, "name": "GFP"}, {"index": 1}):
        with pytest.raises(ValueError, match=r"metadata\['channel'\] must have an index from 0"):
            save_model(model, path, metadata={"channel": channel})
    with monkeypatch.context() as patch:
        patch.setattr(files, "_check_channel", lambda metadata: None)
        save_model(model, path, metadata={"channel": {"index": -1, "name": "GFP"}})
    assert run("count", folder / "one", "--model", path) == 2
    assert f"{path} is damaged: metadata['channel'] must have" in capsys.readouterr().err
    assert load_metadata(folder / "model" / "model.sskseg") == {}


def test_images_in_color_may_be_for_the_model_of_stained_tissue(tmp_path, capsys):
    colors = np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", colors, photometric="rgb")
    assert run("count", tmp_path, "--model", "nuclei") == 2
    error = capsys.readouterr().err
    assert "must have 1 channel(s), got 3" in error
    assert "with --channel 0 if it is the first." in error
    assert "For stained tissue in color, use the trained model nuclei-stained." in error
    gray = tmp_path / "b.tif"
    tifffile.imwrite(gray, colors[..., 0])
    assert run("count", tmp_path, "--model", "nuclei") == 2
    assert "nuclei-stained" not in capsys.readouterr().err
