"""Outputs of tiny pipelines, compared bit by bit with those that were recorded.

    python tests/test_recorded_outputs.py           # compare
    python tests/test_recorded_outputs.py --write   # record

The bits depend on the processor and on the versions of torch and numpy: on another machine the
tests are skipped. Record on the commit before a change, and compare after it.
"""

import hashlib
import json
import platform
import sys
import tempfile
import warnings
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
import scipy
import torch
from sklearn.pipeline import make_pipeline

from sskseg import (
    ContourDetector,
    ImageStack,
    InstanceCounter,
    LogBlobs,
    OtsuWatershed,
    PercentileScaler,
    PixelForest,
    ProxyPretrainer,
    SemiSupervisedSegmenter,
    SimulatedRefiner,
    pretraining,
    refinement,
)
from sskseg.counting import Contours
from sskseg.datasets import make_cells
from sskseg.model_selection import CrossFitted
from sskseg.simulation import CellSimulator

FILE = Path(__file__).with_suffix(".json")
SMALL = {
    "width": 4, "depth": 1, "max_steps": 10, "batch_size": 2, "patch_size": 32,
    "precision": "float32", "random_state": 0,
}  # fmt: skip


def environment():
    """What the bits depend on."""
    processor = platform.processor()
    info = Path("/proc/cpuinfo")
    if info.exists():
        pairs = [line.split(":", 1) for line in info.read_text().splitlines() if ":" in line]
        lines = {key.strip(): value.strip() for key, value in pairs}
        flags = hashlib.sha256(lines.get("flags", "").encode()).hexdigest()[:16]
        processor = f"{lines.get('model name', '')} {flags}"
    return {
        "processor": processor,
        "capability": torch.backends.cpu.get_cpu_capability(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "scipy": scipy.__version__,
    }


def cells(n=4, shape=(48, 48), labeled=2):
    X, y = make_cells(n, shape, random_state=0)
    y = y.copy()
    y[labeled:] = -1
    return X, y


def volume_of_sections(n=10, shape=(48, 48)):
    X, y = make_cells(1, (n, *shape), random_state=1)
    labels = (y[0] > 0).astype(int)
    return X[0], labels


def segmenter(**changes):
    return SemiSupervisedSegmenter(**{**SMALL, **changes})


# Columns that tables had not yet when they were recorded; tests/morphology compares them.
NEW_COLUMNS = [
    "min_intensity", "max_intensity", "equivalent_diameter", "major_axis_length",
    "minor_axis_length", "eccentricity", "orientation", "extent",
]  # fmt: skip


def numbers(table):
    table = table.drop(columns=NEW_COLUMNS, errors="ignore")
    return table.select_dtypes("number").to_numpy(float)


def of_segmenter(model, X, **places):
    return [
        model.transform(X, **places),
        model.predict(X, **places),
        model.predict_uncertainty(X, **places),
        [row["loss"] for row in model.history_],
        model.transduction_,
        model.calibration_,
    ]


def independent():
    X, y = cells(8, labeled=6)
    model = segmenter().fit(X, y)
    return [*of_segmenter(model, X), model.suggest_sections(X, 1, y=y), model.score(X[:6], y[:6])]


def independent_bfloat16():
    X, y = cells()
    return of_segmenter(segmenter(precision="bfloat16").fit(X, y), X)


def supervised():
    X, y = cells(6, labeled=6)
    model = segmenter(semi_supervision=None, test_time_augmentation=True).fit(X, y)
    return of_segmenter(model, X)


def volumes():
    X, y = make_cells(2, (16, 32, 32), random_state=0)
    y[1] = -1
    model = segmenter(spatial_ndim=3, patch_size=16).fit(X, y)
    counter = InstanceCounter(spatial_ndim=3).fit(model.transform(X)[:1], y[:1])
    return [*of_segmenter(model, X), counter.label(model.transform(X))]


def sections(methods, labeled=(2, 5)):
    def run():
        X, y = volume_of_sections()
        known = np.full_like(y, -1)
        known[list(labeled)] = y[list(labeled)]
        model = segmenter(sections="consecutive", semi_supervision=methods, max_steps=20)
        model.fit(X, known, positions=np.arange(len(X)) + 3)
        places = {"positions": np.arange(len(X)) + 3}
        found = of_segmenter(model, X, **places)
        counter = InstanceCounter(sections="consecutive").fit(found[0], y, **places)
        return [
            *found, model.suggest_sections(X, 2, y=known, **places),
            counter.label(found[0], **places), counter.predict(found[0], **places),
        ]  # fmt: skip

    return run


def classes():
    X, y = cells(6, labeled=4)
    y = np.where(y > 0, 1 + y % 2, y)
    model = segmenter(target="classes", semi_supervision="self-training").fit(X, y)
    return [*of_segmenter(model, X), model.predict_proba(X), model.classes_]


def points():
    X, y = make_cells(5, (48, 48), random_state=0)
    centers = [
        np.array([np.argwhere(label == i).mean(axis=0) for i in np.unique(label[label > 0])])
        for label in y
    ]
    model = segmenter().fit(X, [*centers[:3], None, None])
    probability = model.transform(X)
    counter = InstanceCounter().fit(probability, centers)
    return [
        *of_segmenter(model, X), counter.label(probability), counter.score(probability, centers),
        counter.predict(probability),
    ]  # fmt: skip


def contours():
    X, y = make_cells(6, (48, 48), random_state=0)
    detector = ContourDetector(**{**SMALL, "max_steps": 60}).fit(X, y)
    outlines, scores = detector.contours(X)
    counter = InstanceCounter(Contours(detector=detector)).fit(X, y)
    return [
        detector.predict(X), *outlines, *scores, counter.label(X), counter.predict(X),
        numbers(counter.measure(X)),
    ]  # fmt: skip


def pretraining_and_fine_tuning():
    X, y = cells(6, (128, 128), labeled=2)
    with patch.object(pretraining._pretrainer, "_CROPS", 16):
        pretrainer = ProxyPretrainer(("magnification", "masked"), **SMALL).fit(X)
    model = segmenter(finetune="gradual").fit(pretrainer.transform(X), y)
    with patch.object(pretraining._pretrainer, "_CROPS", 16):
        score = pretrainer.score(X)
    return [pretrainer.features(X[:1]), score, *of_segmenter(model, X)]


def refined_images():
    X, y = cells(4, (64, 64), labeled=1)
    X = np.clip(X, 0, 1)
    with patch.object(refinement._refiner, "_POOL", 16):
        refiner = SimulatedRefiner(**{**SMALL, "patch_size": 48}).fit(X)
    model = segmenter().fit(refiner.transform(X), y)
    drawn = refiner.sample(2, random_state=0)
    losses = [row["adversarial"] for row in refiner.history_]
    return [*drawn, refiner.predict(drawn[1]), losses, *of_segmenter(model, X)]


def simulated_only():
    X, _ = cells(4)
    simulator = CellSimulator(shape=(48, 48))
    stack = ImageStack(X, simulator=simulator)
    model = make_pipeline(PercentileScaler(), segmenter(), InstanceCounter())
    model.fit(stack, [None] * 4)
    return [model.predict(X), model.transform(X)]


def networks():
    X, y = cells(3, (64, 64), labeled=3)
    found = []
    for name, changes in {
        "unet": {}, "unet-valid": {"patch_size": 64}, "unet-lite": {}, "dmcn": {"depth": 2},
    }.items():  # fmt: skip
        model = segmenter(network=name, semi_supervision=None, **changes).fit(X, y)
        found += of_segmenter(model, X)
    return found


def warm_start():
    X, y = cells(3, labeled=3)
    model = segmenter(semi_supervision=None, warm_start=True).fit(X, y).fit(X, y)
    return of_segmenter(model, X)


def cross_fitting():
    X, y = cells(6, labeled=6)
    model = CrossFitted(segmenter(semi_supervision=None), cv=3)
    return [model.fit_transform(X, y), model.transform(X)]


def counters():
    _, y = make_cells(6, (48, 48), random_state=0)
    rng = np.random.default_rng(0)
    probability = np.clip((y > 0) * 0.8 + 0.2 * rng.random(y.shape), 0, 1)
    counts = np.array([len(np.unique(label)) - 1 for label in y])
    found = []
    for method in ("components", "watershed"):
        for known in (y, counts, None):
            counter = InstanceCounter(method).fit(probability, known)
            found += [counter.label(probability), counter.threshold_, counter.min_size_]
            found += [
                getattr(counter, "seed_height_", 0.1),
                counter.merge_distance_,
                counter.held_out_counts_,
            ]
            found += [numbers(counter.measure(probability))]
        found += [counter.score(probability, y), counter.score(probability, counts)]
    return found


def baselines():
    X, y = make_cells(4, (48, 48), random_state=0)
    forest = PixelForest(random_state=0).fit(X, y)
    return [
        OtsuWatershed().fit(X, y).predict(X), LogBlobs().fit(X, y).predict(X),
        forest.predict(X),
    ]  # fmt: skip


def lazy():
    import dask.array as da

    X, y = cells(3, (64, 64), labeled=2)
    model = make_pipeline(PercentileScaler(), segmenter(), InstanceCounter()).fit(X, y)
    stack = da.from_array(X, chunks=(1, 32, 32))
    found = [np.asarray(model.transform(stack)), np.asarray(model.predict(stack))]
    X, y = volume_of_sections(6)
    y[3:] = -1
    model = segmenter(sections="consecutive", semi_supervision="continuity").fit(X, y)
    return [*found, np.asarray(model.transform(da.from_array(X, chunks=(2, 32, 32))))]


def scan(method, **options):
    def run():
        import dask.array as da

        from sskseg.scans import count_scan

        X, y = make_cells(3, (64, 64), random_state=0)
        steps = [PercentileScaler()]
        if method == "contours":
            detector = ContourDetector(**{**SMALL, "max_steps": 60})
            counter = InstanceCounter(Contours(detector=detector))
        else:
            steps.append(segmenter(semi_supervision=None))
            counter = InstanceCounter(method, **options)
        model = make_pipeline(*steps, counter).fit(X, y)
        image = np.concatenate([np.concatenate([X[0], X[1]]), np.concatenate([X[2], X[0]])], 1)
        with tempfile.TemporaryDirectory() as folder:
            result = count_scan(
                model, da.from_array(image), Path(folder) / "scan", block_shape=(48, 64), halo=16,
                n_workers=1, intensity=True,
            )  # fmt: skip
            table = numbers(result.table)
            return [np.asarray(result.labels), table, result.n_objects]

    return run


def scan_of_sections():
    import dask.array as da

    from sskseg.scans import count_scan

    X, y = volume_of_sections(8, (64, 64))
    y[4:] = -1
    model = make_pipeline(
        PercentileScaler(),
        segmenter(sections="consecutive", semi_supervision="continuity"),
        InstanceCounter(sections="consecutive"),
    ).fit(X, y)
    with tempfile.TemporaryDirectory() as folder:
        result = count_scan(
            model, da.from_array(X), Path(folder) / "scan", block_shape=(4, 32, 32), halo=(0, 8, 8),
            n_workers=1,
        )  # fmt: skip
        return [np.asarray(result.labels), numbers(result.table)]


CASES = {
    "independent": independent,
    "independent, bfloat16": independent_bfloat16,
    "supervised": supervised,
    "volumes": volumes,
    "sections, auto": sections("auto"),
    "sections, continuity": sections("continuity"),
    "sections, self-training": sections("self-training"),
    "sections, self-training and continuity": sections(("self-training", "continuity")),
    "sections, consistency": sections("consistency"),
    "sections, mean teacher": sections("mean-teacher"),
    "classes": classes,
    "points": points,
    "contours": contours,
    "pretraining": pretraining_and_fine_tuning,
    "refinement": refined_images,
    "simulated only": simulated_only,
    "networks": networks,
    "warm start": warm_start,
    "cross-fitting": cross_fitting,
    "counters": counters,
    "baselines": baselines,
    "dask": lazy,
    "scan, watershed": scan("watershed"),
    "scan, components": scan("components", fill_holes=False),
    "scan, contours": scan("contours"),
    "scan, sections": scan_of_sections,
}


def digest(values):
    """SHA-256 of arrays, numbers, lists of them and None."""
    found = hashlib.sha256()

    def add(value):
        if isinstance(value, (list, tuple)):
            found.update(f"list {len(value)}\n".encode())
            for part in value:
                add(part)
            return
        array = np.ascontiguousarray(value if value is not None else "None")
        assert array.dtype != object, array
        found.update(f"{array.dtype.str} {array.shape}\n".encode())
        found.update(array.tobytes())

    add(values)
    return found.hexdigest()[:32]


def outputs(name):
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return digest(CASES[name]())
    finally:
        torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def recorded():
    known = json.loads(FILE.read_text())
    if known["environment"] != environment():
        pytest.skip(f"outputs were recorded on another machine: {known['environment']}")
    return known["outputs"]


@pytest.mark.parametrize("name", CASES)
def test_outputs_are_those_that_were_recorded(name, recorded):
    assert outputs(name) == recorded[name]


if __name__ == "__main__":
    now = {name: outputs(name) for name in CASES}
    if "--write" in sys.argv:
        FILE.write_text(json.dumps({"environment": environment(), "outputs": now}, indent=1) + "\n")
    known = json.loads(FILE.read_text())
    different = [name for name in CASES if now[name] != known["outputs"].get(name)]
    sys.stdout.write(f"{len(CASES) - len(different)} equal, {len(different)} different\n")
    sys.stdout.writelines(f"different: {name}\n" for name in different)
    sys.exit(bool(different))
