"""Tables and figures of other programs on the same work."""

from page_tables import cells, figure, grouped, markdown, mean, table
from tables_accuracy import ORIGIN, QUALITY

PEER_KEY = ("task", "seconds", "machine", "method", "seed")
_RANDOM, _SIMULATED = "sskseg, random weights", "sskseg, simulated images too, random weights"


def _peers(task, seconds, machine):
    """Return {method: row} of a task."""
    rows = peers_rows(
        lambda row: (row["task"], row["seconds"], row["machine"]) == (task, seconds, machine)
    )
    return {row["method"]: row for row in rows}


def _nuclei(n_labeled, machine="EPYC, bfloat16"):
    return _peers(f"nuclei, {n_labeled}", 240, machine)


def _next(rows):
    """F1 of the best other program."""
    return max(row["f1"] for name, row in rows.items() if not name.startswith("sskseg"))


def _sections(n_labeled):
    return _peers(f"mitochondria, {n_labeled}", 240, "EPYC, bfloat16")


def _long():
    return _peers("nuclei, 60", 900, "EPYC, bfloat16")


def peers_rows(where=lambda row: True):
    """Newest run of each task, method, seed, machine and time; earlier runs are left out."""
    newest = {}
    for row in cells("peers", lambda row: row["task"] != "windows"):
        row["task"] = {"mitochondria": "mitochondria, 4"}.get(row["task"], row["task"])
        has_start = row["task"].startswith("nuclei") and row["method"].startswith("sskseg")
        if has_start and "network" not in row:
            row["method"] += ", random weights"
        newest[tuple(row.get(name) for name in PEER_KEY)] = row
    rows = [row for row in newest.values() if where(row)]
    return sorted(rows, key=lambda row: [str(row.get(name)).zfill(8) for name in PEER_KEY])


@table
def peers():
    return markdown(
        peers_rows(),
        {
            "task": "task",
            "method": "method",
            "seed": "seed",
            "seconds": ("seconds", ".0f"),
            "Dice": QUALITY["Dice"],
            "F1": QUALITY["F1"],
            "F1 at 0.75": ("f1_75", ".3f"),
            "AP": QUALITY["AP"],
            "WAPE": QUALITY["WAPE"],
            "fit, s": ("fit s", ".0f"),
            "predict, s": ("predict s", ".0f"),
            "peak, MB": ("peak MB", ".0f"),
            **ORIGIN,
        },
    )


MACHINE = "EPYC, bfloat16"  # of the tables that compare programs
_SAME_WORK = {"sskseg, labeled images only": "sskseg"}  # where all images are labeled


def _compared(columns):
    """One row for each program, F1 and count error in each column, means over its runs.

    Parameters
    ----------
    columns : dict
        Heading: (task, seconds).
    """
    groups = {}
    for heading, (task, seconds) in columns.items():
        for method, runs in _runs(task, seconds).items():
            text = f"{mean(runs, 'f1'):.3f} ({mean(runs, 'wape'):.3f})"
            text += f", {len(runs)} runs" if len(runs) > 1 else ""
            groups.setdefault(method, {"program": method})[heading] = text
    first = next(iter(columns))
    rows = sorted(groups.values(), key=lambda row: row.get(first, ""), reverse=True)
    return markdown(rows, {"program": "program"} | {heading: heading for heading in columns})


def _runs(task, seconds):
    """Return {program: its runs} of a task in these seconds, on one machine."""
    wanted = (task, seconds, MACHINE)
    rows = peers_rows(lambda row: (row["task"], row["seconds"], row["machine"]) == wanted)
    for row in rows:
        if task.endswith("all"):
            row["method"] = _SAME_WORK.get(row["method"], row["method"])
    return {method: runs for (method,), runs in grouped(rows, "method").items()}


@table
def peers_nuclei():
    """F1 and count error of nuclei after four minutes, by the number of labeled images."""
    return _compared({
        "5 labeled": ("nuclei, 5", 240), "20 labeled": ("nuclei, 20", 240),
        "60 labeled": ("nuclei, 60", 240), "160 labeled": ("nuclei, all", 240),
    })  # fmt: skip


