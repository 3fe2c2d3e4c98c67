import numpy as np
import pandas as pd
import pytest
from skimage.io import imread

from sskseg.datasets import make_cells
from sskseg.report import draw_outlines, format_table, save_overlay
from sskseg.report._axes import even_columns
from sskseg.report._numbers import draw_numbers, points_for_numbers

figure_module = pytest.importorskip("matplotlib.figure")


def test_pictures_show_outlines(tmp_path):
    X, y = make_cells(3, (40, 50), random_state=0)
    save_overlay(tmp_path / "plain.png", list(X))
    save_overlay(tmp_path / "both.png", list(X), [y[0], None, y[2]], list(y), titles=list("abc"))
    plain, both = imread(tmp_path / "plain.png"), imread(tmp_path / "both.png")
    assert not np.array_equal(plain[..., 0], plain[..., 2]) or plain.std() > 10
    colored = np.abs(both[..., 0].astype(int) - both[..., 2]) > 60
    assert colored.mean() > 0.01
    assert (np.abs(plain[..., 0].astype(int) - plain[..., 2]) > 60).mean() < 0.001


def test_no_image_is_refused(tmp_path):
    with pytest.raises(ValueError, match="one image is needed"):
        save_overlay(tmp_path / "nothing.png", [])
    assert not list(tmp_path.iterdir())


def test_rows_are_as_high_as_the_images(tmp_path):
    sizes = {}
    for name, shape in (("wide", (20, 80)), ("square", (40, 40)), ("tall", (80, 40))):
        save_overlay(tmp_path / f"{name}.png", [np.eye(*shape)] * 4)
        sizes[name] = imread(tmp_path / f"{name}.png").shape[:2]
    assert sizes["wide"][0] < 0.4 * sizes["square"][0] < 0.4 * 0.6 * sizes["tall"][0]
    assert len({width for _, width in sizes.values()}) == 1


def test_no_row_of_panels_is_emptier_than_it_must_be():
    assert [even_columns(n, 3) for n in (1, 2, 3, 4, 5, 6, 7)] == [1, 2, 3, 2, 3, 3, 3]
    assert even_columns(10, 4) == 4


@pytest.mark.parametrize(
    ("image", "labels"),
    [
        (np.random.default_rng(0).random((5, 20, 30)), np.ones((5, 20, 30), int)),
        (np.random.default_rng(0).random((20, 30, 2)), np.full((20, 30), -1)),
        (np.random.default_rng(0).random((20, 30, 4)), np.zeros((20, 30), int)),
        (np.zeros((20, 30)), np.eye(20, 30, dtype=int)),
    ],
)
def test_any_image_is_drawn(image, labels):
    ax = figure_module.Figure().subplots()
    assert draw_outlines(ax, image, labels, labels, title="t") is ax
    assert ax.get_title() == "t"


def test_tables_align():
    text = format_table(pd.DataFrame({"n": [1, 20], "value": [0.5, 1 / 3]}), digits=2)
    assert text.splitlines() == [
        "| n  | value |", "|----|-------|", "|  1 |  0.50 |", "| 20 |  0.33 |"
    ]  # fmt: skip


def test_overlapping_outlines_have_the_colors_of_the_legend_alone():
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.colors import to_rgb
    from matplotlib.figure import Figure

    from sskseg.report.overlay import PREDICTED_COLOR, TRUE_COLOR

    _, (labels,) = make_cells(n_samples=1, shape=(128, 128), radius=8, random_state=0)
    figure = Figure(figsize=(4, 4), dpi=100)
    canvas = FigureCanvasAgg(figure)
    ax = figure.add_axes([0, 0, 1, 1])
    draw_outlines(ax, np.zeros(labels.shape), labels, np.roll(labels, 1, axis=0))
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())[..., :3].reshape(-1, 3)
    colored = pixels[np.ptp(pixels, axis=1) > 0]
    expected = [
        tuple(round(255 * part) for part in to_rgb(c)) for c in (TRUE_COLOR, PREDICTED_COLOR)
    ]
    assert {tuple(color) for color in colored.tolist()} == set(expected)


def test_large_images_keep_their_pixels(tmp_path):
    sizes = []
    for shape, n in (((64, 64), 1), ((1500, 1200), 1), ((1500, 1200), 9)):
        save_overlay(tmp_path / "overlay.png", [np.zeros(shape)] * n)
        sizes.append(imread(tmp_path / "overlay.png").shape[1])
    small, large, many = sizes
    assert small == 480
    assert large >= 1200
    assert many <= 3840


def squares(n, side, gap):
    """Labels of n x n squares in reading order, with numbers from 1."""
    labels = np.zeros((n * gap, n * gap), int)
    for i, (y, x) in enumerate(np.ndindex(n, n)):
        labels[y * gap : y * gap + side, x * gap : x * gap + side] = i + 1
    return labels


def test_objects_are_numbered_where_they_lie():
    labels = squares(2, 40, 60) * 5  # numbers 5 to 20
    ax = figure_module.Figure().subplots()
    assert draw_numbers(ax, labels, 2.0) == 4
    found = {int(text.get_text()): text.get_position() for text in ax.texts}
    assert found == {5: (19.5, 19.5), 10: (79.5, 19.5), 15: (19.5, 79.5), 20: (79.5, 79.5)}


def test_numbers_do_not_overlap_and_the_largest_come_first():
    labels = squares(3, 6, 7)
    labels[7:14, 7:14] = 5  # the largest
    ax = figure_module.Figure().subplots()
    assert 1 <= draw_numbers(ax, labels, 0.5) < 9
    assert ax.texts[0].get_text() == "5"
    assert draw_numbers(ax, labels, points_for_numbers(labels)) == 9
    assert points_for_numbers(np.zeros((4, 4), int)) == 0.0
    assert draw_numbers(ax, squares(50, 2, 3), 9.0) == points_for_numbers(squares(50, 2, 3)) == 0


@pytest.mark.parametrize(
    ("n", "side", "gap", "pixels"), [(3, 40, 85, 480), (17, 12, 15, 480), (17, 60, 120, 2040)]
)
def test_overlays_with_numbers_have_room_and_the_count(tmp_path, monkeypatch, n, side, gap, pixels):
    titles = []
    monkeypatch.setattr("sskseg.report.overlay.set_title", lambda ax, text: titles.append(text))
    labels = squares(n, side, gap)
    save_overlay(tmp_path / "a.png", [labels], y_pred=[labels], titles=["a"], numbers=True)
    assert titles == [f"a: {n * n} objects"]  # all have their number
    height, width, _ = imread(tmp_path / "a.png").shape
    assert width >= pixels
    assert height >= pixels
    stack = np.stack([labels == 1, 2 * (labels == 2)]).astype(int)
    save_overlay(tmp_path / "b.png", [stack], y_pred=[stack], titles=["b"], numbers=True)
    assert titles[1] == "b: 2 objects"
