"""Folders with labels of several kinds, and overlays inside images: nothing is left out."""

import shutil
import unicodedata
import zipfile

import numpy as np
import pytest
import tifffile

from sskseg.cli import main
from sskseg.datasets import make_cells
from sskseg.io import read_labels, read_pairs, read_points, write_labels, write_rois

pytest.importorskip("roifile")
X, Y = make_cells(n_samples=5, shape=(40, 48), random_state=0)
X, Y = X.astype(np.float32), [np.asarray(y, np.int32) for y in Y]


def rois_of(labels, folder):
    """The bytes of each ROI."""
    write_rois(folder / "rois.zip", labels)
    with zipfile.ZipFile(folder / "rois.zip") as archive:
        found = [archive.read(name) for name in archive.namelist()]
    (folder / "rois.zip").unlink()
    return found


def write_image(folder, i, **metadata):
    tifffile.imwrite(folder / f"c{i}.tif", X[i], imagej=True, metadata=metadata)


@pytest.fixture
def folder(tmp_path):
    """Five images; labels of the first four, each in a file of another kind."""
    for name in ("images", "labels"):
        (tmp_path / name).mkdir()
    for i in range(5):
        write_image(tmp_path / "images", i)
    labels = tmp_path / "labels"
    write_rois(labels / "c0.zip", Y[0])
    write_labels(labels / "c1.tif", [Y[1]])
    np.save(labels / "c2_seg.npy", {"masks": Y[2].astype(np.uint16)})
    write_rois(labels / "c3.geojson", Y[3])
    return tmp_path


def same(y, expected):
    assert [label is None for label in y] == [label is None for label in expected]
    for a, b in zip(y, expected, strict=True):
        assert a is None or np.array_equal(a, b)


def test_each_image_has_a_file_of_any_kind(folder):
    names, _, y = read_pairs(folder / "images", folder / "labels")
    assert names == ["c0", "c1", "c2", "c3", "c4"]
    same(y, [*Y[:4], None])
    # As files beside images, where the label image has a suffix.
    (folder / "labels" / "c1.tif").rename(folder / "labels" / "c1_mask.tif")
    for file in (folder / "labels").iterdir():
        shutil.copy(file, folder / "images")
    same(read_pairs(folder / "images", folder / "images")[2], [*Y[:4], None])
    found, y = read_labels(folder / "images")
    same([dict(zip(found, y, strict=True))[f"c{i}"] for i in range(4)], Y[:4])


def test_copies_of_images_beside_regions_are_no_labels(folder):
    for i in (0, 4):
        shutil.copy(folder / "images" / f"c{i}.tif", folder / "labels")
    same(read_pairs(folder / "images", folder / "labels")[2], [*Y[:4], None])


def test_label_images_with_and_without_a_suffix(folder):
    labels = folder / "labels"
    write_labels(labels / "c4_mask.tif", [Y[4]])
    same(read_pairs(folder / "images", labels)[2], Y)
    shape = [label.shape for label in Y]
    same(read_labels(labels, [f"c{i}" for i in range(5)], shape=shape)[1], Y)
    for i in (0, 3):
        next(labels.glob(f"c{i}.*")).unlink()
    (labels / "c2_seg.npy").unlink()
    same(read_labels(labels)[1], [Y[1], Y[4]])


def test_a_mask_beside_regions_is_a_warning(folder):
    """Objects of the regions are numbered: those of the mask would count as one, in silence."""
    tifffile.imwrite(folder / "labels" / "c1.tif", np.uint8(255 * (Y[1] > 0)))
    with pytest.warns(UserWarning, match=r"c1.tif. In .*c0.zip.* beside them a mask is one object"):
        read_pairs(folder / "images", folder / "labels")


@pytest.mark.parametrize("other", ["c0.tif", "c0_mask.tif"])
def test_two_files_of_an_image_are_refused(folder, other):
    write_labels(folder / "labels" / other, [Y[0]])
    with pytest.raises(ValueError, match=rf"several files with labels of 'c0': '{other}', 'c0.zip"):
        read_pairs(folder / "images", folder / "labels")


def test_regions_of_several_images_in_a_file(folder):
    (folder / "labels" / "c0.zip").unlink()
    kind = {"format": "coco", "names": ["c0.tif"]}
    write_rois(folder / "labels" / "all.json", [Y[0]], **kind)
    (folder / "labels" / "run.json").write_text('{"sidecar": 1}')
    (folder / "labels" / "c1.xml").write_text("<settings/>")
    same(read_pairs(folder / "images", folder / "labels")[2], [*Y[:4], None])
    write_labels(folder / "labels" / "c0.tif", [Y[0]])
    with pytest.raises(ValueError, match=r"labels of 'c0': 'c0.tif', 'c1.tif', 'all.json'"):
        read_pairs(folder / "images", folder / "labels")
    (folder / "labels" / "c0.tif").unlink()
    write_rois(folder / "labels" / "all.xml", [Y[4]], names=["c4.tif"])  # of CVAT
    same(read_pairs(folder / "images", folder / "labels")[2], Y)


