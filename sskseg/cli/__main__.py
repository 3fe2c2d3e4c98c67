"""The command line as a process of its own: `sskseg`, also as ``python -m sskseg.cli``."""

import gc
import sys

from .main import main


def run() -> int:
    """Run the command line of this process, and return its exit code."""
    # Modules are a quarter of a million objects that stay. Python searches them for garbage many
    # times during imports, and again when it ends: that is a quarter of a short command.
    gc.set_threshold(20_000)
    try:
        return main()
    finally:
        gc.freeze()


if __name__ == "__main__":
    sys.exit(run())
