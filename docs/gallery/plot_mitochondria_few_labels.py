"""
Mitochondria from four labeled sections
========================================

Segment a stack of sections of an electron microscope, of which four are labeled. The segmenter is
trained on these four and on the unlabeled sections. It estimates its uncertainty, and suggests
which section to label next. The baseline is a pixel-wise random forest, fitted to the same four
sections.

If ``SSKSEG_DATA`` is set to the folder of real images, these are mitochondria (FIB-SEM of
hippocampus, 5 nm, EPFL); otherwise a simulated volume is used. Set ``SSKSEG_GALLERY_SECONDS`` for
a shorter or longer training (default: 60 seconds).
"""

import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.pipeline import make_pipeline

from sskseg import InstanceCounter, PercentileScaler, PixelForest, SemiSupervisedSegmenter
from sskseg.datasets import load_epfl_mitochondria, make_cells
from sskseg.metrics import iou
from sskseg.report import HistoryDisplay, draw_outlines

SECONDS = float(os.environ.get("SSKSEG_GALLERY_SECONDS", 60))
SIDE = 256 if SECONDS > 10 else 128

# %%
# Forty sections, four of them labeled
# -------------------------------------
# ``y`` is -1 where a pixel is unlabeled.

if Path(os.environ.get("SSKSEG_DATA", "."), "epfl_mitochondria").is_dir():
    X, reference = load_epfl_mitochondria()
    part = (slice(40), slice(64, 64 + SIDE), slice(64, 64 + SIDE))
    X, reference = X[part], reference[part]
else:
    X, reference = make_cells(1, (40, 128, 128), radius=9, contrast=0.3, random_state=0)
    X, reference = X[0], (reference[0] > 0).astype(np.uint8)

labeled = [4, 15, 26, 37]
y = np.full(reference.shape, -1)
y[labeled] = reference[labeled]

# %%
# The pipeline
# ------------
# ``sections="consecutive"`` means that samples are sections in z order. The segmenter then also
# reads neighboring sections. With small patches, a minute of training is enough here; omit
# ``patch_size`` if you have more time.

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
# Comparison with a random forest
# -------------------------------
# Only unlabeled sections are evaluated.

test = np.setdiff1d(np.arange(len(X)), labeled)
scaled = model[0].transform(X)
probability = segmenter.predict_proba(scaled)
forest = PixelForest(n_estimators=50, random_state=0).fit(X[labeled], reference[labeled])
by_forest = forest.predict(X[test])
print("IoU of the random forest:", round(iou(reference[test], by_forest), 3))
print("IoU of the segmenter:", round(iou(reference[test], probability[test] > 0.5), 3))

section = 10
uncertainty = segmenter.predict_uncertainty(scaled)
figure, axes = plt.subplots(1, 3, figsize=(12, 4.3), layout="constrained")
forest_mask = by_forest[np.flatnonzero(test == section)[0]]
draw_outlines(axes[0], X[section], reference[section], forest_mask, title="random forest")
mask = probability[section] > 0.5
draw_outlines(axes[1], X[section], reference[section], mask, title="segmenter")
shown = axes[2].imshow(uncertainty[section], vmin=0, vmax=1)
axes[2].set(title="uncertainty of the segmenter", xticks=[], yticks=[])
figure.colorbar(shown, ax=axes[2], shrink=0.8)

# %%
# Objects through the stack
# -------------------------
# Overlapping objects of neighboring sections are one object. Sizes are in the units of
# ``spacing``, here nanometers.

outputs = segmenter.transform(scaled)  # what the counter takes
labels, table = counter.label(outputs), counter.measure(outputs)
print("objects:", labels.max())
print(table.sort_values("volume", ascending=False).head().round(1).to_string(index=False))

# %%
# Which section to label next
# ---------------------------
# The segmenter suggests sections on which its predictions disagree most, and which are not next to
# a labeled section.

print("label next:", segmenter.suggest_sections(scaled, 3, y=y))

# %%
# Learning curve
# --------------

HistoryDisplay.from_estimator(segmenter)
plt.show()
