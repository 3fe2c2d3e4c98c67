"""Pixels per second of `predict`, of the bare network, and of MONAI's sliding window.

    python tests/benchmarks/throughput.py [--protocol two-core|gpu]

Same weights and images (EPFL test sections), the three in turn, several rounds; medians. MONAI
(``pip install --no-deps monai``) runs with its usual settings: float32, windows of 256 x 256 four
at a time, overlap 0.25, constant blending.
"""

import argparse
import time

import numpy as np
import torch
from harness import TRAINED, Cells, data_folder, markdown

from sskseg import SemiSupervisedSegmenter
from sskseg.datasets import load_epfl_mitochondria
from sskseg.metrics import dice
from sskseg.training import inference_copy, select_device, select_precision

PROTOCOLS = {
    "two-core": {"seconds": 60, "sections": 40, "rounds": 3},
    "gpu": {"seconds": 60, "sections": 40, "rounds": 10},
}
TILES = [(256, 256), (512, 512), (768, 1024), (1024, 1024)]


def timed(function, device):
    if device.type == "cuda":
        torch.cuda.synchronize()
    start = time.perf_counter()
    result = function()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start, result


def bare(model, shape, device, dtype):
    """Forward of the network alone on random tiles, about as many pixels as the images have."""
    network = inference_copy(model.network_, device, dtype, 2)
    x = torch.randn(1, 1, *shape).to(device, dtype).contiguous(memory_format=torch.channels_last)
    times = max(2, round(8e6 / np.prod(shape)))

    @torch.inference_mode()
    def run():
        for _ in range(times):
            network(x)

    return lambda: times * np.prod(shape) / timed(run, device)[0] / 1e6


def monai(model, X, device):
    from monai.inferers import sliding_window_inference

    network = model.network_.to(device).float().eval()
    scaled = (X.astype(np.float32) - model.channel_mean_) / model.channel_std_

    @torch.inference_mode()
    def run():
        results = []
        for image in scaled:
            x = torch.from_numpy(image)[None, None].to(device)
            logits = sliding_window_inference(x, (256, 256), 4, network, overlap=0.25)
            results.append(logits[0, 0].sigmoid().cpu().numpy())
        return np.array(results)

    return run


def measure(protocol):
    settings = PROTOCOLS[protocol]
    folder = data_folder() / "epfl_mitochondria"
    X, y = load_epfl_mitochondria(folder, split="train")
    X_test, y_test = load_epfl_mitochondria(folder, split="test")
    X_test, y_test = X_test[: settings["sections"]], y_test[: settings["sections"]]
    model = SemiSupervisedSegmenter(
        semi_supervision=None, time_budget=settings["seconds"], random_state=0
    )
    model.fit(X[::20], y[::20])
    device = select_device(model.device)
    dtype = select_precision(model.precision, device)
    runs = {f"bare {shape[0]}x{shape[1]}": bare(model, shape, device, dtype) for shape in TILES}
    sliding = monai(model, X_test, device)
    rates = {name: [] for name in (*runs, "predict", "MONAI")}
    for _ in range(settings["rounds"]):
        for name, run in runs.items():
            rates[name].append(run())
        seconds, ours = timed(lambda: model.predict(X_test), device)
        rates["predict"].append(X_test.size / seconds / 1e6)
        seconds, theirs = timed(sliding, device)
        rates["MONAI"].append(X_test.size / seconds / 1e6)
    median = {f"Mpixel/s {name}": float(np.median(values)) for name, values in rates.items()}
    best = np.max([rates[name] for name in runs], axis=0)
    return median | {
        "predict / best bare": float(np.median(np.array(rates["predict"]) / best)),
        "predict / MONAI": float(np.median(np.array(rates["predict"]) / rates["MONAI"])),
        "dice predict": dice(y_test, ours),
        "dice predict, float32": dice(
            y_test, model.set_params(precision="float32").predict(X_test)
        ),
        "dice MONAI": dice(y_test, theirs > 0.5),
        "dtype": str(dtype),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--protocol", choices=PROTOCOLS, default="two-core")
    options = parser.parse_args()
    cell = Cells("throughput", recipe=TRAINED).run(
        {"task": "throughput", "protocol": options.protocol}, lambda: measure(options.protocol)
    )
    rows = [{"what": name, "value": value} for name, value in cell["figures"].items()]
    print(markdown(rows, ["what", "value"]))
