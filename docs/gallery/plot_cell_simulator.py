"""
Simulated cells
===============

``CellSimulator`` draws images of cells with their labels and whole outlines. This example shows the
effect of its parameters, and the result of calibration to real images. Real images are read from
the folder ``SSKSEG_DATA``; if it is not set, simulated images are used.

If ``SSKSEG_GALLERY_IMAGES`` is set to a folder, the two figures are written to it.
"""

import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from sskseg import PercentileScaler
from sskseg.datasets import load_dsb2018_nuclei, load_nissl_rat_cortex
from sskseg.simulation import CellSimulator

SIDE = 144
FOLDER = os.environ.get("SSKSEG_GALLERY_IMAGES")


def show(ax, image, contours=(), title=None):
    """Draw an image in gray with outlines."""
    ax.imshow(image, cmap="gray", vmin=0, vmax=1)
    for contour in contours:
        y, x = np.concatenate([contour, contour[:1]]).T
        ax.plot(x, y, color="tab:orange", linewidth=0.8)
    ax.set(xlim=(-0.5, image.shape[1] - 0.5), ylim=(image.shape[0] - 0.5, -0.5))
    ax.set_title(title, fontsize=9)
    ax.set_axis_off()


def save(figure, name, dpi):
    if FOLDER:
        figure.savefig(Path(FOLDER) / f"{name}.png", dpi=dpi)


# %%
# Parameters
# ----------
# The second row adds the outlines, including the parts that other cells hide.

options = {
    "default": {},
    "ellipses": {"roughness": 0.0, "elongation": 3.0},
    "roughness=0.15": {"roughness": 0.15},
    "overlap=0.5": {"overlap": 0.5, "coverage": 0.45, "radius": 11},
    "defocus=3": {"overlap": 0.5, "coverage": 0.45, "radius": 11, "defocus": 3.0},
    "section_blur=3": {"section_blur": 3.0},
    "dark, with textures": {
        "foreground": 0.3, "background": 0.8, "overlap": 0.4, "radius": 11,
        "texture": (0.2, 0.0, 0.2), "background_texture": (0.04, 0.0, 0.04, 0.04),
    },
}  # fmt: skip
figure, axes = plt.subplots(2, len(options), figsize=(2 * len(options), 4.3), layout="constrained")
for column, (title, values) in zip(axes.T, options.items(), strict=True):
    X, _, contours = CellSimulator(shape=(SIDE, SIDE), **values).sample_contours(1, 3)
    show(column[0], X[0], title=title)
    show(column[1], X[0], contours[0])
save(figure, "simulator_parameters", 54)
plt.show()

# %%
# Calibration to real images
# --------------------------
# Size, density, intensities, blur, noise and polarity (bright or dark cells) are estimated without
# labels. ``calibrate(X, y)`` is more accurate if some images are labeled.


def real_images():
    """Return two images each of nuclei and of Nissl-stained cells, or simulated ones."""
    try:
        nuclei = load_dsb2018_nuclei()[0][8:10]
        nissl = [np.mean(image, axis=-1) for image in load_nissl_rat_cortex()[0][:2]]
    except FileNotFoundError:
        nuclei = CellSimulator(shape=(256, 256), radius=11, psf=2.0).sample(2, 0)[0]
        nissl = 1 - CellSimulator(shape=(256, 256), radius=15, texture=0.3).sample(2, 0)[0]
    return {"nuclei": list(nuclei), "Nissl": list(nissl)}


figure, axes = plt.subplots(2, 4, figsize=(9, 4.8), layout="constrained")
for row, (name, images) in zip(axes, real_images().items(), strict=True):
    images = PercentileScaler(scope="image").fit_transform(images)
    calibrated = CellSimulator(shape=(192, 192)).calibrate(images)
    drawn, _, contours = calibrated.sample_contours(2, 1)
    show(row[0], images[0][:192, :192], title=f"{name}, real")
    show(row[1], images[1][:192, :192], title="real")
    show(row[2], drawn[0], title="calibrated")
    show(row[3], drawn[1], contours[1], title="calibrated, with outlines")
save(figure, "simulator_calibrated", 68)
plt.show()
