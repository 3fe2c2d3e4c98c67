"""What pretraining and simulation steps learned, as elements of a page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from ._html import paragraph, picture, summary, table
from .pretraining import FeatureDisplay, ProxyDisplay
from .simulation import SimulationDisplay


def pretraining(outputs: Any) -> Iterator[str]:
    """Show proxies and features of the steps that have them."""
    for _, step, inputs in outputs.steps:
        if not callable(getattr(step, "features", None)):  # a parameter of other steps
            continue
        report = [{"proxy": name, **row} for name, row in step.report_.items()]
        yield table(pd.DataFrame(report), "Balanced accuracy of the proxies on held-out crops")
        yield _proxies(step, inputs)
        yield picture(
            lambda figure, step=step, inputs=inputs: FeatureDisplay.from_estimator(
                step, inputs, max_images=2, ax=figure
            ),
            "Images and, as colors, three principal components of their features.",
            "Pixels of similar color have similar features.",
        )


def _proxies(step, inputs):
    try:
        patches, answers = step.try_proxies(inputs, 12)
    except ValueError as error:
        return paragraph(f"No patches: {error}", "soft")
    return picture(
        ProxyDisplay(patches=patches, answers=answers).plot,
        lambda d: "Patches with the predictions of the network. Correct: "
        + ", ".join(f"{100 * v:.0f} % of {k}" for k, v in d.accuracy_.items()) + ".",
        "Inputs of the network, and its predictions.",
    )  # fmt: skip


def simulation(outputs: Any) -> Iterator[str]:
    """Show simulated and refined images of the steps that make them."""
    for _, step, inputs in outputs.steps:
        if hasattr(step, "refine"):
            yield summary((k.replace("_", " "), v) for k, v in step.report_.items())
            yield picture(
                lambda figure, step=step, inputs=inputs: SimulationDisplay.from_estimator(
                    step, inputs, ax=figure
                ),
                "Rows of simulated, refined and real images.",
                "Simulated images, refined ones and real ones, in one gray scale.",
            )
