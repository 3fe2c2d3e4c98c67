"""Sentences of the pages, and those that are too long to read once."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
MAX_WORDS = 35
# Reference: each entry describes one thing completely.
REFERENCE = ("docs/bad_inputs.md", "docs/reference/")

_FENCE = re.compile(r"^```(\S*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_PICTURE = re.compile(r"!\[[^\]]*\]\([^)]*\)")
_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")
_CODE = re.compile(r"`+[^`]*`+")
_ITEM = re.compile(r"\n(?=\s*(?:[-*]|\d+\.) )")
_END = re.compile(r"(?<=[.!?:;])[\"*)]*\s+(?=[A-Z\"*(\[]|code)")
_WORD = re.compile(r"[A-Za-z][\w'-]*")


def sentences(markdown):
    """List the sentences of a page. Tables, code and pictures are left out."""
    text = _COMMENT.sub("", _FENCE.sub("\n\n", markdown))
    text = _CODE.sub("code", _LINK.sub(r"\1", _PICTURE.sub("", text)))
    lines = [line for line in text.split("\n") if not line.lstrip().startswith(("|", "#"))]
    blocks = [
        item
        for block in re.split(r"\n\s*\n", "\n".join(lines))
        for item in _ITEM.split(f"\n{block}")
    ]
    return [one for block in blocks for one in _END.split(" ".join(block.split())) if one]


def pages():
    """List the pages that people read from beginning to end."""
    docs = [path for path in (ROOT / "docs").rglob("*.md") if "_build" not in path.parts]
    named = {path.relative_to(ROOT).as_posix(): path for path in [ROOT / "README.md", *docs]}
    return {name: path for name, path in sorted(named.items()) if not name.startswith(REFERENCE)}


def too_long(markdown):
    """List (words, sentence) of the sentences of more than MAX_WORDS words."""
    counted = [(len(_WORD.findall(one)), one) for one in sentences(markdown)]
    return [(n, one) for n, one in counted if n > MAX_WORDS]


if __name__ == "__main__":
    for name, path in pages().items():
        for n, sentence in too_long(path.read_text(encoding="utf-8")):
            print(f"{name}: {n} words: {sentence}")  # noqa: T201
