"""A session as a script of Python that trains and counts the same."""

from __future__ import annotations

import os
from typing import Any

from .training import N_FOLDS, OF_KIND, SCALER_OF_KIND, Training, n_threads

_SCRIPT = '''"""Train and count as in the window of napari; made by sskseg {version}.{note}"""

import torch
from sklearn.pipeline import make_pipeline

from sskseg import InstanceCounter, PercentileScaler, SemiSupervisedSegmenter
from sskseg.io import write_object_table
{cross_import}from sskseg.models import {start_import}save_model
from sskseg.napari import Session, answer_of, count_session
from sskseg.napari.calibration import fit_counter

DATA = {data!r}
torch.set_num_threads({n_threads})  # as in the window: the last bits depend on it

session = Session.load(DATA)
X, y, positions = session.training_data()
scaler = PercentileScaler({scaler})
scaled = scaler.fit_transform(X)
{start}segmenter = SemiSupervisedSegmenter({segmenter})
{fit}
# A stroke does not show how large an object is: complete regions do.
counter = fit_counter(
    InstanceCounter({counter}), session.complete_regions(), probabilities, positions,
    in_sample={in_sample}, y=y,
)

model = make_pipeline(scaler, segmenter, counter)
session.set_answers(answer_of(session, model))
counts = count_session(session, model, {{}})

if __name__ == "__main__":
    print(counts.to_string(index=False))
    write_object_table(f"{{DATA}}/counts.csv", counts)
    save_model(model, f"{{DATA}}/model.sskseg")  # for `sskseg count` and count_scan, on a cluster
'''
_START = """scaled = PretrainedBackbone({!r}).fit_transform(scaled)
"""
_FIT = """segmenter.fit(scaled, y, positions=positions)
probabilities = segmenter.transform(scaled, positions=positions)
"""
_CROSS_FIT = f"""folds = CrossFitted(segmenter, cv={N_FOLDS})
probabilities = folds.fit_transform(scaled, y, positions=positions)
segmenter = folds.segmenter_
"""


def script_of(training: Training, data: str | os.PathLike[str]) -> str:
    """Write a script that trains and counts as a session did.

    Parameters
    ----------
    training : Training
        With a model.
    data : str or path-like
        Folder to which `Session.save_data` wrote.

    Returns
    -------
    script : str
        With the same ``max_steps`` and ``random_state`` its counts are those of the window, after
        one training, before corrections. What differs otherwise stands at its top.
    """
    import sskseg

    of_kind = OF_KIND[training.session.kind]
    start, crossed = training.started_from, training.with_intervals
    return _SCRIPT.format(
        version=sskseg.__version__, note=_note(training), data=os.fspath(data),
        scaler=_arguments(SCALER_OF_KIND[training.session.kind]),
        segmenter=_arguments(training.segmenter_parameters), counter=_arguments(of_kind),
        in_sample=not crossed, n_threads=n_threads(),
        start=_START.format(start) if start else "", fit=_CROSS_FIT if crossed else _FIT,
        start_import="PretrainedBackbone, " if start else "",
        cross_import="from sskseg.model_selection import CrossFitted\n" if crossed else "",
    )  # fmt: skip


def _note(training):
    """What makes the counts of the script differ from those of the window."""
    notes = []
    if training.n_trainings > 1:
        notes.append(
            f"The window trained {training.n_trainings} times, as labels were added; this trains "
            "once, on all."
        )
    if "max_steps" not in training.parameters:
        notes.append("The training ends by the clock, so that counts differ from run to run.")
    if training.parameters.get("random_state") is None:
        notes.append("There is no random_state, so that counts differ from run to run.")
    return "".join(f"\n\n{note}" for note in notes) + ("\n" if notes else "")


def _arguments(parameters: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in parameters.items())
