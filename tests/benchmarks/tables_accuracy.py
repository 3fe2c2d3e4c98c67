"""Tables of accuracy: nuclei, membranes, mitochondria, peers, pretraining."""

import statistics

from page_tables import cells, grouped, markdown, mean, table

QUALITY = {
    "Dice": ("dice", ".3f"),
    "F1": ("f1", ".3f"),
    "AP": ("ap", ".3f"),
    "WAPE": ("wape", ".3f"),
}
ORIGIN = {"machine": "machine", "commit": "version"}
PRESENT = "network='auto'"  # ends the recipe of the present defaults
TRAINED = "haze"  # the same, of what is not counted
BORDERS = "rising warps and borders"
OF_SECTIONS = {
    "first network": ("iou_network", ".3f"),
    "mean of 9 sections": ("iou_mean", ".3f"),
    "`predict`": ("predicted", ".3f"),
    "steps": "steps",
    **ORIGIN,
}


def defaults(row):
    """Name the defaults of a training of nuclei."""
    if "network='auto'" in row["recipe"]:
        return "from simulated cells"
    if "haze" in row["recipe"]:
        return "from random weights"
    return "with cores" if "cores" in row["recipe"] else "first"


@table
def nuclei():
    rows = cells("main_job", lambda row: row["task"] == "nuclei")
    baseline = [row for row in rows if row["method"].startswith("Otsu")][:1]
    ours = [{**row, "defaults": defaults(row)} for row in rows if "segmenter" in row["method"]]
    return markdown(
        baseline + ours,
        {
            "method": "method",
            "defaults": "defaults",
            "seed": "seed",
            "F1": ("f1", ".3f"),
            "AP": ("ap", ".3f"),
            "WAPE": ("wape", ".3f"),
            "steps": "steps",
            **ORIGIN,
        },
    )


@table
def membranes_main():
    rows = cells("main_job", lambda row: row["task"] == "isbi" and "fold" not in row["method"])
    return markdown(
        rows,
        {
            "method": "method",
            "pixel error": ("pixel_error", ".4f"),
            "cell Dice": ("dice", ".4f"),
            "steps": "steps",
            **ORIGIN,
        },
    )


def membranes_fold_rows(start=""):
    """Return the rows of contiguous folds whose method begins with `start`."""
    return cells(
        "main_job", lambda row: "fold" in row["method"] and row["method"].startswith(start)
    )


@table
def membranes_folds():
    rows = []
    for row in sorted(membranes_fold_rows(), key=lambda row: row["method"][-1]):
        rows.append(row)
        if "iou, test-time augmentation" in row:
            names = ("pixel_error", "v_rand", "v_rand, best threshold")
            augmented = {name: row[f"{name}, test-time augmentation"] for name in names}
            rows.append(
                {
                    "method": "the same, test-time augmentation",
                    **augmented,
                    **{name: row[name] for name in ("steps", "machine", "version")},
                }
            )
    return markdown(
        rows,
        {
            "method": "method",
            "pixel error": ("pixel_error", ".4f"),
            "V_rand at 0.5": ("v_rand", ".4f"),
            "V_rand at the best threshold": ("v_rand, best threshold", ".4f"),
            "V_rand of the counter": ("v_rand, counter", ".4f"),
            "steps": "steps",
            "machine": "machine",
        },
    )


@table
def membranes_networks():
    names = (
        "iou",
        "dice",
        "pixel error",
        "pixel Rand",
        "V_rand",
        "V_rand, training threshold",
        "V_info",
        "parameters",
        "steps",
    )
    rows = [
        {"method": method, "trainings": len(group), **{name: mean(group, name) for name in names}}
        for (method,), group in grouped(cells("membranes"), "method").items()
    ]
    for row in rows:
        row["parameters"] /= 1e6
    return markdown(
        sorted(rows, key=lambda row: row["V_rand"]),
        {
            "method": "method",
            "trainings": "trainings",
            "IoU": ("iou", ".4f"),
            "Dice": ("dice", ".4f"),
            "pixel error": ("pixel error", ".4f"),
            "V_rand": ("V_rand", ".4f"),
            "V_rand, training threshold": ("V_rand, training threshold", ".4f"),
            "V_info": ("V_info", ".4f"),
            "parameters, millions": ("parameters", ".2f"),
            "steps": ("steps", ".0f"),
        },
    )


