"""What the benchmark scripts share: finished cells are kept, and a run goes on where it stopped."""

import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch

import sskseg
from sskseg.datasets import (
    load_dsb2018_nuclei,
    load_epfl_mitochondria,
    make_neuromuscular_junctions,
)
from sskseg.metrics import average_precision, count_error, f1_instances
from sskseg.training import select_device, select_precision

THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.9)  # least IoU of a match
RESULTS = Path(__file__).parent / "results"
# How the library trains and calibrates by default, where figures depend on it.
TRAINED = (
    "Muon, width 16, depth 4, last layer by AdamW, rising warps and borders, cores, one size, haze"
)
COUNTED = f"{TRAINED}; calibrated by standard error"
# Pipelines on planes of one or two channels, whose network starts from a trained model.
STARTED = f"{COUNTED}; network='auto'"
_OTHERS = "not ours"  # of methods that no default of ours changes


def data_folder():
    """The folder of real images: SSKSEG_DATA, or shared/data beside the checkout."""
    default = Path(__file__).resolve().parents[3] / "shared" / "data"
    return Path(os.environ.get("SSKSEG_DATA", default))


def in_process(checkout, script, **options):
    """Run a script in a process of its own with another checkout; return the JSON it prints."""
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    given = [text for name, value in options.items() for text in (f"--{name}", str(value))]
    output = subprocess.run(
        [sys.executable, script, *given], env=environment, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    return json.loads(output.stdout.splitlines()[-1])


def machine():
    """What the figures were measured on."""
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = [x for x in cpuinfo.read_text().splitlines() if x.startswith("model name")]
        name = lines[0].split(":")[1].strip() if lines else name
    if torch.cuda.is_available():
        name = torch.cuda.get_device_name()
    return f"{name}, {precision()}, {torch.get_num_threads()} threads, torch {torch.__version__}"


def precision():
    """In what the machine computes by default, "bfloat16" or "float32"."""
    return str(select_precision("auto", select_device("auto"))).removeprefix("torch.")


def resident(field="VmRSS"):
    """Resident megabytes of this process: now, or with "VmHWM" the most so far.

    The system's account of a process's resources goes on from that of its parent at the fork, so
    that it is never below the parent's; what the kernel tells of its memory begins anew.
    """
    fields = Path("/proc/self/status").read_text().split(f"{field}:")[1]
    return int(fields.split()[0]) / 1024


def version():
    """Commit of the checkout, or the package's version outside of one."""
    try:
        where = {"cwd": Path(__file__).parent, "capture_output": True, "text": True, "check": True}
        commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], **where).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return sskseg.__version__
    return commit


DOMAINS = (  # of muscle scans
    {"noise": 0.05, "bleed_through": 0.1},
    {"noise": 0.12, "bleed_through": 0.3},
    {"noise": 0.2, "bleed_through": 0.15},
)


def junctions(n, seed):
    """`n` simulated scans of each domain, by turns, with their labels."""
    made = [make_neuromuscular_junctions(n, (192, 192), random_state=seed + i, **domain)
            for i, domain in enumerate(DOMAINS)]  # fmt: skip
    return tuple([m[k][j] for j in range(n) for m in made] for k in (0, 1))


def nuclei():
    """DSB 2018 in a fixed random order: 160 images and labels for training, 80 for testing."""
    X, y = load_dsb2018_nuclei(data_folder() / "dsb2018_nuclei")
    order = np.random.default_rng(0).permutation(len(X))
    X, y = [X[i] for i in order], [y[i] for i in order]
    return X[:160], y[:160], X[160:240], y[160:240]


def mitochondria_block(n_labeled=4):
    """Sections 0-119 of the EPFL training volume, some labeled (others -1), and 125-164 for
    evaluation."""
    X, y = load_epfl_mitochondria(data_folder() / "epfl_mitochondria", split="train")
    known = np.full((120, *y.shape[1:]), -1, np.int8)
    labeled = np.round(np.linspace(0, 119, n_labeled + 2)[1:-1]).astype(int)
    known[labeled] = y[labeled]
    return X[:120], known, X[125:], y[125:]


def network_steps(model):
    """Training steps of a segmenter's network."""
    return max(row["step"] for row in model.history_ if row["phase"] == "network")


def foreground(outputs, ndim=2):
    """The foreground of what a segmenter hands on for one image: with cores or without."""
    return outputs[..., 0] if np.ndim(outputs) > ndim else outputs


def quality(y_true, found):
    """F1 at each of `THRESHOLDS`, average precision, and relative count error of label images."""
    y_true = list(y_true)
    counts = [[len(np.unique(x[x > 0])) for x in labels] for labels in (y_true, found)]
    figures = {f"f1_{t:g}": f1_instances(y_true, found, t) for t in THRESHOLDS}
    return {**figures, "ap": float(average_precision(y_true, found)),
            "wape": count_error(*counts)["wape"]}  # fmt: skip


class Cells:
    """A table that grows: one line of JSON for each finished cell.

    Parameters
    ----------
    name : str
        Of the file in ``tests/benchmarks/results``.
    recipe : str, default=None
        On which the figures depend (`TRAINED`, `COUNTED`): cells of an earlier one, or of a machine
        that computes in another precision, which is to say at another speed, stay in the file,
        and are neither shown nor taken for cells of this one.
    """

    def __init__(self, name, *, recipe=None):
        RESULTS.mkdir(exist_ok=True)
        self.path = RESULTS / f"{name}.jsonl"
        lines = self.path.read_text().splitlines() if self.path.exists() else []
        self.recipe = {"recipe": recipe, "precision": precision()} if recipe else {}
        rows = [json.loads(line) for line in lines]
        shown = [{**self.recipe, "recipe": name} for name in (recipe, _OTHERS)] if recipe else [{}]
        self.rows = [row for row in rows
                     if any(wanted.items() <= row["key"].items() for wanted in shown)]  # fmt: skip
        self.version = version()  # of what runs, not of a commit that is made meanwhile

    def run(self, key, measure, *, ours=True):
        """Return the cell of `key` (a dict), measuring it if it is not there yet.

        With `ours` False nothing of the library is in it, and it holds whatever the recipe.
        """
        key = {**key, **self.recipe}
        if self.recipe and not ours:
            key["recipe"] = _OTHERS
        for row in self.rows:
            if row["key"] == key:
                return row
        start = time.perf_counter()
        figures = measure()
        row = {
            "key": key,
            "figures": figures,
            "seconds": round(time.perf_counter() - start, 1),
            "machine": machine(),
            "version": self.version,
        }
        with self.path.open("a") as file:
            file.write(json.dumps(row) + "\n")
        self.rows.append(row)
        print(json.dumps(row), flush=True)
        return row


def markdown(rows, columns):
    """A Markdown table of dicts."""
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    for row in rows:
        cells = [row.get(column, "") for column in columns]
        text = [f"{cell:.4f}" if isinstance(cell, float) else str(cell) for cell in cells]
        lines.append("| " + " | ".join(text) + " |")
    return "\n".join(lines)
