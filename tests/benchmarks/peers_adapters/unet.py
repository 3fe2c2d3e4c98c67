"""A plain U-Net: MONAI's network, loss and sliding window, trained by skorch.

Network: `monai.networks.nets.UNet` as in MONAI's spleen tutorial, in 2-D: channels 16, 32, 64, 128,
256, strides 2, two residual units a level, batch normalization (twice the channels with a GPU).
Loss: `DiceCELoss` (Dice + cross-entropy) of the foreground. Adam at 1e-3, batches of 8 windows of
256 x 256 pixels (or what fits in the smallest image), drawn at random, flipped and turned by
quarter turns; images are standardized one by one (`NormalizeIntensity`). skorch's loop is stopped
by a callback when the time is up. Prediction: `sliding_window_inference`, windows of the training
size four at a time, overlap 0.25, gaussian weights. It has no way of its own to tell objects apart:
sskseg's `InstanceCounter` does, calibrated on the labeled images (threshold, too).
"""

import time

import numpy as np
import torch

from sskseg import InstanceCounter

from . import crop_size, labeled, random_crop, with_channels


def fit(images, labels, seconds, seed, hints):
    from monai.inferers import sliding_window_inference

    start = time.perf_counter()
    torch.manual_seed(seed)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    images, labels = labeled(images, labels)
    prepared, size = [_standardized(image) for image in images], crop_size(labels)
    net = _net(prepared[0].shape[-1], start + seconds, device, hints.full)
    net.fit(_Windows(prepared, labels, size, np.random.default_rng(seed)))
    module = net.module_.eval()

    @torch.inference_mode()
    def probability(image):
        x = torch.from_numpy(image.transpose(2, 0, 1))[None].to(device)
        logits = sliding_window_inference(
            x, (size, size), 4, module, overlap=0.25, mode="gaussian", padding_mode="reflect"
        )
        return logits[0, 0].sigmoid().cpu().numpy()

    counter = InstanceCounter(**hints.counter).fit([probability(x) for x in prepared], labels)
    return lambda images: counter.transform([probability(_standardized(x)) for x in images])


def _standardized(image):
    """Mean 0 and standard deviation 1 in each channel."""
    from monai.transforms import NormalizeIntensity

    channels = with_channels(image).transpose(2, 0, 1)
    scaled = NormalizeIntensity(channel_wise=True)(channels)
    return np.ascontiguousarray(np.asarray(scaled, np.float32).transpose(1, 2, 0))


def _net(in_channels, end, device, full):
    from monai.losses import DiceCELoss
    from monai.networks.nets import UNet
    from skorch import NeuralNet
    from skorch.callbacks import Callback

    class Clock(Callback):
        def on_batch_end(self, net, **kwargs):
            if time.perf_counter() > end:
                raise KeyboardInterrupt  # which skorch takes as the end of training

    channels = tuple((32 if full else 16) * 2**level for level in range(5))
    return NeuralNet(
        UNet, criterion=DiceCELoss, criterion__sigmoid=True, optimizer=torch.optim.Adam, lr=1e-3,
        max_epochs=10**6, batch_size=8, train_split=None, device=device, verbose=0,
        callbacks=[Clock()], module__spatial_dims=2, module__in_channels=in_channels,
        module__out_channels=1, module__channels=channels, module__strides=(2, 2, 2, 2),
        module__num_res_units=2, module__norm="batch",
    )  # fmt: skip


class _Windows(torch.utils.data.Dataset):
    """Random windows: channels first, and the foreground."""

    def __init__(self, images, labels, size, rng):
        self.images, self.labels, self.size, self.rng = images, labels, size, rng

    def __len__(self):
        return 8 * 32

    def __getitem__(self, _):
        i = self.rng.integers(len(self.images))
        image, label = random_crop(self.rng, self.images[i], self.labels[i], self.size)
        return image.transpose(2, 0, 1), (label > 0)[None].astype(np.float32)
