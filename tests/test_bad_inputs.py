"""What each estimator says of bad input; `docs/bad_inputs.md` is made of it by

python tests/test_bad_inputs.py
"""

import re
import warnings
from functools import cache
from pathlib import Path

import bad_files
import bad_rois  # noqa: F401 - adds its files
import bad_stores  # noqa: F401 - adds rows to FILES
import bad_totals
import dask.array as da
import numpy as np
import pandas as pd
import pytest
import torch
import zarr
from bad_windows import FILES
from sklearn.base import clone

import sskseg
from sskseg import (
    ContourDetector,
    DomainCheck,
    InstanceCounter,
    LogBlobs,
    OtsuWatershed,
    PercentileScaler,
    PixelForest,
    PretrainedBackbone,
    ProxyPretrainer,
    SegmentationLoss,
    SemiSupervisedSegmenter,
    SimulatedRefiner,
)
from sskseg.counting import Watershed
from sskseg.datasets import make_cells
from sskseg.images import unwrap
from sskseg.nn import PretrainedEncoder
from sskseg.scans import count_scan

PAGE = Path(__file__).parents[1] / "docs" / "bad_inputs.md"
SMALL = {"width": 2, "depth": 1, "max_steps": 1, "batch_size": 2, "random_state": 0}
ESTIMATORS = [
    PercentileScaler(),
    ProxyPretrainer(("rotation",), **SMALL),
    SimulatedRefiner(**SMALL),
    SemiSupervisedSegmenter(semi_supervision=None, **SMALL),
    InstanceCounter("components"),
    OtsuWatershed(),
    LogBlobs(n_sigma=1),
    PixelForest(n_estimators=1, sigma_max=1.0, random_state=0),
    ContourDetector(order=2, samples=8, **SMALL),
    DomainCheck(),
    PretrainedBackbone("nuclei"),
]
NAMES = tuple(type(estimator).__name__ for estimator in ESTIMATORS)
SCALER, PRETRAINER, REFINER, SEGMENTER, COUNTER, OTSU, BLOBS, FOREST, DETECTOR, CHECK, BACKBONE = (
    NAMES
)
COUNTING = (COUNTER, OTSU, BLOBS)
LEARNING = (SEGMENTER, COUNTER, OTSU, BLOBS, FOREST, DETECTOR)
LABELS = (REFINER, *LEARNING)
HANDING_ON = (PRETRAINER, REFINER, CHECK, BACKBONE)
LAZY = (SCALER, *HANDING_ON, SEGMENTER, COUNTER, DETECTOR)

TOP = """# Bad input

This page shows what each estimator does with unusual or invalid input. Invalid input breaks [the
contract](design.md). It raises an error at once, which names the argument, what was expected, and
what was given. Other input works, as described. X are six images of 48 x 56 pixels, of which the
last two are unlabeled, unless stated otherwise. `ProxyPretrainer`, `PercentileScaler`,
`DomainCheck` and `PretrainedBackbone` ignore y, except that its shape may show that X holds
volumes.

`python tests/test_bad_inputs.py` writes this page, and a test compares it with the library.
"""


@cache
def cells():
    X, y = make_cells(6, (48, 56), random_state=0)
    y[4:] = -1
    X = np.clip(X, 0, 1).astype(np.float64)
    X.flags.writeable = y.flags.writeable = False
    return X, y


@cache
def fitted(name):
    return make(name).fit(*cells())


def make(name):
    return clone(ESTIMATORS[NAMES.index(name)])


def with_value(array, value, dtype=None):
    array = np.array(array, dtype)
    array[3, 2, 1] = value
    return array


def lazy(array):
    return da.from_array(array, chunks=(1, -1, -1))


def unknown_size(array):
    array = lazy(array)
    return array[array[:, 0, 0] > -1]


CASES = []  # (section, input, run, estimators, what works)


def fit(section, what, X=None, y=None, who=NAMES, works=None, **params):
    """A `fit` with other images, labels or parameters, or arguments of its own (in `kwargs`)."""
    kwargs = params.pop("kwargs", {})

    def run(name):
        images, labels = cells()
        images = images if X is None else X(images)
        labels = labels if y is None else y(labels)
        return make(name).set_params(**params).fit(images, labels, **kwargs)

    CASES.append((section, what, run, who, works or {}))


def call(section, what, method, *, who=NAMES, works=None):
    """Something else than `fit`: ``method(name)``."""
    CASES.append((section, what, method, who, works or {}))


