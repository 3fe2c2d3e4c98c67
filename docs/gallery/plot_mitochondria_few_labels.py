"""
Mitochondria from four labeled sections
========================================

A stack of electron-microscope sections of which four are painted. The segmenter learns from
the four and from the sections between them, says how sure it is, and which section to paint next.
A random forest of pixels learns from the same four for comparison.

With ``SSKSEG_DATA`` set to the folder of real images these are mitochondria (FIB-SEM of
hippocampus, 5 nm, EPFL); without it a simulated volume stands in. Set ``SSKSEG_GALLERY_SECONDS``
for a shorter or longer training (default: 60 seconds).
"""

import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.pipeline import make_pipeline

from sskseg import InstanceCounter, PercentileScaler, PixelForest, SemiSupervisedSegmenter
from sskseg.datasets import load_epfl_mitochondria, make_cells
from sskseg.metrics import iou
from sskseg.report import draw_outlines

SECONDS = float(os.environ.get("SSKSEG_GALLERY_SECONDS", 60))
SIDE = 256 if SECONDS > 10 else 128

# %%
# Forty sections, four of them labeled
# -------------------------------------
# ``y`` is -1 where nothing is labeled.

if Path(os.environ.get("SSKSEG_DATA", "."), "epfl_mitochondria").is_dir():
    X, truth = load_epfl_mitochondria()
    part = (slice(40), slice(64, 64 + SIDE), slice(64, 64 + SIDE))
    X, truth = X[part], truth[part]
else:
    X, truth = make_cells(1, (40, 128, 128), radius=9, contrast=0.3, random_state=0)
    X, truth = X[0], (truth[0] > 0).astype(np.uint8)

labeled = [4, 15, 26, 37]
y = np.full(truth.shape, -1)
y[labeled] = truth[labeled]

# %%
# The pipeline
# ------------
# ``sections="consecutive"`` tells that samples are sections in z order. The segmenter
# then looks at neighboring sections too, and learns from the unlabeled ones between. Small
# patches make a minute of training enough here; leave that out where there is more time.

model = make_pipeline(
    PercentileScaler(),
    SemiSupervisedSegmenter(
        sections="consecutive", patch_size=96, time_budget=SECONDS, random_state=0
    ),
    InstanceCounter(sections="consecutive", spacing=(5.0, 5.0, 5.0)),
)
model.fit(X, y)
segmenter, counter = model[1], model[2]
print(segmenter.semi_supervision_, segmenter.semi_supervision_reason_)

# %%
# What it learned, beside a random forest
# --------------------------------------
# Only sections that were not labeled are judged.

new = np.setdiff1d(np.arange(len(X)), labeled)
scaled = model[0].transform(X)
probability = segmenter.transform(scaled)
forest = PixelForest(n_estimators=50, random_state=0).fit(X[labeled], truth[labeled])
by_forest = forest.predict(X[new])
print("IoU of the random forest:", round(iou(truth[new], by_forest), 3))
print("IoU of the segmenter:", round(iou(truth[new], probability[new] > 0.5), 3))

row = 10
unsure = segmenter.predict_uncertainty(scaled)
figure, axes = plt.subplots(1, 3, figsize=(12, 4.3), layout="constrained")
forest_row = by_forest[np.flatnonzero(new == row)[0]]
draw_outlines(axes[0], X[row], truth[row], forest_row, title="random forest")
draw_outlines(axes[1], X[row], truth[row], probability[row] > 0.5, title="segmenter")
shown = axes[2].imshow(unsure[row], vmin=0, vmax=1)
axes[2].set(title="uncertainty of the segmenter", xticks=[], yticks=[])
figure.colorbar(shown, ax=axes[2], shrink=0.8)

# %%
# Objects through the stack
# -------------------------
# What overlaps from section to section is one object. Sizes are in the units of ``spacing``, here
# nanometers.

labels = counter.label(probability)
table = counter.measure(probability)
print("objects:", labels.max())
print(table.sort_values("volume", ascending=False).head().round(1).to_string(index=False))

# %%
# Which section to label next
# ---------------------------
# Those in which the network contradicts itself most, and which are not next to a labeled one.

print("label next:", segmenter.suggest_sections(scaled, 3, y=y))

# %%
# How training went
# -----------------

rows = [row for row in segmenter.history_ if row["phase"] == "network"]
figure, axis = plt.subplots(figsize=(5, 3), layout="constrained")
axis.plot([r["step"] for r in rows], [r["loss"] for r in rows], color="#0072B2")
axis.set(xlabel="step", ylabel="loss")
plt.show()
