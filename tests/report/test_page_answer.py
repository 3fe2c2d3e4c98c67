"""The first sentences of the page, which images it shows, and the terms that it explains."""

import re
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline

from sskseg import (
    CrossFitted,
    DomainCheck,
    InstanceCounter,
    OtsuWatershed,
    PixelForest,
    SemiSupervisedSegmenter,
    report,
)
from sskseg.datasets import make_cells
from sskseg.report._answer import _rounded
from sskseg.report._choice import Ranking, choose_images, evenly_spaced
from sskseg.report._groups import validation_indices
from sskseg.report._page_sections import Page
from sskseg.report._terms import TERMS, used_terms, with_meanings
from sskseg.report._write import outputs_of, write_page

pytest.importorskip("matplotlib")
GLOSSARY = Path(__file__).parents[2] / "docs" / "glossary.md"
SQUARES = [(slice(1, 5), slice(1, 5)), (slice(1, 5), slice(8, 12)), (slice(8, 12), slice(1, 5))]


def squares(*which):
    image = np.zeros((14, 14), int)
    for number in which:
        image[SQUARES[number]] = number + 1
    return image


# The first image lacks an object, the second has one too many, and the others are right.
TRUE = np.stack([squares(0, 1, 2), squares(0), *[squares(0, 1)] * 4])
FOUND = np.stack([squares(0, 1), squares(0, 1), *[squares(0, 1)] * 4])


@pytest.fixture(scope="module")
def counter():
    return InstanceCounter("components", min_size=0).fit((FOUND > 0).astype(float))


def page_of(counter, tmp_path, y=TRUE, n=6, **options):
    images = (FOUND[:n] > 0).astype(float)
    path = report.html(counter, images, y, tmp_path / "page.html", **options)
    return path.read_text("utf-8")


def page_of_command_line(counter, tmp_path, y=TRUE, n=6, explain=str, training_note=""):
    outputs = outputs_of(counter, (FOUND[:n] > 0).astype(float))
    page = Page(outputs, y, None, None, {"spacing": None, "unit": "µm"}, explain=explain)
    path = write_page(tmp_path / "page.html", page, training_note=training_note)
    return path.read_text("utf-8")


def lead(text):
    """The paragraphs before the first section, as text."""
    found = re.findall(r'<p class="lead">(.*?)</p>', text)
    return [unescape(re.sub(r"<[^>]+>", "", paragraph)) for paragraph in found]


def test_the_answer_is_the_first_thing_on_the_page(counter, tmp_path):
    text = page_of(counter, tmp_path, trained_on=[])
    assert re.search(r"<body>\s*<header><h1>12 objects in 6 images</h1><p class=\"lead\">", text)
    assert lead(text) == [
        "The model counted 12 objects in 6 images: 2 in the median image (2 to 2).",
        "Compared with the labels of 6 images that were not used for training: 11 of 12 labeled "
        "objects were found, and 1 counted object matches no labeled one (F1 0.92). In total, "
        "count errors are 17 % of the labeled objects.",
    ]
    order = [text.index(f'<section id="{name}">') for name in (
        "images", "scores", "counts", "sizes", "terms", "objects", "settings")]  # fmt: skip
    assert order == sorted(order)


def test_the_answer_says_how_labels_were_used(counter, tmp_path):
    unknown = lead(page_of(counter, tmp_path))
    assert unknown[1].startswith("Compared with the labels of 6 images: 11 of 12")
    assert unknown[2].startswith("Whether these images were used for training is not known.")
    note = "It comes from elsewhere."
    assert lead(page_of_command_line(counter, tmp_path, training_note=note))[2] == note
    for use, words, verdict in (
        ("training", "that were used for training", "These images were used for training: results"),
        ("validation", "of the validation set", "These images were held out during training, but"),
        ("training or validation", "that were given to fit", "These images were used for"),
    ):
        texts = lead(page_of(counter, tmp_path, trained_on=[use] * 6))
        assert f"of 6 images {words}:" in texts[1]
        assert texts[2].startswith(verdict)


def test_new_images_are_the_answer_if_there_are_any(counter, tmp_path):
    texts = lead(page_of(counter, tmp_path, trained_on=["training"] * 5 + ["new"]))
    assert texts[1:] == [
        "Compared with the labels of 1 image that was not used for training: 2 of 2 labeled "
        "objects were found, and nothing else was counted (F1 1.00). 2 objects are labeled, 2 were "
        "counted.",
        "Only 1 image was compared: on others, results may be quite different.",
    ]


