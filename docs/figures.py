"""Draws the figures of the guide, with real images where `SSKSEG_DATA` names them.

python docs/figures.py [--out docs/images] [--steps 600] [name ...]
"""

import argparse
import warnings
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.patches import Patch
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline

from sskseg import (
    ContourDetector,
    ImageStack,
    InstanceCounter,
    LabeledKFold,
    LogBlobs,
    OtsuWatershed,
    PercentileScaler,
    PixelForest,
    SemiSupervisedSegmenter,
)
from sskseg.datasets import (
    load_dsb2018_nuclei,
    load_epfl_mitochondria,
    load_psd95_puncta,
    make_cells,
    make_neuromuscular_junctions,
)
from sskseg.metrics import iou
from sskseg.proxies import Crop, make_proxy
from sskseg.report import (
    CountAgreementDisplay,
    ReliabilityDisplay,
    SegmentationDisplay,
    SizeDisplay,
    draw_outlines,
)
from sskseg.simulation import CellSimulator

GRAY = {"cmap": "gray", "interpolation": "nearest"}


def scaling(_):
    """Three nuclei images of different exposure, as they are and in both scopes."""
    X = load_dsb2018_nuclei()[0]
    images = [x[:256, :256] for x in X if x.shape[0] >= 256 and x.shape[1] >= 256]
    order = np.argsort([np.percentile(x, 99.8) for x in images])
    images = [images[i] for i in order[[len(order) // 10, len(order) // 2, -len(order) // 10]]]
    figure, axes = plt.subplots(3, 3, figsize=(6, 6.4), layout="constrained")
    rows = {
        "as they are, 0 to 255": [x / 255 for x in images],
        'scope="dataset"': PercentileScaler().fit_transform(images),
        'scope="image"': PercentileScaler(scope="image").fit_transform(images),
    }
    for line, (title, row) in zip(axes, rows.items(), strict=True):
        for axis, image in zip(line, row, strict=True):
            axis.imshow(image, vmin=0, vmax=1, **GRAY)
            axis.set(xticks=[], yticks=[])
        line[0].set_ylabel(title)
    return figure


def pretraining(_):
    """Draw inputs of the proxies: magnification, channel, and damaged patches with targets."""
    X, _ = make_neuromuscular_junctions(6, (128, 128), noise=0.05, random_state=0)
    figure, axes = plt.subplots(2, 4, figsize=(8, 4.3), layout="constrained")
    magnification = make_proxy("magnification").prepare(2, None)
    channel = make_proxy("channel").prepare(2, None)
    wanted = [(1, 0), (2, 1), (4, 0), (4, 1)]
    for axis, scan, pair in zip(axes[0], X, wanted, strict=False):
        image, title = _downsampled(scan, magnification, channel, pair)
        axis.imshow(image, **GRAY)
        axis.set_title(title, fontsize=9)
    rng = np.random.default_rng(1)
    for pair, name in zip(axes[1].reshape(2, 2), ("restoration", "masked"), strict=True):
        crop = Crop(np.moveaxis(X[4, :64, :64], -1, 0)[:1], (64, 64))
        damaged, _ = make_proxy(name).prepare(2, None).make(crop, rng)
        for axis, shown, title in zip(pair, (damaged, crop), ("input", "target"), strict=True):
            axis.imshow(shown.middle()[0], **GRAY)
            axis.set_title(f"{name}: {title}", fontsize=9)
    for axis in axes.flat:
        axis.set_axis_off()
    return figure


def _downsampled(scan, magnification, channel, wanted):
    """A crop whose answers, drawn at random, are the wanted ones."""
    for seed in range(1000):
        rng = np.random.default_rng(seed)
        crop, factor = magnification.make(Crop(np.moveaxis(scan, -1, 0), (32, 32)), rng)
        crop, which = channel.make(crop, rng)
        if (magnification.classes[factor], channel.classes[which]) == wanted:
            break
    factor = f"downsampled by {wanted[0]}" if wanted[0] > 1 else "full resolution"
    return crop.middle()[0], f"{factor}, channel {wanted[1]}"


def segmenting(steps):
    """Mitochondria: 4 of 40 sections are labeled, a section between them is predicted."""
    X, y = (part[:40, 64:320, 64:320] for part in load_epfl_mitochondria())
    given = np.full(y.shape, -1)
    given[[4, 15, 26, 37]] = y[[4, 15, 26, 37]]
    scaled = PercentileScaler().fit_transform(X)
    model = SemiSupervisedSegmenter(
        sections="consecutive", patch_size=96, max_steps=steps, random_state=0
    ).fit(scaled, given)
    row = 10
    part = slice(row - 4, row + 5)
    at = np.arange(len(X))[part]
    probability = model.predict_proba(scaled[part], positions=at)[4]
    unsure = model.predict_uncertainty(scaled[part], positions=at)[4]
    figure, axes = plt.subplots(1, 3, figsize=(9.6, 3.6), layout="constrained")
    score = iou(y[row], probability > 0.5)
    draw_outlines(axes[0], X[row], y[row], probability > 0.5,
                  title=f"reference (blue), predicted (orange): IoU {score:.2f}")  # fmt: skip
    axes[1].imshow(probability, vmin=0, vmax=1, cmap="viridis")
    axes[1].set_title("foreground probability", fontsize=9)
    shown = axes[2].imshow(unsure, vmin=0, vmax=1, cmap="viridis")
    axes[2].set_title("uncertainty", fontsize=9)
    figure.colorbar(shown, ax=axes[2], shrink=0.8)
    for axis in axes:
        axis.set_axis_off()
    return figure


def _nuclei():
    """Thirteen images of dense nuclei, each scaled by itself."""
    X, y = load_dsb2018_nuclei()
    rows = [i for i, x in enumerate(X) if x.shape == (256, 256)]
    rows = sorted(rows, key=lambda i: -len(np.unique(y[i])))[4:30:2]
    X = PercentileScaler(scope="image").fit_transform(np.stack([X[i] for i in rows]))
    return X, np.stack([y[i] for i in rows])


def counting(_):
    """Probabilities of a PixelForest, split in three ways."""
    X, y = _nuclei()
    probabilities = PixelForest(50, random_state=0).fit(X[:6], y[:6]).predict_proba(X[6:])
    counters = {
        '"components"': InstanceCounter("components").fit(probabilities[:6]),
        '"watershed", defaults': InstanceCounter().fit(probabilities[:6]),
        '"watershed", searched': InstanceCounter().fit(probabilities[:6], y[6:12]),
    }
    figure, axes = plt.subplots(1, 4, figsize=(12, 3.5), layout="constrained")
    axes[0].imshow(probabilities[6], vmin=0, vmax=1, cmap="viridis")
    axes[0].set_title(
        f"probability; {len(np.unique(y[12])) - 1} nuclei in the reference", fontsize=9
    )
    axes[0].set_axis_off()
    for axis, (title, counter) in zip(axes[1:], counters.items(), strict=True):
        labels = counter.label(probabilities[6:])[0]
        draw_outlines(axis, X[12], y[12], labels, title=f"{title}: {labels.max()} nuclei")
    return figure


def baselines(_):
    """Each on images of its kind."""
    X, y = _nuclei()
    labels = OtsuWatershed().fit(X[:12], y[:12]).transform(X[12:])[0]
    figure, axes = plt.subplots(1, 3, figsize=(9.6, 3.6), layout="constrained")
    draw_outlines(axes[0], X[12], y[12], labels, title="OtsuWatershed: nuclei")
    puncta, points = load_psd95_puncta()
    blobs = LogBlobs().fit(puncta[:10], points[:10])
    spots = blobs.points(puncta[10:11])[0]
    axes[1].imshow(puncta[10], vmax=np.percentile(puncta[10], 99.8), **GRAY)
    axes[1].plot(*points[10].T[::-1], "o", color="#56B4E9", mfc="none", ms=9, label="clicked")
    axes[1].plot(*spots.T[::-1], "x", color="#E69F00", ms=5, label="detected")
    axes[1].set_title("LogBlobs: puncta, clicked (blue), detected (orange)", fontsize=9)
    axes[1].set_axis_off()
    sections, mitochondria = (part[::20, 128:384, 300:556] for part in load_epfl_mitochondria())
    forest = PixelForest(50, random_state=0).fit(sections[:4], mitochondria[:4])
    draw_outlines(axes[2], sections[6], mitochondria[6], forest.predict(sections[6:7])[0],
                  title="PixelForest: mitochondria, 4 sections labeled")  # fmt: skip
    return figure


def model_selection(_):
    """Which samples train and which test, of twelve with five labeled."""
    y = np.zeros((12, 2, 2), int)
    y[[1, 2, 4, 6, 7, 9, 11]] = -1
    labeled = (y >= 0).any(axis=(1, 2))
    figure, axes = plt.subplots(2, 1, figsize=(6.4, 3.4), layout="constrained", sharex=True)
    for axis, cv in zip(axes, (KFold(5), LabeledKFold(5)), strict=True):
        table = np.zeros((5, 12))
        for row, (train, test) in enumerate(cv.split(y, y)):
            table[row, train] = np.where(labeled[train], 1, 0)
            table[row, test] = np.where(labeled[test], 2, 3)
        colors = ListedColormap(["#DDDDDD", "#56B4E9", "#E69F00", "#000000"])
        axis.pcolormesh(table, cmap=colors, vmin=0, vmax=3, edgecolors="white", linewidth=2)
        axis.invert_yaxis()
        axis.set(ylabel="split", title=type(cv).__name__, yticks=[], xticks=[])
    axes[1].set_xlabel("sample")
    names = ("training, unlabeled", "training, labeled", "test, labeled", "test, no score")
    handles = [Patch(color=c, label=n) for c, n in zip(colors.colors, names, strict=True)]
    figure.legend(handles=handles, loc="outside right center", frameon=False)
    return figure


def scans(steps):
    """A scan in four blocks; objects that lie on a border are whole."""
    from tempfile import TemporaryDirectory

    import dask.array as da

    from sskseg.scans import count_scan

    X, y = make_cells(6, (96, 96), random_state=0)
    segmenter = SemiSupervisedSegmenter(semi_supervision=None, max_steps=steps // 3, random_state=0)
    model = make_pipeline(PercentileScaler(), segmenter, InstanceCounter()).fit(X, y)
    image, reference = (part[0] for part in make_cells(1, (256, 256), random_state=1))
    with TemporaryDirectory() as folder:
        result = count_scan(
            model, da.from_array(image), Path(folder) / "result", block_shape=128, halo=32
        )
        labels = np.asarray(result.labels)
    figure, axis = plt.subplots(figsize=(4.6, 4.8), layout="constrained")
    title = f"{result.n_objects} objects; {reference.max()} in the reference"
    draw_outlines(axis, image, None, labels, title=title)
    axis.axhline(127.5, color="#56B4E9")
    axis.axvline(127.5, color="#56B4E9")
    axis.add_patch(plt.Rectangle((-0.5, -0.5), 160, 160, fill=False, ls="--", ec="#56B4E9"))
    return figure


def contours(steps):
    """Draw overlapping cells, split by a watershed and by contours, after a short training."""
    simulator = CellSimulator(shape=(128, 128), overlap=0.45, coverage=0.4)
    X, _ = simulator.sample(4, 0)
    stack, nothing = ImageStack(X, simulator=simulator), np.full(X.shape, -1)
    image, reference, outlines = (part[0] for part in simulator.sample_contours(1, 8))
    settings = {"max_steps": steps // 2, "random_state": 0}
    segmenter = SemiSupervisedSegmenter(semi_supervision=None, **settings)
    watershed = make_pipeline(segmenter, InstanceCounter()).fit(stack, nothing)
    cut = watershed.transform(image[None])[0]
    polygons = ContourDetector(**settings).fit(stack, nothing).contours(image[None])[0][0]
    figure, axes = plt.subplots(1, 3, figsize=(9.6, 3.6), layout="constrained")
    draw_outlines(axes[0], image, title=f"reference outlines: {reference.max()} cells")
    draw_outlines(axes[1], image, None, cut, title=f"watershed: {cut.max()} cells")
    draw_outlines(axes[2], image, title=f"contours: {len(polygons)} cells")
    for axis, drawn, color in ((axes[0], outlines, "#56B4E9"), (axes[2], polygons, "#E69F00")):
        for polygon in drawn:
            axis.fill(*polygon.T[::-1], fill=False, ec=color, lw=1.2)
        axis.set(xlim=(-0.5, 127.5), ylim=(127.5, -0.5))
    return figure


def report(_):
    """Four of the displays: objects, counts, sizes and the reliability of probabilities."""
    X, y = _nuclei()
    model = make_pipeline(PixelForest(50, random_state=0), InstanceCounter()).fit(X[:6], y[:6])
    figure = plt.figure(figsize=(10, 9.5), layout="constrained")
    axes = figure.subplots(2, 2)
    SegmentationDisplay.from_estimator(model, X[6:8], y[6:8], ax=axes[0, 0])
    CountAgreementDisplay.from_estimator(model, X[6:], y[6:], kind="scatter", ax=axes[0, 1])
    SizeDisplay.from_estimator(model, X[6:], y[6:], ax=axes[1, 0])
    ReliabilityDisplay.from_estimator(model, X[6:], y[6:], ax=axes[1, 1])
    return figure


FIGURES = (
    scaling, pretraining, segmenting, counting, baselines, model_selection, scans, contours, report,
)  # fmt: skip


def main(arguments=None):
    """Draw the figures that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="of the figures; none: all")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "images")
    parser.add_argument("--steps", type=int, default=600, help="of the longest training")
    options = parser.parse_args(arguments)
    known = {function.__name__: function for function in FIGURES}
    for name in options.names or known:
        figure = known[name](options.steps)
        figure.savefig(options.out / f"guide_{name}.png", dpi=80)
        plt.close(figure)


if __name__ == "__main__":
    warnings.simplefilter("ignore", UserWarning)
    main()
