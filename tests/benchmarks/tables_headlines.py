"""The headlines: one line for each topic."""

from page_tables import cells, markdown, mean, only, table
from tables_accuracy import PRESENT, chosen_method, membranes_fold_rows, mitochondria_rows
from tables_counts import counting_rows, simulation_rows
from tables_peers import MACHINE, REPEATED, runs_of


def _line(what, figure, ours, beside, minutes, rows):
    machines = " and ".join(sorted({row["machine"] for row in rows}))
    return {
        "what": what,
        "figure": figure,
        "ours": ours,
        "other": beside[0],
        "beside": beside[1],
        "minutes": minutes,
        "machine": machines,
        "trainings": len(rows),
    }


def _headline_nuclei():
    rows = cells(
        "main_job", lambda row: row["task"] == "nuclei" and row["recipe"].endswith(PRESENT)
    )
    ours = [row for row in rows if "segmenter" in row["method"]]
    other = mean([row for row in rows if "segmenter" not in row["method"]], "f1")
    return _line(
        "[nuclei](benchmarks/nuclei.md), 60 labeled images",
        "F1",
        mean(ours, "f1"),
        (other, "Otsu + watershed"),
        4,
        ours,
    )


def _headline_mitochondria(labels):
    rows = mitochondria_rows(
        lambda row: row["labels"] == labels and not row["full"] and row["time_budget"] == 600
    )
    ours = [row for row in rows if row["method"] == chosen_method(labels)]
    other = mean([row for row in rows if row["method"] == "supervised"], "iou_mean")
    what = f"[mitochondria](benchmarks/mitochondria.md), {labels} of 165 sections labeled"
    return _line(what, "IoU", mean(ours, "predicted"), (other, "labeled sections only"), 10, ours)


def _headline_membranes():
    ours = membranes_fold_rows("segmenter, fold")
    other = mean(membranes_fold_rows("plain"), "pixel_error")
    return _line(
        "[membranes](benchmarks/membranes.md), 15 labeled sections",
        "pixel error",
        mean(ours, "pixel_error"),
        (other, "plain U-Net"),
        4,
        ours,
    )


def _headline_counts(task, beside, machine=MACHINE):
    wanted = task, machine
    rows = {
        row["method"]: row for row in counting_rows() if (row["task"], row["machine"]) == wanted
    }
    ours = rows["in sample"]
    return _line(
        f"[{task}](benchmarks/counting.md), 10 labeled images",
        "WAPE",
        ours["wape"],
        (rows["baseline"]["wape"], beside),
        2,
        [ours],
    )


def _headline_simulation():
    rows = simulation_rows(lambda row: row["data"] == "nuclei" and row["labels"] == 0)
    ours = [row for row in rows if row["source"] == "trained" and row["method"] == "watershed"]
    other = mean([row for row in rows if row["source"] == "otsu"], "f1_0.5")
    return _line(
        "[nuclei](benchmarks/simulation.md), no label: `cells-simulated`",
        "F1",
        mean(ours, "f1_0.5"),
        (other, "Otsu + watershed"),
        0,
        ours,
    )


def _headline_peer(task, method, label, seconds=240, ours="sskseg", machine=MACHINE):
    """Compare with another program, in the same seconds on the same machine."""
    runs = runs_of(task, seconds, machine)
    own, other = runs[ours], mean(runs[method], "f1")
    what = f"[{task} labeled](benchmarks/peers.md)" + ours.removeprefix("sskseg")
    return _line(what, "F1", mean(own, "f1"), (other, label), seconds / 60, own)


def _headline_speed():
    row = only("throughput", lambda row: True)
    return _line(
        "[prediction](benchmarks/speed.md)",
        "Mpixel/s",
        row["Mpixel/s predict"],
        (row["Mpixel/s MONAI"], "MONAI's sliding window"),
        None,
        [row],
    )


def _headline_blocks():
    row = cells("scans", lambda row: row["task"] == "labels")[-1]
    beside = (row["dask_image"], "dask-image")
    return _line(
        "[objects across blocks](benchmarks/scans.md)", "Mvoxel/s", row["ours"], beside, None, [row]
    )


@table
def headlines():
    rows = [
        _headline_nuclei(),
        *map(_headline_mitochondria, ("1", "4", "32")),
        _headline_membranes(),
        _headline_counts("junctions", "Otsu + watershed", machine=REPEATED),
        _headline_counts("puncta", "Laplacian of Gaussian"),
        _headline_simulation(),
        _headline_peer("nuclei, 60", "U-Net (skorch, MONAI)", "U-Net of MONAI"),
        _headline_peer("nuclei, 5", "U-Net (skorch, MONAI)", "U-Net of MONAI"),
        _headline_peer(
            "nuclei, 5",
            "StarDist from scratch",
            "StarDist from random weights",
            ours="sskseg, random weights",
        ),
        _headline_peer(
            "nuclei, 60",
            "StarDist from scratch",
            "StarDist from random weights",
            seconds=900,
        ),
        _headline_peer(
            "mitochondria, 4",
            "U-Net (skorch, MONAI)",
            "U-Net of MONAI",
            machine=REPEATED,
        ),
        _headline_speed(),
        _headline_blocks(),
    ]
    return markdown(
        rows,
        {
            "what": "what",
            "figure": "figure",
            "sskseg": ("ours", ".3g"),
            "other": ("other", ".3g"),
            "method": "beside",
            "minutes": ("minutes", "g"),
            "machine": "machine",
            "runs": "trainings",
        },
    )


@table
def compare():
    """Ours on the data of published figures, means of trainings with the present defaults."""
    rows = cells(
        "main_job", lambda row: row["task"] == "nuclei" and row["recipe"].endswith(PRESENT)
    )
    nuclei = [row for row in rows if "segmenter" in row["method"]]
    lines = [
        {"data": "nuclei, 60 labeled images", "figure": "AP", "ours": mean(nuclei, "ap"),
         "minutes": 4, "trainings": len(nuclei), "machine": "two cores"}
    ]  # fmt: skip
    for is_full, machine in ((False, "two cores"), (True, "a third of an H100")):
        for labels in ("4", "32"):
            budget = 500 if is_full else 600
            rows = mitochondria_rows(
                lambda row, labels=labels, is_full=is_full, budget=budget: (
                    row["labels"] == labels
                    and row["full"] == is_full
                    and row["time_budget"] == budget
                )
            )
            rows = [row for row in rows if is_full or row["method"] == chosen_method(labels)]
            if not rows:
                continue  # not measured with today's method
            lines.append(
                {"data": f"mitochondria, sections 0-39, {labels} labeled sections", "figure": "IoU",
                 "ours": mean(rows, "predicted"), "minutes": round(budget / 60),
                 "trainings": len(rows), "machine": machine}
            )  # fmt: skip
    return markdown(
        lines,
        {
            "data": "data",
            "figure": "figure",
            "sskseg": ("ours", ".3f"),
            "minutes": "minutes",
            "machine": "machine",
            "runs": "trainings",
        },
    )
