"""Messages of the library in the words of the command line: files and options.

Messages of the library name its arguments, as ``X must have 1 channel(s), got 3``, and their
values, as ``resume=False``. Here ``X`` is a file or a folder, and ``resume=False`` is ``--fresh``.
"""

from __future__ import annotations

import argparse
import re
import shlex

from .options import option_names

# Arguments of the library that are no option of the same name: an option, or what was given for one
# of the command line (in braces).
_ARGUMENTS = {
    "X": "{images}", "y": "{labels}", "sample": "--sample", "source": "{source}",
    "destination": "--out", "shape": "--images", "authors": "--author", "n_workers": "--workers",
    "client": "--scheduler",
    "resume=False": "--fresh", "overwrite=True": "--overwrite", "count_scan": "sskseg scan run",
    "X.spacing": "the size of a pixel of {images}", "cut": "cut.csv",
}  # fmt: skip
# Advice of the library that names what only Python has, and what a command line has instead.
_PHRASES = {
    "Wrap the segmenter in sskseg.CrossFitted, or fit the counter on images that the segmenter was "
    "not trained on.": "For the total of new images, with an interval, count some of their tiles "
    "by hand: sskseg totals.",
    "Fit the counter on images": "Run sskseg fit on labeled images",
    " samples in fit, got": " images in sskseg fit, got",
    " or an InstanceMethod object": "",
    ", a dict, an Augmentation or None": "",
    "Label some of these images, and pass their labels as `y`.": "Label some of these images, and "
    "run: `sskseg {arguments} --labels LABELS --overwrite`.",
}  # fmt: skip
_VALUE = r"'[^']*'|\"[^\"]*\"|\{[^}]*\}|\([^()]*\)|-?[\w.]*\w"
_BEFORE = r"(?<![\w./\\'-])"
# What follows an argument of one word that may be a word of a sentence, too.
_VERBS = "must|needs?|has unknown|is empty|is needed|is labeled|contains|holds?|labels|says"
_AFTER = rf"(?= (?:and \w+ )?(?:{_VERBS})\b)"
# Where arguments of the user, and names in files, go when all else is translated.
_OWN, _NAMES = "\0", "\1"
_FIRST_CHANNEL = "channel=0 if it is the first."
_FIT = " of sskseg fit"  # after an option of another command


def translate(text: str, options: argparse.Namespace) -> str:
    """Return a message of the library in the words of the command line.

    Parameters
    ----------
    text : str
    options : Namespace
        What was parsed, with ``samples``, the files of the images, where they have been read.

    Returns
    -------
    str

    Examples
    --------
    >>> import argparse
    >>> from sskseg.cli.messages import translate
    >>> options = argparse.Namespace(command="count", images="new/", samples=["new/a.tif"])
    >>> translate("X[0] is empty, got shape (0, 3).", options)
    'new/a.tif is empty, got shape (0, 3).'
    >>> translate("PercentileScaler(scope='image') cannot be used.", options)
    '--scaler-scope image of sskseg fit cannot be used.'
    """
    words = _words(options)
    samples = getattr(options, "samples", [])

    def word(match):
        return words.get(match[1], match[0])

    def sample(match):
        at = int(match[1])
        return samples[at] if at < len(samples) else match[0]

    def value(match):
        return words.get(match[0]) or _with_value(words.get(match[1]), match[2]) or match[0]

    def of_class(match):
        option = words.get(f"{match[1]}.{match[2]}")
        return _with_value(option, match[3]) or match[0]

    def constraint(match):
        option = words.get(f"{match[2]}.{match[1]}", match[1])
        return f"{option} must be {_expected(match[3])}, got {match[4]}."

    for phrase, instead in _PHRASES.items():
        text = text.replace(phrase, instead.format(arguments=_OWN))
    names = _channels(options) if _FIRST_CHANNEL in text else ()
    if names:
        text = text.replace(_FIRST_CHANNEL, f"--channel and one of {_NAMES}.")
    text = re.sub(
        r"The '(\w+)' parameter of (\w+) must be (.+)\. Got (.+) instead\.", constraint, text
    )
    text = re.sub(r"`(\w+)`", lambda match: words.get(match[1], match[1]), text)
    text = re.sub(r"\b(?:[Xy]|images)\[(\d+)\]", sample, text)
    text = re.sub(rf"\b([A-Z]\w+)\((\w+)=({_VALUE})\)", of_class, text)
    text = re.sub(rf"{_BEFORE}([a-z]\w*)=({_VALUE})", value, text)
    text = re.sub(rf"{_BEFORE}(X\.spacing|X|[a-z]+(?:_[a-z]+)+)(?![\w(\[/\\'-]|\.\w)", word, text)
    text = re.sub(rf"{_BEFORE}(\w+){_AFTER}", word, text)
    own = [each for each in getattr(options, "arguments", []) if each != "--overwrite"]
    text = text.replace(_OWN, shlex.join(own))
    return text.replace(_NAMES, ", ".join(map(repr, names)))


