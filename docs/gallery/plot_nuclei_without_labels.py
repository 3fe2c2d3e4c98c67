"""
Nuclei without any label
========================

Count nuclei in images without labels. A simulator is calibrated to the images, and draws nuclei of
the same size, density and brightness, with labels. A second network makes these images more
realistic. The segmenter is trained on them. Labels of the real images are used only for the
evaluation.

If ``SSKSEG_DATA`` is set to the folder of real images, these are fluorescent nuclei (Data Science
Bowl 2018); otherwise simulated cells are used. Set ``SSKSEG_GALLERY_SECONDS`` for shorter or longer
trainings (default: 60 seconds each).
"""

import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.pipeline import make_pipeline

from sskseg import (
    InstanceCounter,
    OtsuWatershed,
    PercentileScaler,
    SemiSupervisedSegmenter,
    SimulatedRefiner,
)
from sskseg.datasets import load_dsb2018_nuclei, make_cells
from sskseg.metrics import count_error, f1_instances
from sskseg.report import draw_outlines

SECONDS = float(os.environ.get("SSKSEG_GALLERY_SECONDS", 60))

# %%
# Images, and labels for evaluation only
# --------------------------------------

if Path(os.environ.get("SSKSEG_DATA", "."), "dsb2018_nuclei").is_dir():
    images, labels = load_dsb2018_nuclei()
    same = [i for i, image in enumerate(images) if image.shape == (256, 256)][:32]
    X, reference = np.stack([images[i] for i in same]), np.stack([labels[i] for i in same])
else:
    X, reference = make_cells(24, (128, 128), radius=8, noise=0.1, random_state=0)

train, test = np.arange(0, len(X), 2), np.arange(1, len(X), 2)
unlabeled = np.full(reference[train].shape, -1)

# %%
# The pipeline
# ------------
# ``scope="image"`` scales each image separately, since exposures differ. ``SimulatedRefiner``
# calibrates a ``CellSimulator`` and refines the images that it draws.

model = make_pipeline(
    PercentileScaler(scope="image"),
    SimulatedRefiner(width=16, depth=2, time_budget=SECONDS, random_state=0),
    SemiSupervisedSegmenter(semi_supervision=None, time_budget=SECONDS, random_state=0),
    InstanceCounter(),
)
model.fit(X[train], unlabeled)
refiner = model[1]
print({name: round(value, 3) for name, value in refiner.report_.items()})

# %%
# Training images
# ---------------
# Top: parts of real images. Middle: simulated images of the same size. Bottom: the same simulated
# images after refinement.

drawn, drawn_labels = refiner.simulator_.sample(4, random_state=1)
refined = refiner.refine(drawn, drawn_labels, random_state=1)
real = model[0].transform(X[train[:4]])[:, :128, :128]
figure, axes = plt.subplots(3, 4, figsize=(9, 7), layout="constrained")
for line, images, title in zip(axes, (real, drawn, refined), ("real", "simulated", "refined"),
                               strict=True):  # fmt: skip
    line[0].set_ylabel(title)
    for axis, image in zip(line, images, strict=True):
        axis.imshow(image, cmap="gray", vmin=0, vmax=1)
        axis.set(xticks=[], yticks=[])

# %%
# Evaluation on test images
# -------------------------
# The baseline is Otsu's threshold with a watershed, which needs no labels either.

otsu = OtsuWatershed().fit(X[train])
predicted = {"Otsu": otsu.transform(X[test]), "without labels": model.transform(X[test])}
true = [len(np.unique(label)) - 1 for label in reference[test]]
for name, label in predicted.items():
    label = np.asarray(label)
    f1 = f1_instances(list(reference[test]), list(label), threshold=0.5)
    wape = count_error(true, [x.max() for x in label])["wape"]
    print(f"{name}: F1 at IoU 0.5 {f1:.3f}, relative count error (WAPE) {wape:.3f}")

figure, axes = plt.subplots(2, 3, figsize=(10, 7), layout="constrained")
for line, (name, label) in zip(axes, predicted.items(), strict=True):
    for axis, i in zip(line, (0, len(test) // 2, len(test) - 1), strict=True):
        title = f"{name}: {np.asarray(label)[i].max()} counted, {true[i]} true"
        draw_outlines(axis, X[test[i]], reference[test[i]], np.asarray(label)[i], title=title)
plt.show()
