"""The main job on real images: membranes, mitochondria, nuclei.

    python tests/benchmarks/main_job.py isbi|epfl|nuclei [--protocol two-core|gpu] [--seeds 0 1 2]
        [--folds 0 1 2 3] [--methods plain independent consecutive]

Every finished cell (method, seed, protocol) is kept in ``tests/benchmarks/results/main_job.jsonl``,
so that a second run goes on where the first stopped. Stacks are split in contiguous blocks;
thresholds and settings are those of the estimators, or calibrated on training labels.
"""

import argparse
import time
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from harness import COUNTED, STARTED, Cells, data_folder, markdown
from scipy import ndimage as ndi
from skimage.feature import peak_local_max
from skimage.filters import threshold_otsu
from skimage.segmentation import expand_labels, watershed

from sskseg import InstanceCounter, PercentileScaler, SemiSupervisedSegmenter
from sskseg.datasets import load_dsb2018_nuclei, load_epfl_mitochondria, load_isbi2012
from sskseg.metrics import (
    average_precision,
    count_error,
    dice,
    f1_instances,
    iou,
    pixel_error,
    v_rand,
)
from sskseg.nn import make_network

PROTOCOLS = {
    "two-core": {"isbi": 240, "epfl": 600, "nuclei": 240, "network": {}},
    "gpu": {"isbi": 240, "epfl": 600, "nuclei": 240, "network": {"width": 64, "depth": 4}},
}
COLUMNS = {
    "isbi": [
        "method",
        "seed",
        "pixel_error",
        "pixel_error, test-time augmentation",
        "v_rand",
        "v_rand, counter",
        "v_rand, best threshold",
        "steps",
        "seconds",
    ],
    "epfl": ["method", "seed", "iou", "dice", "steps", "seconds"],
    "nuclei": ["method", "seed", "f1", "ap", "wape", "steps", "seconds"],
}


class PlainUNet:
    """A U-Net of 1.9 M parameters as one writes it in an afternoon: float32, flips and quarter
    turns.

    Adam at 1e-3, cross-entropy, no schedule, no averaging of weights.
    """

    def __init__(self, time_budget, seed, *, n_outputs=1, patch=256):
        self.time_budget, self.seed, self.patch = time_budget, seed, patch
        self.n_outputs = n_outputs

    def fit(self, images, targets):
        """Images (height, width) and targets (n_outputs, height, width), in lists."""
        start = time.perf_counter()
        rng = np.random.default_rng(self.seed)
        torch.manual_seed(self.seed)
        self.mean, self.std = (
            np.mean([i.mean() for i in images]),
            np.mean([i.std() for i in images]),
        )
        self.network = make_network("unet", 1, self.n_outputs, width=16, depth=4)
        optimizer = torch.optim.Adam(self.network.parameters(), 1e-3)
        self.steps = 0
        while time.perf_counter() - start < self.time_budget:
            x, y = zip(*(self._crop(rng, images, targets) for _ in range(8)), strict=True)
            logits = self.network(torch.from_numpy(np.stack(x))[:, None])
            loss = F.binary_cross_entropy_with_logits(logits, torch.from_numpy(np.stack(y)))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            self.steps += 1
        self.network.eval()
        return self

    def _crop(self, rng, images, targets):
        i = rng.integers(len(images))
        image, target = images[i], targets[i]
        pad = [max(0, self.patch - size) for size in image.shape]
        image = np.pad(image, [(0, p) for p in pad], mode="reflect")
        target = np.pad(target, [(0, 0), *((0, p) for p in pad)], mode="reflect")
        a, b = (rng.integers(size - self.patch + 1) for size in image.shape)
        image = image[a : a + self.patch, b : b + self.patch]
        target = target[:, a : a + self.patch, b : b + self.patch]
        turns, flip = rng.integers(4), rng.random() < 0.5
        image, target = np.rot90(image, turns), np.rot90(target, turns, (1, 2))
        if flip:
            image, target = image[:, ::-1], target[:, :, ::-1]
        scaled = ((image - self.mean) / self.std).astype(np.float32)
        return np.ascontiguousarray(scaled), np.ascontiguousarray(target, np.float32)

    def predict_proba(self, images):
        """List of (n_outputs, height, width)."""
        results = []
        with torch.inference_mode():
            for image in images:
                x = torch.from_numpy(((image - self.mean) / self.std).astype(np.float32))
                results.append(self.network(x[None, None]).sigmoid()[0].numpy())
        return results