def _channels(options):
    """Names of the channels of the images or the scan; none if the files do not name several."""
    from ..io.images import channels_in
    from ..io.scans import open_scan

    try:
        if "source" in options:
            return open_scan(options.source).channels
        return next((names for _, names, n in channels_in(options.images) if names and n > 1), ())
    except (AttributeError, OSError, ValueError, ImportError):
        return ()  # the text is that of another error, which must not be lost


def _expected(text):
    """What scikit-learn says of types and ranges, in words for values that are typed."""
    parts = re.split(r", (?=an? |None)| or (?=an? |None)", text)
    found = [_type(part) for part in parts]
    known = [*dict.fromkeys(part for part in found if part)]
    return " or ".join([", ".join(known[:-1]), known[-1]] if len(known) > 1 else known) or text


def _type(part):
    """One type; empty for objects, which cannot be typed."""
    if part == "None":
        return "none"
    among = re.fullmatch(r"an? str among \{(.*)\}", part)
    if among:
        names = among[1].replace("'", "")
        return f"one of {names}" if ", " in names else names
    number = re.fullmatch(r"an? (int|float) in the range ([\[(])(\S+), (\S+)([\])])", part)
    if number:
        kind = "a whole number" if number[1] == "int" else "a number"
        low, high = (bound.removesuffix(".0") for bound in number.group(3, 4))
        if high == "inf":
            return f"{kind} of at least {low}" if number[2] == "[" else f"{kind} above {low}"
        is_closed = number[2] + number[5] == "[]"
        return f"{kind} from {low} to {high}" if is_closed else f"{kind} between {low} and {high}"
    if re.fullmatch(r"an instance of '(tuple|list|numpy.ndarray)'", part):
        return "values separated by commas"
    return "a name" if part == "an instance of 'str'" else ""


def _words(options):
    """Words for arguments of the library: of ``fit``, which made the model, and of the command."""
    fit = {name: option + _FIT for name, option in option_names("fit").items()}
    command = getattr(options, "command", None)
    command = None if command == "demo" else command  # which has a parser of its own
    own = {} if command is None else option_names(command)
    given = {name: str(value) for name, value in vars(options).items() if value is not None}
    shared = {}
    for name, word in _ARGUMENTS.items():
        needed = re.search(r"\{(\w+)\}", word)
        if needed is None:
            shared[name] = word
        elif needed[1] in given:
            shared[name] = word.format(**given)
    if getattr(options, "invert_images", False):  # it is given, and should not
        own["invert_images"] = f"no {own['invert_images']}"
    paths = {name: given[name] for name in ("images", "labels", "path", "source") if name in given}
    return {**(fit if command not in (None, "fit") else {}), **shared, **own, **paths}


def _with_value(option, value):
    """An option with a value as it is typed; a flag alone."""
    if option is None or not option.startswith("--"):
        return None
    option, _, rest = option.partition(" ")
    rest = f" {rest}" if rest else ""
    if value in ("True", "False"):
        return ("--no-" + option[2:] if value == "False" else option) + rest
    typed = value[1:-1] if value[0] in "'\"" else {"None": "none"}.get(value, value)
    return f"{option} {typed}{rest}"
