"""Segment and count objects in images, some of which are labeled; write tables and figures.

python -m sskseg.demo
python -m sskseg.demo --images FILE|FOLDER --labels FILE|FOLDER [--out DIR] [--time-budget S]
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.pipeline import make_pipeline

from .cli.commands._common import check_folder
from .cli.main import INTERRUPTED, CommandFailed, short_warnings
from .cli.messages import translate
from .cli.parser import Parser
from .cli.record import RECORD, Record, files_below
from .cli.results import check_results, results_folder
from .cli.shared_options import add_overwrite
from .counting import InstanceCounter
from .datasets import make_neuromuscular_junctions
from .images import check_images
from .images.annotation_checks import is_labeled
from .images.annotations import Annotations
from .io import atomic_path, read_pairs, write_object_table
from .io import write_labels as _write_labels  # by this name in programs of bug reports
from .morphology import count_objects
from .preprocessing import PercentileScaler
from .report import format_table, html, save_overlay
from .segmentation import SemiSupervisedSegmenter

_HELP = """Images: TIFF, PNG, JPEG or BMP, all with the same number of channels. A TIFF with several
pages is a stack of images. Labels: label images, ROI zips of Fiji, GeoJSON of QuPath or other
regions. A label file has the name of its image; _mask, _masks, _cp_masks or _label may follow the
name. For a stack, it has as many pages. In label images, 0 is background, -1 is unlabeled, and each
object has its own number or color (or all have 1 or 255). An image without a label file is
unlabeled."""

_LARGE_ERROR = 0.5  # of counts on training images, where errors are smaller than on new ones


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo; return the exit code."""
    options = _parse(sys.argv[1:] if arguments is None else arguments)
    try:
        with short_warnings(options):
            _read_and_run(options)
    except KeyboardInterrupt:
        print("sskseg.demo: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # of the program that reads the output
        raise
    except (OSError, ValueError, CommandFailed) as error:
        print(f"sskseg.demo: {translate(str(error), options)}", file=sys.stderr)
        return 1 if isinstance(error, CommandFailed) else 2
    return 0


def _read_and_run(options):
    _check_out(options)
    if options.images is None:
        names, X, y, reference = _simulated()
        counter = InstanceCounter(fill_holes=False)  # most junctions have holes
    else:
        names, X, y, reference = _from_files(options)
        distance = options.merge_distance
        counter = InstanceCounter(merge_distance="auto" if distance is None else distance)
    options.samples = [f"{options.images}, image {name!r}" for name in names]
    run(names, X, y, reference, options, counter)


def run(
    names: list[str], X: list[np.ndarray], y: list[np.ndarray | None],
    reference: list[np.ndarray | None], options: argparse.Namespace, counter: InstanceCounter,
) -> None:  # fmt: skip
    """Fit the pipeline, write its predictions to a folder, and print a short table.

    Parameters
    ----------
    names : list of str
        Names of the images.
    X : list of ndarray
    y : list of ndarray of int or None
        Labels for training.
    reference : list of ndarray of int or None
        Labels to compare with.
    options : Namespace
        With `out`, `overwrite` and `time_budget`, the seconds of training.
    counter : InstanceCounter
    """
    record = Record(options.arguments, filter(None, (options.images, options.labels)))
    model = make_pipeline(
        PercentileScaler(scope="image"),
        SemiSupervisedSegmenter(time_budget=options.time_budget, random_state=0, verbose=True),
        counter,
    )
    model.fit(X, y)
    probability = model[:-1].transform(X)
    objects, labels = model[-1].measure(probability, return_labels=True)
    objects.insert(0, "image", [names[i] for i in objects.pop("sample")])
    annotations = Annotations(reference, check_images(X, 2))
    counts = pd.DataFrame({
        "image": names,
        "labeled": ["yes" if is_labeled(label) else "no" for label in y],
        "objects": [count_objects(label) for label in labels],
        "true": [
            "" if label is None else count_objects(annotations.objects(i))
            for i, label in enumerate(reference)
        ],
    })  # fmt: skip
    with results_folder(options) as folder:
        with atomic_path(folder / "counts.csv") as path:
            counts.to_csv(path, index=False)
        write_object_table(folder / "objects.csv", objects)
        _write_labels(folder / "labels.tif", labels)
        _save_overlay(folder / "overlay.png", X, reference, labels, counts)
        trained_on = [i for i, label in enumerate(y) if is_labeled(label)]
        html(model, X, reference, folder / "report.html", trained_on=trained_on, names=names)
        record.write(folder / RECORD, [file.as_posix() for file in files_below(folder)])
    print(format_table(counts))
    _print_errors(counts.iloc[annotations.fully_labeled])
    print(
        f"\nWrote counts.csv, objects.csv, labels.tif, overlay.png and report.html to {options.out}"
    )


def _save_overlay(path, X, reference, labels, counts):
    shown = _to_show(counts.labeled == "yes")
    rows = [counts.iloc[i] for i in shown]
    titles = [
        f"{row.image}: {row.objects} objects"
        + (f", {row.true} true" if row.true != "" else "")
        + ("" if row.labeled == "no" else " (training image)")
        for row in rows
    ]
    save_overlay(
        path, [X[i] for i in shown], [reference[i] for i in shown], [labels[i] for i in shown],
        titles=titles,
    )  # fmt: skip


def _print_errors(counts):
    """Print the counting errors, and what to do if the training images have a large one."""
    for labeled, kind in (("yes", "training images"), ("no", "images not used for training")):
        known = counts[counts.labeled == labeled]
        true = known.true.astype(int)
        if not true.sum():
            continue
        error = (known.objects - true).abs().sum() / true.sum()
        print(f"\nCounting error on {kind}: {100 * error:.1f} %")
        if labeled == "yes" and error > _LARGE_ERROR:
            print(
                "This is a large error: train longer (--time-budget), and check in overlay.png "
                "that the labels fit the images."
            )


def _parse(arguments):
    parser = Parser(
        prog="python -m sskseg.demo", description=__doc__.splitlines()[0], epilog=_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--images", type=Path, help="file or folder (default: simulated junctions)")
    parser.add_argument(
        "--labels", type=Path, help="file or folder, paired with the images by name"
    )
    parser.add_argument(
        "--empty", choices=("background", "unlabeled"),
        help="whether pages of zeros in a stack of labels are labeled pages without objects "
        "(background) or unlabeled pages",
    )  # fmt: skip
    parser.add_argument(
        "--out", type=Path, default=Path("sskseg-demo"), help="new folder for the results"
    )
    add_overwrite(parser)
    parser.add_argument(
        "--time-budget", type=float, default=60.0, help="seconds of training (default: 60)"
    )
    parser.add_argument(
        "--merge-distance", type=float, default=None,
        help="join fragments that are at most this many pixels apart (default: estimated from the "
        "labels)",
    )  # fmt: skip
    options = parser.parse_args(arguments)
    options.command, options.arguments = "demo", ["demo", *arguments]
    if (options.images is None) != (options.labels is None):
        parser.error("--images and --labels go together")
    if options.time_budget <= 0:
        parser.error(f"--time-budget must be positive, got {options.time_budget}")
    if options.merge_distance is not None and options.merge_distance < 0:
        parser.error(f"--merge-distance must not be negative, got {options.merge_distance}")
    return options


def _check_out(options):
    """Refuse to replace files of the user, before anything is computed."""
    for path in filter(None, (options.images, options.labels)):
        folder = path if path.is_dir() else path.parent
        if folder.exists() and folder.resolve() == options.out.resolve():
            raise ValueError(f"--out must be another folder than that of {path}.")
    check_folder(options.out)
    check_results(options)


def _simulated():
    """Simulate twelve scans, six of them labeled."""
    X, reference = make_neuromuscular_junctions(12, (192, 192), random_state=0)
    y = [label if i < 6 else None for i, label in enumerate(reference)]
    return [f"scan {i}" for i in range(len(X))], list(X), y, list(reference)


def _from_files(options):
    names, X, y = read_pairs(options.images, options.labels, empty=options.empty)
    return names, X, y, y


def _to_show(labeled, max_images=6):
    """Indices of the images in the figure; unlabeled ones first, as they are not overfitted."""
    order = sorted(range(len(labeled)), key=lambda i: labeled[i])
    if len(labeled) <= max_images:
        return list(range(len(labeled)))
    return sorted(order[: max_images - 1] + order[-1:])


if __name__ == "__main__":
    sys.exit(main())