def test_without_labels_the_counts_are_not_checked(counter, tmp_path):
    assert lead(page_of_command_line(counter, tmp_path, None, 1, str.upper)) == [
        "THE MODEL COUNTED 2 OBJECTS IN 1 IMAGE.",
        "NO LABELS WERE GIVEN: THESE COUNTS HAVE NOT BEEN CHECKED.",
        "LABEL SOME OF THESE IMAGES, AND PASS THEIR LABELS AS Y.",
    ]


def compared(counter, tmp_path, y, images=FOUND):
    """What follows "Compared with the labels of ...:", and the paragraphs after it."""
    path = report.html(counter, (images > 0).astype(float), y, tmp_path / "a.html", trained_on=[])
    texts = lead(path.read_text("utf-8"))
    return [texts[1].partition("not used for training: ")[2] or texts[1], *texts[2:]]


def test_counts_and_points_are_compared(counter, tmp_path):
    errors = "in total, count errors are 9.1 % of the labeled objects."
    assert compared(counter, tmp_path, [2, 1, 2, 2, 2, 2]) == [errors]
    few = "Only 1 image was compared: on others, results may be quite different."
    one = ["2 objects are labeled, 2 were counted.", few]
    assert compared(counter, tmp_path, [2, *[np.nan] * 5]) == one
    both = [np.array([[2, 2], [2, 9]])] * 6
    assert compared(counter, tmp_path, both)[0] == (
        "in total, count errors are 0.0 % of the labeled objects. F1 of the points is 1.00."
    )


def test_labels_without_an_object_are_compared(counter, tmp_path):
    nothing = ["0 objects are labeled, 12 were counted."]
    assert compared(counter, tmp_path, [0] * 6) == nothing
    assert compared(counter, tmp_path, 0 * TRUE) == nothing
    points = compared(counter, tmp_path, [np.zeros((0, 2))] * 6)
    assert points == [f"{nothing[0]} F1 of the points is 0.00."]
    empty = compared(counter, tmp_path, 0 * TRUE, 0 * FOUND)
    assert empty == ["0 objects are labeled, 0 were counted."]
    missed = compared(counter, tmp_path, TRUE, 0 * FOUND)[0]
    assert missed.startswith("0 of 12 labeled objects were found, and nothing was counted (F1 0.00")


def test_counts_cannot_be_compared_with_a_foreground(tmp_path):
    X, y = make_cells(n_samples=2, shape=(48, 48), random_state=0)
    forest = PixelForest(n_estimators=5, random_state=0).fit(X, y)
    texts = lead(report.html(forest, X, [6, 6], tmp_path / "a.html", trained_on=[]).read_text())
    assert texts == [
        "The model predicts the foreground of 2 images.",
        "The labels of 2 images that were not used for training cannot be compared with what the "
        "model predicts.",
    ]


def test_partly_labeled_images_are_compared_in_labeled_pixels(counter, tmp_path):
    y = TRUE.copy()
    y[0, 7:] = -1  # without the object that is not found
    y[1:, :, 7:] = -1  # without the object that is not labeled
    found = "7 of 7 labeled objects were found, and nothing else was counted in labeled pixels"
    assert compared(counter, tmp_path, y) == [f"{found} (F1 1.00)."]
    y[0] = TRUE[0]
    assert compared(counter, tmp_path, y) == [
        "7 of 8 labeled objects were found, and nothing else was counted in labeled pixels "
        "(F1 0.93). In the 1 image that is labeled completely, 3 objects are labeled, 2 were "
        "counted."
    ]
    y[1] = TRUE[1]
    assert compared(counter, tmp_path, y) == [
        "7 of 8 labeled objects were found, and 1 counted object matches no labeled one (F1 0.88). "
        "In the 2 images that are labeled completely, count errors are 50 % of the labeled objects."
    ]
    y = np.where(TRUE > 0, -1, 0)
    y[:, :7] = -1
    assert compared(counter, tmp_path, y) == [
        "0 objects are labeled, 0 were counted in labeled pixels."
    ]


def test_objects_of_a_stack_are_matched_by_section(tmp_path):
    stack = np.zeros((6, 14, 14), int)
    stack[1:4, 2:8, 2:8] = 1
    counter = InstanceCounter("components", min_size=0, sections="consecutive").fit(1.0 * stack)
    y = stack.copy()
    assert compared(counter, tmp_path, y, stack)[0] == (
        "3 of 3 labeled cross-sections were found, and nothing else was counted (F1 1.00). Over "
        "these sections, 1 object is labeled, 1 was counted."
    )
    two = stack * np.array([1, 1, 1, 2, 2, 2])[:, None, None]  # by its ids, two objects
    assert compared(counter, tmp_path, two, stack)[0].endswith(
        "2 objects are labeled, 1 was counted."
    )
    y[2] = 0
    assert "1 counted cross-section matches no labeled one" in compared(
        counter, tmp_path, y, stack
    )[0]  # fmt: skip


