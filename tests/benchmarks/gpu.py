"""How fast a GPU trains, beside what the networks alone could do: under ten minutes.

    python tests/benchmarks/gpu.py [--widths 16 64] [--steps 100] [--rounds 2] [--seconds 60]
        [--side 512] [--device cuda]

Steps a second of each kind of training, with batches that are made on the device and on the CPU, by
turns, and of the network alone: forward, loss, backward and optimizer on one batch that is reused.
The kinds: a segmenter of each width, with labels alone, and with the default width consistency and
continuity; a pretrainer with proxies that ask for classes, and with those that restore; a refiner;
and a detector of contours. Images are EPFL sections (simulated cells where they are missing), and
simulated cells for refiner and detector. Then IoU of 4 labeled sections after ``--seconds`` of
training with each width, and megapixels a second of `predict`.

Prints tables, and keeps them in ``tests/benchmarks/results/gpu.jsonl``: a run that is repeated
continues. ``--device cpu --widths 8 --steps 3 --rounds 1 --seconds 5 --side 128`` tries the script
out on a CPU.
"""

import argparse
import time
from contextlib import ExitStack
from functools import partial
from unittest.mock import patch

import numpy as np
import torch
from harness import TRAINED, Cells, data_folder, markdown, mitochondria_block, network_steps

from sskseg import ContourDetector, ProxyPretrainer, SemiSupervisedSegmenter, SimulatedRefiner
from sskseg.datasets import make_cells
from sskseg.metrics import iou
from sskseg.refinement import train_refiner
from sskseg.segmentation._training import Training
from sskseg.segmentation.semi_supervised import Consistency
from sskseg.simulation import CellSimulator
from sskseg.training import Budget, optimize

KINDS = {"made on the device": True, "made on the CPU": False}
MODULES = (  # in which it is decided where batches are made
    "sskseg.training.device_batches", "sskseg.pretraining.device_batches",
    "sskseg.detection.device_batches", "sskseg.refinement.patches",
)  # fmt: skip
MADE = TRAINED + "; batches held and adjusted on the device"
UNLABELED = Training.unlabeled_batches


class Measured(Exception):
    """A training has been measured, and `fit` need not continue."""


def sections(side):
    """Sections for training and evaluation, of which 4 are labeled."""
    if (data_folder() / "epfl_mitochondria").is_dir():
        X, known, X_test, y_test = mitochondria_block()
        return X[:, :side, :side], known[:, :side, :side], X_test, y_test
    X, y = make_cells(48, (side or 512, side or 512), random_state=0)
    X, y = (255 * X).astype(np.uint8), (y > 0).astype(np.int8)
    known = np.full_like(y[:40], -1)
    known[4::9] = y[:40][4::9]
    return X[:40], known, X[40:], y[40:]


def segment(options, width=None, **changes):
    """Train a segmenter on labels alone, or with what changes say."""
    X, y, *_ = sections(options.side)
    if not changes:
        labeled = [i for i in range(len(y)) if (y[i] >= 0).any()]
        X, y = X[labeled], y[labeled]
    changes = {"semi_supervision": None, **changes}
    estimator(options, SemiSupervisedSegmenter, width=width, batch_size=16, **changes).fit(X, y)


def pretrain(options, proxies):
    X, *_ = sections(options.side)
    X = np.stack([X[:40], 255 - X[:40]], axis=-1)
    estimator(options, ProxyPretrainer, proxies=proxies).fit(X)


def refine(options):
    simulator = CellSimulator(shape=(128, 128))
    X, _ = simulator.sample(16, 0)
    with patch("sskseg.refinement._refiner.SimulatedRefiner._calibrated", lambda *_: simulator):
        estimator(options, SimulatedRefiner).fit(X)


def detect(options):
    X, y = make_cells(8, (options.side, options.side), random_state=0)
    estimator(options, ContourDetector, batch_size=8).fit(X, y)


def estimator(options, kind, **changes):
    # Rounds, phases and schedules follow from steps, which must not be fewer than 8.
    steps = max(8, options.steps)
    return kind(device=options.device, max_steps=steps, random_state=0, **changes)


