"""``objects.csv`` of ``count``: mean intensities of the objects in each channel of their file."""

import numpy as np
import pytest
import tifffile
from command_line import run
from sklearn.pipeline import make_pipeline

from sskseg import InstanceCounter, PercentileScaler
from sskseg.io import read_images, read_labels, read_object_table, read_rois
from sskseg.models import load_model, save_model

BLOCK = np.zeros((32, 32), np.uint8)
BLOCK[2:10, 2:10] = BLOCK[20:30, 20:26] = 200  # two objects
OTHER = np.arange(32 * 32, dtype=np.uint16).reshape(32, 32)  # what is to be measured in them


@pytest.fixture
def model(tmp_path):
    return save(tmp_path, "independent")


def save(folder, sections):
    """A model that learned nothing: what is bright is an object."""
    counter = InstanceCounter("components", min_size=0, sections=sections)
    scaler = PercentileScaler(percentiles=(0, 100), scope="image")
    file = folder / f"{sections}.sskseg"
    save_model(make_pipeline(scaler, counter).fit(BLOCK[None].astype(float)), file)
    return file


def write(path, channels, names=None):
    path.parent.mkdir(exist_ok=True)
    metadata = {"axes": "CYX"} | ({"Channel": {"Name": names}} if names else {})
    tifffile.imwrite(path, np.stack(channels).astype(np.uint16), ome=True, metadata=metadata)


def count(images, model, out, *more):
    assert run("count", images, "--model", model, "--out", out, "--json", *more) == 0
    return read_object_table(out / "objects.csv")


def means(label, image):
    return [image[label == i].mean() for i in np.unique(label[label > 0])]


def test_each_channel_of_the_file_by_its_name(model, tmp_path):
    write(tmp_path / "images" / "a.ome.tif", [OTHER, BLOCK], ["GFP [488 nm]", "DAPI"])
    table = count(tmp_path / "images", model, tmp_path / "out", "--channel", "DAPI",
                  "--rois", "geojson", "--rois", "imagej")  # fmt: skip
    columns = ["mean_intensity_GFP 488 nm", "mean_intensity_DAPI"]
    assert table.columns[-2:].tolist() == columns
    label = read_labels(tmp_path / "out")[1][0]
    assert len(table) == 2
    assert table[columns[0]].tolist() == pytest.approx(means(label, OTHER))
    assert table[columns[1]].tolist() == [200, 200]
    assert table.attrs["units"]["area"] == "pixel^2"
    for kind in ("imagej", "geojson"):
        _, (rois,) = read_rois(tmp_path / "out" / kind, BLOCK.shape)
        found = rois.table.set_index("id")
        assert found[columns[0]].tolist() == pytest.approx(means(label, OTHER))


def test_channels_without_names_are_numbered(model, tmp_path):
    write(tmp_path / "images" / "a.ome.tif", [BLOCK, OTHER])
    table = count(tmp_path / "images", model, tmp_path / "a", "--channel", 0)
    assert table.columns[-2:].tolist() == ["mean_intensity_0", "mean_intensity_1"]
    _, X = read_images(tmp_path / "images")
    scaler, counter = load_model(model)
    of_python = counter.measure(scaler.transform(X[0][None, ..., 0]), intensity=X)
    columns = ["id", "mean_intensity_0", "mean_intensity_1"]
    np.testing.assert_allclose(table[columns], of_python[columns])
    tifffile.imwrite(tmp_path / "b.tif", BLOCK)
    table = count(tmp_path / "b.tif", model, tmp_path / "b", "--invert-images")
    assert table.columns[-1] == "mean_intensity"
    # The background, whose holes are filled, with the values of the file: not inverted.
    assert table.mean_intensity.tolist() == [BLOCK.mean()]


def test_files_with_other_channels(model, tmp_path):
    images = tmp_path / "images"
    write(images / "a.ome.tif", [BLOCK, OTHER], ["DAPI", "GFP"])
    write(images / "b.ome.tif", [OTHER, BLOCK], ["gfp", "Dapi"])
    write(images / "c.ome.tif", [BLOCK], ["DAPI"])
    table = count(images, model, tmp_path / "out", "--channel", "DAPI")
    assert table.columns[-2:].tolist() == ["mean_intensity_DAPI", "mean_intensity_GFP"]
    assert table["mean_intensity_DAPI"].tolist() == [200] * 6
    gfp = table.set_index("image")["mean_intensity_GFP"]
    assert gfp["a"].tolist() == gfp["b"].tolist()
    assert gfp["c"].isna().all()


def test_objects_of_sections_have_the_mean_over_all_of_them(tmp_path):
    model = save(tmp_path, "consecutive")
    other = np.stack([OTHER, OTHER + 100, OTHER])
    objects = np.stack([BLOCK, np.where(np.arange(32) < 6, BLOCK, 0), BLOCK * (OTHER > 600)])
    pixels = np.stack([objects, other], axis=1).astype(np.uint16)
    tifffile.imwrite(tmp_path / "stack.tif", pixels, imagej=True, metadata={"axes": "ZCYX"})
    table = count(tmp_path / "stack.tif", model, tmp_path / "out", "--channel", 0)
    label = read_labels(tmp_path / "out")[1]
    assert len(table) == 3
    assert table["mean_intensity_1"].tolist() == pytest.approx(means(np.stack(label), other))


def test_images_without_an_object(model, tmp_path):
    tifffile.imwrite(tmp_path / "empty.tif", np.zeros((32, 32), np.uint8))
    table = count(tmp_path / "empty.tif", model, tmp_path / "out")
    assert len(table) == 0
    assert table.columns[-1] == "mean_intensity"