def test_a_labeled_stack_is_compared_as_a_whole_too(tmp_path):
    stack = np.zeros((6, 14, 14), int)
    stack[:, 2:8, 2:8] = np.array([1, 1, 1, 2, 2, 2])[:, None, None]
    X = (stack > 0).astype(float)
    counter = InstanceCounter("components", min_size=0, sections="consecutive").fit(X)
    uses = ["training"] * 4 + ["new"] * 2
    path = report.html(counter, X, stack, tmp_path / "a.html", trained_on=uses)
    texts = lead(path.read_text("utf-8"))
    assert texts[1].endswith("Over these sections, 1 object is labeled, 1 was counted.")
    assert texts[-1] == (
        "In all 6 sections, training sections among them, 2 objects are labeled, 1 was counted."
    )


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (400, "400 of 400 labeled objects were found, and nothing else was counted (F1 1.00)."),
        (399, "399 of 400 labeled objects were found (99.8 %), and nothing else was counted (F1 "
         "above 0.99)."),
        (1, "1 of 400 labeled objects was found (0.2 %), and nothing else was counted (F1 below "
         "0.01)."),
    ],
)  # fmt: skip
def test_numbers_are_not_rounded_to_perfection(counter, tmp_path, found, expected):
    true = np.zeros((1, 60, 60), int)
    for i in range(400):
        row, column = 3 * (i // 20), 3 * (i % 20)
        true[0, row : row + 2, column : column + 2] = i + 1
    text = compared(counter, tmp_path, true, np.where(true > found, 0, true))[0]
    assert text.startswith(expected)
    assert _rounded(99.96, 1, top=100) == "above 99.9"
    assert _rounded(0.04, 1) == "below 0.1"
    assert [_rounded(0.0, 1), _rounded(100.0, 1, top=100)] == ["0.0", "100.0"]


@pytest.mark.parametrize(("is_found", "text"), [
    (True, "1 labeled object was found, and nothing else was counted (F1 1.00). 1 object is "
     "labeled, 1 was counted."),
    (False, "1 labeled object was not found, and nothing was counted (F1 0.00). 1 object is "
     "labeled, 0 were counted."),
])  # fmt: skip
def test_one_object_is_named_in_the_singular(counter, tmp_path, is_found, text):
    one = squares(0)[None]
    assert compared(counter, tmp_path, one, one * is_found)[0] == text


def test_images_that_a_segmenter_inside_a_step_held_out_are_found():
    crossed = CrossFitted(SemiSupervisedSegmenter())
    crossed.segmenter_ = SemiSupervisedSegmenter()
    crossed.segmenter_.validation_indices_ = np.array([4, 2])
    assert validation_indices([crossed, OtsuWatershed()]).tolist() == [2, 4]
    assert validation_indices([]).tolist() == []


def test_scores_are_computed_once(counter, tmp_path, monkeypatch):
    calls, score = [], InstanceCounter.score

    def counted(*args, **options):
        calls.append(args)
        return score(*args, **options)

    monkeypatch.setattr(InstanceCounter, "score", counted)
    page_of(counter, tmp_path, y=[np.array([[2, 2]])] * 6, trained_on=[0, 1])
    assert len(calls) == 2  # one for each group of images


def test_the_table_says_what_was_found_in_each_image(counter, tmp_path):
    text = page_of(counter, tmp_path, names=[*"abcdef"])
    rows = [
        re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row) for row in re.findall("<tr>(.*?)</tr>", text)
    ]
    header = next(row for row in rows if "missed" in row)
    assert header == ["image", "objects", "true", "found", "missed", "not labeled", "F1"]
    at = rows.index(header)
    assert rows[at + 1] == ["a", "2", "3", "2", "1", "0", "0.8"]
    assert rows[at + 2] == ["b", "2", "1", "1", "0", "1", "0.67"]


