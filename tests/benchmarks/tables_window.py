"""Tables of the page on the window."""

from page_tables import cells, grouped, markdown, mean, table

_COLUMNS = {
    "method": "method",
    "seconds": ("seconds", ".1f"),
    "F1, the three images": ("own f1", ".3f"),
    "Dice, the three images": ("own dice", ".3f"),
    "F1, held-out images": ("f1_0.5", ".3f"),
    "Dice, held-out images": ("dice", ".3f"),
    "WAPE, held-out images": ("wape", ".2f"),
    "the window shows the network": "shown",
    "sessions": "sessions",
}


@table
def window_session():
    """Means of the sessions; what is shown in how many of them."""
    rows = []
    for (method, training), each in grouped(cells("window"), "method", "training").items():
        figures = ("own f1", "own dice", "f1_0.5", "dice", "wape")
        row = {name: mean(each, name) for name in figures}
        waited = "seconds to an answer" if training is None else "seconds to the answer"
        name = method if training is None else f"{method}, {training} s of training"
        # A network from a trained model is always shown, whatever earlier versions recorded.
        is_compared = method.endswith("random weights")
        compared = [one["shown"] for one in each] if is_compared else []
        shown = f"{compared.count('network')} of {len(compared)}" if compared else "always"
        shown = "" if training is None else shown
        rows.append({
            **row, "method": name, "seconds": mean(each, waited), "shown": shown,
            "sessions": len(each), "order": training or 0,
        })  # fmt: skip
    rows.sort(key=lambda row: row["order"])
    return markdown(rows, _COLUMNS)


@table
def window_forest():
    """Seconds from a stroke to the answer."""
    kinds = [
        name for name in cells("forest")[0] if "trees" in name or name.startswith("window")
    ]  # fmt: skip
    rows = [
        {"what": kind, **{f"{row['cores']} cores": row[kind] for row in cells("forest")}}
        for kind in kinds
    ]
    columns = {f"{row['cores']} cores": (f"{row['cores']} cores", ".2f") for row in cells("forest")}
    return markdown(rows, {"answer": "what", **columns})


@table
def window_buttons():
    """What buttons cost on a large image, and what they cost while they handled whole images."""
    rows = []
    for (n, size), each in grouped(cells("window_buttons"), "cores", "size").items():
        of_code = {row["code"]: row for row in each}
        for button in ("Split", "Merge", "Delete", "Undo", "Where to paint next"):
            whole, boxes = (of_code.get(code, {}).get(button, {}) for code in ("whole", "boxes"))
            rows.append({
                "cores": n, "size": size, "button": button,
                "call": boxes["call"], "work": boxes["work"],
                "whole call": whole.get("call"), "whole work": whole.get("work"),
            })  # fmt: skip
    return markdown(
        rows,
        {
            "cores": "cores", "pixels a side": "size", "button": "button",
            "earlier, ms": ("whole call", ".0f"), "now, ms": ("call", ".0f"),
            "longest work, earlier, ms": ("whole work", ".0f"),
            "longest work, now, ms": ("work", ".0f"),
        },
    )  # fmt: skip


@table
def window_gaps():
    """Gaps in the event loop, and of the layers that are added before a training."""
    rows = [row for row in cells("window_gaps") if "cores" in row]  # others are of an older window
    before = [{**row, **row["before"], "what": "before the training"}
              for row in rows if "before" in row and row["what"] == "training"]  # fmt: skip
    rows = sorted([*rows, *before], key=lambda row: (row["cores"], row["size"]))
    return markdown(
        rows,
        {
            "cores": "cores", "pixels a side": "size", "meanwhile": "what",
            "calls of the timer": "n", "99th percentile, ms": ("p99", ".0f"),
            "longest, ms": ("max", ".0f"), "above 100 ms": "above",
            "longest work, ms": ("work", ".0f"),
        },
    )  # fmt: skip
