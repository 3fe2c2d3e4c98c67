"""Cellpose 3 (its U-Net and flows) from random weights.

Cellpose 4 is out: its one network is a vision transformer of 300 million parameters that begins
from downloaded weights. ``CellposeModel(pretrained_model=False)`` of version 3 downloads none.

`train_seg` with the settings of the package's training notebook: SGD at a learning rate of 0.1,
weight decay 1e-4, batches of 8 windows of 224 x 224, 8 images an epoch, images rescaled to a mean
diameter of 30, turned and scaled at random, normalized by their percentiles 1 and 99; images of
fewer than 5 objects are used too (``min_train_masks=1``). Its first 10 epochs warm up. `train_seg`
knows epochs only: their number is what the time allows, after an epoch was timed on another
network. With two cores, windows are 112 x 112: four times as many steps in the same time.
Prediction: `eval` at the mean diameter of the labeled objects, `flow_threshold` 0.4; of
`cellprob_threshold` -1, 0 and 1 the one with the best F1 on up to 8 labeled images. Images of two
channels: the first is "cyto", the second "nuclei".
"""

import tempfile
import time

import numpy as np
import torch

from sskseg.metrics import f1_instances

from . import best, labeled

THRESHOLDS = (0.0, -1.0, 1.0)


def fit(images, labels, seconds, seed, hints):
    from cellpose.dynamics import labels_to_flows

    start = time.perf_counter()
    images, labels = labeled(images, labels)
    images = [np.asarray(image, np.float32) for image in images]
    channels = [1, 2] if images[0].ndim == 3 else [0, 0]
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    flows = labels_to_flows([label.astype(np.int32) for label in labels], device=device)

    def trained(epochs):
        torch.manual_seed(seed)
        return _train(images, flows, channels, epochs, 224 if hints.full else 112)

    trained(1)  # compiles
    once = time.perf_counter()
    trained(3)
    an_epoch = (time.perf_counter() - once) / 3
    left = seconds - (time.perf_counter() - start)
    model = trained(max(1, int(left / an_epoch)))
    model.diam_labels = float(model.net.diam_labels)

    def predict(images, threshold):
        images = [np.asarray(image, np.float32) for image in images]
        return model.eval(
            images, channels=channels, channel_axis=-1 if images[0].ndim == 3 else None,
            diameter=model.diam_labels, cellprob_threshold=threshold,
        )[0]  # fmt: skip

    chosen = best(THRESHOLDS, lambda t: f1_instances(labels[:8], predict(images[:8], t)))
    return lambda images: predict(images, chosen)


def _train(images, flows, channels, epochs, size):
    from cellpose.models import CellposeModel
    from cellpose.train import train_seg

    model = CellposeModel(gpu=torch.cuda.is_available(), pretrained_model=False)
    with tempfile.TemporaryDirectory() as folder:
        train_seg(
            model.net, train_data=images, train_labels=flows, channels=channels,
            channel_axis=-1 if images[0].ndim == 3 else None, n_epochs=epochs, batch_size=8,
            nimg_per_epoch=8, learning_rate=0.1, weight_decay=1e-4, SGD=True, bsize=size,
            min_train_masks=1, save_path=folder, model_name="peer",
        )  # fmt: skip
    return model