def everyone(text, who=NAMES):
    return dict.fromkeys(who, text)


# Images

AT = "X of fit"
fit(AT, "NaN", lambda X: with_value(X, np.nan))
fit(AT, "infinity", lambda X: with_value(X, np.inf))
fit(AT, "1e30", lambda X: X * 1e30)
fit(AT, "dtype object", lambda X: X.astype(object))
fit(AT, "strings", lambda X: X.astype(str))
fit(AT, "complex numbers", lambda X: X + 1j)
fit(AT, "None", lambda X: None)
fit(AT, "a path", lambda X: "scan.tif")
fit(AT, "a DataFrame", lambda X: pd.DataFrame(X[0]))
fit(AT, "a tensor", lambda X: torch.from_numpy(X.copy()))
fit(AT, "an array of Zarr", lambda X: zarr.array(X))
fit(AT, "a generator", lambda X: (x for x in X))
fit(AT, "masked pixels", lambda X: np.ma.masked_array(X, X < 0.1))
fit(AT, "no sample", lambda X: X[:0], lambda y: y[:0])
fit(AT, "no pixel", lambda X: X[:, :0], lambda y: y[:, :0])
fit(AT, "one image without the axis of samples", lambda X: X[0], lambda y: y[0])
fit(AT, "a list of images with and without too many axes", lambda X: [*X[:5], X[5][None, None]])
fit(AT, "a list of images of 1 and 2 channels", lambda X: [*X[:5], np.stack([X[5]] * 2, -1)])
fit(AT, "volumes of 8 sections", lambda X: np.stack([X] * 8, 1), lambda y: np.stack([y] * 8, 1))
fit(AT, "two channels", lambda X: np.stack([X, X], -1), works={
    SCALER: "each channel has its percentiles",
    PRETRAINER: "every patch has one channel",
    SEGMENTER: "all channels are used",
    COUNTER: "the second is the probability of cores",
    OTSU: "`channel` is used",
    BLOBS: "`channel` is used",
    FOREST: "all channels are used",
    DETECTOR: "all channels are used",
    CHECK: "their mean is measured",
    BACKBONE: "the weights of the first layer are repeated",
})  # fmt: skip
fit(AT, "a dask array", lazy, works={SCALER: "one sample is read at a time"})
fit(AT, "a dask array of unknown size", unknown_size)
fit(AT, "images of different sizes", lambda X: [*X[:5], X[5][:40]],
    lambda y: [*y[:5], y[5][:40]],
    who=(SCALER, REFINER, *LEARNING, CHECK, BACKBONE),
    works=everyone("each image has an output of its size"))  # fmt: skip
fit(AT, "constant images", lambda X: np.ones_like(X), works={
    SCALER: "a channel without range becomes 0",
    SEGMENTER: "the network can only learn the share of the foreground",
    COUNTER: "the defaults are kept",
    OTSU: "there is no foreground",
    BLOBS: "there is no blob",
    FOREST: "the network can only learn the share of the foreground",
    DETECTOR: "the network can only learn the share of the foreground",
    CHECK: "all other images raise the warning",
    BACKBONE: "the images are returned unchanged",
})  # fmt: skip
fit(AT, "images of 5 x 5 pixels", lambda X: X[:, :5, :5], lambda y: y[:, :5, :5],
    works=everyone("like other images", (SCALER, *LEARNING, CHECK, BACKBONE)))  # fmt: skip
fit(AT, "images of one pixel", lambda X: X[:, :1, :1], lambda y: y[:, :1, :1],
    works=everyone(
        "like other images", (SCALER, SEGMENTER, COUNTER, OTSU, CHECK, BACKBONE)
    ))  # fmt: skip
fit(AT, "images beyond 0 and 1", lambda X: X * 255, who=(COUNTER,))
for number in (3, 4, "2"):
    fit(AT, f"`spatial_ndim={number!r}`", spatial_ndim=number,
        who=tuple(name for name in NAMES if name not in (REFINER, DETECTOR, BACKBONE)))  # fmt: skip

# Labels

