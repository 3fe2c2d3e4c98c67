"""What is read of layers: strokes by their boxes, napari's own undo, shapes."""

import random
import warnings

import numpy as np
import pytest

with warnings.catch_warnings():  # of npe2 about pydantic
    warnings.simplefilter("ignore", DeprecationWarning)
    pytest.importorskip("napari.components", exc_type=ImportError)
    from napari.components import ViewerModel
    from napari.layers import Labels, Shapes

from sskseg.napari import Session
from sskseg.napari.layers import Layers
from sskseg.napari.pixels import copy_for_layer, draw_labels
from sskseg.napari.regions import mask_of, region_labels

SHAPE = (40, 50)


@pytest.fixture(autouse=True)
def _random_state():
    state = random.getstate()
    yield
    random.setstate(state)  # napari draws from it


def linked(kind="images", shape=SHAPE):
    """Layers of one image that were read, and the layer to paint on."""
    viewer = ViewerModel()
    layers = Layers(viewer, Session(kind=kind))
    layers.add(viewer.add_image(np.random.default_rng(0).random(shape), name="a"))
    layers.read()
    return layers, viewer.layers["a painted"]


def test_a_stroke_is_read_by_its_box():
    layers, painted = linked()
    assert layers.changes.box(painted) is None
    painted.brush_size = 3
    with painted.block_history():  # a drag
        painted.paint([10, 20], 2)
        painted.paint([12, 25], 2)
    assert layers.changes.is_any
    assert layers.changes.box(painted) == (slice(9, 14), slice(19, 27))
    layers.read()
    assert np.array_equal(layers.session.samples["a"].painted, painted.data)
    assert not layers.changes.is_any


@pytest.mark.parametrize("change", ["undo", "redo", "fill", "data", "refresh"])
def test_other_changes_of_napari_are_read(change):
    layers, painted = linked()
    painted.paint([10, 20], 2)
    if change == "redo":
        painted.undo()
    layers.read()
    if change == "fill":
        painted.fill([0, 0], 5)
    elif change == "data":
        painted.data = np.ones(SHAPE, int)
    elif change == "refresh":
        painted.data[3, 4] = 7
        painted.refresh()
    else:
        getattr(painted, change)()
    layers.read()
    assert np.array_equal(layers.session.samples["a"].painted, painted.data)


def test_a_layer_of_the_same_name_is_read():
    layers, painted = linked()
    layers.viewer.layers.remove(painted)
    layers.viewer.add_labels(np.full(SHAPE, 3), name="a painted")
    layers.read()
    assert (layers.session.samples["a"].painted == 3).all()


def test_another_section_is_no_change_and_undo_there_is():
    layers, painted = linked("sections", (5, *SHAPE))
    painted.paint([1, 10, 20], 2)
    layers.read()
    time = layers.changes.time
    layers.viewer.dims.set_point(0, 3)
    assert not layers.changes.is_any
    assert layers.changes.time == time
    painted.undo()
    layers.read()
    assert not layers.session.samples["a"].painted.any()


def test_a_hidden_layer_is_read_once_it_is_shown_and_that_is_no_stroke():
    layers, painted = linked()
    painted.paint([10, 20], 2)
    layers.read()
    time, painted.visible = layers.changes.time, False
    painted.undo()
    painted.visible = True
    assert layers.changes.time == time
    layers.read()
    assert not layers.session.samples["a"].painted.any()


@pytest.mark.parametrize("seed", range(3))
def test_undo_and_redo_draw_the_pixels_that_changed_alone(seed):
    layers, painted = linked()
    rng, data = np.random.default_rng(seed), painted.data
    session, sample = layers.session, layers.session.samples["a"]
    for _ in range(30):
        painted.visible = bool(rng.integers(4))
        if rng.integers(2):
            painted.paint(rng.integers(0, SHAPE).tolist(), int(rng.integers(1, 4)))
            layers.read()
        else:
            (session.undo, session.redo)[rng.integers(2)]()
            layers.write()
        assert np.array_equal(painted.data, sample.painted)
    assert painted.data is data
    painted.visible = True
    fresh = Labels(sample.painted.copy(), colormap=painted.colormap)
    assert np.array_equal(painted._slice.image.view, fresh._slice.image.view)  # what one sees


def test_labels_that_do_not_fit_a_layer_replace_its_data():
    wide = np.full(SHAPE, 70000, np.int32)
    for data in (np.zeros(SHAPE, np.uint8), np.zeros((5, 5), np.int32)):
        layer = Labels(data)
        draw_labels(layer, wide, (slice(0, 1), slice(0, 1)))
        assert np.array_equal(layer.data, wide)
        assert layer.data is not wide


def test_changes_of_the_program_are_no_strokes():
    layers, painted = linked()
    time = layers.changes.time
    with layers.changes.of_program():
        painted.paint([10, 20], 2)
    assert layers.changes.time == time
    assert layers.changes.is_any
    painted.paint([20, 20], 2)
    assert layers.changes.time > time


def test_complete_regions_are_read_until_their_layer_is_deleted():
    layers, _ = linked()
    shapes = layers.add_complete("a")
    shapes.add_rectangles([[1.5, 1.5], [1.5, 8.5], [6.5, 8.5], [6.5, 1.5]])
    layers.read()
    complete = layers.session.samples["a"].complete
    assert complete.sum() == 5 * 7
    layers.viewer.layers.remove(shapes)
    layers.read()
    assert not complete.any()


