"""
Counting neuromuscular junctions from few labels
================================================

Count neuromuscular junctions in light-sheet scans of muscle, at two magnifications and with two
channels (stained junctions and autofluorescence of the fibers). Only a few scans of the lower
magnification are labeled. A network is pretrained on all scans with proxy tasks, which need no
labels, and fine-tuned on the labeled scans. The scans are simulated, so that the true counts are
known.

Set ``SSKSEG_GALLERY_SECONDS`` for shorter or longer trainings (default: 60 seconds each).
"""

import os

import matplotlib.pyplot as plt
import numpy as np
import sklearn
from sklearn.pipeline import make_pipeline

from sskseg import (
    CrossFitted,
    InstanceCounter,
    PercentileScaler,
    ProxyPretrainer,
    SemiSupervisedSegmenter,
)
from sskseg.datasets import make_neuromuscular_junctions
from sskseg.metrics import count_error
from sskseg.proxies import Crop, make_proxy
from sskseg.report import FeatureDisplay, draw_outlines

SECONDS = float(os.environ.get("SSKSEG_GALLERY_SECONDS", 60))

# %%
# Scans from three domains
# ------------------------
# Each domain has its own noise and bleed-through of the background into the signal. It consists of
# ten scans at magnification 1 and four crops of a scan at magnification 4. Of the thirty scans at
# magnification 1, ten are labeled.

settings = [
    {"noise": 0.05, "bleed_through": 0.1},
    {"noise": 0.12, "bleed_through": 0.3},
    {"noise": 0.2, "bleed_through": 0.15},
]


def crops(domain, seed):
    """Return the quarters of a scan at magnification 4."""
    (scan,), _ = make_neuromuscular_junctions(
        1, (64, 64), magnification=4.0, random_state=seed, **domain
    )
    return [scan[i : i + 128, j : j + 128] for i in (0, 128) for j in (0, 128)]


parts = [
    make_neuromuscular_junctions(10, (128, 128), random_state=i, **domain)
    for i, domain in enumerate(settings)
]
large = [crop for i, domain in enumerate(settings) for crop in crops(domain, 20 + i)]
X = np.concatenate([*(part[0] for part in parts), large])
reference = np.concatenate([part[1] for part in parts])
domains = np.r_[np.repeat([0, 1, 2], 10), np.repeat([0, 1, 2], 4)]
magnification = np.r_[np.full(30, 1.0), np.full(12, 4.0)]
labeled = np.arange(0, 30, 3)
y = np.full(X.shape[:3], -1)
y[labeled] = reference[labeled]

# %%
# Proxy tasks
# -----------
# Given a patch of one channel: which channel is it, and at which magnification was it scanned?

rng = np.random.default_rng(0)
scale = make_proxy("magnification").prepare(2, magnification)
channel = make_proxy("channel").prepare(2, None)
figure, axes = plt.subplots(2, 6, figsize=(12, 4.4), layout="constrained")
for axis in axes.flat:
    index = rng.choice(np.flatnonzero(magnification == rng.choice([1, 4])))
    crop = Crop(np.moveaxis(X[index], -1, 0), (64, 64), magnification[index])
    crop, factor = scale.make(crop, rng)
    crop, which = channel.make(crop, rng)
    axis.imshow(crop.middle()[0], cmap="gray")
    axis.set_title(f"channel {channel.classes[which]}\nmagnification {scale.classes[factor]:g}")
    axis.set_axis_off()

# %%
# The pipeline
# ------------
# Metadata routing of scikit-learn passes the magnification and the domain of each scan to the
# pretrainer, which samples all domains and magnifications equally often. Scans at magnification 4,
# whose junctions are larger, have weight 0 in the segmenter.

pretrainer = ProxyPretrainer(
    ("magnification", "channel", "restoration"), time_budget=SECONDS, random_state=0
)
segmenter = CrossFitted(SemiSupervisedSegmenter(time_budget=SECONDS, random_state=0), cv=3)
weight = (magnification == 1).astype(float)
with sklearn.config_context(enable_metadata_routing=True):
    model = make_pipeline(
        PercentileScaler(),
        pretrainer.set_fit_request(magnification=True, domains=True),
        segmenter.set_fit_request(sample_weight=True),
        InstanceCounter(fill_holes=False),
    )
    model.fit(X, y, magnification=magnification, domains=domains, sample_weight=weight)
for name, row in model[1].report_.items():
    print(name, {key: round(value, 2) for key, value in row.items()})

# %%
# The pretrained features, their first three principal components as colors:

FeatureDisplay.from_estimator(model, X[:30:10])

# %%
# Counts of new scans, with intervals
# -----------------------------------
# ``CrossFitted`` trains three more segmenters, each without a third of the labeled scans. The
# counter is fitted on their predictions of this third. The intervals are computed from the errors
# on the labeled scans, each counted with parameters that were searched on the others. Ten scans
# allow a coverage of 0.9.

new = [make_neuromuscular_junctions(4, (128, 128), random_state=50 + i, **domain)
       for i, domain in enumerate(settings)]  # fmt: skip
X_new = np.concatenate([part[0] for part in new])
y_new = np.concatenate([part[1] for part in new])
counts, intervals = model.predict(X_new, return_interval=True, coverage=0.9)
true = np.array([len(np.unique(label[label > 0])) for label in y_new])
print("relative count error (WAPE):", round(count_error(true, counts)["wape"], 3))

figure, axis = plt.subplots(figsize=(5, 4), layout="constrained")
axis.errorbar(true, counts, np.abs(intervals.T - counts), fmt="o", color="#0072B2")
axis.plot([true.min(), true.max()], [true.min(), true.max()], color="#888888")
axis.set(xlabel="true junctions", ylabel="counted junctions, with 90 % intervals")

# %%
# Reference outlines are blue, predicted ones orange:

predicted = model.transform(X_new)
figure, axes = plt.subplots(1, 3, figsize=(12, 4.4), layout="constrained")
for i, axis in zip((0, 4, 8), axes, strict=True):
    title = f"{counts[i]} counted, {true[i]} true"
    draw_outlines(axis, X_new[i], y_new[i], np.asarray(predicted)[i], title=title)
plt.show()