def rate(fit, options, on_device, *, alone=False, call=1):
    """Steps a second of a training.

    Parameters
    ----------
    fit : callable
        ``fit(options)``
    options : Namespace
    on_device : bool
        Whether batches are made on the device.
    alone : bool, default=False
        Whether one batch is reused.
    call : int, default=1
        Which training of `fit` is measured.
    """
    calls = []

    def measured(network, batches, loss, budget, settings, **more):
        calls.append(network)
        if len(calls) < call:
            return optimize(network, batches, loss, budget, settings, **more)
        kept = {k: more[k] for k in ("callbacks", "parameter_groups") if k in more}
        budget = Budget(options.steps, None)
        history = optimize(network, reused(batches, alone), loss, budget, settings, **kept)
        raise Measured(second_half(history))

    def unlabeled(training, *sizes):
        return reused(UNLABELED(training, *sizes), alone)

    def measured_refiner(refiner, discriminator, simulated, real, budget, settings, **more):
        batches = (reused(each, alone) for each in (simulated, real))
        budget = Budget(options.steps, None)
        history = train_refiner(refiner, discriminator, *batches, budget, settings, **more)
        raise Measured(second_half(history))

    with ExitStack() as stack:
        for module in MODULES:
            stack.enter_context(patch(f"{module}.prepares_batches", lambda device: on_device))
        stack.enter_context(patch("sskseg.base.optimize", measured))
        stack.enter_context(patch("sskseg.refinement._refiner.train_refiner", measured_refiner))
        stack.enter_context(patch("sskseg.refinement._refiner.Monitor", Silent))
        stack.enter_context(patch.object(Training, "unlabeled_batches", unlabeled))
        try:
            fit(options)
        except Measured as result:
            return result.args[0]
    raise RuntimeError(f"{fit} ended before training {call}.")


class Silent:
    """A monitor that evaluates nothing."""

    should_stop = False

    def __init__(self, *arguments):
        pass

    def __call__(self, step):
        return {}


def reused(batches, alone):
    if not alone:
        return batches
    batch = next(batches)
    return iter(lambda: batch, None)


def second_half(history):
    """Steps a second of the second half of a training, without start-up."""
    places = [(row["step"], row["time"]) for row in history]
    last = places[-1]
    half = next(place for place in places if place[0] >= last[0] // 2)
    if half == last:
        return last[0] / last[1]
    return (last[0] - half[0]) / (last[1] - half[1])


def trainings(options):
    """Name, `fit`, and which training of it is measured."""
    for width in options.widths:
        yield f"segmenter, width {width}", partial(segment, width=width), 1
    consistency, stack = Consistency(teacher_start=0.0), {"sections": "consecutive"}
    yield "consistency", partial(segment, semi_supervision=consistency), 1
    yield "continuity", partial(segment, semi_supervision="continuity", **stack), 2
    yield "pretrainer, classes", partial(pretrain, proxies=("magnification", "channel")), 1
    yield "pretrainer, restoring", partial(pretrain, proxies=("restoration", "masked")), 1
    yield "refiner", refine, 1
    yield "detector", detect, 1


def rates(fit, options, call):
    found = {kind: [] for kind in KINDS}
    for _ in range(options.rounds):
        for kind, each in found.items():
            each.append(rate(fit, options, KINDS[kind], call=call))
    figures = {f"steps/s, {kind}": float(np.median(each)) for kind, each in found.items()}
    alone = rate(fit, options, True, alone=True, call=call)
    first = next(iter(figures.values()))
    return {**figures, "network alone": alone, "share of it": first / alone}


def accuracy(options, width):
    X, y, X_test, y_test = sections(None)
    model = SemiSupervisedSegmenter(
        width=width, batch_size=16, device=options.device, random_state=0,
        time_budget=options.seconds, sections="consecutive",
    ).fit(X, y)  # fmt: skip
    start = time.perf_counter()
    masks = model.predict(X_test)
    seconds = time.perf_counter() - start
    return {
        "IoU, 4 labels": iou(y_test > 0, masks > 0),
        "steps": network_steps(model),
        "predict MP/s": X_test.size / seconds / 1e6,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--widths", type=int, nargs="+", default=[16, 64])
    parser.add_argument("--steps", type=int, default=100, help="of a timed training")
    parser.add_argument("--rounds", type=int, default=2, help="by turns")
    parser.add_argument("--seconds", type=float, default=60.0, help="of the training to evaluate")
    parser.add_argument("--side", type=int, default=512, help="of images, pixels")
    parser.add_argument("--device", default="cuda")
    options = parser.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        parser.error("no GPU: --device cpu tries the script out")
    cells = Cells("gpu", recipe=MADE)
    common = {k: v for k, v in vars(options).items() if k not in ("widths", "seconds")}
    shown = []
    for name, fit, call in trainings(options):
        row = cells.run({"training": name, **common}, partial(rates, fit, options, call))
        shown.append({"training": name, **row["figures"]})
    print(markdown(shown, [*shown[0]]))
    shown = []
    for width in options.widths:
        key = {"width": width, "seconds": options.seconds, "device": options.device}
        row = cells.run(key, partial(accuracy, options, width))
        shown.append({"width": width, **row["figures"]})
    print(markdown(shown, [*shown[0]]))


if __name__ == "__main__":
    main()
