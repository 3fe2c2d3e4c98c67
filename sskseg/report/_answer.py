"""The first sentences of the page: how many objects, how good, and compared with what."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ._groups import Group, only, validation_indices
from ._outputs import compares_visible, count_in_stack
from ._summary import DICE, POINTS, WAPE

_MIN_COMPARED = 5  # images, from which scores of others can be expected to be similar
_MAX_BARE = 200  # objects, above which their share helps
# Groups by how much their labels say of new images.
ORDER = ("new", "", "validation", "training or validation", "training")
_LABELS = {
    "new": " that {was} not used for training",
    "": "",
    "validation": " of the validation set",
    "training or validation": " that {was} given to fit",
    "training": " that {was} used for training",
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
    scored = list(_scored(page, group, compared))
    labels = _labels(page, group, compared)
    if not scored:
        yield f"The {labels} cannot be compared with what the model predicts."
        return
    yield " ".join([f"Compared with the {labels}: {scored[0]}", *map(_sentence, scored[1:])])
    use = training_note if training_note and not group.name else _use(page, group)
    if compared < _MIN_COMPARED:
        few = f"Only {_number(compared, _noun(page))} {_was(compared)}"
        use = f"{use} {few} compared: on others, results may be quite different."
    if use:
        yield use.strip()
    yield from _whole_stack(page)


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


def _labels(page, group, n):
    return f"labels of {_number(n, _noun(page))}{_LABELS[group.name].format(was=_was(n))}"


def _scored(page, group, compared):
    """What was found of the labeled objects, and how wrong counts are."""
    scores = {name: value for name, value, *_ in page.scores_of(group)}
    matches = [page.matches[i] for i in group.indices if page.matches[i] is not None]
    sums = np.sum([match[:3] for match in matches], axis=0).tolist() if matches else None
    if page.counts is None and DICE in scores:
        dice = _rounded(scores[DICE], 2, top=1)
        yield f"the foreground overlaps with that of the labels (Dice {dice})."
    elif sums and page.counts is not None:
        yield _found(page, group, *sums)
    if WAPE in scores and (not sums or sums[0] + sums[2] or POINTS in scores):  # not said yet
        yield _count_error(page, group, scores[WAPE], compared)
    if POINTS in scores:
        yield f"F1 of the points is {_rounded(scores[POINTS], 2, top=1)}."


def _found(page, group, found, false, missed):
    n, noun = found + missed, "cross-section" if page.outputs.stacked else "object"
    labels = only(page.reference, group).labels
    partly = any((label < 0).any() for label in labels if label is not None)
    where = " in labeled pixels" if partly else ""
    if not n:
        return f"{_number(0, noun)} are labeled, {false:,} {_was(false)} counted{where}."
    verb, other = "matches" if false == 1 else "match", "nothing else" if found else "nothing"
    others = (
        f"{_number(false, f'counted {noun}')} {verb} no labeled one" if false
        else f"{other} was counted{where}"
    )  # fmt: skip
    f1 = _rounded(2 * found / (2 * found + false + missed), 2, top=1)
    return f"{_found_of(found, n, noun)}, and {others} (F1 {f1})."


def _found_of(found, n, noun):
    if n == 1:
        return f"1 labeled {noun} was {'' if found else 'not '}found"
    share = f" ({_rounded(100 * found / n, 1, top=100)} %)" if n > _MAX_BARE and found < n else ""
    return f"{found:,} of {n:,} labeled {noun}s {_was(found)} found{share}"


def _count_error(page, group, error, compared):
    """How wrong counts are: only completely labeled images have a known one."""
    noun, true, counted, n = _totals(page, group)
    images = f"{_number(n, _noun(page))} that {'is' if n == 1 else 'are'} labeled completely"
    together = "over these sections, " if page.outputs.stacked else ""
    where = f"in the {images}, " if n < compared else together
    if n == 1 or not true or page.outputs.stacked:
        return where + _labeled_and_counted(noun, true, counted)
    percent = _rounded(100 * error, 0 if error >= 0.1 else 1)
    return f"{where or 'in total, '}count errors are {percent} % of the labeled objects."


def _whole_stack(page):
    """Compare the objects of a stack that is labeled as a whole, whatever was used for training."""
    if not page.outputs.stacked or len(page.groups) < 2 or np.isnan(page.compared[0]).any():
        return
    noun, true, counted, n = _totals(page, Group("", np.arange(len(page.images))))
    compared = _labeled_and_counted(noun, true, counted)
    yield f"In all {n:,} sections, training sections among them, {compared}"


def _labeled_and_counted(noun, true, counted):
    is_or_are = "is" if true == 1 else "are"
    return f"{_number(true, noun)} {is_or_are} labeled, {counted:,} {_was(counted)} counted."


def _totals(page, group):
    """What is compared; how many are labeled and counted; the images labeled completely."""
    known = group.indices[np.isfinite(page.compared[0][group.indices])]
    is_visible = compares_visible(page.outputs, page.reference)
    whole = count_in_stack(page.outputs, page.reference, known) if is_visible else None
    if whole is not None:
        return "object", *whole, len(known)
    true, counted = (int(counts[known].sum()) for counts in page.compared)
    return "cross-section" if is_visible else "object", true, counted, len(known)


def _rounded(value, digits, top=np.inf):
    """A number as text that is 0 or `top` only if the number is."""
    text, step = f"{value:,.{digits}f}", 10.0**-digits
    if value > 0 and text == f"{0:.{digits}f}":
        return f"below {step:.{digits}f}"
    if value < top and text == f"{top:.{digits}f}":
        return f"above {top - step:.{digits}f}"
    return text


def _use(page, group):
    """What the comparison says of new images."""
    n_held_out = len(validation_indices([step for _, step, _ in page.outputs.steps]))
    if group.name == "training or validation":
        if not n_held_out:
            return _USES["training"]
        return (
            f"fit held out {n_held_out} of its labeled images to choose "
            "settings; which is not known. It was trained on the others: results on new images are "
            "usually worse, and have not been checked."
        )
    if group.name == "new" and page.outputs.consecutive and len(page.groups) > 1:
        return (
            "These sections are of the stack that the model was trained on: results on another "
            "stack are usually worse."
        )
    return _USES[group.name]


def _was(n):
    return "was" if n == 1 else "were"


def _sentence(text):
    return text[0].upper() + text[1:]


def _number(n, noun):
    """A number and a noun."""
    return f"{n:,} {noun}{'s' * (n != 1)}"
