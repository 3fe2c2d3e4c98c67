"""Tiles are written without counts, and what a person found is read back."""

import json

import numpy as np
import pandas as pd
import pytest
import tifffile
from skimage.measure import regionprops_table

from sskseg.datasets import make_cells
from sskseg.io import read_image, write_labels, write_rois
from sskseg.totals import (
    count_tiles,
    estimate_total,
    plan_audit,
    read_audit,
    read_plan,
    write_audit,
)


def centroids(labels):
    found = regionprops_table(labels, properties=("centroid",))
    return pd.DataFrame({f"centroid_{a}": found[f"centroid-{i}"] for i, a in enumerate("yx")})


@pytest.fixture
def audit(tmp_path):
    X, y = make_cells(n_samples=2, shape=(96, 100), radius=6, random_state=0)
    parts = [count_tiles([centroids(labels)], (96, 100), 32).assign(image=i)
             for i, labels in enumerate(y)]  # fmt: skip
    tiles = pd.concat(parts, ignore_index=True)
    plan = plan_audit(tiles, 8, certain=np.arange(len(tiles)) == 3, random_state=0)
    write_audit(plan, list(X), tmp_path, margin=20)
    return tmp_path, plan, X, y


def crop(labels, plan, i, margin=20):
    tile = plan.tiles.loc[i]
    rows, columns = (slice(max(0, tile[a] - margin), tile[a + "_stop"] + margin) for a in "yx")
    return labels[tile["image"]][rows, columns]


def test_plans_are_read_as_written(audit):
    folder, plan, X, _ = audit
    again = read_plan(folder)
    pd.testing.assert_frame_equal(again.tiles, plan.tiles, check_dtype=False)
    np.testing.assert_allclose(again.probability, plan.probability)
    assert sorted(again.draws) == sorted(plan.draws)
    assert again.to_audit.tolist() == plan.to_audit.tolist()
    files = sorted((folder / "images").iterdir())
    assert [int(file.stem[5:]) for file in files] == plan.to_audit.tolist()
    for i, file in zip(plan.to_audit, files, strict=True):
        np.testing.assert_array_equal(read_image(file), crop(X, plan, i))
    assert "count" not in pd.read_csv(folder / "frames.csv")


@pytest.mark.parametrize(
    "names",
    [("NA", "CA1"), ("NA", "NA"), ("nan", "nan"), (7, 12), ("007", "x"), ("007", "008")],
)
def test_regions_of_a_plan_are_read_as_written(tmp_path, names):
    tiles = count_tiles([pd.DataFrame({"centroid_y": [1.0], "centroid_x": [2.0]})], (8, 8), 4)
    plan = plan_audit(tiles.assign(region=[*names, *names]), 4, random_state=0)
    write_audit(plan, [np.zeros((8, 8), np.uint8)], tmp_path)
    assert read_plan(tmp_path).tiles["region"].tolist() == [*names, *names]


def test_tiles_without_a_region_are_refused():
    tiles = pd.DataFrame({"count": [1, 2], "disagreement": [0, 1], "region": ["CA1", None]})
    with pytest.raises(ValueError, match=r"must name the region of each tile, got none for tile 1"):
        plan_audit(tiles, 2)


def test_label_images_of_all_objects_give_the_counts_of_the_tiles(audit):
    folder, plan, _, y = audit
    (folder / "annotations").mkdir()
    for i in plan.to_audit:
        labels = crop(y, plan, i)
        write_labels(folder / "annotations" / f"tile_{i:06d}.tif", [labels])
    counts = read_audit(folder)
    assert counts == {i: plan.tiles["count"][i] for i in plan.to_audit}
    with pytest.warns(UserWarning, match="errors of all .* are equal"):
        result = estimate_total(read_plan(folder), counts)
    assert result.total == plan.tiles["count"].sum()
    (folder / "annotations" / f"tile_{plan.to_audit[0]:06d}.tif").unlink()
    with pytest.raises(ValueError, match=f"no annotations of .'tile_{plan.to_audit[0]:06d}'"):
        read_audit(folder)