def test_a_folder_without_labels_is_an_error(folder):
    shutil.rmtree(folder / "labels")
    (folder / "labels").mkdir()
    for only_paired in (False, True):
        with pytest.raises(FileNotFoundError, match="No label files"):
            read_pairs(folder / "images", folder / "labels", only_paired=only_paired)


def test_labels_of_other_images_in_a_file_are_left_out(folder):
    """As `sskseg report --trained-on` reads the labels of a fit, of which some images remain."""
    for file in (folder / "labels").iterdir():
        file.unlink()
    for i in (1, 3):
        (folder / "images" / f"c{i}.tif").unlink()
    kind = {"format": "coco", "names": ["c0.tif", "c1.tif"]}
    write_rois(folder / "labels" / "all.json", Y[:2], **kind)
    write_labels(folder / "labels" / "c2.tif", [Y[2]])
    write_rois(folder / "labels" / "c3.zip", Y[3])
    (folder / "labels" / "settings.json").write_text('{"zoom": 2}')  # no labels
    paths = folder / "images", folder / "labels"
    same(read_pairs(*paths, only_paired=True)[2], [Y[0], Y[2], None])
    with pytest.warns(UserWarning, match="labels that pair with no image") as told:
        same(read_pairs(*paths)[2], [Y[0], Y[2], None])
    files, regions = (str(warning.message) for warning in told)
    assert files.endswith("labels has labels that pair with no image, and are not used: 1 "
                          "('c3.zip').")  # fmt: skip
    assert regions.endswith("not used: 1 ('c1').")
    for kind in (".json", ".xml"):
        file = folder / f"all{kind}"
        write_rois(file, Y[:2], names=["c0.tif", "c1.tif"],
                   format={".json": "coco", ".xml": "cvat"}[kind])  # fmt: skip
        with pytest.warns(UserWarning, match=r"not used: 1 \('c1'\)\."):
            same(read_pairs(folder / "images", file)[2], [Y[0], None, None])
    for i in (0, 2):
        (folder / "images" / f"c{i}.tif").unlink()
    same(read_pairs(*paths, only_paired=True)[2], [None])
    (folder / "labels" / "c2.tif").unlink()
    (folder / "labels" / "c3.zip").unlink()
    with pytest.raises(ValueError, match=r"has regions of 'c\d', which pairs with no image"):
        read_pairs(*paths)


def test_points_of_other_images_are_left_out(folder):
    shutil.rmtree(folder / "labels")
    (folder / "labels").mkdir()
    for i in (0, 9):
        (folder / "labels" / f"c{i}.csv").write_text("y,x\n1,2\n")
    paths = folder / "images", folder / "labels"
    y = read_pairs(*paths, only_paired=True)[2]
    assert [label is None for label in y] == [False, *[True] * 4]
    table = folder / "points.csv"
    table.write_text("image,y,x\nc0.tif,1,2\nc9.tif,1,2\n")
    for labels in (folder / "labels", table):
        with pytest.warns(UserWarning, match=r"not used: 1 \('c9'\)\."):
            y = read_pairs(folder / "images", labels)[2]
        assert [label is None for label in y] == [False, *[True] * 4]
    (folder / "labels" / "c0.csv").unlink()
    table.write_text("image,y,x\nc9.tif,1,2\n")
    for labels in (folder / "labels", table):
        with pytest.raises(ValueError, match=r"points of 'c9', which pairs with no image"):
            read_pairs(folder / "images", labels)


def test_cellpose_writes_its_masks_twice(folder):
    tifffile.imwrite(folder / "labels" / "c2_cp_masks.tif", Y[2].astype(np.uint16))
    with pytest.warns(UserWarning, match=r"masks of Cellpose, .* left out: 'c2_seg\.npy'"):
        same(read_pairs(folder / "images", folder / "labels")[2], [*Y[:4], None])


