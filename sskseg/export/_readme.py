"""Documentation of a package."""

from __future__ import annotations

from typing import Any

from ._parts import Parts


def readme(parts: Parts, name: str, description: str, text: str, described: dict[str, Any]) -> str:
    """Write the documentation of a package in Markdown.

    Parameters
    ----------
    parts : Parts
    name, description : str
    text : str
        Of the user, after the description.
    described : dict
        Metadata of the model.

    Returns
    -------
    str
    """
    sections = [
        f"# {name}",
        description,
        text.strip(),
        _input(described),
        _output(described),
        _objects(described),
        _validation(parts),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _input(described):
    lines = [f"Channels, in this order: {', '.join(described['input_channels'])}."]
    if described["pixel_size"] is not None:
        sizes = " x ".join(f"{value:g}" for value in described["pixel_size"])
        lines.append(f"Size of a pixel of the training images: {sizes}.")
    if described["object_size"] is not None:
        lines.append(
            f"Resample images so that objects have a diameter of about "
            f"{described['object_size']:g} pixels: the model was trained at this size."
        )
    lines.append(
        f"The {described['sizes']}. Pad others ({described['padding']}), and crop the result."
    )
    if described["reach"] is not None:
        lines.append(
            f"The receptive field has a radius of {described['reach']} pixels: tiles that overlap "
            "by as much give the result of the whole image."
        )
    return "## Input\n\n" + "\n".join(f"- {line}" for line in lines)


def _output(described):
    channels = ", ".join(described["output_channels"])
    return f"## Output\n\nCalibrated probabilities, 0 to 1, of: {channels}."


def _objects(described):
    if "counter" not in described:
        return ""
    lines = [f"- {name}: {value}" for name, value in described["counter"].items()]
    return (
        "## Objects\n\nParameters with which `sskseg.InstanceCounter` splits the probabilities "
        "into objects:\n\n" + "\n".join(lines)
    )


def _validation(parts):
    scores = [row["validation_score"] for row in parts.segmenter.history_
              if row.get("validation_score") is not None]  # fmt: skip
    measured = (
        f"Dice coefficient of the foreground on {len(parts.segmenter.validation_indices_)} "
        f"images that were held out of the training: {max(scores):.2f}. They chose the weights, "
        "so that new images may give less."
        if scores
        else "No images were held out of the training."
    )
    return (
        f"## Validation\n\n{measured}\n\nAnnotate some images of your own, and compare the "
        "foreground (probability above 0.5) with them by the Dice coefficient, and counts of "
        "objects with counts by hand, before you use the model."
    )