def test_masks_are_counted_by_components(audit):
    """As Fiji writes them, 0 and 255; a tile may have one object, and another one none."""
    folder, plan, X, _ = audit
    (folder / "annotations").mkdir()
    frames = pd.read_csv(folder / "frames.csv").set_index("tile")
    for k, i in enumerate(plan.to_audit):
        mask = np.zeros(crop(X, plan, i).shape, np.uint8)
        y, x = frames.loc[i, ["y", "x"]]
        for n in range(k % 4):
            mask[y + 6 * n : y + 6 * n + 3, x : x + 3] = 255
        tifffile.imwrite(folder / "annotations" / f"tile_{i:06d}.tif", mask)
    assert read_audit(folder) == {i: k % 4 for k, i in enumerate(plan.to_audit)}


def test_rois_are_counted_by_centroids_and_points(audit):
    folder, plan, X, _ = audit
    (folder / "annotations").mkdir()
    frames = pd.read_csv(folder / "frames.csv").set_index("tile")
    for i in plan.to_audit:
        labels = np.zeros(crop(X, plan, i).shape, np.int32)
        y, x = frames.loc[i, ["y", "x"]]
        labels[y : y + 2, x : x + 2] = 1
        labels[y + 6 : y + 9, x : x + 3] = 2
        labels[: min(y, 3), :3] = 3  # in the margin
        write_rois(folder / "annotations" / f"tile_{i:06d}.geojson", labels)
    assert read_audit(folder) == dict.fromkeys(plan.to_audit, 2)
    first = plan.to_audit[0]
    file = folder / "annotations" / f"tile_{first:06d}.geojson"
    point = {"type": "Point", "coordinates": (frames.loc[first, ["x", "y"]] + 1).tolist()}
    content = json.loads(file.read_text())
    content["features"].append({"type": "Feature", "geometry": point, "properties": {}})
    file.write_text(json.dumps(content))
    assert read_audit(folder) == {i: 2 + (i == first) for i in plan.to_audit}


def test_annotations_of_several_kinds_are_refused(audit):
    folder, plan, _, y = audit
    marks = folder / "annotations"
    marks.mkdir()
    first, *others = [f"tile_{i:06d}" for i in plan.to_audit]
    labels = {f"tile_{i:06d}": crop(y, plan, i) for i in plan.to_audit}
    for name in others:
        write_labels(marks / f"{name}.tif", [labels[name]])
    write_rois(marks / f"{first}.zip", labels[first])
    kinds = rf"label images \('{others[0]}.tif', .*\) and files of regions \('{first}.zip'\)"
    with pytest.raises(ValueError, match=f"must have annotations of one kind, got {kinds}"):
        read_audit(folder)
    (marks / f"{first}.zip").unlink()
    (marks / f"{first}.csv").write_text("y,x\n")
    with pytest.raises(ValueError, match=rf"and tables of points \('{first}.csv'\)"):
        read_audit(folder)
    write_labels(marks / f"{first}.tif", [labels[first]])
    counts = {i: plan.tiles["count"][i] for i in plan.to_audit}
    with pytest.warns(UserWarning, match=rf"tables of the same tiles, .* out: '{first}.csv'"):
        assert read_audit(folder) == counts
    (marks / f"{first}.csv").rename(marks / "Results.csv")  # as Fiji writes measurements
    assert read_audit(folder) == counts
    write_rois(marks / f"{first}.zip", labels[first])  # in place of what may be the image
    with pytest.raises(ValueError, match=rf"files of regions \('{first}.zip'\)"):
        read_audit(folder)
    (marks / f"{first}.zip").unlink()
    for name in others:
        (marks / f"{name}.tif").unlink()
    write_rois(marks / f"{others[0]}.zip", labels[others[0]])
    (marks / f"{first}.tif").unlink()
    with pytest.raises(ValueError, match=r"tables of points \('Results.csv'\) and files of reg"):
        read_audit(folder)


@pytest.mark.parametrize("with_images", [False, True])
def test_regions_of_cellpose_beside_its_masks(audit, with_images):
    """For Fiji, Cellpose writes the outlines of its masks as ROIs, too."""
    folder, plan, X, y = audit
    marks = folder / "annotations"
    marks.mkdir()
    for i in plan.to_audit:
        name, masks = f"tile_{i:06d}", crop(y, plan, i)
        tifffile.imwrite(marks / f"{name}_cp_masks.tif", masks.astype(np.uint16))
        if masks.any():
            write_rois(marks / f"{name}_rois.zip", masks)
        if with_images:
            tifffile.imwrite(marks / f"{name}.tif", crop(X, plan, i))
    with pytest.warns(UserWarning, match=r"masks of Cellpose, which are read, and files of reg"):
        assert read_audit(folder) == {i: plan.tiles["count"][i] for i in plan.to_audit}
    first = next(marks.glob("*_rois.zip")).name.removesuffix("_rois.zip")
    (marks / f"{first}_cp_masks.tif").unlink()
    (marks / f"{first}.tif").unlink(missing_ok=True)
    expected = rf"of one kind, got label images .* and files of regions \('{first}_rois.zip'\)"
    with pytest.raises(ValueError, match=expected):
        read_audit(folder)


