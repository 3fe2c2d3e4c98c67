"""The page, read as a browser reads it."""

import re
import shutil
import subprocess
from base64 import b64decode
from html.parser import HTMLParser
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer

from sskseg import (
    ContourDetector,
    DomainCheck,
    ImageStack,
    InstanceCounter,
    LogBlobs,
    OtsuWatershed,
    PercentileScaler,
    PixelForest,
    ProxyPretrainer,
    SemiSupervisedSegmenter,
    SimulatedRefiner,
    report,
)
from sskseg.counting import Contours
from sskseg.datasets import make_cells
from sskseg.report._groups import image_groups
from sskseg.report._summary import fitted_attributes, settings
from sskseg.simulation import CellSimulator

pytest.importorskip("matplotlib")  # figures of pages are not pyplot's: none is to be closed
CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome", "chrome")
     if (found := shutil.which(name))), None,
)  # fmt: skip
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&"


class Reader(HTMLParser):
    """Elements, texts by heading, and whether everything that is opened is closed."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.open, self.texts = [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "br", "link", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)

    def attributes(self, name, of=None):
        return [a[name] for tag, a in self.tags if name in a and of in (None, tag)]

    @property
    def headings(self):
        return [a["id"] for tag, a in self.tags if tag == "section"]


def read(path):
    text = path.read_text(encoding="utf-8")
    page = Reader(text)
    assert page.open == []
    assert text.startswith("<!DOCTYPE html>")
    # Nothing is fetched, nothing runs.
    assert not {"script", "link", "iframe", "object", "embed"} & {tag for tag, _ in page.tags}
    assert not [name for _, attrs in page.tags for name in attrs if name.startswith("on")]
    kinds = ("data:image/svg+xml;", "data:image/jpeg;base64,")
    assert all(source.startswith(kinds) for source in page.attributes("src"))
    assert all(target.startswith("#") for target in page.attributes("href"))
    assert not re.search(r"@import|url\(", text.split("</style>")[0])
    # Every figure has an alternative text.
    assert len(page.attributes("alt", "img")) == len(page.attributes("src", "img"))
    assert all(len(words) > 20 for words in page.attributes("alt", "img"))
    ids = page.attributes("id")
    assert len(ids) == len(set(ids))
    assert set(page.attributes("href")) == {f"#{i}" for i in ids}
    for source in page.attributes("src"):
        picture = unquote(source.partition(",")[2])
        if source.startswith(kinds[1]):
            assert b64decode(picture).startswith(b"\xff\xd8")
            continue
        assert picture.startswith("<svg")
        assert "var(--ink)" in picture or "#010203" not in picture
    return page


@pytest.fixture(scope="module")
def page(pipeline, cells, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    X, _, known = cells
    names = ["a", "b", "c", HOSTILE]
    assert report.html(pipeline, X, known, path, names=names, spacing=(0.5, 0.5)) == path
    return path


def test_a_page_of_a_whole_pipeline(page, pipeline, cells):
    found = read(page)
    assert found.headings == [
        "images", "scores", "counts", "sizes", "calibration", "terms", "objects", "data",
        "training", "settings", "versions",
    ]  # fmt: skip
    text = "".join(found.texts)
    assert "max_steps=20" in text
    X, _, known = cells
    dice = pipeline[1].score(pipeline[0].transform(X), known)
    assert f"{dice:.4g}" in found.texts
    f1 = pipeline[-1].score(pipeline[:-1].transform(X), known)
    assert f"{f1:.4g}" in found.texts
    counts = [str(n) for n in pipeline.predict(X)]
    first = found.texts.index("Counts, 4 rows")
    cells_of_table = [t for t in found.texts[first:] if t.strip()]
    at = [cells_of_table.index(name) for name in ("a", "b", "c", HOSTILE)]
    assert [cells_of_table[i + 1] for i in at] == counts
    assert "No 90 % intervals: coverage=0.9 needs true counts of at least 9 samples in fit" in text
    assert [p.name for p in page.parent.iterdir()] == ["report.html"]


def test_hostile_text_stays_text(cells, tmp_path):
    X, y, _ = cells

    class Hostile(OtsuWatershed):
        def __repr__(self):
            return HOSTILE

    Hostile.__name__ = HOSTILE
    Hostile.__init__.__doc__ = None
    model = Pipeline([(HOSTILE, FunctionTransformer(kw_args={})), ("last", Hostile())])
    model.fit(X, y)
    model[0].note_ = HOSTILE
    model[0].kw_args = {HOSTILE: HOSTILE}
    model[0].func = _same
    path = report.html(
        model, X, y, tmp_path / "page.html", heading=HOSTILE, names=[HOSTILE] * 4, unit=HOSTILE,
        spacing=(1, 1),
    )  # fmt: skip
    text = path.read_text()
    assert "<script" not in text
    assert "<img src=x" not in text
    assert HOSTILE in "".join(read(path).texts)
    for source in read(path).attributes("src"):
        assert "<script" not in unquote(source)


def _same(X, **options):
    return X


def test_parts_of_a_pipeline_have_pages_too(pipeline, cells, tmp_path):
    X, y, _ = cells
    scaled = pipeline[0].transform(X)
    probability = pipeline[:-1].transform(X)
    points = [np.argwhere(x == 1)[:1] for x in y]
    cases = {
        "segmenter": (pipeline[1], scaled, None, {"training", "images"}),
        "counter": (pipeline[-1], probability, y, {"counts", "scores", "objects", "calibration"}),
        "counts": (pipeline, X, [3, 4, 5, 6], {"counts", "scores"}),
        "points": (pipeline, X, points, {"counts", "scores"}),
        "otsu": (OtsuWatershed().fit(X), X, y, {"counts", "objects", "sizes"}),
        "blobs": (LogBlobs(n_sigma=2).fit(X), X, y, {"counts", "objects"}),
        "forest": (make_pipeline(
            PixelForest(n_estimators=2, sigma_max=1.0, random_state=0), InstanceCounter()
        ).fit(X, y), list(X), None, {"images", "counts"}),
        "one": (pipeline, X[:1], y[:1], {"images", "counts", "scores"}),
        "passthrough": (Pipeline([("none", "passthrough"), ("all", pipeline[:1])]), X, None,
                        {"settings"}),
    }  # fmt: skip
    for name, (model, images, reference, wanted) in cases.items():
        found = read(report.html(model, images, reference, tmp_path / f"{name}.html", max_images=1))
        assert wanted <= set(found.headings), name
        if reference is None:
            assert not {"scores", "calibration"} & set(found.headings), name


def test_contours_have_pages(cells, tmp_path):
    X, y, _ = cells
    detector = ContourDetector(width=4, depth=2, max_steps=2, batch_size=2, random_state=0)
    counter = InstanceCounter(Contours(detector))
    for model in (detector.fit(X, y), counter.fit(X, y)):
        found = read(report.html(model, X, y, tmp_path / "page.html", max_images=1))
        assert {"images", "counts", "objects"} <= set(found.headings)


@pytest.mark.filterwarnings("ignore:Histogram and power spectrum")
@pytest.mark.usefixtures("small_reports")
def test_private_names_are_left_out():
    class Step(BaseEstimator):
        def __init__(self, size=1, _hidden=2):
            self.size, self._hidden = size, _hidden
            self.limit_, self._state_, self._cache = 3, 4, 5

    changed, table = settings(Step(size=2, _hidden=3))
    assert changed == ["size=2"]
    assert table["parameter"].tolist() == ["size"]
    assert fitted_attributes(Step()) == [("limit_", "3")]


def test_pretraining_and_simulation_are_shown(tmp_path):
    X, _ = make_cells(4, (48, 48), random_state=0)
    model = make_pipeline(
        ProxyPretrainer(("rotation",), width=2, depth=1, max_steps=2, batch_size=4, random_state=0),
        SimulatedRefiner(width=2, depth=1, max_steps=2, batch_size=2, random_state=0),
    ).fit(X)
    found = read(report.html(model, X, path=tmp_path / "page.html"))
    assert {"pretraining", "simulation", "training"} <= set(found.headings)
    assert "boundary shift" in found.texts


def test_volumes_and_sections(tmp_path):
    X, y = make_cells(1, (8, 24, 24), random_state=0)
    volume = OtsuWatershed(spatial_ndim=3).fit(X)
    alts = read(report.html(volume, X, y, tmp_path / "v.html", spacing=(2, 1, 1))).attributes("alt")
    assert any("orthogonal views" in words for words in alts)
    stack, labels = X[0], np.where(np.arange(8)[:, None, None] == 4, y[0], -1)
    segmenter = SemiSupervisedSegmenter(
        width=2, depth=1, max_steps=2, batch_size=2, sections="consecutive", random_state=0,
        patch_size=16,
    )  # fmt: skip
    counter = InstanceCounter(sections="consecutive", spacing=(2, 1, 1))
    model = make_pipeline(segmenter, counter).fit(stack, labels)
    positions = np.arange(8)
    path = report.html(model, stack, labels, tmp_path / "s.html", positions=positions)
    found = read(path)
    assert any("orthogonal views" in words for words in found.attributes("alt"))
    assert "volume" in found.texts or "volume (µm³)" in path.read_text()


def test_objects_of_a_stack_count_once_and_are_visible_in_each_section(tmp_path):
    """One object in sections 0 to 2, another in 1 alone; all sections are painted, as a mask."""
    X = np.zeros((3, 16, 16))
    X[:, 2:6, 2:6] = X[1, 10:14, 10:14] = 1
    counter = InstanceCounter("components", min_size=0, sections="consecutive").fit(X)
    found = read(report.html(counter, X, X.astype(int), tmp_path / "page.html"))
    counts = table_rows(found, "Counts, 3 rows")
    header = counts.index("visible_objects")
    rows = ["image 0", "0", "1", "1", "image 1", "2", "2", "2", "image 2", "0", "1", "1"]
    assert counts[header - 1 : header + 2] == ["objects", "visible_objects", "true"]
    assert counts[header + 2 : header + 6] == ["found", "missed", "not labeled", "F1"]
    scored = [word for i in (0, 4, 8) for word in (*rows[i : i + 4], rows[i + 3], "0", "0", "1")]
    assert counts[header + 6 : header + 30] == scored
    lead = "The model counted 2 objects in 3 sections. An object in several sections counts once; "
    assert any(text.startswith(lead) for text in found.texts)
    assert "2 counted" in found.texts
    assert "Objects, 2 rows" in found.texts
    display = report.SizeDisplay.from_estimator(counter, X, X.astype(int))
    assert sorted(display.sizes) == sorted(display.true_sizes) == [16, 48]
    partly = X.astype(int)
    partly[2, 0, 0] = -1  # the volume of the first object is not known
    assert report.SizeDisplay.from_estimator(counter, X, partly).true_sizes is None


def test_counts_of_sections_are_those_of_visible_objects(tmp_path):
    """An object in sections 0 to 5 is labeled; in the last two it was not found."""
    y = np.zeros((6, 16, 16), int)
    y[:, 2:6, 2:6], y[:, 10:14, 10:14] = 4, 7
    X = (y == 4) * 1.0
    X[:4] += y[:4] == 7
    counter = InstanceCounter("components", min_size=0, sections="consecutive").fit(X)
    found = read(report.html(counter, X, y, tmp_path / "page.html"))
    scores = table_rows(found, "Scores")
    assert scores[scores.index("relative count error (WAPE)") + 1] == "0.1667"  # 2 of 12
    display = report.CountAgreementDisplay.from_estimator(counter, X, y)
    assert display.y_true.tolist() == [2] * 6
    assert display.y_pred.tolist() == [2, 2, 2, 2, 1, 1]


def test_displays_read_the_positions_of_images():
    """Two stacks of two sections: an object at the border of both is one in each."""
    y = np.zeros((4, 16, 16), int)
    y[:, 2:6, 2:6] = 1
    X = ImageStack(y.astype(float), positions=[0, 1, 3, 4])
    counter = InstanceCounter("components", min_size=0, sections="consecutive").fit(X)
    display = report.SizeDisplay.from_estimator(counter, X, y)
    assert sorted(display.sizes) == sorted(display.true_sizes) == [32, 32]


def test_objects_of_several_stacks_are_those_of_the_table_of_count(tmp_path):
    """An object in the first two sections of each counts in the first, and its z starts there."""
    y = np.zeros((6, 16, 16), int)
    y[[0, 1, 3, 4], 2:6, 2:6] = 1
    X = ImageStack(y.astype(float), positions=[0, 1, 2, 4, 5, 6])
    counter = InstanceCounter("components", min_size=0, sections="consecutive").fit(X)
    names = [f"{name}_{i:04d}" for name in "ab" for i in range(3)]
    found = read(report.html(counter, X, path=tmp_path / "page.html", names=names))
    counts = table_rows(found, "Counts, 6 rows")
    assert [counts[counts.index(name) + 1] for name in names] == ["1", "0", "0", "1", "0", "0"]
    objects = table_rows(found, "Objects, 2 rows")
    header = objects[1 : objects.index("a")]
    assert header[:3] == ["image", "id", "centroid_z [pixel]"]
    for name, number in (("a", "1"), ("b", "2")):
        row = objects[objects.index(name) :][: len(header)]
        assert row[:3] == [name, number, "0.5"]
        assert row[header.index("max_z [pixel]")] == "2"


def table_rows(found, caption):
    """Texts of a table, from its caption to the next 80 texts."""
    texts = [t for t in found.texts if t.strip()]
    start = texts.index(caption)
    return texts[start : start + 80]


def test_images_that_were_trained_on_stand_apart(pipeline, cells, tmp_path):
    """The model was trained on the first two images, of which none is a validation image."""
    X, y, _ = cells
    path = report.html(pipeline, X, y, tmp_path / "page.html", trained_on=[0, 1])
    found = read(path)
    texts = found.texts
    assert "Training images" in texts
    assert "New images" in texts
    scaled = pipeline[0].transform(X)
    for caption, rows in (("Scores, training images", [0, 1]), ("Scores, new images", [2, 3])):
        dice = pipeline[1].score(scaled[rows], y[rows])
        assert f"{dice:.4g}" in table_rows(found, caption)
    counts = table_rows(found, "Counts, 4 rows")
    assert counts.count("training") == counts.count("new") == 2
    alts = found.attributes("alt")
    assert sum(words.startswith("Outlines in image") for words in alts) == 4
    images = texts[texts.index("Images", texts.index("Versions")) :]
    assert images.index("New images") < images.index("Training images")
    unknown = "".join(read(report.html(pipeline, X, y, path)).texts)
    assert "Whether these images were used for training is not known" in unknown
    assert "Whether these images" not in "".join(
        read(report.html(pipeline, X, y, path, trained_on=[])).texts
    )


@pytest.mark.parametrize("kind", [list, np.array, pd.Series, pd.Categorical])
def test_uses_of_images_are_words(kind):
    words = kind(["new", "validation", "new"])
    groups = image_groups(None, 3, words)
    assert [(group.name, group.indices.tolist()) for group in groups] == [
        ("validation", [1]), ("new", [0, 2])
    ]  # fmt: skip


def test_validation_images_stand_apart(cells, tmp_path):
    X, y = make_cells(6, (32, 32), random_state=0)
    segmenter = SemiSupervisedSegmenter(
        semi_supervision=None, width=2, depth=1, max_steps=2, batch_size=2, random_state=0
    )
    model = make_pipeline(segmenter, InstanceCounter("components")).fit(X[:5], y[:5])
    (held_out,) = segmenter.validation_indices_
    path = tmp_path / "page.html"
    found = read(report.html(model, X, y, path, trained_on=range(5)))
    counts = table_rows(found, "Counts, 6 rows")
    assert counts.count("training") == 4
    assert counts[counts.index(f"image {held_out}") + 2] == "validation"
    assert counts[counts.index("image 5") + 2] == "new"
    for wrong, error in (
        ([6], "indices of images between 0 and 5"),
        ([i for i in range(5) if i != held_out], "must hold all labeled images of fit"),
        ("some", "trained_on must be numbers"),
        ([True] * 5 + [False], "indices of images between 0 and 5"),
        ([[0], [1, 2]], "trained_on must be numbers"),
    ):
        with pytest.raises(ValueError, match=error):
            report.html(model, X, y, path, trained_on=wrong)


def test_mistakes_are_named_and_an_older_page_stays(pipeline, cells, tmp_path):
    X, y, _ = cells
    path = tmp_path / "page.html"
    path.write_text("older")
    for wrong, error in (
        ({"y": y[:2]}, "same number of samples"),
        ({"y": y[:, :5]}, "must have the spatial shape"),
        ({"y": y.astype(float)}, "must be integers"),
        ({"names": ["a"]}, "names must be 4"),
    ):
        with pytest.raises(ValueError, match=error):
            report.html(pipeline, X, **{"y": y, "path": path, **wrong})
    with pytest.raises(NotFittedError):
        report.html(OtsuWatershed(), X, y, path)
    with pytest.raises(TypeError, match="must have a method transform"):
        report.html(object(), X, y, path)
    assert path.read_text() == "older"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
@pytest.mark.parametrize("mode", ["light", "dark"])
def test_a_browser_shows_it(page, tmp_path, mode):
    from skimage.io import imread

    picture = tmp_path / "page.png"
    options = ["--force-dark-mode", "--blink-settings=preferredColorScheme=0"]
    result = subprocess.run(
        [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
         "--window-size=900,4200", "--enable-logging=stderr", f"--user-data-dir={tmp_path / 'u'}",
         *(options if mode == "dark" else []), f"--screenshot={picture}", page.as_uri()],
        capture_output=True, text=True, timeout=300, check=True,
    )  # fmt: skip
    assert ":CONSOLE" not in result.stderr  # which lists refused content
    seen = imread(picture)[..., :3].astype(int)
    background = seen[5, 5].mean()
    assert background > 200 if mode == "light" else background < 60
    # Outlines (sky blue) and the color map (dark blue of cividis) are there: images are drawn.
    for color in ((86, 180, 233), (0, 34, 78)):
        assert (np.abs(seen - color).max(axis=-1) < 40).sum() > 50
    text = seen.mean(axis=-1)[:600]
    assert (np.abs(text - background) > 120).sum() > 1000


# scikit-learn's own view of estimators

SIMULATOR = CellSimulator()
ESTIMATORS = [
    PercentileScaler(),
    ProxyPretrainer(("rotation",)),
    SimulatedRefiner(SIMULATOR),
    SemiSupervisedSegmenter(),
    InstanceCounter(spacing=(1.0, 0.5)),
    OtsuWatershed(),
    LogBlobs(),
    PixelForest(),
]


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda e: type(e).__name__)
def test_estimators_show_themselves(estimator):
    text = estimator._repr_html_()
    assert type(estimator).__name__ in text
    assert all(name in text for name in estimator.get_params(deep=False))
    assert "text/html" in estimator._repr_mimebundle_()


def test_pipelines_show_themselves(pipeline):
    inner = make_pipeline(*ESTIMATORS[:3])
    nested = GridSearchCV(
        make_pipeline(inner, *ESTIMATORS[3:5]), {"instancecounter__margin": [0, 1]}
    )
    text = nested._repr_html_()
    names = ("GridSearchCV", *(type(e).__name__ for e in ESTIMATORS[:5]))
    assert all(name in text for name in names)
    assert "SemiSupervisedSegmenter" in pipeline._repr_html_()  # fitted
    hostile = make_pipeline(SemiSupervisedSegmenter(network=HOSTILE))
    assert "<script>alert(1)" not in hostile._repr_html_()


def test_what_the_domain_check_warns_of_and_units_are_on_the_page(cells, tmp_path):
    X, y, _ = cells
    stack = ImageStack(np.concatenate([X, X]), spacing=(0.5, 0.5), unit="micrometer")
    model = make_pipeline(DomainCheck(), PixelForest(random_state=0), InstanceCounter()).fit(
        stack, np.concatenate([y, y])
    )
    bad = ImageStack(np.concatenate([1 - X[:1], X[1:]]), spacing=(0.5, 0.5), unit="micrometer")
    with pytest.warns(UserWarning, match=r"1 of 4 images are unlike .*: X\[0\]\."):
        path = report.html(model, bad, path=tmp_path / "a.html", names=["first", *"bcd"])
    text = "".join(read(path).texts)
    assert re.search(r"Warning: 1 of 4 images are unlike .*: first\. Their objects", text)
    assert "X[0]" not in text
    assert "area [micrometer^2]" in text
    path = report.html(model, stack, path=tmp_path / "b.html")
    assert "Warning: " not in "".join(read(path).texts)
