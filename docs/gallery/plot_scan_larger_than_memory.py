"""
A scan larger than memory
=========================

Count the objects of a scan that does not fit in memory. A pipeline is fitted on small labeled
crops, and then counts the scan block by block. Objects on the borders of blocks are counted once.
The scan here is small and simulated, so that its true count is known; the calls are the same for a
terabyte. The script needs the extra ``scans``.

Set ``SSKSEG_GALLERY_SECONDS`` for a shorter or longer training (default: 60 seconds).
"""

import os
from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
import numpy as np
import zarr
from sklearn.pipeline import make_pipeline

from sskseg import InstanceCounter, PercentileScaler, SemiSupervisedSegmenter
from sskseg.datasets import make_cells
from sskseg.report import draw_outlines
from sskseg.scans import count_scan, density_map, open_scan, plan_scan

SECONDS = float(os.environ.get("SSKSEG_GALLERY_SECONDS", 60))
SIDE = 1024 if SECONDS > 10 else 384

# %%
# Train on small crops
# --------------------

X, y = make_cells(8, (128, 128), random_state=0)
model = make_pipeline(
    PercentileScaler(),
    SemiSupervisedSegmenter(semi_supervision=None, time_budget=SECONDS, random_state=0),
    InstanceCounter(),
)
model.fit(X, y)

# %%
# A scan on disk
# --------------
# `open_scan` opens OME-Zarr, zarr, HDF5, TIFF and folders of sections, without reading pixels.

folder = TemporaryDirectory()
image, reference = (part[0] for part in make_cells(1, (SIDE, SIDE), random_state=1))
zarr.save_array(Path(folder.name) / "scan.zarr", image)
scan = open_scan(Path(folder.name) / "scan.zarr", spacing=(0.5, 0.5), unit="micrometer")
print(scan)

# %%
# Estimate the cost
# -----------------
# ``plan_scan`` returns the number of blocks, their halo, and the memory of a worker, before
# anything is computed. For a real scan, omit ``measure=False``: one block is then processed, to
# estimate ``plan.seconds``.

block, halo = SIDE // 4, 32
plan = plan_scan(model, scan, block_shape=block, halo=halo, measure=False)
print(plan.n_blocks, "blocks;", round(plan.memory / 1e6), "MB per worker;",
      round(plan.overhead, 2), "times the pixels of the scan are read")  # fmt: skip

# %%
# Count
# -----
# You can interrupt the count and call it again: finished blocks are not computed twice.

result = count_scan(model, scan, Path(folder.name) / "result", block_shape=block, halo=halo)
n_true, n_cut = len(np.unique(reference)) - 1, result.cut.id.nunique()
print(result.n_objects, "predicted,", n_true, "true,", n_cut, "cut at a border of blocks")
print(result.table.head().round(2).to_string(index=False))

# %%
# A corner of four blocks, and the density over the whole scan
# ------------------------------------------------------------

corner = (slice(block - 64, block + 64),) * 2
figure, axes = plt.subplots(1, 2, figsize=(9, 4.2), layout="constrained")
labels = np.asarray(result.labels[corner])
title = "reference (blue), predicted (orange)"
draw_outlines(axes[0], image[corner], reference[corner], labels, title=title)
axes[0].axhline(63.5, color="white", lw=0.8)
axes[0].axvline(63.5, color="white", lw=0.8)
density = density_map(result.table, scan.data.shape, grid=(32.0, 32.0), spacing=scan.spacing)
shown = axes[1].imshow(density * 1e4, extent=(0, SIDE / 2, SIDE / 2, 0))
axes[1].set(xlabel="micrometers", title="objects in 100 x 100 micrometers")
figure.colorbar(shown, ax=axes[1], shrink=0.8)
plt.show()
folder.cleanup()