def test_an_audit_that_has_not_begun(audit):
    folder, *_ = audit
    for _ in range(2):
        with pytest.raises(FileNotFoundError, match="counts.csv does not exist: count the tiles"):
            read_audit(folder)
        (folder / "annotations").mkdir(exist_ok=True)
    with pytest.raises(FileNotFoundError, match="elsewhere does not exist: count the tiles in"):
        read_audit(folder, folder / "elsewhere")


def test_points_are_counted_in_the_frame(audit):
    folder, plan, _, _ = audit
    (folder / "clicks").mkdir()
    frames = pd.read_csv(folder / "frames.csv").set_index("tile")
    for i in plan.to_audit:
        y, x, y_stop, x_stop = frames.loc[i, ["y", "x", "y_stop", "x_stop"]]
        table = pd.DataFrame({"y": [y, y_stop - 1, y_stop, y - 1], "x": [x, x_stop - 1, x, x]})
        table.to_csv(folder / "clicks" / f"tile_{i:06d}.csv", index=False)
    assert read_audit(folder, folder / "clicks") == dict.fromkeys(plan.to_audit, 2)


def test_counts_are_read_from_a_table(audit):
    folder, plan, _, _ = audit
    file = folder / "counts.csv"
    names = [f"tile_{i:06d}" for i in plan.to_audit]
    pd.DataFrame({"name": names, "count": range(len(names))}).to_csv(file, index=False)
    assert list(read_audit(folder, file).values()) == list(range(len(names)))
    (folder / "annotations").mkdir(exist_ok=True)
    (folder / "annotations" / ".DS_Store").touch()  # which a system adds
    assert read_audit(folder) == read_audit(folder, file)
    pd.DataFrame({"name": names[1:], "count": 1}).to_csv(file, index=False)
    with pytest.raises(ValueError, match="no annotations of"):
        read_audit(folder, file)
    pd.DataFrame({"name": [*names, "tile_999999"], "count": 1}).to_csv(file, index=False)
    with pytest.raises(ValueError, match="tile_999999.*not of the plan"):
        read_audit(folder, file)
    pd.DataFrame({"name": names}).to_csv(file, index=False)
    with pytest.raises(ValueError, match=r"lacks \['count'\]"):
        read_audit(folder, file)


def test_a_plan_is_never_overwritten(audit):
    folder, plan, X, _ = audit
    before = (folder / "plan.csv").read_bytes()
    with pytest.raises(FileExistsError, match="choose another folder"):
        write_audit(plan, list(X), folder)
    assert (folder / "plan.csv").read_bytes() == before
    with pytest.raises(ValueError, match="images must have position 1"):
        write_audit(plan, list(X[:1]), folder / "other")
    with pytest.raises(ValueError, match="margin must not be negative"):
        write_audit(plan, list(X), folder / "other", margin=-1)
    bare = plan_audit(plan.tiles[["count", "disagreement"]], 3)
    with pytest.raises(ValueError, match="must have y, x, y_stop and x_stop"):
        write_audit(bare, list(X), folder / "other")
    with pytest.raises(FileNotFoundError, match="plan.csv does not exist"):
        read_plan(folder / "other")


@pytest.mark.parametrize("hidden", [".DS_Store", "Thumbs.db", "desktop.ini"])
def test_hidden_files_are_no_annotations(audit, hidden):
    folder, plan, *_ = audit
    (folder / "annotations").mkdir()
    (folder / "annotations" / hidden).write_bytes(b"\0")
    lines = [f"tile_{i:06d};{i},0" for i in plan.to_audit]
    (folder / "counts.csv").write_text("\n".join(["sep=;", "name;count", *lines, ";"]))
    assert read_audit(folder) == {i: i for i in plan.to_audit}