def mask_figures(y_true, y_pred, steps):
    return {
        "iou": iou(y_true, y_pred),
        "dice": dice(y_true, y_pred),
        "pixel_error": pixel_error(y_true, y_pred),
        "steps": steps,
    }


MEMBRANES = {
    "plain": "plain U-Net, float32",
    "independent": "segmenter",
    "consecutive": "segmenter, consecutive sections",
}


def isbi(cells, protocol, seed, folds=range(4), kinds=tuple(MEMBRANES)):
    """ISBI 2012 membranes: four contiguous folds of five sections, the others for training."""
    X, y = load_isbi2012(data_folder() / "isbi2012")
    budget, rows = PROTOCOLS[protocol]["isbi"], []

    def plain(train, test):
        model = PlainUNet(budget, seed).fit(list(X[train]), [t[None] for t in y[train]])
        probability = np.array([p[0] for p in model.predict_proba(X[test])])
        return membrane_figures(y[test], probability, model.steps)

    def ours(sections, train, test):
        model = SemiSupervisedSegmenter(
            semi_supervision=None, sections=sections, time_budget=budget, random_state=seed,
            **PROTOCOLS[protocol]["network"],
        )  # fmt: skip
        model.fit(X[train], y[train], positions=train)
        steps = model.history_[-1]["step"]
        outputs = model.transform(X[test], positions=test)
        figures = membrane_figures(y[test], outputs[..., 0], steps)
        on_training = model.transform(X[train], positions=train)
        labels = InstanceCounter().fit(on_training, y[train]).label(outputs)
        # Masks are thinned to borders of a pixel, and label images are taken as they are.
        grown = np.array([expand_labels(np.asarray(label), 10) for label in labels])
        figures["v_rand, counter"] = v_rand(y[test], grown, spatial_ndim=2)
        model.set_params(test_time_augmentation=True)
        probabilities = model.predict_proba(X[test], positions=test)
        averaged = membrane_figures(y[test], probabilities, steps)
        return figures | {f"{name}, test-time augmentation": averaged[name] for name in averaged}

    for fold in folds:
        test = np.arange(5 * fold, 5 * fold + 5)
        train = np.setdiff1d(np.arange(len(X)), test)
        methods = {
            f"{MEMBRANES[kind]}, fold {fold}": partial(
                *((plain,) if kind == "plain" else (ours, kind)), train, test
            )
            for kind in kinds
        }
        rows += run(cells, "isbi", protocol, seed, methods)
    return rows


def membrane_figures(y_true, probability, steps):
    """Figures at 0.5, and V_rand at the best threshold."""
    mask = probability > 0.5
    return mask_figures(y_true, mask, steps) | {
        "v_rand": v_rand(y_true, mask, spatial_ndim=2),
        "v_rand, best threshold": v_rand(y_true, probability, spatial_ndim=2),
    }


def epfl(cells, protocol, seed):
    """EPFL mitochondria: 32 evenly spaced labeled sections, test sections 0-39."""
    X, y_all = load_epfl_mitochondria(data_folder() / "epfl_mitochondria", split="train")
    X_test, y_test = load_epfl_mitochondria(data_folder() / "epfl_mitochondria", split="test")
    y = np.full(y_all.shape, -1, np.int8)
    labeled = np.round(np.linspace(0, len(X) - 1, 32)).astype(int)
    y[labeled] = y_all[labeled]
    budget = PROTOCOLS[protocol]["epfl"]

    def measure():
        model = SemiSupervisedSegmenter(
            semi_supervision=None, sections="consecutive", time_budget=budget, random_state=seed,
            **PROTOCOLS[protocol]["network"],
        )  # fmt: skip
        model.fit(X, y)
        steps = model.history_[-1]["step"]
        figures = mask_figures(y_test[:40], model.predict(X_test[:40]), steps)
        model.set_params(test_time_augmentation=True)
        averaged = mask_figures(y_test[:40], model.predict(X_test[:40]), steps)
        return figures | {f"{name}, test-time augmentation": averaged[name] for name in averaged}

    return run(cells, "epfl", protocol, seed, {"segmenter, 5 sections": measure})