def chosen_method(labels):
    """Name the methods that "auto" chooses for these labels."""
    return "self-training, continuity" if labels in ("window", "1") else "section-mean"


def mitochondria_rows(where):
    """Rows with ``predicted``, the IoU of `predict`: each section in another orientation.

    They have the methods that were used, whether "auto" chose them or the script.
    """
    recipes = BORDERS, TRAINED
    rows = cells("mitochondria", lambda row: row["recipe"].endswith(recipes) and where(row))
    for row in rows:
        # Before `predict` alternated orientations, the script recorded them as "iou_tta".
        alternates = row["method"] in ("auto", "both") and "views" not in row
        row["predicted"] = row["iou_tta" if alternates else "iou"]
        row["method"] = ", ".join(row["semi_supervision"]) or "supervised"
        row["minutes"] = row["time_budget"] / 60
    return rows


@table
def mitochondria():
    rows = mitochondria_rows(lambda row: not row["full"] and row["time_budget"] == 600)
    groups = grouped(rows, "labels", "method")
    lines = [
        {
            "labels": labels,
            "method": method,
            "trainings": len(group),
            "network": mean(group, "iou_network"),
            "mean": mean(group, "iou_mean"),
            "predicted": mean(group, "predicted"),
        }
        for (labels, method), group in groups.items()
    ]
    order = ["window", "1", "1+3", "4", "32"]
    lines.sort(key=lambda line: (order.index(line["labels"]), line["predicted"]))
    return markdown(
        lines,
        {
            "labeled sections": "labels",
            "method": "method",
            "trainings": "trainings",
            "first network": ("network", ".3f"),
            "mean of 9 sections": ("mean", ".3f"),
            "`predict`": ("predicted", ".3f"),
        },
    )


@table
def mitochondria_main():
    row = cells("main_job", lambda row: row["task"] == "epfl")[0]
    augmented = {name: row[f"{name}, test-time augmentation"] for name in ("iou", "dice", "steps")}
    rows = [row, {**row, **augmented, "method": "the same, test-time augmentation"}]
    return markdown(
        rows,
        {
            "method": "method",
            "IoU": ("iou", ".4f"),
            "Dice": ("dice", ".4f"),
            "steps": "steps",
            **ORIGIN,
        },
    )


@table
def mitochondria_longer():
    rows = mitochondria_rows(lambda row: not row["full"] and row["time_budget"] > 600)
    return markdown(
        rows,
        {
            "labeled sections": "labels",
            "method": "method",
            "width": "width",
            "minutes": ("minutes", ".0f"),
            "seed": "seed",
            **OF_SECTIONS,
        },
    )


@table
def mitochondria_gpu():
    rows = mitochondria_rows(lambda row: row["full"])
    return markdown(
        rows,
        {
            "labeled sections": "labels",
            "method": "method",
            "minutes": ("minutes", ".0f"),
            "seed": "seed",
            **OF_SECTIONS,
        },
    )


@table
def mitochondria_all():
    rows = mitochondria_rows(lambda row: not row["full"])
    return markdown(
        rows,
        {
            "labels": "labels",
            "method": "method",
            "seed": "seed",
            "minutes": ("minutes", ".0f"),
            "first network": ("iou_network", ".4f"),
            "mean of 9": ("iou_mean", ".4f"),
            "`predict`": ("predicted", ".4f"),
            "inside": ("iou_inside", ".4f"),
            "steps": "steps",
            **ORIGIN,
        },
    )


@table
def fine_tuning():
    """Means over draws of the labeled images, and the lowest F1."""
    return _fine_tuned("labeled")


@table
def fine_tuning_others():
    """The same of other data than nuclei."""
    return _fine_tuned("data", "labeled")


