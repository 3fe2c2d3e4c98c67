"""StarDist from random weights, which is how it is usually trained.

The recipe of the package's 2-D training notebook: 32 rays, grid (2, 2), its U-Net of 1.4 million
parameters, Adam at 3e-4, batches of 4 windows of 256 x 256 (with two cores 128 x 128: four times as
many steps in the same time), images normalized to their percentiles 1 and 99.8, flips, quarter
turns and changes of intensity at random. Two of the labeled images are the validation set, which
the package asks for; it is looked at for the printed loss only, so that no label is lost to it. The
clock starts after the first step, in which TensorFlow compiles the network, and stops the training
within an epoch. `optimize_thresholds` on up to 8 labeled images; prediction: `predict_instances`.

It needs TensorFlow (1.3 GB; the extra has the build for the CPU) and with it a virtual environment
of its own.
"""

import time

import numpy as np

from . import crop_size, labeled

SCALE, SHIFT = (0.6, 2.0), (-0.2, 0.2)  # of intensities, the notebook's


def fit(images, labels, seconds, seed, hints):
    from csbdeep.utils import normalize
    from stardist.models import Config2D, StarDist2D
    from tensorflow.keras import utils

    utils.set_random_seed(seed)
    images, labels = labeled(images, labels)
    images = [normalize(np.asarray(image, np.float32), 1, 99.8, axis=(0, 1)) for image in images]
    labels = [label.astype(np.int32) for label in labels]
    size = crop_size(labels, 256 if hints.full else 128)
    n_channels = images[0].shape[2] if images[0].ndim == 3 else 1
    config = Config2D(
        n_rays=32, grid=(2, 2), n_channel_in=n_channels, train_patch_size=(size, size),
        train_batch_size=4, train_epochs=1, train_steps_per_epoch=10**5, train_n_val_patches=4,
        train_tensorboard=False, use_gpu=False,
    )  # fmt: skip
    model = StarDist2D(config, name=None, basedir=None)
    model.prepare_for_training()
    model.callbacks.append(_clock(seconds))
    model.train(images, labels, validation_data=(images[:2], labels[:2]), seed=seed,
                augmenter=_augmenter(np.random.default_rng(seed)))  # fmt: skip
    model.optimize_thresholds(images[:8], labels[:8])

    def predict(images):
        images = [normalize(np.asarray(x, np.float32), 1, 99.8, axis=(0, 1)) for x in images]
        return [model.predict_instances(image)[0] for image in images]

    return predict


def _clock(seconds):
    from tensorflow.keras.callbacks import Callback

    class Clock(Callback):
        end = None

        def on_train_batch_end(self, batch, logs=None):
            now = time.perf_counter()
            self.end = self.end or now + seconds
            if now > self.end:
                self.model.stop_training = True

    return Clock()


def _augmenter(rng):
    def augment(image, label):
        turns, flip = rng.integers(4), rng.random() < 0.5
        image, label = np.rot90(image, turns), np.rot90(label, turns)
        if flip:
            image, label = image[:, ::-1], label[:, ::-1]
        return image * rng.uniform(*SCALE) + rng.uniform(*SHIFT), label

    return augment
