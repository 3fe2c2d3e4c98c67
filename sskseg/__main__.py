"""``python -m sskseg`` is the command line `sskseg`."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
