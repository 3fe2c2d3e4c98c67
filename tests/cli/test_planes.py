"""Volumes that a model of planes counts plane by plane."""

import numpy as np
import pytest
import tifffile
from sklearn.pipeline import make_pipeline

from sskseg import InstanceCounter, PercentileScaler
from sskseg.cli import main
from sskseg.models import save_model


@pytest.fixture
def stack(tmp_path):
    """A z-stack of Fiji with one object in all of its three planes."""
    X = np.zeros((3, 32, 32), np.float32)
    X[:, 4:12, 4:12] = 1
    tifffile.imwrite(tmp_path / "stack.tif", X, imagej=True, metadata={"axes": "ZYX"})
    return tmp_path / "stack.tif", X


def run(stack, tmp_path, sections):
    file, X = stack
    counter = InstanceCounter("components", min_size=0, sections=sections)
    model = make_pipeline(PercentileScaler(scope="dataset"), counter).fit(X)
    save_model(model, tmp_path / "model.sskseg")
    return main(["count", str(file), "--model", str(tmp_path / "model.sskseg")])


def test_planes_that_count_as_images_are_warned_of(stack, tmp_path, capsys):
    with pytest.warns(
        UserWarning, match="stack.tif has 3 planes along z, and this model takes each"
    ):
        assert run(stack, tmp_path, "independent") == 0
    assert "3 objects" in capsys.readouterr().out


def test_sections_of_a_stack_are_not(stack, tmp_path, capsys):
    assert run(stack, tmp_path, "consecutive") == 0
    assert "1 object in 3 sections" in capsys.readouterr().out
