"""Scores of the trained models, from their cards."""

import json

from page_tables import DOCS, figure, markdown, table

_CARDS = DOCS.parent / "sskseg" / "models" / "trained"
_AVERAGED = ", segmenter__test_time_augmentation=True"
# Held-out simulated cells have no page: images that are not simulated count.
_SHOWN = {
    "nuclei": ("60 held-out images", f"60 held-out images{_AVERAGED}"),
    "nuclei-stained": ("14 held-out images",),
    "cells-simulated": (
        "60 images of fluorescence nuclei", "stained tissue (53 images), in gray, inverted",
        "Nissl-stained cortex (3 images), in gray, inverted",
    ),
    "junctions-simulated": ("40 held-out images",),
}  # fmt: skip


def _scores(model, data):
    """The figures of a card for one set of test images."""
    card = json.loads((_CARDS / f"{model}.json").read_text(encoding="utf-8"))
    return next(each for each in card["figures"] if each["data"] == data)


@table
def trained_models():
    rows = [
        {
            "model": f"`{model}`",
            "images": data.replace(_AVERAGED, ", averaged over flips and turns").replace(
                "60 images of fluorescence nuclei", "the 60 held-out images of `nuclei`"
            )
            + (" (simulated)" if model.startswith("junctions") else ""),
            **_scores(model, data),
        }
        for model, shown in _SHOWN.items()
        for data in shown
    ]
    columns = {
        "model": "model", "test images": "images", "F1": ("F1 at IoU 0.5", ".3f"),
        "count error": ("count error", ".3f"),
    }  # fmt: skip
    return markdown(rows, columns)


@figure
def model_nuclei():
    return f"{_scores('nuclei', '60 held-out images')['F1 at IoU 0.5']:.2f}"


@figure
def model_cells():
    data = "60 images of fluorescence nuclei"
    return f"{_scores('cells-simulated', data)['F1 at IoU 0.5']:.2f}"
