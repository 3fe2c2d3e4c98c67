"""``sskseg fit``: learn from labeled images, and write a model."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import Any

from sklearn.pipeline import Pipeline

from ... import Annotations, DomainCheck, InstanceCounter, PercentileScaler, SemiSupervisedSegmenter
from ...images import check_images, spatial_ndim_of
from ...images.annotation_checks import is_labeled
from ...images.augmentation import check_augmentation
from ...images.points import POINT_RADIUS
from ...io import read_pairs
from ...metrics import count_error
from ...models import save_model
from ...nn import make_network
from ...segmentation.semi_supervised import check_methods
from ...training import select_device
from ..options import SHARED
from ..record import Record
from ..results import check_new_file, check_no_results, warn_of_predictions
from ..sizes import count_text
from ._channels import channel_metadata
from ._common import (
    MODEL,
    check_folder,
    file_names,
    model_file,
    name_samples,
    new_folder,
    record_file,
    say,
    say_stacks,
    with_spacing,
)

# Of files: with fewer, or with sections of one stack, too many new images would seem unlike these.
_MIN_CHECKED = 10


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Fit the pipeline, and write the model and its record."""
    model = make_pipeline(options)
    check_parameters(model)
    file = _new_model_file(options)
    names, X, y = _read(options, model)
    labeled = [i for i, label in enumerate(y) if is_labeled(label)]
    result: dict[str, Any] = {"images": len(names), "labeled": len(labeled), "model": str(file)}
    y = _with_radius(options, y)
    _say_images(options, len(names), [y[i] for i in labeled])
    if options.dry_run:
        say(options, f"The model would be written to {file}.")
        return result
    if knows_domain(options, model):
        check = DomainCheck(spatial_ndim=spatial_ndim_of(model["segmenter"]))
        model.steps.insert(0, ("check", check))
    record = Record(options.arguments, [options.images, options.labels], flat_parameters(model))
    model.fit(X, y)
    new_folder(file.parent)
    save_model(model, file, metadata=channel_metadata(options.images, options.channel))
    trained_on = {names[i]: "training" for i in labeled}
    trained_on |= {names[i]: "validation" for i in model["segmenter"].validation_indices_}
    learned = _learned(model)
    result |= learned
    record.write(record_file(file), outputs=[file.name], result=result, trained_on=trained_on)
    _say_learned(options, model, learned)
    say(options, f"Wrote {file}")
    return result


def _read(options, model):
    """Read images and labels with their sizes, and say which are stacks."""
    ndim = spatial_ndim_of(model["segmenter"])
    check_no_results(options.images)
    names, X, y = read_pairs(
        options.images, options.labels, spatial_ndim=ndim, background=options.background,
        empty=options.empty, channel=options.channel,
    )  # fmt: skip
    warn_of_predictions(options.labels)
    name_samples(options, options.images, names)
    check_images(X, ndim)
    X = with_spacing(X, options, model)
    say_stacks(X, options, model)
    return names, X, y


def _with_radius(options, y):
    """Labels with the radius of points, of which there must be some if it is given."""
    if options.point_radius is None:
        return y
    if not any(_are_points(label) for label in y if label is not None):
        raise ValueError(
            f"--point-radius is for labels that are points, and {options.labels} has none: "
            "expected points of Fiji, QuPath or napari, or a table of points."
        )
    return Annotations(y, point_radius=options.point_radius)


def _say_images(options, n_images, labels):
    n_empty = sum(not _has_objects(label) for label in labels)
    empty = f", {n_empty} of these without an object" if n_empty else ""
    say(options, f"{count_text(n_images, 'image')}, {len(labels)} of them labeled{empty}")
    if any(map(_are_points, labels)):
        radius = options.point_radius or POINT_RADIUS
        say(options, f"Labels are points: pixels within {radius:g} pixels of a point are "
            "foreground. Set --point-radius to about the radius of an object.")  # fmt: skip


def _say_learned(options, model, learned):
    """Say how the network started, how good the counts are, and what the model cannot check."""
    start = learned["trained_model"]
    if start is not None:
        say(options, f"The network started from the model {start}, which predicts the labels well.")
    _say_quality(options, model["counter"], learned)
    if "check" not in model.named_steps:
        say(options, "The model does not check whether new images are like these: it needs "
            f"{_MIN_CHECKED} files of independent images.")  # fmt: skip


