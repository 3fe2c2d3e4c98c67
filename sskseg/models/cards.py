"""Trained pipelines that come with the package, and their cards."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from ..io.trained import TRAINED, did_you_mean, trained_names


@dataclass(frozen=True)
class ModelCard:
    """Data, scores and limits of a trained pipeline [1]_.

    Parameters
    ----------
    name : str
        Name of the model, as `load_model` takes it.
    summary : str
        What it counts, in one sentence.
    images : str
        Modality, channels and size of objects that it was trained on.
    data : str
        Training data, and their license.
    command : str
        What made it.
    figures : list of dict
        Each has ``data``, images that it was not trained on, and scores.
    limits : list of str
        Where it fails, or is not meant to be used.

    References
    ----------
    .. [1] Mitchell et al. Model cards for model reporting. FAT* 2019.
       :doi:`10.1145/3287560.3287596`
    """

    name: str
    summary: str
    images: str
    data: str
    command: str
    figures: list[dict[str, Any]]
    limits: list[str]

    def __str__(self) -> str:
        """Return the card as text."""
        scores = [
            f"  {row['data']}: " + "; ".join(f"{k} = {v}" for k, v in row.items() if k != "data")
            for row in self.figures
        ]
        return "\n".join(
            [
                f"{self.name}: {self.summary}",
                f"Images: {self.images}",
                f"Training data: {self.data}",
                f"Made by: {self.command}",
                "Scores:",
                *scores,
                *(f"Limit: {limit}" for limit in self.limits),
            ]
        )


def list_models() -> list[str]:
    """Return the names of the trained pipelines that come with the package.

    Returns
    -------
    list of str
        For `load_model`, `model_card` and `PretrainedBackbone`.

    Examples
    --------
    >>> from sskseg.models import list_models
    >>> "nuclei" in list_models()
    True
    """
    return trained_names()


def model_card(name: str) -> ModelCard:
    """Return the card of a trained pipeline that comes with the package.

    Parameters
    ----------
    name : str
        One of `list_models()`.

    Returns
    -------
    ModelCard

    Raises
    ------
    ValueError
        For another name.

    Examples
    --------
    >>> from sskseg.models import model_card
    >>> print(model_card("nuclei").summary)
    Counts nuclei in fluorescence images.
    """
    if name not in list_models():
        hint = did_you_mean(name, list_models())
        raise ValueError(f"name must be one of {', '.join(list_models())}, got {name!r}.{hint}")
    return ModelCard(**json.loads((TRAINED / f"{name}.json").read_text("utf-8")))
