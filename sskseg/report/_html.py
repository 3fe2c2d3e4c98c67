"""Elements of an HTML page: escaped text, tables, figures for light and dark pages."""

from base64 import b64encode
from html import escape
from io import BytesIO
from reprlib import Repr
from typing import Any
from urllib.parse import quote

import numpy as np
import pandas as pd

from ._terms import with_meanings

_INK = "#010203"  # placeholder for the text color of the page
_INK_PARAMETERS = ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color")
_SVG_STYLE = (
    "<style>:root{--ink:#1b1f24}@media(prefers-color-scheme:dark){:root{--ink:#e6e8ea}}</style>"
)
_DPI = 110
_PHOTO_DPI = 200
# A tenth of PNG for noisy images; with all colors of thin outlines.
_JPEG = {"quality": 85, "subsampling": 0, "optimize": True}

_short = Repr()
_short.maxstring = _short.maxother = 160
_short.maxlist = _short.maxtuple = _short.maxdict = 12

STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #57606a; --paper: #ffffff;
  --line: #d0d7de; --band: #f6f8fa; --mark: #005a8c; --warn: #9a6700; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8ea; --soft: #a5adb5;
  --paper: #14181d; --line: #343b43; --band: #1c2229; --mark: #7cc4f0; --warn: #e3b341; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem 1.25rem 4rem; max-width: 70rem; color: var(--ink);
  background: var(--paper); font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", sans-serif;
  overflow-wrap: break-word; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 .25rem; }
h2 { font-size: 1.25rem; margin: 2.5rem 0 .75rem; padding-bottom: .3rem;
  border-bottom: 1px solid var(--line); }
h3 { font-size: 1.05rem; margin: 1.5rem 0 .5rem; }
p { max-width: 44rem; } .soft, figcaption, caption { color: var(--soft); }
.lead { font-size: 1.15rem; margin: .5rem 0; }
.warning { border-left: .3rem solid var(--warn); background: var(--band); padding: .6rem .9rem;
  overflow-wrap: anywhere; }