@pytest.mark.parametrize("is_active", [True, False])
def test_undo_of_a_complete_region_leaves_the_selection(is_active):
    layers, _ = linked()
    shapes = layers.add_complete("a")
    for left in (1.5, 20.5):
        corners = [[1.5, left], [1.5, left + 7], [6.5, left + 7], [6.5, left]]
        shapes.add_rectangles(corners)
        layers.read()
    others = layers.viewer.add_shapes(name="others")
    layers.viewer.layers.selection.active = shapes if is_active else others
    shapes.mode = "add_rectangle"
    layers.session.undo()
    layers.write()
    names = [layer.name for layer in layers.viewer.layers]
    assert names == ["a", "a painted", "a complete", "others"]
    active = layers.viewer.layers.selection.active
    assert active.name == ("a complete" if is_active else "others")
    assert (active.mode == "add_rectangle") == is_active
    assert layers.session.samples["a"].complete.sum() == 5 * 7


def test_deleted_layers_come_back_by_undo_and_are_named_before():
    layers, painted = linked()
    painted.paint([10, 20], 2)
    layers.read()
    del layers.viewer.layers["a"]
    del layers.viewer.layers["a painted"]
    for action in (layers.read, lambda: layers.go_to("a", None, (slice(0, 4), slice(0, 4)))):
        with pytest.raises(ValueError, match="is missing: name it so, press Undo to get it back"):
            action()
    layers.write()
    assert [layer.name for layer in layers.viewer.layers] == ["a", "a painted"]
    assert layers.viewer.layers["a painted"].data[10, 20] == 2
    layers.read()


def test_the_last_changes_of_layers_that_are_removed_are_read_as_when_a_window_closes():
    layers, painted = linked()
    points, complete = layers.add_points("a"), layers.add_complete("a")
    layers.read()
    painted.paint([10, 20], 2)
    points.add([[3.0, 4.0]])
    complete.add_rectangles([[1.5, 1.5], [1.5, 8.5], [6.5, 8.5], [6.5, 1.5]])
    layers.viewer.layers.clear()
    sample = layers.session.samples["a"]
    assert sample.painted[10, 20] == 2
    assert sample.points.tolist() == [[3, 4]]
    assert sample.complete.sum() == 5 * 7


def test_an_image_that_was_replaced_is_read_and_what_is_painted_stays():
    layers, painted = linked()
    painted.paint([10, 20], 2)
    image, sample = layers.viewer.layers["a"], layers.session.samples["a"]
    version, new = sample.version, np.random.default_rng(1).random(SHAPE)
    image.data = new
    layers.read()
    assert np.array_equal(sample.image[..., 0], new)
    assert sample.version > version
    assert sample.painted[10, 20] == 2
    image.data = new[:30]
    with pytest.raises(ValueError, match=r"had the shape \(40, 50, 1\), and its layer has"):
        layers.read()
    assert np.array_equal(sample.image[..., 0], new)


def test_an_image_is_removed_with_its_layers():
    layers, _ = linked()
    layers.add_complete("a")
    layers.remove("a")
    assert [layer.name for layer in layers.viewer.layers] == ["a"]
    assert layers.session.samples == {}
    layers.add(layers.viewer.layers["a"])  # again


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("seed", range(3))
def test_pixels_of_shapes_are_those_of_napari(ndim, seed):
    rng = np.random.default_rng(seed)
    layer, shape = Shapes(ndim=ndim), (3, *SHAPE)[-ndim:]
    for kind in ("rectangle", "ellipse", "polygon", "path") * 5:
        vertices = rng.uniform(1, 38, (4, 2)).round(rng.integers(2))
        if kind in ("rectangle", "ellipse"):
            top, left, bottom, right = *vertices[0], *(vertices[0] + rng.uniform(3, 30, 2))
            vertices = [[top, left], [top, right], [bottom, right], [bottom, left]]
        vertices = np.asarray(vertices)
        if ndim == 3:
            vertices = np.insert(vertices, 0, rng.integers(3), axis=1)
        layer.add([vertices], shape_type=kind)
    expected, numbered = np.zeros(shape, bool), np.zeros(shape, int)
    for number, (vertices, plane) in enumerate(zip(layer.data, layer.to_masks(SHAPE)), start=1):
        expected[... if ndim == 2 else int(vertices[0, 0])] |= plane
        numbered[..., plane] = number
    assert np.array_equal(mask_of(layer, shape), expected)
    assert np.array_equal(region_labels(layer, shape)[0], numbered)


def test_shapes_outside_of_the_image_have_no_pixels():
    outside = np.array([[60.0, 60.0], [60.0, 70.0], [70.0, 70.0], [70.0, 60.0]])
    assert not mask_of(Shapes([outside, outside - 200]), SHAPE).any()


def test_layers_of_labels_are_narrow_if_their_numbers_are_small():
    """napari draws uint16 at once, and colors all of a wider image first."""
    labels = np.arange(6, dtype=np.int32).reshape(2, 3)
    narrow, wide = copy_for_layer(labels), copy_for_layer(labels * 20_000)
    assert (narrow.dtype, wide.dtype) == (np.uint16, np.int32)
    assert np.array_equal(narrow, labels)
    assert np.array_equal(wide, labels * 20_000)
    layer = Labels(copy_for_layer(labels))
    draw_labels(layer, labels + 9, (slice(1, 2), slice(0, 3)))
    assert layer.data.tolist() == [[0, 1, 2], [12, 13, 14]]
    draw_labels(layer, labels * 20_000, (slice(0, 1), slice(0, 1)))  # these numbers fit
    assert layer.data.dtype == np.uint16
    draw_labels(layer, labels * 20_000, (slice(1, 2), slice(0, 3)))
    assert np.array_equal(layer.data, labels * 20_000)
