"""torch-em's U-Net with distances to the center and to the border of each object, from scratch.

The recipe of its instance segmentation (as in micro-sam): `UNet2d` of depth 4 with a sigmoid and
three outputs, targets of `PerObjectDistanceTransform` (foreground, distance to the center, inverted
distance to the border), `DiceBasedDistanceLoss` masked to the foreground, AdamW at 1e-3 (as
`default_segmentation_trainer`), batches of 8 windows of 256 x 256 (or what fits in the smallest
image), drawn, flipped and turned at random; images are standardized one by one (its default
`standardize`). The first level has 16 channels on two cores (2 million parameters, like the U-Nets
beside it) and the package's 32 with a GPU. Its learning rate falls where the validation loss does
not (`ReduceLROnPlateau`), which is later than any of these trainings ends. Objects come from
`watershed_from_center_and_boundary_distances`; its two thresholds of distances and that of the
foreground are those with the best F1 on up to 8 labeled images.

Whole images are predicted, extended by reflection to a multiple of 16 pixels. Where torchvision is
built for another torch, its operators are declared as in ``cpn``.
"""

import time
import warnings
from itertools import product

import numpy as np
import torch

from sskseg.metrics import f1_instances

from . import best, crop_size, labeled, random_crop, with_channels
from .cpn import declare_operators

THRESHOLDS = list(product((0.3, 0.5, 0.7), (0.3, 0.5, 0.7), (0.4, 0.5, 0.6)))


def fit(images, labels, seconds, seed, hints):
    start = time.perf_counter()
    declare_operators()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of packages that it imports
        from torch_em.loss import DiceBasedDistanceLoss
        from torch_em.model import UNet2d
    torch.manual_seed(seed)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    images, labels = labeled(images, labels)
    prepared, size = [_standardized(image) for image in images], crop_size(labels)
    model = UNet2d(
        prepared[0].shape[-1], 3, initial_features=32 if hints.full else 16,
        final_activation="Sigmoid",
    ).to(device)  # fmt: skip
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
    loss, windows = DiceBasedDistanceLoss(True), _windows(prepared, labels, size, seed)
    while time.perf_counter() - start < seconds:
        x, target = (
            torch.from_numpy(np.stack(part)).to(device)
            for part in zip(*(next(windows) for _ in range(8)), strict=True)
        )
        optimizer.zero_grad()
        loss(model(x), target).backward()
        optimizer.step()
    model.eval()
    outputs = [_outputs(model, image) for image in prepared[:8]]

    def f1(thresholds):
        found = [_objects(output, thresholds) for output in outputs]
        return f1_instances(labels[:8], found)

    chosen = best(THRESHOLDS, f1)
    return lambda images: [_objects(_outputs(model, _standardized(x)), chosen) for x in images]


def _standardized(image):
    from torch_em.transform.raw import standardize

    image = with_channels(image)
    return np.stack([standardize(channel) for channel in np.moveaxis(image, -1, 0)], -1)


def _windows(images, labels, size, seed):
    """Endless training examples: channels first, and the three targets."""
    from torch_em.transform.label import PerObjectDistanceTransform

    rng, transform = np.random.default_rng(seed), PerObjectDistanceTransform(min_size=10)
    while True:
        i = rng.integers(len(images))
        image, label = random_crop(rng, images[i], labels[i], size)
        if label.any():  # of an empty window there is no distance
            yield image.transpose(2, 0, 1), transform(label).astype(np.float32)


@torch.inference_mode()
def _outputs(model, image):
    device = next(model.parameters()).device
    height, width = image.shape[:2]
    x = np.pad(image, ((0, -height % 16), (0, -width % 16), (0, 0)), mode="reflect")
    x = torch.from_numpy(x.transpose(2, 0, 1)[None]).to(device)
    return model(x)[0, :, :height, :width].float().cpu().numpy()


def _objects(outputs, thresholds):
    from torch_em.util.segmentation import watershed_from_center_and_boundary_distances

    center, border, foreground = thresholds
    return watershed_from_center_and_boundary_distances(
        outputs[1], outputs[2], outputs[0], center, border, foreground, min_size=10
    )