def _new_model_file(options):
    """The file for the model, which must not exist without ``--overwrite``."""
    file = model_file(options.out)
    expected = f"a folder, or a name that ends with {Path(MODEL).suffix}"
    if file == options.out and file.suffix != Path(MODEL).suffix:
        raise ValueError(f"{file} is a file: --out must be {expected}.")
    check_folder(file.parent, expected)
    check_new_file(file, options, "model")
    check_new_file(record_file(file), options, "record")  # it may be of other results
    return file


def _learned(model):
    """What the record says of a fitted pipeline."""
    segmenter, counter = model["segmenter"], model["counter"]
    return {
        "steps": segmenter.history_[-1]["step"],
        "trained_model": segmenter.trained_model_,
        "semi_supervision": [*segmenter.semi_supervision_],
        "threshold": counter.threshold_,
        **_count_error(counter),
    }


def _count_error(counter):
    """Relative count error on images of `fit`, and of how many; None without known counts."""
    held_out = counter.held_out_counts_
    if held_out is None or not held_out[:, 0].sum():
        return {"count_error": None, "count_error_images": 0}
    error = count_error(*held_out.T)["wape"]
    return {"count_error": round(error, 4), "count_error_images": len(held_out)}


def _say_quality(options, counter, learned):
    """Say how good the counts are, of which images, and how to evaluate others."""
    error, n = learned["count_error"], learned["count_error_images"]
    if error is None:
        say(options, "No count error: it needs two completely labeled images, with objects.")
    else:
        is_stack = counter.sections == "consecutive"
        noun = "training section" if is_stack else "training image"
        of = "objects visible in " * is_stack + count_text(n, noun)
        say(options, f"Count error on {of}: {100 * error:.1f} %, with settings of the counter "
            "chosen on others. On new images it is usually larger.")  # fmt: skip
    model = ["--model", str(options.out), "--out", "report.html"]
    command = f"sskseg report IMAGES --labels LABELS {shlex.join(model)}"
    say(options, f"Evaluate it on other labeled images: {command}")


def _has_objects(label):
    """Whether a label image has an object, or there are points."""
    return bool(len(label)) if _are_points(label) else bool((label > 0).any())


def _are_points(label):
    return label.ndim == 2 and label.dtype.kind == "f"


def make_pipeline(options: argparse.Namespace) -> Pipeline:
    """Make the pipeline that the options describe."""
    given: dict[str, dict[str, Any]] = {}
    for name, value in vars(options).items():
        class_name, _, parameter = name.partition(".")
        if parameter:
            given.setdefault(class_name, {})[parameter] = value
    segmenter: dict[str, Any] = {"random_state": 0, "verbose": not options.json}
    segmenter |= given.get("SemiSupervisedSegmenter", {})
    shared: dict[str, Any] = {name: segmenter[name] for name in SHARED if name in segmenter}
    # Sections of one stack have one exposure; independent images may have one each.
    scaler: dict[str, Any] = {"scope": "image"}
    if shared.get("sections") == "consecutive":
        scaler = {"scope": "dataset"}
    scaler |= {"spatial_ndim": segmenter.get("spatial_ndim", 2)}
    scaler |= given.get("PercentileScaler", {})
    counter = shared | given.get("InstanceCounter", {})
    return Pipeline([
        ("scaler", PercentileScaler(**scaler)),
        ("segmenter", SemiSupervisedSegmenter(**segmenter)),
        ("counter", InstanceCounter(**counter)),
    ])  # fmt: skip


def knows_domain(options: argparse.Namespace, model: Pipeline) -> bool:
    """Return whether there are images enough to recognize others that are unlike them."""
    if model["segmenter"].sections != "independent" or not options.images.is_dir():
        return False
    return len(file_names(options.images)) >= _MIN_CHECKED


def check_parameters(model: Pipeline) -> None:
    """Raise for parameters that `fit` would refuse, before images are read."""
    for _, step in model.steps:
        step._validate_params()
    segmenter = model["segmenter"]
    check_methods(segmenter.semi_supervision)
    check_augmentation(segmenter.augmentation)
    select_device(segmenter.device)
    if model["counter"].method == "contours":
        raise ValueError(
            "--counter-method contours finds objects in images, without the segmenter of sskseg "
            "fit: expected watershed or components. In Python use InstanceCounter alone."
        )
    if isinstance(segmenter.network, str) and segmenter.network != "auto":
        make_network(segmenter.network, 1, 1, 4, 1)  # raises for another name


def flat_parameters(model: Pipeline) -> dict[str, Any]:
    """Parameters of all steps by their names, such as ``segmenter__max_steps``."""
    return {name: value for name, value in model.get_params().items() if "__" in name}