def test_tables_beside_labels_are_refused(folder):
    (folder / "labels" / "c4.csv").write_text("y,x\n1,2\n")
    with pytest.raises(ValueError, match=r"tables of other images, which are not: 'c4\.csv'\. Put"):
        read_pairs(folder / "images", folder / "labels")
    (folder / "labels" / "c4.csv").rename(folder / "images" / "c4.csv")  # perhaps a measurement
    write_rois(folder / "images" / "c0.zip", Y[0])
    with pytest.warns(UserWarning, match=r"tables of other images, which are not: 'c4\.csv'"):
        same(read_pairs(folder / "images", folder / "images")[2], [Y[0], *[None] * 4])
    (folder / "images" / "c4.csv").rename(folder / "labels" / "Results.csv")
    same(read_pairs(folder / "images", folder / "labels")[2], [*Y[:4], None])


def test_points_beside_label_images_are_refused(tmp_path):
    for name in ("images", "labels"):
        (tmp_path / name).mkdir()
    for i in range(2):
        write_image(tmp_path / "images", i)
    write_labels(tmp_path / "labels" / "c0.tif", [Y[0]])
    write_rois(tmp_path / "labels" / "c1.zip", points=[[3, 4]])
    with pytest.raises(ValueError, match=r"points \('c1\.zip'\) and label images \('c0\.tif'"):
        read_pairs(tmp_path / "images", tmp_path / "labels")


@pytest.fixture
def overlays(tmp_path):
    """Images with an overlay, a scale bar, a selection, and nothing."""
    roifile = pytest.importorskip("roifile")
    (tmp_path / "images").mkdir()
    rois = rois_of(Y[0], tmp_path)
    line = roifile.ImagejRoi(roitype=roifile.ROI_TYPE.LINE, x2=5.0, y2=5.0, name="scale bar")
    write_image(tmp_path / "images", 0, Overlays=rois)
    write_image(tmp_path / "images", 1, Overlays=[line.tobytes()])
    write_image(tmp_path / "images", 2, ROI=rois[0])
    write_image(tmp_path / "images", 3)
    return tmp_path / "images"


def test_overlays_are_labels_where_the_images_are(overlays):
    same(read_pairs(overlays, overlays)[2], [Y[0], None, None, None])
    write_rois(overlays / "c3.zip", Y[3])
    same(read_pairs(overlays, overlays)[2], [Y[0], None, None, Y[3]])
    write_labels(overlays / "c0_mask.tif", [Y[0]])
    with pytest.raises(ValueError, match=r"labels of 'c0': 'c0_mask\.tif', 'c0\.tif'"):
        read_pairs(overlays, overlays)


def test_the_overlay_or_selection_of_an_image(overlays):
    same(read_pairs(overlays / "c0.tif", overlays / "c0.tif")[2], [Y[0]])
    assert read_pairs(overlays / "c2.tif", overlays / "c2.tif")[2][0].max() == 1
    with pytest.raises(ValueError, match=r"c3\.tif holds no ROI"):
        read_pairs(overlays / "c3.tif", overlays / "c3.tif")


def test_damaged_overlays_are_named(overlays):
    write_image(overlays, 3, Overlays=[b"no ROI"])
    with pytest.raises(ValueError, match=r"c3\.tif, region 'overlay 1' is damaged"):
        read_pairs(overlays, overlays)


def test_overlays_of_stacks(tmp_path):
    stack = np.stack([Y[0], Y[1]])
    rois = rois_of(stack, tmp_path)
    metadata = {"axes": "ZYX", "Overlays": rois}
    tifffile.imwrite(tmp_path / "s.tif", X[:2], imagej=True, metadata=metadata)
    same(read_pairs(tmp_path, tmp_path)[2], stack)
    same(read_pairs(tmp_path, tmp_path, spatial_ndim=3)[2], [stack])


def test_images_without_labels_are_not_their_own_labels(overlays):
    (overlays / "c0.tif").unlink()
    with pytest.raises(ValueError, match="holds images, and no labels: expected files with the n"):
        read_pairs(overlays, overlays)


def test_fit_on_overlays(overlays, tmp_path, capsys):
    arguments = ["fit", str(overlays), "--labels", str(overlays), "--out", str(tmp_path / "model")]
    assert main([*arguments, "--dry-run"]) == 0
    assert "4 images, 1 of them labeled" in capsys.readouterr().out


def test_overlays_in_copies_of_images_are_labels(overlays, tmp_path):
    """Fiji saves a copy of the image, with the ROIs inside, among zips and masks."""
    labels = tmp_path / "labels"
    labels.mkdir()
    (overlays / "c0.tif").rename(labels / "c0.tif")
    write_image(overlays, 0)
    same(read_pairs(overlays, labels)[2], [Y[0], None, None, None])
    write_rois(labels / "c1.zip", Y[1])
    write_labels(labels / "c2.tif", [Y[2]])
    same(read_pairs(overlays, labels)[2], [Y[0], Y[1], Y[2], None])
    write_image(labels, 3)  # a copy without ROIs is not labeled
    same(read_pairs(overlays, labels)[2], [Y[0], Y[1], Y[2], None])
    write_labels(labels / "c3_mask.tif", [Y[3]])
    (labels / "c2.tif").rename(labels / "c2_mask.tif")
    write_image(labels, 2)
    same(read_pairs(overlays, labels)[2], [Y[0], Y[1], Y[2], Y[3]])
    same(read_pairs(overlays / "c0.tif", labels / "c0.tif")[2], [Y[0]])