AT = "y of fit"
fit(AT, "None", y=lambda y: None, who=LABELS, works={
    REFINER: "labels are not needed",
    COUNTER: "the defaults are kept",
    OTSU: "the defaults are kept",
    BLOBS: "the threshold is 0.1",
})  # fmt: skip
fit(AT, "-1 everywhere", y=lambda y: np.full_like(y, -1), who=LEARNING)
fit(AT, "masks of another shape", y=lambda y: y[:, :40], who=LABELS)
fit(AT, "fewer label images than images", y=lambda y: y[:4], who=LABELS)
fit(AT, "floats", y=lambda y: y.astype(float), who=LABELS)
fit(AT, "dtype object", y=lambda y: y.astype(object), who=LABELS)
fit(AT, "strings", y=lambda y: y.astype(str), who=LABELS)
fit(AT, "values below -1", y=lambda y: with_value(y, -2), who=LABELS)
fit(AT, "uint64 beyond int64", who=LABELS,
    y=lambda y: np.full(y.shape, 2**63, np.uint64))  # fmt: skip
fit(AT, "masked pixels", y=lambda y: np.ma.masked_array(y, y == 0), who=LABELS)
fit(AT, "a path", y=lambda y: "labels.tif", who=LABELS)
fit(AT, "a number", y=lambda y: 3, who=LABELS)
fit(AT, "background only", y=np.zeros_like, who=LEARNING, works={
    SEGMENTER: "the network predicts background everywhere",
    COUNTER: "the simulator is calibrated on images without objects",
    OTSU: "the simulator is calibrated on images without objects",
    BLOBS: "the simulator is calibrated on images without objects",
})  # fmt: skip
fit(AT, "foreground only", y=np.ones_like, who=LABELS, works={
    SEGMENTER: "the network predicts foreground everywhere",
    COUNTER: "each image is one object",
    DETECTOR: "each image is one object",
    OTSU: "each image is one object",
    BLOBS: "each image is one object",
})  # fmt: skip
fit(AT, "masks of 0 and 255", y=lambda y: np.clip(y, 0, 1) * 255, who=LEARNING, works={
    SEGMENTER: "UserWarning: y holds 0 and 255 only: pixels of 255 are one object in each image",
    COUNTER: "pixels of 255 are one object",
    DETECTOR: "pixels of 255 are one object",
    OTSU: "pixels of 255 are one object",
    BLOBS: "pixels of 255 are one object",
    FOREST: "everything above 0 is foreground",
})  # fmt: skip
fit(AT, "points of three columns for images of two axes", who=LABELS,
    y=lambda y: [np.ones((4, 3))] * 6)  # fmt: skip
fit(AT, "points outside of the image", y=lambda y: [np.array([[100.0, 7]])] * 6, who=LABELS)
fit(AT, "points of NaN", y=lambda y: [np.array([[np.nan, 7]])] * 6, who=LABELS)
fit(AT, "points of strings", y=lambda y: [np.array([["a", "b"]])] * 6, who=LABELS)
fit(AT, "points for some, label images for others", who=LABELS,
    y=lambda y: [np.array([[3.0, 4]]), *y[1:]], works={
        SEGMENTER: "discs are drawn around the points",
        BLOBS: "objects of both are counted",
        FOREST: "discs are drawn around the points",
        REFINER: "discs are drawn around the points",
    })  # fmt: skip
fit(AT, "counts", y=lambda y: np.arange(6), who=LABELS,
    works=everyone("the simulator is calibrated on them", COUNTING))  # fmt: skip
fit(AT, "fewer counts than images", y=lambda y: [1, 2, 3], who=COUNTING)
fit(AT, "negative counts", y=lambda y: [-2, 2, 3, 4, 5, 6], who=COUNTING)
fit(AT, "counts of some images only", y=lambda y: [None, 2, 3, 4, np.nan, -1], who=COUNTING,
    works=everyone("the other counts are unknown", COUNTING))  # fmt: skip
fit(AT, "counts that are strings", y=lambda y: list("123456"), who=COUNTING)
fit(AT, "counts that are booleans", y=lambda y: [True] * 6, who=COUNTING)

# What goes with them

AT = "Other arguments of fit"
both = (SEGMENTER, COUNTER)
for what, value in {
    "too few": [0, 1, 2],
    "duplicate": [0, 1, 2, 2, 3, 4],
    "floats": [0, 1, 2, 2.5, 3, 4],
    "beyond int64": np.arange(6, dtype=np.uint64) + np.uint64(2**63),
    "unsorted": [5, 1, 0, 2, 3, 4],
}.items():
    works = everyone("samples may be in any order", both) if what == "unsorted" else {}
    fit(AT, f"positions: {what}", who=both, kwargs={"positions": value}, works=works)