def test_worst_median_and_best_images_are_shown(counter, tmp_path):
    values = np.array([5, np.nan, 0, 1, 2, 3, 4, 6, 7.0])
    pool = [0, 2, 3, 4, 5, 6, 7, 8]
    chosen = choose_images(pool, Ranking(values, "low", "high"), 3, "images")
    assert values[chosen.indices].tolist() == [0, 3, 7]
    assert chosen.notes == ["low", "median", "high"]
    assert chosen.rule == "3 of 8 images: low, median and high."
    rules = [choose_images(pool, Ranking(values, "low", "high"), k, "images").rule for k in (1, 2)]
    assert rules == ["1 of 8 images: median.", "2 of 8 images: low and median."]
    six = choose_images(pool, Ranking(values, "low", "high"), 6, "images")
    assert values[six.indices].tolist() == [0, 1, 3, 4, 6, 7]
    assert choose_images(pool, Ranking(values, "low", "high"), 8, "images").indices == pool
    for k in range(1, 8):
        assert len(set(choose_images(pool, Ranking(values, "", ""), k, "").indices)) == k
    assert evenly_spaced([1, 3, 5, 7, 9], 3, "sections").indices == [1, 5, 9]
    text = page_of(counter, tmp_path, max_images=3, trained_on=[])
    assert re.findall(r"<strong>(.*?)</strong>: (.*?)\.", re.sub("</?abbr[^>]*>", "", text)) == [
        ("image 1, F1 0.67", "lowest F1"), ("image 2, F1 1.00", "median"),
        ("image 5, F1 1.00", "highest F1"),
    ]  # fmt: skip
    assert text.count('src="data:image/jpeg;base64,') == 9


def test_unlabeled_images_are_ranked_by_the_domain_check(tmp_path):
    X, y = make_cells(n_samples=8, shape=(48, 48), random_state=0)
    model = make_pipeline(
        DomainCheck(), PixelForest(n_estimators=5, random_state=0), InstanceCounter()
    ).fit(X[:6], y[:6])
    new = np.stack([X[6], 1 - X[7], X[7]])
    with pytest.warns(UserWarning, match="1 of 3 images are unlike"):
        path = report.html(model, new, path=tmp_path / "page.html", max_images=1, names=[*"abc"])
    assert "1 of 3 images" in path.read_text()
    with pytest.warns(UserWarning, match="1 of 3 images are unlike"):
        path = report.html(model, new, path=tmp_path / "page.html", max_images=2, names=[*"abc"])
    text = path.read_text()
    assert "<strong>b</strong>: least like training images." in text
    assert text.index('<section id="warnings">') < text.index('<section id="images">')


def test_terms_of_the_page_are_those_of_the_glossary():
    glossary = re.sub(r"\{term\}`(.*?)`", r"\1", GLOSSARY.read_text("utf-8")).replace("`", "")
    glossary = " ".join(glossary.split())
    assert [term for term, text in TERMS.items() if f"{term} {text}" not in glossary] == []


def test_terms_are_explained_where_they_are_used():
    assert with_meanings("F1 < 1").startswith('<abbr title="Score of objects: 1 if every')
    assert with_meanings("F1 < 1").endswith(">F1</abbr> &lt; 1")
    assert [*used_terms("the WAPE and ECE")] == ["expected calibration error", "WAPE"]


def test_intervals_state_their_level(tmp_path):
    X = np.stack([squares(0, 1)] * 9 + [squares(0, 1, 2)] * 3)
    counter = InstanceCounter("components", min_size=0).fit((X > 0).astype(float), X)
    path = report.html(counter, (X > 0).astype(float), X, tmp_path / "page.html")
    text = path.read_text("utf-8")
    assert "lower, 90 %" in text
    assert "bounds of 90 % intervals" in text
    counter.in_sample_ = True
    with pytest.warns(UserWarning, match="The 80 % intervals are too narrow for new images"):
        counter.predict((X > 0).astype(float), return_interval=True, coverage=0.8)
    display = report.CountAgreementDisplay.from_predictions(
        [2, 3], [2, 3], intervals=[[1, 3], [2, 4]], coverage=0.9
    )
    assert display.ax_.get_legend().get_texts()[0].get_text() == "90 % intervals"


@pytest.fixture
def tube():
    """A counter of sections, and images and labels of an object in all of six sections."""
    y = np.zeros((6, 14, 14), int)
    y[:, 2:8, 2:8] = 1
    counter = InstanceCounter("components", min_size=0, sections="consecutive").fit(1.0 * y)
    return counter, y


def test_sections_labeled_apart_are_compared_by_cross_sections(tube, tmp_path):
    """Nothing says whether what is in two of them is one object."""
    counter, y = tube
    apart = [label if i in (0, 2, 5) else None for i, label in enumerate(y)]
    assert compared(counter, tmp_path, apart, y)[0].endswith(
        "Over these sections, 3 cross-sections are labeled, 3 were counted."
    )
    y[2, 12:] = -1
    assert compared(counter, tmp_path, y, y > 0)[0].endswith(
        "In the 5 sections that are labeled completely, 5 cross-sections are labeled, 5 were "
        "counted."
    )


def test_points_in_sections_are_compared_with_visible_objects(tube, tmp_path):
    counter, y = tube
    points = [np.array([[4.0, 4.0]]) if i in (0, 5) else None for i in range(len(y))]
    path = report.html(counter, 1.0 * y, points, tmp_path / "points.html")
    assert "2 cross-sections are labeled, 2 were counted." in path.read_text("utf-8")
