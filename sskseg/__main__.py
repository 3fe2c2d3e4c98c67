"""``python -m sskseg`` is the command line `sskseg`."""

import sys

from .cli.__main__ import run

if __name__ == "__main__":
    sys.exit(run())