for what, value in {
    "too few": [1, 1],
    "negative": [1, 1, 1, -1, 1, 1],
    "NaN": [np.nan] * 6,
    "strings": list("abcdef"),
    "all 0": [0] * 6,
}.items():
    fit(AT, f"sample_weight: {what}", who=(SEGMENTER,), kwargs={"sample_weight": value})
for what, value in {"too few": [1, 2], "NaN": [np.nan] * 6, "strings": list("abcdef")}.items():
    fit(AT, f"magnification: {what}", who=(PRETRAINER,), kwargs={"magnification": value})
fit(AT, "domains: too few", who=(PRETRAINER,), kwargs={"domains": [1, 2]})
fit(AT, "domains: of several types", who=(PRETRAINER,), kwargs={"domains": [None, 1, "a", 2, 3, 4]})

# Parameters

AT = "Parameters"
torchy = (PRETRAINER, REFINER, SEGMENTER, DETECTOR)
fit(AT, "`width=0`", width=0, who=torchy)
fit(AT, "`max_steps=0`", max_steps=0, who=torchy)
fit(AT, "`time_budget=-1`", time_budget=-1, who=torchy)
fit(AT, "`learning_rate=nan`", learning_rate=np.nan, who=torchy)
fit(AT, "`batch_size=2.5`", batch_size=2.5, who=torchy)
fit(AT, "`batch_size=1`, patches of one pixel at the network's coarsest level", batch_size=1,
    patch_size=32, depth=4, who=(PRETRAINER, SEGMENTER, DETECTOR))  # fmt: skip
fit(AT, "`precision='half'`", precision="half", who=torchy)
fit(AT, "`random_state='x'`", random_state="x", who=(*torchy, FOREST))
fit(AT, "`device='gpu'`", device="gpu", who=torchy)
fit(AT, "`device='meta'`", device="meta", who=torchy)
fit(AT, "`patch_size=(8, 8, 8)`", patch_size=(8, 8, 8), who=torchy)
fit(AT, "`patch_size=(16.5, 16)`", patch_size=(16.5, 16), who=torchy)
fit(AT, "`patch_size='big'`", patch_size="big", who=torchy)
fit(AT, "`patch_size=64`, larger than the images", patch_size=64, who=torchy,
    works=everyone("images are extended at the borders", (SEGMENTER, DETECTOR)))  # fmt: skip
fit(AT, "`network='resnet'`", network="resnet", who=(PRETRAINER, SEGMENTER, DETECTOR))
fit(AT, "`network=torch.nn.Linear`", network=torch.nn.Linear, who=(PRETRAINER, SEGMENTER, DETECTOR))
fit(AT, "`network=Identity()`", network=torch.nn.Identity(), who=(PRETRAINER, SEGMENTER, DETECTOR))
for what, encoder in {
    "PretrainedEncoder('resnet18')": PretrainedEncoder("resnet18"),
    "PretrainedEncoder(Flatten())": PretrainedEncoder(torch.nn.Flatten()),
}.items():
    fit(AT, f"`network={what}`", network=encoder, who=(PRETRAINER, SEGMENTER, DETECTOR))
    fit(AT, f"`features={what}`", features=encoder, who=(FOREST,))
fit(AT, "`proxies=('nope',)`", proxies=("nope",), who=(PRETRAINER,))
fit(AT, "`proxies=('channel',)` of one channel", proxies=("channel",), who=(PRETRAINER,))
fit(AT, "`simulator='cells'`", simulator="cells", who=(REFINER,))
fit(AT, "`semi_supervision='magic'`", semi_supervision="magic", who=(SEGMENTER,))
fit(AT, "`semi_supervision='continuity'` of independent images", semi_supervision="continuity",
    who=(SEGMENTER,))  # fmt: skip
fit(AT, "`loss=SegmentationLoss(('mse',))`", loss=SegmentationLoss(("mse",)), who=(SEGMENTER,))
fit(AT, "`loss=('dice',)`", loss=("dice",), who=(SEGMENTER,))
fit(AT, "`augmentation={'spin': 1}`", augmentation={"spin": 1}, who=(SEGMENTER,))
fit(AT, "`augmentation={'rotation': 'x'}`", augmentation={"rotation": "x"}, who=(SEGMENTER,))
fit(AT, "`percentiles=(5, 5)`", percentiles=(5, 5), who=(SCALER,))
fit(AT, "`percentiles=('a', 'b')`", percentiles=("a", "b"), who=(SCALER,))
fit(AT, "`threshold=2.0`", threshold=2.0, who=(COUNTER, OTSU))
fit(AT, "`spacing=(1,)`", spacing=(1,), who=(COUNTER,))
fit(AT, "`spacing=(1, nan)`", spacing=(1, np.nan), who=(COUNTER,))
fit(AT, "`margin=24`, half of the images", margin=24, who=(COUNTER,))
fit(AT, "`min_size=5000`, more than the pixels of an image", min_size=5000, who=(COUNTER,))
fit(AT, "`merge_distance=80`, more than the diagonal of an image", merge_distance=80.0,
    who=(COUNTER,))  # fmt: skip
