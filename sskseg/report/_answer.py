"""The first sentences of the page: how many objects, how good, and compared with what."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..metrics import count_error, dice
from ._groups import only, validation_indices

_MIN_COMPARED = 5  # images, from which scores of others can be expected to be similar
_MAX_EXACT = 200  # objects that are named as they are, and not as so many of 100
# Groups by how much their labels say of new images.
ORDER = ("new", "", "validation", "training or validation", "training")
_LABELS = {
    "new": " that were not used for training",
    "": "",
    "validation": " of the validation set",
    "training or validation": " that were given to fit",
    "training": " that were used for training",
}
_USES = {
    "new": "",
    "": "Whether these images were used for training is not known. If they were, results on new "
    "images are usually worse.",
    "validation": "These images were held out during training, but settings were chosen on them: "
    "results on new images are usually a little worse.",
    "training": "These images were used for training: results on new images are usually worse, and "
    "have not been checked.",
}
_UNCHECKED = "No labels were given: these counts have not been checked."
_ADVICE = "Label some of these images, and pass their labels as `y`."


def headline(page: Any) -> str:
    """Return the number of objects and of images."""
    images = _number(len(page.images), _noun(page))
    if page.counts is None:
        return f"Predictions for {images}"
    return f"{_number(int(page.counts.sum()), 'object')} in {images}"


def answer(page: Any, training_note: str = "") -> Iterator[str]:
    """Yield the answer, paragraph by paragraph."""
    yield _counted(page)
    group = next(
        (g for name in ORDER for g in page.groups if g.name == name and _is_labeled(page, g)), None
    )
    if group is None:
        warned = " Read the warnings below." if page.cautions else ""
        yield (_UNCHECKED if page.counts is not None else "No labels were given.") + warned
        yield _ADVICE
        return
    compared = len(only(page.reference, group).labeled)
    yield " ".join([_compared(page, group, compared), *_scored(page, group)])
    use = training_note if training_note and not group.name else _use(page, group)
    if compared < _MIN_COMPARED:
        few = f"Only {_number(compared, _noun(page))} {'was' if compared == 1 else 'were'}"
        use = f"{use} {few} compared: on others, results may be quite different."
    if use:
        yield use.strip()


def _noun(page):
    return "section" if page.outputs.consecutive else "image"


def _is_labeled(page, group):
    return bool(len(only(page.reference, group).labeled))


def _counted(page):
    if page.counts is None:
        kind = "foreground" if page.outputs.probability is not None else "features"
        return f"The model predicts the {kind} of {_number(len(page.images), 'image')}."
    n, counts = int(page.counts.sum()), page.visible
    text = f"The model counted {_number(n, 'object')} in {_number(len(counts), _noun(page))}"
    middle, low, high = float(np.median(counts)), counts.min(), counts.max()
    median = f"{middle:,.{0 if middle.is_integer() else 1}f}"
    if page.outputs.stacked:
        return (
            f"{text}. An object in several sections counts once; the median section shows {median} "
            f"({low:,} to {high:,})."
        )
    return (
        f"{text}."
        if len(counts) == 1
        else f"{text}: {median} in the median image ({low:,} to {high:,})."
    )


def _compared(page, group, n):
    return f"Compared with the labels of {_number(n, _noun(page))}{_LABELS[group.name]}:"


def _scored(page, group):
    """What was found of the labeled objects, and how wrong counts are."""
    matches = [page.matches[i] for i in group.indices if page.matches[i] is not None]
    if matches and page.counts is not None:
        yield _found(*np.sum([match[:3] for match in matches], axis=0).tolist())
    elif matches:
        labels = only(page.reference, group).labels
        values = [float(dice(np.sign(label), page.outputs.probability[i] > 0.5))
                  for i, label in enumerate(labels) if label is not None]  # fmt: skip
        yield f"the foreground overlaps with that of the labels by a Dice of {np.mean(values):.2f}."
    known = np.isfinite(only(page.reference, group).counts)
    if page.counts is not None and page.reference.counts[known].sum():
        error = count_error(page.reference.counts[known], page.counts[known])["wape"]
        text = f"off by {100 * error:,.{0 if error >= 0.1 else 1}f} %"
        text = f"counts are {text} on average." if known.sum() > 1 else f"the count is {text}."
        yield text.capitalize() if matches else text
    points = [score for score in page.scores_of(group) if score[0] == "F1 of points"]
    for _, value, *_ in points:
        yield f"F1 of the points is {value:.2f}."


def _found(found, false, missed):
    n = found + missed
    if not n:
        return f"they have no object, and the model counted {false:,} in labeled pixels."
    f1 = f"F1 {2 * found / (2 * found + false + missed):.2f}"
    verb = "matches" if false == 1 else "match"
    others = (
        f"{_number(false, 'counted object')} {verb} no labeled one" if false
        else "nothing else was counted"
    )  # fmt: skip
    if n <= _MAX_EXACT:
        return f"{found} of {n} labeled objects were found, and {others} ({f1})."
    share = min(round(100 * found / n), 99) if missed else 100
    return f"of 100 labeled objects, {share} were found ({found:,} of {n:,}), and {others} ({f1})."


def _use(page, group):
    """What the comparison says of new images."""
    if group.name == "training or validation":
        return (
            f"fit held out {len(validation_indices(page.outputs))} of its labeled images to choose "
            "settings; which is not known. It was trained on the others: results on new images are "
            "usually worse, and have not been checked."
        )
    if group.name == "new" and page.outputs.consecutive and len(page.groups) > 1:
        return (
            "These sections are of the stack that the model was trained on: results on another "
            "stack are usually worse."
        )
    return _USES[group.name]


def _number(n, noun):
    """A number and a noun."""
    return f"{n:,} {noun}{'s' * (n != 1)}"