def _fine_tuned(*by):
    keys = (*by, "start", "pretraining", "rates", "steps", "machine")
    rows = [
        {"labeled": 0, "rates": "half" if "pretraining" in row else None, **row}
        for row in cells("fine_tuning", lambda row: ("data" in row) == ("data" in by))
    ]
    lines = [
        dict(zip(keys, values, strict=True))
        | {"draws": len(group), "lowest": min(row["f1_0.5"] for row in group)}
        | {name: mean(group, name) for name in ("f1_0.5", "f1_0.7", "ap", "wape")}
        for values, group in grouped(rows, *keys).items()
    ]
    order = sorted(lines, key=lambda row: (*(row[name] for name in by), -row["f1_0.5"]))
    return markdown(
        order,
        {
            **{name: name for name in by},
            "start": "start",
            "steps of the pretext task": "pretraining",
            "rates": "rates",
            "steps of the fit": "steps",
            "draws": "draws",
            "F1 at 0.5": ("f1_0.5", ".3f"),
            "lowest F1": ("lowest", ".3f"),
            "F1 at 0.7": ("f1_0.7", ".3f"),
            "AP": ("ap", ".3f"),
            "WAPE": ("wape", ".3f"),
            "machine": "machine",
        },
    )


@table
def self_training():
    rows = cells("self_training", lambda row: True)
    return markdown(
        sorted(rows, key=lambda row: (row["labeled"], row["draw"], row["method"])),
        {
            "labeled": "labeled",
            "method": "method",
            "draw": "draw",
            "seconds": ("seconds", ".0f"),
            "F1 at 0.5": ("f1_0.5", ".3f"),
            "F1 at 0.7": ("f1_0.7", ".3f"),
            "AP": ("ap", ".3f"),
            "WAPE": ("wape", ".3f"),
            "steps": "steps",
            **ORIGIN,
        },
    )


@table
def suggestions():
    """Means over draws, their spread and the lowest F1."""
    rows = []
    for way in ("random", "suggested"):
        cases = cells("suggestions", lambda row, way=way: row["way"] == way)
        f1 = [row["f1_0.5"] for row in cases]
        names = ("f1_0.5", "f1_0.7", "ap", "wape")
        means = {name: mean(cases, name) for name in names}
        spread = {"sd": statistics.stdev(f1), "lowest": min(f1)}
        rows.append({"way": way, "draws": len(cases), **means, **spread, **cases[-1]} | means)
    columns = {
        "F1 at 0.5": ("f1_0.5", ".3f"),
        "standard deviation of F1": ("sd", ".3f"),
        "lowest F1": ("lowest", ".3f"),
        "F1 at 0.7": ("f1_0.7", ".3f"),
        "AP": ("ap", ".3f"),
        "WAPE": ("wape", ".3f"),
    }
    return markdown(rows, {"five images": "way", "draws": "draws", **columns, **ORIGIN})


def pretraining_rows():
    """Return the rows of machines with bfloat16."""
    return cells("pretraining", lambda row: row["recipe"] and row["machine"].endswith("bfloat16"))


@table
def pretraining():
    rows = pretraining_rows()
    names = ("f1", "dice", "wape", "bias")
    lines = [
        {
            "data": data,
            "labels": f"{labels} %",
            "method": method,
            "seconds": f"{first:.0f} + {then:.0f}",
            "images": group[0]["labeled"],
            "trainings": len(group),
            **{name: mean(group, name) for name in names},
        }
        for (data, labels, method, first, then), group in grouped(
            rows, "data", "labels", "method", "pretraining", "finetuning"
        ).items()
    ]
    return markdown(
        lines,
        {
            "data": "data",
            "labeled": "labels",
            "images": "images",
            "pretraining": "method",
            "seconds of each": "seconds",
            "trainings": "trainings",
            "F1": ("f1", ".3f"),
            "Dice": ("dice", ".3f"),
            "WAPE": ("wape", ".3f"),
            "bias": ("bias", ".2f"),
        },
    )


@table
def volumes():
    return markdown(
        cells("volumes", lambda row: row["task"] != "prediction"),
        {
            "task": "task",
            "network of": "method",
            "seconds": ("budget", ".0f"),
            "IoU": ("iou", ".3f"),
            "F1": ("f1", ".3f"),
            "count error": ("count error", ".3f"),
            "objects": "objects",
            "steps": "steps",
            **ORIGIN,
        },
    )


@table
def volumes_prediction():
    return markdown(
        cells("volumes", lambda row: row["task"] == "prediction"),
        {
            "network of": "method",
            "seconds": ("predict s", ".0f"),
            "MB before": ("MB before", ".0f"),
            "peak MB": ("peak MB", ".0f"),
            **ORIGIN,
        },
    )
