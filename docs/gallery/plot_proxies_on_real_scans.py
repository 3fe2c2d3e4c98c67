"""
Pretraining on real scans, and counting synapses from clicks
============================================================

Pretrain networks without labels on three sets of real images: a light-sheet scan of a brain (signal
and autofluorescence of the tissue), four synaptic markers of one tissue, and crops with the puncta
of one marker. The puncta are then counted from clicks in ten crops.

The images are read from the folder ``SSKSEG_DATA``; see `sskseg.datasets`. Set
``SSKSEG_GALLERY_SECONDS`` for shorter or longer trainings (default: 60 seconds each).
"""

import os

import matplotlib.pyplot as plt
import numpy as np
from sklearn.pipeline import make_pipeline

from sskseg import (
    Annotations,
    InstanceCounter,
    LogBlobs,
    PercentileScaler,
    ProxyPretrainer,
    SemiSupervisedSegmenter,
)
from sskseg.datasets import load_array_tomography_4ch, load_lightsheet_2ch, load_psd95_puncta
from sskseg.metrics import count_error
from sskseg.report import FeatureDisplay

SECONDS = float(os.environ.get("SSKSEG_GALLERY_SECONDS", 60))

# %%
# A light-sheet scan with two channels
# ------------------------------------
# The scan has twenty sections. Is a patch signal or autofluorescence, and by which factor was it
# downsampled? `report_` compares the network with a probe, which uses only the histogram and the
# power spectrum of a patch. If the probe is as accurate, the network can solve the task without
# learning shapes.

brain = load_lightsheet_2ch()
scaled = PercentileScaler().fit_transform(brain)
pretrainer = ProxyPretrainer(
    ("magnification", "channel"), patch_size=64, time_budget=SECONDS, random_state=0
)
pretrainer.fit(scaled)
for name, row in pretrainer.report_.items():
    print(name, {key: round(value, 2) for key, value in row.items()})

# %%
# The signal of a section, and the features of each pixel. Pixels of the same color have similar
# features.

FeatureDisplay.from_estimator(pretrainer, scaled, indices=[10])

# %%
# Four synaptic markers
# ---------------------
# Which marker is it? The last two of eight sections are held out.

names = ["synapsin", "PSD95", "GluR1", "LY"]
synapses = PercentileScaler().fit_transform(load_array_tomography_4ch())
markers = ProxyPretrainer(("channel", "masked"), time_budget=SECONDS, random_state=0)
markers.fit(synapses[:6])
for name, row in markers.report_.items():
    print(name, {key: round(value, 2) for key, value in row.items()})

# %%
# Predictions for each quarter of the two held-out sections:

quarters = np.concatenate(
    [synapses[6:, i : i + 256, j : j + 256] for i in (0, 256) for j in (0, 256)]
)
predicted = markers.predict(quarters)
table = np.zeros((4, 4), int)
np.add.at(table, (predicted["channel"], predicted["predicted_channel"]), 1)
figure, axes = plt.subplots(1, 5, figsize=(15, 3.4), layout="constrained")
for channel, axis in enumerate(axes[:4]):
    axis.imshow(synapses[6, :256, :256, channel], cmap="gray", vmin=0, vmax=1)
    axis.set_title(names[channel])
    axis.set_axis_off()
axes[4].imshow(table, cmap="Blues")
axes[4].set(xticks=range(4), yticks=range(4), xticklabels=names, yticklabels=names)
axes[4].tick_params(axis="x", rotation=30)
axes[4].set(xlabel="predicted marker", ylabel="true marker")
for (i, j), number in np.ndenumerate(table):
    axes[4].text(j, i, number, ha="center", va="center", color="w" if number > 4 else "k")

# %%
# Puncta, counted from ten clicked crops
# --------------------------------------
# Pretraining uses a hundred crops, ten of which have clicks. Two hundred other crops are counted.
# The baseline is `LogBlobs`, with its threshold fitted to the same clicks.

X, points = load_psd95_puncta()
model = make_pipeline(
    PercentileScaler(),
    ProxyPretrainer(("restoration",), time_budget=SECONDS, random_state=0),
    SemiSupervisedSegmenter(semi_supervision=None, time_budget=SECONDS, random_state=0),
    InstanceCounter(),
)
clicked = [points[i] if i < 10 else None for i in range(100)]
model.fit(X[:100], Annotations(clicked, point_radius=2))
blobs = LogBlobs().fit(X[:10], points[:10])
true = np.array([len(x) for x in points[300:500]])
counted = {"network": model.predict(X[300:500]), "LogBlobs": blobs.predict(X[300:500])}
figure, axes = plt.subplots(1, 2, figsize=(9, 4), layout="constrained", sharey=True)
for axis, (name, counts) in zip(axes, counted.items(), strict=True):
    wape = count_error(true, counts)["wape"]
    print(name, "relative count error (WAPE):", round(wape, 3))
    axis.scatter(true, counts, s=14, alpha=0.5, color="#0072B2")
    axis.plot([0, true.max()], [0, true.max()], color="#888888")
    axis.set(title=f"{name}, WAPE {wape:.2f}", xlabel="clicked puncta")
axes[0].set_ylabel("counted puncta")

# %%
# Clicks are blue rings, centers of counted puncta orange crosses:

table = model[-1].measure(model[:-1].transform(X[300:303]))
figure, axes = plt.subplots(1, 3, figsize=(12, 4.2), layout="constrained")
for i, axis in enumerate(axes):
    axis.imshow(X[300 + i], cmap="gray")
    axis.plot(*points[300 + i].T[::-1], "o", mfc="none", ms=12, color="#56B4E9")
    here = table[table["sample"] == i]
    axis.plot(here["centroid_x"], here["centroid_y"], "x", color="#E69F00")
    axis.set_title(f"{len(here)} counted, {len(points[300 + i])} clicked")
    axis.set_axis_off()
plt.show()