def test_overlays_on_other_pixels_are_named(overlays, tmp_path):
    labels = tmp_path / "labels"
    labels.mkdir()
    metadata = {"Overlays": rois_of(Y[0], tmp_path)}
    tifffile.imwrite(labels / "c0.tif", Y[1].astype(np.uint16), imagej=True, metadata=metadata)
    with pytest.warns(UserWarning, match=r"c0\.tif': the pixels are not .* as c0\.zip instead"):
        same(read_pairs(overlays, labels)[2], [Y[1], None, None, None])


@pytest.mark.parametrize("beside", ["images", "zips"])
@pytest.mark.parametrize("stray", ["p.ilp", "p.json", "p.h5", "p.zip", "p.geojson", "p.roi"])
def test_strays_are_left_out_with_a_warning(tmp_path, stray, beside):
    pytest.importorskip("h5py")
    for name in ("images", "labels"):
        (tmp_path / name).mkdir()
    for i in range(2):
        write_image(tmp_path / "images", i)
    if beside == "images":
        write_labels(tmp_path / "labels" / "c0.tif", [Y[0]])
    else:
        write_rois(tmp_path / "labels" / "c0.zip", Y[0])
    file = tmp_path / "labels" / stray
    file.write_text('{"a": [')
    with pytest.warns(UserWarning, match="left out: ") as caught:
        same(read_pairs(tmp_path / "images", tmp_path / "labels")[2], [Y[0], None])
    message = f"and name none of the images. They are left out: '{stray}'."
    assert any(str(each.message).endswith(message) for each in caught)
    named = file.rename(file.with_stem("c1"))  # of an image
    with pytest.raises(ValueError, match=named.name):
        read_pairs(tmp_path / "images", tmp_path / "labels")
    named.rename(file).write_text('{"images": [{"file_name": "c1.tif"')  # names an image
    if stray != "p.ilp":
        with pytest.raises(ValueError, match=stray):
            read_pairs(tmp_path / "images", tmp_path / "labels")


def test_a_stray_alone_is_an_error(tmp_path):
    for name in ("images", "labels"):
        (tmp_path / name).mkdir()
    write_image(tmp_path / "images", 0)
    (tmp_path / "labels" / "p.json").write_text("{")
    with pytest.raises(ValueError, match=r"p\.json cannot be read as JSON"):
        read_pairs(tmp_path / "images", tmp_path / "labels")


@pytest.mark.parametrize("forms", [("NFC", "NFD"), ("NFD", "NFC"), ("NFD", "NFD")])
def test_names_with_composed_and_separate_letters_are_the_same(tmp_path, forms):
    """macOS and its archives write "ü" as two letters."""
    of_image, of_labels = (unicodedata.normalize(form, "Zellü 2²") for form in forms)
    labels = np.zeros((8, 9), np.uint16)
    labels[2:5, 3:6] = 1
    for folder in ("images", "labels", "rois", "points"):
        (tmp_path / folder).mkdir()
    tifffile.imwrite(tmp_path / "images" / f"{of_image}.tif", labels * 100)
    tifffile.imwrite(tmp_path / "images" / "b.tif", labels * 100)
    tifffile.imwrite(tmp_path / "labels" / f"{of_labels}_mask.tif", labels)
    write_rois(tmp_path / "rois" / f"{of_labels}.geojson", labels)
    (tmp_path / "points" / "p.csv").write_text(f"image,x,y\n{of_labels}.tif,4,3\n", "utf-8")
    (tmp_path / "points" / f"{of_labels}.csv").write_text("x,y\n4,3\n")
    for folder in ("labels", "rois"):
        names, _, y = read_pairs(tmp_path / "images", tmp_path / folder)
        assert names == ["Zellü 2²", "b"]
        assert y[1] is None
        assert np.array_equal(y[0], labels)
        given = [of_image, "b"]  # as the system lists them
        assert read_labels(tmp_path / folder, given, shape=(8, 9))[0] == names
    for table in ("p.csv", f"{of_labels}.csv"):
        _, points = read_points(tmp_path / "points" / table, [of_image, "b"])
        assert points[0].tolist() == [[3, 4]]