@table
def peers_minutes():
    """F1 and count error of nuclei by the time of training."""
    return _compared({
        "5 labeled, 1 minute": ("nuclei, 5", 60), "4 minutes": ("nuclei, 5", 240),
        "60 labeled, 1 minute": ("nuclei, 60", 60), "4 minutes ": ("nuclei, 60", 240),
        "15 minutes": ("nuclei, 60", 900),
    })  # fmt: skip


@table
def peers_others():
    """F1 and count error of mitochondria and junctions after four minutes."""
    return _compared({
        "mitochondria, 1 labeled section": ("mitochondria, 1", 240),
        "4 labeled sections": ("mitochondria, 4", 240),
        "32 labeled sections": ("mitochondria, 32", 240),
        "junctions": ("junctions", 240),
    })  # fmt: skip


@table
def compare_peers():
    """F1 and count error after four minutes, one row for each program."""
    return _compared({
        "5 labeled images": ("nuclei, 5", 240), "60 labeled images": ("nuclei, 60", 240),
    })  # fmt: skip


def _points(difference):
    return f"{100 * difference:.1f}"


@figure
def peers_60_ours():
    return f"{_nuclei(60)[_RANDOM]['f1']:.3f}"


@figure
def peers_60_lead():
    return _points(float(peers_60_ours()) - _next(_nuclei(60)))


@figure
def peers_5_ours():
    return f"{_nuclei(5)[_RANDOM]['f1']:.3f}"


@figure
def peers_5_started():
    return f"{_nuclei(5, 'Xeon, bfloat16')['sskseg']['f1']:.3f}"


@figure
def peers_5_started_unet():
    return f"{_nuclei(5, 'Xeon, bfloat16')['U-Net (skorch, MONAI)']['f1']:.3f}"


@figure
def peers_60_started_unet():
    return f"{_nuclei(60, 'Xeon, bfloat16')['U-Net (skorch, MONAI)']['f1']:.3f}"


@figure
def peers_60_started():
    return f"{_nuclei(60, 'Xeon, bfloat16')['sskseg']['f1']:.3f}"


@figure
def peers_5_unet():
    return f"{_nuclei(5)['U-Net (skorch, MONAI)']['f1']:.3f}"


@figure
def peers_5_stardist():
    return f"{_nuclei(5)['StarDist from scratch']['f1']:.3f}"


@figure
def peers_5_simulated_gain():
    rows = _nuclei(5)
    return _points(rows[_SIMULATED]["f1"] - rows[_RANDOM]["f1"])


@figure
def peers_60_simulated_loss():
    rows = _nuclei(60)
    return _points(rows[_RANDOM]["f1"] - rows[_SIMULATED]["f1"])


@figure
def peers_60_stardist():
    return f"{_nuclei(60)['StarDist from scratch']['f1']:.3f}"


@figure
def peers_long_stardist():
    return f"{_long()['StarDist from scratch']['f1']:.3f}"


@figure
def peers_long_ours():
    return f"{_long()['sskseg']['f1']:.3f}"


@figure
def peers_long_labeled():
    return f"{_long()['sskseg, labeled images only']['f1']:.3f}"


@figure
def peers_1_section_ours():
    return f"{_sections(1)['sskseg']['f1']:.3f}"


@figure
def peers_1_section_unet():
    return f"{_sections(1)['U-Net (skorch, MONAI)']['f1']:.3f}"


@figure
def peers_4_sections_ours():
    return f"{_sections(4)['sskseg']['f1']:.3f}"


@figure
def peers_4_sections_unet():
    return f"{_sections(4)['U-Net (skorch, MONAI)']['f1']:.3f}"


def _junctions(method):
    return f"{_peers('junctions', 240, 'EPYC, bfloat16')[method]['f1']:.3f}"


@figure
def peers_junctions_ours():
    return _junctions("sskseg")


@figure
def peers_junctions_unet():
    return _junctions("U-Net (skorch, MONAI)")


@figure
def peers_junctions_forest():
    return _junctions("PixelForest")


@figure
def peers_sections_memory():
    rows = _sections(4)
    ours, other = rows["sskseg"], rows["U-Net (skorch, MONAI)"]
    return f"{ours['peak MB'] / other['peak MB']:.1f}"


@figure
def forest_f1():
    return f"{_peers('nuclei, 5', 90, 'EPYC')['PixelForest']['f1']:.2f}"