def nuclei(cells, protocol, seed):
    """DSB 2018 nuclei: 60 random training images, the rest for testing."""
    X, y = load_dsb2018_nuclei(data_folder() / "dsb2018_nuclei")
    order = np.random.default_rng(0).permutation(len(X))
    train, test = order[:60], order[60:]
    X_train, y_train = [X[i] for i in train], [y[i] for i in train]
    X_test, y_test = [X[i] for i in test], [y[i] for i in test]
    budget = PROTOCOLS[protocol]["nuclei"]

    def otsu():
        return instance_figures(y_test, [otsu_watershed(image) for image in X_test], 0)

    def ours():
        scaler = PercentileScaler(scope="image").fit(X_train)
        segmenter = SemiSupervisedSegmenter(
            semi_supervision=None, time_budget=budget, random_state=seed,
            **PROTOCOLS[protocol]["network"],
        )  # fmt: skip
        counter = InstanceCounter()
        maps = segmenter.fit(scaler.transform(X_train), y_train).transform(
            scaler.transform(X_train)
        )
        counter.fit(maps, y_train)
        labels = counter.label(segmenter.transform(scaler.transform(X_test)))
        return instance_figures(y_test, labels, segmenter.history_[-1]["step"])

    return run(
        cells, "nuclei", protocol, seed, {"Otsu + watershed": otsu, "segmenter + counter": ours}
    )


def otsu_watershed(image):
    """The pipeline of most tutorials."""
    smooth = ndi.gaussian_filter(image.astype(float), 1)
    mask = smooth > threshold_otsu(smooth)
    mask = ndi.binary_fill_holes(mask)
    distance = ndi.gaussian_filter(ndi.distance_transform_edt(mask), 1)
    seeds = peak_local_max(distance, min_distance=5, labels=mask.astype(int))
    markers = np.zeros(mask.shape, int)
    markers[tuple(seeds.T)] = np.arange(1, len(seeds) + 1)
    return watershed(-distance, markers, mask=mask)


def instance_figures(y_true, y_pred, steps):
    counts = [[len(np.unique(label[label > 0])) for label in labels] for labels in (y_true, y_pred)]
    return {
        "f1": f1_instances(y_true, y_pred),
        "ap": average_precision(y_true, y_pred, 0.5),
        "wape": count_error(*counts)["wape"],
        "steps": steps,
    }


def run(cells, task, protocol, seed, methods):
    rows = []
    for method, measure in methods.items():
        key = {"task": task, "method": method, "seed": seed, "protocol": protocol}
        cell = cells.run(key, measure)
        rows.append(key | cell["figures"] | {"seconds": cell["seconds"]})
    return rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("task", choices=["isbi", "epfl", "nuclei"])
    parser.add_argument("--protocol", choices=PROTOCOLS, default="two-core")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument(
        "--folds", type=int, nargs="+", help="of isbi: 0 to 3", default=[0, 1, 2, 3]
    )
    parser.add_argument(
        "--methods", nargs="+", help="of isbi", choices=MEMBRANES, default=list(MEMBRANES)
    )
    options = parser.parse_args()
    table: list = []
    membranes = partial(isbi, folds=options.folds, kinds=options.methods)
    tasks = {"isbi": membranes, "epfl": epfl, "nuclei": nuclei}
    for one_seed in options.seeds:
        recipe = STARTED if options.task == "nuclei" else COUNTED
        all_cells = Cells("main_job", recipe=recipe)
        table += tasks[options.task](all_cells, options.protocol, one_seed)
    print(markdown(table, COLUMNS[options.task]))