fit(AT, "`method=Watershed(smoothing=80)`", method=Watershed(smoothing=80.0), who=(COUNTER,))
fit(AT, "`max_sigma=80`, more than the sides of the images", max_sigma=80.0, who=(BLOBS,))
fit(AT, "`sigma=80`, more than the sides of the images", sigma=80.0, who=(OTSU,))
fit(AT, "`channel=3` of one channel", channel=3, who=(OTSU, BLOBS))
fit(AT, "`min_sigma=5` above `max_sigma`", min_sigma=5.0, who=(BLOBS,))
fit(AT, "fewer than five images", lambda X: X[:3], who=(CHECK,))
fit(AT, "`quantile=0`", quantile=0, who=(CHECK,))
fit(AT, "`model=OtsuWatershed()`", model=OtsuWatershed(), who=(BACKBONE,))
fit(AT, "`sigma_min=5` above `sigma_max`", sigma_min=5.0, who=(FOREST,))

# After `fit`

AT = "After fit, or before it"
call(AT, "transform before fit", lambda name: make(name).transform(cells()[0]))
call(AT, "save before fit", lambda name: make(name).save("model"))
call(AT, "transform: two channels after one",
     lambda name: fitted(name).transform(np.stack([cells()[0]] * 2, -1)),
     works={COUNTER: "the probability of cores is not used"})  # fmt: skip
call(AT, "transform: NaN", lambda name: fitted(name).transform(with_value(cells()[0], np.nan)))
call(AT, "transform: one image", lambda name: fitted(name).transform(cells()[0][0]))
call(AT, "transform: a dask array",
     lambda name: unwrap(fitted(name).transform(lazy(cells()[0]))).dask,
     works=everyone("the result is lazy, with the same values", LAZY))  # fmt: skip
call(AT, "transform: a dask array of complex numbers",
     lambda name: fitted(name).transform(lazy(cells()[0] + 1j)))  # fmt: skip
call(AT, "transform: a dask array with NaN, computed", who=LAZY,
     method=lambda name: unwrap(
         fitted(name).transform(lazy(with_value(cells()[0], np.nan)))
     ).compute(),
     works=everyone("NaN stay, and the next step raises an error",
                    (SCALER, *HANDING_ON)))  # fmt: skip
call(AT, "score: y is None", lambda name: fitted(name).score(cells()[0], None), who=LEARNING)
call(AT, "score: -1 everywhere", who=LEARNING,
     method=lambda name: fitted(name).score(cells()[0], cells()[1] * 0 - 1))  # fmt: skip
call(AT, "score: masks of another shape", who=LEARNING,
     method=lambda name: fitted(name).score(cells()[0], cells()[1][:, :40]))  # fmt: skip
call(AT, "score: fewer counts than images", who=COUNTING,
     method=lambda name: fitted(name).score(cells()[0], [1, 2, 3]))  # fmt: skip
call(AT, "score: counts of 0 where something is found", who=COUNTING,
     method=lambda name: fitted(name).score(cells()[0], [0] * 6),
     works=everyone("1 minus the number of wrong objects", COUNTING))  # fmt: skip
call(AT, "predict with intervals, from two samples", who=(COUNTER,),
     method=lambda name: make(name).fit(cells()[0][:2], cells()[1][:2]).predict(
         cells()[0], return_interval=True))  # fmt: skip
call(
    AT,
    "predict_region: a region of one axis",
    who=(FOREST,),
    method=lambda name: fitted(name).predict_region(cells()[0][0], (slice(0, 9),)),
)
call(AT, "measure: a column that is unknown", who=(COUNTER,),
     method=lambda name: fitted(name).measure(cells()[0], columns=["area", "length"]))  # fmt: skip
call(AT, "measure: a unit without a spacing", who=(COUNTER,),
     method=lambda name: fitted(name).measure(cells()[0], unit="micrometer"))  # fmt: skip

# Shards of a scan

