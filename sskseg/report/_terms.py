"""Terms of the page, explained for readers who do not know them.

Each explanation is in `docs/glossary.md` in the same words, which a test compares.
"""

from __future__ import annotations

import re
from html import escape

TERMS = {
    "F1": "Score of objects: 1 if every labeled object is found and nothing else is, 0 if none is "
    "found.",
    "IoU": "Intersection over union: the number of pixels in both masks, divided by the number of "
    "pixels in at least one.",
    "panoptic quality": "The mean IoU of matched objects times their F1: 1 only if all objects are "
    "found with exact outlines.",
    "Dice coefficient": "Twice the intersection of two masks divided by the sum of their areas: 1 "
    "if equal, 0 if disjoint.",
    "expected calibration error": "The mean distance of predicted probabilities from the observed "
    "shares of foreground: 0 if they are calibrated.",
    "calibration": "Of probabilities: of 100 pixels with a probability of 0.8, 80 are foreground.",
    "WAPE": "Weighted absolute percentage error of counts: the sum of the absolute errors divided "
    "by the sum of the true counts. 0.05 means 5 errors for 100 objects.",
    "bias of counts": "The mean of predicted minus true counts: below 0 if too few are counted.",
    "concordance correlation": "Agreement of predicted and true counts: 1 if they are equal, lower "
    "if they scatter or are biased.",
    "limits of agreement": "The mean difference of predicted and true counts, plus and minus 1.96 "
    "standard deviations. About 95 of 100 differences lie between them.",
    "count interval": "A lower and an upper bound of a count.",
    "validation set": "Labeled samples that are held out during training, to choose the best "
    "weights and to calibrate probabilities",
    "foreground, background": "Pixels that belong to an object, and those that do not.",
}
_SHORT = {
    "Dice": "Dice coefficient", "ECE": "expected calibration error", "interval": "count interval",
    "validation": "validation set", "foreground": "foreground, background",
}  # fmt: skip
_WORDS = re.compile(r"\b(F1|IoU|WAPE|Dice|ECE)\b")
_CODE = re.compile(r"`([^`]+)`")


def meaning(term: str) -> str:
    """Return the explanation of a term or of its short form, as a sentence."""
    return TERMS[_SHORT.get(term, term)].removesuffix(".") + "."


def with_meanings(text: str) -> str:
    """Escape a text; browsers show the explanation of short forms in it, and `code` as such."""
    marked = _WORDS.sub(
        lambda match: f'<abbr title="{escape(meaning(match[1]))}">{match[1]}</abbr>', escape(text)
    )
    return _CODE.sub(r"<code>\1</code>", marked)


def used_terms(text: str) -> dict[str, str]:
    """Explain the terms that a text has, in the order of `TERMS`."""
    short = {term: word for word, term in _SHORT.items()}
    return {
        term: meaning(term)
        for term in TERMS
        if any(word.lower() in text.lower() for word in (term, short.get(term, term)))
    }
