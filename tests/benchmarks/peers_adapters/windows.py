"""The same weights over a large image: sskseg's tiles and MONAI's `sliding_window_inference`.

All in float32, on what `SemiSupervisedSegmenter` learned. "whole image" is one forward of the
network, to which the others are compared. "its own tiles" are what `predict` cuts; the others share
tiles of 512 x 512 that overlap by a quarter (128 pixels). sskseg runs one tile at a time, MONAI one
or four (``sw_batch_size``); "gaussian" weighs tiles by a Gaussian of an eighth of their side, the
standard deviation in both.
"""

import time

import numpy as np
import torch

TILE, OVERLAP = 512, 0.25
WAYS = {
    "whole image": ("whole",),
    "sskseg, its own tiles": ("own",),
    "sskseg, tiles of 512, cropped": ("tiles", "crop"),
    "sskseg, tiles of 512, gaussian": ("tiles", "gaussian"),
    "MONAI, windows of 512, constant": ("monai", 1, "constant"),
    "MONAI, windows of 512, gaussian": ("monai", 1, "gaussian"),
    "MONAI, windows of 512, gaussian, batches of 4": ("monai", 4, "gaussian"),
}


def run(way, model, image, rounds):
    """Median seconds, and the probabilities, of one way to predict an image."""
    from sskseg.training import inference_copy, select_device

    device = select_device(model.device)
    network = inference_copy(model.network_, device, torch.float32, 2)
    scaled = ((image - model.channel_mean_) / model.channel_std_).astype(np.float32)[None]
    predict = _prepare(WAYS[way], network, device)
    predict(scaled[:, :TILE, :TILE])  # the first is slower
    seconds = []
    for _ in range(rounds):
        start = time.perf_counter()
        logits = predict(scaled)
        seconds.append(time.perf_counter() - start)
    return float(np.median(seconds)), 1 / (1 + np.exp(-logits[0]))


def _prepare(way, network, device):
    kind, *settings = way
    if kind == "monai":
        return _sliding(network, device, *settings)
    from sskseg.inference import TileSettings, predict_images

    if kind == "own":
        from sskseg.inference import tile_settings

        tiles = tile_settings(network, 2)
    elif kind == "whole":
        tiles = TileSettings((2**31, 2**31), (0, 0), tuple(network.stride))
    else:
        halo = int(TILE * OVERLAP / 2)
        tiles = TileSettings((TILE, TILE), (halo, halo), tuple(network.stride), settings[0])
    options = {"device": device, "dtype": torch.float32}
    return lambda x: next(iter(predict_images(network, [x], tiles, **options)))


def _sliding(network, device, batch, mode):
    from monai.inferers import sliding_window_inference

    @torch.inference_mode()
    def predict(x):
        x = torch.from_numpy(x)[None].to(device)
        logits = sliding_window_inference(
            x, (TILE, TILE), batch, network, overlap=OVERLAP, mode=mode
        )
        return logits[0].cpu().numpy()

    return predict