a { color: var(--mark); } nav a { display: inline-block; padding: .25rem 0; margin-right: 1rem; }
:focus-visible { outline: 2px solid var(--mark); outline-offset: 2px; }
abbr { text-decoration: underline dotted; cursor: help; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1.25rem; margin: 1rem 0;
  max-width: 56rem; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
figure { margin: 1rem 0 1.5rem; } figure img { max-width: 100%; height: auto; display: block; }
figcaption { font-size: .9rem; max-width: 44rem; margin: .4rem 0; overflow-wrap: anywhere; }
.panels { display: grid; grid-template-columns: repeat(3, 1fr); gap: .5rem; }
.panels img { width: 100%; }
.key { display: flex; flex-wrap: wrap; gap: .2rem 1.25rem; font-size: .9rem; margin: .5rem 0;
  padding: 0; list-style: none; }
.key span { display: inline-block; width: 1.8rem; margin-right: .4rem; vertical-align: middle;
  border-top: .25rem solid; }
.wide { overflow-x: auto; margin: .75rem 0; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; padding-bottom: .3rem; }
th, td { padding: .25rem .75rem .25rem 0; border-bottom: 1px solid var(--line);
  text-align: left; vertical-align: top; }
td { min-width: 4rem; max-width: 30rem; overflow-wrap: anywhere; }
td:first-child { min-width: 10rem; } td.number { min-width: 0; }
thead th { color: var(--soft); font-weight: 600; }
td.number, th.number { text-align: right; white-space: nowrap; }
details { border: 1px solid var(--line); border-radius: .4rem; margin: .5rem 0;
  padding: .4rem .8rem; } summary { cursor: pointer; } summary code { color: var(--soft); }
code { font-family: ui-monospace, monospace; font-size: .9em; }
@media (max-width: 40rem) { .panels { grid-template-columns: 1fr; }
  dl { grid-template-columns: 1fr; gap: 0; } dd { margin-bottom: .5rem; }
  td { max-width: 12rem; } }
@media print { body { max-width: none; padding: 0; font-size: .8rem; } nav { display: none; }
  .wide { overflow: visible; } table { font-size: .6rem; } th, td { padding-right: .4rem; }
  figure, tr, .warning { break-inside: avoid; } h2, h3, caption { break-after: avoid; } }
"""


def plain(value):
    """Format any value as short text."""
    if isinstance(value, (float, np.floating)):
        return f"{value:.4g}"
    if isinstance(value, (bool, int, np.bool_, np.integer)) or value is None:
        return str(value)
    if isinstance(value, np.ndarray) and value.size > 12:
        return f"array of shape {value.shape}, {value.dtype}"
    return value if isinstance(value, str) else _short.repr(value)


def show(value):
    """Format any value as short, escaped text."""
    return escape(plain(value))


def paragraph(text, kind=""):
    """Make a paragraph of text, which is escaped."""
    opening = f'<p class="{kind}">' if kind else "<p>"
    return f"{opening}{with_meanings(text)}</p>"


def summary(pairs):
    """Make a description list of names and values."""
    return "<dl>" + "".join(f"<dt>{show(k)}</dt><dd>{show(v)}</dd>" for k, v in pairs) + "</dl>"


def definitions(pairs):
    """Make a description list of terms and their meanings, which are sentences."""
    items = "".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in pairs)
    return f"<dl>{items}</dl>"


def table(frame, caption):
    """Make a table of a DataFrame, numbers aligned right.

    Parameters
    ----------
    frame : pandas.DataFrame
    caption : str

    Returns
    -------
    str
    """
    numeric = [pd.api.types.is_numeric_dtype(frame[c]) for c in frame]
    kinds = [' class="number"' if n else "" for n in numeric]
    head = "".join(f'<th scope="col"{k}>{show(c)}</th>' for c, k in zip(frame, kinds, strict=True))
    rows = []
    for row in frame.itertuples(index=False, name=None):
        cells = [f"<td{k}>{_cell(v)}</td>" for v, k in zip(row, kinds, strict=True)]
        rows.append(f"<tr>{''.join(cells)}</tr>")
    label = escape(caption, quote=True)
    return (
        f'<div class="wide" role="region" tabindex="0" aria-label="{label}"><table>'
        f"<caption>{with_meanings(caption)}</caption><thead><tr>{head}</tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _cell(value):
    return "" if value is None or value is pd.NA or value != value else show(value)


def picture(draw, alt, caption):
    """Make a figure with a drawing of lines and text inside the page.

    Parameters
    ----------
    draw : callable
        ``draw(figure)`` draws a display.
    alt : str or callable
        Description of the figure; ``alt(display)`` if it depends on the display.
    caption : str

    Returns
    -------
    str
    """
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    display, content = _draw(draw, "svg", transparent=True, dpi=_DPI, metadata=nothing)
    text = content.decode()
    text = text[text.index("<svg") :].replace(_INK, "var(--ink)")
    inside = text.index(">") + 1
    text = text[:inside] + _SVG_STYLE + text[inside:]
    data = quote(text, safe="/+=:;,.() -_'")  # shorter than base64
    words = alt(display) if callable(alt) else alt
    made = _image(words, f"image/svg+xml;charset=utf-8,{data}")
    return f"<figure>{made}<figcaption>{with_meanings(caption)}</figcaption></figure>"


def photo(draw, alt):
    """Make an image of pixels inside the page, without text that must fit a dark page.

    Parameters
    ----------
    draw : callable
        ``draw(figure)`` fills a figure.
    alt : str

    Returns
    -------
    str
    """
    _, content = _draw(draw, "jpeg", dpi=_PHOTO_DPI, pil_kwargs=_JPEG)
    return _image(alt, f"image/jpeg;base64,{b64encode(content).decode()}")


def _draw(draw, kind, **options):
    """Draw a figure with the ink of the page; what `draw` returns, and the file."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    colors = dict.fromkeys(_INK_PARAMETERS, _INK)
    settings: dict[Any, Any] = {**colors, "svg.hashsalt": "sskseg", "legend.framealpha": 0}
    with rc_context(settings):
        figure = Figure(layout="constrained")
        display = draw(figure)
        buffer = BytesIO()
        figure.savefig(buffer, format=kind, **options)
    return display, buffer.getvalue()


def _image(alt, data):
    return f'<img alt="{escape(alt, quote=True)}" src="data:{data}">'


def section(name, *parts):
    """Make a titled section of the page, or an empty string without content."""
    content = "".join(parts)
    if not content:
        return ""
    return f'<section id="{anchor(name)}"><h2>{escape(name)}</h2>{content}</section>'


def anchor(name):
    return name.lower().replace(" ", "-")


def whole_page(heading, lead, sections, footer):
    """Make the whole document.

    Parameters
    ----------
    heading : str
    lead : str
        Paragraphs below the heading, as HTML.
    sections : dict of str to str
        Results of `section`; empty ones are omitted.
    footer : str

    Returns
    -------
    str
    """
    sections = {name: text for name, text in sections.items() if text}
    links = "".join(f'<a href="#{anchor(name)}">{escape(name)}</a> ' for name in sections)
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(heading)}</title><style>{STYLE}</style></head>\n<body>"
        f"<header><h1>{escape(heading)}</h1>{lead}"
        f'<nav aria-label="Sections">{links}</nav></header>\n<main>'
        + "\n".join(sections.values())
        + f'</main><footer><p class="soft">{escape(footer)}</p></footer></body></html>\n'
    )


def caption(text: str, n: int, limit: int) -> str:
    """Caption a table that shows the first of n objects or images."""
    if n <= limit:
        return f"{text}, {n} row{'s' * (n != 1)}"
    return f"{text}, the first {limit} of {n} rows"