AT = "Shards of a scan (`count_scan`)"


def count_shard(shard, **options):
    """Count a scan as a shard; it is refused before the pipeline and the scan are looked at."""
    return lambda _: count_scan(None, da.zeros((64, 64)), "result", shard=shard, **options)


call(AT, "`shard=(2, 2)`", count_shard((2, 2)), who=(COUNTER,))
call(AT, "`shard=(0, 0)`", count_shard((0, 0)), who=(COUNTER,))
call(AT, '`shard="0/2"`', count_shard("0/2"), who=(COUNTER,))
call(AT, "`shard=(0, 2)` with a client", count_shard((0, 2), client=object()), who=(COUNTER,))
call(AT, "`shard=(0, 2)`, `resume=False`", count_shard((0, 2), resume=False), who=(COUNTER,))


def outcome(run, name, works, what=None):
    """The cell of a case and an estimator: an error, or what is said to work."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            run(name)
        except (ValueError, TypeError) as error:
            text = re.sub(r"\{('[^}]+)\}", _sorted, str(error))
            return f"{type(error).__name__}: {text}"
    assert name in works, f"{name} raised nothing for: {what}"
    return f"works: {works[name]}"


def _sorted(match):
    """The words of a set, whose order is another in every process."""
    return "{" + ", ".join(sorted(match[1].split(", "))) + "}"


def page():
    lines, section = [TOP], None
    for at, what, run, who, works in CASES:
        if at != section:
            lines.append(f"\n## {at}\n\n| input | estimators | what happens |\n|---|---|---|\n")
            section = at
        cells_of = {}
        for name in who:
            found = outcome(run, name, works, what).replace(name, "(it)").replace("|", "\\|")
            cells_of.setdefault(" ".join(found.split()), []).append(name)
        for found, names in cells_of.items():
            all_of_them = "all" if len(names) == len(NAMES) else ", ".join(names)
            lines.append(f"| {what} | {all_of_them} | {found} |\n")
    return "".join(lines) + page_of_totals() + page_of_files()


def page_of_totals():
    head = "| function | input | what happens |\n|---|---|---|\n"
    lines = [f"\n## Totals (`sskseg.totals`)\n\n{head}"]
    for function, what, run in bad_totals.CASES:
        found = outcome(lambda name, run=run: run(), function, {}, what)
        lines.append(f"| `{function}` | {what} | {found} |\n")
    return "".join(lines)


def page_of_files():
    lines, section = [], None
    for at, what, read, write in FILES:
        if at != section:
            lines.append(f"\n## {at}\n\n| file | what happens |\n|---|---|\n")
            section = at
        found = " ".join(bad_files.outcome(read, write).replace("|", "\\|").split())
        lines.append(f"| {what} | {found} |\n")
    return "".join(lines)


@pytest.fixture(scope="module")
def made(small_reports):
    return page()


def test_the_page_tells_what_happens(made):
    assert made == PAGE.read_text(encoding="utf-8"), "run: python tests/test_bad_inputs.py"


def test_errors_name_an_argument(made):
    named = ("X", "y", "image", "positions", "sample_weight", "magnification", "domains", "proxy",
             "parameter", "proxies", "simulator", "network", "device", "size", "loss", "spacing",
             "augmentation", "percentiles", "channel", "sigma", "semi_supervision",
             "instance", "coverage", "architecture", "weights", "objects", "regions", "tiles",
                 "tile must", "plan must",
             "k must", "count_weight", "certain", "audited", "groups", "totals",
             "method", "shard", "region", "margin", "min_size",
             "merge_distance", "smoothing")  # fmt: skip
    for line in made.split("## Label files")[0].splitlines():
        if "Error: " in line:
            assert any(word in line.split("Error: ")[1] for word in named), line


def test_messages_about_files_name_them(made):
    lines = made[made.index("## Label files") : made.index("## A window")].splitlines()
    assert sum(line.startswith("| ") for line in lines) > 60
    for line in lines:
        for kind in ("Error: ", "Warning: "):
            if kind in line:
                text = line.split(kind)[1]
                assert re.search(r"\b[a-z0-9_]+\.[A-Za-z]|FOLDER|://", text), line


def test_every_estimator_is_in_it():
    public = {
        name
        for name in sskseg.__all__
        if isinstance(getattr(sskseg, name), type) and hasattr(getattr(sskseg, name), "fit")
    }
    assert public - {"CrossFitted"} == set(NAMES)  # which hands its input to its segmenter


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
