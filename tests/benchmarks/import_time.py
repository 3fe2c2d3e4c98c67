"""What `import sskseg` adds to importing torch and scikit-learn.

    python tests/benchmarks/import_time.py [REPEATS]

Imports are timed inside of processes of their own, by turns, so that what else the machine does
falls on all of them; medians over the repeats, and of the differences within one turn.
"""

import subprocess
import sys
from statistics import median

from harness import markdown

BEFORE = "import torch, sklearn.base, sklearn.ensemble, sklearn.linear_model, sklearn.pipeline"
WHATS = {
    "torch, scikit-learn": BEFORE,
    "and sskseg": f"{BEFORE}, sskseg",
    "and every estimator": f"{BEFORE}\nfrom sskseg import *",
}
CODE = "import time; start = time.perf_counter()\n{}\nprint(time.perf_counter() - start)"


def seconds(what):
    command = [sys.executable, "-c", CODE.format(WHATS[what])]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def main(repeats):
    for what in WHATS:
        seconds(what)  # files into memory
    turns = [{what: seconds(what) for what in WHATS} for _ in range(repeats)]
    first = next(iter(WHATS))
    rows = [
        {
            "imports": what,
            "seconds": median(turn[what] for turn in turns),
            "more than torch and scikit-learn": median(turn[what] - turn[first] for turn in turns),
        }
        for what in WHATS
    ]
    print(markdown(rows, list(rows[0])))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 11)
