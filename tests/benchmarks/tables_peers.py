"""Tables and figures of other programs on the same work."""

from functools import partial

from page_tables import FIGURES, cells, figure, grouped, markdown, mean, table
from tables_accuracy import ORIGIN, QUALITY

PEER_KEY = ("task", "seconds", "machine", "method", "seed")


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
REPEATED = "Xeon"  # of those of one minute, and with the present counter


def _compared(columns, start=None, machine=MACHINE):
    """One row for each program, F1 and count error in each column, means over its runs.

    Parameters
    ----------
    columns : dict
        Heading: (task, seconds).
    start : callable, default=None
        Name of the start of the network of a program, for a column.
    machine : str, default=MACHINE
    """
    groups = {}
    for heading, (task, seconds) in columns.items():
        for method, runs in runs_of(task, seconds, machine).items():
            text = f"{mean(runs, 'f1'):.3f} ({mean(runs, 'wape'):.3f})"
            text += f", {len(runs)} runs" if len(runs) > 1 else ""
            groups.setdefault(method, {"program": method})[heading] = text
    first = next(iter(columns))
    rows = sorted(groups.values(), key=lambda row: row.get(first, ""), reverse=True)
    shown = {"program": "program"}
    if start is not None:
        rows = [row | {"start": start(row["program"])} for row in rows]
        shown["network starts from"] = "start"
    return markdown(rows, shown | {heading: heading for heading in columns})


def _start_on_nuclei(method):
    """Where a network starts by default; thresholds and forests are no networks."""
    if method in ("Otsu + watershed", "PixelForest"):
        return ""
    is_default = method.startswith("sskseg") and not method.endswith("random weights")
    return "simulated cells" if is_default else "random weights"


def runs_of(task, seconds, machine=MACHINE):
    """Return {program: its runs} of a task in these seconds, on one machine."""
    wanted = (task, seconds, machine)
    rows = peers_rows(lambda row: (row["task"], row["seconds"], row["machine"]) == wanted)
    if task.endswith("all"):  # nothing is unlabeled
        for row in rows:
            row["method"] = row["method"].removesuffix(", labeled images only")
    return {method: runs for (method,), runs in grouped(rows, "method").items()}


@table
def peers_nuclei():
    """F1 and count error of nuclei after four minutes, by the number of labeled images."""
    return _compared({
        "5 labeled": ("nuclei, 5", 240), "20 labeled": ("nuclei, 20", 240),
        "60 labeled": ("nuclei, 60", 240), "160 labeled": ("nuclei, all", 240),
    }, _start_on_nuclei)  # fmt: skip


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
def peers_one_minute():
    """F1 and count error after one minute."""
    return _compared({
        "nuclei, 5 labeled": ("nuclei, 5", 60), "20 labeled": ("nuclei, 20", 60),
        "60 labeled": ("nuclei, 60", 60), "160 labeled": ("nuclei, all", 60),
        "mitochondria, 1 labeled section": ("mitochondria, 1", 60),
        "4 labeled sections": ("mitochondria, 4", 60),
        "32 labeled sections": ("mitochondria, 32", 60), "junctions": ("junctions", 60),
        "junctions, 300 test scans": ("junctions, 300 tests", 60),
    }, machine=REPEATED)  # fmt: skip


@table
def peers_repeated():
    """F1 and count error after four minutes, with the present counter."""
    return _compared({
        "mitochondria, 1 labeled section": ("mitochondria, 1", 240),
        "4 labeled sections": ("mitochondria, 4", 240), "junctions": ("junctions", 240),
    }, machine=REPEATED)  # fmt: skip


@table
def compare_peers():
    """F1 and count error after four minutes, one row for each program."""
    return _compared({
        "5 labeled images": ("nuclei, 5", 240), "60 labeled images": ("nuclei, 60", 240),
    }, _start_on_nuclei)  # fmt: skip


_RANDOM, _SIMULATED = "sskseg, random weights", "sskseg, simulated images too, random weights"
_LABELED, _UNET, _STARDIST = (
    "sskseg, labeled images only", "U-Net (skorch, MONAI)", "StarDist from scratch",
)  # fmt: skip
_F1 = {  # figures in sentences: (task, seconds, program)
    "peers_5_started": ("nuclei, 5", 240, "sskseg"),
    "peers_5_started_minute": ("nuclei, 5", 60, "sskseg"),
    "peers_5_ours": ("nuclei, 5", 240, _RANDOM),
    "peers_5_unet": ("nuclei, 5", 240, _UNET),
    "peers_60_started": ("nuclei, 60", 240, "sskseg"),
    "peers_60_started_minute": ("nuclei, 60", 60, "sskseg"),
    "peers_60_ours": ("nuclei, 60", 240, _RANDOM),
    "peers_60_unet": ("nuclei, 60", 240, _UNET),
    "peers_60_stardist": ("nuclei, 60", 240, _STARDIST),
    "peers_long_ours": ("nuclei, 60", 900, "sskseg"),
    "peers_long_labeled": ("nuclei, 60", 900, _LABELED),
    "peers_long_stardist": ("nuclei, 60", 900, _STARDIST),
    "peers_sections_ours": ("mitochondria, 4", 240, "sskseg"),
    "peers_sections_torch_em": ("mitochondria, 4", 240, "torch-em, U-Net with distances"),
    "peers_junctions_ours": ("junctions", 240, "sskseg"),
    "peers_junctions_unet": ("junctions", 240, _UNET),
    "peers_junctions_forest": ("junctions", 240, "PixelForest"),
}


def _mean_of(task, seconds, method, name="f1", machine=MACHINE):
    return mean(runs_of(task, seconds, machine)[method], name)


def _f1_of(task, seconds, method):
    return f"{_mean_of(task, seconds, method):.3f}"


FIGURES.update({name: partial(_f1_of, *key) for name, key in _F1.items()})


@figure
def peers_5_simulated_gain():
    gain = _mean_of("nuclei, 5", 240, _SIMULATED) - _mean_of("nuclei, 5", 240, _RANDOM)
    return f"{100 * gain:.1f}"


@figure
def peers_60_simulated_loss():
    loss = _mean_of("nuclei, 60", 240, _RANDOM) - _mean_of("nuclei, 60", 240, _SIMULATED)
    return f"{100 * loss:.1f}"


@figure
def peers_sections_memory():
    ours, other = (_mean_of("mitochondria, 4", 240, m, "peak MB") for m in ("sskseg", _UNET))
    return f"{ours / other:.1f}"


@figure
def forest_f1():
    return f"{_mean_of('nuclei, 5', 240, 'PixelForest'):.2f}"


def _repeated(task, seconds, method, name="f1"):
    return f"{_mean_of(task, seconds, method, name, REPEATED):.3f}"


_JUNCTIONS = {"ours": "sskseg", "unet": _UNET, "forest": "PixelForest"}
FIGURES.update({
    f"peers_minute_junctions_{who}": partial(_repeated, "junctions", 60, method)
    for who, method in _JUNCTIONS.items()
})  # fmt: skip
FIGURES.update({
    f"peers_many_junctions_{who}_{name}": partial(
        _repeated, "junctions, 300 tests", 60, method, name
    )
    for who, method in _JUNCTIONS.items()
    for name in ("f1", "f1_75")
})  # fmt: skip
FIGURES["peers_repeated_sections"] = partial(_repeated, "mitochondria, 4", 240, "sskseg")
