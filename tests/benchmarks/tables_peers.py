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
            **QUALITY,
            "fit, s": ("fit s", ".0f"),
            "predict, s": ("predict s", ".0f"),
            "peak, MB": ("peak MB", ".0f"),
            **ORIGIN,
        },
    )


@table
def compare_peers():
    """Other programs after four minutes, one row for each."""
    tasks = ("nuclei, 5", "nuclei, 60")
    rows = peers_rows(lambda row: row["seconds"] == 240 and row["task"] in tasks)
    lines = [
        {
            "method": method,
            "machine": machine,
            **{
                f"{name}, {task}": mean([row for row in group if row["task"] == task], name)
                for task in tasks
                if any(row["task"] == task for row in group)
                for name in ("f1", "wape")
            },
        }
        for (method, machine), group in grouped(rows, "method", "machine").items()
    ]
    lines.sort(key=lambda line: -line.get("f1, nuclei, 5", 0))
    return markdown(
        lines,
        {
            "program": "method",
            "5 labeled images: F1": ("f1, nuclei, 5", ".3f"),
            "count error": ("wape, nuclei, 5", ".3f"),
            "60 labeled images: F1": ("f1, nuclei, 60", ".3f"),
            "count error ": ("wape, nuclei, 60", ".3f"),
            "machine": "machine",
        },
    )


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
