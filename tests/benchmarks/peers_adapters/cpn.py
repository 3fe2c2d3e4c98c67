"""celldetection's contour proposal network, trained from scratch.

The recipe of the package's BBBC039 notebook: `CPN` on the U-Net of 22 convolutions, order 6, 64
samples of a contour, 3 refinements in 6 buckets, inputs in 0 to 1 (percentiles 0.2 and 99.8 of each
image, `normalize_percentile`), mean and standard deviation 0.5; Adam at 8e-4, batches of 8 windows
of 256 x 256 (or what fits in the smallest image), turned and transposed at random,
`CPNTargetGenerator` with ``max_bg_dist=0.8, min_fg_dist=0.85``. Its learning rate falls by 1 %
every five epochs of 512 steps, which is later than any of these trainings ends. Its further
augmentations (gamma, blur, distortion) are left out, as from the U-Net. Windows without an object
are drawn again.

The notebook's network has 64 channels at the first level (32 million parameters), and its batch
normalization a momentum of 0.05: with a GPU so here. One step of it takes half a minute on two
cores, so that there it has 16 channels (2 million, like the U-Net beside it), learns from windows
of 128 x 128, and has a momentum of 0.1, with which a hundred steps are enough to know the
statistics. The thresholds of score (0.3, 0.6, 0.8, 0.9) and of non-maximum suppression (0.3, 0.5)
are those with the best F1 on up to 8 labeled images. Contours become a label image by
`contours2labels`, the best 1,000 of an image at most (an untrained network proposes one at
every pixel), pixels of two objects by `resolve_label_channels`. Fragmented objects are ignored
in training, which is the package's default.

The registry's torchvision for Linux is built for one version of torch with CUDA; beside another its
compiled part does not load, and non-maximum suppression, of which celldetection needs nothing else,
is replaced by the one below.
"""

import subprocess
import sys
import time
import warnings
from itertools import product

import numpy as np
import torch

from sskseg.metrics import f1_instances

from . import best, crop_size, labeled, random_crop, with_channels

SCORES, SUPPRESSIONS = (0.3, 0.6, 0.8, 0.9), (0.3, 0.5)
MOST = 1000  # objects in an image


def fit(images, labels, seconds, seed, hints):
    start = time.perf_counter()
    cd = _celldetection()
    torch.manual_seed(seed)
    np.random.seed(seed)  # the package draws from it
    device = "cuda" if torch.cuda.is_available() else "cpu"
    images, labels = labeled(images, labels)
    prepared = [_normalized(cd, image) for image in images]
    model = _network(cd, prepared[0].shape[-1], hints.full).to(device)
    size = crop_size(labels, 256 if hints.full else 128)
    windows = _windows(cd, prepared, labels, size, np.random.default_rng(seed))
    optimizer = torch.optim.Adam(model.parameters(), 8e-4)
    while time.perf_counter() - start < seconds:
        batch = cd.universal_dict_collate_fn([next(windows) for _ in range(8)])
        batch = cd.to_device(batch, device)
        loss = model(batch["inputs"], targets=batch)["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    chosen = _choose_thresholds(cd, model, prepared[:8], labels[:8])

    def predict(image):
        image = _normalized(cd, image)
        return _label(cd, _propose(model, image, chosen[0]), image.shape[:2], chosen)

    return lambda images: [predict(image) for image in images]


def _celldetection():
    declare_operators()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of packages that it imports
        import celldetection
    return celldetection


def declare_operators():
    """Make torchvision importable beside a torch that it was not built for."""
    fits = subprocess.run([sys.executable, "-c", "import torchvision"], capture_output=True)
    if fits.returncode:
        for name in ("nms", "qnms"):
            _define(name)


def _define(name):
    """Declare an operator of torchvision, which it imports only if its compiled part is there."""
    try:
        torch.library.define(
            f"torchvision::{name}", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
        )
        torch.library.impl(f"torchvision::{name}", "CPU", suppress)
    except RuntimeError as error:
        if "already" not in str(error) and "duplicate" not in str(error).lower():
            raise


def suppress(boxes, scores, iou_threshold):
    """Indices of the boxes that overlap no better one by more than `iou_threshold`, best first."""
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    order, kept = scores.argsort(descending=True, stable=True), []
    while len(order) and len(kept) < MOST:
        first, rest = order[0], order[1:]
        kept.append(first)
        low = torch.maximum(boxes[first, :2], boxes[rest, :2])
        high = torch.minimum(boxes[first, 2:], boxes[rest, 2:])
        both = (high - low).clamp(min=0).prod(1)
        order = rest[both <= iou_threshold * (areas[first] + areas[rest] - both)]
    return torch.stack(kept) if kept else order


def _network(cd, in_channels, full):
    model = cd.models.CPN(
        cd.models.U22(
            in_channels, 0, inputs_mean=0.5, inputs_std=0.5,
            backbone_kwargs={"base_channels": 64 if full else 16},
        ),
        order=6, samples=64, refinement_iterations=3, refinement_buckets=6,
    )  # fmt: skip
    for module in model.modules():
        if full and isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 0.05
    return model.train()


def _normalized(cd, image):
    channels = np.moveaxis(with_channels(image), -1, 0)
    scaled = [cd.data.normalize_percentile(c, 99.8, to_uint8=False) for c in channels]
    return np.stack(scaled, -1).astype(np.float32)


def _windows(cd, images, labels, size, rng):
    """Endless training examples."""
    generator = cd.data.CPNTargetGenerator(samples=64, order=6, max_bg_dist=0.8, min_fg_dist=0.85)
    while True:
        i = rng.integers(len(images))
        image, label = random_crop(rng, images[i], labels[i], size)
        generator.feed(label.astype(np.int32)[..., None])
        if not generator.contours:
            continue
        names = ("fourier", "locations", "sampled_contours", "sampling")
        targets = {name: (getattr(generator, name).astype(np.float32),) for name in names}
        yield {"inputs": image, "labels": generator.reduced_labels, **targets}


def _choose_thresholds(cd, model, images, labels):
    """Of score and suppression."""
    proposals = [_propose(model, image, SCORES[0]) for image in images]

    def f1(chosen):
        found = [_label(cd, proposal, label.shape, chosen)
                 for proposal, label in zip(proposals, labels, strict=True)]  # fmt: skip
        return f1_instances(labels, found)

    return best(list(product(SCORES, SUPPRESSIONS)), f1)


@torch.inference_mode()
def _propose(model, image, score):
    """Boxes, scores and contours above a score."""
    device, model.score_thresh = next(model.parameters()).device, score
    pad = [(0, -n % 16) for n in image.shape[:2]]
    x = np.pad(image, [*pad, (0, 0)], mode="reflect").transpose(2, 0, 1)
    found = model(torch.from_numpy(x)[None].to(device), nms=False)
    return tuple(found[name][0] for name in ("boxes", "scores", "contours"))


def _label(cd, proposals, shape, thresholds):
    """Label image of the proposals that are left."""
    score, suppression = thresholds
    above = proposals[1] > score
    boxes, scores, contours = (part[above] for part in proposals)
    kept = torch.ops.torchvision.nms(boxes, scores, suppression)[:MOST]
    labels = cd.data.contours2labels(contours[kept].cpu().numpy(), shape, initial_depth=3)
    return cd.data.resolve_label_channels(labels)
