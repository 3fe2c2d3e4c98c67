"""Words that do not come back: the field has a term for each of them."""

import ast
import re
from bisect import bisect_right
from pathlib import Path

ROOT = Path(__file__).parents[1]


def _word(pattern, flags=re.IGNORECASE):
    """Match between letters of other words: in prose and between underscores of names."""
    return re.compile(rf"(?<![A-Za-z])(?:{pattern})(?![a-z])", flags)


# Pattern of a word, and what the field says instead.
WORDS = [
    (_word("settl(e|es|ed|ing)"), "pseudo-label; non-maximum suppression"),
    (_word(r"(?<!ground )(?<!ground_)(?<!ground-)truths?"), "annotations, reference, ground truth"),
    (_word("judg(e|es|ed|ing|ment)"), "evaluate"),
    (_word("evidence"), "statistics"),
    (_word("learnt"), "learned; used for training"),
    (_word("(go|goes|going|gone|went)[ -]on(?!e)"), "continue, warm start, resume, fine-tune"),
    (_word("tells?|telling|told"), "define, specify, distinguish"),
    (_word("looks at|looked[ _]at|looking at|a look at"), "read, evaluate, sample, condition on"),
    (_word("seen[ _]through|hand_on"), "with_images, wrap_like"),
    (_word("facts"), "summary"),
    (_word("milestones?"), "callbacks"),
    (_word("know(s|n)? of|knew of"), "requires; list what it needs"),
    (_word("legal_size"), "valid_input_size"),
    (_word("invented"), "false positives"),
    (_word("leave_out_unsure"), "mask_low_confidence"),
    (_word("as_halves"), "in_one_block"),
    (_word("is_open"), "is_mostly_unlabeled"),
    (re.compile(r"_(MOST|LEAST|FEWEST|ENOUGH|LOOKED_AT|CROWD)(?![A-Z])"), "_MAX_..., _MIN_..."),
    # A digit or ".1" follows in names of others: stage1_train of the Data Science Bowl.
    (_word(r"stages?(?![0-9]| 1\b)"), "phase of training, task of a scan"),
    (_word("(un)?label(led|ling)"), "labeled, labeling"),
    (_word("neighbours?|neighbour(ing|hood)"), "neighbor"),
    (_word("colours?|coloured|colouring"), "color"),
    (_word("behaviours?|favourites?|favours?"), "behavior, favor"),
    (_word("grey"), "gray"),
    (_word("centres?|centred|fibres?|millimetres?|micrometres?|metres?"), "center, fiber, meter"),
    (_word("artefacts?|catalogues?|programmes?|licences?|whilst"), "artifact, catalog, while"),
    (_word("(anal|catal)ys(e|ed|ing)"), "analyze"),
    (_word("(normal|initial|regular|optim|general|binar|standard|minim|maxim|summar|visual|real|organ"
           "|recogn|local|randomi?|discret|quant|token|penal|character|util|emphas|synchron|serial)"
           "is(e|es|ed|ing|ation|ations|er|ers)"), "-ize"),
    (_word("cancell(ed|ing)|modell(ed|ing)|travell(ed|ing)|levell(ed|ing)"), "canceled, modeling"),
    # Nouns only: a function that maps X to Y, feature maps and probability maps are the field's.
    (_word("(the|its|these|those|their|other|all|head|predicted|output|network's) maps"),
     "probabilities, targets, conditioning, head outputs"),
]  # fmt: skip

# Where a pattern hits what is right: part of a path, the text around the hit, and the reason.
ALLOWED = [
    ("", "Analysis and Modelling of Spatial", "title of a book"),
]

# Names of identifiers, and where they are right. `rows` of a table or of an image are rows.
NAMES = {"maps": "probabilities, targets, conditioning", "rows": "indices"}
ALLOWED_NAMES = {
    ("report/curves.py", "rows"): "rows of a table, from which a display is drawn",
    ("report/page.py", "rows"): "rows of a table",
    ("report/_page_sections.py", "rows"): "rows of a table",
}


def hits():
    """List (path, line, text, suggestion) of each word in the library and its pages."""
    found = []
    for path in _files():
        text = path.read_text(encoding="utf-8")
        name = path.relative_to(ROOT).as_posix()
        found += in_text(name, text)
        if path.suffix == ".py":
            found += in_names(name, text)
    return sorted(found)


def _files():
    pages = [path for path in (ROOT / "docs").rglob("*.md") if "_build" not in path.parts]
    return [*sorted((ROOT / "sskseg").rglob("*.py")), *sorted(pages), ROOT / "README.md"]


def in_text(name, text):
    """List hits of the patterns; a term may be broken by the end of a line."""
    lines = [re.sub(r"^\s*(#:? )?", "", line).rstrip() for line in text.split("\n")]
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line) + 1)
    joined, found = " ".join(lines), []
    for pattern, instead in WORDS:
        for match in pattern.finditer(joined):
            around = joined[max(0, match.start() - 40) : match.end() + 40]
            if not any(name.startswith(path) and right in around for path, right, _ in ALLOWED):
                line = bisect_right(starts, match.start())
                found.append((name, line, match.group(), instead))
    return found


def in_names(name, code):
    """List identifiers: variables, parameters and attributes that are assigned."""
    found = []
    for node in ast.walk(ast.parse(code)):
        identifier = _identifier(node)
        for part in NAMES.keys() & set(identifier.split("_")):
            allowed = any(name.endswith(path) and part == word for path, word in ALLOWED_NAMES)
            if not allowed and "feature_maps" not in identifier:
                found.append((name, node.lineno, identifier, NAMES[part]))
    return found


def _identifier(node):
    if isinstance(node, ast.arg):
        return node.arg
    is_stored = isinstance(getattr(node, "ctx", None), ast.Store)
    if isinstance(node, ast.Attribute) and is_stored:
        return node.attr
    # A local variable may hold rows of a table.
    return node.id if isinstance(node, ast.Name) and is_stored and "maps" in node.id else ""
